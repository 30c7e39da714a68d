//! More requests than can be answered: the rest is sent away at once, and everything else goes on.

use std::sync::mpsc;
use std::thread;

use serde_json::json;

use crate::service::{FORM, GRANT, Service, call};

#[test]
fn r_16_token_requests_without_a_place_are_answered_503_at_once() {
    let service = Service::standard(&[("MAX_TOKEN_REQUESTS", "1")]);
    let client = service.basic_client(&json!({}));
    let workers = thread::available_parallelism().unwrap().get();
    let flood = 3 * workers;
    let (sender, receiver) = mpsc::channel();
    let gate = service.stores.secrets.hold();
    for _ in 0..flood {
        let (sender, address, basic) = (sender.clone(), service.public, client.basic());
        thread::spawn(move || {
            let headers = [FORM, ("Authorization", &*basic)];
            sender.send(call(address, "POST", "/oauth/token", &headers, GRANT)).unwrap();
        });
    }
    // The store answers nobody, so whoever is answered found no place.
    for _ in 0..flood - workers {
        let answer = receiver.recv().unwrap();
        assert_eq!(answer.refusal(), (503, "temporarily_unavailable".to_owned()));
    }
    for path in ["/-/healthz", "/-/ready", "/.well-known/jwks.json"] {
        assert_eq!(service.get(path).status, 200, "{path}");
    }
    let page = call(service.management, "GET", "/-/metrics", &[], "");
    assert!(page.body.contains("tokens_refused_total{reason=\"overloaded\"}"), "{page:?}");
    drop(gate);
    let served =
        (0..workers).map(|_| receiver.recv().unwrap().status).filter(|status| *status == 200).count();
    assert!(served > 0, "whoever had a place was served");
    assert_eq!(service.token(&[("Authorization", &client.basic())], GRANT).status, 200, "places come back");
}

//! What happens when the program itself is wrong. The clock of the decision log stands for whatever may panic: it is read
//! once a decision is made, so that what is lost is an allow.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use common::{Clock, Timestamp};
use envoy_types::ext_authz::v3::pb::{CheckRequest, CheckResponse, HttpResponse};
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use service_kit::{Service as _, SystemClock, Vars};

use super::AuthorizationService;

/// Panics when it is first asked, and the second time.
#[derive(Debug, Default)]
struct BrokenClock(AtomicUsize);

impl Clock for BrokenClock {
    fn now(&self) -> Timestamp {
        assert!(self.0.fetch_add(1, Ordering::SeqCst) >= 2, "the clock is broken");
        SystemClock.now()
    }
}

/// A service that panics while it decides twice. Everybody may ask for `/public`.
fn start() -> (SocketAddr, SocketAddr) {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let folder = tempfile::tempdir().unwrap();
        let rules = r#"{"/public":{"GET":{"authorization":{"expression":"true","public":true}}}}"#;
        std::fs::write(folder.path().join("auth.json"), rules).unwrap();
        let vars = Vars::from_pairs([
            ("CONFIGURATION_PATH", folder.path().to_str().unwrap()),
            ("HTTP_HOST", "127.0.0.1"),
            ("HTTP_PORT", "0"),
            ("GRPC_HOST", "127.0.0.1"),
            ("GRPC_PORT", "0"),
            ("USERINFO_URL", "http://127.0.0.1:9/"),
            ("AUTHORIZATION_HEADERS_TO_PROXY", "authorization"),
            ("DECISION_LOG", "all"),
        ]);
        let config = AuthorizationService::configure(&vars).unwrap();
        actix_web::rt::System::new().block_on(async {
            let mut service = AuthorizationService::build(config).await.unwrap();
            let route = Arc::get_mut(&mut service.route).unwrap();
            let decision_point = Arc::get_mut(&mut route.decision_point).unwrap();
            decision_point.recorder.clock = Arc::new(BrokenClock::default());
            let addresses = (service.local_addr().unwrap(), service.grpc_addr().unwrap().unwrap());
            sender.send(addresses).unwrap();
            service.run().await.unwrap();
        });
    });
    receiver.recv().unwrap()
}

#[test]
fn over_http_a_panic_is_no_answer_and_the_next_request_has_one() {
    let (address, _) = start();
    let ask = || {
        let mut connection = TcpStream::connect(address).unwrap();
        let request = b"GET /auth/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
            Original-Request-Uri: /public\r\nOriginal-Request-Method: GET\r\n\r\n";
        connection.write_all(request).unwrap();
        let mut answer = String::new();
        let _ = connection.read_to_string(&mut answer);
        answer
    };
    assert_eq!([ask(), ask()], ["", ""]);
    assert!(ask().starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn over_grpc_a_panic_is_an_error_and_the_next_call_has_an_answer() {
    let (_, address) = start();
    let mut client = AuthorizationClient::connect(format!("http://{address}")).await.unwrap();
    for _ in 0..2 {
        let error = client.check(check()).await.unwrap_err();
        assert_ne!(error.code(), tonic::Code::Ok, "{error:?}");
    }
    let answer: CheckResponse = client.check(check()).await.unwrap().into_inner();
    assert!(matches!(answer.http_response, Some(HttpResponse::OkResponse(_))), "{answer:?}");
}

fn check() -> CheckRequest {
    let http = HttpRequest { method: "GET".to_owned(), path: "/public".to_owned(), ..HttpRequest::default() };
    let request = Request { http: Some(http), ..Request::default() };
    CheckRequest {
        attributes: Some(AttributeContext { request: Some(request), ..AttributeContext::default() }),
    }
}

//! Several replicas over one store, each with a signing key of its own.

use std::sync::Arc;

use client_credentials::ClientCredentials;
use client_credentials::config::Config;
use common::Clock;
use serde_json::json;
use service_kit::Vars;
use testkit::SeededRandom;

use crate::service::{GRANT, Service};

fn kids(service: &Service) -> Vec<String> {
    let keys = service.get("/.well-known/jwks.json").json();
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_replica_verifies_the_tokens_of_all() {
    let first = Service::standard(&[("PRIVATE_RSA_KEY_ID", "b-first")]);
    let client = first.basic_client(&json!({}));
    assert_eq!(kids(&first), ["b-first"]);
    let second = first.replica(&[("PRIVATE_RSA_KEY_ID", "a-second")]);
    // A key that was published before any of its tokens is found at once, or after a second at the latest.
    first.clock.advance_seconds(1);
    for (issuer, verifier) in [(&second, &first), (&first, &second)] {
        assert_eq!(verifier.tokeninfo(&issuer.token_of(&client)).status, 200);
        assert_eq!(kids(issuer), ["a-second", "b-first"], "sorted, and the same everywhere");
    }
}

#[test]
fn t_clm_13_an_assertion_is_used_once_over_all_replicas() {
    let first = Service::standard(&[]);
    let second = first.replica(&[("PRIVATE_RSA_KEY_ID", "second")]);
    let client = first.key_client(&json!({}));
    let assertion = first.assertion(&client, &json!({}));
    assert_eq!(first.present(&assertion).status, 200);
    assert_eq!(second.present(&assertion).status, 401);
}

#[test]
fn t_clm_14_r_08_what_was_acknowledged_outlives_a_restart() {
    let first = Service::standard(&[]);
    let (client, keyed) = (first.basic_client(&json!({})), first.key_client(&json!({})));
    let assertion = first.assertion(&keyed, &json!({}));
    assert_eq!(first.present(&assertion).status, 200);
    let token = first.token_of(&client);
    // A new process opens the same file; the pepper and the key come from where the first one put them.
    let second = Service::start(Arc::clone(&first.folder), &[], 1);
    assert_eq!(second.token(&[("Authorization", &client.basic())], GRANT).status, 200);
    assert_eq!(second.present(&assertion).status, 401);
    assert_eq!(second.tokeninfo(&token).status, 200);
}

#[test]
fn t_ops_04_a_replica_with_another_salt_is_refused() {
    let first = Service::standard(&[]);
    let start = |service: &Service, salt: &str| {
        let vars = Vars::from_pairs([
            ("HTTP_HOST", "127.0.0.1"),
            ("HTTP_PORT", "0"),
            ("MANAGEMENT_PORT", "0"),
            ("DATA_DIR", service.folder.path().join("other").to_str().unwrap()),
            ("CLIENT_ID_HASH_SALT", salt),
        ]);
        let config = Config::read(&vars).map_err(|problems| problems.to_string()).unwrap();
        let (ports, clock) = (service.stores.ports(), Arc::clone(&service.clock) as Arc<dyn Clock>);
        actix_web::rt::System::new().block_on(async {
            let assembled =
                ClientCredentials::assemble(config, ports, clock, Arc::new(SeededRandom::new(9))).await;
            assembled.err().map(|error| error.to_string())
        })
    };
    let salt = "sixteen letters of salt";
    for service in [first, Service::standard(&[("CLIENT_ID_HASH_SALT", salt)])] {
        let client = service.basic_client(&json!({}));
        let refused = start(&service, "another sixteen letters").unwrap();
        assert!(refused.contains("another CLIENT_ID_HASH_SALT"), "{refused}");
        assert!(!refused.contains("sixteen"), "{refused}");
        assert_eq!(service.token(&[("Authorization", &client.basic())], GRANT).status, 200);
    }
    let salted = Service::standard(&[("CLIENT_ID_HASH_SALT", salt)]);
    assert_eq!(start(&salted, salt), None);
    assert!(start(&salted, "").is_some(), "nor is one that was never set taken for it");
}

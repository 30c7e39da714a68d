//! `/keys`, and what becomes of tokens and of the key set while signing keys come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use client_credentials::ClientCredentials;
use client_credentials::config::Config;
use common::Clock;
use serde_json::{Value, json};
use service_kit::Vars;
use testkit::SeededRandom;

use crate::service::{Answer, BasicClient, Service, jwt_part};

const ENCRYPTION_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const SHARED: (&str, &str) = ("SIGNING_KEYS_ENCRYPTION_KEY", ENCRYPTION_KEY);
const DAY: i64 = 86_400;

fn post(service: &Service, path: &str, body: &Value) -> Answer {
    service.manage("POST", path, Some(body))
}

/// The kids and states that an operator sees.
fn states(service: &Service) -> Vec<(String, String)> {
    let keys = service.manage("GET", "/keys", None).json();
    let text = |key: &Value, name: &str| key[name].as_str().unwrap().to_owned();
    keys["keys"].as_array().unwrap().iter().map(|key| (text(key, "kid"), text(key, "state"))).collect()
}

fn kid_of(token: &str) -> String {
    jwt_part(token, 0)["kid"].as_str().unwrap().to_owned()
}

/// The kids of the JWKS.
fn key_set(service: &Service) -> Vec<String> {
    let keys = service.get("/.well-known/jwks.json").json();
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// A next key of this algorithm: its kid.
fn make(service: &Service, algorithm: &str) -> String {
    let made = post(service, "/keys", &json!({ "algorithm": algorithm }));
    assert_eq!((made.status, &made.json()["state"]), (201, &json!("next")), "{made:?}");
    made.json()["kid"].as_str().unwrap().to_owned()
}

/// Asks until the answer is yes: the keys are kept up beside the requests.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} does not come");
    }
}

#[test]
fn c_oidc_07_r_21_t_key_14_the_life_of_a_shared_key() {
    let service = Service::standard(&[SHARED]);
    let client = service.basic_client(&json!({}));
    let first_token = service.token_of(&client);
    let first = kid_of(&first_token);
    assert_eq!(states(&service), [(first.clone(), "active".to_owned())]);

    let second = make(&service, "RS256");
    let mut both = [first.clone(), second.clone()];
    both.sort();
    assert_eq!(key_set(&service), both, "it is published before it signs");
    assert_eq!(kid_of(&service.token_of(&client)), first);
    let activate = format!("/keys/{second}/activate");
    service.clock.advance_seconds(599);
    let early = service.manage("POST", &activate, None);
    assert_eq!(early.refusal(), (409, "conflict".to_owned()));
    assert!(early.json()["message"].as_str().unwrap().contains("1 seconds from now"), "{early:?}");
    assert_eq!(kid_of(&service.token_of(&client)), first);

    service.clock.advance_seconds(1);
    let active = service.manage("POST", &activate, None);
    assert_eq!((active.status, &active.json()["state"]), (200, &json!("active")));
    assert_eq!(
        states(&service),
        [(first.clone(), "retiring".to_owned()), (second.clone(), "active".to_owned())]
    );
    let second_token = service.token_of(&client);
    assert_eq!(kid_of(&second_token), second);
    for token in [&first_token, &second_token] {
        assert_eq!(service.tokeninfo(token).status, 200);
    }
    assert_eq!(key_set(&service), both);

    service.clock.advance_seconds(DAY + 899);
    assert_eq!(key_set(&service), both);
    service.clock.advance_seconds(1);
    assert_eq!(key_set(&service), [second.as_str()]);
    assert_eq!(states(&service), [(second, "active".to_owned())]);
    assert_eq!(service.tokeninfo(&first_token).refusal().0, 401);
}

#[test]
fn unsafe_and_senseless_steps_are_refused_and_change_nothing() {
    let service = Service::standard(&[SHARED]);
    let client = service.basic_client(&json!({}));
    let first = kid_of(&service.token_of(&client));
    make(&service, "ES256");
    let before = service.manage("GET", "/keys", None);
    let path = |kid: &str, step: &str| format!("/keys/{kid}/{step}");
    for (path, body, expected) in [
        ("/keys".to_owned(), json!({"algorithm": "ES256"}), 409),
        ("/keys".to_owned(), json!({"algorithm": "RS384"}), 400),
        ("/keys".to_owned(), json!({"algorithm": "none"}), 400),
        ("/keys".to_owned(), json!({"algorithm": 7}), 400),
        ("/keys".to_owned(), json!({}), 400),
        ("/keys".to_owned(), json!({"algorithm": "EdDSA", "kid": "mine"}), 400),
        (path(&first, "activate"), json!({}), 409),
        (path(&first, "retire"), json!({}), 409),
        (path(&first, "retire"), json!({"immediately": true}), 409),
        (path(&first, "retire"), json!({"immediately": "yes"}), 400),
        (path(&first, "retire"), json!({"now": true}), 400),
        (path(&first, "retire"), json!([]), 400),
        (path("unknown", "activate"), json!({}), 404),
        (path("unknown", "retire"), json!({"immediately": true}), 404),
        (path("%00", "retire"), json!({}), 404),
        (path("a%2Fb", "retire"), json!({}), 404),
        (path(&first, "delete"), json!({}), 404),
    ] {
        assert_eq!(post(&service, &path, &body).refusal().0, expected, "{path} {body}");
    }
    assert_eq!(service.manage("GET", "/keys", None), before);
    assert_eq!(kid_of(&service.token_of(&client)), first);
}

#[test]
fn every_algorithm_signs_and_is_verified_shared_or_not() {
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        for shared in [&[][..], &[SHARED]] {
            let variables: Vec<_> =
                shared.iter().copied().chain([("SIGNING_ALGORITHM", algorithm)]).collect();
            let service = Service::standard(&variables);
            let token = service.token_of(&service.basic_client(&json!({})));
            assert_eq!(jwt_part(&token, 0)["alg"], algorithm);
            assert_eq!(service.tokeninfo(&token).status, 200, "{algorithm}");
            let keys = service.get("/.well-known/jwks.json").json();
            assert_eq!(
                (&keys["keys"][0]["alg"], &keys["keys"][0]["use"]),
                (&json!(algorithm), &json!("sig"))
            );
            let named: Vec<_> = variables.iter().copied().chain([("PRIVATE_RSA_KEY_ID", "other")]).collect();
            let other = service.replica(&named);
            service.clock.advance_seconds(1);
            assert_eq!(other.tokeninfo(&token).status, 200, "{algorithm}");
        }
    }
}

#[test]
fn replicas_share_one_key_and_all_take_the_same_steps() {
    let first = Service::standard(&[SHARED, ("SIGNING_ALGORITHM", "EdDSA")]);
    let second = first.replica(&[SHARED, ("SIGNING_ALGORITHM", "EdDSA")]);
    let client = first.basic_client(&json!({}));
    let kid = kid_of(&first.token_of(&client));
    assert_eq!(kid_of(&second.token_of(&client)), kid);
    let next = make(&second, "EdDSA");
    first.clock.advance_seconds(600);
    assert_eq!(first.manage("POST", &format!("/keys/{next}/activate"), None).status, 200);
    // The other one learns it within half a minute, of its own accord.
    first.clock.advance_seconds(30);
    until("the new key at the other replica", || kid_of(&second.token_of(&client)) == next);
}

#[test]
fn c_oidc_07_rotation_under_load_refuses_no_token_on_any_replica() {
    let variables = [SHARED, ("SIGNING_ALGORITHM", "EdDSA")];
    let first = Arc::new(Service::standard(&variables));
    let second = Arc::new(first.replica(&variables));
    let client = first.basic_client(&json!({}));
    let (stop, verified) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load: Vec<_> = [(&first, &second), (&second, &first)]
        .map(|(issuer, verifier)| {
            let (issuer, verifier) = (Arc::clone(issuer), Arc::clone(verifier));
            let (stop, verified) = (Arc::clone(&stop), Arc::clone(&verified));
            let client = BasicClient { id: client.id.clone(), secret: client.secret.clone() };
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let token = issuer.token_of(&client);
                    for service in [&verifier, &issuer] {
                        assert_eq!(service.tokeninfo(&token).status, 200, "{}", kid_of(&token));
                        verified.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .into();
    let mut kept: Vec<(String, i64)> = Vec::new();
    let mut kids = Vec::new();
    for round in 0..10 {
        let (maker, activator) = if round % 2 == 0 { (&first, &second) } else { (&second, &first) };
        let next = make(maker, "EdDSA");
        let target = verified.load(Ordering::Relaxed) + 4;
        until("load", || {
            verified.load(Ordering::Relaxed) >= target || load.iter().any(|one| one.is_finished())
        });
        first.clock.advance_seconds(600);
        assert_eq!(activator.manage("POST", &format!("/keys/{next}/activate"), None).status, 200);
        let token = activator.token_of(&client);
        assert_eq!(kid_of(&token), next);
        kids.push(next);
        kept.push((token, first.clock_seconds() + 3600));
        let now = first.clock_seconds();
        for (token, _) in kept.iter().filter(|(_, end)| *end > now) {
            for service in [&first, &second] {
                assert_eq!(service.tokeninfo(token).status, 200, "round {round}: {}", kid_of(token));
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    for one in load {
        one.join().unwrap();
    }
    assert!(verified.load(Ordering::Relaxed) > 40);
    assert_eq!(states(&first).len(), 11, "ten retired within a day, one active");
}

#[test]
fn a_schedule_replaces_the_key_without_anybody() {
    let variables = [SHARED, ("SIGNING_ALGORITHM", "ES256"), ("SIGNING_KEY_ROTATION_DAYS", "7")];
    let service = Service::standard(&variables);
    let replica = service.replica(&variables);
    let client = service.basic_client(&json!({}));
    let old = kid_of(&service.token_of(&client));
    service.clock.advance_seconds(7 * DAY - 600);
    // Whichever comes first publishes it; there is one, however many replicas want one.
    until("the next key", || {
        let _ = (service.token_of(&client), replica.token_of(&client));
        states(&service).len() == 2
    });
    assert_eq!(kid_of(&replica.token_of(&client)), old);
    service.clock.advance_seconds(600);
    for one in [&service, &replica] {
        until("the change", || kid_of(&one.token_of(&client)) != old);
    }
    let states: Vec<_> = states(&replica).into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["retiring", "active"]);
}

#[test]
fn a_stolen_key_is_refused_everywhere_within_half_a_minute() {
    let service = Service::standard(&[SHARED]);
    let replica = service.replica(&[SHARED]);
    let client = service.basic_client(&json!({}));
    let stolen_token = service.token_of(&client);
    let stolen = kid_of(&stolen_token);
    let next = make(&service, "RS256");
    let now = json!({"immediately": true});
    assert_eq!(post(&service, &format!("/keys/{next}/activate"), &now).status, 200);
    let gone = post(&service, &format!("/keys/{stolen}/retire"), &now);
    assert_eq!((gone.status, &gone.json()["state"]), (200, &json!("gone")), "{gone:?}");
    assert_eq!(service.tokeninfo(&stolen_token).refusal().0, 401);
    service.clock.advance_seconds(30);
    until("the refusal", || replica.tokeninfo(&stolen_token).status == 401);
    assert_eq!(replica.tokeninfo(&service.token_of(&client)).status, 200);
    assert_eq!(key_set(&replica), [next]);
}

#[test]
fn a_key_file_is_taken_over_as_the_first_shared_key() {
    let alone = Service::standard(&[]);
    let client = alone.basic_client(&json!({}));
    let token = alone.token_of(&client);
    // The same folder, as after a change of the configuration; the store is the same too.
    let shared = Service::start(Arc::clone(&alone.folder), &[SHARED], 1);
    assert_eq!(kid_of(&shared.token_of(&client)), kid_of(&token));
    assert_eq!(shared.tokeninfo(&token).status, 200);
    assert_eq!(key_set(&shared), ["keyID"]);
}

#[test]
fn private_halves_are_encrypted_in_the_store_and_open_only_with_the_key() {
    let service = Service::standard(&[SHARED, ("SIGNING_ALGORITHM", "EdDSA")]);
    let folder = service.folder.path().to_owned();
    let mut bytes = Vec::new();
    for file in ["gettone.sqlite3", "gettone.sqlite3-wal"] {
        bytes.extend(std::fs::read(folder.join(file)).unwrap());
    }
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("A256GCM."), "it is there");
    assert!(!text.contains("PRIVATE KEY") && !text.contains(ENCRYPTION_KEY));
    assert!(!service.folder.path().join("files-1/signing-key-eddsa.pem").exists());

    let start = |encryption_key: &str| {
        let vars = Vars::from_pairs([
            ("HTTP_HOST", "127.0.0.1"),
            ("HTTP_PORT", "0"),
            ("MANAGEMENT_PORT", "0"),
            ("DATA_DIR", folder.join("other").to_str().unwrap()),
            ("SIGNING_ALGORITHM", "EdDSA"),
            ("SIGNING_KEYS_ENCRYPTION_KEY", encryption_key),
        ]);
        let config = Config::read(&vars).map_err(|problems| problems.to_string()).unwrap();
        let (ports, clock) = (service.stores.ports(), Arc::clone(&service.clock) as Arc<dyn Clock>);
        actix_web::rt::System::new().block_on(async {
            let random = Arc::new(SeededRandom::new(9));
            ClientCredentials::assemble(config, ports, clock, random)
                .await
                .err()
                .map(|error| error.to_string())
        })
    };
    let other = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
    let refused = start(other).unwrap();
    assert!(refused.contains("SIGNING_KEYS_ENCRYPTION_KEY is not the one"), "{refused}");
    assert_eq!(start(&format!("{other},{ENCRYPTION_KEY}")), None, "an old key beside a new one will do");
}

#[test]
fn the_key_of_a_replica_that_is_gone_leaves_the_key_set_with_its_last_token() {
    let first = Service::standard(&[("PRIVATE_RSA_KEY_ID", "b-first")]);
    let client = first.basic_client(&json!({}));
    let second = first.replica(&[("PRIVATE_RSA_KEY_ID", "a-second")]);
    let token = second.token_of(&client);
    assert_eq!(key_set(&first), ["a-second", "b-first"]);
    assert_eq!(
        states(&first),
        [("a-second", "active"), ("b-first", "active")].map(|(k, s)| (k.into(), s.into()))
    );
    // From here on the second one is silent.
    first.clock.advance_seconds(DAY + 899);
    until("a word of the first one", || {
        key_set(&first).len() == 2 && states(&first).contains(&("b-first".to_owned(), "active".to_owned()))
    });
    assert_eq!(states(&first)[0], ("a-second".to_owned(), "retiring".to_owned()));
    first.clock.advance_seconds(1);
    until("the end of the key", || key_set(&first) == ["b-first"]);
    assert_eq!(first.tokeninfo(&token).refusal().0, 401);
    assert_eq!(states(&first).len(), 1, "nothing is left of it");
}

#[test]
fn keys_of_single_replicas_are_shown_and_not_changed() {
    let service = Service::standard(&[]);
    let keys = service.manage("GET", "/keys", None).json();
    let now = service.clock.now().unix_millis();
    assert_eq!(
        keys,
        json!({"keys": [{"kid": "keyID", "algorithm": "RS256", "state": "active", "shared": false,
            "publishedAt": now, "usableFrom": null, "activatedAt": now, "retiredAt": null,
            "goneAt": now + (DAY + 900) * 1000, "lastSeen": now}]})
    );
    for (path, body) in [
        ("/keys", json!({"algorithm": "RS256"})),
        ("/keys/keyID/activate", json!({})),
        ("/keys/keyID/retire", json!({})),
        ("/keys/keyID/retire", json!({"immediately": true})),
    ] {
        assert_eq!(post(&service, path, &body).refusal(), (409, "conflict".to_owned()), "{path}");
    }
    let replica = service.replica(&[("PRIVATE_RSA_KEY_ID", "other")]);
    let token = replica.token_of(&service.basic_client(&json!({})));
    assert_eq!(service.tokeninfo(&token).status, 200);
    // The replica has been stopped and its disk was stolen.
    let gone = post(&service, "/keys/other/retire", &json!({"immediately": true}));
    assert_eq!((gone.status, &gone.json()["state"]), (200, &json!("gone")));
    assert_eq!(service.tokeninfo(&token).refusal().0, 401);
}

#[test]
fn c_7517_07_the_key_set_has_a_tag_and_half_of_the_time_before_use() {
    let service = Service::standard(&[SHARED]);
    let answer = service.get("/.well-known/jwks.json");
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    let etag = answer.header("etag").unwrap().to_owned();
    let ask = |tag: &str| service.call("GET", "/.well-known/jwks.json", &[("If-None-Match", tag)], "");
    for same in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
        let unchanged = ask(&same);
        assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""), "{same}");
        assert_eq!(unchanged.header("etag"), Some(etag.as_str()));
    }
    assert_eq!(ask("\"x\"").status, 200);
    make(&service, "ES256");
    service.clock.advance_seconds(1);
    let changed = ask(&etag);
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), Some(etag.as_str()));
    for key in changed.json()["keys"].as_array().unwrap() {
        let allowed = ["kty", "use", "alg", "kid", "n", "e", "crv", "x", "y"];
        assert!(key.as_object().unwrap().keys().all(|name| allowed.contains(&name.as_str())), "{key}");
    }
}

#[test]
fn a_store_that_fails_stops_no_token_whose_key_is_known() {
    let service = Service::standard(&[SHARED]);
    let client = service.basic_client(&json!({}));
    let token = service.token_of(&client);
    service.stores.key_ring.fail();
    service.stores.keys.fail();
    service.clock.advance_seconds(60);
    assert_eq!(service.tokeninfo(&token).status, 200);
    assert_eq!(service.token(&[("Authorization", &client.basic())], crate::service::GRANT).status, 200);
    assert_eq!(service.get("/.well-known/jwks.json").status, 200);
    for (method, path) in [("GET", "/keys"), ("POST", "/keys/x/retire")] {
        assert_eq!(service.manage(method, path, None).refusal().0, 503, "{path}");
    }
}

#[test]
fn r_22_the_service_tells_of_the_steps_that_its_keys_take_by_themselves() {
    let service = Service::standard(&[SHARED, ("SIGNING_KEY_ROTATION_DAYS", "30")]);
    let told = |action: &str| -> Vec<(String, String)> {
        let events = service.manage("GET", &format!("/audit?action={action}"), None).json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let events = events["events"].as_array().unwrap();
        events.iter().map(|event| (text(&event["actor"]["kind"]), text(&event["subject"]))).collect()
    };
    let own = |kid: &str| ("service".to_owned(), kid.to_owned());
    let first = key_set(&service);
    assert_eq!(told("signing_key.added"), [own(&first[0])]);
    service.clock.advance_seconds(30 * DAY - 300);
    // Who asks for the keys has them kept up.
    until("the next key", || key_set(&service).len() == 2 && told("signing_key.added").len() == 2);
    service.clock.advance_seconds(1200);
    until("the change", || !key_set(&service).is_empty() && !told("signing_key.changed").is_empty());
    assert_eq!(told("signing_key.changed"), [told("signing_key.added")[0].clone()]);
}

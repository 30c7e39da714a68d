//! Clients that bring their id and secrets along from another product (T-BRU-05, T-BRU-06, ADR 11).

use std::sync::mpsc;
use std::thread;

use common::Clock;
use credentials::client::ClientId;
use credentials::secret::{ImportedHash, Pepper, SecretStore, StoredSecret};
use serde_json::{Value, json};

use crate::service::{Answer, BasicClient, FORM, GRANT, JSON, SALT, Service, basic, call};

const SECRET: &str = "some-secret";
/// Of [`SECRET`], as Hydra keeps them, by default and with bcrypt.
const HYDRA: &str =
    "$pbkdf2-sha256$i=25000,l=32$AAECAwQFBgcICQoLDA0ODw$awz3MIbir11Pun5OHB+J9QrMUUWJHcMqf4qFEDVDxJo";
const BCRYPT: &str = "$2a$04$AbCdEfGhIjKlMnOpQrStUukI9asqphaLG/YhfqddmnNso0dP.3ztS";
/// As Keycloak hashes what it hashes at all.
const ARGON2: &str =
    "$argon2id$v=19$m=7168,t=5,p=1$AAECAwQFBgcICQoLDA0ODw$LYnkceCTpsXZkulYTBZ9uhkoIicnKxe+Tup4c1SdMmQ";

fn imported(service: &Service, id: &str, members: &Value) -> Answer {
    let mut client = json!({"client_name": id, "client_id": id});
    client.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    service.manage("POST", "/clients", Some(&client))
}

fn with_hash(service: &Service, id: &str, hash: &str) {
    let answer = imported(service, id, &json!({"client_secret_hashes": [hash]}));
    assert_eq!(answer.status, 201, "{answer:?}");
    let body = answer.json();
    assert_eq!((&body["client_id"], body.get("client_secret")), (&json!(id), None));
}

fn ask(service: &Service, id: &str, secret: &str, from: &str) -> Answer {
    service.token(&[("Authorization", &basic(id, secret)), ("X-Forwarded-For", from)], GRANT)
}

fn status(service: &Service, id: &str, secret: &str) -> u16 {
    ask(service, id, secret, "1.1.1.1").status
}

fn secrets(service: &Service, id: &str) -> Vec<Value> {
    let answer = service.manage("GET", &format!("/clients/{id}/secrets"), None);
    answer.json()["secrets"].as_array().unwrap().clone()
}

#[test]
fn an_imported_secret_goes_on_working_and_is_kept_in_our_own_way_after_its_first_use() {
    for service in [Service::standard(&[]), Service::drop_in(&[])] {
        for (id, hash) in [("hydra", HYDRA), ("bcrypt", BCRYPT), ("keycloak", ARGON2)] {
            with_hash(&service, id, hash);
            let before = secrets(&service, id);
            assert_eq!(status(&service, id, "other-secret"), 401, "{id}");
            assert_eq!(secrets(&service, id), before, "a wrong secret changes nothing");
            service.clock.advance_seconds(60);
            assert_eq!(status(&service, id, SECRET), 200, "{id}");
            let after = secrets(&service, id);
            assert_eq!(after.len(), 1);
            assert_ne!(after[0]["id"], before[0]["id"], "it has another hash");
            assert_eq!(after[0]["createdAt"], before[0]["createdAt"]);
            assert_eq!([SECRET, "other-secret"].map(|secret| status(&service, id, secret)), [200, 401]);
            assert_eq!(secrets(&service, id), after);
            let events =
                service.manage("GET", &format!("/audit?client={id}&action=secret.upgraded"), None).json();
            let events = events["events"].as_array().unwrap();
            assert_eq!(events.len(), 1);
            assert_eq!(
                (&events[0]["subject"], &events[0]["actor"]),
                (&after[0]["id"], &json!({"kind": "service"}))
            );
        }
    }
}

#[test]
fn a_secret_that_is_known_is_ours_at_once() {
    let service = Service::standard(&[]);
    let secret = "yV9zWwq0AbdMe8Kc4uTnLfRo1sJxHgP2";
    let members = json!({"client_secret": secret, "token_endpoint_auth_method": "client_secret_post"});
    let answer = imported(&service, "orders", &members);
    assert_eq!((answer.status, answer.body.contains(secret)), (201, false), "{answer:?}");
    assert_eq!(secrets(&service, "orders")[0]["lastFour"], "HgP2");
    let form = format!("{GRANT}&client_id=orders&client_secret={secret}");
    assert_eq!(service.token(&[], &form).status, 200);
}

#[test]
fn several_secrets_are_good_and_a_rotation_ends_them() {
    let service = Service::standard(&[]);
    let other = "$2b$04$AbCdEfGhIjKlMnOpQrStUu/9//hEcHIMTohdCpBYc3PKiow5xvE3K";
    imported(&service, "two", &json!({"client_secret_hashes": [HYDRA, other]}));
    assert_eq!([SECRET, &"x".repeat(72)].map(|secret| status(&service, "two", secret)), [200, 200]);
    with_hash(&service, "ended", BCRYPT);
    let rotated = service.manage("POST", "/clients/ended/secrets", Some(&json!({"graceSeconds": 60}))).json();
    service.clock.advance_seconds(59);
    assert_eq!(status(&service, "ended", SECRET), 200);
    service.clock.advance_seconds(1);
    assert_eq!(status(&service, "ended", SECRET), 401, "its upgrade has not made it last longer");
    assert_eq!(status(&service, "ended", rotated["clientSecret"].as_str().unwrap()), 200);
}

#[test]
fn t_bru_06_a_secret_that_is_equal_in_its_first_72_bytes_is_wrong() {
    let service = Service::standard(&[]);
    let of_72 = "$2b$04$AbCdEfGhIjKlMnOpQrStUu/9//hEcHIMTohdCpBYc3PKiow5xvE3K";
    with_hash(&service, "long", of_72);
    assert_eq!([73, 100, 1024].map(|length| status(&service, "long", &"x".repeat(length))), [401; 3]);
    assert_eq!(status(&service, "long", &"x".repeat(72)), 200);
    assert_eq!(status(&service, "long", &"x".repeat(73)), 401);
}

#[test]
fn t_bru_05_beyond_the_budget_nothing_is_hashed_and_elsewhere_the_client_is_let_in() {
    let service = Service::standard(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    with_hash(&service, "orders", BCRYPT);
    for _ in 0..10 {
        assert_eq!(ask(&service, "orders", "guess", "6.6.6.6").refusal().0, 401);
    }
    let refused = ask(&service, "orders", SECRET, "6.6.6.6");
    assert_eq!(refused.refusal(), (429, "too_many_requests".to_owned()), "right, but not looked at");
    assert_eq!(refused, ask(&service, "orders", "guess", "6.6.6.6"), "nobody learns which");
    assert_eq!(
        ask(&service, "orders", SECRET, "1.1.1.1").status,
        200,
        "T-BRU-02: its own address is another"
    );
    // Somebody thought this secret up, so it could be guessed now as well.
    assert_eq!(ask(&service, "orders", SECRET, "6.6.6.6").refusal().0, 429);
    service.clock.advance_seconds(6);
    assert_eq!(ask(&service, "orders", SECRET, "6.6.6.6").status, 200);
    // No program of ours makes such secrets: these are looked at at any time.
    let strong = service.basic_client(&json!({}));
    for _ in 0..11 {
        ask(&service, &strong.id, "guess", "6.6.6.6");
    }
    assert_eq!(ask(&service, &strong.id, &strong.secret, "6.6.6.6").status, 200);
}

#[test]
fn t_bru_05_a_secret_is_refused_before_it_is_hashed_if_it_is_longer_than_any() {
    let service = Service::standard(&[]);
    with_hash(&service, "orders", HYDRA);
    let calls = service.stores.secrets.calls();
    for length in [1025, 30_000] {
        let form = format!("{GRANT}&client_id=orders&client_secret={}", "x".repeat(length));
        assert_eq!(service.token(&[], &form).refusal().0, 401);
    }
    assert_eq!(service.stores.secrets.calls(), calls, "nobody looked for what to compare it with");
}

#[test]
fn t_bru_05_hashing_has_few_places_and_whoever_finds_none_is_sent_away() {
    let service = Service::standard(&[]);
    with_hash(&service, "orders", BCRYPT);
    let ordinary = service.basic_client(&json!({}));
    let places = thread::available_parallelism().unwrap().get().div_ceil(2);
    let (sender, receiver) = mpsc::channel();
    // The first look at a client's secrets is before there is a place, the second in it.
    let gate = service.stores.secrets.hold_every_second();
    for place in 1..=places {
        let before = service.stores.secrets.calls();
        let (sender, address, basic) = (sender.clone(), service.public, basic("orders", SECRET));
        thread::spawn(move || {
            let headers = [FORM, ("Authorization", &*basic)];
            sender.send(call(address, "POST", "/oauth/token", &headers, GRANT)).unwrap();
        });
        while service.stores.secrets.calls() < before + 2 {
            thread::yield_now();
        }
        assert!(receiver.try_recv().is_err(), "place {place} is taken");
    }
    let answer = ask(&service, "orders", SECRET, "1.1.1.1");
    assert_eq!(answer.refusal(), (503, "temporarily_unavailable".to_owned()));
    drop(gate);
    assert!((0..places).all(|_| receiver.recv().unwrap().status == 200), "whoever had a place was served");
    assert_eq!(status(&service, "orders", SECRET), 200, "places come back");
    assert_eq!(status(&service, &ordinary.id, &ordinary.secret), 200);
}

#[test]
fn r_16_t_bru_05_who_waits_for_a_slow_hash_holds_up_nobody_with_secrets_of_ours() {
    let service = Service::standard(&[("MAX_TOKEN_REQUESTS", "1")]);
    with_hash(&service, "orders", BCRYPT);
    let ordinary = service.basic_client(&json!({}));
    // The first look at a client's secrets is before there is a place for the hash, the second in it.
    let gate = service.stores.secrets.hold_every_second();
    let before = service.stores.secrets.calls();
    let (address, basic) = (service.public, basic("orders", SECRET));
    let waiting = thread::spawn(move || {
        call(address, "POST", "/oauth/token", &[FORM, ("Authorization", &*basic)], GRANT)
    });
    while service.stores.secrets.calls() < before + 2 {
        thread::yield_now();
    }
    // Every worker takes some of these.
    for _ in 0..16 {
        assert_eq!(status(&service, &ordinary.id, &ordinary.secret), 200);
        // Another call, so that the next look is again one that is let in.
        service.basic_client(&json!({}));
        assert!((service.stores.secrets.calls() - before).is_multiple_of(2));
    }
    drop(gate);
    assert_eq!(waiting.join().unwrap().status, 200);
}

#[test]
fn t_bru_05_when_the_last_imported_hash_is_gone_nothing_is_computed_in_its_place() {
    let service = Service::standard(&[]);
    with_hash(&service, "orders", BCRYPT);
    assert_eq!(status(&service, "orders", SECRET), 200, "the last one is ours now");
    let looks = || {
        let before = service.stores.secrets.calls();
        ask(&service, "nobody", "guess", "1.1.1.1");
        service.stores.secrets.calls() - before
    };
    assert_eq!(looks(), 2, "that is not known yet");
    service.clock.advance_seconds(3600);
    assert_eq!(looks(), 3, "and whether any are left");
    assert_eq!(looks(), 1);
    with_hash(&service, "others", HYDRA);
    ask(&service, "others", "guess", "1.1.1.1");
    assert_eq!(looks(), 2);
}

#[test]
fn t_tim_03_who_was_imported_is_refused_like_everybody() {
    let service = Service::standard(&[]);
    with_hash(&service, "orders", BCRYPT);
    let ordinary = service.basic_client(&json!({}));
    let answers = ["orders", "nobody", &ordinary.id].map(|id| ask(&service, id, "guess", "1.1.1.1"));
    assert_eq!(answers[0].refusal().0, 401);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    // For a client that is not there something is hashed too: that is the second look at its secrets.
    let calls = |id: &str| {
        let before = service.stores.secrets.calls();
        ask(&service, id, "guess", "1.1.1.1");
        service.stores.secrets.calls() - before
    };
    assert_eq!(["orders", "nobody", &ordinary.id].map(calls), [2, 2, 2]);
    assert_eq!(status(&service, &ordinary.id, &ordinary.secret), 200);
}

#[test]
fn a_new_process_knows_that_imported_hashes_are_left() {
    let service = Service::standard(&[]);
    with_hash(&service, "orders", BCRYPT);
    let replica = service.replica(&[]);
    let before = replica.stores.secrets.calls();
    ask(&replica, "nobody", "guess", "1.1.1.1");
    assert_eq!(replica.stores.secrets.calls() - before, 2);
    assert_eq!(status(&service, "orders", SECRET), 200);
    let replica = Service::start(service.folder.clone(), &[], 3);
    let before = replica.stores.secrets.calls();
    ask(&replica, "nobody", "guess", "1.1.1.1");
    assert_eq!(replica.stores.secrets.calls() - before, 1, "none is left");
}

#[test]
fn an_upgrade_that_fails_refuses_nobody() {
    let service = Service::standard(&[]);
    with_hash(&service, "orders", BCRYPT);
    let before = secrets(&service, "orders");
    service.stores.upgrades.fail();
    assert_eq!(status(&service, "orders", SECRET), 200);
    assert_eq!(secrets(&service, "orders"), before);
    service.stores.upgrades.work();
    assert_eq!(status(&service, "orders", SECRET), 200);
    assert_ne!(secrets(&service, "orders"), before);
}

#[test]
fn an_id_that_is_taken_stays_as_it_is() {
    let service = Service::standard(&[]);
    let BasicClient { id, secret } = service.basic_client(&json!({"permissions": ["p"]}));
    let path = format!("/clients/{id}");
    let before = service.manage("GET", &path, None);
    for members in
        [json!({"client_secret": "another-secret"}), json!({"client_secret_hashes": [BCRYPT]}), json!({})]
    {
        assert_eq!(imported(&service, &id, &members).refusal(), (409, "conflict".to_owned()));
    }
    assert_eq!(service.manage("GET", &path, None), before);
    assert_eq!(secrets(&service, &id).len(), 1);
    assert_eq!(status(&service, &id, &secret), 200);
}

#[test]
fn what_a_half_made_import_left_behind_opens_nothing() {
    let service = Service::drop_in(&[]);
    let owner = Pepper::new(SALT.as_bytes().to_vec()).lookup(&ClientId::parse("orders").unwrap());
    let left = StoredSecret::imported(&ImportedHash::parse(BCRYPT).unwrap(), service.clock.now());
    actix_web::rt::System::new().block_on(service.stores.add(&owner, &left)).unwrap();
    let answer = imported(&service, "orders", &json!({"client_secret": "another-secret"}));
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(secrets(&service, "orders").len(), 1);
    assert_eq!([SECRET, "another-secret"].map(|secret| status(&service, "orders", secret)), [401, 200]);
}

/// Stores an import while the store of secrets fails from the insertion of the client on.
fn imported_half_way(service: &Service, id: &str, secret: &str) {
    let calls = service.stores.insertions.calls();
    let slow = service.stores.insertions.hold();
    thread::scope(|scope| {
        let import = scope.spawn(|| imported(service, id, &json!({ "client_secret": secret })));
        service.stores.insertions.await_calls(calls + 1);
        service.stores.secrets.fail();
        drop(slow);
        assert_eq!(import.join().unwrap().refusal(), (503, "temporarily_unavailable".to_owned()));
    });
    service.stores.secrets.work();
}

#[test]
fn an_import_that_fails_after_its_insertion_made_no_client() {
    let service = Service::standard(&[]);
    imported_half_way(&service, "orders", SECRET);
    assert_eq!(service.manage("GET", "/clients/orders", None).status, 404);
    assert_eq!(imported(&service, "orders", &json!({ "client_secret": "another-secret" })).status, 201);
    assert_eq!(
        (status(&service, "orders", SECRET), status(&service, "orders", "another-secret")),
        (401, 200)
    );
}

/// Not even if nothing can be cleaned up any more, and the client stays.
#[test]
fn what_an_earlier_client_left_behind_opens_no_client_that_is_half_made() {
    let service = Service::standard(&[]);
    let earlier = service.register(&json!({"client_name": "earlier"})).json();
    let text = |name: &str| earlier[name].as_str().unwrap();
    let (id, path) = (text("client_id"), format!("/clients/{}", text("client_id")));
    service.stores.secrets.fail();
    assert_eq!(service.manage("DELETE", &path, None).status, 503);
    service.stores.secrets.work();
    service.clock.advance_seconds(3600);
    service.stores.removals.fail();
    imported_half_way(&service, id, SECRET);
    assert_eq!(service.manage("GET", &path, None).status, 200);
    assert_eq!((status(&service, id, text("client_secret")), status(&service, id, SECRET)), (401, 200));
    let authorization = format!("Bearer {}", text("registration_access_token"));
    let registration = format!("/register/{id}");
    assert_eq!(service.call("GET", &registration, &[("Authorization", &authorization)], "").status, 401);
}

#[test]
fn what_is_no_hash_or_costs_too_much_is_refused_and_nothing_is_made() {
    let service = Service::standard(&[]);
    for (members, sentence) in [
        (json!({"client_secret_hashes": ["hunter22"]}), "must begin with"),
        (
            json!({"client_secret_hashes": ["$2b$31$AbCdEfGhIjKlMnOpQrStUukI9asqphaLG/YhfqddmnNso0dP.3ztS"]}),
            "cost",
        ),
        (json!({"client_secret_hashes": [HYDRA], "client_secret": "another-secret"}), "exclude"),
        (json!({"client_secret": "short"}), "client_secret must be"),
        (json!({"client_id": "a b"}), "client_id must be"),
    ] {
        let answer = imported(&service, "orders", &members);
        assert_eq!(answer.status, 400, "{members}: {answer:?}");
        assert!(answer.body.contains(sentence) && !answer.body.contains("hunter22"), "{members}: {answer:?}");
    }
    assert_eq!(service.manage("GET", "/clients/orders", None).status, 404);
}

#[test]
fn t_reg_03_nobody_but_operators_brings_anything_along() {
    let members = json!({"client_name": "c", "client_id": "chosen", "client_secret": "chosen-secret",
        "client_secret_hashes": ["hunter22"]});
    for (service, path) in [(Service::standard(&[]), "/register"), (Service::drop_in(&[]), "/clients")] {
        let answer = service.call("POST", path, &[JSON], &members.to_string());
        assert_eq!(answer.status, 201, "{path}: {answer:?}");
        let body = answer.json();
        assert_ne!(body["client_id"], "chosen");
        assert_eq!(body["client_secret"].as_str().unwrap().len(), 48);
        assert_eq!(status(&service, "chosen", "chosen-secret"), 401);
    }
}

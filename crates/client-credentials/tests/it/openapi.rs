//! The OpenAPI documents: good ones, served, with every endpoint and no other. That each answer fits them is checked with
//! every call of every test, in `described`; here are those that no other test needs.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::thread;

use client_credentials::http::{
    Endpoint, MANAGEMENT, MANAGEMENT_WITHOUT_TOKEN, PUBLIC, PUBLIC_IN_DROP_IN, PUBLIC_IN_STANDARD,
    PUBLIC_WITHOUT_PREFIX,
};
use common::Profile;
use serde_json::{Value, json};
use testkit::ClientKey;
use testkit::openapi::Description;

use crate::described::{Seen, documents, seen};
use crate::service::{
    ASSERTION_TYPE, Answer, BOOTSTRAP_TOKEN, BasicClient, FORM, GRANT, JSON, Service, basic, call,
};

const PROFILES: [Profile; 2] = [Profile::Standard, Profile::DropIn];
const STATUS_ROUTES: [&str; 3] = ["/-/healthz", "/-/ready", "/-/check-up"];

#[test]
fn the_documents_are_good_openapi_3_1() {
    for profile in PROFILES {
        for prefix in ["", "/auth/v1"] {
            for description in documents(profile, prefix) {
                let faults = description.faults();
                assert!(faults.is_empty(), "{profile:?} {description:?}:\n{}", faults.join("\n"));
            }
        }
    }
}

/// Method, path and permission of what a listener serves.
type Served = BTreeSet<(String, String, String)>;

fn served(tables: &[&[Endpoint]]) -> Served {
    let row = |endpoint: &Endpoint| {
        (endpoint.method.to_string(), endpoint.path.to_owned(), endpoint.permission.to_owned())
    };
    let status = STATUS_ROUTES.map(|path| ("GET".to_owned(), path.to_owned(), String::new()));
    tables.iter().flat_map(|table| table.iter()).map(row).chain(status).collect()
}

fn described(description: &Description) -> Served {
    let operations = description.operations().into_iter();
    operations.map(|one| (one.method, one.path, one.roles.join(" "))).collect()
}

#[test]
fn what_is_served_is_described_and_what_is_described_is_served() {
    for profile in PROFILES {
        let [public, management] = documents(profile, "");
        let of_the_profile = match profile {
            Profile::Standard => PUBLIC_IN_STANDARD,
            Profile::DropIn => PUBLIC_IN_DROP_IN,
        };
        for (name, description, served) in [
            ("public", public, served(&[PUBLIC, PUBLIC_WITHOUT_PREFIX, of_the_profile])),
            ("management", management, served(&[MANAGEMENT, MANAGEMENT_WITHOUT_TOKEN])),
        ] {
            let described = described(&description);
            let missing: Vec<_> = served.difference(&described).collect();
            let too_many: Vec<_> = described.difference(&served).collect();
            assert!(
                missing.is_empty() && too_many.is_empty(),
                "{profile:?}, {name} listener: served and not described {missing:?}, described and not served \
                 {too_many:?}: see CONTRIBUTING.md, An endpoint"
            );
        }
    }
}

#[test]
fn the_interface_at_a_glance() {
    let mut text = String::new();
    for profile in PROFILES {
        for (name, description) in ["public", "management"].into_iter().zip(documents(profile, "")) {
            writeln!(text, "{profile:?}, {name} listener").unwrap();
            for operation in description.operations() {
                let statuses: Vec<_> = operation.statuses.iter().map(u16::to_string).collect();
                writeln!(text, "  {:6} {} {}", operation.method, operation.path, statuses.join(" ")).unwrap();
            }
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_documents_are_served_with_a_tag_on_both_listeners_in_both_profiles() {
    let prefix = [("SERVICE_PREFIX", "/auth"), ("SERVICE_VERSION", "1.2.3")];
    for service in [Service::standard(&prefix), Service::drop_in(&prefix)] {
        let get = |address, headers: &[(&str, &str)]| call(address, "GET", "/-/openapi.json", headers, "");
        let mut documents = Vec::new();
        for (address, server) in [(service.public, "/auth"), (service.management, "/")] {
            let answer = get(address, &[]);
            assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
            assert_eq!(answer.header("cache-control"), Some("no-cache"));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            let document = answer.json();
            assert_eq!(
                (&document["openapi"], &document["info"]["version"]),
                (&json!("3.1.0"), &json!("1.2.3"))
            );
            assert_eq!(document["servers"], json!([{ "url": server }]));
            assert!(!answer.body.contains("x-profile"));
            let tag = answer.header("etag").unwrap();
            let weak = format!("W/{tag}");
            for known in [tag, &weak, "*", &format!("\"x\", {tag}")] {
                let again = get(address, &[("If-None-Match", known)]);
                assert_eq!((again.status, again.body.as_str(), again.header("etag")), (304, "", Some(tag)));
            }
            assert_eq!(get(address, &[("If-None-Match", "\"x\"")]), answer);
            let head = call(address, "HEAD", "/-/openapi.json", &[], "");
            assert_eq!((head.status, head.body.as_str(), head.header("etag")), (200, "", Some(tag)));
            assert_eq!(head.header("content-length"), answer.header("content-length"));
            assert_eq!(call(address, "POST", "/-/openapi.json", &[], "").refusal().0, 405);
            assert_eq!(call(address, "GET", "/auth/-/openapi.json", &[], "").refusal().0, 404);
            documents.push(document);
        }
        assert_ne!(documents[0]["paths"], documents[1]["paths"]);
    }
}

/// Statuses that are described and that no request here gets: path, status, reason. `*` is every path.
const NOT_SHOWN: &[(&str, u16, &str)] = &[
    ("*", 408, "a body has to take ten seconds"),
    ("*", 500, "OpenSSL has to fail: see the table of refusals in src/http/error/tests.rs"),
    ("/-/ready", 503, "the process has to stop: tests/it/process.rs"),
    ("/register", 409, "two ids of 182 random bits have to be equal"),
    ("/clients", 400, "in drop-in, on the public listener, a body has to break off"),
    ("/clients", 409, "on the public listener, two ids have to be equal"),
    (
        "/register/{client_id}",
        409,
        "others have to change the client meanwhile: tests/it/registration_of_one.rs",
    ),
    ("/register/{client_id}", 429, "tests/it/rate_limits.rs"),
    ("/clients/{client_id}", 409, "five others have to change the client meanwhile"),
    ("/revocations", 200, "the answer does not end: tests/it/revocation_feed.rs"),
    ("/revocations", 503, "64 readers have to be there: tests/it/revocation_feed.rs"),
];

#[test]
fn every_described_status_occurs() {
    for profile in PROFILES {
        let start = |variables: &[(&str, &str)]| match profile {
            Profile::Standard => Service::standard(variables),
            Profile::DropIn => Service::drop_in(variables),
        };
        let service = start(&[
            ("SIGNING_KEYS_ENCRYPTION_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="),
            ("WRONG_SECRETS_PER_MINUTE_PER_CLIENT", "1"),
            ("REGISTRATIONS_PER_MINUTE", "3"),
        ]);
        walk_clients(&service);
        walk_keys(&service);
        walk_tokens(&service);
        walk_refusals(&service, profile);
        let mut seen_of = [seen(service.public), seen(service.management)];
        let registrars = ["token", "closed"].map(|mode| start(&[("REGISTRATION", mode)]));
        for service in &registrars {
            walk_registration(service);
            seen_of[0].extend(seen(service.public));
            seen_of[1].extend(seen(service.management));
        }
        if profile == Profile::Standard {
            walk_own_registration(&registrars[0]);
            seen_of[0].extend(seen(registrars[0].public));
        }
        if profile == Profile::DropIn {
            let nameless = start(&[("MIA_JWT_ISSUER", "mia-issuer")]);
            for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
                assert_eq!(nameless.get(path).refusal().0, 404);
            }
            seen_of[0].extend(seen(nameless.public));
        }
        for (description, seen) in documents(profile, "").into_iter().zip(seen_of) {
            let missing = not_seen(&description, &seen);
            assert!(missing.is_empty(), "{profile:?} {description:?}: nothing was answered so: {missing:?}");
        }
    }
}

fn not_seen(description: &Description, seen: &Seen) -> Vec<(String, String, u16)> {
    let operations = description.operations().into_iter();
    let rows = operations.flat_map(|one| {
        one.statuses.into_iter().map(move |status| (one.method.clone(), one.path.clone(), status))
    });
    let excused = |path: &str, status: u16| {
        NOT_SHOWN.iter().any(|(of, excused, _)| (*of == "*" || *of == path) && *excused == status)
    };
    rows.filter(|row| !seen.contains(row) && !excused(&row.1, row.2)).collect()
}

fn walk_clients(service: &Service) {
    let manage = |method: &str, path: &str, body: Option<Value>| service.manage(method, path, body.as_ref());
    let client = service.basic_client(&json!({"permissions": ["p"], "metadata": {"team": "a"}}));
    let path = format!("/clients/{}", client.id);
    assert_eq!(manage("GET", "/clients?limit=1&state=PUBLIC&metadata.team=a", None).status, 200);
    assert_eq!(manage("GET", &path, None).status, 200);
    assert_eq!(manage("PATCH", &path, Some(json!({"staticClaims": {"tenant": "t"}}))).status, 200);
    assert_eq!(manage("GET", &format!("{path}/usage?since=0"), None).status, 200);
    let secrets = format!("{path}/secrets");
    let ids: Vec<_> =
        (0..4).map(|_| manage("POST", &secrets, Some(json!({"graceSeconds": 1}))).json()).collect();
    assert_eq!(manage("POST", &secrets, None).status, 409, "there are five");
    assert_eq!(manage("GET", &secrets, None).status, 200);
    assert_eq!(manage("DELETE", &format!("{secrets}/{}", ids[0]["id"].as_str().unwrap()), None).status, 204);
    service.clock.advance_seconds(2);
    let last = format!("{secrets}/{}", ids[3]["id"].as_str().unwrap());
    assert_eq!(manage("DELETE", &last, None).status, 409, "it is the last one");
    assert_eq!(manage("DELETE", &format!("{last}?force=true"), None).status, 204);
    assert_eq!(manage("POST", &format!("{path}/revoke-tokens"), None).status, 204);
    assert_eq!(manage("DELETE", &format!("{path}/registration-token"), None).status, 204);
    for method in ["PATCH", "DELETE"] {
        let bearer = format!("Bearer {BOOTSTRAP_TOKEN}");
        let headers = [("Authorization", bearer.as_str()), ("If-Match", "\"99\""), JSON];
        assert_eq!(call(service.management, method, &path, &headers, "{}").status, 412);
    }
    assert_eq!(manage("DELETE", &path, None).status, 204);
    let keyed = format!("/clients/{}/keys", service.key_client(&json!({})).id);
    let key = json!({"public_key": ClientKey::generate("A2").public_jwk(), "graceSeconds": 60});
    assert_eq!(manage("POST", &keyed, Some(key.clone())).status, 201);
    assert_eq!(manage("POST", &keyed, Some(key)).status, 409, "its kid is there");
    assert_eq!(manage("GET", &keyed, None).status, 200);
    assert_eq!(manage("DELETE", &format!("{keyed}/A1?graceSeconds=0"), None).status, 204);
    assert_eq!(manage("DELETE", &format!("{keyed}/A2"), None).status, 409, "it is the last one");
    assert_eq!(manage("GET", "/audit?limit=1000", None).status, 200);
    for path in ["/-/healthz", "/-/ready", "/-/check-up", "/-/metrics", "/-/openapi.json"] {
        assert_eq!(call(service.management, "GET", path, &[], "").status, 200);
    }
}

/// What those who may register get, and the others.
fn walk_registration(service: &Service) {
    let made = service.manage("POST", "/registration-tokens", Some(&json!({"uses": 2})));
    let bearer = format!("Bearer {}", made.json()["initial_access_token"].as_str().unwrap());
    let authorization = ("Authorization", bearer.as_str());
    let client = json!({"client_name": "c"}).to_string();
    for headers in [&[JSON][..], &[JSON, authorization], &[JSON, authorization, authorization]] {
        service.call("POST", "/register", headers, &client);
    }
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(service.manage("DELETE", &format!("/registration-tokens/{id}"), None).status, 204);
}

/// A client looks after its registration.
fn walk_own_registration(service: &Service) {
    let made = service.manage("POST", "/registration-tokens", Some(&json!({}))).json();
    let bearer = format!("Bearer {}", made["initial_access_token"].as_str().unwrap());
    let headers = [JSON, ("Authorization", bearer.as_str())];
    let registered = service.call("POST", "/register", &headers, r#"{"client_name": "c"}"#).json();
    let bearer = format!("Bearer {}", registered["registration_access_token"].as_str().unwrap());
    let right = ("Authorization", bearer.as_str());
    let path = format!("/register/{}", registered["client_id"].as_str().unwrap());
    let body = json!({"client_id": registered["client_id"], "client_name": "d"}).to_string();
    for (method, body, good) in [("GET", "", 200), ("PUT", body.as_str(), 200), ("DELETE", "", 204)] {
        assert_eq!(service.call(method, &path, &[JSON], body).refusal().0, 401);
        assert_eq!(service.call(method, &path, &[JSON, right, right], body).refusal().0, 400);
        service.stores.clients.fail();
        assert_eq!(service.call(method, &path, &[JSON, right], body).refusal().0, 503);
        service.stores.clients.work();
        if method == "PUT" {
            let compressed = [JSON, right, ("Content-Encoding", "gzip")];
            assert_eq!(service.call(method, &path, &compressed, body).refusal().0, 415);
            let long = "x".repeat(65 * 1024);
            assert_eq!(service.call(method, &path, &[JSON, right], &long).refusal().0, 413);
        }
        assert_eq!(service.call(method, &path, &[JSON, right], body).status, good);
    }
}

fn walk_keys(service: &Service) {
    let post = |path: &str, body: Value| service.manage("POST", path, Some(&body));
    let made = post("/keys", json!({"algorithm": "ES256"}));
    let kid = made.json()["kid"].as_str().unwrap().to_owned();
    assert_eq!(post("/keys", json!({"algorithm": "ES256"})).status, 409, "there is a next one");
    assert_eq!(post(&format!("/keys/{kid}/activate"), json!({})).status, 409, "it is too early");
    assert_eq!(post(&format!("/keys/{kid}/activate"), json!({"immediately": true})).status, 200);
    assert_eq!(post(&format!("/keys/{kid}/retire"), json!({})).status, 200);
    let active = service.manage("GET", "/keys", None).json()["keys"][0]["kid"].as_str().unwrap().to_owned();
    assert_eq!(post(&format!("/keys/{active}/retire"), json!({})).status, 409, "no other signs");
}

fn walk_tokens(service: &Service) {
    let registered = service.register(&json!({"client_name": "c", "metadata": {"a": 1}})).json();
    let member = |name: &str| registered[name].as_str().unwrap().to_owned();
    let client = BasicClient { id: member("client_id"), secret: member("client_secret") };
    let other = service.basic_client(&json!({}));
    let token = service.token_of(&client);
    assert!(service.active(&client, &token) && !service.active(&other, &token));
    assert_eq!(service.tokeninfo(&token).status, 200);
    assert_eq!(service.about("/oauth/revoke", &other, &format!("token={token}")).refusal().0, 400);
    assert_eq!(service.about("/oauth/revoke", &client, &format!("token={token}")).status, 200);
    for path in ["/.well-known/jwks.json", "/-/openapi.json"] {
        let tag = service.get(path).header("etag").unwrap().to_owned();
        assert_eq!(service.call("GET", path, &[("If-None-Match", &tag)], "").status, 304);
    }
    let management = call(service.management, "GET", "/-/openapi.json", &[("If-None-Match", "*")], "");
    assert_eq!(management.status, 304);
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        assert_eq!(service.get(path).status, 200);
    }
    for path in STATUS_ROUTES {
        assert_eq!(service.get(path).status, 200);
    }
    // The first two attempts use up what there is of wrong secrets.
    for (path, form) in [
        ("/oauth/token", GRANT),
        ("/oauth/token", GRANT),
        ("/oauth/introspect", "token=x"),
        ("/oauth/revoke", "token=x"),
    ] {
        let answer = service.call("POST", path, &[FORM, ("Authorization", &basic(&client.id, "x"))], form);
        assert!(matches!(answer.refusal().0, 401 | 429), "{path}");
    }
    let statuses = [(); 3].map(|()| service.register(&json!({"client_name": "c"})).status);
    assert_eq!(statuses, [201, 201, 429]);
}

/// What every endpoint of a kind refuses.
fn walk_refusals(service: &Service, profile: Profile) {
    service.clock.advance_seconds(60);
    let [public, management] = documents(profile, "");
    let poor = service.token_of(&service.basic_client(&json!({})));
    let key_client = service.key_client(&json!({}));
    let (right, poor) = (format!("Bearer {BOOTSTRAP_TOKEN}"), format!("Bearer {poor}"));
    let right = ("Authorization", right.as_str());
    let wrong = ("Authorization", "Bearer wrong");
    while call(service.management, "GET", "/clients", &[wrong], "").status != 429 {}
    for operation in management.operations().into_iter().filter(|one| !one.roles.is_empty()) {
        let target = operation.path.replace(['{', '}'], "");
        let ask = |headers: &[(&str, &str)], body: &str| {
            call(service.management, &operation.method, &target, headers, body).refusal().0
        };
        assert_eq!(ask(&[], ""), 401);
        assert_eq!(ask(&[wrong], ""), 429);
        assert_eq!(ask(&[right, right], ""), 400);
        assert_eq!(ask(&[("Authorization", &poor)], ""), 403);
        if operation.statuses.contains(&413) {
            assert_eq!(ask(&[right, JSON, ("Content-Encoding", "gzip")], "{}"), 415);
        }
        if operation.statuses.contains(&404) {
            let key = json!({"public_key": ClientKey::generate("A3").public_jwk()}).to_string();
            let body = if operation.path.ends_with("/keys") && operation.method == "POST" {
                key.as_str()
            } else if operation.method == "GET" || operation.method == "DELETE" {
                ""
            } else {
                "{}"
            };
            assert_eq!(ask(&[right, JSON], body), 404, "{}", operation.path);
        }
    }
    walk_large_bodies(service, &public, &management);
    // In drop-in, what is no client is 401 there, and so its 400 is another's.
    let nobody = [right, JSON];
    assert!([400, 401].contains(&call(service.management, "POST", "/clients", &nobody, "{}").status));
    for operation in public.operations().into_iter().filter(|one| one.method == "POST") {
        let media_type = if operation.path.starts_with("/oauth") { FORM } else { JSON };
        let ask = |headers: &[(&str, &str)], body: &str| {
            call(service.public, "POST", &operation.path, headers, body).refusal().0
        };
        assert_eq!(ask(&[media_type, ("Content-Encoding", "gzip")], "{}"), 415);
        assert!([400, 401].contains(&ask(&[media_type], "x")));
        assert!([400, 401].contains(&ask(&[media_type], "x=1&x=2")));
        if media_type == FORM {
            let form = format!("{GRANT}&token=x");
            service.clock.advance_seconds(60);
            assert_eq!(ask(&[FORM, ("Authorization", "Basic Yzpz")], &form), 401);
            let expired = service.assertion(&key_client, &json!({"exp": 1}));
            let form = format!("{form}&client_assertion_type={ASSERTION_TYPE}&client_assertion={expired}");
            assert_eq!(ask(&[FORM], &form), if profile == Profile::DropIn { 403 } else { 401 });
        }
    }
    if profile == Profile::DropIn {
        let privileged = json!({"client_name": "c", "permissions": ["gettone:x"]}).to_string();
        assert_eq!(service.call("POST", "/clients", &[JSON], &privileged).refusal().0, 403);
        let plain = json!({"client_name": "c"}).to_string();
        assert_eq!(service.call("POST", "/clients", &[JSON], &plain).status, 201);
    }
    assert_eq!(service.tokeninfo("x").refusal().0, 401);
    assert_eq!(service.call("GET", "/tokeninfo", &[right, right], "").refusal().0, 400);
    walk_without_store(service, &key_client.id);
}

/// Beside each other: the service gives each caller a moment to read the answer before it closes.
fn walk_large_bodies(service: &Service, public: &Description, management: &Description) {
    let body = "x".repeat(65 * 1024);
    let bearer = format!("Bearer {BOOTSTRAP_TOKEN}");
    thread::scope(|scope| {
        for (address, description) in [(service.public, public), (service.management, management)] {
            for operation in description.operations() {
                let (body, bearer) = (&body, &bearer);
                if !operation.statuses.contains(&413) || operation.method == "PUT" {
                    continue;
                }
                scope.spawn(move || {
                    let media_type = if operation.path.starts_with("/oauth") { FORM } else { JSON };
                    let headers = [media_type, ("Authorization", bearer)];
                    let target = operation.path.replace(['{', '}'], "");
                    let answer = call(address, &operation.method, &target, &headers, body);
                    assert_eq!(answer.refusal().0, 413, "{operation:?}");
                });
            }
        }
    });
}

/// What every endpoint that needs the store answers without it.
fn walk_without_store(service: &Service, client: &str) {
    let owner = service.basic_client(&json!({}));
    for switch in service.stores.switches() {
        switch.fail();
    }
    let unavailable = |answer: Answer| assert_eq!(answer.status, 503, "{answer:?}");
    let path = format!("/clients/{client}");
    for (method, target, body) in [
        ("GET", "/clients".to_owned(), None),
        ("POST", "/clients".to_owned(), Some(json!({"client_name": "c"}))),
        ("GET", path.clone(), None),
        ("PATCH", path.clone(), Some(json!({"name": "n"}))),
        ("DELETE", path.clone(), None),
        ("POST", format!("{path}/revoke-tokens"), None),
        ("DELETE", format!("{path}/registration-token"), None),
        ("GET", format!("{path}/usage"), None),
        ("GET", format!("{path}/secrets"), None),
        ("POST", format!("{path}/secrets"), None),
        ("DELETE", format!("{path}/secrets/x"), None),
        ("GET", format!("{path}/keys"), None),
        ("POST", format!("{path}/keys"), Some(json!({"public_key": {}}))),
        ("DELETE", format!("{path}/keys/x"), None),
        ("POST", "/registration-tokens".to_owned(), Some(json!({}))),
        ("DELETE", "/registration-tokens/x".to_owned(), None),
        ("GET", "/audit".to_owned(), None),
        ("GET", "/keys".to_owned(), None),
        ("POST", "/keys".to_owned(), Some(json!({"algorithm": "PS256"}))),
        ("POST", "/keys/x/activate".to_owned(), None),
        ("POST", "/keys/x/retire".to_owned(), None),
    ] {
        unavailable(service.manage(method, &target, body.as_ref()));
    }
    unavailable(service.register(&json!({"client_name": "c"})));
    unavailable(service.token(&[("Authorization", &owner.basic())], GRANT));
    unavailable(service.about("/oauth/introspect", &owner, "token=x"));
    unavailable(service.about("/oauth/revoke", &owner, "token=x"));
    // A key that is not known may be one of another replica.
    let other_key = "eyJhbGciOiJSUzI1NiIsImtpZCI6Im90aGVyIiwidHlwIjoiYXQrand0In0.e30.AAAA";
    unavailable(service.tokeninfo(other_key));
    for address in [service.public, service.management] {
        unavailable(call(address, "GET", "/-/check-up", &[], ""));
    }
    if service.call("POST", "/clients", &[], "").status != 404 {
        unavailable(service.call("POST", "/clients", &[JSON], &json!({"client_name": "c"}).to_string()));
    }
}

//! `/.well-known/…` and the status routes.

use serde_json::json;

use crate::service::{Service, call};

#[test]
fn contract_1_5_the_key_set_holds_public_members_only() {
    let service = Service::standard(&[]);
    let answer = service.get("/.well-known/jwks.json");
    let n = answer.json()["keys"][0]["n"].as_str().unwrap().to_owned();
    let etag = answer.header("etag").unwrap().to_owned();
    insta::assert_snapshot!(answer.text().replace(&n, "<n>").replace(&etag, "<etag>"));
}

#[test]
fn contract_1_6_the_operators_file_is_served_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openid.json");
    let text = "{ \"issuer\" : \"https://auth.example\",\n \"b\":1, \"a\":2 }\n";
    std::fs::write(&file, text).unwrap();
    let service = Service::standard(&[("OPENID_CONFIG_PATH", file.to_str().unwrap())]);
    let answer = service.get("/.well-known/openid-configuration");
    assert_eq!((answer.status, answer.body.as_str()), (200, text));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));

    let other = service.get("/.well-known/oauth-authorization-server").json();
    assert_eq!(
        other["token_endpoint"], "https://auth.example/oauth/token",
        "this one is generated all the same"
    );
}

#[test]
fn contract_8_status_routes_answer_on_both_listeners_without_the_prefix() {
    let service = Service::standard(&[("SERVICE_PREFIX", "/auth"), ("SERVICE_VERSION", "1.2.3")]);
    for address in [service.public, service.management] {
        for path in ["/-/healthz", "/-/ready", "/-/check-up"] {
            let answer = call(address, "GET", path, &[], "");
            assert_eq!(answer.body, r#"{"status":"OK","name":"client-credentials","version":"1.2.3"}"#);
        }
        assert_eq!(call(address, "GET", "/auth/-/healthz", &[], "").status, 404);
    }
    for path in ["/register", "/oauth/token", "/tokeninfo", "/.well-known/jwks.json"] {
        assert_eq!(service.get(path).status, 404, "{path}");
        assert_ne!(service.get(&format!("/auth{path}")).status, 404, "{path}");
    }
    assert_eq!(service.manage("GET", "/clients", None).json(), json!({"clients": [], "next": null}));
}

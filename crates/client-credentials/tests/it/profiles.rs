//! The two profiles side by side: they differ in statuses and spellings, never in what is refused (conformance §7).

use serde_json::json;

use crate::service::{ASSERTION_TYPE, Answer, GRANT, Service};

/// The status of a refusal in standard and in drop-in; the code is the same in both.
type Row = (&'static str, u16, u16, &'static str, fn(&Service) -> Answer);

const ROWS: &[Row] = &[
    ("K-05 bad assertion", 401, 403, "invalid_client", |service| service.present("e30.e30.AA")),
    ("K-05 replayed assertion", 401, 403, "invalid_client", |service| {
        let assertion = service.assertion(&service.key_client(&json!({})), &json!({}));
        assert_eq!(service.present(&assertion).status, 200);
        service.present(&assertion)
    }),
    ("contract 1.3 missing pieces", 400, 403, "invalid_request", |service| {
        service.token(&[], &format!("{GRANT}&client_assertion_type={ASSERTION_TYPE}"))
    }),
    ("contract 1.3 wrong secret", 401, 401, "invalid_client", |service| {
        service.token(&[("Authorization", "Basic Yzpz")], GRANT)
    }),
    ("contract 10.2 audience not granted", 400, 403, "invalid_target", |service| {
        let client = service.basic_client(&json!({}));
        service.token(&[("Authorization", &client.basic())], &format!("{GRANT}&audience=x"))
    }),
    ("contract 10.2 grant type", 400, 400, "unsupported_grant_type", |service| {
        service.token(&[], "grant_type=x")
    }),
    ("contract 1.1 bad registration", 400, 401, "invalid_client_metadata", |service| {
        service.register(&json!({}))
    }),
    ("contract 1.2 bad client", 400, 401, "invalid_client_metadata", |service| {
        service.manage("POST", "/clients", Some(&json!({"client_name": "c", "permissions": "p"})))
    }),
    ("a bad patch is ours alone", 400, 400, "invalid_client_metadata", |service| {
        let path = format!("/clients/{}", service.basic_client(&json!({})).id);
        service.manage("PATCH", &path, Some(&json!({"permissions": "p"})))
    }),
    ("contract 1.4 bad token", 401, 401, "invalid_token", |service| service.tokeninfo("x")),
    ("store down", 503, 503, "temporarily_unavailable", |service| {
        service.stores.secrets.fail();
        let answer = service.register(&json!({"client_name": "c"}));
        service.stores.secrets.work();
        answer
    }),
];

#[test]
fn k_05_statuses_by_profile() {
    let (standard, drop_in) = (Service::standard(&[]), Service::drop_in(&[]));
    for (row, in_standard, in_drop_in, code, ask) in ROWS {
        assert_eq!(ask(&standard).refusal(), (*in_standard, (*code).to_owned()), "{row}");
        assert_eq!(ask(&drop_in).refusal(), (*in_drop_in, (*code).to_owned()), "{row}");
    }
}

//! The decision table (upstream contract §3.4), each row in both profiles, in strict mode and outside it.

use serde_json::{Value, json};

use crate::service::Service;
use crate::stub::{Reply, Stub, dead_url};

/// What userinfo does.
enum Userinfo {
    Json(&'static str),
    Status(u16),
    EmptyBody,
    Silent,
    Dead,
}

use Userinfo::{Dead, EmptyBody, Json, Silent, Status};

const ADMIN: Userinfo = Json(r#"{"sub":"u1","groups":["admin"]}"#);
const USER: Userinfo = Json(r#"{"sub":"u1","groups":["users"]}"#);

struct Row {
    userinfo: Userinfo,
    target: &'static str,
    /// The answer in strict mode: standard, then drop-in.
    strict: (u16, u16),
}

fn rules() -> Value {
    let rule = |expression: &str, public: bool| json!({"GET":{"authorization":{"expression":expression,"public":public}}});
    json!({
        "/public": rule("true", true),
        "/public-admin": rule("groups.admin", true),
        "/public-unless-banned": rule("!groups.banned", true),
        "/public-error": rule("clientType == isBackoffice", true),
        "/private": rule("true", false),
        "/private-admin": rule("groups.admin", false),
        "/private-error": rule("clientType == isBackoffice", false),
    })
}

fn check(row: &Row, profile: &str, strict: bool) {
    let (url, _stub) = match row.userinfo {
        Dead => (dead_url(), None),
        Json(body) => serve(move || Reply::new(200, "application/json", body)),
        Status(status) => serve(move || Reply::status(status)),
        EmptyBody => serve(|| Reply::status(200)),
        Silent => serve(|| Reply::Silence),
    };
    let mode = if strict { "true" } else { "false" };
    let service = Service::start(
        &rules(),
        &[
            ("USERINFO_URL", &url),
            ("PROFILE", profile),
            ("AUTHORIZATION_STRICT_MODE_ENABLED", mode),
            ("USERINFO_TIMEOUT_MS", if matches!(row.userinfo, Silent) { "50" } else { "5000" }),
        ],
    );
    let answer = service.ask("GET", row.target, &[("Authorization", "Bearer t")]);
    let expected = if profile == "standard" { row.strict.0 } else { row.strict.1 };
    assert_eq!(answer.allowed(), expected == 200, "{answer:?}");
    assert_eq!(answer.status, if strict { expected } else { 200 }, "{answer:?}");
}

fn serve(reply: impl Fn() -> Reply + Send + Sync + 'static) -> (String, Option<Stub>) {
    let stub = Stub::start(move |_| reply());
    (stub.url(), Some(stub))
}

macro_rules! rows {
    ($($name:ident: $userinfo:expr, $target:literal => $standard:literal, $drop_in:literal;)+) => { $(
        mod $name {
            use super::*;

            const ROW: Row = Row { userinfo: $userinfo, target: $target, strict: ($standard, $drop_in) };

            #[test]
            fn strict_standard() {
                check(&ROW, "standard", true);
            }

            #[test]
            fn strict_drop_in() {
                check(&ROW, "drop-in", true);
            }

            #[test]
            fn non_strict_standard() {
                check(&ROW, "standard", false);
            }

            #[test]
            fn non_strict_drop_in() {
                check(&ROW, "drop-in", false);
            }
        }
    )+ };
}

rows! {
    row_01_public_and_holds_without_a_user: Status(401), "/public" => 200, 200;
    row_01_public_and_holds_for_a_user: USER, "/public" => 200, 200;
    row_02_private_and_holds_for_the_user: ADMIN, "/private-admin" => 200, 200;
    row_03_private_and_no_user: Status(401), "/private" => 401, 401;
    row_03_private_and_no_user_whatever_the_expression: Status(401), "/private-error" => 401, 401;
    row_04_private_and_does_not_hold_for_the_user: USER, "/private-admin" => 403, 403;
    row_04_public_and_does_not_hold_for_the_user: USER, "/public-admin" => 403, 403;
    row_05_public_and_does_not_hold_without_a_user: Status(401), "/public-admin" => 401, 401;
    row_06_no_rule: ADMIN, "/nowhere" => 403, 401;
    row_06_path_refused: ADMIN, "/public/../private" => 403, 401;
    row_07_userinfo_401_is_no_user: Status(401), "/public-unless-banned" => 200, 200;
    row_07_userinfo_403_is_no_user: Status(403), "/private" => 401, 401;
    row_07_userinfo_404_is_no_knowledge: Status(404), "/private" => 503, 401;
    row_08_userinfo_500_on_a_private_rule: Status(500), "/private" => 503, 401;
    row_08_userinfo_500_on_a_public_rule: Status(500), "/public" => 200, 200;
    row_08_userinfo_500_on_a_public_rule_that_needs_a_group: Status(500), "/public-admin" => 503, 401;
    row_08_userinfo_500_never_helps_a_negation_k_14: Status(500), "/public-unless-banned" => 503, 401;
    row_09_userinfo_timeout: Silent, "/private" => 503, 401;
    row_09_userinfo_timeout_on_a_public_rule: Silent, "/public" => 200, 200;
    row_09_userinfo_refused: Dead, "/private" => 503, 401;
    row_09_userinfo_refused_never_helps_a_negation_k_14: Dead, "/public-unless-banned" => 503, 401;
    row_09_userinfo_bad_json: Json("{"), "/private" => 503, 401;
    row_09_userinfo_empty_id: Json(r#"{"sub":"","groups":["admin"]}"#), "/private-admin" => 401, 401;
    row_10_userinfo_empty_body_is_no_user: EmptyBody, "/private" => 401, 401;
    row_10_userinfo_empty_body_on_a_public_rule: EmptyBody, "/public" => 200, 200;
    row_12_expression_error_with_a_user: ADMIN, "/private-error" => 403, 403;
    row_12_expression_error_without_a_user: Status(401), "/public-error" => 401, 401;
}

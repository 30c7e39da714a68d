//! The revocation feed as local mode reads it: before it has told everything, when it breaks off, and when it lies.

use common::revocation::{FeedEvent, Revocation};
use serde_json::{Value, json};

use crate::issuer::{Issuer, ask, claims, event, metric, signed, tokens, until, until_ready};

fn rules() -> Value {
    json!({
        "/user": {"GET":{"authorization":{"expression":"true","public":false}}},
        "/any": {"GET":{"authorization":{"expression":"true","public":true}}},
    })
}

fn token(issuer: &Issuer, jti: &str) -> String {
    signed(&issuer.key, "k1", &claims(&json!({"jti": jti, "exp": 4_000_000_000_i64})))
}

fn revocation(jti: &str) -> Revocation {
    Revocation::Token { jti: jti.into(), client_id: "client-1".into(), exp: 4_000_000_000 }
}

const FAILED: &str = r#"revocation_feed_connections_total{outcome="failed"}"#;
const OPENED: &str = r#"revocation_feed_connections_total{outcome="opened"}"#;

#[test]
fn what_was_revoked_before_is_known_from_the_snapshot_before_it_is_ready() {
    let issuer = Issuer::start();
    issuer.revoke(revocation("j1"));
    let service = issuer.service_alone(&rules(), &[]);
    until_ready(&service);
    assert_eq!(ask(&service, "/user", &token(&issuer, "j1")).status, 401);
    assert!(ask(&service, "/user", &token(&issuer, "j2")).allowed());
    assert_eq!(issuer.asked("/oauth/token"), 1, "our own client opened it");
}

#[test]
fn c_7009_09_every_part_of_a_snapshot_counts() {
    let issuer = Issuer::start();
    let all = ["j1", "j2", "j3", "j4", "j5"];
    all.iter().for_each(|jti| issuer.revoke(revocation(jti)));
    let service = issuer.service_alone(&rules(), &[]);
    until_ready(&service);
    for jti in all {
        assert_eq!(ask(&service, "/user", &token(&issuer, jti)).status, 401, "{jti}");
    }
    assert!(ask(&service, "/user", &token(&issuer, "j6")).allowed());
    assert_eq!(metric(&service, "revoked_tokens"), 5.0);
}

#[test]
fn without_a_feed_userinfo_is_asked_and_without_userinfo_nobody_knows() {
    let issuer = Issuer::start();
    issuer.break_feed();
    let with_userinfo = issuer.service(&rules(), &[]);
    let alone = issuer.service_alone(&rules(), &[]);
    let good = token(&issuer, "j1");
    assert_eq!(ask(&with_userinfo, "/user", &good).header("mia-userid"), Some("from-userinfo"));
    until(|| metric(&alone, r#"issuer_key_set_fetches_total{outcome="fetched"}"#) > 0.0);
    let answer = ask(&alone, "/user", &good);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert!(ask(&alone, "/any", &good).allowed(), "nobody needs to know");
    // A bad one is bad whatever is revoked.
    let expired = signed(&issuer.key, "k1", &claims(&json!({"exp": 1})));
    assert_eq!(ask(&alone, "/user", &expired).status, 401);
    for service in [&with_userinfo, &alone] {
        assert_eq!(service.manage("GET", "/-/ready").status, 503, "it still waits");
        assert_eq!(service.manage("GET", "/-/healthz").status, 200);
        assert!(tokens(service, "cannot_know") >= 1.0);
        assert_eq!(metric(service, "revoked_tokens"), 0.0);
    }
    issuer.mend_feed();
    for service in [&with_userinfo, &alone] {
        until_ready(service);
        assert_eq!(ask(service, "/user", &good).header("mia-userid"), Some("client-1"));
    }
}

#[test]
fn a_feed_that_breaks_off_is_taken_up_where_it_was() {
    let issuer = Issuer::start();
    issuer.revoke(revocation("j0"));
    let service = issuer.service_alone(&rules(), &[]);
    until_ready(&service);
    issuer.break_feed();
    issuer.revoke(revocation("j1"));
    assert!(ask(&service, "/user", &token(&issuer, "j2")).allowed(), "half a minute is forgiven");
    issuer.mend_feed();
    until(|| ask(&service, "/user", &token(&issuer, "j1")).status == 401);
    let cursors: Vec<_> = issuer
        .stub
        .seen()
        .iter()
        .filter(|seen| seen.line.contains("/revocations"))
        .map(|seen| seen.all("last-event-id").concat())
        .collect();
    assert_eq!(cursors[0], "");
    assert_eq!(cursors[1], "1", "{cursors:?}");
    assert!(ask(&service, "/user", &token(&issuer, "j2")).allowed());
    assert!(metric(&service, FAILED) >= 1.0 && metric(&service, OPENED) >= 2.0);
}

#[test]
fn an_orderly_goodbye_is_no_failure() {
    let issuer = Issuer::start();
    let service = issuer.service_alone(&rules(), &[]);
    until_ready(&service);
    issuer.tell(&event(&FeedEvent::Goodbye, None));
    until(|| metric(&service, OPENED) >= 2.0);
    assert_eq!(metric(&service, FAILED), 0.0);
    issuer.revoke(revocation("j1"));
    until(|| ask(&service, "/user", &token(&issuer, "j1")).status == 401);
    assert_eq!(issuer.asked("/oauth/token"), 1, "the token is young");
}

#[test]
fn a_feed_that_makes_no_sense_is_opened_anew_from_the_beginning() {
    for nonsense in [
        &b"event: revocation\ndata: {\"kind\":\"token\"}\n\n"[..],
        b"event: snapshot\ndata: not json\n\n",
        b"event: revocation\ndata: {\"kind\":\"everything\"}\n\n",
    ] {
        let issuer = Issuer::start();
        let service = issuer.service_alone(&rules(), &[]);
        until_ready(&service);
        issuer.revoke(revocation("j0"));
        issuer.tell(nonsense);
        until(|| metric(&service, OPENED) >= 2.0);
        let seen = issuer.stub.seen();
        let opened: Vec<_> = seen.iter().filter(|seen| seen.line.contains("/revocations")).collect();
        assert!(opened[1].all("last-event-id").is_empty(), "nothing is built on it");
        assert_eq!(metric(&service, FAILED), 1.0);
        assert!(ask(&service, "/user", &token(&issuer, "j2")).allowed());
        assert_eq!(ask(&service, "/user", &token(&issuer, "j0")).status, 401);
    }
}

#[test]
fn events_of_tomorrow_are_passed_over() {
    let issuer = Issuer::start();
    let service = issuer.service_alone(&rules(), &[]);
    until_ready(&service);
    issuer.tell(b": a comment\r\nevent: of-tomorrow\r\ndata: ?\r\n\r\n");
    issuer.revoke(revocation("j1"));
    until(|| ask(&service, "/user", &token(&issuer, "j1")).status == 401);
    assert_eq!(metric(&service, FAILED), 0.0);
}

#[test]
fn a_token_in_a_file_is_read_each_time() {
    let issuer = Issuer::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "old-token\n").unwrap();
    let no_client = [("REVOCATION_FEED_CLIENT_ID", ""), ("REVOCATION_FEED_CLIENT_SECRET", "")];
    let file = [("REVOCATION_FEED_TOKEN_PATH", path.to_str().unwrap())];
    let service = issuer.service_alone(&rules(), &[&no_client[..], &file].concat());
    until(|| metric(&service, FAILED) >= 1.0);
    assert_eq!(service.manage("GET", "/-/ready").status, 503);
    std::fs::write(&path, "feed-token\n").unwrap();
    until_ready(&service);
    assert!(ask(&service, "/user", &token(&issuer, "j1")).allowed());
    assert_eq!(issuer.asked("/oauth/token"), 0);
}

//! `jose::public_key`: a key that is accepted is public, is kept as it will be read again, and verifies no nonsense.

use common::strict_json;
use credentials::jws::{Jws, MAX_KID_LENGTH};
use credentials::key::PublicKey;
use jose::{KeyDefect, public_key};
use serde_json::{Map, Value, json};

const KEPT: [&str; 9] = ["kty", "n", "e", "crv", "x", "y", "use", "alg", "kid"];

pub(crate) fn check(input: &[u8]) {
    let Ok(jwk) = strict_json::object(input) else { return };
    match public_key::check(&jwk) {
        Ok(key) => {
            assert!(!is_private(&jwk), "private members are refused (T-KEY-08)");
            assert_accepted(&jwk, &key);
        }
        Err(defect) => assert!(!defect.to_string().contains('\n')),
    }
}

fn assert_accepted(jwk: &Map<String, Value>, key: &PublicKey) {
    assert!(key.members().keys().all(|name| KEPT.contains(&name.as_str())));
    assert_eq!(key.members()["use"], "sig");
    assert!(key.kid().is_some_and(|kid| (1..=MAX_KID_LENGTH).contains(&kid.len())));
    assert_eq!(public_key::check(key.members()).as_ref(), Ok(key), "what is kept is accepted again");

    let mut with_unknown_member = jwk.clone();
    with_unknown_member.insert("unknown".to_owned(), json!(1));
    assert_eq!(public_key::check(&with_unknown_member).as_ref(), Ok(key), "(C-7517-03)");
    let mut with_private_member = jwk.clone();
    with_private_member.insert("d".to_owned(), json!("AQAB"));
    assert_eq!(public_key::check(&with_private_member), Err(KeyDefect::Private));

    // A thumbprint is of the key, whatever it is called (RFC 7638, T-KEY-10).
    let mut unnamed = jwk.clone();
    unnamed.remove("kid");
    unnamed.remove("alg");
    let unnamed = public_key::check(&unnamed).expect("kid and alg may be left out");
    let thumbprint = public_key::thumbprint(key).expect("a thumbprint");
    assert_eq!(unnamed.kid(), Some(thumbprint.as_str()));

    assert_verifies_no_nonsense(key);
}

/// No signature of zeros or of letters is valid, of whatever length (T-JWS-03).
fn assert_verifies_no_nonsense(key: &PublicKey) {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
    let header = BASE64URL.encode(json!({"alg": key.algorithm()}).to_string());
    for (byte, length) in [(0, 64), (0, 96), (0, 132), (0, 256), (1, 64), (1, 256), (255, 256)] {
        let token = format!("{header}.e30.{}", BASE64URL.encode(vec![byte; length]));
        let jws = Jws::parse(&token).expect("well formed");
        assert!(jose::verify(key, &jws).is_err());
    }
}

fn is_private(jwk: &Map<String, Value>) -> bool {
    jwk.get("kty") == Some(&json!("oct")) || ["d", "p", "q", "k"].iter().any(|name| jwk.contains_key(*name))
}

//! `credentials::jws` on raw tokens: what is taken apart, can be put together again and has no second spelling.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credentials::assertion;
use credentials::jws::{Jws, MAX_KID_LENGTH, MAX_LENGTH};
use serde_json::{Map, Value};

pub(crate) fn check(input: &[u8]) {
    let Ok(token) = std::str::from_utf8(input) else { return };
    let Ok(jws) = Jws::parse(token) else { return };
    assert!(token.len() <= MAX_LENGTH);
    let mut parts = token.split('.');
    let mut part = || parts.next().expect("three parts");
    let (header, payload, signature) = (part(), part(), part());
    assert_eq!(parts.next(), None, "exactly three parts (T-HDR-11)");
    assert_eq!(URL_SAFE_NO_PAD.encode(jws.signature()), signature, "one spelling (T-JWS-02)");
    assert_eq!(jws.signing_input(), format!("{header}.{payload}").as_bytes());

    let header = object(header);
    assert_eq!(header.get("alg").and_then(Value::as_str), Some(jws.algorithm()));
    assert_eq!(header.get("kid").and_then(Value::as_str), jws.kid());
    assert!(jws.kid().is_none_or(|kid| kid.len() <= MAX_KID_LENGTH));
    assert!(!header.contains_key("crit") && !header.contains_key("b64"), "no extensions (T-HDR-07)");
    assert_eq!(header.get("typ").is_some(), jws.token_type().is_some());
    assert_eq!(&object(payload), jws.payload());

    if let Ok(client) = assertion::claimed_client(&jws) {
        for name in ["iss", "sub"] {
            assert_eq!(jws.payload().get(name).and_then(Value::as_str), Some(client.as_str()));
        }
    }
}

/// The members of a part, as another reader of JSON sees them.
fn object(part: &str) -> Map<String, Value> {
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("an object")
}

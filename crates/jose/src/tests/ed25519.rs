//! EdDSA with Ed25519 (RFC 8037): strict where OpenSSL is not.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credentials::jws::Jws;
use credentials::key::PublicKey;
use serde_json::{Map, Value, json};

use super::{KeyPair, signing_input, with_signature};
use crate::public_key::{check, thumbprint};
use crate::{Algorithm, KeyDefect, SignatureDefect, Verifier, verify};

fn jwk(x: &[u8]) -> Map<String, Value> {
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(x)});
    jwk.as_object().unwrap().clone()
}

fn bytes(hex: &str) -> Vec<u8> {
    openssl::bn::BigNum::from_hex_str(hex)
        .unwrap()
        .to_vec_padded(i32::try_from(hex.len() / 2).unwrap())
        .unwrap()
}

/// The eight points of small order, each with both signs, and their encodings beyond the field, as in the lists that
/// libsodium and RFC 7748's readers keep.
const SMALL_ORDER: [&str; 14] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

#[test]
fn c_8037_the_example_of_the_rfc() {
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let key = check(jwk.as_object().unwrap()).unwrap();
    // RFC 8037 A.3 and A.4; its payload is no JSON, so that the signature is verified as bytes.
    assert_eq!(thumbprint(&key).unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let public = bytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    assert_eq!(URL_SAFE_NO_PAD.encode(&public), key.members()["x"].as_str().unwrap());
    let raw = openssl::pkey::PKey::public_key_from_raw_bytes(&public, openssl::pkey::Id::ED25519).unwrap();
    let mut verifier = openssl::sign::Verifier::new_without_digest(&raw).unwrap();
    let input = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    assert!(verifier.verify_oneshot(&signature, input).unwrap());
}

#[test]
fn t_key_07_points_of_small_order_are_refused_in_every_encoding() {
    for encoded in SMALL_ORDER.map(bytes) {
        let defect = check(&jwk(&encoded)).err();
        assert!(matches!(defect, Some(KeyDefect::SmallOrder | KeyDefect::NotAPoint)), "{encoded:02x?}");
        // Nor is one believed that got into a store by another way.
        let mut members = jwk(&encoded);
        members.extend([("kid".to_owned(), json!("k")), ("alg".to_owned(), json!("EdDSA"))]);
        let stored = PublicKey::from_checked(members);
        assert!(Verifier::new(&stored).is_err());
        // R is the neutral point and S zero: with such a key it fits, for some messages or for all.
        let forged = [&bytes(SMALL_ORDER[2])[..], &[0; 32]].concat();
        for attempt in 0..16 {
            let input = signing_input(&json!({"alg": "EdDSA"}), &json!({ "attempt": attempt }));
            let token = with_signature(&input, &forged);
            let verdict = verify(&stored, &Jws::parse(&token).unwrap());
            assert!(matches!(verdict, Err(SignatureDefect::Key(_))), "{verdict:?}");
        }
    }
}

#[test]
fn openssl_alone_believes_a_point_of_small_order() {
    // Why the check exists: should this ever fail, OpenSSL has become strict.
    let neutral = bytes(SMALL_ORDER[2]);
    let key = openssl::pkey::PKey::public_key_from_raw_bytes(&neutral, openssl::pkey::Id::ED25519).unwrap();
    let mut verifier = openssl::sign::Verifier::new_without_digest(&key).unwrap();
    assert!(verifier.verify_oneshot(&[&neutral[..], &[0; 32]].concat(), b"whatever").unwrap());
}

#[test]
fn t_key_06_what_is_no_point_of_ed25519_is_refused() {
    let pair = KeyPair::ed25519();
    let x = URL_SAFE_NO_PAD.decode(pair.jwk["x"].as_str().unwrap()).unwrap();
    assert_eq!(check(&jwk(&x)).err(), None);
    // Half of all numbers are the y of no point: 2 is the smallest of them.
    let off_curve = bytes(&format!("02{}", "00".repeat(31)));
    assert_eq!(check(&jwk(&off_curve)).err(), Some(KeyDefect::NotAPoint));
    // The one encoding of y is below 2^255 - 19: 3 is the y of a point, 3 + 2^255 - 19 must not be another name for it.
    let three = bytes(&format!("03{}", "00".repeat(31)));
    assert_eq!(check(&jwk(&three)).err(), None);
    let beyond = bytes(&format!("f0{}7f", "ff".repeat(30)));
    assert_eq!(check(&jwk(&beyond)).err(), Some(KeyDefect::NotAPoint));
    for wrong in [&x[..31], &[&x[..], &[0]].concat(), &[]] {
        assert_eq!(check(&jwk(wrong)).err(), Some(KeyDefect::PointLength));
    }
    for curve in ["X25519", "Ed448", "ed25519", "P-256", ""] {
        assert_eq!(check(&pair.with("crv", curve)).err(), Some(KeyDefect::EdwardsCurve), "{curve}");
    }
}

#[test]
fn t_jws_03_an_s_outside_the_group_is_no_signature() {
    let pair = KeyPair::ed25519();
    let key = pair.public(Algorithm::EdDsa);
    let input = signing_input(&json!({"alg": "EdDSA"}), &json!({"sub": "client-1"}));
    let signature = pair.sign_bytes(Algorithm::EdDsa, input.as_bytes());
    let verdict = |signature: &[u8]| verify(&key, &Jws::parse(&with_signature(&input, signature)).unwrap());
    assert_eq!(verdict(&signature), Ok(()));
    // S + L names the same number of the group (RFC 8032 §5.1.7 demands S < L).
    let order = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let (r, s) = signature.split_at(32);
    let mut carry = 0_u16;
    let twin: Vec<u8> = s
        .iter()
        .zip(&order)
        .map(|(a, b)| {
            let sum = u16::from(*a) + u16::from(*b) + carry;
            carry = sum >> 8;
            sum.to_le_bytes()[0]
        })
        .collect();
    assert_eq!(verdict(&[r, &twin].concat()), Err(SignatureDefect::Mismatch));
    for length in [0, 63, 65, 114] {
        let other = vec![1; length];
        if length > 0 {
            assert_eq!(verdict(&other), Err(SignatureDefect::Length));
        }
    }
}

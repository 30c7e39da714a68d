//! Conformance §2.1: algorithms, headers, signatures.

use credentials::client::ClientId;
use credentials::jws::Jws;
use credentials::replay::UseId;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::EcGroup;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Signer};
use serde_json::{Value, json};

use super::{KeyPair, signing_input, with_signature};
use crate::{Algorithm, KeyDefect, SignatureDefect, Verifier, public_key, verify};

fn claims() -> Value {
    json!({"iss": "client-1", "sub": "client-1", "jti": "1"})
}

fn verdict(verifier: &Verifier, token: &str) -> Option<SignatureDefect> {
    verifier.verify(&Jws::parse(token).unwrap()).err()
}

#[test]
fn every_algorithm_verifies_its_own_signature_and_no_other() {
    for algorithm in Algorithm::ALL {
        let (pair, stranger) = (KeyPair::for_algorithm(algorithm), KeyPair::for_algorithm(algorithm));
        let verifier = Verifier::new(&pair.public(algorithm)).unwrap();
        let header = json!({"alg": algorithm.name()});
        let token = pair.sign(algorithm, &header, &claims());
        assert_eq!(verdict(&verifier, &token), None, "{algorithm:?}");
        assert_eq!(verify(&pair.public(algorithm), &Jws::parse(&token).unwrap()), Ok(()));
        let forged = stranger.sign(algorithm, &header, &claims());
        assert_eq!(verdict(&verifier, &forged), Some(SignatureDefect::Mismatch), "{algorithm:?}");
        let (_, signature) = token.rsplit_once('.').unwrap();
        let moved = format!("{}.{signature}", signing_input(&header, &json!({"sub": "client-2"})));
        assert_eq!(verdict(&verifier, &moved), Some(SignatureDefect::Mismatch), "{algorithm:?}");
    }
}

#[test]
fn c_8725_13_ed25519_is_another_name_of_eddsa_and_of_nothing_else() {
    let pair = KeyPair::ed25519();
    let token = pair.sign(Algorithm::EdDsa, &json!({"alg": "Ed25519"}), &claims());
    assert_eq!(verdict(&Verifier::new(&pair.public(Algorithm::EdDsa)).unwrap(), &token), None);
    let ec = Verifier::new(&KeyPair::ec("P-256").public(Algorithm::Es256)).unwrap();
    assert_eq!(verdict(&ec, &token), Some(SignatureDefect::Algorithm));
}

#[test]
fn t_alg_01_none_is_refused_in_all_spellings() {
    let verifier = Verifier::new(&KeyPair::rsa(2048).public(Algorithm::Rs256)).unwrap();
    for alg in ["none", "None", "NONE", "nOnE", "none ", ""] {
        let input = signing_input(&json!({ "alg": alg }), &claims());
        assert!(Jws::parse(&format!("{input}.")).is_err());
        let token = with_signature(&input, b"junk");
        assert_eq!(verdict(&verifier, &token), Some(SignatureDefect::Algorithm), "{alg}");
    }
}

#[test]
fn t_alg_03_a_public_key_is_never_an_hmac_secret() {
    let pair = KeyPair::rsa(2048);
    let public = pair.public(Algorithm::Rs256);
    let verifier = Verifier::new(&public).unwrap();
    let pem = josekit::jwk::alg::rsa::RsaKeyPair::from_jwk(&pair.private).unwrap();
    let json = Value::Object(pair.jwk.clone()).to_string().into_bytes();
    let thumbprint = public_key::thumbprint(&public).unwrap().into_bytes();
    for secret in [pem.to_pem_public_key(), pem.to_der_public_key(), json, thumbprint] {
        let key = PKey::hmac(&secret).unwrap();
        for (alg, digest) in [("HS256", MessageDigest::sha256()), ("HS512", MessageDigest::sha512())] {
            let input = signing_input(&json!({ "alg": alg }), &claims());
            let mac = Signer::new(digest, &key).unwrap().sign_oneshot_to_vec(input.as_bytes()).unwrap();
            assert_eq!(verdict(&verifier, &with_signature(&input, &mac)), Some(SignatureDefect::Algorithm));
        }
    }
}

#[test]
fn t_alg_04_one_key_has_one_algorithm() {
    let pair = KeyPair::rsa(2048);
    for (registered, used) in [
        (Algorithm::Ps256, Algorithm::Rs256),
        (Algorithm::Rs256, Algorithm::Ps256),
        (Algorithm::Rs256, Algorithm::Rs512),
        (Algorithm::Ps384, Algorithm::Ps256),
    ] {
        let verifier = Verifier::new(&pair.public(registered)).unwrap();
        let honest = pair.sign(used, &json!({"alg": used.name()}), &claims());
        assert_eq!(verdict(&verifier, &honest), Some(SignatureDefect::Algorithm));
        let lying = pair.sign(used, &json!({"alg": registered.name()}), &claims());
        assert_eq!(verdict(&verifier, &lying), Some(SignatureDefect::Mismatch));
    }
}

#[test]
fn t_alg_05_curve_and_algorithm_belong_together() {
    let pair = KeyPair::ec("P-384");
    let verifier = Verifier::new(&pair.public(Algorithm::Es384)).unwrap();
    for alg in ["ES256", "ES256K", "ES512"] {
        let token = pair.sign(Algorithm::Es384, &json!({ "alg": alg }), &claims());
        assert_eq!(verdict(&verifier, &token), Some(SignatureDefect::Algorithm), "{alg}");
    }
}

#[test]
fn t_alg_06_c_8725_02_weak_and_misspelt_algorithms_are_refused() {
    let pair = KeyPair::ec("P-256");
    let verifier = Verifier::new(&pair.public(Algorithm::Es256)).unwrap();
    for alg in ["RS1", "SHA1", "es256", "ES256 ", " ES256", "ES256\u{0}"] {
        let token = pair.sign(Algorithm::Es256, &json!({ "alg": alg }), &claims());
        assert_eq!(verdict(&verifier, &token), Some(SignatureDefect::Algorithm), "{alg}");
    }
}

#[test]
fn t_key_16_the_historic_alias_is_for_registration_only() {
    let pair = KeyPair::rsa(2048);
    let public = public_key::check(&pair.with("alg", "RSA256")).unwrap();
    assert_eq!(public.algorithm(), Some("RS256"));
    let verifier = Verifier::new(&public).unwrap();
    let alias = pair.sign(Algorithm::Rs256, &json!({"alg": "RSA256"}), &claims());
    assert_eq!(verdict(&verifier, &alias), Some(SignatureDefect::Algorithm));
    let proper = pair.sign(Algorithm::Rs256, &json!({"alg": "RS256"}), &claims());
    assert_eq!(verdict(&verifier, &proper), None);
}

#[test]
fn t_hdr_01_to_03_a_key_in_the_header_has_no_effect() {
    let (client, attacker) = (KeyPair::ec("P-256"), KeyPair::ec("P-256"));
    let verifier = Verifier::new(&client.public(Algorithm::Es256)).unwrap();
    for header in [
        json!({"alg": "ES256", "jwk": attacker.jwk}),
        json!({"alg": "ES256", "jku": "http://127.0.0.1:1/jwks.json"}),
        json!({"alg": "ES256", "x5u": "file:///etc/passwd"}),
        json!({"alg": "ES256", "x5c": ["MIIB"]}),
    ] {
        let forged = attacker.sign(Algorithm::Es256, &header, &claims());
        assert_eq!(verdict(&verifier, &forged), Some(SignatureDefect::Mismatch), "{header}");
        let honest = client.sign(Algorithm::Es256, &header, &claims());
        assert_eq!(verdict(&verifier, &honest), None, "{header}");
    }
}

#[test]
fn t_hdr_04_t_hdr_05_a_kid_is_compared_and_nothing_else() {
    let pair = KeyPair::ec("P-256");
    let public = public_key::check(&pair.with("kid", "A1")).unwrap();
    let verifier = Verifier::new(&public).unwrap();
    for kid in
        ["a1", "A1 ", "", "../../../../dev/null", "' OR 1=1--", "A1\u{0}b", "\r\nX:1", "kid-of-another"]
    {
        let token = pair.sign(Algorithm::Es256, &json!({"alg": "ES256", "kid": kid}), &claims());
        assert_eq!(verdict(&verifier, &token), Some(SignatureDefect::Kid), "{kid}");
    }
    let named = pair.sign(Algorithm::Es256, &json!({"alg": "ES256", "kid": "A1"}), &claims());
    assert_eq!(verdict(&verifier, &named), None);
}

/// A P-256 signature as two numbers of 32 bytes.
fn es256_token(r: &[u8], s: &[u8]) -> String {
    let input = signing_input(&json!({"alg": "ES256"}), &claims());
    with_signature(&input, &[r, s].concat())
}

#[test]
fn t_jws_03_numbers_outside_the_group_are_no_signature() {
    let pair = KeyPair::ec("P-256");
    let verifier = Verifier::new(&pair.public(Algorithm::Es256)).unwrap();
    let order =
        BigNum::from_hex_str("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551").unwrap();
    let order = order.to_vec_padded(32).unwrap();
    let (zero, one, largest) =
        ([0_u8; 32], BigNum::from_u32(1).unwrap().to_vec_padded(32).unwrap(), [0xFF_u8; 32]);
    let numbers: [&[u8]; 4] = [&zero, &one, &order, &largest];
    for r in numbers {
        for s in numbers {
            assert_eq!(verdict(&verifier, &es256_token(r, s)), Some(SignatureDefect::Mismatch));
        }
    }
    let pair = KeyPair::ec("P-384");
    let verifier = Verifier::new(&pair.public(Algorithm::Es384)).unwrap();
    let psychic = with_signature(&signing_input(&json!({"alg": "ES384"}), &claims()), &[0; 96]);
    assert_eq!(verdict(&verifier, &psychic), Some(SignatureDefect::Mismatch));
}

#[test]
fn t_jws_04_the_high_s_twin_is_the_same_use() {
    let pair = KeyPair::ec("P-256");
    let verifier = Verifier::new(&pair.public(Algorithm::Es256)).unwrap();
    let first = pair.sign(Algorithm::Es256, &json!({"alg": "ES256"}), &claims());
    let jws = Jws::parse(&first).unwrap();
    let (r, s) = jws.signature().split_at(32);
    let (mut context, mut order, mut twin_s) =
        (BigNumContext::new().unwrap(), BigNum::new().unwrap(), BigNum::new().unwrap());
    EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap().order(&mut order, &mut context).unwrap();
    twin_s.checked_sub(&order, &BigNum::from_slice(s).unwrap()).unwrap();
    let twin = es256_token(r, &twin_s.to_vec_padded(32).unwrap());
    assert_ne!(twin, first);
    assert_eq!((verdict(&verifier, &first), verdict(&verifier, &twin)), (None, None));
    let use_of = |token: &str| {
        let jws = Jws::parse(token).unwrap();
        let client = ClientId::parse(jws.payload()["iss"].as_str().unwrap()).unwrap();
        UseId::of(&client, jws.payload()["jti"].as_str().unwrap())
    };
    assert_eq!(use_of(&first), use_of(&twin));
}

#[test]
fn t_jws_05_c_7515_11_ecdsa_signatures_are_two_raw_numbers_of_full_length() {
    for (algorithm, length) in [(Algorithm::Es256, 64), (Algorithm::Es384, 96), (Algorithm::Es512, 132)] {
        let pair = KeyPair::for_algorithm(algorithm);
        let verifier = Verifier::new(&pair.public(algorithm)).unwrap();
        let input = signing_input(&json!({"alg": algorithm.name()}), &claims());
        let raw = pair.sign_bytes(algorithm, input.as_bytes());
        assert_eq!(raw.len(), length);
        let der = {
            let (r, s) = raw.split_at(length / 2);
            let [r, s] = [r, s].map(|half| BigNum::from_slice(half).unwrap());
            openssl::ecdsa::EcdsaSig::from_private_components(r, s).unwrap().to_der().unwrap()
        };
        let short = raw[..length - 1].to_vec();
        let long = [&raw[..], &[0]].concat();
        for signature in [der, short, long] {
            let token = with_signature(&input, &signature);
            assert_eq!(verdict(&verifier, &token), Some(SignatureDefect::Length), "{algorithm:?}");
        }
    }
}

#[test]
fn t_jws_07_rsa_signatures_are_as_long_as_the_modulus() {
    let pair = KeyPair::rsa(2048);
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
        let verifier = Verifier::new(&pair.public(algorithm)).unwrap();
        // A signature that begins with a zero byte turns up once in 256 attempts; without the byte it is refused.
        let (input, signature) = (0..20_000)
            .map(|attempt| {
                let input = signing_input(&json!({"alg": algorithm.name()}), &json!({ "jti": attempt }));
                let signature = pair.sign_bytes(algorithm, input.as_bytes());
                (input, signature)
            })
            .find(|(_, signature)| signature[0] == 0)
            .unwrap();
        assert_eq!(verdict(&verifier, &with_signature(&input, &signature)), None);
        let [stripped, longer] = [signature[1..].to_vec(), [&[0], &signature[..]].concat()];
        for wrong in [stripped, longer] {
            assert_eq!(verdict(&verifier, &with_signature(&input, &wrong)), Some(SignatureDefect::Length));
        }
    }
}

#[test]
fn t_jws_07_pss_salt_is_as_long_as_the_digest() {
    let pair = KeyPair::rsa(2048);
    let verifier = Verifier::new(&pair.public(Algorithm::Ps256)).unwrap();
    let key = josekit::jwk::alg::rsa::RsaKeyPair::from_jwk(&pair.private).unwrap();
    let key = PKey::private_key_from_der(&key.to_der_private_key()).unwrap();
    let input = signing_input(&json!({"alg": "PS256"}), &claims());
    for (salt, expected) in
        [(32, None), (0, Some(SignatureDefect::Mismatch)), (20, Some(SignatureDefect::Mismatch))]
    {
        let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
        signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
        signer.set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt)).unwrap();
        let signature = signer.sign_oneshot_to_vec(input.as_bytes()).unwrap();
        assert_eq!(verdict(&verifier, &with_signature(&input, &signature)), expected, "salt of {salt}");
    }
}

#[test]
fn t_jws_08_no_prefix_of_a_signature_verifies() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let pair = KeyPair::for_algorithm(algorithm);
        let verifier = Verifier::new(&pair.public(algorithm)).unwrap();
        let token = pair.sign(algorithm, &json!({"alg": algorithm.name()}), &claims());
        for length in 0..token.len() {
            let refused = Jws::parse(&token[..length]).map_or(true, |jws| verifier.verify(&jws).is_err());
            assert!(refused, "{algorithm:?} {length}");
        }
    }
}

#[test]
fn c_6749_25_no_flipped_bit_of_a_signature_verifies() {
    let pair = KeyPair::ec("P-256");
    let verifier = Verifier::new(&pair.public(Algorithm::Es256)).unwrap();
    let input = signing_input(&json!({"alg": "ES256"}), &claims());
    let signature = pair.sign_bytes(Algorithm::Es256, input.as_bytes());
    for bit in 0..signature.len() * 8 {
        let mut flipped = signature.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(verdict(&verifier, &with_signature(&input, &flipped)), Some(SignatureDefect::Mismatch));
    }
}

#[test]
fn a_stored_key_that_was_never_checked_is_an_error_and_not_a_panic() {
    use credentials::key::PublicKey;
    for jwk in [
        json!({}),
        json!({"kid": "k"}),
        json!({"kid": "k", "alg": "none"}),
        json!({"kid": "k", "alg": "HS256", "kty": "oct", "k": "AA"}),
        json!({"kid": "k", "alg": "RS256", "kty": "RSA"}),
        json!({"kid": "k", "alg": "RS256", "kty": "RSA", "n": "", "e": ""}),
        json!({"kid": "k", "alg": "RS256", "kty": "RSA", "n": "AQAB", "e": "AQAB"}),
        json!({"kid": "k", "alg": "ES256", "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
        json!({"kid": "k", "alg": "ES256", "kty": "RSA", "n": "AQAB", "e": "AQAB"}),
        json!({"kid": "k", "alg": "EdDSA", "kty": "OKP", "crv": "Ed25519", "x": "AA"}),
    ] {
        let key = PublicKey::from_checked(jwk.as_object().unwrap().clone());
        assert!(Verifier::new(&key).is_err(), "{jwk}");
        let token = with_signature(&signing_input(&json!({"alg": "RS256"}), &claims()), b"x");
        assert!(matches!(verify(&key, &Jws::parse(&token).unwrap()), Err(SignatureDefect::Key(_))));
    }
    let no_kid = PublicKey::from_checked(serde_json::Map::new());
    assert_eq!(Verifier::new(&no_kid).err(), Some(KeyDefect::Missing("kid")));
}

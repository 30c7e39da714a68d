//! Conformance §1.5 and §2.3: what may be registered as a public key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use serde_json::{Map, Value, json};

use super::KeyPair;
use crate::public_key::{check, thumbprint};
use crate::{Algorithm, KeyDefect};

fn number(value: &BigNum) -> String {
    URL_SAFE_NO_PAD.encode(value.to_vec())
}

fn rsa_jwk(modulus: &BigNum) -> Map<String, Value> {
    json!({"kty": "RSA", "e": "AQAB", "n": number(modulus)}).as_object().unwrap().clone()
}

fn defect(jwk: &Map<String, Value>) -> Option<KeyDefect> {
    check(jwk).err()
}

#[test]
fn c_7638_01_the_thumbprint_of_the_rfc_example() {
    let jwk = json!({"kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29", "n":
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3\
oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6\
qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJ\
zKnqDKgw"});
    let key = check(jwk.as_object().unwrap()).unwrap();
    assert_eq!(thumbprint(&key).unwrap(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(key.kid(), Some("2011-04-29"));
}

#[test]
fn c_7638_02_without_kid_the_thumbprint_is_the_kid() {
    for pair in [KeyPair::rsa(2048), KeyPair::ec("P-256"), KeyPair::ed25519()] {
        let key = check(&pair.jwk).unwrap();
        assert_eq!(key.kid().unwrap(), thumbprint(&key).unwrap());
        let named = check(&pair.with("kid", "mine")).unwrap();
        assert_eq!((named.kid(), thumbprint(&named)), (Some("mine"), thumbprint(&key)));
    }
}

#[test]
fn c_7517_01_a_key_says_of_which_type_it_is() {
    for (jwk, expected) in [
        (json!({}), KeyDefect::Missing("kty")),
        (json!({"n": "AQAB", "e": "AQAB"}), KeyDefect::Missing("kty")),
        (json!({"kty": 1}), KeyDefect::Missing("kty")),
        (json!({"kty": "rsa"}), KeyDefect::KeyType),
        (json!({"keys": []}), KeyDefect::Missing("kty")),
    ] {
        assert_eq!(defect(jwk.as_object().unwrap()), Some(expected), "{jwk}");
    }
}

#[test]
fn c_7517_03_only_the_members_that_matter_are_kept() {
    let pair = KeyPair::rsa(2048);
    let mut jwk = pair.with("alg", "RSA256");
    jwk.insert("x5u".to_owned(), json!("http://evil.example"));
    jwk.insert("key_ops".to_owned(), json!(["verify"]));
    jwk.insert("$where".to_owned(), json!("1"));
    let key = check(&jwk).unwrap();
    let mut names: Vec<&str> = key.members().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["alg", "e", "kid", "kty", "n", "use"]);
    assert_eq!((key.algorithm(), &key.members()["use"]), (Some("RS256"), &json!("sig")));
    // The check is a fixed point: what it returned passes again, unchanged.
    assert_eq!(check(key.members()).unwrap(), key);
}

#[test]
fn the_algorithm_follows_from_the_key_if_none_is_named() {
    for (pair, algorithm) in [
        (KeyPair::rsa(2048), "RS256"),
        (KeyPair::ec("P-256"), "ES256"),
        (KeyPair::ec("P-384"), "ES384"),
        (KeyPair::ec("P-521"), "ES512"),
        (KeyPair::ed25519(), "EdDSA"),
    ] {
        assert_eq!(check(&pair.jwk).unwrap().algorithm(), Some(algorithm));
    }
}

#[test]
fn t_key_01_c_7518_01_rsa_below_2048_bits_is_refused() {
    for bits in [512, 1024, 1536, 2047] {
        let key = openssl::rsa::Rsa::generate(bits).unwrap();
        let modulus = key.n().to_owned().unwrap();
        assert_eq!(modulus.num_bits(), i32::try_from(bits).unwrap());
        assert_eq!(defect(&rsa_jwk(&modulus)), Some(KeyDefect::ModulusSize), "{bits}");
    }
}

#[test]
fn t_key_02_rsa_above_8192_bits_is_refused() {
    for bits in [8193, 16_384] {
        let mut modulus = BigNum::new().unwrap();
        modulus.set_bit(bits - 1).unwrap();
        modulus.set_bit(0).unwrap();
        assert_eq!(defect(&rsa_jwk(&modulus)), Some(KeyDefect::ModulusSize), "{bits}");
    }
}

#[test]
fn t_key_03_exponents() {
    let pair = KeyPair::rsa(2048);
    for exponent in
        ["0", "1", "2", "3", "17", "65535", "65536", "65538", "18446744073709551616", "18446744073709551617"]
    {
        let exponent = BigNum::from_dec_str(exponent).unwrap();
        let verdict = defect(&pair.with("e", number(&exponent)));
        assert!(
            matches!(verdict, Some(KeyDefect::Exponent | KeyDefect::Number("e"))),
            "{exponent:?}: {verdict:?}"
        );
    }
    for exponent in ["65537", "65539", "18446744073709551615"] {
        let exponent = BigNum::from_dec_str(exponent).unwrap();
        assert_eq!(defect(&pair.with("e", number(&exponent))), None, "{exponent:?}");
    }
}

#[test]
fn t_key_04_the_roca_fingerprint_is_refused() {
    // n = k·M + 65537^a mod M with M the product of the first 126 primes, as Infineon's generator makes it.
    let mut context = BigNumContext::new().unwrap();
    let mut product = BigNum::from_u32(1).unwrap();
    let primes = (2..).filter(|n| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0));
    for prime in primes.take(126) {
        product.mul_word(prime).unwrap();
    }
    let (mut residue, mut k) = (BigNum::new().unwrap(), BigNum::new().unwrap());
    let exponent = BigNum::from_u32(123_457).unwrap();
    residue.mod_exp(&BigNum::from_u32(65_537).unwrap(), &exponent, &product, &mut context).unwrap();
    k.set_bit(2047 - product.num_bits() + 1).unwrap();
    // Step through the progression until nothing but the fingerprint speaks against the modulus.
    let found = (0..5_000).find_map(|_| {
        k.add_word(1).unwrap();
        let (mut multiple, mut modulus) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        multiple.checked_mul(&k, &product, &mut context).unwrap();
        modulus.checked_add(&multiple, &residue).unwrap();
        defect(&rsa_jwk(&modulus)).filter(|defect| *defect != KeyDefect::ModulusNotAProduct)
    });
    assert_eq!(found, Some(KeyDefect::ModulusPredictable));
}

#[test]
fn t_key_05_a_modulus_that_is_no_product_of_two_large_primes_is_refused() {
    let mut context = BigNumContext::new().unwrap();
    let mut power_of_two = BigNum::new().unwrap();
    power_of_two.set_bit(2047).unwrap();
    let mut prime = BigNum::new().unwrap();
    prime.generate_prime(2048, false, None, None).unwrap();
    let (mut half, mut square) = (BigNum::new().unwrap(), BigNum::new().unwrap());
    half.generate_prime(1024, false, None, None).unwrap();
    square.sqr(&half, &mut context).unwrap();
    if square.num_bits() < 2048 {
        square.sqr(&BigNum::get_rfc2409_prime_1024().unwrap(), &mut context).unwrap();
    }
    // A good modulus times 5701, the largest but one of the primes that are tried.
    let mut small_factor =
        BigNum::from_slice(&URL_SAFE_NO_PAD.decode(KeyPair::rsa(2048).jwk["n"].as_str().unwrap()).unwrap())
            .unwrap();
    small_factor.mul_word(5_701).unwrap();
    for modulus in [power_of_two, prime, square, small_factor] {
        assert_eq!(
            defect(&rsa_jwk(&modulus)),
            Some(KeyDefect::ModulusNotAProduct),
            "{} bits",
            modulus.num_bits()
        );
    }
}

#[test]
fn t_key_06_c_7518_03_points_beside_the_curve_are_refused() {
    for (curve, length) in [("P-256", 32), ("P-384", 48), ("P-521", 66)] {
        let (pair, other) = (KeyPair::ec(curve), KeyPair::ec(curve));
        assert_eq!(defect(&pair.jwk), None);
        let zeros = URL_SAFE_NO_PAD.encode(vec![0; length]);
        let beyond = URL_SAFE_NO_PAD.encode(vec![0xFF; length]);
        for y in [other.jwk["y"].clone(), json!(zeros), json!(beyond)] {
            assert_eq!(defect(&pair.with("y", y)), Some(KeyDefect::NotOnCurve), "{curve}");
        }
        let mut infinity = pair.with("x", zeros.clone());
        infinity.insert("y".to_owned(), json!(zeros));
        assert_eq!(defect(&infinity), Some(KeyDefect::NotOnCurve), "{curve}");
        for wrong in [length - 1, length + 1, 0] {
            let wrong = URL_SAFE_NO_PAD.encode(vec![1; wrong]);
            assert_eq!(defect(&pair.with("x", wrong)), Some(KeyDefect::CoordinateLength), "{curve}");
        }
        let other_curve = if curve == "P-256" { "P-384" } else { "P-256" };
        assert_eq!(defect(&pair.with("crv", other_curve)), Some(KeyDefect::CoordinateLength));
    }
    let koblitz = KeyPair::ec("secp256k1");
    assert_eq!(defect(&koblitz.jwk), Some(KeyDefect::Curve));
    // A point of another curve of the same length.
    assert_eq!(defect(&koblitz.with("crv", "P-256")), Some(KeyDefect::NotOnCurve));
}

#[test]
fn t_key_08_c_7517_06_private_and_symmetric_keys_are_refused_without_echo() {
    for pair in [KeyPair::rsa(2048), KeyPair::ec("P-256"), KeyPair::ed25519()] {
        let private: Map<String, Value> = pair.private.clone().into();
        let secret = private["d"].as_str().unwrap().to_owned();
        let defect = check(&private).unwrap_err();
        assert_eq!(defect, KeyDefect::Private);
        assert!(!format!("{defect} {defect:?}").contains(&secret));
        for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert_eq!(check(&pair.with(name, Value::Null)).err(), Some(KeyDefect::Private), "{name}");
        }
    }
    assert_eq!(defect(json!({"kty": "oct"}).as_object().unwrap()), Some(KeyDefect::Private));
}

#[test]
fn t_key_10_our_own_key_is_recognised_whatever_it_is_called() {
    let ours = crate::SigningKey::generate(Algorithm::Rs256, Some("ours")).unwrap();
    let mut stolen = ours.public().members().clone();
    stolen.insert("kid".to_owned(), json!("theirs"));
    stolen.insert("alg".to_owned(), json!("PS256"));
    let stolen = check(&stolen).unwrap();
    assert_ne!(&stolen, ours.public());
    assert_eq!(thumbprint(&stolen), thumbprint(ours.public()));
    assert_ne!(thumbprint(&check(&KeyPair::rsa(2048).jwk).unwrap()), thumbprint(ours.public()));
}

#[test]
fn t_key_11_other_containers_than_a_jwk_are_refused() {
    for members in [
        json!({}),
        json!({"kty": "RSA", "n": "-----BEGIN PUBLIC KEY-----", "e": "AQAB"}),
        json!({"kty": "RSA", "n": {"$gt": ""}, "e": "AQAB"}),
        json!({"kty": "RSA", "n": ["AQAB"], "e": "AQAB"}),
        json!({"kty": "RSA", "n": "AQAB"}),
        json!({"kty": "RSA", "e": "AQAB"}),
        json!({"kty": "EC", "crv": "P-256", "x": "AA"}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"}),
        json!({"kty": "OKP", "crv": "Ed25519"}),
        json!({"kty": "OKP", "x": "AA"}),
        json!({"kty": "XYZ"}),
        json!({"kty": 1}),
        json!({"kty": "rsa", "n": "AQAB", "e": "AQAB"}),
        json!({"x5c": ["MIIB"]}),
        json!({"keys": [{"kty": "RSA"}]}),
    ] {
        assert!(check(members.as_object().unwrap()).is_err(), "{members}");
    }
}

#[test]
fn numbers_have_one_spelling() {
    let pair = KeyPair::rsa(2048);
    let modulus = URL_SAFE_NO_PAD.decode(pair.jwk["n"].as_str().unwrap()).unwrap();
    let leading_zero = URL_SAFE_NO_PAD.encode([&[0], &modulus[..]].concat());
    let padded = format!("{}==", pair.jwk["n"].as_str().unwrap());
    for n in [leading_zero, padded, String::new(), "+/".to_owned()] {
        assert_eq!(defect(&pair.with("n", n)), Some(KeyDefect::Number("n")));
    }
    assert_eq!(defect(&pair.with("e", "AAEAAQ")), Some(KeyDefect::Number("e")));
}

#[test]
fn t_key_12_purpose_and_algorithm_must_fit_the_key() {
    let (rsa, ec) = (KeyPair::rsa(2048), KeyPair::ec("P-256"));
    for value in [json!("enc"), json!("SIG"), json!(null), json!(["sig"])] {
        assert_eq!(defect(&rsa.with("use", value)), Some(KeyDefect::Use));
    }
    for value in [
        json!(["encrypt"]),
        json!([]),
        json!("verify"),
        json!(null),
        json!(["sign"]),
        // RFC 7517 §4.3: texts, each of them once.
        json!(["verify", "verify"]),
        json!(["verify", 7]),
    ] {
        assert_eq!(defect(&rsa.with("key_ops", value)), Some(KeyDefect::Operations));
    }
    for alg in
        [json!("ES256"), json!("HS256"), json!("none"), json!("RS1"), json!("rs256"), json!(""), json!(null)]
    {
        assert!(matches!(defect(&rsa.with("alg", alg)), Some(KeyDefect::Algorithm(_))));
    }
    for alg in ["RS256", "RSA256", "ES384", "ES256K", "EdDSA"] {
        assert_eq!(defect(&ec.with("alg", alg)), Some(KeyDefect::Algorithm("ES256")), "{alg}");
    }
    let okp = KeyPair::ed25519();
    for alg in ["Ed448", "ed25519", "ES256", "RS256", "eddsa"] {
        assert_eq!(defect(&okp.with("alg", alg)), Some(KeyDefect::Algorithm("Ed25519, EdDSA")), "{alg}");
    }
    for alg in ["EdDSA", "Ed25519"] {
        let key = crate::public_key::check(&okp.with("alg", alg)).unwrap();
        assert_eq!(key.algorithm(), Some("EdDSA"), "RFC 9864 names it anew");
    }
    for alg in ["EdDSA", "Ed25519"] {
        assert_eq!(defect(&ec.with("alg", alg)), Some(KeyDefect::Algorithm("ES256")), "{alg}");
    }
    for algorithm in Algorithm::ALL {
        assert_eq!(KeyPair::for_algorithm(algorithm).public(algorithm).algorithm(), Some(algorithm.name()));
    }
}

#[test]
fn t_hdr_04_a_registered_kid_is_short_and_clean() {
    let pair = KeyPair::ec("P-256");
    for kid in [
        json!(""),
        json!("k".repeat(257)),
        json!("a\u{0}b"),
        json!("\r\nX:1"),
        json!(7),
        json!(null),
        json!({}),
    ] {
        assert_eq!(defect(&pair.with("kid", kid)), Some(KeyDefect::Kid));
    }
    assert_eq!(defect(&pair.with("kid", "k".repeat(256))), None);
}

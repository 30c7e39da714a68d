//! Signing keys: every PEM that the platform's documents tell operators to make (contract §2), and what is refused.

use common::AccessTokenClaims;
use credentials::jws::Jws;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::symm::Cipher;
use serde_json::{Map, Value};

use crate::{Algorithm, KeyDefect, SignError, SigningKey, SigningKeyError, verify};

fn claims() -> AccessTokenClaims {
    AccessTokenClaims {
        exp: 1_700_000_300,
        iat: 1_700_000_000,
        iss: "https://auth.example".to_owned(),
        sub: "client-1".to_owned(),
        jti: "j".to_owned(),
        permissions: Vec::new(),
        aud: None,
        client_id: None,
        scope: None,
        custom: Map::new(),
    }
}

#[test]
fn every_documented_pem_form_is_read() {
    let rsa = Rsa::generate(2048).unwrap();
    let key = PKey::from_rsa(rsa.clone()).unwrap();
    let password = b"correct horse";
    let endless = "x".repeat(5_000);
    let pkcs1 = rsa.private_key_to_pem().unwrap();
    let pkcs8 = key.private_key_to_pem_pkcs8().unwrap();
    let encrypted_pkcs8 = key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), password).unwrap();
    let legacy_3des = rsa.private_key_to_pem_passphrase(Cipher::des_ede3_cbc(), password).unwrap();
    let legacy_aes = rsa.private_key_to_pem_passphrase(Cipher::aes_128_cbc(), password).unwrap();
    assert!(pkcs1.starts_with(b"-----BEGIN RSA PRIVATE KEY-----"));
    assert!(pkcs8.starts_with(b"-----BEGIN PRIVATE KEY-----"));
    assert!(encrypted_pkcs8.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    assert!(String::from_utf8_lossy(&legacy_3des).contains("Proc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC"));
    let expected = SigningKey::from_pem(Algorithm::Rs256, &pkcs8, None, Some("k")).unwrap().public().clone();
    for plain in [&pkcs1, &pkcs8] {
        for password in [None, Some(""), Some("unused")] {
            assert_eq!(
                SigningKey::from_pem(Algorithm::Rs256, plain, password, Some("k")).unwrap().public(),
                &expected
            );
        }
    }
    for encrypted in [&encrypted_pkcs8, &legacy_3des, &legacy_aes] {
        let read = |password| SigningKey::from_pem(Algorithm::Rs256, encrypted, password, Some("k"));
        assert_eq!(read(Some("correct horse")).unwrap().public(), &expected);
        assert_eq!(read(Some("wrong")).err(), Some(SigningKeyError::WrongPassword));
        assert_eq!(read(Some(&endless)).err(), Some(SigningKeyError::WrongPassword));
        for none in [None, Some("")] {
            assert_eq!(read(none).err(), Some(SigningKeyError::PasswordMissing));
        }
    }
}

#[test]
fn weak_foreign_and_broken_keys_are_refused() {
    let read = |pem: &[u8]| SigningKey::from_pem(Algorithm::Rs256, pem, None, None).err();
    let weak = Rsa::generate(1024).unwrap().private_key_to_pem().unwrap();
    let refused = read(&weak).unwrap();
    assert_eq!(refused, SigningKeyError::Weak(KeyDefect::ModulusSize));
    let sentence = refused.to_string();
    assert!(
        sentence.contains("its n must have 2048 to 8192 bits") && sentence.contains("genpkey"),
        "{sentence}"
    );
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let ec = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    assert_eq!(
        read(&ec.private_key_to_pem_pkcs8().unwrap()),
        Some(SigningKeyError::OtherAlgorithm(Algorithm::Rs256))
    );
    let public = ec.public_key_to_pem().unwrap();
    let openssh = b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n".to_vec();
    let cut = Rsa::generate(2048).unwrap().private_key_to_pem().unwrap()[..500].to_vec();
    for text in [Vec::new(), b"secret".to_vec(), public, openssh, cut] {
        assert_eq!(read(&text), Some(SigningKeyError::NotAPrivateKey));
    }
    let good = Rsa::generate(2048).unwrap().private_key_to_pem().unwrap();
    let unnamed = SigningKey::from_pem(Algorithm::Rs256, &good, None, Some("")).err();
    assert_eq!(unnamed, Some(SigningKeyError::Weak(KeyDefect::Kid)));
}

#[test]
fn a_generated_key_survives_its_pem() {
    for algorithm in Algorithm::ALL {
        let made = SigningKey::generate(algorithm, None).unwrap();
        let pem = made.to_pem().unwrap();
        let read = SigningKey::from_pem(algorithm, pem.as_bytes(), None, None).unwrap();
        assert_eq!((made.public(), made.kid(), made.algorithm()), (read.public(), read.kid(), algorithm));
        assert_eq!(made.kid(), crate::public_key::thumbprint(made.public()).unwrap());
    }
}

#[test]
fn c_7517_07_the_public_half_has_exactly_the_members_of_its_kind() {
    for (algorithm, expected) in [
        (Algorithm::Rs256, ["alg", "e", "kid", "kty", "n", "use"].as_slice()),
        (Algorithm::Ps256, &["alg", "e", "kid", "kty", "n", "use"]),
        (Algorithm::Es256, &["alg", "crv", "kid", "kty", "use", "x", "y"]),
        (Algorithm::EdDsa, &["alg", "crv", "kid", "kty", "use", "x"]),
    ] {
        let key = SigningKey::generate(algorithm, None).unwrap();
        let mut names: Vec<&str> = key.public().members().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, expected, "{algorithm}");
        assert_eq!(key.public().algorithm(), Some(algorithm.name()));
    }
}

#[test]
fn a_key_is_for_the_algorithm_it_fits() {
    let keys = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa]
        .map(|algorithm| (algorithm, SigningKey::generate(algorithm, None).unwrap().to_pem().unwrap()));
    for (made_for, pem) in &keys {
        for (wanted, _) in &keys {
            let read = SigningKey::from_pem(*wanted, pem.as_bytes(), None, None);
            if made_for == wanted {
                assert!(read.is_ok(), "{wanted}");
            } else {
                assert_eq!(read.err(), Some(SigningKeyError::OtherAlgorithm(*wanted)), "{made_for}");
            }
        }
    }
    // SEC 1, as `openssl ecparam -genkey` writes it.
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let pem = EcKey::generate(&group).unwrap().private_key_to_pem().unwrap();
    assert!(pem.starts_with(b"-----BEGIN EC PRIVATE KEY-----"));
    assert!(SigningKey::from_pem(Algorithm::Es256, &pem, None, None).is_ok());
}

#[test]
fn c_9068_01_a_token_names_algorithm_key_and_type() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(algorithm, Some("key-1")).unwrap();
        for (typ, read_as) in [("at+jwt", "at+jwt"), ("JWT", "jwt")] {
            let token = key.sign(typ, &claims()).unwrap();
            let jws = Jws::parse(&token).unwrap();
            let header = (jws.algorithm(), jws.kid(), jws.token_type());
            assert_eq!(header, (algorithm.name(), Some("key-1"), Some(read_as)));
            // josekit, which had no part in signing, accepts it.
            assert_eq!(verify(key.public(), &jws), Ok(()), "{algorithm}");
            assert_eq!(Value::Object(jws.payload().clone()), serde_json::to_value(claims()).unwrap());
        }
    }
}

#[test]
fn a_token_that_we_would_not_read_is_not_signed() {
    let key = SigningKey::generate(Algorithm::Rs256, None).unwrap();
    let with = |length: usize| AccessTokenClaims { permissions: vec!["p".repeat(length)], ..claims() };
    assert!(key.sign("JWT", &with(5_000)).is_ok());
    assert!(matches!(key.sign("JWT", &with(6_500)), Err(SignError::TooLong(length)) if length > 8_192));
}

#[test]
fn debug_output_holds_no_key() {
    let key = SigningKey::generate(Algorithm::Rs256, Some("k")).unwrap();
    assert_eq!(format!("{key:?}"), r#"SigningKey { kid: "k", .. }"#);
}

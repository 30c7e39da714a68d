//! Private keys at rest.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use common::Timestamp;
use credentials::SystemRandom;
use credentials::key::KeyRing;
use credentials::key::ring::{NewKey, RingKey, SealedKey};

use crate::{Algorithm, KeyEncryption, NotAnEncryptionKey, SigningKey, UnsealError};

fn text(seed: u8) -> String {
    STANDARD.encode((0..32).map(|byte| byte ^ seed).collect::<Vec<u8>>())
}

fn encryption(text: &str) -> KeyEncryption {
    KeyEncryption::parse(text).unwrap()
}

fn in_ring(key: NewKey) -> RingKey {
    let (mut ring, now) = (KeyRing::default(), Timestamp::from_unix_seconds(0));
    ring.add(key, now).unwrap();
    ring.published(now).next().cloned().unwrap()
}

#[test]
fn a_key_of_every_algorithm_comes_back_and_its_private_half_cannot_be_seen() {
    for algorithm in Algorithm::OF_ACCESS_TOKENS {
        let key = SigningKey::generate(algorithm, Some("k")).unwrap();
        let sealed = encryption(&text(1)).seal(&key, &SystemRandom).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(sealed.private.0.strip_prefix("A256GCM.").unwrap()).unwrap();
        let pem = key.to_pem().unwrap();
        assert_eq!(bytes.len(), 12 + pem.len() + 16);
        assert!(!bytes.windows(16).any(|window| pem.as_bytes().windows(16).any(|part| part == window)));
        let opened = encryption(&text(1)).open(&in_ring(sealed)).unwrap();
        assert_eq!((opened.public(), opened.to_pem().unwrap()), (key.public(), pem));
    }
}

#[test]
fn the_same_key_is_never_encrypted_to_the_same_text() {
    let key = SigningKey::generate(Algorithm::EdDsa, None).unwrap();
    let [one, other] = [1, 1].map(|_| encryption(&text(1)).seal(&key, &SystemRandom).unwrap().private);
    assert_ne!(one, other);
}

#[test]
fn the_first_encryption_key_encrypts_and_all_decrypt() {
    let key = SigningKey::generate(Algorithm::EdDsa, None).unwrap();
    let (old, new) = (text(1), text(2));
    let sealed = in_ring(encryption(&old).seal(&key, &SystemRandom).unwrap());
    assert!(encryption(&format!("{new}, {old}")).open(&sealed).is_ok());
    assert_eq!(encryption(&new).open(&sealed).err(), Some(UnsealError::OtherKey));
    let sealed = in_ring(encryption(&format!("{new},{old}")).seal(&key, &SystemRandom).unwrap());
    assert!(encryption(&new).open(&sealed).is_ok());
    assert_eq!(encryption(&old).open(&sealed).err(), Some(UnsealError::OtherKey));
}

#[test]
fn nothing_that_was_changed_in_the_store_is_believed() {
    let encryption = encryption(&text(1));
    let (key, other) = (
        SigningKey::generate(Algorithm::EdDsa, Some("k")).unwrap(),
        SigningKey::generate(Algorithm::EdDsa, Some("k")).unwrap(),
    );
    let sealed = in_ring(encryption.seal(&key, &SystemRandom).unwrap());
    let with = |private: String| RingKey { private: SealedKey(private), ..sealed.clone() };
    let bytes = URL_SAFE_NO_PAD.decode(sealed.private.0.strip_prefix("A256GCM.").unwrap()).unwrap();
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        let changed = with(format!("A256GCM.{}", URL_SAFE_NO_PAD.encode(changed)));
        assert_eq!(encryption.open(&changed).err(), Some(UnsealError::OtherKey), "byte {index}");
    }
    for length in 0..28 {
        let cut = with(format!("A256GCM.{}", URL_SAFE_NO_PAD.encode(&bytes[..length])));
        assert_eq!(encryption.open(&cut).err(), Some(UnsealError::Form), "{length} bytes");
    }
    for foreign in ["", "A256GCM", "A128GCM.AAAA", "A256GCM.=", "-----BEGIN PRIVATE KEY-----"] {
        assert_eq!(encryption.open(&with(foreign.to_owned())).err(), Some(UnsealError::Form));
    }
    let renamed = RingKey { kid: "other".to_owned(), ..sealed.clone() };
    let retyped = RingKey { algorithm: Algorithm::Es256, ..sealed.clone() };
    for moved in [renamed, retyped] {
        assert_eq!(encryption.open(&moved).err(), Some(UnsealError::OtherKey));
    }
    let exchanged = RingKey { public: other.public().clone(), ..sealed };
    assert_eq!(encryption.open(&exchanged).err(), Some(UnsealError::NotThatKey));
}

#[test]
fn an_encryption_key_is_thirty_two_random_bytes_in_base64() {
    let bytes: Vec<u8> = (0..32).collect();
    for good in [STANDARD.encode(&bytes), STANDARD_NO_PAD.encode(&bytes), format!(" {} ", text(1))] {
        assert!(KeyEncryption::parse(&good).is_ok(), "{good}");
    }
    for bad in [
        String::new(),
        ",".to_owned(),
        "secret".to_owned(),
        "0123456789abcdef".repeat(4),
        STANDARD.encode(&bytes[..31]),
        STANDARD.encode([&bytes[..], &[0]].concat()),
        STANDARD.encode([0; 32]),
        STANDARD.encode([7; 32]),
        format!("{},", text(1)),
        format!("{},short", text(1)),
    ] {
        assert_eq!(KeyEncryption::parse(&bad).err(), Some(NotAnEncryptionKey), "{bad}");
    }
    assert_eq!(format!("{:?}", encryption(&text(1))), "KeyEncryption(..)");
}

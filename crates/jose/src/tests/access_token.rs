//! Reading our own access tokens, and the matrix of token kinds: only the diagonal passes (T-HDR-09, T-TOK-01).

use common::{AccessTokenClaims, Profile, Timestamp};
use credentials::access_token::TokenDefect;
use credentials::assertion::{self, AssertionDefect, AssertionPolicy};
use credentials::client::{AuthMethod, Client, ClientId};
use credentials::jws::{Jws, JwsDefect};
use serde_json::{Map, json};

use super::KeyPair;
use crate::{
    AccessTokenRejection, Algorithm, SignatureDefect, SigningKey, Verifier, verify, verify_access_token,
};

const NOW: i64 = 1_700_000_000;
const ISSUER: &str = "https://auth.example";

fn claims() -> AccessTokenClaims {
    AccessTokenClaims {
        exp: NOW + 300,
        iat: NOW,
        iss: ISSUER.to_owned(),
        sub: "client-1".to_owned(),
        jti: "j".to_owned(),
        permissions: vec!["read:orders".to_owned()],
        aud: Some(vec!["api".to_owned()]),
        client_id: Some("client-1".to_owned()),
        scope: None,
        custom: Map::from_iter([("tenant".to_owned(), json!("t1"))]),
    }
}

/// Reads a token with one key of ours, named `ours`.
fn read(ours: &SigningKey, token: &str) -> Result<AccessTokenClaims, AccessTokenRejection> {
    let verifier = Verifier::new(ours.public()).unwrap();
    let key_of = |kid: &str| (kid == ours.kid()).then_some(&verifier);
    let now = Timestamp::from_unix_seconds(NOW);
    verify_access_token(token, key_of, ISSUER, Some(&["api".to_owned()]), Profile::Standard, now)
}

#[test]
fn what_was_signed_is_read_back() {
    let ours = SigningKey::generate(Algorithm::Rs256, Some("ours")).unwrap();
    for typ in ["at+jwt", "JWT"] {
        assert_eq!(read(&ours, &ours.sign(typ, &claims()).unwrap()), Ok(claims()));
    }
    let expired = AccessTokenClaims { exp: NOW, ..claims() };
    let verdict = read(&ours, &ours.sign("JWT", &expired).unwrap());
    assert_eq!(verdict, Err(AccessTokenRejection::Claims(TokenDefect::Expired)));
}

#[test]
fn t_key_14_t_tok_02_only_keys_of_ours_are_asked() {
    let (ours, staging) = (
        SigningKey::generate(Algorithm::Rs256, Some("ours")).unwrap(),
        SigningKey::generate(Algorithm::Rs256, Some("staging")).unwrap(),
    );
    let foreign = staging.sign("JWT", &claims()).unwrap();
    assert_eq!(read(&ours, &foreign), Err(SignatureDefect::UnknownKey.into()));
    let impostor =
        SigningKey::generate(Algorithm::Rs256, Some("ours")).unwrap().sign("JWT", &claims()).unwrap();
    assert_eq!(read(&ours, &impostor), Err(SignatureDefect::Mismatch.into()));
    assert_eq!(read(&ours, "a.b"), Err(JwsDefect::NotThreeParts.into()));
}

#[test]
fn contract_1_3_a_token_without_kid_is_invalid() {
    let pair = KeyPair::rsa(2048);
    let pem = josekit::jwk::alg::rsa::RsaKeyPair::from_jwk(&pair.private).unwrap().to_pem_private_key();
    let ours = SigningKey::from_pem(Algorithm::Rs256, &pem, None, Some("ours")).unwrap();
    let payload = serde_json::to_value(claims()).unwrap();
    let named = pair.sign(Algorithm::Rs256, &json!({"alg": "RS256", "typ": "JWT", "kid": "ours"}), &payload);
    assert_eq!(read(&ours, &named), Ok(claims()));
    let nameless = pair.sign(Algorithm::Rs256, &json!({"alg": "RS256", "typ": "JWT"}), &payload);
    assert_eq!(read(&ours, &nameless), Err(SignatureDefect::KidMissing.into()));
    let pss = pair.sign(Algorithm::Ps256, &json!({"alg": "PS256", "typ": "JWT", "kid": "ours"}), &payload);
    assert_eq!(read(&ours, &pss), Err(SignatureDefect::Algorithm.into()));
}

/// Both kinds of token, with both typ settings, at both doors.
#[test]
fn t_hdr_09_t_tok_01_c_8725_10_only_the_diagonal_passes() {
    let ours = SigningKey::generate(Algorithm::Rs256, Some("ours")).unwrap();
    let pair = KeyPair::rsa(2048);
    let client_key = crate::public_key::check(&pair.with("kid", "ours")).unwrap();
    let id = ClientId::parse("client-1").unwrap();
    let client = Client {
        public_key: Some(client_key.clone()),
        ..Client::new(id, "orders".to_owned(), AuthMethod::PrivateKeyJwt, Timestamp::from_unix_seconds(0))
    };
    let policy = AssertionPolicy {
        issuer: ISSUER.to_owned(),
        max_lifetime_seconds: 3600,
        clock_skew_seconds: 0,
        profile: Profile::Standard,
    };
    let now = Timestamp::from_unix_seconds(NOW);
    let as_assertion = |token: &str| {
        let jws = Jws::parse(token).unwrap();
        (assertion::check(&jws, &client, &policy, now), verify(&client_key, &jws))
    };
    for typ in ["JWT", "client-authentication+jwt"] {
        let header = json!({"alg": "RS256", "kid": "ours", "typ": typ});
        let payload =
            json!({"iss": "client-1", "sub": "client-1", "aud": ISSUER, "exp": NOW + 60, "jti": "1"});
        let token = pair.sign(Algorithm::Rs256, &header, &payload);
        assert!(matches!(as_assertion(&token), (Ok(_), Ok(()))), "{typ}");
        // Even under the name of our own key.
        assert_eq!(read(&ours, &token), Err(SignatureDefect::Mismatch.into()), "{typ}");
    }
    // A client that writes itself the claims of an access token.
    let header = json!({"alg": "RS256", "kid": "ours", "typ": "at+jwt"});
    let forged = pair.sign(Algorithm::Rs256, &header, &serde_json::to_value(claims()).unwrap());
    assert_eq!(read(&ours, &forged), Err(SignatureDefect::Mismatch.into()));
    // Access tokens of ours as assertions: refused by their claims and by their signature.
    for (typ, defect) in [("at+jwt", AssertionDefect::Type), ("JWT", AssertionDefect::Client)] {
        let token = ours.sign(typ, &claims()).unwrap();
        assert_eq!(as_assertion(&token), (Err(defect), Err(SignatureDefect::Mismatch)), "{typ}");
    }
}

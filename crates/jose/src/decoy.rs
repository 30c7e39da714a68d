//! Work without a purpose but its duration: what a verification would have cost if the client, its key or the algorithm
//! had been the right ones. Without it, the time of an answer tells which clients exist (T-TIM-01).

use std::sync::LazyLock;

use credentials::jws::Jws;
use credentials::key::{Algorithm, PublicKey};
use serde_json::{Map, Value, json};

use crate::Verifier;

/// Public keys whose private halves were never kept. Nothing is trusted because of them: the outcome is thrown away.
const MODULUS: &str = "5-LZsJCuQ28kcaKNeGLE1324_rL_yvNuxZwm6GlfLfBSaxS937Xrh85qIz1Ws5JFyq7TUVxjpewYAC0W5dAJtdFFHlBo3tTL-kAn2U3M\
     -jSs6ns6ak5r0ol-\
     V8xRSMPzqAgRhX8HHUvKKX1twQ_uufG21scAExdckVGtSf2IKnmVqpz7rdkfwfq6NJkpREvbOr8g1TtIAvxJGIIo73Xw_7QYEEhvGEuA\
     YoAojorrAilSzltF3lmpBpKb-5UeU9wXvos6XMnj2SR3ltXUEZIVl0yXOnVXvhiLsfSf1UONlM2w69v1-\
     ajzcl8zDhbWnw9b6wd2RItG2-ycEGBdYh-x2Q";
const P_256: [&str; 2] =
    ["m0W__yi0CQdGj-NYW5IGIMo2rEP7XQMCa322JVL_6fw", "z7qK9wL8nHH1GCYb2eZho1QTjDwqhKKmBUcevulmxew"];
const P_384: [&str; 2] = [
    "g5oogUH6TAEa_tTZIhZsbGHFzsHWehsHFk_-G3ksPRA8yrlYEzqoqjAY1oPe8gMb",
    "lEZp_4iW-LOieQgOy_wLsqngpHIl6qGAuFKT6QK-95Pm5mpARNXs0InjrRb7LIZs",
];
const P_521: [&str; 2] = [
    "AHZL8Vc98Zy2OCkz9igBIb-z-TPygoY0gGBYDqDRGLFVxcQw_DrtYQpZ1CINgVunELi6QrUbzrXu2aLgk0HmE3Pw",
    "ABh4fFgEcMhCjiamuxrLGnPqQnObbMMKf_fFCp8lz5Hn-nZ-O7McFP1l2FGP70lvpa3KWmS9d8lTmXY-8zOMyarN",
];
const ED25519: &str = "K87Igw9rq4A15K_qb0_i4dSNEC2Eb2gqEmLyVuZr5Rk";

static KEYS: LazyLock<[(Algorithm, PublicKey); 10]> =
    LazyLock::new(|| Algorithm::ALL.map(|algorithm| (algorithm, key(algorithm))));

/// Spends the time that [`verify`](crate::verify) takes with a key of the algorithm that the header names. An unknown
/// algorithm costs nothing, here as there.
pub fn verify_decoy(jws: &Jws) {
    let named = Algorithm::named(jws.algorithm());
    let key = KEYS.iter().find(|(algorithm, _)| named == Some(*algorithm));
    // Made ready anew each time, as the key of a client is.
    if let Some(verifier) = key.and_then(|(_, key)| Verifier::new(key).ok()) {
        verifier.spend(jws);
    }
}

fn key(algorithm: Algorithm) -> PublicKey {
    let ec = |curve: &str, [x, y]: [&str; 2]| json!({"kty": "EC", "crv": curve, "x": x, "y": y});
    let mut jwk = match algorithm {
        Algorithm::Es256 => ec("P-256", P_256),
        Algorithm::Es384 => ec("P-384", P_384),
        Algorithm::Es512 => ec("P-521", P_521),
        Algorithm::EdDsa => json!({"kty": "OKP", "crv": "Ed25519", "x": ED25519}),
        Algorithm::Ps256
        | Algorithm::Ps384
        | Algorithm::Ps512
        | Algorithm::Rs256
        | Algorithm::Rs384
        | Algorithm::Rs512 => json!({"kty": "RSA", "n": MODULUS, "e": "AQAB"}),
    };
    let mut members = jwk.as_object_mut().map(std::mem::take).unwrap_or_default();
    members.extend(Map::from_iter([
        ("use".to_owned(), Value::from("sig")),
        ("alg".to_owned(), Value::from(algorithm.name())),
        ("kid".to_owned(), Value::from("decoy")),
    ]));
    PublicKey::from_checked(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_tim_01_there_is_a_good_key_for_every_algorithm() {
        for (algorithm, key) in KEYS.iter() {
            assert_eq!(crate::public_key::check(key.members()).as_ref(), Ok(key));
            assert_eq!(key.algorithm(), Some(algorithm.name()));
            assert!(Verifier::new(key).is_ok(), "{algorithm}");
        }
    }
}

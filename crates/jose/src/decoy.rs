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
/// Of 3072, 4096 and 8192 bits.
const LARGER_MODULI: [&str; 3] = [
    "rDQdnTccMWXu_iwB5Kp0k9TxFDwz7-n6DQ2e4OfeGBW79t3SqLhSCEPsaBNzIyErmeOhES318z2IczIJ6JLbL4wPL-ZVNoCMb1Wb\
     RvhYtOfAf6kpTJi75Ttz-DRBf98fmUeEi3qDTfhYCZupFd406db75BRJQu9ECJkv9YXlzT-rTpJ6mg5a39CE-5TAGfAMYojcNwjX\
     ggWf4XFFSJCd5n7sdF1rqNH-x_5Gw-sgbM_GNlQ4P0gH4qka5EbWGOkWm194g7pNt0JLg0_-3z5IUW2GdbEMiLJrNbqgzOljpH0l\
     LfbADFQkve4lnaouowEslYyG5YXIIzfLfQrnhfHpkQAUcryfEYWG8yd3AiLlqJrpjtadrqUKdiCI4Aj9paXJPZsDi1_zMfy4haKv\
     GfaUnxVB24MhW-mR1_GQrN6Tr0-xefIC4HEk9v598Ftavdhcu_cT-m2JdFZKZlhczNKSD-wT-aLxNyqRLs8UxB10S_J7dqCCLNSx\
     e_7Up_7ArxY1",
    "yAXxDxHwvM76aZsMRqBp5qNGJ0Ws_yimFjl5IsZa73N4Ivd2eP0azBO9Jh_wqWS8TditrSkSyqWlIVg7ienZIKTRR2Zte0YU1Ar9\
     QOdw_NOfgyBqmH2m73-uhkt0PyyHeLo4JO3bDsA3LxaLq8yt4n1ayfbYJ63MYFgaDRBXQssKVTNq8azJYv4QxK8Fmis2RzNuzJ02\
     Jd4BABVWgn_NmLVS4k_5S4FUiAokw0N8FDtjEu26TQjdD7K_jTEaK-98Bksa0O5cGxK5zucIcGZJFRD14n2PR7r1UT2e7E7lLZSI\
     Tq6y7pfQ89rljBydWx6NbYgm59jcsOQECjjIUPmZPwSHcGSv9H3ryoyfP8LPUVhBxogzZi0cE37flkkVPjuvQi73HX1ujbLmV_r4\
     W5yBihTlUg5OLsNUMQad9YZIBvRk1ofS1FJGbiNZLzKMtq0KyXb4y4UCUmvMNiztSNucij_o15Bf8ds6-m3Hy1Nckn0wvIBuYgdg\
     l-CaUX5nKg0vf6Tp6YuVCPtvyl0TOOnHROiHoW8mtjPaJp65jVsEQWdVfJdig_k2sXwbWi2Rg636dlD5iYe1gSK_mt7IHIeyTU9c\
     Ab6ee-XJesx8A2vy2gMY8dogLB8mniykwEmeThWFOwQPXyrBnMl3phvISQy0g6VCpYs3SbWk6OkYegMYbQU",
    "oKHe0Brk64icoqaD9rGM2tqLH6Yxa3In4LCEWsQ0xb8bFrf_pzvm1aRSupIhIIB3cGEMaeLIsT0175MKy1H-GkqRNld1XEFP1xEd\
     As2RgVaeRIAjuyMmoHVWciXT2nbIi5AlruibWTjZunYN3NuUVDxFPsLyISTBbUExm_KXsl-vnKpHlr7Zm9GJ5RLwznzVYWBtINoR\
     3U_kQLnp9JRylAbIRFAG-f34XKjmLCAWrZZsA2gVIJTbjNorUrQW19j6q6esGYtz7_p7B0xGhYOKMuwlcfqN86RJ1jp6bc1aot27\
     -QpPbc6cq_d9oMpxgKfGliZtnaNTBiknNBQEUebQsPPNa7zUUavbroiabBCq8ouuVPJMtDM23H3kvVjp_PnMaQDNaXic4twPzbt2\
     xU7ecmPhobsWA0mhyRLI3fHfVntcjYRLiVpIxaixi859ZHnU2ASZjeSKUEE-kDfTaFSWTKZRcNaBsXeM34HI1kf8pMTqrWTkzWwY\
     UOpQI41-S-bWLQpUmOTYogpZcHgRDg74VF6cD7swKp7u4Bi8xFU6a2_9Y8BzAXmp44Mc-Z8xrp3d4ak3nbIhWZmQQd4XTsZ9aiPn\
     z-j0rxvp3DAazA-CnKFf0MNvGDq3xYshbBYifHbBFU-QHFu_TCkNSJnjZqY6xXv6f3VhboGjNRYqC6MA7mGoooNs0vi4NQ90Hmvz\
     snQLBIRMvgz6Xrt5UfGXQ8IE4ZuF8JBZLWT4OMv3Gwo7hhi6w2utY01bEyQ4a6HXg9AhxH8P1JtJxlmUD3qx4IX1_RARuCfwPNXE\
     WCl-hwqVSRWj88oYorys9l0iSELb2t7_gecI_PzO93Vuufs6YUUoGh7-bPV5WptPPlES3acuR4EhiY1IxJucSsgaC9L6-i3uHtT9\
     su5dNzW_6lSdKKX0Nsq3d_Q4e8ayfvUr2xtCmCV-GofbG37WAseXoMi-ecQWVgMEZBmzEjSWpA1O2YrJfYiQSA8HccidUZxHQTAC\
     mCPE9IIf20j0VUcQlu5pDRBnEajQVogi2kZDcub2dkaJdi3IvNsCOT7M4EksXltSl0cwNxuoBVI5ZB5fTsXXpsaWg2ZqUjH7B9of\
     FEDrzJWpEqZnVyWa1kz7JHl7--SBEoZo6oQ8mZFvDDl7aTzyyrlJadjW-OABSFYqya7dB6DqfNAufP-Vx-R2jRa0UU4BptAoDI87\
     QT-BFOTn2B_YgIaB4u17PkBgVUNFcFRYp_lBTLCLCv8Qgznqx5hlyZT0-adZTaJYao-nDSHsREpF4hwOQ1zvLpK1QZ0DaJZH7WKS\
     V8-gvuOG80qV5lSm4IojJtyV0GHlb8tahZL27j3IP0mThv2GU24XBgarEolEP3APnQ",
];
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
    LazyLock::new(|| Algorithm::ALL.map(|algorithm| (algorithm, key(algorithm, MODULUS))));
/// For each of the larger moduli, a key for every algorithm of RSA, with the length of its signatures.
static LARGER: LazyLock<Vec<(Algorithm, usize, PublicKey)>> = LazyLock::new(|| {
    let rsa = || Algorithm::ALL.into_iter().filter(|algorithm| algorithm.is_rsa());
    let of_one = |(modulus, length)| rsa().map(move |algorithm| (algorithm, length, key(algorithm, modulus)));
    LARGER_MODULI.into_iter().zip([3072 / 8, 4096 / 8, 8192 / 8]).flat_map(of_one).collect()
});

/// Spends the time that [`verify`](crate::verify) takes with a key of the algorithm that the header names, and of the size
/// that the signature has, if it is one that is in use. An unknown algorithm costs nothing, here as there.
pub fn verify_decoy(jws: &Jws) {
    let named = Algorithm::named(jws.algorithm());
    let length = jws.signature().len();
    let of_size = LARGER.iter().find(|(algorithm, size, _)| named == Some(*algorithm) && *size == length);
    let of_size = of_size.map(|(_, _, key)| key);
    let key =
        of_size.or_else(|| KEYS.iter().find(|(algorithm, _)| named == Some(*algorithm)).map(|(_, key)| key));
    // Made ready anew each time, as the key of a client is.
    if let Some(verifier) = key.and_then(|key| Verifier::new(key).ok()) {
        verifier.spend(jws);
    }
}

fn key(algorithm: Algorithm, modulus: &str) -> PublicKey {
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
        | Algorithm::Rs512 => json!({"kty": "RSA", "n": modulus, "e": "AQAB"}),
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
        let larger = LARGER.iter().map(|(algorithm, _, key)| (algorithm, key));
        for (algorithm, key) in KEYS.iter().map(|(algorithm, key)| (algorithm, key)).chain(larger) {
            assert_eq!(crate::public_key::check(key.members()).as_ref(), Ok(key));
            assert_eq!(key.algorithm(), Some(algorithm.name()));
            assert!(Verifier::new(key).is_ok(), "{algorithm}");
        }
    }
}

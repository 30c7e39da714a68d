//! A client with an RSA key, which signs its assertions before the measurement begins.

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, ensure};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, PublicKeyComponents};
use ring::signature::RSA_PKCS1_SHA256;
use serde_json::{Value, json};

/// An RSA-2048 key pair for RS256.
pub(super) struct RsaClient {
    pair: KeyPair,
    random: SystemRandom,
}

impl RsaClient {
    /// A new key: made by the `openssl` command, since ring makes none.
    pub(super) fn generate() -> Result<Self> {
        let arguments = ["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
        let output = Command::new("openssl").args(arguments).output().context("openssl is not installed")?;
        ensure!(output.status.success(), "openssl made no key: {}", String::from_utf8_lossy(&output.stderr));
        // As text it is PKCS#8 in every version.
        let text = String::from_utf8(output.stdout)?;
        let lines: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
        let pair = KeyPair::from_pkcs8(&STANDARD.decode(lines)?)
            .map_err(|error| anyhow!("the key is not read: {error}"))?;
        Ok(Self { pair, random: SystemRandom::new() })
    }

    pub(super) fn public_jwk(&self) -> Value {
        let public = PublicKeyComponents::<Vec<u8>>::from(self.pair.public());
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"kty": "RSA", "alg": "RS256", "kid": "bench", "n": number(&public.n), "e": number(&public.e)})
    }

    /// A good assertion, with a `jti` of its own.
    pub(super) fn assertion(&self, client: &str, issuer: &str) -> Result<String> {
        let expires = now().saturating_add(Duration::from_secs(290)).as_secs();
        let claims = json!({"iss": client, "sub": client, "aud": issuer, "exp": expires,
            "jti": testkit::unique_name("bench")});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", part(&json!({"alg": "RS256", "kid": "bench"})), part(&claims));
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &self.random, input.as_bytes(), &mut signature)
            .map_err(|_| anyhow!("ring did not sign"))?;
        Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[expect(clippy::disallowed_methods, reason = "the service that is measured goes by the same clock")]
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

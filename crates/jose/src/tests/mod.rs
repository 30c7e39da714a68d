//! Rows of the attack tables with real keys, made when the test runs.

mod access_token;
mod ed25519;
mod encryption;
mod key;
mod signature;
mod signing_key;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credentials::key::PublicKey;
use josekit::jwk::Jwk;
use josekit::jws::{ES256, ES384, ES512, EdDSA, JwsSigner, PS256, PS384, PS512, RS256, RS384, RS512};
use serde_json::{Map, Value};

use crate::{Algorithm, public_key};

/// A key pair of a client: its public JWK, as the client would register it, and what it signs with.
struct KeyPair {
    jwk: Map<String, Value>,
    private: Jwk,
}

impl KeyPair {
    fn rsa(bits: u32) -> Self {
        Self::of(Jwk::generate_rsa_key(bits).unwrap())
    }

    fn ec(curve: &str) -> Self {
        use josekit::jwk::alg::ec::EcCurve;
        let curve = match curve {
            "P-256" => EcCurve::P256,
            "P-384" => EcCurve::P384,
            "P-521" => EcCurve::P521,
            "secp256k1" => EcCurve::Secp256k1,
            other => panic!("{other} is no curve"),
        };
        Self::of(Jwk::generate_ec_key(curve).unwrap())
    }

    fn ed25519() -> Self {
        Self::of(Jwk::generate_ed_key(josekit::jwk::alg::ed::EdCurve::Ed25519).unwrap())
    }

    /// A key pair of the kind that `algorithm` needs.
    fn for_algorithm(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Es256 => Self::ec("P-256"),
            Algorithm::Es384 => Self::ec("P-384"),
            Algorithm::Es512 => Self::ec("P-521"),
            Algorithm::EdDsa => Self::ed25519(),
            _ => Self::rsa(2048),
        }
    }

    fn of(private: Jwk) -> Self {
        let mut jwk: Map<String, Value> = private.to_public_key().unwrap().into();
        jwk.remove("alg");
        Self { jwk, private }
    }

    /// The JWK with `name` set to `value`.
    fn with(&self, name: &str, value: impl Into<Value>) -> Map<String, Value> {
        let mut jwk = self.jwk.clone();
        jwk.insert(name.to_owned(), value.into());
        jwk
    }

    fn public(&self, algorithm: Algorithm) -> PublicKey {
        public_key::check(&self.with("alg", algorithm.name())).unwrap()
    }

    fn sign_bytes(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        let signer: Box<dyn JwsSigner> = match algorithm {
            Algorithm::Es256 => Box::new(ES256.signer_from_jwk(&self.private).unwrap()),
            Algorithm::Es384 => Box::new(ES384.signer_from_jwk(&self.private).unwrap()),
            Algorithm::Es512 => Box::new(ES512.signer_from_jwk(&self.private).unwrap()),
            Algorithm::EdDsa => Box::new(EdDSA.signer_from_jwk(&self.private).unwrap()),
            Algorithm::Ps256 => Box::new(PS256.signer_from_jwk(&self.private).unwrap()),
            Algorithm::Ps384 => Box::new(PS384.signer_from_jwk(&self.private).unwrap()),
            Algorithm::Ps512 => Box::new(PS512.signer_from_jwk(&self.private).unwrap()),
            Algorithm::Rs256 => Box::new(RS256.signer_from_jwk(&self.private).unwrap()),
            Algorithm::Rs384 => Box::new(RS384.signer_from_jwk(&self.private).unwrap()),
            Algorithm::Rs512 => Box::new(RS512.signer_from_jwk(&self.private).unwrap()),
        };
        signer.sign(message).unwrap()
    }

    /// A token signed with `algorithm`, whatever its header says.
    fn sign(&self, algorithm: Algorithm, header: &Value, payload: &Value) -> String {
        let input = signing_input(header, payload);
        with_signature(&input, &self.sign_bytes(algorithm, input.as_bytes()))
    }
}

fn signing_input(header: &Value, payload: &Value) -> String {
    [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".")
}

fn with_signature(signing_input: &str, signature: &[u8]) -> String {
    format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

//! The key pair of a client in any algorithm, made and used by the `openssl` program, as a client without a library
//! would. `testkit::ClientKey` knows ES256 alone.

use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A key pair in a file of its own.
pub(crate) struct OpensslKey {
    folder: TempDir,
    alg: String,
}

impl OpensslKey {
    /// A new key pair for `alg`. Panics if it is none of RS, PS, ES or EdDSA: a new algorithm wants to be tried here too.
    pub(crate) fn generate(alg: &str) -> Self {
        let key = Self { folder: tempfile::tempdir().unwrap(), alg: alg.to_owned() };
        if key.is_ed() {
            key.openssl(&["genpkey", "-algorithm", "ED25519", "-out", "key.pem"]);
            return key;
        }
        let option = match alg {
            "ES256" => "ec_paramgen_curve:P-256",
            "ES384" => "ec_paramgen_curve:P-384",
            "ES512" => "ec_paramgen_curve:P-521",
            "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" => "rsa_keygen_bits:2048",
            other => panic!("{other} is not known here"),
        };
        let kind = if key.is_ec() { "EC" } else { "RSA" };
        key.openssl(&["genpkey", "-algorithm", kind, "-pkeyopt", option, "-out", "key.pem"]);
        key
    }

    /// The public half as JWK, for this algorithm alone.
    pub(crate) fn public_jwk(&self) -> Value {
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        if self.is_ed() {
            let der = self.openssl(&["pkey", "-in", "key.pem", "-pubout", "-outform", "DER"]);
            json!({"kty": "OKP", "crv": "Ed25519", "alg": self.alg, "x": number(&der[der.len() - 32..])})
        } else if self.is_ec() {
            // The end of the DER is the point: the two coordinates (SEC 1 §2.3.3).
            let der = self.openssl(&["pkey", "-in", "key.pem", "-pubout", "-outform", "DER"]);
            let (x, y) = der[der.len() - 2 * self.coordinate_length()..].split_at(self.coordinate_length());
            let curve = match self.alg.as_str() {
                "ES256" => "P-256",
                "ES384" => "P-384",
                _ => "P-521",
            };
            json!({"kty": "EC", "crv": curve, "alg": self.alg, "x": number(x), "y": number(y)})
        } else {
            let text = self.openssl(&["rsa", "-in", "key.pem", "-noout", "-modulus"]);
            let hex = String::from_utf8(text).unwrap().trim().split_once('=').unwrap().1.to_owned();
            let bytes: Vec<u8> = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect();
            json!({"kty": "RSA", "alg": self.alg, "n": number(&bytes), "e": "AQAB"})
        }
    }

    /// The RSA key of a service, to sign as it did before.
    pub(crate) fn of_service(pem: &Path) -> Self {
        let key = Self { folder: tempfile::tempdir().unwrap(), alg: "RS256".to_owned() };
        std::fs::copy(pem, key.folder.path().join("key.pem")).unwrap();
        key
    }

    /// The claims as a JWT.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_with_header(&json!({"alg": self.alg}), claims)
    }

    /// The claims as a JWT with this header.
    pub(crate) fn sign_with_header(&self, header: &Value, claims: &Value) -> String {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let input = format!("{header}.{claims}");
        std::fs::write(self.folder.path().join("input"), &input).unwrap();
        if self.is_ed() {
            let signature =
                self.openssl(&["pkeyutl", "-sign", "-inkey", "key.pem", "-rawin", "-in", "input"]);
            return format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
        }
        let digest = format!("-sha{}", &self.alg[2..]);
        let mut arguments = vec!["dgst", &digest, "-sign", "key.pem"];
        if self.alg.starts_with("PS") {
            arguments.extend(["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]);
        }
        arguments.push("input");
        let signature = self.openssl(&arguments);
        let signature = if self.is_ec() { self.raw(&signature) } else { signature };
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Under its older and its younger name (RFC 9864).
    fn is_ed(&self) -> bool {
        matches!(self.alg.as_str(), "EdDSA" | "Ed25519")
    }

    fn is_ec(&self) -> bool {
        self.alg.starts_with("ES")
    }

    fn coordinate_length(&self) -> usize {
        match self.alg.as_str() {
            "ES256" => 32,
            "ES384" => 48,
            _ => 66,
        }
    }

    /// The two numbers of a DER signature, each of full length (RFC 7518 §3.4).
    fn raw(&self, der: &[u8]) -> Vec<u8> {
        // A sequence of two integers; its length takes a second byte for P-521.
        let integers = if der[1] == 0x81 { &der[3..] } else { &der[2..] };
        let (r, rest) = integers[2..].split_at(usize::from(integers[1]));
        let s = &rest[2..];
        let full = |number: &[u8]| {
            let number = &number[number.len().saturating_sub(self.coordinate_length())..];
            let mut full = vec![0; self.coordinate_length() - number.len()];
            full.extend(number);
            full
        };
        [full(r), full(s)].concat()
    }

    fn openssl(&self, arguments: &[&str]) -> Vec<u8> {
        let output =
            Command::new("openssl").args(arguments).current_dir(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

//! A developer with a key pair, made and used by the openssl command alone.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::deployment::{TokenService, http, json as body_of, workspace};

/// What RFC 7523 calls the type of a JWT client assertion.
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A registered client and its key.
pub(crate) struct Developer {
    pub(crate) client_id: String,
    folder: TempDir,
}

impl Developer {
    /// Makes a key pair and registers its public half.
    pub(crate) async fn register(service: &TokenService) -> Self {
        Self::register_at(&service.url("/register")).await
    }

    /// The same at any address, for instance a gateway's.
    pub(crate) async fn register_at(url: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("key.pem");
        shell(&["openssl", "genrsa", "-out", key.to_str().expect("UTF-8"), "2048"]);
        let jwk: Value =
            serde_json::from_str(&script("public-jwk.sh", &[key.to_str().expect("UTF-8")])).expect("a JWK");
        let request =
            json!({"client_name": "e2e", "token_endpoint_auth_method": "private_key_jwt", "public_key": jwk});
        let answer = http().post(url).json(&request).send().await.expect("an answer");
        let client_id = body_of(answer, 201).await["client_id"].as_str().expect("client_id").to_owned();
        Self { client_id, folder }
    }

    /// A new assertion, good for one use.
    pub(crate) fn assertion(&self, issuer: &str) -> String {
        let key = self.folder.path().join("key.pem");
        script("sign-assertion.sh", &[key.to_str().expect("UTF-8"), &self.client_id, issuer])
            .trim()
            .to_owned()
    }

    /// Presents an assertion at a token endpoint.
    pub(crate) async fn present(&self, url: &str, assertion: &str) -> reqwest::Response {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", assertion),
        ];
        http().post(url).form(&form).send().await.expect("an answer")
    }

    /// What proves to any endpoint, once, who this is.
    pub(crate) fn proof(&self, issuer: &str) -> Vec<(&'static str, String)> {
        vec![
            ("client_id", self.client_id.clone()),
            ("client_assertion_type", ASSERTION_TYPE.to_owned()),
            ("client_assertion", self.assertion(issuer)),
        ]
    }

    /// A token, through a new assertion.
    pub(crate) async fn token(&self, service: &TokenService) -> String {
        let answer = self.present(&service.url("/oauth/token"), &self.assertion(&service.issuer)).await;
        body_of(answer, 200).await["access_token"].as_str().expect("access_token").to_owned()
    }
}

fn script(name: &str, arguments: &[&str]) -> String {
    let path = workspace().join("deploy/demo").join(name);
    let mut line = vec!["sh", path.to_str().expect("UTF-8")];
    line.extend(arguments);
    shell(&line)
}

fn shell(line: &[&str]) -> String {
    let output = Command::new(line[0]).args(&line[1..]).output().expect("the command starts");
    assert!(output.status.success(), "{line:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

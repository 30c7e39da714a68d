//! client-credentials, and ways to its userinfo, key set and revocation feed that a test can cut one by one. Doors are
//! authorization services that know it by these ways only.

use reqwest::Response;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::relay::Relay;

use crate::deployment::{DecisionService, TokenService, http, json as body_of};

pub(crate) struct House {
    pub(crate) tokens: TokenService,
    pub(crate) userinfo: Relay,
    pub(crate) key_set: Relay,
    pub(crate) feed: Relay,
    /// Who may read the feed.
    feed_reader: Client,
    _data: TempDir,
}

/// A client with a secret.
pub(crate) struct Client {
    pub(crate) id: String,
    secret: String,
}

impl House {
    pub(crate) async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let unlimited = [("REGISTRATIONS_PER_MINUTE", "0"), ("REGISTRATIONS_PER_MINUTE_PER_SOURCE", "0")];
        let tokens = TokenService::start(data.path(), &unlimited).await;
        Self {
            userinfo: Relay::to(tokens.public),
            key_set: Relay::to(tokens.public),
            feed: Relay::to(tokens.management),
            feed_reader: register(&tokens, &["gettone:revocations:read"]).await,
            tokens,
            _data: data,
        }
    }

    /// One that verifies tokens itself.
    pub(crate) async fn local_door(&self, further: &[(&str, &str)]) -> DecisionService {
        let [key_set, feed] = [self.key_set.url("/.well-known/jwks.json"), self.feed.url("/revocations")];
        let token_url = self.tokens.url("/oauth/token");
        let local = [
            ("USERINFO_MODE", "local"),
            ("MIA_JWT_ISSUER", self.tokens.issuer.as_str()),
            ("JWKS_URL", &key_set),
            ("TOKEN_URL", &token_url),
            ("REVOCATION_FEED_URL", &feed),
            ("REVOCATION_FEED_CLIENT_ID", &self.feed_reader.id),
            ("REVOCATION_FEED_CLIENT_SECRET", &self.feed_reader.secret),
        ];
        self.proxy_door(&[&local, further].concat()).await
    }

    /// One that asks userinfo.
    pub(crate) async fn proxy_door(&self, further: &[(&str, &str)]) -> DecisionService {
        let variables = [&[("USERINFO_TIMEOUT_MS", "1000")], further].concat();
        DecisionService::start(&self.userinfo.url("/tokeninfo"), &variables).await
    }

    pub(crate) async fn client(&self, permissions: &[&str]) -> Client {
        register(&self.tokens, permissions).await
    }

    pub(crate) async fn token(&self, client: &Client) -> String {
        let answer = self.post(client, "/oauth/token", &[("grant_type", "client_credentials")]).await;
        body_of(answer, 200).await["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn revoke(&self, client: &Client, token: &str) {
        assert_eq!(self.post(client, "/oauth/revoke", &[("token", token)]).await.status(), 200);
    }

    /// The operator changes a client.
    pub(crate) async fn change(&self, client: &Client, change: &Value) {
        let url = format!("http://{}/clients/{}", self.tokens.management, client.id);
        let request = http().patch(url).bearer_auth(self.tokens.bootstrap_token()).json(change);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }

    async fn post(&self, client: &Client, path: &str, form: &[(&str, &str)]) -> Response {
        let request = http().post(self.tokens.url(path)).basic_auth(&client.id, Some(&client.secret));
        request.form(form).send().await.unwrap()
    }
}

async fn register(tokens: &TokenService, permissions: &[&str]) -> Client {
    let request = http().post(tokens.url("/register")).json(&json!({"client_name": "c"}));
    let body = body_of(request.send().await.unwrap(), 201).await;
    let member = |name: &str| body[name].as_str().unwrap().to_owned();
    let client = Client { id: member("client_id"), secret: member("client_secret") };
    tokens.grant(&client.id, permissions).await;
    client
}

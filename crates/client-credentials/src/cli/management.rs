//! The management listener as the commands see it: JSON in, JSON out, and sentences for everything that goes wrong.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_MATCH};
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde_json::Value;
use service_kit::Vars;
use zeroize::Zeroizing;

const PATIENCE: Duration = Duration::from_secs(10);

/// A management listener, and the token for it.
pub(super) struct Management {
    base: Url,
    token: Zeroizing<String>,
    /// Where the token was, if it was in a file.
    token_file: Option<PathBuf>,
    http: reqwest::Client,
}

/// Why the service did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ManagementError {
    #[error("{0} is no URL of a management listener: it looks like http://127.0.0.1:3001")]
    Url(String),
    #[error(
        "the management token cannot be read from {path}: {reason}. Name its file with --token-file, or set BOOTSTRAP_TOKEN",
        path = .path.display()
    )]
    Token { path: PathBuf, reason: String },
    #[error("{0}")]
    Variable(String),
    #[error(
        "{url} does not answer ({reason}): is the service running, and is --url its management listener?"
    )]
    Unreachable { url: String, reason: String },
    #[error("the service refuses the management token: see --token-file")]
    Unauthorized,
    #[error("the service says no ({status}): {sentence}")]
    Refused { status: StatusCode, sentence: String },
    #[error("{url} answers something that is no JSON: is it the management listener?")]
    NotJson { url: String },
}

impl Management {
    /// The service that the options name, else the one of this environment.
    pub(super) fn find(
        url: Option<&str>,
        token_file: Option<&Path>,
        vars: &Vars,
    ) -> Result<Self, ManagementError> {
        let text = |name: &str| vars.text(name).map_err(ManagementError::Variable);
        let port = text("MANAGEMENT_PORT")?.map_or_else(|| "3001".to_owned(), |port| port.trim().to_owned());
        let url = url.map_or_else(|| format!("http://127.0.0.1:{port}"), str::to_owned);
        let base = Url::parse(&url).ok().filter(|base| matches!(base.scheme(), "http" | "https"));
        let base = base.ok_or(ManagementError::Url(url))?;
        let (token, token_file) = match (token_file, text("BOOTSTRAP_TOKEN")?) {
            (None, Some(token)) => (token, None),
            (Some(path), _) => (read_token(path)?, Some(path.to_owned())),
            (None, None) => {
                let directory =
                    text("DATA_DIR")?.map_or_else(|| "./data".to_owned(), |path| path.to_string());
                let path = Path::new(&directory).join("bootstrap-token");
                (read_token(&path)?, Some(path))
            }
        };
        // Of no consequence if somebody was faster: all choose the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| unreachable(&base, &error))?;
        Ok(Self { base, token, token_file, http })
    }

    /// Where the listener is.
    pub(super) const fn base(&self) -> &Url {
        &self.base
    }

    /// The file that the token was read from.
    pub(super) fn token_file(&self) -> Option<&Path> {
        self.token_file.as_deref()
    }

    pub(super) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, ManagementError> {
        self.send(self.request(Method::GET, path, query)?).await
    }

    pub(super) async fn post(&self, path: &[&str], body: &Value) -> Result<Value, ManagementError> {
        let request = self.request(Method::POST, path, &[])?;
        self.send(request.header(CONTENT_TYPE, "application/json").body(body.to_string())).await
    }

    pub(super) async fn delete(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Value, ManagementError> {
        self.send(self.request(Method::DELETE, path, query)?).await
    }

    /// With `version`, only if it is still the one that is there.
    pub(super) async fn patch(
        &self,
        path: &[&str],
        body: &Value,
        version: Option<u64>,
    ) -> Result<Value, ManagementError> {
        let request = self.request(Method::PATCH, path, &[])?;
        let request = request.header(CONTENT_TYPE, "application/merge-patch+json").body(body.to_string());
        let condition = version.map(|version| (IF_MATCH, format!("\"{version}\"")));
        self.send(condition.into_iter().fold(request, |request, (name, value)| request.header(name, value)))
            .await
    }

    fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<RequestBuilder, ManagementError> {
        let mut url = self.base.clone();
        // Cannot fail: the scheme is http or https. Each segment is escaped.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", self.token.as_str()))
            .map_err(|_| ManagementError::Unauthorized)?;
        bearer.set_sensitive(true);
        Ok(self.http.request(method, url).header(AUTHORIZATION, bearer).header(ACCEPT, "application/json"))
    }

    /// The answer; an empty one is null.
    async fn send(&self, request: RequestBuilder) -> Result<Value, ManagementError> {
        let answer = request.send().await.map_err(|error| unreachable(&self.base, &error))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| unreachable(&self.base, &error))?;
        if status == StatusCode::UNAUTHORIZED {
            return Err(ManagementError::Unauthorized);
        }
        let json: Option<Value> =
            if text.is_empty() { Some(Value::Null) } else { serde_json::from_str(&text).ok() };
        let json = json.ok_or_else(|| ManagementError::NotJson { url: self.base.to_string() })?;
        if status.is_success() {
            return Ok(json);
        }
        let members = ["error_description", "message", "error"];
        let sentence = members.into_iter().find_map(|name| json.get(name)?.as_str());
        Err(ManagementError::Refused {
            status,
            sentence: sentence.unwrap_or("it does not say why").to_owned(),
        })
    }
}

fn read_token(path: &Path) -> Result<Zeroizing<String>, ManagementError> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text =
        text.map_err(|error| ManagementError::Token { path: path.to_owned(), reason: error.to_string() })?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// The innermost reason: the outer ones only say that a request failed.
fn unreachable(url: &Url, error: &reqwest::Error) -> ManagementError {
    let mut reason: &dyn std::error::Error = error;
    while let Some(inner) = reason.source() {
        reason = inner;
    }
    ManagementError::Unreachable { url: url.to_string(), reason: reason.to_string() }
}

impl std::fmt::Debug for Management {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Management").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

//! The management listener of a running service as commands see it: JSON in, JSON out, and sentences for everything that
//! goes wrong. It knows no route.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_MATCH};
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::asking;
use crate::files;
use crate::health::local_authority;
use crate::variables::Vars;

const PATIENCE: Duration = Duration::from_secs(10);

/// How the listener and the token of a service are found in its environment. The listener is that of `MANAGEMENT_HOST`
/// and `MANAGEMENT_PORT`.
#[derive(Debug, Clone, Copy)]
pub struct Whereabouts {
    /// The name of the service.
    pub service: &'static str,
    /// A path that this listener always has, whatever it answers there, and another one has not.
    pub landmark: &'static [&'static str],
    /// If `MANAGEMENT_PORT` is not set; without it, there is no listener then.
    pub default_port: Option<&'static str>,
    /// Holds the token, or names its file with `_FILE` behind it.
    pub token_variable: &'static str,
    /// Where the token is if that variable is not set.
    pub default_token_file: fn(&Vars) -> Result<Option<PathBuf>, String>,
}

/// A management listener, and the token for it.
pub struct Management {
    base: Url,
    token: Zeroizing<String>,
    /// Where the token was, if it was in a file.
    token_file: Option<PathBuf>,
    service: &'static str,
    landmark: &'static [&'static str],
    http: reqwest::Client,
}

/// Why the service did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ManagementError {
    #[error("{0} is no URL of a management listener: it looks like http://127.0.0.1:3001")]
    Url(String),
    #[error(
        "the management token cannot be read from {path}: {reason}. Name its file with --token-file, or set {variable}",
        path = .path.display()
    )]
    Token { path: PathBuf, reason: String, variable: &'static str },
    #[error("{0}")]
    Variable(String),
    #[error(
        "{url} does not answer ({reason}): is the service running, and is --url its management listener?"
    )]
    Unreachable { url: String, reason: String },
    #[error(
        "this is not the management listener of {service}: {url} answers {status}. Name it with --url: it is at \
         MANAGEMENT_HOST and MANAGEMENT_PORT of the service"
    )]
    NotTheListener { service: &'static str, url: String, status: StatusCode },
    #[error("the service refuses the management token: see --token-file")]
    Unauthorized,
    #[error("the service says no ({status}): {sentence}")]
    Refused { status: StatusCode, sentence: String },
    #[error("{url} answers something that is no JSON: is it the management listener?")]
    NotJson { url: String },
}

impl Management {
    /// The service that the options name, else the one of this environment.
    ///
    /// # Errors
    /// The listener or the token cannot be found.
    pub fn find(
        whereabouts: &Whereabouts,
        url: Option<&str>,
        token_file: Option<&Path>,
        vars: &Vars,
    ) -> Result<Self, ManagementError> {
        let base = listener(whereabouts, url, vars)?;
        let (token, token_file) = token(whereabouts, token_file, vars)?;
        let http = asking::client(base.scheme() == "https")
            .timeout(PATIENCE)
            .build()
            .map_err(|error| unreachable(&base, &error))?;
        let Whereabouts { service, landmark, .. } = *whereabouts;
        Ok(Self { base, token, token_file, service, landmark, http })
    }

    /// Where the listener is.
    #[must_use]
    pub const fn base(&self) -> &Url {
        &self.base
    }

    /// The file that the token was read from.
    #[must_use]
    pub fn token_file(&self) -> Option<&Path> {
        self.token_file.as_deref()
    }

    /// Asks for `path`, of which each segment is escaped.
    ///
    /// # Errors
    /// No answer, or one that says no.
    pub async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, ManagementError> {
        self.send(self.request(Method::GET, path, query)?).await
    }

    /// Sends `body`.
    ///
    /// # Errors
    /// No answer, or one that says no.
    pub async fn post(&self, path: &[&str], body: &Value) -> Result<Value, ManagementError> {
        let request = self.request(Method::POST, path, &[])?;
        self.send(request.header(CONTENT_TYPE, "application/json").body(body.to_string())).await
    }

    /// Deletes what is at `path`.
    ///
    /// # Errors
    /// No answer, or one that says no.
    pub async fn delete(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, ManagementError> {
        self.send(self.request(Method::DELETE, path, query)?).await
    }

    /// Changes what is at `path`. With `version`, only if it is still the one that is there.
    ///
    /// # Errors
    /// No answer, or one that says no.
    pub async fn patch(
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

    /// Whether somebody else answers here: the listener lacks a client, say, but not its landmark.
    async fn landmark_is_missing(&self) -> bool {
        let Ok(request) = self.request(Method::GET, self.landmark, &[]) else { return false };
        request.send().await.is_ok_and(|answer| lacks(answer.status()))
    }

    /// The answer; an empty one is null.
    async fn send(&self, request: RequestBuilder) -> Result<Value, ManagementError> {
        let answer = request.send().await.map_err(|error| unreachable(&self.base, &error))?;
        let status = answer.status();
        if lacks(status) && self.landmark_is_missing().await {
            let url = self.base.to_string();
            return Err(ManagementError::NotTheListener { service: self.service, url, status });
        }
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

/// Whether the answer says that nothing is there, or nothing that can be asked so.
fn lacks(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
}

fn listener(whereabouts: &Whereabouts, url: Option<&str>, vars: &Vars) -> Result<Url, ManagementError> {
    let text = |name: &str| vars.text(name).map_err(ManagementError::Variable);
    let url = match url {
        Some(url) => url.to_owned(),
        None => {
            let port = text("MANAGEMENT_PORT")?.map(|port| port.trim().to_owned());
            let port = port.or_else(|| whereabouts.default_port.map(str::to_owned)).ok_or_else(|| {
                let sentence = "MANAGEMENT_PORT is not set: name the management listener with --url";
                ManagementError::Variable(sentence.to_owned())
            })?;
            if port.parse::<u16>().is_err() {
                let sentence = "MANAGEMENT_PORT must be the number of a port";
                return Err(ManagementError::Variable(sentence.to_owned()));
            }
            let host =
                text("MANAGEMENT_HOST")?.map_or_else(|| "127.0.0.1".to_owned(), |host| host.to_string());
            format!("http://{}", local_authority(&host, &port))
        }
    };
    let base = Url::parse(&url).ok().filter(|base| matches!(base.scheme(), "http" | "https"));
    base.ok_or(ManagementError::Url(url))
}

/// The token, and the file it was in.
fn token(
    whereabouts: &Whereabouts,
    file: Option<&Path>,
    vars: &Vars,
) -> Result<(Zeroizing<String>, Option<PathBuf>), ManagementError> {
    let variable = whereabouts.token_variable;
    let file = match file {
        Some(file) => Some(file.to_owned()),
        None => match vars.text(variable).map_err(ManagementError::Variable)? {
            Some(token) => return Ok((token, None)),
            None => (whereabouts.default_token_file)(vars).map_err(ManagementError::Variable)?,
        },
    };
    let file = file.ok_or_else(|| {
        ManagementError::Variable(format!(
            "{variable} is not set: name the file of the token with --token-file"
        ))
    })?;
    let text = files::read_to_string(&file, files::SMALL).map(Zeroizing::new).map_err(|error| {
        ManagementError::Token { path: file.clone(), reason: error.to_string(), variable }
    })?;
    Ok((Zeroizing::new(text.trim().to_owned()), Some(file)))
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

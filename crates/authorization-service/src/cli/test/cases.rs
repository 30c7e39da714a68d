//! What a test file says: requests, who makes them, and what the rules should answer.

use std::path::PathBuf;

use access_rules::{Caller, Facts, Request};
use common::Principal;
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use crate::cli::verb;

/// A file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cases {
    /// The rules, seen from the folder of the file.
    pub(super) rules: Option<PathBuf>,
    pub(super) cases: Vec<Spanned<Case>>,
}

/// One request, and what should become of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Case {
    /// What a person calls it; the request itself if it has no name.
    name: Option<String>,
    request: RequestLine,
    #[serde(default)]
    client_type: String,
    #[serde(default)]
    backoffice: bool,
    /// Nobody if absent.
    principal: Option<Somebody>,
    pub(super) expect: Expected,
    /// Why it should be denied: a word of the decision log.
    pub(super) reason: Option<String>,
    /// The rule that should decide, as in `/orders → GET → authorization`.
    pub(super) rule: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Expected {
    Allow,
    Deny,
}

/// Verb and target, as in `GET /orders?page=2`.
#[derive(Debug)]
struct RequestLine {
    method: String,
    target: String,
}

impl<'de> Deserialize<'de> for RequestLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let line = String::deserialize(deserializer)?;
        let (method, target) = line
            .split_once(' ')
            .ok_or_else(|| serde::de::Error::custom("expected a verb and a path, as in `GET /orders`"))?;
        let method = verb(method).map_err(serde::de::Error::custom)?;
        Ok(Self { method, target: target.trim_start().to_owned() })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Somebody {
    #[serde(default)]
    id: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    permissions: Vec<String>,
}

/// A case, as a decision is asked for it.
#[derive(Debug)]
pub(super) struct Question<'c> {
    pub(super) request: Request<'c>,
    principal: Option<Principal>,
}

impl Question<'_> {
    pub(super) fn caller(&self) -> Caller<'_> {
        self.principal.as_ref().map_or(Caller::Anonymous, Caller::Known)
    }
}

impl Case {
    pub(super) fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.line())
    }

    pub(super) fn line(&self) -> String {
        format!("{} {}", self.request.method, self.request.target)
    }

    pub(super) fn question(&self) -> Question<'_> {
        let facts = Facts { client_type: &self.client_type, is_backoffice: self.backoffice };
        let principal = self.principal.as_ref().map(|somebody| Principal {
            id: somebody.id.clone(),
            groups: somebody.groups.iter().cloned().collect(),
            permissions: somebody.permissions.iter().cloned().collect(),
            ..Principal::default()
        });
        let (method, target) = (self.request.method.as_bytes(), self.request.target.as_bytes());
        Question { request: Request { method, target, facts }, principal }
    }
}

impl Expected {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

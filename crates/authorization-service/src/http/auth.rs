//! The decision route: `/auth` and every path below it, any verb (upstream contract §3.1). The path is compared raw,
//! so nothing is decoded, merged or redirected (G-MODE-03). Bodies are never read and no protocol is ever switched:
//! such a connection ends with the answer (G-SMUG-02, G-H2C-01).

use std::sync::Arc;

use access_rules::{Facts, Request};
use actix_web::http::header;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use common::ErrorBody;
use service_kit::HeaderName;
use service_kit::access_log;
use service_kit::metrics::Route;

use super::answer::{Answers, Circumstances, Denial};
use super::identity::{IdentityHeaders, Unsendable};
use super::original_request::Source;
use super::{facts, peer};
use crate::config::PeerSecret;
use crate::decide::{DecisionPoint, Verdict};
use crate::metrics::Metrics;
use crate::userinfo::{Presented, UserinfoAnswer};

/// Everything the route needs.
#[derive(Debug)]
pub(crate) struct DecisionRoute {
    /// `SERVICE_PREFIX` and `/auth`.
    pub(crate) path: String,
    pub(crate) peer_secret: Option<PeerSecret>,
    pub(crate) source: Source,
    pub(crate) client_type_header: HeaderName,
    pub(crate) backoffice_header: HeaderName,
    pub(crate) properties_to_proxy: Vec<String>,
    pub(crate) answers: Answers,
    pub(crate) decision_point: DecisionPoint,
    pub(crate) metrics: Metrics,
}

/// Answers whatever is not a status route.
pub(crate) async fn any(request: HttpRequest, route: Arc<DecisionRoute>) -> HttpResponse {
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    let mut response = match below_auth(target, &route.path) {
        Some(below) => {
            request.extensions_mut().insert(Route("/auth"));
            route.decide(&request, below).await
        }
        None => nothing_here(),
    };
    if has_body(&request) || request.head().upgrade() {
        response.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
    }
    response
}

/// The answer at every other path.
pub(crate) fn nothing_here() -> HttpResponse {
    HttpResponse::NotFound().json(ErrorBody::new(404, "not_found", "There is nothing at this path."))
}

/// What follows `/auth` in the target of the call, query included; `None` if it is not the decision route. Envoy
/// appends the original path, which begins with a slash, plain or percent-encoded.
fn below_auth<'target>(target: &'target str, route: &str) -> Option<&'target str> {
    let below = target.strip_prefix(route)?;
    let path = below.split('?').next().unwrap_or_default();
    let encoded_slash = path.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("%2f"));
    (path.is_empty() || path.starts_with('/') || encoded_slash).then_some(below)
}

fn has_body(request: &HttpRequest) -> bool {
    let headers = request.headers();
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get_all(header::CONTENT_LENGTH).any(|length| length != "0")
}

/// What was found out about a request before it was answered.
#[derive(Debug, Default)]
struct Findings {
    /// What the gateway asks about, as far as a log may show it.
    asked: Option<String>,
    rule: Option<String>,
    caller: Option<Arc<UserinfoAnswer>>,
}

impl DecisionRoute {
    async fn decide(&self, request: &HttpRequest, below_auth: &str) -> HttpResponse {
        let mut findings = Findings::default();
        let outcome = self.outcome(request, below_auth, &mut findings).await;
        let identity = self.identity(findings.caller.as_deref());
        // A principal who cannot be told to the services behind the gateway must not pass as nobody.
        let outcome = match (outcome, &identity) {
            (Ok(()), Err(unsendable)) => Err(Denial::from(*unsendable)),
            (outcome, _) => outcome,
        };
        note(request, outcome.err(), &findings);
        self.metrics.decided(outcome.err(), findings.rule.as_deref());
        let identity = identity.unwrap_or_default();
        match outcome {
            Ok(()) => self.answers.allow(&identity),
            Err(denial) => self.answers.deny(denial, &circumstances(request, &findings, identity)),
        }
    }

    async fn outcome(
        &self,
        request: &HttpRequest,
        below_auth: &str,
        findings: &mut Findings,
    ) -> Result<(), Denial> {
        let headers = request.headers();
        if !peer::may_ask(self.peer_secret.as_ref(), headers) {
            return Err(Denial::UntrustedPeer);
        }
        let original = self.source.read(request, below_auth)?;
        findings.asked = Some(original.loggable());
        let facts = Facts {
            client_type: facts::client_type(headers, &self.client_type_header)?,
            is_backoffice: facts::is_backoffice(headers, &self.backoffice_header),
        };
        let asked = Request { method: original.method, target: original.target, facts };
        let Verdict { denied, rule, caller } =
            self.decision_point.run(&asked, &self.presented(request)).await;
        (findings.rule, findings.caller) = (rule, caller);
        denied.map_or(Ok(()), |reason| Err(reason.into()))
    }

    fn presented(&self, request: &HttpRequest) -> Presented {
        let mut presented = Presented::default();
        for name in self.decision_point.principals.headers() {
            for value in request.headers().get_all(name.as_str()) {
                presented.add(name, value.as_bytes());
            }
        }
        presented
    }

    fn identity(&self, caller: Option<&UserinfoAnswer>) -> Result<IdentityHeaders, Unsendable> {
        match caller {
            Some(UserinfoAnswer::Known(principal)) => {
                let identity = IdentityHeaders::of(principal, &self.properties_to_proxy)?;
                if identity.groups_left_out > 0 {
                    self.metrics.groups_left_out.inc_by(identity.groups_left_out as u64);
                    tracing::warn!(
                        groups.leftOut = identity.groups_left_out,
                        "groups that a header cannot carry were left out of mia-groups"
                    );
                }
                Ok(identity)
            }
            Some(UserinfoAnswer::Nobody(_) | UserinfoAnswer::Unknown(_)) | None => {
                Ok(IdentityHeaders::default())
            }
        }
    }
}

fn circumstances(request: &HttpRequest, findings: &Findings, identity: IdentityHeaders) -> Circumstances {
    let presented_token = request.headers().contains_key(header::AUTHORIZATION);
    match findings.caller.as_deref() {
        Some(UserinfoAnswer::Nobody(why)) => Circumstances {
            token_rejected: presented_token && why.refuses_credentials(),
            retry_after: None,
            identity,
        },
        Some(UserinfoAnswer::Unknown(failure)) => {
            Circumstances { token_rejected: false, retry_after: failure.retry_after, identity }
        }
        _ => Circumstances { identity, ..Circumstances::default() },
    }
}

/// Adds the decision to the access line. Of what the caller sent, only verb and path go there.
fn note(request: &HttpRequest, denial: Option<Denial>, findings: &Findings) {
    access_log::annotate(request, |annotations| {
        annotations.decision = Some(if denial.is_some() { "deny" } else { "allow" });
        annotations.reason = denial.map(Denial::word);
        annotations.asked.clone_from(&findings.asked);
        annotations.rule.clone_from(&findings.rule);
        annotations.error = match (findings.caller.as_deref(), denial) {
            (Some(UserinfoAnswer::Unknown(failure)), _) => Some(format!("userinfo: {}", failure.cause)),
            (_, Some(denial)) => Some(denial.to_string()),
            (_, None) => None,
        };
    });
}

#[cfg(test)]
mod tests {
    use super::below_auth;

    #[test]
    fn g_mode_03_auth_and_what_is_below_it_and_nothing_else() {
        for (target, expected) in [
            ("/auth", Some("")),
            ("/auth?x", Some("?x")),
            ("/auth/", Some("/")),
            ("/auth//x", Some("//x")),
            ("/auth/../metrics", Some("/../metrics")),
            ("/auth%2F%2fx", Some("%2F%2fx")),
            ("/authx", None),
            ("/aut", None),
            ("/Auth", None),
            ("//auth", None),
            ("/x/auth", None),
            ("/a%75th", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(below_auth(target, "/auth"), expected, "{target}");
        }
        assert_eq!(below_auth("/authz/auth/x", "/authz/auth"), Some("/x"));
        assert_eq!(below_auth("/auth/x", "/authz/auth"), None);
    }
}

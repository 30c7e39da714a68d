//! The decision route: `/auth` and every path below it, any verb (upstream contract §3.1). The path is compared raw,
//! so nothing is decoded, merged or redirected (G-MODE-03). Bodies are never read and no protocol is ever switched:
//! such a connection ends with the answer (G-SMUG-02, G-H2C-01).

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use common::ErrorBody;
use service_kit::HeaderName;
use service_kit::access_log;
use service_kit::metrics::Route;

use super::original_request::Source;
use crate::answer::{Answer, Answers};
use crate::decide::DecisionPoint;
use crate::decide::question::RequestHeaders;

/// Everything the route needs.
#[derive(Debug)]
pub(crate) struct DecisionRoute {
    /// `SERVICE_PREFIX` and `/auth`.
    pub(crate) path: String,
    pub(crate) source: Source,
    pub(crate) answers: Answers,
    pub(crate) decision_point: Arc<DecisionPoint>,
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

impl DecisionRoute {
    async fn decide(&self, request: &HttpRequest, below_auth: &str) -> HttpResponse {
        let headers = request.headers();
        let original = self.source.read(request, below_auth);
        let question = self.decision_point.question(original, headers, headers);
        let verdict = self.decision_point.decide(&question).await;
        access_log::annotate(request, |annotations| verdict.annotate(annotations));
        response(self.answers.of(&verdict))
    }
}

impl RequestHeaders for HeaderMap {
    fn values<'this>(&'this self, name: &HeaderName) -> impl Iterator<Item = &'this [u8]> {
        self.get_all(name.as_http()).map(HeaderValue::as_bytes)
    }
}

fn response(answer: Answer<'_>) -> HttpResponse {
    let Ok(status) = StatusCode::from_u16(answer.status) else {
        return HttpResponse::InternalServerError().finish();
    };
    let body = answer.body.map_or_else(|| BoxBody::new(()), BoxBody::new);
    let mut response = HttpResponse::with_body(status, body);
    for (name, value) in &answer.headers {
        let Ok(value) = HeaderValue::from_str(value) else {
            return HttpResponse::InternalServerError().finish();
        };
        response.headers_mut().insert(header::HeaderName::from_static(name), value);
    }
    response
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

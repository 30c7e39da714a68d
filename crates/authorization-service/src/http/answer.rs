//! From a decision to an HTTP answer: the statuses of the decision table (upstream contract §3.4) in one match, by
//! profile and mode. Every answer carries all identity headers, so that a gateway overwrites what the client sent
//! (conformance §3.0 rule 4).

use access_rules::DenyReason;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder};
use common::headers::{MIA_ALLOWED, MIA_GROUPS, MIA_USERID, MIA_USERPROPERTIES};
use common::{ErrorBody, Profile};

use super::facts::ClientTypeUnclear;
use super::identity::{IdentityHeaders, Unsendable};
use super::original_request::Unclear;
use crate::config::FailureStatus;

/// Why a request is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denial {
    #[error("the call does not come from the gateway")]
    UntrustedPeer,
    #[error(transparent)]
    OriginalRequest(#[from] Unclear),
    #[error(transparent)]
    ClientType(#[from] ClientTypeUnclear),
    #[error(transparent)]
    Rules(#[from] DenyReason),
    #[error(transparent)]
    Identity(#[from] Unsendable),
}

/// What one denial is answered with in strict mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// Come back with credentials.
    Unauthenticated,
    /// These credentials do not suffice.
    Forbidden,
    /// Whoever asks.
    Never,
    /// Try again.
    CannotKnow,
}

/// How this deployment answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answers {
    pub(crate) profile: Profile,
    /// `AUTHORIZATION_STRICT_MODE_ENABLED`.
    pub(crate) strict: bool,
    /// `USERINFO_FAILURE_STATUS`.
    pub(crate) on_failure: FailureStatus,
}

/// What the answer to a denial needs to know besides the reason.
#[derive(Debug, Default)]
pub(crate) struct Circumstances {
    /// A token was presented and userinfo refused it (RFC 6750 §3.1).
    pub(crate) token_rejected: bool,
    /// Seconds that userinfo asked us to wait.
    pub(crate) retry_after: Option<u32>,
    /// Who asks, as far as it can be told.
    pub(crate) identity: IdentityHeaders,
}

const CHALLENGE: &str = r#"Bearer realm="gettone""#;
const CHALLENGE_INVALID_TOKEN: &str = r#"Bearer realm="gettone", error="invalid_token""#;
const CHALLENGE_INSUFFICIENT_SCOPE: &str = r#"Bearer realm="gettone", error="insufficient_scope""#;

impl Denial {
    /// Every [`Self::word`].
    pub(crate) const WORDS: [&str; 10] = [
        "untrusted_peer",
        "original_request_unclear",
        "client_type_unclear",
        "path_refused",
        "no_rule",
        "unauthenticated",
        "forbidden",
        "expression_error",
        "cannot_know",
        "identity_unsendable",
    ];

    /// One word for filters and counters (`docs/logging.md`).
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::UntrustedPeer => "untrusted_peer",
            Self::OriginalRequest(_) => "original_request_unclear",
            Self::ClientType(_) => "client_type_unclear",
            Self::Rules(DenyReason::PathRefused(_)) => "path_refused",
            Self::Rules(DenyReason::NoRule) => "no_rule",
            Self::Rules(DenyReason::Unauthenticated) => "unauthenticated",
            Self::Rules(DenyReason::Forbidden) => "forbidden",
            Self::Rules(DenyReason::ExpressionError { .. }) => "expression_error",
            Self::Rules(DenyReason::CannotKnow) => "cannot_know",
            Self::Identity(_) => "identity_unsendable",
        }
    }

    /// The decision table.
    const fn refusal(self) -> Refusal {
        match self {
            Self::UntrustedPeer => Refusal::Unauthenticated,
            // Row 13.
            Self::OriginalRequest(_) | Self::ClientType(_) => Refusal::Never,
            // Row 6.
            Self::Rules(DenyReason::NoRule | DenyReason::PathRefused(_)) => Refusal::Never,
            // Rows 3 and 5.
            Self::Rules(DenyReason::Unauthenticated) => Refusal::Unauthenticated,
            // Row 4.
            Self::Rules(DenyReason::Forbidden) => Refusal::Forbidden,
            // Row 12.
            Self::Rules(DenyReason::ExpressionError { authenticated: true, .. }) => Refusal::Forbidden,
            Self::Rules(DenyReason::ExpressionError { authenticated: false, .. }) => Refusal::Unauthenticated,
            // Rows 8 and 9.
            Self::Rules(DenyReason::CannotKnow) => Refusal::CannotKnow,
            Self::Identity(_) => Refusal::Forbidden,
        }
    }
}

impl Answers {
    /// The request may pass, as this principal or as nobody.
    pub(crate) fn allow(self, identity: &IdentityHeaders) -> HttpResponse {
        with_identity(StatusCode::OK, "1", identity).finish()
    }

    /// The request may not pass. Outside strict mode that is a 200 too, and `mia-allowed` says it; only there the
    /// identity is told, because a gateway may show any other answer to its client.
    pub(crate) fn deny(self, denial: Denial, circumstances: &Circumstances) -> HttpResponse {
        if !self.strict {
            return with_identity(StatusCode::OK, "0", &circumstances.identity).finish();
        }
        let status = self.status(denial.refusal());
        let mut response = with_identity(status, "0", &IdentityHeaders::default());
        if let Some(challenge) = challenge(denial, status, circumstances.token_rejected) {
            response.insert_header((header::WWW_AUTHENTICATE, challenge));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = circumstances.retry_after.unwrap_or(1);
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        let (code, description) = public_text(status, circumstances.token_rejected);
        response.json(ErrorBody::new(status.as_u16(), code, description))
    }

    fn status(self, refusal: Refusal) -> StatusCode {
        match refusal {
            Refusal::Unauthenticated => StatusCode::UNAUTHORIZED,
            Refusal::Forbidden => StatusCode::FORBIDDEN,
            // K-11.
            Refusal::Never => match self.profile {
                Profile::Standard => StatusCode::FORBIDDEN,
                Profile::DropIn => StatusCode::UNAUTHORIZED,
            },
            // K-14, architecture decision 10.
            Refusal::CannotKnow => match self.on_failure {
                FailureStatus::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
                FailureStatus::Unauthorized => StatusCode::UNAUTHORIZED,
            },
        }
    }
}

fn with_identity(
    status: StatusCode,
    allowed: &'static str,
    identity: &IdentityHeaders,
) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((MIA_ALLOWED, allowed))
        .insert_header((MIA_USERID, identity.user_id.as_str()))
        .insert_header((MIA_GROUPS, identity.groups.as_str()))
        .insert_header((MIA_USERPROPERTIES, identity.properties.as_str()));
    response
}

/// Every 401 has one (RFC 9110 §15.5.2), and a 403 where other credentials could help (RFC 6750 §3.1).
fn challenge(denial: Denial, status: StatusCode, token_rejected: bool) -> Option<&'static str> {
    match status {
        StatusCode::UNAUTHORIZED if token_rejected => Some(CHALLENGE_INVALID_TOKEN),
        StatusCode::UNAUTHORIZED => Some(CHALLENGE),
        StatusCode::FORBIDDEN if denial.refusal() == Refusal::Forbidden => Some(CHALLENGE_INSUFFICIENT_SCOPE),
        _ => None,
    }
}

/// Gateways hand this to the client: it tells nothing about rules, paths or users.
fn public_text(status: StatusCode, token_rejected: bool) -> (&'static str, &'static str) {
    match status {
        StatusCode::UNAUTHORIZED if token_rejected => {
            ("invalid_token", "The access token is not valid: get a new one and try again.")
        }
        StatusCode::UNAUTHORIZED => ("unauthorized", "Valid credentials are required."),
        StatusCode::SERVICE_UNAVAILABLE => {
            ("temporarily_unavailable", "The credentials could not be checked: try again shortly.")
        }
        _ => ("access_denied", "This request is not allowed."),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write;

    use access_rules::PathRefusal;
    use actix_web::body::MessageBody;

    use super::*;

    /// Every denial. The match makes the compiler ask for a line here when there is a new one.
    fn every_denial() -> Vec<Denial> {
        let known = |denial| match denial {
            Denial::UntrustedPeer
            | Denial::OriginalRequest(Unclear::Missing | Unclear::Repeated | Unclear::BadMethod)
            | Denial::ClientType(ClientTypeUnclear)
            | Denial::Rules(
                DenyReason::PathRefused(_)
                | DenyReason::NoRule
                | DenyReason::Unauthenticated
                | DenyReason::Forbidden
                | DenyReason::ExpressionError { .. }
                | DenyReason::CannotKnow,
            )
            | Denial::Identity(Unsendable::UserId | Unsendable::Groups | Unsendable::Properties) => denial,
        };
        let error = access_rules::EvaluationError::Incomparable;
        [
            Denial::UntrustedPeer,
            Denial::OriginalRequest(Unclear::Missing),
            Denial::OriginalRequest(Unclear::Repeated),
            Denial::OriginalRequest(Unclear::BadMethod),
            Denial::ClientType(ClientTypeUnclear),
            Denial::Rules(DenyReason::PathRefused(PathRefusal::DotSegment)),
            Denial::Rules(DenyReason::NoRule),
            Denial::Rules(DenyReason::Unauthenticated),
            Denial::Rules(DenyReason::Forbidden),
            Denial::Rules(DenyReason::ExpressionError { error, authenticated: true }),
            Denial::Rules(DenyReason::ExpressionError { error, authenticated: false }),
            Denial::Rules(DenyReason::CannotKnow),
            Denial::Identity(Unsendable::UserId),
            Denial::Identity(Unsendable::Groups),
            Denial::Identity(Unsendable::Properties),
        ]
        .map(known)
        .to_vec()
    }

    #[test]
    fn words_are_all_words() {
        let words = every_denial().into_iter().map(Denial::word).collect::<BTreeSet<_>>();
        assert_eq!(words, BTreeSet::from(Denial::WORDS));
    }

    fn shown(response: HttpResponse) -> String {
        let mut text = response.status().as_u16().to_string();
        let mut headers: Vec<_> = response
            .headers()
            .iter()
            .map(|(name, value)| format!(" {name}: {}", value.to_str().unwrap()))
            .collect();
        headers.sort();
        for header in headers {
            write!(text, "\n     {}", header.trim_end()).unwrap();
        }
        let body = response.into_body().try_into_bytes().unwrap();
        write!(text, "\n      {}\n", std::str::from_utf8(&body).unwrap()).unwrap();
        text.trim_end().to_owned() + "\n"
    }

    fn identity() -> IdentityHeaders {
        IdentityHeaders {
            user_id: "u".to_owned(),
            groups: "a,b".to_owned(),
            properties: "{}".to_owned(),
            groups_left_out: 0,
        }
    }

    fn answers(profile: Profile, strict: bool) -> Answers {
        Answers { profile, strict, on_failure: FailureStatus::of(profile) }
    }

    #[test]
    fn every_denial_in_both_profiles_and_modes() {
        let mut text = String::new();
        for denial in every_denial() {
            writeln!(text, "{}: {denial}", denial.word()).unwrap();
            for profile in [Profile::Standard, Profile::DropIn] {
                for strict in [true, false] {
                    let answer = answers(profile, strict).deny(denial, &Circumstances::default());
                    let mode = if strict { "strict" } else { "loose" };
                    writeln!(text, "  {profile:?} {mode} {}", brief(answer)).unwrap();
                }
            }
        }
        insta::assert_snapshot!(text);
    }

    /// Status, decision, the headers that differ, and the code in the body.
    fn brief(response: HttpResponse) -> String {
        let header =
            |name| response.headers().get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
        let text = format!(
            "{} allowed={} challenge={} retry={}",
            response.status().as_u16(),
            header(MIA_ALLOWED),
            header(header::WWW_AUTHENTICATE.as_str()),
            header(header::RETRY_AFTER.as_str())
        );
        let body = response.into_body().try_into_bytes().unwrap();
        let code =
            serde_json::from_slice::<ErrorBody>(&body).map_or_else(|_| "-".to_owned(), |body| body.error);
        format!("{text} error={code}")
    }

    #[test]
    fn k_13_without_strict_mode_every_denial_is_a_200_that_says_0() {
        for denial in every_denial() {
            for profile in [Profile::Standard, Profile::DropIn] {
                let circumstances = Circumstances { identity: identity(), ..Circumstances::default() };
                let answer = answers(profile, false).deny(denial, &circumstances);
                assert_eq!(answer.headers().get_all(MIA_ALLOWED).count(), 1);
                let answer = shown(answer);
                assert!(
                    answer.starts_with("200") && answer.contains("mia-allowed: 0"),
                    "{denial:?} {answer}"
                );
            }
        }
    }

    #[test]
    fn the_statuses_gateways_understand_and_no_other() {
        for denial in every_denial() {
            for profile in [Profile::Standard, Profile::DropIn] {
                let answer = answers(profile, true).deny(denial, &Circumstances::default());
                assert!(matches!(answer.status().as_u16(), 401 | 403 | 503), "{denial:?}");
            }
        }
    }

    #[test]
    fn circumstances_show() {
        let rejected = Circumstances { token_rejected: true, ..Circumstances::default() };
        let waiting = Circumstances { retry_after: Some(7), ..Circumstances::default() };
        let strict = answers(Profile::Standard, true);
        let text = format!(
            "allowed {}rejected token {}wait {}",
            shown(strict.allow(&identity())),
            shown(strict.deny(DenyReason::Unauthenticated.into(), &rejected)),
            shown(strict.deny(DenyReason::CannotKnow.into(), &waiting)),
        );
        insta::assert_snapshot!(text);
    }

    #[test]
    fn k_14_the_status_of_a_failure_can_be_chosen() {
        let mut chosen = answers(Profile::Standard, true);
        chosen.on_failure = FailureStatus::Unauthorized;
        let answer = chosen.deny(DenyReason::CannotKnow.into(), &Circumstances::default());
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
}

//! From a verdict to an answer, whichever face gives it: the statuses of the decision table (upstream contract §3.4) in one match, by
//! profile and mode. Every answer carries all identity headers, so that a gateway overwrites what the client sent
//! (conformance §3.0 rule 4).

use std::borrow::Cow;

use access_rules::DenyReason;
use common::{ErrorBody, Profile};

use serde::Serialize;

use crate::config::{FailureStatus, ResourceMetadataUrl};
use crate::decide::Verdict;
use crate::decide::denial::Denial;
use principal::IdentityHeaders;

const OK: u16 = 200;
const UNAUTHORIZED: u16 = 401;
const FORBIDDEN: u16 = 403;
const SERVICE_UNAVAILABLE: u16 = 503;

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
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    pub(crate) profile: Profile,
    /// `AUTHORIZATION_STRICT_MODE_ENABLED`.
    pub(crate) strict: bool,
    /// `USERINFO_FAILURE_STATUS`.
    pub(crate) on_failure: FailureStatus,
    /// `RESOURCE_METADATA_URL`.
    pub(crate) resource_metadata: Option<ResourceMetadataUrl>,
}

/// An answer, the same whichever face gives it.
#[derive(Debug)]
pub(crate) struct Answer<'verdict> {
    /// Of HTTP.
    pub(crate) status: u16,
    /// Names in lower case. No name is there twice.
    pub(crate) headers: Vec<(&'static str, Cow<'verdict, str>)>,
    /// JSON.
    pub(crate) body: Option<String>,
}

/// Body of a refusal: that of every error, and what it can be asked about by.
#[derive(Debug, Serialize)]
struct RefusalBody {
    #[serde(flatten)]
    error: ErrorBody,
    #[serde(rename = "decisionId", skip_serializing_if = "Option::is_none")]
    decision_id: Option<String>,
}

/// The id of a denial. The body may be replaced on the way; some gateways pass headers only.
const DECISION_ID_HEADER: &str = "x-decision-id";

static NOBODY: IdentityHeaders = IdentityHeaders::NOBODY;

const CHALLENGE: &str = r#"Bearer realm="gettone""#;
const CHALLENGE_INVALID_TOKEN: &str = r#"Bearer realm="gettone", error="invalid_token""#;
const CHALLENGE_INSUFFICIENT_SCOPE: &str = r#"Bearer realm="gettone", error="insufficient_scope""#;

impl Refusal {
    /// The decision table.
    const fn of(denial: Denial) -> Self {
        match denial {
            Denial::UntrustedPeer => Self::Unauthenticated,
            // Row 13.
            Denial::OriginalRequest(_) | Denial::ClientType(_) => Self::Never,
            // Row 6.
            Denial::Rules(DenyReason::NoRule | DenyReason::PathRefused(_)) => Self::Never,
            // Rows 3 and 5.
            Denial::Rules(DenyReason::Unauthenticated) => Self::Unauthenticated,
            // Row 4.
            Denial::Rules(DenyReason::Forbidden) => Self::Forbidden,
            // Row 12.
            Denial::Rules(DenyReason::ExpressionError { authenticated: true, .. }) => Self::Forbidden,
            Denial::Rules(DenyReason::ExpressionError { authenticated: false, .. }) => Self::Unauthenticated,
            // Rows 8 and 9.
            Denial::Rules(DenyReason::CannotKnow) => Self::CannotKnow,
            Denial::Identity(_) => Self::Forbidden,
        }
    }
}

impl Answers {
    /// The answer to a verdict. The request may pass, as this principal or as nobody; or it may not. Outside strict mode
    /// that is a 200 too, and `mia-allowed` says it; only there the identity is told, because a gateway may show any
    /// other answer to its client.
    pub(crate) fn of<'verdict>(&self, verdict: &'verdict Verdict) -> Answer<'verdict> {
        match verdict.denied {
            None => with_identity(OK, true, Some(&verdict.identity)),
            Some(denial) => {
                let mut answer = match self.strict {
                    true => self.refusal(denial, verdict),
                    false => with_identity(OK, false, Some(&verdict.identity)),
                };
                if let Some(id) = verdict.id {
                    answer.headers.push((DECISION_ID_HEADER, id.to_string().into()));
                }
                answer
            }
        }
    }

    fn refusal<'verdict>(&self, denial: Denial, verdict: &'verdict Verdict) -> Answer<'verdict> {
        let refusal = Refusal::of(denial);
        let status = self.status(refusal);
        let mut answer = with_identity(status, false, None);
        if let Some(challenge) = challenge(refusal, status, verdict.token_rejected) {
            answer.headers.push(("www-authenticate", self.with_metadata(challenge, status)));
        }
        if status == SERVICE_UNAVAILABLE {
            let seconds = verdict.retry_after.unwrap_or(1);
            answer.headers.push(("retry-after", seconds.to_string().into()));
        }
        let (code, description) = public_text(status, verdict.token_rejected);
        let error = ErrorBody::new(status, code, description);
        let body = RefusalBody { error, decision_id: verdict.id.map(|id| id.to_string()) };
        answer.headers.push(("content-type", "application/json".into()));
        answer.body = serde_json::to_string(&body).ok();
        answer
    }

    /// RFC 9728 §5.1: where a client learns which authorization server gives tokens for this API.
    fn with_metadata(&self, challenge: &'static str, status: u16) -> Cow<'static, str> {
        match &self.resource_metadata {
            Some(url) if status == UNAUTHORIZED => {
                format!("{challenge}, resource_metadata=\"{}\"", url.as_str()).into()
            }
            _ => challenge.into(),
        }
    }

    fn status(&self, refusal: Refusal) -> u16 {
        match refusal {
            Refusal::Unauthenticated => UNAUTHORIZED,
            Refusal::Forbidden => FORBIDDEN,
            // K-11.
            Refusal::Never => match self.profile {
                Profile::Standard => FORBIDDEN,
                Profile::DropIn => UNAUTHORIZED,
            },
            // K-14, architecture decision 10.
            Refusal::CannotKnow => match self.on_failure {
                FailureStatus::ServiceUnavailable => SERVICE_UNAVAILABLE,
                FailureStatus::Unauthorized => UNAUTHORIZED,
            },
        }
    }
}

fn with_identity<'verdict>(
    status: u16,
    allowed: bool,
    identity: Option<&'verdict IdentityHeaders>,
) -> Answer<'verdict> {
    let identity = identity.unwrap_or(&NOBODY).beside(allowed);
    let mut headers = Vec::with_capacity(8);
    headers.push(("cache-control", "no-store".into()));
    headers.extend(identity.map(|(name, value)| (name, value.into())));
    Answer { status, headers, body: None }
}

/// Every 401 has one (RFC 9110 §15.5.2), and a 403 where other credentials could help (RFC 6750 §3.1).
fn challenge(refusal: Refusal, status: u16, token_rejected: bool) -> Option<&'static str> {
    match status {
        UNAUTHORIZED if token_rejected => Some(CHALLENGE_INVALID_TOKEN),
        UNAUTHORIZED => Some(CHALLENGE),
        FORBIDDEN if refusal == Refusal::Forbidden => Some(CHALLENGE_INSUFFICIENT_SCOPE),
        _ => None,
    }
}

/// Gateways hand this to the client: it tells nothing about rules, paths or users.
fn public_text(status: u16, token_rejected: bool) -> (&'static str, &'static str) {
    match status {
        UNAUTHORIZED if token_rejected => {
            ("invalid_token", "The access token is not valid: get a new one and try again.")
        }
        UNAUTHORIZED => ("unauthorized", "Valid credentials are required."),
        SERVICE_UNAVAILABLE => {
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
    use common::headers::MIA_ALLOWED;

    use super::*;
    use crate::decide::Findings;
    use crate::decide::facts::ClientTypeUnclear;
    use crate::decide::question::Unclear;
    use crate::record::id::DecisionId;
    use principal::Unsendable;

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

    fn shown(answer: &Answer<'_>) -> String {
        let mut text = answer.status.to_string();
        let mut headers: Vec<_> =
            answer.headers.iter().map(|(name, value)| format!(" {name}: {value}")).collect();
        headers.sort();
        for header in headers {
            write!(text, "\n     {}", header.trim_end()).unwrap();
        }
        write!(text, "\n      {}\n", answer.body.as_deref().unwrap_or_default()).unwrap();
        text.trim_end().to_owned() + "\n"
    }

    fn denied(denial: impl Into<Denial>) -> Verdict {
        Verdict {
            denied: Some(denial.into()),
            id: DecisionId::parse("00f0e0d0c0b0a0908070605040302010"),
            findings: Findings::default(),
            identity: IdentityHeaders::default(),
            token_rejected: false,
            retry_after: None,
        }
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
        Answers { profile, strict, on_failure: FailureStatus::of(profile), resource_metadata: None }
    }

    #[test]
    fn every_denial_in_both_profiles_and_modes() {
        let mut text = String::new();
        for denial in every_denial() {
            writeln!(text, "{}: {denial}", denial.word()).unwrap();
            for profile in [Profile::Standard, Profile::DropIn] {
                for strict in [true, false] {
                    let verdict = denied(denial);
                    let answer = answers(profile, strict).of(&verdict);
                    let mode = if strict { "strict" } else { "loose" };
                    writeln!(text, "  {profile:?} {mode} {}", brief(&answer)).unwrap();
                }
            }
        }
        insta::assert_snapshot!(text);
    }

    /// Status, decision, the headers that differ, and the code in the body.
    fn brief(answer: &Answer<'_>) -> String {
        let header = |wanted| {
            answer.headers.iter().find(|(name, _)| *name == wanted).map_or("-", |(_, value)| value.as_ref())
        };
        let body = answer.body.as_deref().unwrap_or_default();
        let code = serde_json::from_str::<ErrorBody>(body).map_or_else(|_| "-".to_owned(), |body| body.error);
        format!(
            "{} allowed={} challenge={} retry={} error={code}",
            answer.status,
            header(MIA_ALLOWED),
            header("www-authenticate"),
            header("retry-after")
        )
    }

    #[test]
    fn k_13_without_strict_mode_every_denial_is_a_200_that_says_0() {
        for denial in every_denial() {
            for profile in [Profile::Standard, Profile::DropIn] {
                let verdict = Verdict { identity: identity(), ..denied(denial) };
                let answer = answers(profile, false).of(&verdict);
                assert_eq!(answer.headers.iter().filter(|(name, _)| *name == MIA_ALLOWED).count(), 1);
                let answer = shown(&answer);
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
                let status = answers(profile, true).of(&denied(denial)).status;
                assert!(matches!(status, 401 | 403 | 503), "{denial:?}");
            }
        }
    }

    #[test]
    fn circumstances_show() {
        let allowed =
            Verdict { denied: None, id: None, identity: identity(), ..denied(DenyReason::Forbidden) };
        let rejected = Verdict { token_rejected: true, ..denied(DenyReason::Unauthenticated) };
        let waiting = Verdict { retry_after: Some(7), ..denied(DenyReason::CannotKnow) };
        let strict = answers(Profile::Standard, true);
        let text = format!(
            "allowed {}rejected token {}wait {}",
            shown(&strict.of(&allowed)),
            shown(&strict.of(&rejected)),
            shown(&strict.of(&waiting)),
        );
        insta::assert_snapshot!(text);
    }

    #[test]
    fn rfc_9728_every_401_and_no_other_answer_names_the_metadata_of_the_resource() {
        let told = |answer: &Answer<'_>| {
            let challenge = answer.headers.iter().find(|(name, _)| *name == "www-authenticate");
            challenge.map(|(_, value)| value.to_string())
        };
        for denial in every_denial() {
            for (rejected, error) in [(false, ""), (true, ", error=\"invalid_token\"")] {
                let mut answers = answers(Profile::Standard, true);
                let verdict = Verdict { token_rejected: rejected, ..denied(denial) };
                let without = told(&answers.of(&verdict));
                let url = "https://api.example/.well-known/oauth-protected-resource";
                answers.resource_metadata = Some(serde_json::from_value(url.into()).unwrap());
                let answer = answers.of(&verdict);
                if answer.status == UNAUTHORIZED {
                    let expected = format!("Bearer realm=\"gettone\"{error}, resource_metadata=\"{url}\"");
                    assert_eq!(told(&answer), Some(expected), "{denial:?}");
                } else {
                    assert_eq!(told(&answer), without, "{denial:?}");
                }
            }
        }
    }

    #[test]
    fn k_14_the_status_of_a_failure_can_be_chosen() {
        let mut chosen = answers(Profile::Standard, true);
        chosen.on_failure = FailureStatus::Unauthorized;
        assert_eq!(chosen.of(&denied(DenyReason::CannotKnow)).status, UNAUTHORIZED);
    }
}

//! What every refusal looks like from outside: one exhaustive table of status, code, sentence and log word, for both
//! profiles. Internal detail goes to the log and nowhere else.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse};
use common::{ErrorBody, Profile};
use credentials::assertion::AUTHENTICATION_FAILED;
use credentials::grant::GrantRefusal;
use jose::{KeyDefect, SignError};
use service_kit::access_log::annotate;
use service_kit::body::BodyError;

use super::bearer::BearerDefect;
use super::clients::ManagementRequestDefect;
use super::form::FormDefect;
use super::json_body::JsonBodyDefect;
use super::oauth::TokenRequestDefect;
use crate::Deps;
use crate::administer_clients::AdministerClientsError;
use crate::describe_token::DescribeTokenError;
use crate::issue_token::{AssertionRefusal, CredentialDefect, IssueTokenError};
use crate::register_client::RegisterClientError;

const BASIC_CHALLENGE: &str = r#"Basic realm="client-credentials""#;
const BEARER_CHALLENGE: &str = r#"Bearer realm="client-credentials""#;
const BEARER_CHALLENGE_BAD_TOKEN: &str = r#"Bearer realm="client-credentials", error="invalid_token""#;
const BEARER_CHALLENGE_BAD_REQUEST: &str = r#"Bearer realm="client-credentials", error="invalid_request""#;

/// When to come back after a 503, in seconds.
const RETRY_AFTER_SECONDS: &str = "5";

const BUSY: &str = "the key cannot be checked just now: send the request again a little later";
const NO_RANDOMNESS: &str =
    "the service lacks randomness to make secrets of: nothing was changed, tell the operator";

const NOT_AN_OBJECT: &str = "the body must be one JSON object in UTF-8 with distinct member names";

const STORE_UNAVAILABLE: &str = "store_unavailable";

/// A write that was given up may have been made, and a removal may be half done: it must not be said that nothing was.
const STORE_DOWN: &str =
    "the service cannot reach its store: what was asked for is not confirmed, try again in a few seconds";

/// Everything an endpoint may answer instead of what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("no such path")]
    NoSuchPath,
    #[error("no such method on this path")]
    MethodNotAllowed { allowed: String },
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    RegistrationBody(JsonBodyDefect),
    #[error(transparent)]
    PatchBody(JsonBodyDefect),
    #[error(transparent)]
    Bearer(#[from] BearerDefect),
    #[error(transparent)]
    TokenRequest(#[from] TokenRequestDefect),
    #[error(transparent)]
    ManagementRequest(#[from] ManagementRequestDefect),
    #[error(transparent)]
    IssueToken(#[from] IssueTokenError),
    #[error(transparent)]
    DescribeToken(#[from] DescribeTokenError),
    #[error(transparent)]
    RegisterClient(#[from] RegisterClientError),
    #[error(transparent)]
    AdministerClients(#[from] AdministerClientsError),
}

/// A row of the table.
struct Answer {
    status: StatusCode,
    /// `error` of the body: a code of the RFC that governs the endpoint.
    code: &'static str,
    sentence: Cow<'static, str>,
    challenge: Option<&'static str>,
    /// `decision.reason` of the log line.
    reason: &'static str,
}

/// The response of an endpoint; a refusal is logged and put into its form.
pub(super) fn respond(
    request: &HttpRequest,
    deps: &Deps,
    outcome: Result<HttpResponse, Refusal>,
) -> HttpResponse {
    match outcome {
        Ok(response) => response,
        Err(refusal) => {
            let answer = answer(&refusal, deps.profile);
            if answer.reason == STORE_UNAVAILABLE {
                deps.metrics.store_errors.inc();
            }
            annotate(request, |line| {
                line.reason = Some(answer.reason);
                line.error = Some(refusal.to_string());
            });
            answer.into_response(&refusal)
        }
    }
}

/// `decision.reason` of the log line; the profiles agree on it.
pub(super) fn reason(refusal: &Refusal) -> &'static str {
    answer(refusal, Profile::Standard).reason
}

impl Answer {
    fn challenging(self, challenge: &'static str) -> Self {
        Self { challenge: Some(challenge), ..self }
    }

    fn into_response(self, refusal: &Refusal) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((CACHE_CONTROL, "no-store")).insert_header((PRAGMA, "no-cache"));
        if let Some(challenge) = self.challenge {
            response.insert_header((WWW_AUTHENTICATE, challenge));
        }
        if let Refusal::MethodNotAllowed { allowed } = refusal {
            response.insert_header((ALLOW, allowed.as_str()));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        if matches!(refusal, Refusal::Body(_)) {
            // The rest of the body is not read.
            response.force_close();
        }
        response.json(ErrorBody::new(self.status.as_u16(), self.code, &self.sentence))
    }
}

fn answer(refusal: &Refusal, profile: Profile) -> Answer {
    match refusal {
        Refusal::NoSuchPath => new(
            404,
            "not_found",
            "there is nothing here: check the path, upper and lower case differ",
            "no_such_path",
        ),
        Refusal::MethodNotAllowed { .. } => new(
            405,
            "method_not_allowed",
            "this path does not answer this method: see the Allow header",
            "method_not_allowed",
        ),
        Refusal::Body(defect) => body(*defect),
        Refusal::RegistrationBody(JsonBodyDefect::ContentType) => {
            not_registered("send the client as application/json", "content_type", profile)
        }
        Refusal::RegistrationBody(JsonBodyDefect::NotAnObject) => {
            not_registered(NOT_AN_OBJECT, "json_malformed", profile)
        }
        Refusal::PatchBody(JsonBodyDefect::ContentType) => new(
            415,
            "invalid_request",
            "send the changes as application/merge-patch+json or application/json",
            "content_type",
        ),
        Refusal::PatchBody(JsonBodyDefect::NotAnObject) => bad_request(NOT_AN_OBJECT, "json_malformed"),
        Refusal::Bearer(defect) => bearer(*defect),
        Refusal::TokenRequest(defect) => token_request(*defect, profile),
        Refusal::ManagementRequest(defect) => management_request(*defect),
        Refusal::IssueToken(error) => issue_token(error, profile),
        Refusal::DescribeToken(error) => describe_token(error),
        Refusal::RegisterClient(error) => register_client(error, profile),
        Refusal::AdministerClients(error) => administer_clients(error),
    }
}

fn body(defect: BodyError) -> Answer {
    match defect {
        BodyError::TooLarge => {
            new(413, "invalid_request", "the body is larger than 64 KiB: send less", "body_too_large")
        }
        BodyError::TooSlow => new(
            408,
            "invalid_request",
            "the body did not arrive within 10 seconds: send it faster",
            "body_too_slow",
        ),
        BodyError::Broken => {
            new(400, "invalid_request", "the body did not arrive to its end: send it again", "body_broken")
        }
        BodyError::NoRoom => new(
            503,
            "temporarily_unavailable",
            "too many large requests are on their way: send it again a little later",
            "body_no_room",
        ),
        BodyError::Encoded => new(
            415,
            "invalid_request",
            "compressed bodies are not accepted: send it without Content-Encoding",
            "body_encoded",
        ),
    }
}

fn bearer(defect: BearerDefect) -> Answer {
    match defect {
        BearerDefect::Missing => {
            new(401, "invalid_token", "send a token: Authorization: Bearer <token>", "token_missing")
                .challenging(BEARER_CHALLENGE)
        }
        BearerDefect::Several => new(
            400,
            "invalid_request",
            "send one Authorization header, not several",
            "authorization_repeated",
        )
        .challenging(BEARER_CHALLENGE_BAD_REQUEST),
        BearerDefect::Malformed => bad_token("token_malformed"),
        BearerDefect::Wrong => bad_token("token_wrong"),
    }
}

fn bad_token(reason: &'static str) -> Answer {
    new(401, "invalid_token", "the token is not valid here, or has expired: get a new one", reason)
        .challenging(BEARER_CHALLENGE_BAD_TOKEN)
}

fn token_request(defect: TokenRequestDefect, profile: Profile) -> Answer {
    use TokenRequestDefect as Defect;
    match defect {
        Defect::NotAForm => {
            bad_request("send the parameters as application/x-www-form-urlencoded", "content_type")
        }
        Defect::Form(defect) => form(defect),
        Defect::CredentialsInQuery => bad_request(
            "credentials do not belong into the query: send them in the body",
            "credentials_in_query",
        ),
        Defect::SeveralAuthorizations => {
            bad_request("send one Authorization header with one credential", "authorization_repeated")
        }
        Defect::SeveralMethods => bad_request(
            "authenticate in one way: with Basic, with client_secret in the body, or with an assertion",
            "several_methods",
        ),
        Defect::SeveralAssertions => {
            bad_request("client_assertion must hold exactly one assertion", "several_assertions")
        }
        Defect::IncompleteAssertion => Answer {
            status: match profile {
                Profile::Standard => StatusCode::BAD_REQUEST,
                // Upstream contract §1.3: missing pieces of an assertion are forbidden.
                Profile::DropIn => StatusCode::FORBIDDEN,
            },
            ..bad_request("send client_assertion together with client_assertion_type", "incomplete_assertion")
        },
        Defect::GrantTypeMissing => {
            bad_request("grant_type is missing: send grant_type=client_credentials", "grant_type_missing")
        }
        Defect::GrantTypeUnsupported => new(
            400,
            "unsupported_grant_type",
            "this grant is not offered: send grant_type=client_credentials",
            "grant_type_unsupported",
        ),
        Defect::ScopeMalformed => {
            new(400, "invalid_scope", "scope must be names separated by single blanks", "scope_malformed")
        }
    }
}

fn form(defect: FormDefect) -> Answer {
    match defect {
        FormDefect::TooManyParameters => bad_request(
            "there are more than 64 parameters: send those that are needed",
            "too_many_parameters",
        ),
        FormDefect::Encoding => {
            bad_request("a parameter is not form-encoded UTF-8: check its percent-escapes", "form_encoding")
        }
        FormDefect::Repeated => {
            bad_request("a parameter is repeated: send each one once", "parameter_repeated")
        }
    }
}

fn issue_token(error: &IssueTokenError, profile: Profile) -> Answer {
    match error {
        IssueTokenError::Credential(defect) => unauthenticated(match defect {
            CredentialDefect::Missing => "credential_missing",
            CredentialDefect::Malformed => "credential_malformed",
            CredentialDefect::MethodNotOffered => "method_not_offered",
            CredentialDefect::OtherClientId => "other_client_id",
            CredentialDefect::UnknownClient => "unknown_client",
            CredentialDefect::WrongMethod => "wrong_method",
            CredentialDefect::WrongSecret => "wrong_secret",
            CredentialDefect::NotPublic => "client_not_public",
        }),
        IssueTokenError::Assertion(refusal) => {
            let answer = unauthenticated(match refusal {
                AssertionRefusal::UnknownType => "assertion_type_unknown",
                AssertionRefusal::OtherClientId => "other_client_id",
                AssertionRefusal::UnknownClient => "unknown_client",
                AssertionRefusal::WrongMethod => "wrong_method",
                AssertionRefusal::Invalid(_) => "assertion_invalid",
                AssertionRefusal::Signature(_) => "assertion_signature",
                AssertionRefusal::NotPublic => "client_not_public",
                AssertionRefusal::UsedBefore => "assertion_used_before",
            });
            match profile {
                Profile::Standard => answer,
                // K-05: upstream forbids a bad assertion.
                Profile::DropIn => Answer { status: StatusCode::FORBIDDEN, challenge: None, ..answer },
            }
        }
        IssueTokenError::Store(_) => store_unavailable(),
        IssueTokenError::Grant(refusal) => not_granted(*refusal, profile),
        IssueTokenError::Sign(SignError::TooLong(_)) => bad_request(
            "the token would be longer than gateways accept: ask for fewer claims, or have permissions removed",
            "token_too_long",
        ),
        IssueTokenError::Sign(SignError::Claims | SignError::OpenSsl) => {
            new(500, "server_error", "the token could not be signed: tell the operator", "signing_failed")
        }
    }
}

/// The one answer to every failed client authentication, byte for byte (X-401C).
fn unauthenticated(reason: &'static str) -> Answer {
    new(401, "invalid_client", AUTHENTICATION_FAILED, reason).challenging(BASIC_CHALLENGE)
}

fn not_granted(refusal: GrantRefusal, profile: Profile) -> Answer {
    let sentence = refusal.to_string();
    let target_status = match profile {
        Profile::Standard => 400,
        // Upstream contract §10.2.
        Profile::DropIn => 403,
    };
    match refusal {
        GrantRefusal::InvalidTarget => new(target_status, "invalid_target", sentence, "audience_not_granted"),
        // Ours alone: the service we replace knows no resources, so that both profiles follow RFC 8707 §2.
        GrantRefusal::ResourceMalformed => new(400, "invalid_target", sentence, "resource_malformed"),
        GrantRefusal::TooManyAudiences => {
            new(target_status, "invalid_target", sentence, "too_many_audiences")
        }
        GrantRefusal::AudienceRequired => bad_request(sentence, "audience_missing"),
        GrantRefusal::TooLarge => bad_request(sentence, "token_too_long"),
        GrantRefusal::Random(_) => new(503, "temporarily_unavailable", NO_RANDOMNESS, "random_unavailable"),
    }
}

fn describe_token(error: &DescribeTokenError) -> Answer {
    match error {
        DescribeTokenError::Rejected(_) => bad_token("token_invalid"),
        DescribeTokenError::KeysUnknown(_) => store_unavailable(),
    }
}

fn register_client(error: &RegisterClientError, profile: Profile) -> Answer {
    match error {
        RegisterClientError::Client(defect) => not_registered(defect.to_string(), "client_invalid", profile),
        // Ours, not the caller's.
        RegisterClientError::Key(KeyDefect::OpenSsl) => {
            new(503, "temporarily_unavailable", BUSY, "openssl_failed")
        }
        RegisterClientError::Key(defect) => not_registered(defect.to_string(), "key_refused", profile),
        RegisterClientError::Busy(_) => new(503, "temporarily_unavailable", BUSY, "busy"),
        RegisterClientError::OurKey => not_registered(error.to_string(), "key_is_ours", profile),
        RegisterClientError::Duplicate => {
            new(409, "conflict", "the client could not be made: send the request again", "duplicate")
        }
        RegisterClientError::Store(_) => store_unavailable(),
        RegisterClientError::Random(_) => {
            new(503, "temporarily_unavailable", NO_RANDOMNESS, "random_unavailable")
        }
    }
}

/// RFC 7591 §3.2.2; the service we replace answers every failed registration with 401 (upstream contract §1.1, K-05).
fn not_registered(sentence: impl Into<Cow<'static, str>>, reason: &'static str, profile: Profile) -> Answer {
    match profile {
        Profile::Standard => new(400, "invalid_client_metadata", sentence, reason),
        Profile::DropIn => {
            new(401, "invalid_client_metadata", sentence, reason).challenging(BEARER_CHALLENGE)
        }
    }
}

fn management_request(defect: ManagementRequestDefect) -> Answer {
    match defect {
        ManagementRequestDefect::Query(defect) => form(defect),
        ManagementRequestDefect::Limit => bad_request("limit must be a number from 1 to 1000", "limit"),
        ManagementRequestDefect::After => bad_request("after must be the next of the page before", "after"),
        ManagementRequestDefect::IfMatch => {
            bad_request("If-Match must be the ETag of the client, in quotes", "if_match")
        }
    }
}

fn administer_clients(error: &AdministerClientsError) -> Answer {
    match error {
        AdministerClientsError::Missing => new(404, "not_found", "no client has this id", "client_missing"),
        AdministerClientsError::Client(defect) => {
            new(400, "invalid_client_metadata", defect.to_string(), "client_invalid")
        }
        AdministerClientsError::OtherVersion => new(
            412,
            "precondition_failed",
            "the client has been changed meanwhile: read it again",
            "other_version",
        ),
        AdministerClientsError::Conflict => {
            new(409, "conflict", "the client is being changed by others: send the request again", "conflict")
        }
        AdministerClientsError::Store(_) => store_unavailable(),
    }
}

fn store_unavailable() -> Answer {
    new(503, "temporarily_unavailable", STORE_DOWN, STORE_UNAVAILABLE)
}

fn bad_request(sentence: impl Into<Cow<'static, str>>, reason: &'static str) -> Answer {
    new(400, "invalid_request", sentence, reason)
}

fn new(
    status: u16,
    code: &'static str,
    sentence: impl Into<Cow<'static, str>>,
    reason: &'static str,
) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        code,
        sentence: sentence.into(),
        challenge: None,
        reason,
    }
}

#[cfg(test)]
mod tests;

//! What every refusal looks like from outside: one exhaustive table of status, code, sentence and log word, for both
//! profiles. Internal detail goes to the log and nowhere else. Each file has the rows of one kind of request.

mod answer;
mod authentication;
mod bearer;
mod keys;
mod management;
mod registration;
mod request;
mod token;
mod token_state;

use actix_web::http::header::{ACCEPT_ENCODING, ALLOW, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse};
use common::{ErrorBody, Profile};
use service_kit::access_log::annotate;
use service_kit::bearer::BearerDefect;
use service_kit::body::BodyError;

use super::audit::{ReadAuditError, RecordError};
use super::bearer::WrongToken;
use super::json_body::JsonBodyDefect;
use super::keys::KeyRequestDefect;
use super::management_auth::MissingPermission;
use super::oauth::{ClientRequestDefect, TokenRequestDefect};
use super::query::ManagementRequestDefect;
use crate::Deps;
use crate::administer_client_keys::AdministerClientKeysError;
use crate::administer_clients::AdministerClientsError;
use crate::administer_keys::AdministerKeysError;
use crate::administer_secrets::AdministerSecretsError;
use crate::authenticate_client::AuthenticateClientError;
use crate::describe_token::DescribeTokenError;
use crate::introspect_token::IntrospectTokenError;
use crate::issue_token::IssueTokenError;
use crate::manage_registration::ManageRegistrationError;
use crate::rate_limit::LimitReached;
use crate::register_client::RegisterClientError;
use crate::registration_tokens::MakeTokenError;
use crate::revocations::TooManyReaders;
use crate::revoke_token::RevokeTokenError;
use crate::token_places::NoPlace;
use answer::{Answer, STORE_UNAVAILABLE, new, no_randomness, overloaded, store_unavailable};

pub(super) use authentication::TOO_MANY_WRONG_SECRETS;

/// Everything an endpoint may answer instead of what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("no such path")]
    NoSuchPath,
    #[error("no such method on this path")]
    MethodNotAllowed { allowed: String },
    #[error(transparent)]
    Overloaded(#[from] NoPlace),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    RegistrationBody(JsonBodyDefect),
    #[error("registration is closed")]
    RegistrationClosed,
    #[error(transparent)]
    ReplacementBody(JsonBodyDefect),
    #[error(transparent)]
    InitialTokenBody(JsonBodyDefect),
    #[error(transparent)]
    PatchBody(JsonBodyDefect),
    #[error(transparent)]
    Bearer(#[from] BearerDefect),
    #[error(transparent)]
    WrongToken(#[from] WrongToken),
    #[error(transparent)]
    TooManyWrongTokens(#[from] LimitReached),
    #[error(transparent)]
    MissingPermission(#[from] MissingPermission),
    #[error(transparent)]
    ClientRequest(#[from] ClientRequestDefect),
    #[error(transparent)]
    TokenRequest(#[from] TokenRequestDefect),
    #[error(transparent)]
    ManagementRequest(#[from] ManagementRequestDefect),
    #[error(transparent)]
    AuthenticateClient(#[from] AuthenticateClientError),
    #[error(transparent)]
    IssueToken(#[from] IssueTokenError),
    #[error(transparent)]
    DescribeToken(#[from] DescribeTokenError),
    #[error(transparent)]
    IntrospectToken(#[from] IntrospectTokenError),
    #[error(transparent)]
    RevokeToken(#[from] RevokeTokenError),
    #[error(transparent)]
    RevocationFeed(#[from] TooManyReaders),
    #[error(transparent)]
    RegisterClient(#[from] RegisterClientError),
    #[error(transparent)]
    ManageRegistration(#[from] ManageRegistrationError),
    #[error(transparent)]
    MakeToken(#[from] MakeTokenError),
    #[error(transparent)]
    AdministerClients(#[from] AdministerClientsError),
    #[error(transparent)]
    AdministerSecrets(AdministerSecretsError),
    #[error(transparent)]
    AdministerClientKeys(AdministerClientKeysError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    ReadAudit(#[from] ReadAuditError),
    #[error(transparent)]
    KeyBody(JsonBodyDefect),
    #[error(transparent)]
    KeyRequest(#[from] KeyRequestDefect),
    #[error(transparent)]
    AdministerKeys(#[from] AdministerKeysError),
}

impl Refusal {
    /// Whether the client that authenticated, or did not, exists.
    pub(super) fn is_of_a_known_client(&self) -> bool {
        match self {
            Self::AuthenticateClient(error)
            | Self::IssueToken(IssueTokenError::Authenticate(error))
            | Self::IntrospectToken(IntrospectTokenError::Authenticate(error))
            | Self::RevokeToken(RevokeTokenError::Authenticate(error)) => error.is_of_a_known_client(),
            Self::IssueToken(_) | Self::IntrospectToken(_) | Self::RevokeToken(_) | Self::Record(_) => true,
            // Whatever else is wrong is found before anybody is looked up.
            _ => false,
        }
    }
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

/// Whether what was refused may have been done all the same: nobody knows what became of a write.
pub(super) fn may_be_done(refusal: &Refusal) -> bool {
    reason(refusal) == STORE_UNAVAILABLE
}

/// `decision.reason` of the log line; the profiles agree on it.
pub(super) fn reason(refusal: &Refusal) -> &'static str {
    answer(refusal, Profile::Standard).reason
}

impl Answer {
    fn into_response(self, refusal: &Refusal) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((PRAGMA, "no-cache"));
        if let Some(challenge) = self.challenge {
            response.insert_header((WWW_AUTHENTICATE, &*challenge));
        }
        if let Refusal::MethodNotAllowed { allowed } = refusal {
            response.insert_header((ALLOW, allowed.as_str()));
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((RETRY_AFTER, seconds));
        }
        if matches!(refusal, Refusal::Body(BodyError::Encoded)) {
            // RFC 9110 §15.5.16.
            response.insert_header((ACCEPT_ENCODING, "identity"));
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
        Refusal::Overloaded(NoPlace) => overloaded(),
        Refusal::Body(defect) => request::body(*defect),
        Refusal::RegistrationBody(defect) => registration::registration_body(*defect, profile),
        Refusal::RegistrationClosed => registration::closed(),
        // Ours alone: the service we replace knows no such path, so that both profiles follow RFC 7592.
        Refusal::ReplacementBody(defect) => registration::registration_body(*defect, Profile::Standard),
        Refusal::InitialTokenBody(defect) => management::token_body(*defect),
        Refusal::PatchBody(defect) => management::patch_body(*defect),
        Refusal::Bearer(defect) => bearer::bearer(*defect),
        Refusal::WrongToken(WrongToken) => bearer::wrong_token(),
        Refusal::TooManyWrongTokens(reached) => bearer::too_many_wrong_tokens(*reached),
        Refusal::MissingPermission(MissingPermission(permission)) => bearer::missing_permission(permission),
        Refusal::ClientRequest(defect) => authentication::client_request(*defect, profile),
        Refusal::TokenRequest(defect) => token::token_request(*defect, profile),
        Refusal::ManagementRequest(defect) => management::management_request(*defect),
        Refusal::AuthenticateClient(error) => authentication::authenticate_client(error, profile),
        Refusal::IssueToken(error) => token::issue_token(error, profile),
        Refusal::DescribeToken(error) => bearer::describe_token(error),
        Refusal::IntrospectToken(error) => token_state::introspect_token(error, profile),
        Refusal::RevokeToken(error) => token_state::revoke_token(error, profile),
        Refusal::RevocationFeed(TooManyReaders) => new(
            503,
            "temporarily_unavailable",
            "too many readers follow the revocations already: come back later, or ask another replica",
            "too_many_readers",
        ),
        Refusal::RegisterClient(error) => registration::register_client(error, profile),
        Refusal::ManageRegistration(error) => registration::manage_registration(error),
        Refusal::MakeToken(error) => management::make_token(error),
        Refusal::AdministerClients(error) => management::administer_clients(error),
        Refusal::AdministerSecrets(error) => management::administer_secrets(error),
        Refusal::AdministerClientKeys(error) => management::administer_client_keys(error),
        Refusal::Record(RecordError::Store(_)) | Refusal::ReadAudit(_) => store_unavailable(),
        Refusal::Record(RecordError::Random(_)) => no_randomness(),
        Refusal::KeyBody(defect) => keys::body(*defect),
        Refusal::KeyRequest(defect) => keys::request(*defect),
        Refusal::AdministerKeys(error) => keys::administer_keys(error),
    }
}

#[cfg(test)]
mod tests;

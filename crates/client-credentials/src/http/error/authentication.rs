//! Clients that did not prove who they are, at any endpoint where they must.

use actix_web::http::StatusCode;
use common::Profile;
use credentials::assertion::AUTHENTICATION_FAILED;

use super::answer::{Answer, BASIC_CHALLENGE, bad_request, new, overloaded, store_unavailable, too_many};
use super::request::form;
use crate::authenticate_client::{AssertionRefusal, AuthenticateClientError, CredentialDefect};
use crate::client_keys::KeysUnknown;
use crate::http::oauth::ClientRequestDefect;
use crate::token_places::NoPlace;

const KEYS_NOT_FETCHED: &str = "the keys at the jwks_uri of the client cannot be had just now: check that it answers within 3 \
seconds with a key set, as application/json, and try again after as many seconds as Retry-After says";

const TOO_MANY_FETCHES: &str =
    "this service is fetching the keys of too many clients just now: send the request again a little later";

/// The log word of whoever is beyond the budget.
pub(in crate::http) const TOO_MANY_WRONG_SECRETS: &str = "too_many_wrong_secrets";
const SECRETS_BUSY: &str = "too many secrets are being checked: send the request again a little later";

pub(super) fn client_request(defect: ClientRequestDefect, profile: Profile) -> Answer {
    use ClientRequestDefect as Defect;
    match defect {
        Defect::NotAForm => bad_request(
            "send the parameters as application/x-www-form-urlencoded, with charset UTF-8 or none",
            "content_type",
        ),
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
    }
}

pub(super) fn authenticate_client(error: &AuthenticateClientError, profile: Profile) -> Answer {
    match error {
        AuthenticateClientError::Credential(defect) => unauthenticated(match defect {
            CredentialDefect::Missing => "credential_missing",
            CredentialDefect::Malformed => "credential_malformed",
            CredentialDefect::MethodNotOffered => "method_not_offered",
            CredentialDefect::OtherClientId => "other_client_id",
            CredentialDefect::UnknownClient => "unknown_client",
            CredentialDefect::WrongMethod => "wrong_method",
            CredentialDefect::WrongSecret => "wrong_secret",
            CredentialDefect::NotLookedAt => "secret_not_looked_at",
            CredentialDefect::NotPublic => "client_not_public",
        }),
        AuthenticateClientError::Assertion(refusal) => {
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
        AuthenticateClientError::KeysUnknown(KeysUnknown::NotFetched { retry_after_seconds }) => Answer {
            retry_after: Some(*retry_after_seconds),
            ..new(503, "temporarily_unavailable", KEYS_NOT_FETCHED, "client_keys_unknown")
        },
        AuthenticateClientError::KeysUnknown(KeysUnknown::TooManyFetches { retry_after_seconds }) => Answer {
            retry_after: Some(*retry_after_seconds),
            ..new(503, "temporarily_unavailable", TOO_MANY_FETCHES, "too_many_key_fetches")
        },
        AuthenticateClientError::NoPlace(NoPlace) => overloaded(),
        AuthenticateClientError::Busy(_) => new(503, "temporarily_unavailable", SECRETS_BUSY, "overloaded"),
        AuthenticateClientError::TooManyWrongSecrets { reached, .. } => too_many(
            "too many wrong secrets were sent: check client_id and client_secret, and wait before the next attempt",
            *reached,
            TOO_MANY_WRONG_SECRETS,
        ),
        AuthenticateClientError::Store(_) => store_unavailable(),
    }
}

/// The one answer to every failed client authentication, byte for byte (X-401C).
fn unauthenticated(reason: &'static str) -> Answer {
    new(401, "invalid_client", AUTHENTICATION_FAILED, reason).challenging(BASIC_CHALLENGE)
}

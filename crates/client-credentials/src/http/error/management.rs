//! Requests of operators that change or show nothing.

use common::Profile;
use credentials::client::ClientKeyDefect;

use super::answer::{Answer, bad_request, new, no_randomness, store_unavailable};
use super::registration;
use super::request::{NOT_AN_OBJECT, form};
use crate::administer_client_keys::AdministerClientKeysError;
use crate::administer_clients::{AdministerClientsError, Privileged};
use crate::administer_secrets::AdministerSecretsError;
use crate::http::json_body::JsonBodyDefect;
use crate::http::query::ManagementRequestDefect;
use crate::registration_tokens::MakeTokenError;

pub(super) fn patch_body(defect: JsonBodyDefect) -> Answer {
    match defect {
        JsonBodyDefect::ContentType => new(
            415,
            "invalid_request",
            "send the changes as application/merge-patch+json or application/json",
            "content_type",
        ),
        JsonBodyDefect::NotAnObject => bad_request(NOT_AN_OBJECT, "json_malformed"),
    }
}

pub(super) fn token_body(defect: JsonBodyDefect) -> Answer {
    match defect {
        JsonBodyDefect::ContentType => {
            new(415, "invalid_request", "send uses and expires_in as application/json", "content_type")
        }
        JsonBodyDefect::NotAnObject => bad_request(NOT_AN_OBJECT, "json_malformed"),
    }
}

pub(super) fn make_token(error: &MakeTokenError) -> Answer {
    match error {
        MakeTokenError::Member { .. } | MakeTokenError::UnknownMember => {
            bad_request(error.to_string(), "registration_token_request")
        }
        MakeTokenError::Store(_) => store_unavailable(),
        MakeTokenError::Random(_) => no_randomness(),
    }
}

pub(super) fn management_request(defect: ManagementRequestDefect) -> Answer {
    match defect {
        ManagementRequestDefect::Query(defect) => form(defect),
        ManagementRequestDefect::UnknownParameter(known) => bad_request(
            format!(
                "the query has a parameter that this path does not know: it takes {}",
                known.join(", ").replace("metadata.", "metadata.NAME")
            ),
            "parameter_unknown",
        ),
        ManagementRequestDefect::Empty(name) => bad_request(
            format!("the parameter {name} is empty: give it a value, or leave it out")
                .replace("metadata.", "metadata.NAME"),
            "parameter_empty",
        ),
        ManagementRequestDefect::Value { name, allowed } => {
            bad_request(format!("{name} must be {allowed}"), "parameter_value")
        }
        ManagementRequestDefect::UnknownMember(known) => bad_request(
            format!("the body has a member that this path does not know: it takes {known}"),
            "member_unknown",
        ),
        ManagementRequestDefect::Limit => bad_request("limit must be a number from 1 to 1000", "limit"),
        ManagementRequestDefect::After => bad_request("after must be the next of the page before", "after"),
        ManagementRequestDefect::IfMatch => {
            bad_request("If-Match must be ETags of the client, each in quotes, or *", "if_match")
        }
    }
}

/// A permission to write clients must not be a way to every other permission.
pub(super) fn privileged() -> Answer {
    new(
        403,
        "access_denied",
        "a client with gettone: permissions is changed by those who have them: use the bootstrap token",
        "privileged_client",
    )
}

pub(super) fn administer_clients(error: &AdministerClientsError) -> Answer {
    match error {
        AdministerClientsError::Missing => new(404, "not_found", "no client has this id", "client_missing"),
        AdministerClientsError::Client(defect) => {
            new(400, "invalid_client_metadata", defect.to_string(), "client_invalid")
        }
        AdministerClientsError::Privileged(Privileged) => privileged(),
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

pub(super) fn administer_client_keys(error: &AdministerClientKeysError) -> Answer {
    use ClientKeyDefect as Defect;
    match error {
        AdministerClientKeysError::Client(error) => administer_clients(error),
        // Operators are told as the RFCs say, in both profiles.
        AdministerClientKeysError::Keys(error) => registration::keys(error, Profile::Standard),
        AdministerClientKeysError::Key(defect) => {
            let (status, code, reason) = match defect {
                Defect::NoKeyMethod => (400, "invalid_request", "no_key_method"),
                Defect::PublishedElsewhere => (409, "conflict", "keys_at_jwks_uri"),
                Defect::SameKid => (409, "conflict", "same_kid"),
                Defect::TooMany => (409, "conflict", "too_many_keys"),
                Defect::Missing => (404, "not_found", "client_key_missing"),
                Defect::Last => (409, "conflict", "last_key"),
            };
            new(status, code, defect.to_string(), reason)
        }
    }
}

pub(super) fn administer_secrets(error: &AdministerSecretsError) -> Answer {
    use AdministerSecretsError as Error;
    match error {
        Error::Client(error) => administer_clients(error),
        Error::NoSecretMethod => {
            bad_request("the client authenticates with a key: it has no use for a secret", "no_secret_method")
        }
        Error::Missing => new(404, "not_found", "no secret of the client has this id", "secret_missing"),
        Error::TooMany => new(
            409,
            "conflict",
            "the client has 5 live secrets: remove one, or send graceSeconds 0",
            "too_many_secrets",
        ),
        Error::Last => new(
            409,
            "conflict",
            "it is the last live secret of the client: make another one first, or add ?force=true",
            "last_secret",
        ),
        Error::Random(_) => no_randomness(),
    }
}

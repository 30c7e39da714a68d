//! Registrations that make no client (RFC 7591 §3.2.2).

use std::borrow::Cow;

use common::Profile;
use credentials::client::ClientDefect;
use jose::KeyDefect;

use super::answer::{Answer, BEARER_CHALLENGE, new, no_randomness, store_unavailable, too_many};
use super::bearer::bad_token;
use super::management::{administer_clients, privileged};
use super::request::NOT_AN_OBJECT;
use crate::client_keys::RegisterKeysError;
use crate::http::json_body::JsonBodyDefect;
use crate::manage_registration::ManageRegistrationError;
use crate::rate_limit::LimitReached;
use crate::register_client::RegisterClientError;
use crate::registration_tokens::AdmissionError;

const BUSY: &str = "the key cannot be checked just now: send the request again a little later";

pub(super) fn registration_body(defect: JsonBodyDefect, profile: Profile) -> Answer {
    match defect {
        JsonBodyDefect::ContentType => {
            not_registered("send the client as application/json", "content_type", profile)
        }
        JsonBodyDefect::NotAnObject => not_registered(NOT_AN_OBJECT, "json_malformed", profile),
    }
}

pub(super) fn register_client(error: &RegisterClientError, profile: Profile) -> Answer {
    match error {
        RegisterClientError::Client(defect) => client(defect, profile),
        RegisterClientError::Privileged(_) => privileged(),
        RegisterClientError::Keys(error) => keys(error, profile),
        RegisterClientError::Admission(error) => admission(error),
        RegisterClientError::TooMany(reached) => too_many_registrations(*reached),
        RegisterClientError::Duplicate => {
            new(409, "conflict", "the client could not be made: send the request again", "duplicate")
        }
        RegisterClientError::Taken => new(
            409,
            "conflict",
            "a client with this client_id is there already: nothing was changed",
            "client_taken",
        ),
        RegisterClientError::Store(_) => store_unavailable(),
        RegisterClientError::Random(_) => no_randomness(),
    }
}

fn too_many_registrations(reached: LimitReached) -> Answer {
    let sentence = "too many clients are being registered: wait before the next one";
    too_many(sentence, reached, "too_many_registrations")
}

pub(super) fn closed() -> Answer {
    new(
        403,
        "access_denied",
        "registration is closed here: ask an operator for a client",
        "registration_closed",
    )
}

/// RFC 7591 §3.2.2: like any bearer token that does not do.
fn admission(error: &AdmissionError) -> Answer {
    match error {
        AdmissionError::WrongToken => bad_token("initial_token_wrong"),
        AdmissionError::UsedUp => bad_token("initial_token_used_up"),
        AdmissionError::Store(_) => store_unavailable(),
    }
}

pub(super) fn manage_registration(error: &ManageRegistrationError) -> Answer {
    match error {
        ManageRegistrationError::NotTheHolder => bad_token("registration_token_wrong"),
        ManageRegistrationError::TooMany(reached) => too_many_registrations(*reached),
        ManageRegistrationError::Client(defect) => client(defect, Profile::Standard),
        ManageRegistrationError::Keys(error) => keys(error, Profile::Standard),
        ManageRegistrationError::Conflict => {
            new(409, "conflict", "the client has been changed meanwhile: read it again", "conflict")
        }
        ManageRegistrationError::Remove(error) => administer_clients(error),
        ManageRegistrationError::Store(_) => store_unavailable(),
    }
}

/// Some mistakes have a code of their own (RFC 7591 §3.2.2).
fn client(defect: &ClientDefect, profile: Profile) -> Answer {
    let answer = not_registered(defect.to_string(), "client_invalid", profile);
    let code = match defect {
        ClientDefect::RedirectUris => "invalid_redirect_uri",
        ClientDefect::SoftwareStatementInvalid => "invalid_software_statement",
        ClientDefect::SoftwareStatementUnapproved => "unapproved_software_statement",
        _ => answer.code,
    };
    Answer { code, ..answer }
}

pub(super) fn keys(error: &RegisterKeysError, profile: Profile) -> Answer {
    match error {
        // Ours, not the caller's.
        RegisterKeysError::Key { defect: KeyDefect::OpenSsl, .. } => {
            new(503, "temporarily_unavailable", BUSY, "openssl_failed")
        }
        RegisterKeysError::Busy(_) => new(503, "temporarily_unavailable", BUSY, "busy"),
        RegisterKeysError::OurKey => not_registered(error.to_string(), "key_is_ours", profile),
        RegisterKeysError::Key { .. }
        | RegisterKeysError::SameKid
        | RegisterKeysError::NoKeyOfAlgorithm
        | RegisterKeysError::Uri(_) => not_registered(error.to_string(), "key_refused", profile),
        RegisterKeysError::Store(_) => store_unavailable(),
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

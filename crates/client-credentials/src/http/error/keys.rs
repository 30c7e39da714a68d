//! Requests of operators about signing keys that change or show nothing.

use credentials::key::ring::RefusedStep;
use jose::SealError;

use super::answer::{Answer, bad_request, new, no_randomness, store_unavailable};
use super::request::NOT_AN_OBJECT;
use crate::administer_keys::AdministerKeysError;
use crate::http::json_body::JsonBodyDefect;
use crate::http::keys::KeyRequestDefect;
use crate::signing_keys::KeyStepError;

pub(super) fn body(defect: JsonBodyDefect) -> Answer {
    match defect {
        JsonBodyDefect::ContentType => {
            new(415, "invalid_request", "send the request as application/json", "content_type")
        }
        JsonBodyDefect::NotAnObject => bad_request(NOT_AN_OBJECT, "json_malformed"),
    }
}

pub(super) fn request(defect: KeyRequestDefect) -> Answer {
    match defect {
        KeyRequestDefect::Algorithm => {
            bad_request("algorithm must be RS256, PS256, ES256 or EdDSA", "key_algorithm")
        }
        KeyRequestDefect::Immediately => bad_request("immediately must be true or false", "key_immediately"),
        KeyRequestDefect::UnknownMember => {
            bad_request("the body has a member that means nothing here", "key_member_unknown")
        }
    }
}

pub(super) fn administer_keys(error: &AdministerKeysError) -> Answer {
    match error {
        AdministerKeysError::NotShared => new(
            409,
            "conflict",
            "each replica signs with a key file of its own here: set SIGNING_KEYS_ENCRYPTION_KEY on all of them to keep \
             keys in the store",
            "keys_not_shared",
        ),
        AdministerKeysError::OwnKey => new(
            409,
            "conflict",
            "this replica signs with the key, and would publish it again: give it another key file first",
            "key_is_own",
        ),
        AdministerKeysError::Step(error) => step(error),
    }
}

fn step(error: &KeyStepError) -> Answer {
    match error {
        KeyStepError::Refused(refused @ RefusedStep::Unknown) => {
            new(404, "not_found", refused.to_string(), "key_missing")
        }
        KeyStepError::Refused(refused) => new(409, "conflict", refused.to_string(), "key_step_refused"),
        KeyStepError::Conflict => {
            new(409, "conflict", "the keys are being changed by others: send the request again", "conflict")
        }
        KeyStepError::Store(_) => store_unavailable(),
        KeyStepError::NotSealed(SealError::Random(_)) => no_randomness(),
        KeyStepError::NotMade(_) | KeyStepError::NotSealed(SealError::OpenSsl) => {
            new(500, "server_error", "the key could not be made: tell the operator", "key_not_made")
        }
    }
}

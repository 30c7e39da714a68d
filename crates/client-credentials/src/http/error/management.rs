//! Requests of operators that change or show nothing.

use super::answer::{Answer, bad_request, new, no_randomness, store_unavailable};
use super::request::{NOT_AN_OBJECT, form};
use crate::administer_clients::AdministerClientsError;
use crate::http::clients::ManagementRequestDefect;
use crate::http::json_body::JsonBodyDefect;
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
        ManagementRequestDefect::Limit => bad_request("limit must be a number from 1 to 1000", "limit"),
        ManagementRequestDefect::After => bad_request("after must be the next of the page before", "after"),
        ManagementRequestDefect::IfMatch => {
            bad_request("If-Match must be the ETag of the client, in quotes", "if_match")
        }
    }
}

pub(super) fn administer_clients(error: &AdministerClientsError) -> Answer {
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

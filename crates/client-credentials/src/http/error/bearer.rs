//! Bearer tokens that are missing, wrong or not valid any more (RFC 6750 §3.1).

use service_kit::bearer::BearerDefect;

use super::answer::{
    Answer, BEARER_CHALLENGE, BEARER_CHALLENGE_BAD_REQUEST, BEARER_CHALLENGE_BAD_TOKEN, new,
    store_unavailable, too_many,
};
use crate::describe_token::DescribeTokenError;
use crate::rate_limit::LimitReached;

pub(super) fn bearer(defect: BearerDefect) -> Answer {
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
    }
}

pub(super) fn wrong_token() -> Answer {
    bad_token("token_wrong")
}

pub(super) fn too_many_wrong_tokens(reached: LimitReached) -> Answer {
    too_many(
        "too many wrong tokens came from where you are: wait before the next one; the right one is good at any time",
        reached,
        "too_many_wrong_tokens",
    )
}

/// The token is good and not enough (C-6750-05). `permission` is one of our own words: it needs no escape.
pub(super) fn missing_permission(permission: &'static str) -> Answer {
    new(
        403,
        "insufficient_scope",
        format!(
            "the token, or its client by now, has not the permission {permission}: ask an operator to give it to the \
             client, then get a new token"
        ),
        "permission_missing",
    )
    .challenging(format!("{BEARER_CHALLENGE}, error=\"insufficient_scope\", scope=\"{permission}\""))
}

pub(super) fn bad_token(reason: &'static str) -> Answer {
    new(
        401,
        "invalid_token",
        "the token is not valid here, or has expired: get a new one, for an audience that is accepted here",
        reason,
    )
    .challenging(BEARER_CHALLENGE_BAD_TOKEN)
}

pub(super) fn describe_token(error: &DescribeTokenError) -> Answer {
    match error {
        DescribeTokenError::Rejected(_) => bad_token("token_invalid"),
        DescribeTokenError::Revoked => bad_token("token_revoked"),
        DescribeTokenError::KeysUnknown(_) => store_unavailable(),
        DescribeTokenError::RevocationUnknown => new(
            503,
            "temporarily_unavailable",
            "it cannot be known just now whether the token has been revoked: try again in a few seconds",
            "revocation_unknown",
        ),
    }
}

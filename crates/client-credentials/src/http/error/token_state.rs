//! Questions about tokens, and revocations, that were not answered or done.

use common::Profile;

use super::answer::{Answer, bad_request, new, store_unavailable};
use super::authentication::authenticate_client;
use super::bearer::describe_token;
use crate::introspect_token::IntrospectTokenError;
use crate::revocations::RevokeError;
use crate::revoke_token::RevokeTokenError;

pub(super) fn introspect_token(error: &IntrospectTokenError, profile: Profile) -> Answer {
    match error {
        IntrospectTokenError::Authenticate(error) => authenticate_client(error, profile),
        IntrospectTokenError::TokenMissing => token_missing(),
        IntrospectTokenError::CannotKnow(error) => describe_token(error),
        IntrospectTokenError::Store(_) => store_unavailable(),
    }
}

pub(super) fn revoke_token(error: &RevokeTokenError, profile: Profile) -> Answer {
    match error {
        RevokeTokenError::Authenticate(error) => authenticate_client(error, profile),
        RevokeTokenError::TokenMissing => token_missing(),
        // Conformance O-3: a strict reading of RFC 7009 §2.1.
        RevokeTokenError::NotTheirs => new(
            400,
            "unauthorized_client",
            "the token was issued to another client: it was not revoked",
            "token_of_another_client",
        ),
        RevokeTokenError::KeysUnknown(_) | RevokeTokenError::Revoke(RevokeError::Store(_)) => {
            store_unavailable()
        }
        RevokeTokenError::Revoke(RevokeError::Full) => new(
            503,
            "temporarily_unavailable",
            "too many tokens are revoked already: the token is still good, ask the operator to revoke all of the client",
            "too_many_revoked_tokens",
        ),
    }
}

fn token_missing() -> Answer {
    bad_request("token is missing: send token=<the token>", "token_missing")
}

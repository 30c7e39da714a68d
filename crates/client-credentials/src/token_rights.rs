//! Which tokens a client may ask about, and revoke: its own, and those of others by a permission that only an operator can
//! give (RFC 7662 §4, RFC 7009 §2.1).

use common::AccessTokenClaims;
use credentials::access_token;
use credentials::client::Client;

/// Ask about tokens of other clients.
const INTROSPECT: &str = "gettone:tokens:introspect";
/// Revoke tokens of other clients.
const REVOKE: &str = "gettone:tokens:revoke";

/// Whether `client` may know about the token. One of another client must be for an audience that this service accepts, or
/// for the asking client: its id, or one of its audiences (C-7662-04).
pub(crate) fn may_introspect(
    client: &Client,
    claims: &AccessTokenClaims,
    accepted_audiences: &[String],
) -> bool {
    let is_for_client = |audience: &str| {
        audience == client.id.as_str()
            || client.audience.iter().chain(accepted_audiences).any(|accepted| accepted == audience)
    };
    owns(client, claims) || has(client, INTROSPECT) && access_token::is_for(claims, is_for_client)
}

/// Whether `client` may revoke the token.
pub(crate) fn may_revoke(client: &Client, claims: &AccessTokenClaims) -> bool {
    owns(client, claims) || has(client, REVOKE)
}

fn owns(client: &Client, claims: &AccessTokenClaims) -> bool {
    claims.sub == client.id.as_str()
}

fn has(client: &Client, permission: &str) -> bool {
    client.permissions.iter().any(|given| given == permission)
}

//! Token requests that got no token.

use common::Profile;
use credentials::grant::GrantRefusal;
use jose::SignError;

use super::answer::{Answer, bad_request, new, no_randomness};
use super::authentication::{authenticate_client, client_request};
use crate::http::oauth::TokenRequestDefect;
use crate::issue_token::IssueTokenError;

pub(super) fn token_request(defect: TokenRequestDefect, profile: Profile) -> Answer {
    use TokenRequestDefect as Defect;
    match defect {
        Defect::Client(defect) => client_request(defect, profile),
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

pub(super) fn issue_token(error: &IssueTokenError, profile: Profile) -> Answer {
    match error {
        IssueTokenError::Authenticate(error) => authenticate_client(error, profile),
        IssueTokenError::Grant(refusal) => not_granted(*refusal, profile),
        IssueTokenError::Sign(SignError::TooLong(_)) => bad_request(
            "the token would be longer than gateways accept: ask for fewer claims, or have permissions removed",
            "token_too_long",
        ),
        IssueTokenError::Sign(SignError::Claims | SignError::OpenSsl) => {
            new(500, "server_error", "the token could not be signed: tell the operator", "signing_failed")
        }
        IssueTokenError::NoSigner(_) => new(
            503,
            "temporarily_unavailable",
            "the service cannot read its signing key: tell the operator",
            "signing_key_unreadable",
        ),
    }
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
        GrantRefusal::InvalidScope => new(400, "invalid_scope", sentence, "scope_not_granted"),
        GrantRefusal::AudienceRequired => bad_request(sentence, "audience_missing"),
        GrantRefusal::TooLarge => bad_request(sentence, "token_too_long"),
        GrantRefusal::Random(_) => no_randomness(),
    }
}

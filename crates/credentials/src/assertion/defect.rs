//! What can be wrong with an assertion: in detail for the log, in one sentence for the caller.

use crate::jws::JwsDefect;

/// The one public sentence for every failed client authentication, whatever failed (C-7523-15, T-TIM-03).
pub const AUTHENTICATION_FAILED: &str = "client authentication failed: check the client id and its credentials, or, \
for an assertion, its key, claims and lifetime and that it was not used before";

/// Why an assertion is not valid. The text is for the log; the caller gets [`AUTHENTICATION_FAILED`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssertionDefect {
    #[error("the assertion is malformed: {0}")]
    Malformed(#[from] JwsDefect),
    #[error("the typ of the assertion is that of another kind of token")]
    Type,
    #[error("iss and sub of the assertion are not both the client id")]
    Client,
    #[error("the audience of the assertion is not exactly the issuer")]
    Audience,
    #[error("the assertion has no exp")]
    ExpiryMissing,
    #[error("exp, nbf or iat of the assertion is not a number of seconds")]
    TimeType,
    #[error("the assertion has expired")]
    Expired,
    #[error("the assertion is valid for too long")]
    LifetimeTooLong,
    #[error("the assertion was issued in the future")]
    IssuedInTheFuture,
    #[error("the assertion is not valid yet")]
    NotYetValid,
    #[error("the jti of the assertion is not a string of 1 to 256 bytes without control characters")]
    Jti,
    #[error("requested_audiences is neither a string nor an array of strings")]
    RequestedAudiences,
    #[error("the assertion has a custom claim that the client may not use")]
    CustomClaimNotAllowed,
    #[error("the custom claims of the assertion are too long")]
    CustomClaimsTooLong,
}

impl AssertionDefect {
    /// Whether another client might have been allowed what this one was refused. Whoever hides which clients exist must
    /// let such a refusal take as long as a good assertion (T-TIM-01).
    #[must_use]
    pub const fn depends_on_client(self) -> bool {
        matches!(self, Self::CustomClaimNotAllowed | Self::CustomClaimsTooLong)
    }
}

//! Why an access token was refused here. For our log; callers learn only that it was.

use jose::{AccessTokenRejection, SignatureDefect, TokenDefect};

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenFault {
    #[error("it is no token of the issuer, and there is no userinfo to ask about it")]
    Foreign,
    #[error("its typ is not that of an access token, and there is no userinfo to ask about it")]
    Type,
    #[error("it names no key")]
    NoKey,
    #[error("it names a key that the issuer does not have")]
    UnknownKey,
    #[error("its alg is not the one of its key")]
    Algorithm,
    #[error("its signature does not match")]
    Signature,
    #[error("a claim is missing or has a wrong type")]
    Claims,
    #[error("it is for another audience")]
    Audience,
    #[error("it is not valid yet")]
    NotYetValid,
    #[error("it says that it was issued later than now")]
    IssuedLater,
    #[error("it has expired")]
    Expired,
    #[error("it has been revoked")]
    Revoked,
}

impl From<AccessTokenRejection> for TokenFault {
    fn from(rejection: AccessTokenRejection) -> Self {
        match rejection {
            AccessTokenRejection::Malformed(_) => Self::Foreign,
            AccessTokenRejection::Signature(defect) => match defect {
                SignatureDefect::KidMissing => Self::NoKey,
                SignatureDefect::UnknownKey => Self::UnknownKey,
                SignatureDefect::Algorithm => Self::Algorithm,
                SignatureDefect::Kid
                | SignatureDefect::Length
                | SignatureDefect::Mismatch
                | SignatureDefect::Key(_) => Self::Signature,
            },
            AccessTokenRejection::Claims(defect) => match defect {
                TokenDefect::Type => Self::Type,
                TokenDefect::Issuer => Self::Foreign,
                TokenDefect::Claims => Self::Claims,
                TokenDefect::Audience => Self::Audience,
                TokenDefect::NotYetValid => Self::NotYetValid,
                TokenDefect::Expired => Self::Expired,
            },
        }
    }
}

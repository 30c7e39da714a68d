//! Why a request is denied: every reason there is, in one list. What a reason is answered with is not known here.

use access_rules::DenyReason;

use super::facts::ClientTypeUnclear;
use super::question::Unclear;
use principal::Unsendable;

/// Why a request is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denial {
    #[error("the call does not come from the gateway")]
    UntrustedPeer,
    #[error(transparent)]
    OriginalRequest(#[from] Unclear),
    #[error(transparent)]
    ClientType(#[from] ClientTypeUnclear),
    #[error(transparent)]
    Rules(#[from] DenyReason),
    #[error(transparent)]
    Identity(#[from] Unsendable),
}

impl Denial {
    /// Every [`Self::word`].
    pub(crate) const WORDS: [&str; 10] = [
        "untrusted_peer",
        "original_request_unclear",
        "client_type_unclear",
        "path_refused",
        "no_rule",
        "unauthenticated",
        "forbidden",
        "expression_error",
        "cannot_know",
        "identity_unsendable",
    ];

    /// One word for filters and counters (`docs/logging.md`).
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::UntrustedPeer => "untrusted_peer",
            Self::OriginalRequest(_) => "original_request_unclear",
            Self::ClientType(_) => "client_type_unclear",
            Self::Rules(DenyReason::PathRefused(_)) => "path_refused",
            Self::Rules(DenyReason::NoRule) => "no_rule",
            Self::Rules(DenyReason::Unauthenticated) => "unauthenticated",
            Self::Rules(DenyReason::Forbidden) => "forbidden",
            Self::Rules(DenyReason::ExpressionError { .. }) => "expression_error",
            Self::Rules(DenyReason::CannotKnow) => "cannot_know",
            Self::Identity(_) => "identity_unsendable",
        }
    }
}

//! The signature algorithms we know (RFC 7518 §3.1, RFC 8037 §3.1): an allow-list. No `none`, no HMAC, no SHA-1, no
//! `ES256K`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A signature algorithm. One key is used with one algorithm (RFC 8725 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "ES384")]
    Es384,
    #[serde(rename = "ES512")]
    Es512,
    /// With Ed25519 only.
    #[serde(rename = "EdDSA")]
    EdDsa,
    #[serde(rename = "PS256")]
    Ps256,
    #[serde(rename = "PS384")]
    Ps384,
    #[serde(rename = "PS512")]
    Ps512,
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "RS384")]
    Rs384,
    #[serde(rename = "RS512")]
    Rs512,
}

impl Algorithm {
    /// Every algorithm a client may sign with.
    pub const ALL: [Self; 10] = [
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
    ];

    /// Every algorithm we sign access tokens with: one of each kind, the one that verifiers know best.
    pub const OF_ACCESS_TOKENS: [Self; 4] = [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    /// The younger name of [`Self::EdDsa`] with Ed25519 (RFC 9864 §2.2). Some libraries write nothing else.
    const ED25519: &str = "Ed25519";

    /// Every name an `alg` of a client may have. Of two for one algorithm, the one that says more comes first.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        let names = |algorithm: Self| match algorithm {
            Self::EdDsa => vec![Self::ED25519, algorithm.name()],
            _ => vec![algorithm.name()],
        };
        Self::ALL.into_iter().flat_map(names).collect()
    }

    /// The algorithm of this name, compared byte for byte (C-8725-02).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name == Self::ED25519 {
            return Some(Self::EdDsa);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Whether it is one of the six for RSA keys: for them, the key alone does not say which.
    #[must_use]
    pub const fn is_rsa(self) -> bool {
        match self {
            Self::Ps256 | Self::Ps384 | Self::Ps512 | Self::Rs256 | Self::Rs384 | Self::Rs512 => true,
            Self::Es256 | Self::Es384 | Self::Es512 | Self::EdDsa => false,
        }
    }

    /// The `alg` value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Algorithm;

    #[test]
    fn c_8725_02_a_name_is_read_as_it_is_written_and_in_no_other_way() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::named(algorithm.name()), Some(algorithm));
            assert_eq!(json!(algorithm), algorithm.name());
            assert_eq!(serde_json::from_value::<Algorithm>(json!(algorithm.name())).unwrap(), algorithm);
        }
        for name in
            ["", "none", "HS256", "rs256", "EDDSA", "ed25519", "Ed448", "ES256K", "RS1", "RSA256", "RS256 "]
        {
            assert_eq!(Algorithm::named(name), None, "{name}");
        }
        assert_eq!(Algorithm::named("Ed25519"), Some(Algorithm::EdDsa), "RFC 9864");
        assert!(Algorithm::names().into_iter().all(|name| Algorithm::named(name).is_some()));
    }
}

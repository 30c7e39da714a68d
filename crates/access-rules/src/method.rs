//! The verbs a rule can name. Verbs are case-sensitive (RFC 9110 §9.1); one that is not here has no rule.

use std::fmt;

/// A verb that a rule can govern (upstream contract §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Head,
    Options,
}

impl Method {
    /// All verbs, in the order in which messages list them.
    pub const ALL: [Self; 7] =
        [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Head, Self::Options];

    /// The verb with exactly this spelling. `TRACE`, `CONNECT`, `get` and every other token are `None`: no rule,
    /// not even `ALL`, governs them (G-METH-02, G-METH-03, G-METH-07).
    #[must_use]
    pub fn from_token(token: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str().as_bytes() == token)
    }

    /// The verb as it stands in a request line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The verb entry of a rule in the file: one verb, or `ALL`, which covers every [`Method`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VerbEntry {
    All,
    Only(Method),
}

impl VerbEntry {
    /// The entry with exactly this spelling in the file.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        if key == "ALL" { Some(Self::All) } else { Method::from_token(key.as_bytes()).map(Self::Only) }
    }
}

impl fmt::Display for VerbEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("ALL"),
            Self::Only(method) => method.fmt(f),
        }
    }
}

//! Who a request is, after userinfo.

use indexmap::IndexSet;
use serde_json::{Map, Value};

/// Distinct names in the order they were given; membership does not slow down with their number.
pub type NameSet = IndexSet<String>;

/// The caller of a request, as the userinfo answer describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Principal {
    /// Never empty: an answer without an id describes nobody.
    pub id: String,
    pub groups: NameSet,
    pub permissions: NameSet,
    /// The members of the userinfo answer that services are told, chosen by `USER_PROPERTIES_TO_PROXY`, in its order. No rule asks
    /// for them.
    pub properties: Map<String, Value>,
}

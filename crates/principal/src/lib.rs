//! Who a request is: read from the answer of userinfo, and told to the services behind the gateway as headers. What a
//! stranger can write into either is dealt with here. Pure: it knows no network, no status and no rule.

mod description;
mod identity_headers;

pub use description::{NoPrincipal, Reading, of_json, of_members, permissions, split_groups};
pub use identity_headers::{IdentityHeaders, MAX_HEADER, Unsendable};

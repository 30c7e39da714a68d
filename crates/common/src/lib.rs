//! What both services share and nothing else: the claims of an access token, the principal, the header names of
//! the platform, error bodies, the clock. No I/O, and nothing that only one of the two services needs.

mod claims;
mod clock;
mod error_body;
pub mod headers;
mod principal;
mod profile;
pub mod strict_json;

pub use claims::AccessTokenClaims;
pub use clock::{Clock, Timestamp};
pub use error_body::ErrorBody;
pub use principal::{NameSet, Principal};
pub use profile::Profile;

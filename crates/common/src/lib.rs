//! The words that the two services must agree on: the claims of an access token and the principal they become, the
//! header names of the platform, error bodies, the profile, the clock, what is revoked, and JSON with one reading. No I/O.

mod claims;
mod clock;
mod error_body;
pub mod headers;
mod principal;
mod profile;
mod random;
pub mod revocation;
pub mod strict_json;

pub use claims::AccessTokenClaims;
pub use clock::{Clock, Timestamp};
pub use error_body::ErrorBody;
pub use principal::{NameSet, Principal};
pub use profile::Profile;
pub use random::{Random, RandomError};

//! The OAuth endpoints.

mod client_request;
pub mod introspect;
mod places;
mod presented_credential;
pub mod revoke;
pub mod token;

pub use client_request::ClientRequestDefect;
pub use places::TokenPlaces;
pub use token::TokenRequestDefect;

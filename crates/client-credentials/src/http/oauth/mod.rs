//! The OAuth endpoints.

mod client_request;
mod places;
mod presented_credential;
pub mod token;

pub use client_request::ClientRequestDefect;
pub use places::TokenPlaces;
pub use token::TokenRequestDefect;

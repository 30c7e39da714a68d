//! The OAuth endpoints.

mod client_request;
pub mod introspect;
mod presented_credential;
pub mod revoke;
pub mod token;

pub use client_request::ClientRequestDefect;
pub use token::TokenRequestDefect;

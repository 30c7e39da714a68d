//! The OAuth endpoints.

mod client_request;
mod presented_credential;
pub mod token;

pub use client_request::ClientRequestDefect;
pub use token::TokenRequestDefect;

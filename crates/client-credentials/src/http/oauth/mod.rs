//! The OAuth endpoints.

mod presented_credential;
pub mod token;

pub use token::TokenRequestDefect;

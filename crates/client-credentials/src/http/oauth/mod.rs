//! The OAuth endpoints.

mod form;
mod presented_credential;
pub mod token;

pub use token::TokenRequestDefect;

//! The wire of the service: the decision route and nothing else but status routes. Only this module knows HTTP
//! requests and answers.

pub(crate) mod answer;
pub(crate) mod auth;
pub(crate) mod facts;
pub(crate) mod identity;
pub(crate) mod original_request;
pub(crate) mod peer;

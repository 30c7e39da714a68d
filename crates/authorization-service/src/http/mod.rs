//! The HTTP face: the decision route and nothing else but status routes. Only this module knows HTTP requests and
//! answers.

pub(crate) mod auth;
pub(crate) mod management;
pub(crate) mod original_request;

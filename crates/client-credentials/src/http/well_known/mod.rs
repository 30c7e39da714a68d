//! What strangers may know about this service.

pub mod jwks;
pub mod openid_configuration;

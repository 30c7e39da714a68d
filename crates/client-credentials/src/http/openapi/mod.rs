//! `GET /-/openapi.json`: what each listener serves, in OpenAPI 3.1. People write the parts, beside this file, one for each
//! group of endpoints; a test compares them with the tables of endpoints, and every answer in the tests with them.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use common::Profile;
use service_kit::openapi::Document;

use crate::Deps;

const PUBLIC: [&str; 6] = [
    include_str!("public.json"),
    include_str!("errors.json"),
    include_str!("client.json"),
    include_str!("register.json"),
    include_str!("oauth.json"),
    include_str!("well_known.json"),
];

const PUBLIC_IN_DROP_IN: [&str; 2] =
    [include_str!("clients_post.json"), include_str!("clients_in_drop_in.json")];

const MANAGEMENT: [&str; 11] = [
    include_str!("management.json"),
    include_str!("errors.json"),
    include_str!("client.json"),
    include_str!("clients_post.json"),
    include_str!("clients.json"),
    include_str!("secrets.json"),
    include_str!("client_keys.json"),
    include_str!("registration_tokens.json"),
    include_str!("keys.json"),
    include_str!("audit.json"),
    include_str!("revocations.json"),
];

/// The documents of both listeners.
#[derive(Debug)]
pub struct Documents {
    pub public: Document,
    pub management: Document,
}

impl Documents {
    /// What a service of this version and profile serves, on the public listener below `prefix`.
    ///
    /// # Errors
    /// If a part is not JSON, which no caller can change.
    pub fn compose(version: &str, prefix: &str, profile: Profile) -> Result<Self, serde_json::Error> {
        let mut public = PUBLIC.to_vec();
        if profile == Profile::DropIn {
            public.extend(PUBLIC_IN_DROP_IN);
        }
        Ok(Self {
            public: Document::compose(&public, version, prefix, profile)?,
            management: Document::compose(&MANAGEMENT, version, "", profile)?,
        })
    }
}

/// Answers the document of the public listener.
pub async fn public(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    deps.documents.public.answer(&request)
}

/// Answers the document of the management listener.
pub async fn management(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    deps.documents.management.answer(&request)
}

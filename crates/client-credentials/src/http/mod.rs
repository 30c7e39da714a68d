//! HTTP in and out. Two listeners: the public one, and the one for management, where every route wants a token. An
//! endpoint exists by being in a table below; paths match byte for byte, and everything else is 404 (T-TOK-07).

pub mod audit;
mod bearer;
pub mod clients;
mod error;
mod even_time;
mod json_body;
pub mod keys;
mod management_auth;
pub mod metrics;
pub mod oauth;
pub mod openapi;
pub(crate) mod passed_on;
mod query;
pub mod register;
pub mod registration_tokens;
pub mod revocations;
mod source;
pub mod tokeninfo;
pub mod well_known;

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::guard::{self, Guard, GuardContext};
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, Route};
use common::Profile;
use service_kit::metrics::{PATH as METRICS, Route as RouteName};
use service_kit::openapi::PATH as OPENAPI;
use service_kit::status::Status;

use crate::Deps;
use crate::token_places::TokenPlaces;
use error::Refusal;

/// One method on one path.
#[derive(Debug)]
pub struct Endpoint {
    pub method: Method,
    /// As a client writes it, without `SERVICE_PREFIX`; `{…}` stands for one segment.
    pub path: &'static str,
    /// The permission that its bearer must have, on the management listener; nobody asks elsewhere.
    pub permission: &'static str,
    route: fn(Route) -> Route,
}

/// For endpoints that want no bearer token.
const OPEN: &str = "";
const CLIENTS_READ: &str = "gettone:clients:read";
const CLIENTS_WRITE: &str = "gettone:clients:write";
const KEYS_READ: &str = "gettone:keys:read";
const KEYS_WRITE: &str = "gettone:keys:write";
const REVOCATIONS_READ: &str = "gettone:revocations:read";
const AUDIT_READ: &str = "gettone:audit:read";

const REGISTER: &str = "/register";
const REGISTRATION: &str = "/register/{client_id}";
const TOKEN: &str = "/oauth/token";
const INTROSPECT: &str = "/oauth/introspect";
const REVOKE: &str = "/oauth/revoke";

/// What the public listener serves in both profiles.
pub const PUBLIC: &[Endpoint] = &[
    Endpoint {
        method: Method::POST,
        path: REGISTER,
        permission: OPEN,
        route: |route| route.to(register::post),
    },
    Endpoint {
        method: Method::POST,
        path: TOKEN,
        permission: OPEN,
        route: |route| route.to(oauth::token::post),
    },
    Endpoint {
        method: Method::POST,
        path: INTROSPECT,
        permission: OPEN,
        route: |route| route.to(oauth::introspect::post),
    },
    Endpoint {
        method: Method::POST,
        path: REVOKE,
        permission: OPEN,
        route: |route| route.to(oauth::revoke::post),
    },
    Endpoint {
        method: Method::GET,
        path: "/tokeninfo",
        permission: OPEN,
        route: |route| route.to(tokeninfo::get),
    },
    Endpoint {
        method: Method::GET,
        path: well_known::JWKS,
        permission: OPEN,
        route: |route| route.to(well_known::jwks::get),
    },
    Endpoint {
        method: Method::GET,
        path: well_known::OPENID_CONFIGURATION,
        permission: OPEN,
        route: |route| route.to(well_known::openid_configuration::get),
    },
    Endpoint {
        method: Method::GET,
        path: well_known::AUTHORIZATION_SERVER,
        permission: OPEN,
        route: |route| route.to(well_known::authorization_server::get),
    },
];

/// What the public listener serves outside `SERVICE_PREFIX`, besides the status routes.
pub const PUBLIC_WITHOUT_PREFIX: &[Endpoint] = &[Endpoint {
    method: Method::GET,
    path: OPENAPI,
    permission: OPEN,
    route: |route| route.to(openapi::public),
}];

/// What the public listener serves in the standard profile besides: in drop-in, nobody gets a token for it.
pub const PUBLIC_IN_STANDARD: &[Endpoint] = &[
    Endpoint {
        method: Method::GET,
        path: REGISTRATION,
        permission: OPEN,
        route: |route| route.to(register::one::get),
    },
    Endpoint {
        method: Method::PUT,
        path: REGISTRATION,
        permission: OPEN,
        route: |route| route.to(register::one::put),
    },
    Endpoint {
        method: Method::DELETE,
        path: REGISTRATION,
        permission: OPEN,
        route: |route| route.to(register::one::delete),
    },
];

/// What the public listener serves in the drop-in profile besides, as upstream does. No gateway routes it (K-09).
pub const PUBLIC_IN_DROP_IN: &[Endpoint] = &[Endpoint {
    method: Method::POST,
    path: "/clients",
    permission: OPEN,
    route: |route| route.to(clients::post),
}];

/// What the management listener serves to whoever reaches it, besides the status routes. No other route does without
/// the management token.
pub const MANAGEMENT_WITHOUT_TOKEN: &[Endpoint] = &[
    Endpoint { method: Method::GET, path: METRICS, permission: OPEN, route: |route| route.to(metrics::get) },
    Endpoint {
        method: Method::GET,
        path: OPENAPI,
        permission: OPEN,
        route: |route| route.to(openapi::management),
    },
];

/// What the management listener serves to the bearer of the bootstrap token, and of an access token with the permission.
pub const MANAGEMENT: &[Endpoint] = &[
    Endpoint {
        method: Method::POST,
        path: "/clients",
        permission: CLIENTS_WRITE,
        route: |route| route.to(clients::post),
    },
    Endpoint {
        method: Method::GET,
        path: "/clients",
        permission: CLIENTS_READ,
        route: |route| route.to(clients::get),
    },
    Endpoint {
        method: Method::GET,
        path: "/clients/{client_id}",
        permission: CLIENTS_READ,
        route: |route| route.to(clients::one::get),
    },
    Endpoint {
        method: Method::PATCH,
        path: "/clients/{client_id}",
        permission: CLIENTS_WRITE,
        route: |route| route.to(clients::one::patch),
    },
    Endpoint {
        method: Method::DELETE,
        path: "/clients/{client_id}",
        permission: CLIENTS_WRITE,
        route: |route| route.to(clients::one::delete),
    },
    Endpoint {
        method: Method::POST,
        path: "/clients/{client_id}/revoke-tokens",
        permission: CLIENTS_WRITE,
        route: |route| route.to(clients::revoke_tokens::post),
    },
    Endpoint {
        method: Method::DELETE,
        path: "/clients/{client_id}/registration-token",
        permission: CLIENTS_WRITE,
        route: |route| route.to(clients::registration_token::delete),
    },
    Endpoint {
        method: Method::GET,
        path: "/revocations",
        permission: REVOCATIONS_READ,
        route: |route| route.to(revocations::get),
    },
    Endpoint {
        method: Method::GET,
        path: "/clients/{client_id}/secrets",
        permission: CLIENTS_READ,
        route: |route| route.to(clients::secrets::get),
    },
    Endpoint {
        method: Method::POST,
        path: "/clients/{client_id}/secrets",
        permission: CLIENTS_WRITE,
        route: |route| route.to(clients::secrets::post),
    },
    Endpoint {
        method: Method::GET,
        path: "/clients/{client_id}/usage",
        permission: CLIENTS_READ,
        route: |route| route.to(clients::usage::get),
    },
    Endpoint {
        method: Method::DELETE,
        path: "/clients/{client_id}/secrets/{secret_id}",
        permission: CLIENTS_WRITE,
        route: |route| route.to(clients::secrets::delete),
    },
    Endpoint {
        method: Method::POST,
        path: "/registration-tokens",
        permission: CLIENTS_WRITE,
        route: |route| route.to(registration_tokens::post),
    },
    Endpoint {
        method: Method::DELETE,
        path: "/registration-tokens/{token_id}",
        permission: CLIENTS_WRITE,
        route: |route| route.to(registration_tokens::delete),
    },
    Endpoint {
        method: Method::GET,
        path: "/clients/{client_id}/keys",
        permission: CLIENTS_READ,
        route: |route| route.to(clients::keys::get),
    },
    Endpoint {
        method: Method::POST,
        path: "/clients/{client_id}/keys",
        permission: CLIENTS_WRITE,
        route: |route| route.to(clients::keys::post),
    },
    Endpoint {
        method: Method::DELETE,
        path: "/clients/{client_id}/keys/{kid}",
        permission: CLIENTS_WRITE,
        route: |route| route.to(clients::keys::delete),
    },
    Endpoint {
        method: Method::GET,
        path: "/audit",
        permission: AUDIT_READ,
        route: |route| route.to(audit::get),
    },
    Endpoint {
        method: Method::GET,
        path: "/keys",
        permission: KEYS_READ,
        route: |route| route.to(keys::get),
    },
    Endpoint {
        method: Method::POST,
        path: "/keys",
        permission: KEYS_WRITE,
        route: |route| route.to(keys::post),
    },
    Endpoint {
        method: Method::POST,
        path: "/keys/{kid}/activate",
        permission: KEYS_WRITE,
        route: |route| route.to(keys::one::activate),
    },
    Endpoint {
        method: Method::POST,
        path: "/keys/{kid}/retire",
        permission: KEYS_WRITE,
        route: |route| route.to(keys::one::retire),
    },
];

/// Mounts the public listener's routes.
pub fn public_routes(config: &mut ServiceConfig, deps: &Arc<Deps>, status: &Status, prefix: &str) {
    config.app_data(Data::from(Arc::clone(deps)));
    // Called once for each worker: each has places of its own.
    config.app_data(TokenPlaces::new(deps.max_token_requests));
    status.routes(config);
    for resource in resources("", PUBLIC_WITHOUT_PREFIX) {
        config.service(resource);
    }
    for resource in resources(prefix, PUBLIC) {
        serve(config, deps, resource);
    }
    for (place, path) in deps.discovery.places() {
        // The issuer may have any path: it is compared, and never read as a pattern.
        config.service(resource("/{path:.*}", place, path, PUBLIC));
    }
    let of_the_profile = match deps.profile {
        Profile::Standard => PUBLIC_IN_STANDARD,
        Profile::DropIn => PUBLIC_IN_DROP_IN,
    };
    for resource in resources(prefix, of_the_profile) {
        serve(config, deps, resource);
    }
    config.default_service(web::to(not_found));
}

/// Mounts the management listener's routes.
pub fn management_routes(config: &mut ServiceConfig, deps: &Arc<Deps>, status: &Status) {
    config.app_data(Data::from(Arc::clone(deps)));
    config.app_data(Data::new(status.clone()));
    status.routes(config);
    for resource in resources("", MANAGEMENT_WITHOUT_TOKEN) {
        config.service(resource);
    }
    for resource in resources("", MANAGEMENT) {
        serve(config, deps, resource.wrap(from_fn(management_auth::require)));
    }
    config.default_service(web::to(not_found));
}

/// Mounts a resource. Only where a crud-service keeps the clients, something of its requests goes along with their work.
fn serve<B: MessageBody + 'static>(
    config: &mut ServiceConfig,
    deps: &Deps,
    resource: Resource<
        impl ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = actix_web::Error,
            InitError = (),
        > + 'static,
    >,
) {
    if deps.passed_on.is_empty() {
        config.service(resource);
    } else {
        config.service(resource.wrap(from_fn(passed_on::carry)));
    }
}

/// One resource for each path of the table. HEAD is answered like GET, without the body.
fn resources(prefix: &str, endpoints: &'static [Endpoint]) -> Vec<Resource> {
    let mut paths: Vec<&'static str> = endpoints.iter().map(|endpoint| endpoint.path).collect();
    paths.dedup();
    let with_prefix = |path| format!("{prefix}{path}");
    paths.into_iter().map(|path| resource(&with_prefix(path), with_prefix(path), path, endpoints)).collect()
}

/// What the table has under `path`, served at `place` if the router's `pattern` matches it.
fn resource(pattern: &str, place: String, path: &'static str, endpoints: &'static [Endpoint]) -> Resource {
    let mut allowed = Vec::new();
    let mut resource = web::resource(pattern).guard(ExactPath(place)).app_data(RouteName(path));
    for endpoint in endpoints.iter().filter(|endpoint| endpoint.path == path) {
        let mut methods = vec![endpoint.method.clone()];
        if endpoint.method == Method::GET {
            methods.push(Method::HEAD);
        }
        for method in methods {
            allowed.push(method.to_string());
            resource = resource.route((endpoint.route)(web::route().guard(guard::Method(method))));
        }
    }
    let allowed = allowed.join(", ");
    resource.default_service(web::to(move |request: HttpRequest, deps: Data<Deps>| {
        let refusal = Refusal::MethodNotAllowed { allowed: allowed.clone() };
        async move { error::respond(&request, &deps, Err(refusal)) }
    }))
}

async fn not_found(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    error::respond(&request, &deps, Err(Refusal::NoSuchPath))
}

/// The raw path is the pattern, with one segment for `{…}`. The router alone would decode percent-escapes first, and a
/// gateway in front may not (T-REG-12).
struct ExactPath(String);

impl Guard for ExactPath {
    fn check(&self, context: &GuardContext<'_>) -> bool {
        let raw = context.head().uri.path();
        let mut segments = raw.split('/');
        let alike = self.0.split('/').all(|pattern| match segments.next() {
            Some(segment) if pattern.starts_with('{') => !segment.is_empty(),
            Some(segment) => segment == pattern,
            None => false,
        });
        alike && segments.next().is_none()
    }
}

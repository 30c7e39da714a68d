//! The door of the management listener: the bootstrap token, compared in constant time, or an access token of ours that
//! has the permission the route names, of a client that still has it. Who is sent away leaves a trace, and whoever
//! guesses is slowed down.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest};
use common::AccessTokenClaims;
use credentials::audit::{Actor, AuditAction};
use credentials::client::ClientId;
use service_kit::access_log::annotate;
use service_kit::metrics::Route;
use service_kit::to_the_end::to_the_end;
use subtle::ConstantTimeEq;

use super::audit::{self, Happened};
use super::bearer::{self, WrongToken};
use super::clients::one::client_id;
use super::error::{Refusal, respond};
use super::{Endpoint, MANAGEMENT, source};
use crate::Deps;
use crate::administer_clients::{AdministerClientsError, Operator};
use crate::describe_token::{self, DescribeTokenError};

/// A good token, but without the permission that the route wants (RFC 6750 §3.1), or of a client that has it no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token, or its client by now, has not the permission {0}")]
pub(super) struct MissingPermission(pub(super) &'static str);

/// Lets a request with a good token pass, and answers every other one.
pub(super) async fn require(
    deps: Data<Deps>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    match check(&request, &deps).await {
        // No operator keeps a change out of the audit log by leaving before its end, and nobody a denial.
        Ok(()) => to_the_end(answered(deps, next.call(request))).await,
        Err(refusal) => {
            let response = respond(request.request(), &deps, Err(refusal));
            if response.status().is_client_error() {
                note_denial(request.request(), &deps);
            }
            Ok(request.into_response(response))
        }
    }
}

/// What the route answers; whom it sends away, as who may not change a client with more powers, is noted.
async fn answered(
    deps: Data<Deps>,
    route: impl Future<Output = Result<ServiceResponse<impl MessageBody + 'static>, actix_web::Error>>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let response = route.await?.map_into_boxed_body();
    if response.status() == StatusCode::FORBIDDEN {
        note_denial(response.request(), &deps);
    }
    Ok(response)
}

async fn check(request: &ServiceRequest, deps: &Deps) -> Result<(), Refusal> {
    let token = bearer::token(request.headers())?;
    let bootstrap = deps.bootstrap_token.expose().as_bytes();
    if token.as_bytes().ct_eq(bootstrap).into() {
        audit::acting(request.request(), Actor::Bootstrap);
        request.extensions_mut().insert(Operator::Bootstrap);
        return Ok(());
    }
    let claims = read(request, deps, token).await?;
    annotate(request.request(), |line| line.client_id = Some(claims.sub.clone()));
    describe_token::check_revocation(deps, &claims)?;
    let id = ClientId::parse(&claims.sub).map_err(|_| WrongToken)?;
    audit::acting(request.request(), Actor::Client { id: id.clone() });
    let permissions = rights(deps, &id, &claims).await?;
    let wanted = wanted_permission(request);
    if !permissions.iter().any(|permission| permission == wanted) {
        return Err(MissingPermission(wanted).into());
    }
    request.extensions_mut().insert(Operator::Client { permissions });
    // For answers that go on for longer than the token may.
    request.extensions_mut().insert(claims);
    Ok(())
}

/// The claims of a token of ours. One that is none may be a guess, and is counted: the right one is good at any time.
async fn read(request: &ServiceRequest, deps: &Deps, token: &str) -> Result<AccessTokenClaims, Refusal> {
    let now = deps.clock.now();
    let read = describe_token::read(deps, token, Some(&deps.tokens.accepted_audiences), now).await;
    if let Err(DescribeTokenError::Rejected(_)) = &read {
        let source = source::of(request.request(), &deps.trusted_proxies);
        deps.limits
            .wrong_management_token(source, now)
            .inspect_err(|reached| deps.metrics.limited(*reached))?;
    }
    Ok(read?)
}

/// What the bearer may do: what the token says, as far as its client may still do it. A permission that was taken away
/// counts no more at this door: else who was demoted could give it back to themselves (T-API-03).
async fn rights(deps: &Deps, id: &ClientId, claims: &AccessTokenClaims) -> Result<Vec<String>, Refusal> {
    let client = deps.stores.clients.find(id).await.map_err(AdministerClientsError::from)?;
    // Its revocation is on its way to this replica.
    let client = client.filter(|client| client.may_obtain_tokens()).ok_or(DescribeTokenError::Revoked)?;
    let both = claims.permissions.iter().filter(|permission| client.permissions.contains(permission));
    Ok(both.cloned().collect())
}

/// Tells who was sent away, from what and why: once a minute of each, so that nobody writes the audit log full.
fn note_denial(request: &HttpRequest, deps: &Deps) {
    let target = request.path().starts_with("/clients/").then(|| client_id(request).ok()).flatten();
    let mut reason = None;
    annotate(request, |line| reason = line.reason);
    let Some(reason) = reason else { return };
    let who = request.extensions().get::<Actor>().map(Actor::to_text);
    let who = who.ok_or_else(|| source::of(request, &deps.trusted_proxies));
    if deps.limits.is_worth_telling(&(who, reason), deps.clock.now()) {
        let route = request.app_data::<Route>().map(|route| route.0).unwrap_or_default();
        let asked = format!("{} {route}", request.method());
        let (action, subject) = (AuditAction::ManagementRefused, Some(asked.as_str()));
        audit::note(
            request,
            deps,
            Happened { action, client: target.as_ref(), subject, reason: Some(reason) },
        );
    }
}

/// The permission that the endpoint names. A method that the path does not answer wants that of the first it does.
fn wanted_permission(request: &ServiceRequest) -> &'static str {
    let path = request.app_data::<Route>().map(|route| route.0);
    let of_path = || MANAGEMENT.iter().filter(|endpoint| Some(endpoint.path) == path);
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let endpoint = of_path().find(|endpoint| endpoint.method == *method).or_else(|| of_path().next());
    endpoint.map_or(NOBODY, |endpoint: &Endpoint| endpoint.permission)
}

/// The empty text is nobody's permission: no route is without one.
const NOBODY: &str = "";

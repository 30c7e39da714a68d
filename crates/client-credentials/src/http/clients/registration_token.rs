//! `DELETE /clients/{client_id}/registration-token`: the client looks after its registration no more.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use credentials::audit::AuditAction;

use super::one::client_id;
use super::operator;
use crate::Deps;
use crate::administer_secrets;
use crate::http::audit::{self, Happened};
use crate::http::error::{Refusal, respond};

/// Ends the registration access token. One that is not there has ended.
pub async fn delete(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    let outcome = end(&request, &deps).await;
    respond(&request, &deps, outcome)
}

async fn end(request: &HttpRequest, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let id = client_id(request)?;
    let operator = operator(request);
    let retired = Happened::to(AuditAction::RegistrationTokenRetired, &id);
    let end = administer_secrets::end_registration_token(deps, &operator, &id);
    audit::around(request, deps, retired, end).await?;
    Ok(HttpResponse::NoContent().finish())
}

//! Requests with which a client authenticates itself (RFC 6749 §2.3): a form in the body, and one credential. The same
//! at every endpoint, so that none is a way around another (T-BRU-04).

use actix_web::web::{Data, Payload};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use credentials::client::ClientId;
use credentials::form::{Form, FormDefect};
use service_kit::access_log::annotate;
use service_kit::body;

use super::presented_credential;
use crate::Deps;
use crate::authenticate_client::{PresentedCredential, beginning};
use crate::http::error::{self, Refusal};
use crate::http::source;
use crate::introspect_token::TokenQuestion;
use crate::source::TrustedProxies;
use crate::token_places::{NoPlace, TokenPlace, TokenPlaces};

/// Parameters that must not be in the query, where logs and histories keep them (C-6749-05).
const NEVER_IN_QUERY: [&str; 7] = [
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "access_token",
    "password",
    "token",
];

/// Why a request cannot be read. Nothing about clients is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientRequestDefect {
    #[error("the body is not application/x-www-form-urlencoded")]
    NotAForm,
    #[error(transparent)]
    Form(#[from] FormDefect),
    #[error("the query holds credentials")]
    CredentialsInQuery,
    #[error("there are several Authorization headers, or several credentials in one")]
    SeveralAuthorizations,
    #[error("the client authenticates in more than one way")]
    SeveralMethods,
    #[error("client_assertion holds several assertions")]
    SeveralAssertions,
    #[error("client_assertion or client_assertion_type is missing")]
    IncompleteAssertion,
}

/// The parameters in the body of a request that has no credentials in its query.
///
/// # Errors
/// [`ClientRequestDefect`] and [`BodyError`](body::BodyError) as refusals.
pub(super) async fn form(request: &HttpRequest, payload: Payload) -> Result<Form, Refusal> {
    check_query(request)?;
    if body::media_type(request) != "application/x-www-form-urlencoded" {
        return Err(ClientRequestDefect::NotAForm.into());
    }
    let body = body::read(request, payload).await?;
    Ok(Form::parse(&body).map_err(ClientRequestDefect::from)?)
}

/// A place to work on this request, once its body is there.
///
/// # Errors
/// [`NoPlace`].
pub(super) fn place(request: &HttpRequest) -> Result<TokenPlace, NoPlace> {
    TokenPlace::take(request.app_data::<TokenPlaces>().cloned())
}

/// Whom a request claims to come from.
struct Claimed(ClientId);

/// The response of an endpoint where clients authenticate. Its log line names the client, if there is one: of what may be
/// anything, a secret in the place of the id for instance, only the beginning (T-LOG-02).
pub(super) fn respond(
    request: &HttpRequest,
    deps: &Deps,
    outcome: Result<HttpResponse, Refusal>,
) -> HttpResponse {
    let known = outcome.as_ref().err().is_none_or(Refusal::is_of_a_known_client);
    let claimed = request.extensions_mut().remove::<Claimed>();
    if let Some(Claimed(client)) = claimed {
        annotate(request, |line| {
            line.client_id = Some(if known { client.into() } else { beginning(&client) })
        });
    }
    error::respond(request, deps, outcome)
}

/// The client that `refusal` is told of, if it is one.
pub(super) fn refused_client(request: &HttpRequest, refusal: &Refusal) -> Option<ClientId> {
    let extensions = request.extensions();
    let Claimed(client) = extensions.get::<Claimed>()?;
    refusal.is_of_a_known_client().then(|| client.clone())
}

/// The one credential of a request.
///
/// # Errors
/// [`ClientRequestDefect`] if there are several, or half of one.
pub(super) fn credential(
    request: &HttpRequest,
    form: &Form,
) -> Result<PresentedCredential, ClientRequestDefect> {
    let source = request.app_data::<Data<Deps>>().map_or_else(
        || source::of(request, &TrustedProxies::default()),
        |deps| source::of(request, &deps.trusted_proxies),
    );
    let credential = presented_credential::find(request.headers(), form, source)?;
    if let Some(client) = credential.claimed_client() {
        request.extensions_mut().insert(Claimed(client));
    }
    Ok(credential)
}

/// What a client asks about a token (RFC 7662 §2.1, RFC 7009 §2.1).
///
/// # Errors
/// As for [`credential`].
pub(super) fn token_question(
    request: &HttpRequest,
    form: &Form,
) -> Result<TokenQuestion, ClientRequestDefect> {
    Ok(TokenQuestion {
        credential: credential(request, form)?,
        client_id: form.get("client_id").map(str::to_owned),
        token: form.get("token").map(str::to_owned),
    })
}

fn check_query(request: &HttpRequest) -> Result<(), ClientRequestDefect> {
    let query = Form::parse(request.uri().query().unwrap_or_default().as_bytes())?;
    if NEVER_IN_QUERY.iter().any(|name| query.names(name)) {
        return Err(ClientRequestDefect::CredentialsInQuery);
    }
    Ok(())
}

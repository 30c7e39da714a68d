//! `POST /oauth/introspect` (RFC 7662).

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use common::AccessTokenClaims;
use serde_json::{Value, json};
use service_kit::to_the_end::to_the_end;

use super::client_request;
use crate::Deps;
use crate::http::error::Refusal;
use crate::http::even_time::at_an_even_time;
use crate::introspect_token;
use crate::metrics::IntrospectionOutcome;

/// Answers what a token is worth, or that it is not active.
pub async fn post(request: HttpRequest, payload: Payload, deps: Data<Deps>) -> HttpResponse {
    to_the_end(at_an_even_time(async move {
        let outcome = introspect(&request, payload, &deps).await;
        deps.metrics.introspection(match &outcome {
            Ok(Some(_)) => IntrospectionOutcome::Active,
            Ok(None) => IntrospectionOutcome::Inactive,
            Err(_) => IntrospectionOutcome::Refused,
        });
        let answer = outcome.map(|claims| HttpResponse::Ok().json(body(claims.as_ref())));
        client_request::respond(&request, &deps, answer)
    }))
    .await
}

async fn introspect(
    request: &HttpRequest,
    payload: Payload,
    deps: &Deps,
) -> Result<Option<AccessTokenClaims>, Refusal> {
    let form = client_request::form(request, payload).await?;
    let mut place = client_request::place(request)?;
    // token_type_hint is not looked at: there is one kind of token (RFC 7662 §2.1).
    let question = client_request::token_question(request, &form)?;
    Ok(introspect_token::run(deps, question, &mut place).await?)
}

/// RFC 7662 §2.2. Our members win over custom claims of the same name.
fn body(claims: Option<&AccessTokenClaims>) -> Value {
    let Some(claims) = claims else { return json!({"active": false}) };
    let mut body = json!({"active": true});
    if let (Value::Object(members), Ok(Value::Object(claimed))) = (&mut body, serde_json::to_value(claims)) {
        members.extend(claimed);
        let ours =
            [("active", json!(true)), ("token_type", json!("Bearer")), ("client_id", json!(claims.sub))];
        members.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_7662_06_claims_of_a_client_do_not_say_what_only_we_say() {
        let claims = json!({"exp": 2, "iat": 1, "iss": "i", "sub": "c", "jti": "j", "permissions": [], "tenant": "t",
            "active": false, "token_type": "mac"});
        let claims: AccessTokenClaims = serde_json::from_value(claims).unwrap();
        let expected = json!({"active": true, "exp": 2, "iat": 1, "iss": "i", "sub": "c", "jti": "j",
            "permissions": [], "tenant": "t", "token_type": "Bearer", "client_id": "c"});
        assert_eq!(body(Some(&claims)), expected);
        assert_eq!(body(None), json!({"active": false}));
    }
}

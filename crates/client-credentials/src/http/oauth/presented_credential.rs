//! Which credential a request presents, and in which of the ways (RFC 6749 §2.3, RFC 7521 §4.2, OAuth 2.1 §2.4.1). Whether it is right
//! is not known here.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use credentials::assertion::AssertionDefect;
use credentials::client::AuthMethod;
use credentials::form::Form;
use credentials::id_and_secret::IdAndSecret;
use credentials::jws::Jws;

use super::client_request::ClientRequestDefect;
use crate::authenticate_client::{AssertionRefusal, CredentialDefect, PresentedCredential};
use crate::source::Source;

/// The one `client_assertion_type` we know (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Finds the one credential of a request.
///
/// # Errors
/// [`ClientRequestDefect`] if there are several, or half of one.
pub(super) fn find(
    headers: &HeaderMap,
    form: &Form,
    source: Source,
) -> Result<PresentedCredential, ClientRequestDefect> {
    let mut authorizations = headers.get_all(AUTHORIZATION);
    let authorization = match (authorizations.next(), authorizations.next()) {
        (first, None) => first,
        _ => return Err(ClientRequestDefect::SeveralAuthorizations),
    };
    let assertion = assertion(form, source)?;
    match (authorization, assertion, form.get("client_secret")) {
        (Some(header), None, None) => from_header(header.as_bytes(), source),
        (None, Some(assertion), None) => Ok(assertion),
        (None, None, Some(secret)) => Ok(in_body(form.get("client_id"), secret, source)),
        (None, None, None) => Ok(PresentedCredential::Unusable(CredentialDefect::Missing)),
        _ => Err(ClientRequestDefect::SeveralMethods),
    }
}

fn assertion(form: &Form, source: Source) -> Result<Option<PresentedCredential>, ClientRequestDefect> {
    match (form.get("client_assertion_type"), form.get("client_assertion")) {
        (Some(JWT_BEARER), Some(assertion)) if several_tokens(assertion) => {
            Err(ClientRequestDefect::SeveralAssertions)
        }
        (Some(JWT_BEARER), Some(assertion)) => Ok(Some(match Jws::parse(assertion) {
            Ok(jws) => PresentedCredential::Assertion { jws: Box::new(jws), source },
            Err(defect) => PresentedCredential::UnusableAssertion(AssertionDefect::from(defect).into()),
        })),
        (Some(_), Some(_)) => Ok(Some(PresentedCredential::UnusableAssertion(AssertionRefusal::UnknownType))),
        (None, None) if form.get("token_endpoint_auth_method") == Some("private_key_jwt") => {
            Err(ClientRequestDefect::IncompleteAssertion)
        }
        (None, None) => Ok(None),
        _ => Err(ClientRequestDefect::IncompleteAssertion),
    }
}

/// Two assertions with a blank between them (C-7523-14).
fn several_tokens(assertion: &str) -> bool {
    assertion.split_ascii_whitespace().filter(|part| part.matches('.').count() == 2).count() > 1
}

fn from_header(header: &[u8], source: Source) -> Result<PresentedCredential, ClientRequestDefect> {
    let (scheme, rest) =
        header.split_at(header.iter().position(|byte| *byte == b' ').unwrap_or(header.len()));
    if rest.contains(&b',') {
        // Two credentials in one field (RFC 9110 §5.3): no alphabet of base64 has a comma.
        return Err(ClientRequestDefect::SeveralAuthorizations);
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return Ok(PresentedCredential::Unusable(CredentialDefect::MethodNotOffered));
    }
    Ok(secret_of(AuthMethod::ClientSecretBasic, IdAndSecret::from_basic(rest.trim_ascii()), source))
}

/// `client_id` and `client_secret` as parameters of the form (RFC 6749 §2.3.1).
fn in_body(client_id: Option<&str>, secret: &str, source: Source) -> PresentedCredential {
    let read = client_id.and_then(|id| IdAndSecret::from_form(id, secret));
    secret_of(AuthMethod::ClientSecretPost, read, source)
}

fn secret_of(method: AuthMethod, read: Option<IdAndSecret>, source: Source) -> PresentedCredential {
    match read {
        Some(IdAndSecret { client_id, secret }) => {
            PresentedCredential::Secret { method, client_id, secret, source }
        }
        None => PresentedCredential::Unusable(CredentialDefect::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use credentials::id_and_secret::MAX_LENGTH;

    use super::*;

    /// What is found in a request with this `Authorization` and body.
    fn found(authorization: &[&str], body: &str) -> Result<String, ClientRequestDefect> {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        let form = Form::parse(body.as_bytes()).unwrap();
        let source = Source::from(std::net::IpAddr::from([127, 0, 0, 1]));
        Ok(match find(&headers, &form, source)? {
            PresentedCredential::Secret {
                method: AuthMethod::ClientSecretPost, client_id, secret, ..
            } => {
                format!("post {client_id}|{}", secret.as_str())
            }
            PresentedCredential::Secret { client_id, secret, .. } => {
                format!("{client_id}|{}", secret.as_str())
            }
            PresentedCredential::Assertion { jws, .. } => format!("assertion {}", jws.algorithm()),
            PresentedCredential::UnusableAssertion(refusal) => refusal.to_string(),
            PresentedCredential::Unusable(defect) => format!("{defect:?}"),
        })
    }

    fn basic_of(text: &[u8]) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn c_6749_02_t_bas_01_both_halves_are_form_decoded_once() {
        for (text, expected) in [
            ("client:secret", "client|secret"),
            ("%41+b:%3A+%25%26%2B%3D%2F~+x", "A b|: %&+=/~ x"),
            ("c:a:b", "c|a:b"),
            ("c:%2541", "c|%41"),
            ("c:", "c|"),
            (":s", "|s"),
        ] {
            assert_eq!(found(&[&basic_of(text.as_bytes())], ""), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn t_bas_02_03_04_05_unreadable_credentials_are_no_credentials() {
        for text in [
            &b"c:%"[..],
            b"c:%z1",
            b"c:%4",
            b"c%00x:s",
            b"c\0x:s",
            b"c:%0d%0a",
            b"\xc3\xa9:s",
            b"%c3%a9:s",
            b"c:%c0%af",
            b"c:\xff",
            b"no colon",
            b"",
        ] {
            assert_eq!(found(&[&basic_of(text)], ""), Ok("Malformed".to_owned()), "{text:?}");
        }
        let long = format!("{}:s", "u".repeat(10 * 1024));
        assert_eq!(found(&[&basic_of(long.as_bytes())], ""), Ok("Malformed".to_owned()));
        for header in ["Basic", "Basic ", "Basic !!", "Basic YTpi\tYTpi", "Basic YTpi YTpi", "Basic YTo"] {
            assert_eq!(found(&[header], ""), Ok("Malformed".to_owned()), "{header}");
        }
    }

    #[test]
    fn schemes_are_compared_without_case() {
        for scheme in ["basic", "BASIC", "bAsIc"] {
            assert_eq!(found(&[&format!("{scheme} Yzpz")], ""), Ok("c|s".to_owned()));
        }
        for header in ["Bearer abc", "Digest x", "Basicc Yzpz", ""] {
            assert_eq!(found(&[header], ""), Ok("MethodNotOffered".to_owned()), "{header}");
        }
    }

    #[test]
    fn t_bas_06_several_authorizations_are_refused() {
        for headers in
            [&["Basic Yzpz", "Basic Yzpz"][..], &["Basic Yzpz", "Bearer x"], &["Basic Yzpz, Basic Yzpz"]]
        {
            assert_eq!(found(headers, ""), Err(ClientRequestDefect::SeveralAuthorizations));
        }
    }

    const ASSERTION: &str = "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=eyJhbGciOiJYIn0.e30.AA";

    #[test]
    fn t_bas_08_c_6749_04_two_methods_at_once_are_refused() {
        for (headers, body) in [
            (&["Basic Yzpz"][..], ASSERTION),
            (&["Basic Yzpz"], "client_secret=s"),
            (&["Bearer x"], "client_secret=s"),
            (&["Basic Yzpz"], "client_id=c&client_secret=s"),
            (&[], &format!("{ASSERTION}&client_secret=s")),
            (&[], &format!("{ASSERTION}&client_id=c&client_secret=s")),
        ] {
            assert_eq!(found(headers, body), Err(ClientRequestDefect::SeveralMethods), "{body}");
        }
    }

    #[test]
    fn c_7523_14_exactly_one_assertion_of_the_known_type() {
        assert_eq!(found(&[], ASSERTION), Ok("assertion X".to_owned()));
        assert_eq!(found(&["Basic Yzpz"], "client_assertion="), Ok("c|s".to_owned()));
        let saml = "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:saml2-bearer&client_assertion=x";
        assert_eq!(found(&[], saml), Ok(AssertionRefusal::UnknownType.to_string()));
        assert_eq!(found(&[], &format!("{ASSERTION}+d.e.f")), Err(ClientRequestDefect::SeveralAssertions));
        for half in [
            "client_assertion=a.b.c",
            "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "token_endpoint_auth_method=private_key_jwt&client_id=c",
        ] {
            assert_eq!(found(&[], half), Err(ClientRequestDefect::IncompleteAssertion), "{half}");
        }
    }

    #[test]
    fn c_6749_08_a_client_id_alone_proves_nothing() {
        assert_eq!(found(&[], "client_id=c"), Ok("Missing".to_owned()));
        assert_eq!(found(&[], "client_id=c&client_secret="), Ok("Missing".to_owned()));
    }

    #[test]
    fn c_21_01_id_and_secret_may_be_in_the_body() {
        for (body, expected) in [
            ("client_id=c&client_secret=s", "post c|s"),
            ("client_secret=a+%25%3A%2541&client_id=A%20b", "post A b|a %:%41"),
            ("client_secret=s", "Malformed"),
            ("client_id=&client_secret=s", "Malformed"),
        ] {
            assert_eq!(found(&[], body), Ok(expected.to_owned()), "{body}");
        }
    }

    #[test]
    fn t_bas_03_04_05_what_no_id_or_secret_holds_is_no_credential() {
        let long = "s".repeat(MAX_LENGTH + 1);
        for (id, secret) in
            [("c%00", "s"), ("c", "s%00"), ("c%c3%a9", "s"), ("c", "%7f"), ("c", "%0d%0a"), ("c", &long)]
        {
            let body = format!("client_id={id}&client_secret={secret}");
            assert_eq!(found(&[], &body), Ok("Malformed".to_owned()), "{body}");
        }
    }
}

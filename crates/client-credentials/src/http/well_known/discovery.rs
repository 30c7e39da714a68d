//! The two discovery documents (RFC 8414 §2, OpenID Connect Discovery §3) and where clients look for them. Both follow
//! from the configuration alone: whatever host a request names, they stay the same (C-8414-03, T-REG-09).

use actix_web::web::Bytes;
use credentials::client::{AuthMethod, ClientId};
use jose::Algorithm;
use serde_json::{Map, Value, json};

use super::{AUTHORIZATION_SERVER, JWKS, OPENID_CONFIGURATION};
use crate::config::{RegistrationMode, issuer_url};
use crate::http::oauth::token::GRANT_TYPE;
use crate::http::{INTROSPECT, REGISTER, REVOKE, TOKEN};

/// The documents, ready to be served. `None` is answered with 404.
pub struct Discovery {
    pub authorization_server: Option<Bytes>,
    pub openid_configuration: Option<Bytes>,
    /// Path of the issuer, as it stands there but for slashes at its end (RFC 8414 §3.1). `None`: it is no URL.
    issuer_path: Option<String>,
    /// What stands before every path.
    base: Option<String>,
}

impl Discovery {
    /// Describes the service. The operator's file takes the place of the generated `openid-configuration`. If the issuer
    /// is no URL, as upstream's samples have it, no client can look for it, and nothing is generated. `signing_algorithms`
    /// are those that there may be signing keys of.
    pub(crate) fn new(
        issuer: &str,
        service_prefix: &str,
        operators_file: Option<Bytes>,
        registration: RegistrationMode,
        signing_algorithms: &[Algorithm],
    ) -> Self {
        let Some(url) = issuer_url(issuer) else {
            return Self {
                authorization_server: None,
                openid_configuration: operators_file,
                issuer_path: None,
                base: None,
            };
        };
        // Gateways hand on paths as they are, so that the prefix is all that stands before a path, inside and outside.
        let base = format!("{}{service_prefix}", url.origin().ascii_serialization());
        let mut members = metadata(issuer, &base);
        if registration == RegistrationMode::Closed {
            members.shift_remove("registration_endpoint");
        }
        let authorization_server = json_bytes(&members);
        members.extend(openid_members(signing_algorithms));
        Self {
            authorization_server: Some(authorization_server),
            openid_configuration: operators_file.or_else(|| Some(json_bytes(&members))),
            issuer_path: Some(url.path().trim_end_matches('/').to_owned()),
            base: Some(base),
        }
    }

    /// Whether we know under which URL we are reached.
    pub(crate) const fn is_generated(&self) -> bool {
        self.base.is_some()
    }

    /// Where a client looks after its registration (RFC 7592 §3). `None` if the issuer is no URL.
    pub(crate) fn registration_client_uri(&self, id: &ClientId) -> Option<String> {
        // An id that we made is letters.
        self.base.as_ref().map(|base| format!("{base}{REGISTER}/{id}"))
    }

    /// Where clients that know the issuer alone look for the documents: raw path, and the path of the route. None of
    /// them has `SERVICE_PREFIX`, of which such clients know nothing.
    pub(crate) fn places(&self) -> Vec<(String, &'static str)> {
        let Some(path) = &self.issuer_path else { return Vec::new() };
        vec![
            // RFC 8414 §3.1: between the host and the path of the issuer.
            (format!("{AUTHORIZATION_SERVER}{path}"), AUTHORIZATION_SERVER),
            // RFC 8414 §5: the same for the document of OpenID Connect, beside its older place below the issuer.
            (format!("{OPENID_CONFIGURATION}{path}"), OPENID_CONFIGURATION),
            (format!("{path}{OPENID_CONFIGURATION}"), OPENID_CONFIGURATION),
        ]
    }
}

/// What both documents say. No member is an empty array (C-8414-02).
fn metadata(issuer: &str, base: &str) -> Map<String, Value> {
    // Clients authenticate in the same ways wherever they do.
    let methods = json!(AuthMethod::ALL);
    let algorithms = json!(Algorithm::names());
    let members = [
        ("issuer", json!(issuer)),
        ("token_endpoint", json!(format!("{base}{TOKEN}"))),
        ("jwks_uri", json!(format!("{base}{JWKS}"))),
        ("registration_endpoint", json!(format!("{base}{REGISTER}"))),
        ("grant_types_supported", json!([GRANT_TYPE])),
        ("token_endpoint_auth_methods_supported", methods.clone()),
        ("token_endpoint_auth_signing_alg_values_supported", algorithms.clone()),
        ("introspection_endpoint", json!(format!("{base}{INTROSPECT}"))),
        ("introspection_endpoint_auth_methods_supported", methods.clone()),
        ("introspection_endpoint_auth_signing_alg_values_supported", algorithms.clone()),
        ("revocation_endpoint", json!(format!("{base}{REVOKE}"))),
        ("revocation_endpoint_auth_methods_supported", methods),
        ("revocation_endpoint_auth_signing_alg_values_supported", algorithms),
        // Required, and never empty, even without an authorization endpoint (RFC 8414 §2, §3.2). `none` is the
        // registered type that asks such an endpoint for nothing: it promises neither codes nor tokens from one.
        ("response_types_supported", json!(["none"])),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What OpenID Connect requires besides. There are no ID tokens; the algorithms are those of our signing keys.
fn openid_members(signing_algorithms: &[Algorithm]) -> [(String, Value); 2] {
    [
        ("subject_types_supported".to_owned(), json!(["public"])),
        ("id_token_signing_alg_values_supported".to_owned(), json!(signing_algorithms)),
    ]
}

fn json_bytes(members: &Map<String, Value>) -> Bytes {
    Bytes::from(json!(members).to_string())
}

impl std::fmt::Debug for Discovery {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Discovery").field("issuer_path", &self.issuer_path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(document: Option<&Bytes>) -> Option<Value> {
        document.map(|bytes| serde_json::from_slice(bytes).unwrap())
    }

    fn discovery(issuer: &str, prefix: &str, operators_file: Option<Bytes>) -> Discovery {
        Discovery::new(issuer, prefix, operators_file, RegistrationMode::Open, &[Algorithm::Rs256])
    }

    #[test]
    fn urls_are_the_host_of_the_issuer_the_prefix_and_the_path() {
        for (issuer, prefix, token_endpoint) in [
            ("https://h", "", "https://h/oauth/token"),
            ("https://h/", "", "https://h/oauth/token"),
            ("https://h:8443", "/auth", "https://h:8443/auth/oauth/token"),
            ("https://h/t1", "/t1", "https://h/t1/oauth/token"),
            ("https://h/t1", "", "https://h/oauth/token"),
            ("https://h/t1/", "/auth/v1", "https://h/auth/v1/oauth/token"),
            ("http://[::1]:3000", "", "http://[::1]:3000/oauth/token"),
        ] {
            let discovery = discovery(issuer, prefix, None);
            for document in [&discovery.authorization_server, &discovery.openid_configuration] {
                let members = members(document.as_ref()).unwrap();
                assert_eq!(members["token_endpoint"], token_endpoint, "{issuer} {prefix}");
                assert_eq!(members["issuer"], issuer);
            }
        }
    }

    #[test]
    fn c_8414_01_the_places_of_the_documents() {
        for (issuer, path) in [
            ("https://h", ""),
            ("https://h/", ""),
            ("https://h/t1", "/t1"),
            ("https://h/t1/", "/t1"),
            ("https://h/a/b%20c", "/a/b%20c"),
        ] {
            let places = discovery(issuer, "/auth", None).places();
            let places: Vec<_> = places.into_iter().map(|(place, _)| place).collect();
            assert_eq!(
                places,
                [
                    format!("/.well-known/oauth-authorization-server{path}"),
                    format!("/.well-known/openid-configuration{path}"),
                    format!("{path}/.well-known/openid-configuration"),
                ]
            );
        }
    }

    #[test]
    fn an_issuer_that_is_no_url_is_not_described() {
        for issuer in [
            "mia-issuer",
            "",
            "/",
            "{",
            "urn:mia",
            "https://",
            "https:h",
            "HTTPS://h",
            "https://h/{x}",
            "https://h/a b",
            "https://h/\\..\\x",
            "https://h?x",
            "https://h#x",
            "https://user:password@h",
            "https://h:99999",
            "ftp://h",
            "mailto:a@b",
            "http://[::1",
            "è\u{202e}💥",
        ] {
            let discovery = discovery(issuer, "/auth", None);
            assert_eq!(
                (discovery.authorization_server, discovery.openid_configuration),
                (None, None),
                "{issuer}"
            );
        }
        let file = Bytes::from_static(b"{}");
        let discovery = discovery("mia-issuer", "", Some(file.clone()));
        assert_eq!((discovery.authorization_server, discovery.openid_configuration), (None, Some(file)));
    }
}

//! Gets a key set from where its client publishes it. The URL is a stranger's: one GET to a vetted address, no redirects,
//! no proxy, no compression, 3 seconds and 64 KiB for everything (T-SSRF-01 to T-SSRF-05, T-SSRF-10).

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::strict_json;
use reqwest::Certificate;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use serde_json::{Map, Value};
use service_kit::asking;
use url::{Origin, Url};

use super::address::AddressPolicy;
use super::uri::{self, JwksUriDefect};

/// For the name, the connection, the handshake and the answer together.
const DEADLINE: Duration = Duration::from_secs(3);
const MAX_BODY: usize = 64 * 1024;
const MAX_KEYS: usize = 20;

/// Fetches key sets.
pub struct KeySetFetcher {
    /// Not there if the machine has no root certificates at all: then nobody can be trusted.
    http: Option<reqwest::Client>,
    addresses: AddressPolicy,
    own: Option<Origin>,
}

/// Why there is no key set. For the log.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Uri(#[from] JwksUriDefect),
    #[error("this machine has no root certificates")]
    NoRoots,
    #[error("it took longer than 3 seconds")]
    TooSlow,
    #[error("the request failed: {0}")]
    Request(String),
    #[error("the answer has status {0}")]
    Status(u16),
    #[error("the answer is neither application/json nor application/jwk-set+json")]
    NotJson,
    #[error("the answer is compressed")]
    Encoded,
    #[error("the answer is longer than 64 KiB")]
    TooLong,
    #[error("the answer is not a JWK set of at most 20 keys")]
    NotAKeySet,
}

impl KeySetFetcher {
    /// `authorities` are trusted beside those of the machine, `own` is the origin of our issuer.
    #[must_use]
    pub fn new(addresses: AddressPolicy, authorities: Vec<Certificate>, own: Option<Origin>) -> Self {
        let http = http_client(&addresses, authorities);
        Self { http, addresses, own }
    }

    /// Whether keys may be fetched from there, as far as the URL tells. Ask again before a fetch: it may have been stored
    /// before a rule was.
    ///
    /// # Errors
    /// [`JwksUriDefect`].
    pub fn check(&self, uri: &str) -> Result<Url, JwksUriDefect> {
        uri::parse(uri, &self.addresses, self.own.as_ref())
    }

    /// The keys that are published at a URL that was [checked](Self::check), themselves unchecked.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch(&self, url: Url) -> Result<Vec<Map<String, Value>>, FetchError> {
        let body = tokio::time::timeout(DEADLINE, self.get(url)).await.map_err(|_| FetchError::TooSlow)??;
        key_set(&body).ok_or(FetchError::NotAKeySet)
    }

    async fn get(&self, url: Url) -> Result<Vec<u8>, FetchError> {
        let http = self.http.as_ref().ok_or(FetchError::NoRoots)?;
        let request = http.get(url).header(ACCEPT, "application/jwk-set+json, application/json");
        let mut response = request.send().await.map_err(failed)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        if response.headers().get_all(CONTENT_ENCODING).iter().any(|encoding| encoding != "identity") {
            return Err(FetchError::Encoded);
        }
        if !is_json(response.headers()) {
            return Err(FetchError::NotJson);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len().saturating_add(chunk.len()) > MAX_BODY {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// A page that only looks like a key set, such as what somebody could write into one, is none (T-SSRF-07).
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim_ascii();
    ["application/json", "application/jwk-set+json"].iter().any(|json| media_type.eq_ignore_ascii_case(json))
}

/// RFC 7517 §5.
fn key_set(body: &[u8]) -> Option<Vec<Map<String, Value>>> {
    let set = strict_json::object(body).ok()?;
    let keys = set.get("keys")?.as_array().filter(|keys| keys.len() <= MAX_KEYS)?;
    keys.iter().map(|key| key.as_object().cloned()).collect()
}

fn http_client(addresses: &AddressPolicy, authorities: Vec<Certificate>) -> Option<reqwest::Client> {
    let builder = || {
        asking::client(true)
            .https_only(true)
            // A kept connection would be one to an address that was vetted long ago.
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(VettedAddresses(addresses.clone())))
    };
    let trusting_the_machine = builder().tls_certs_merge(authorities.clone()).build();
    trusting_the_machine.or_else(|_| builder().tls_certs_only(authorities).build()).ok()
}

/// What went wrong, without the URL: it is in the client's record.
fn failed(error: reqwest::Error) -> FetchError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    FetchError::Request(text)
}

/// Looks names up and hands on those of their addresses that are permitted. Whatever a second look would find, the
/// connection goes to one of these (T-SSRF-02).
struct VettedAddresses(AddressPolicy);

impl Resolve for VettedAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let vetted: Vec<SocketAddr> = found.filter(|address| policy.permits(address.ip())).collect();
            if vetted.is_empty() {
                return Err("no address of the host may be asked for keys".into());
            }
            Ok(Box::new(vetted.into_iter()) as Addrs)
        })
    }
}

impl std::fmt::Debug for KeySetFetcher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("KeySetFetcher").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn t_ssrf_02_a_name_is_connected_to_at_permitted_addresses_only() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/k", listener.local_addr().unwrap().port());
        // As if the name had looked public until now.
        let fetcher = KeySetFetcher::new(AddressPolicy::default(), Vec::new(), None);
        let error = fetcher.get(Url::parse(&url).unwrap()).await.unwrap_err().to_string();
        assert!(error.contains("no address of the host may be asked"), "{error}");
        let knocked = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(knocked.is_err(), "nobody connected");
    }

    #[test]
    fn t_ssrf_07_a_key_set_says_that_it_is_json() {
        let is_json = |value: &str| {
            let value = reqwest::header::HeaderValue::from_str(value).unwrap();
            is_json(&HeaderMap::from_iter([(CONTENT_TYPE, value)]))
        };
        for good in ["application/json", "Application/JWK-Set+JSON", "application/json ; charset=utf-8"] {
            assert!(is_json(good), "{good}");
        }
        for bad in ["", "text/html", "text/plain", "application/jsonp", "application/jwt"] {
            assert!(!is_json(bad), "{bad}");
        }
        assert!(!super::is_json(&HeaderMap::new()));
    }

    #[test]
    fn t_ssrf_05_t_ssrf_07_a_key_set_is_an_object_with_at_most_20_keys() {
        let keys = |count: usize| json!({"keys": vec![json!({"kty": "EC"}); count], "more": 1}).to_string();
        for good in [0, 1, 20] {
            assert_eq!(key_set(keys(good).as_bytes()).map(|keys| keys.len()), Some(good));
        }
        for bad in [
            &keys(21),
            "[]",
            "{}",
            r#"{"keys":{}}"#,
            r#"{"keys":["x"]}"#,
            r#"{"keys":[],"keys":[]}"#,
            "<html>",
            "",
        ] {
            assert_eq!(key_set(bad.as_bytes()), None, "{bad}");
        }
    }
}

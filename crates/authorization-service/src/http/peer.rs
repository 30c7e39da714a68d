//! Whether it is our gateway that asks (G-HDR-10, G-HDR-19): it sends a shared secret. Without `TRUSTED_PEER_SECRET`
//! everybody who reaches the port may ask.

use actix_web::http::header::HeaderMap;
use subtle::ConstantTimeEq;

use crate::config::PeerSecret;

/// The header with the gateway's secret.
pub(crate) const PEER_HEADER: &str = "x-gettone-peer";

/// Whether the caller may ask: exactly one header with the secret, compared in constant time.
pub(crate) fn may_ask(secret: Option<&PeerSecret>, headers: &HeaderMap) -> bool {
    let Some(secret) = secret else { return true };
    let mut values = headers.get_all(PEER_HEADER);
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    value.as_bytes().ct_eq(secret.0.expose().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};
    use service_kit::Secret;

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn asks(values: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HeaderName::from_static(PEER_HEADER), HeaderValue::from_static(value));
        }
        may_ask(Some(&PeerSecret(Secret::from(SECRET.to_owned()))), &headers)
    }

    #[test]
    fn g_hdr_19_only_one_and_only_the_right_secret() {
        assert!(asks(&[SECRET]));
        for values in
            [&[][..], &[""], &["0123456789abcdef0123456789abcdeF"], &[SECRET, SECRET], &[SECRET, "x"]]
        {
            assert!(!asks(values), "{values:?}");
        }
    }

    #[test]
    fn without_a_secret_everybody_may_ask() {
        assert!(may_ask(None, &HeaderMap::new()));
    }
}

//! Whether it is our gateway that asks (G-HDR-10, G-HDR-19): it sends a shared secret. Without `TRUSTED_PEER_SECRET`
//! everybody who reaches the port may ask.

use service_kit::HeaderName;
use subtle::ConstantTimeEq;

use super::question::RequestHeaders;
use crate::config::LongSecret;

/// The header with the gateway's secret.
pub(crate) const PEER_HEADER: &str = "x-gettone-peer";

static PEER: HeaderName = HeaderName::from_static(PEER_HEADER);

/// Whether the caller may ask: exactly one header with the secret, compared in constant time.
pub(crate) fn may_ask(secret: Option<&LongSecret>, headers: &impl RequestHeaders) -> bool {
    let Some(secret) = secret else { return true };
    let mut values = headers.values(&PEER);
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    value.ct_eq(secret.0.expose().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use service_kit::Secret;

    use super::super::question::tests::header;
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn asks(values: &[&str]) -> bool {
        may_ask(Some(&LongSecret(Secret::from(SECRET.to_owned()))), &header(PEER_HEADER, values))
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
        assert!(may_ask(None, &header(PEER_HEADER, &[])));
    }
}

//! What expressions may know of the request besides the user (upstream contract §3.1, §6.2): the client type and
//! whether it is a backoffice request. The gateway sets both headers, always (G-HDR-18).

use access_rules::Facts;
use service_kit::HeaderName;

use super::question::RequestHeaders;

/// Several client types, or one that is no text: nobody knows which the gateway meant (G-HDR-14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client type header holds more than one value, or no text")]
pub(crate) struct ClientTypeUnclear;

/// Where the facts are read.
#[derive(Debug)]
pub(crate) struct FactHeaders {
    /// `CLIENT_TYPE_HEADER_KEY`.
    pub(crate) client_type: HeaderName,
    /// `BACKOFFICE_HEADER_KEY`.
    pub(crate) backoffice: HeaderName,
}

impl FactHeaders {
    pub(crate) fn read<'request>(
        &self,
        headers: &'request impl RequestHeaders,
    ) -> Result<Facts<'request>, ClientTypeUnclear> {
        Ok(Facts {
            client_type: client_type(headers.values(&self.client_type))?,
            is_backoffice: is_backoffice(headers.values(&self.backoffice)),
        })
    }
}

/// The client type; empty if there is none. Gateways write a lone `-` for a value they do not have.
fn client_type<'request>(
    mut values: impl Iterator<Item = &'request [u8]>,
) -> Result<&'request str, ClientTypeUnclear> {
    match (values.next(), values.next()) {
        (None, _) => Ok(""),
        (Some(value), None) => match text(value).ok_or(ClientTypeUnclear)?.trim() {
            "-" => Ok(""),
            joined if joined.contains(',') => Err(ClientTypeUnclear),
            text => Ok(text),
        },
        (Some(_), Some(_)) => Err(ClientTypeUnclear),
    }
}

/// What RFC 9110 §5.5 lets a sender write.
fn text(value: &[u8]) -> Option<&str> {
    let is_text = value.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    std::str::from_utf8(value).ok().filter(|_| is_text)
}

/// Whether it is a backoffice request. Envoy adds a second value on its frontend listener: any `0` makes it false,
/// else the last one counts.
fn is_backoffice<'request>(values: impl Iterator<Item = &'request [u8]>) -> bool {
    let mut last = false;
    for value in values {
        match value.trim_ascii() {
            b"0" => return false,
            value => last = value == b"1" || value.eq_ignore_ascii_case(b"true"),
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<'a>(values: &'a [&'a str]) -> impl Iterator<Item = &'a [u8]> {
        values.iter().map(|value| value.as_bytes())
    }

    #[test]
    fn g_hdr_14_g_hdr_18_one_client_type_or_none() {
        for (values, expected) in [
            (&[][..], Ok("")),
            (&[""], Ok("")),
            (&["-"], Ok("")),
            (&["apiKey"], Ok("apiKey")),
            (&["a", "b"], Err(ClientTypeUnclear)),
            (&["a", "a"], Err(ClientTypeUnclear)),
            (&["a,b"], Err(ClientTypeUnclear)),
            (&["\u{e8}"], Err(ClientTypeUnclear)),
        ] {
            assert_eq!(client_type(bytes(values)), expected, "{values:?}");
        }
    }

    #[test]
    fn g_hdr_18_backoffice_is_1_or_true_and_any_0_wins() {
        for (values, expected) in [
            (&[][..], false),
            (&["1"], true),
            (&["TRUE"], true),
            (&["0"], false),
            (&[""], false),
            (&["yes"], false),
            (&["1", "0"], false),
            (&["0", "1"], false),
            (&["1,0"], false),
            (&["false", "1"], true),
            (&["1", "false"], false),
        ] {
            assert_eq!(is_backoffice(bytes(values)), expected, "{values:?}");
        }
    }
}

//! What expressions may know of the request besides the user (upstream contract §3.1, §6.2): the client type and
//! whether it is a backoffice request. The gateway sets both headers, always (G-HDR-18).

use actix_web::http::header::HeaderMap;
use service_kit::HeaderName;

/// Several client types, or one that is no text: nobody knows which the gateway meant (G-HDR-14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client type header holds more than one value, or no text")]
pub(crate) struct ClientTypeUnclear;

/// The client type; empty if there is none. Gateways write a lone `-` for a value they do not have.
pub(crate) fn client_type<'request>(
    headers: &'request HeaderMap,
    name: &HeaderName,
) -> Result<&'request str, ClientTypeUnclear> {
    let mut values = headers.get_all(name.as_str());
    match (values.next(), values.next()) {
        (None, _) => Ok(""),
        (Some(value), None) => {
            let text = value.to_str().map_err(|_| ClientTypeUnclear)?.trim();
            match text {
                "-" => Ok(""),
                joined if joined.contains(',') => Err(ClientTypeUnclear),
                text => Ok(text),
            }
        }
        (Some(_), Some(_)) => Err(ClientTypeUnclear),
    }
}

/// Whether it is a backoffice request. Envoy adds a second value on its frontend listener: any `0` makes it false,
/// else the last one counts.
pub(crate) fn is_backoffice(headers: &HeaderMap, name: &HeaderName) -> bool {
    let mut last = false;
    for value in headers.get_all(name.as_str()) {
        match value.as_bytes().trim_ascii() {
            b"0" => return false,
            value => last = value == b"1" || value.eq_ignore_ascii_case(b"true"),
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use actix_web::http::header;

    use super::*;

    fn headers(values: &[&str]) -> (HeaderMap, HeaderName) {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = header::HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(header::HeaderName::from_static("x-fact"), value);
        }
        (headers, HeaderName::parse("X-Fact").unwrap())
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
            let (headers, name) = headers(values);
            assert_eq!(client_type(&headers, &name), expected, "{values:?}");
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
            let (headers, name) = headers(values);
            assert_eq!(is_backoffice(&headers, &name), expected, "{values:?}");
        }
    }
}

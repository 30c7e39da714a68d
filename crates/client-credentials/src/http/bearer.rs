//! Reading `Authorization: Bearer …` (RFC 6750 §2.1).

use actix_web::http::header::{AUTHORIZATION, HeaderMap};

/// Why there is no one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BearerDefect {
    #[error("the request has no bearer token")]
    Missing,
    #[error("the request has several Authorization headers")]
    Several,
    #[error("the bearer token cannot be read")]
    Malformed,
    /// It is not the management token.
    #[error("the bearer token is wrong")]
    Wrong,
}

/// The one bearer token of a request. Another scheme is no token (RFC 6750 §3.1).
///
/// # Errors
/// [`BearerDefect`].
pub(super) fn token(headers: &HeaderMap) -> Result<&str, BearerDefect> {
    let mut values = headers.get_all(AUTHORIZATION);
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(BearerDefect::Missing),
        (Some(value), None) => value.as_bytes(),
        (Some(_), Some(_)) => return Err(BearerDefect::Several),
    };
    let (scheme, rest) = value.split_at(value.iter().position(|byte| *byte == b' ').unwrap_or(value.len()));
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(BearerDefect::Missing);
    }
    let token = std::str::from_utf8(rest.trim_ascii_start()).unwrap_or_default();
    let legal = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
    if legal { Ok(token) } else { Err(BearerDefect::Malformed) }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn read(values: &[&[u8]]) -> Result<String, BearerDefect> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        token(&headers).map(str::to_owned)
    }

    #[test]
    fn c_6750_01_the_scheme_is_compared_without_case() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c"] {
            assert_eq!(read(&[value.as_bytes()]), Ok("a.b.c".to_owned()), "{value}");
        }
    }

    #[test]
    fn c_6750_04_t_tok_06_no_token_several_or_an_odd_one() {
        for (values, defect) in [
            (&[][..], BearerDefect::Missing),
            (&[&b"Basic Yzpz"[..]], BearerDefect::Missing),
            (&[b""], BearerDefect::Missing),
            (&[b"Bearers x"], BearerDefect::Missing),
            (&[b"Bearer x", b"Bearer x"], BearerDefect::Several),
            (&[b"Bearer"], BearerDefect::Malformed),
            (&[b"Bearer x y"], BearerDefect::Malformed),
            (&[b"Bearer x,y"], BearerDefect::Malformed),
            (&[b"Bearer x\ty"], BearerDefect::Malformed),
            (&[b"Bearer \xff"], BearerDefect::Malformed),
        ] {
            assert_eq!(read(values), Err(defect), "{values:?}");
        }
    }
}

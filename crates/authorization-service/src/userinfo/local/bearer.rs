//! The one bearer token of a request (RFC 6750 §2.1). Tokens elsewhere, in a cookie for instance, are not looked at here.

use service_kit::HeaderName;

use crate::userinfo::Presented;

/// Why there is no one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoToken {
    /// No `Authorization` header, or one of another scheme.
    Missing,
    /// Several, or one that cannot be read.
    Malformed,
}

/// The token in `authorization`, which is the name of that header.
///
/// # Errors
/// [`NoToken`].
pub(super) fn token<'presented>(
    presented: &'presented Presented,
    authorization: &'presented HeaderName,
) -> Result<&'presented str, NoToken> {
    let mut values = presented.values(authorization);
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(NoToken::Missing),
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err(NoToken::Malformed),
    };
    let (scheme, rest) = value.split_at(value.iter().position(|byte| *byte == b' ').unwrap_or(value.len()));
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(NoToken::Missing);
    }
    let token = std::str::from_utf8(rest.trim_ascii_start()).unwrap_or_default();
    // Every byte is looked at, so that many are at a time.
    let legal =
        token.bytes().fold(!token.is_empty(), |all, byte| all & byte.is_ascii_graphic() & (byte != b','));
    if legal { Ok(token) } else { Err(NoToken::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&[u8]]) -> Result<String, NoToken> {
        let name = HeaderName::parse("authorization").unwrap();
        let mut presented = Presented::default();
        for value in values {
            presented.add(&name, value);
        }
        token(&presented, &name).map(str::to_owned)
    }

    #[test]
    fn the_scheme_is_compared_without_case() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c"] {
            assert_eq!(read(&[value.as_bytes()]), Ok("a.b.c".to_owned()), "{value}");
        }
    }

    #[test]
    fn g_ui_14_no_token_several_or_an_odd_one() {
        for (values, why) in [
            (&[][..], NoToken::Missing),
            (&[&b"Basic Yzpz"[..]], NoToken::Missing),
            (&[b""], NoToken::Missing),
            (&[b"Bearers x"], NoToken::Missing),
            (&[b"Bearer x", b"Bearer x"], NoToken::Malformed),
            (&[b"Bearer x", b"Basic Yzpz"], NoToken::Malformed),
            (&[b"Bearer"], NoToken::Malformed),
            (&[b"Bearer x y"], NoToken::Malformed),
            (&[b"Bearer x,y"], NoToken::Malformed),
            (&[b"Bearer x\ty"], NoToken::Malformed),
            (&[b"Bearer \xff"], NoToken::Malformed),
        ] {
            assert_eq!(read(values), Err(why), "{values:?}");
        }
    }
}

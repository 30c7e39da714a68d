//! Reading `Authorization: Bearer …` (RFC 6750 §2.1), the one way in which a caller shows a token here.

/// Why there is no one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BearerDefect {
    /// No `Authorization` header, or one of another scheme.
    #[error("the request has no bearer token")]
    Missing,
    /// Two headers could name two callers.
    #[error("the request has several Authorization headers")]
    Several,
    /// Nothing, or signs that no token has.
    #[error("the bearer token cannot be read")]
    Malformed,
}

/// The one bearer token among the values of the `Authorization` headers. Another scheme is no token (RFC 6750 §3.1).
///
/// # Errors
/// [`BearerDefect`].
pub fn token<'value>(mut values: impl Iterator<Item = &'value [u8]>) -> Result<&'value str, BearerDefect> {
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(BearerDefect::Missing),
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err(BearerDefect::Several),
    };
    let (scheme, rest) = value.split_at(value.iter().position(|byte| *byte == b' ').unwrap_or(value.len()));
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(BearerDefect::Missing);
    }
    let token = std::str::from_utf8(rest.trim_ascii_start()).unwrap_or_default();
    // Every byte is looked at, so that many are at a time.
    let legal =
        token.bytes().fold(!token.is_empty(), |all, byte| all & byte.is_ascii_graphic() & (byte != b','));
    if legal { Ok(token) } else { Err(BearerDefect::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'value>(values: &[&'value [u8]]) -> Result<&'value str, BearerDefect> {
        token(values.iter().copied())
    }

    #[test]
    fn c_6750_01_the_scheme_is_compared_without_case() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c"] {
            assert_eq!(read(&[value.as_bytes()]), Ok("a.b.c"), "{value}");
        }
    }

    #[test]
    fn c_6750_04_t_tok_06_g_ui_14_no_token_several_or_an_odd_one() {
        for (values, defect) in [
            (&[][..], BearerDefect::Missing),
            (&[&b"Basic Yzpz"[..]], BearerDefect::Missing),
            (&[b""], BearerDefect::Missing),
            (&[b"Bearers x"], BearerDefect::Missing),
            (&[b"Bearer x", b"Bearer x"], BearerDefect::Several),
            (&[b"Bearer x", b"Basic Yzpz"], BearerDefect::Several),
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

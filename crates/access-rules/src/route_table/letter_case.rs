//! Comparing paths without regard to letter case, as some servers behind a gateway do. They come in canonical
//! spelling: ASCII, with the UTF-8 of every other character as escapes.

use std::borrow::Cow;

/// A spelling that two segments, or paths, share if some server could take one for the other by ignoring case. Only
/// for comparing: it is no path.
///
/// Servers fold with their languages' functions, which disagree about a few letters: `ſ` is `s` in capitals only, the
/// Kelvin sign is `k` in small letters only, `ı` and `İ` depend on the locale (G-PATH-10). Here all of them fold.
pub(super) fn fold(path: &str) -> Cow<'_, str> {
    const DOT_ABOVE: char = '\u{307}';
    if !path.contains('%') {
        let lower = !path.bytes().any(|byte| byte.is_ascii_uppercase());
        return if lower { Cow::Borrowed(path) } else { Cow::Owned(path.to_ascii_lowercase()) };
    }
    let folded = decode_non_ascii(path)
        .chars()
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .filter(|character| *character != DOT_ABOVE)
        .collect();
    Cow::Owned(folded)
}

/// Escapes of ASCII stay: they are another reading's business.
fn decode_non_ascii(path: &str) -> String {
    let mut parts = path.split('%');
    let mut octets = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let octet = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (octet, part.get(2..)) {
            (Some(octet), Some(after)) if !octet.is_ascii() => {
                octets.push(octet);
                octets.extend_from_slice(after.as_bytes());
            }
            _ => {
                octets.push(b'%');
                octets.extend_from_slice(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn g_path_10_letters_that_some_server_takes_for_one_another() {
        for (left, right, equal) in [
            ("admin", "ADMIN", true),
            ("admin", "adm%C4%B1n", true),  // ı
            ("admin", "ADM%C4%B0N", true),  // İ
            ("kids", "%E2%84%AAids", true), // the Kelvin sign
            ("kids", "kid%C5%BF", true),    // ſ
            ("caff%C3%A8", "CAFF%C3%88", true),
            ("stra%C3%9Fe", "STRASSE", true),
            ("stra%E1%BA%9Ee", "strasse", true), // ẞ
            ("caff%C3%A8", "caffe", false),
            ("admin", "admin%20x", false),
            ("a%3Ab", "a:b", false),
            ("a%40", "A%40", true),
        ] {
            assert_eq!(fold(left) == fold(right), equal, "{left} {right}");
        }
    }
}

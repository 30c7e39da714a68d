//! Comparing segments without regard to letter case, as some servers behind a gateway do. Segments come in canonical
//! spelling: ASCII, with the UTF-8 of every other character as escapes.

use std::cmp::Ordering;

/// A total order in which two segments are equal if some server could take one for the other by ignoring case.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    if left.contains('%') || right.contains('%') {
        return fold(left).cmp(&fold(right));
    }
    // What `fold` makes of plain segments, without allocating.
    left.bytes()
        .map(|byte| byte.to_ascii_lowercase())
        .cmp(right.bytes().map(|byte| byte.to_ascii_lowercase()))
}

/// Servers fold with their languages' functions, which disagree about a few letters: `ſ` is `s` in capitals only, the
/// Kelvin sign is `k` in small letters only, `ı` and `İ` depend on the locale (G-PATH-10). Here all of them fold.
fn fold(segment: &str) -> String {
    const DOT_ABOVE: char = '\u{307}';
    decode_non_ascii(segment)
        .chars()
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .filter(|character| *character != DOT_ABOVE)
        .collect()
}

/// Escapes of ASCII stay: they are another reading's business.
fn decode_non_ascii(segment: &str) -> String {
    let mut parts = segment.split('%');
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
    use super::compare;

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
            assert_eq!(compare(left, right).is_eq(), equal, "{left} {right}");
            assert_eq!(compare(left, right), compare(right, left).reverse(), "{left} {right}");
        }
    }
}

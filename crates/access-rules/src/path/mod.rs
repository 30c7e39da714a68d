//! The path model: a raw request target becomes one canonical path, or is refused (conformance §3.0 rule 1).
//! Where servers are known to disagree about a path that is not refused, the other readings are kept beside it
//! (rule 2). Knows nothing of rules.

mod refusal;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use refusal::PathRefusal;

/// Most bytes a path may have (G-PATH-24).
pub(crate) const MAX_PATH_LENGTH: usize = 8 * 1024;

/// What to do with `//` in a path (K-10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RepeatedSlashes {
    /// The standard profile.
    #[default]
    Refuse,
    /// The drop-in profile: read as one slash, and as they stand; the stricter reading wins.
    Merge,
}

/// What to do with an encoded slash, `%2F`, in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EncodedSlashes {
    #[default]
    Refuse,
    /// Read as part of a name, and as a slash; the rules of both readings must allow. For services behind the gateway
    /// that take names with slashes in them.
    BothReadings,
}

/// Which doubtful paths a deployment takes after all (conformance §3.0 rule 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathPolicy {
    pub repeated_slashes: RepeatedSlashes,
    pub encoded_slashes: EncodedSlashes,
}

impl From<RepeatedSlashes> for PathPolicy {
    fn from(repeated_slashes: RepeatedSlashes) -> Self {
        Self { repeated_slashes, ..Self::default() }
    }
}

/// A path that was accepted. Borrows from the target unless something had to be rewritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPath<'a> {
    canonical: Cow<'a, str>,
    /// With `//` left as it stands; `None` if there is none.
    unmerged: Option<Cow<'a, str>>,
    /// With `//`, and with the escapes of characters that need none (`%61`), as they stand; `None` if there are none of these.
    undecoded: Option<String>,
    /// With encoded slashes read as slashes; `None` if there are none.
    split: Option<Box<RequestPath<'static>>>,
}

impl<'a> RequestPath<'a> {
    /// Reads a request target as it came over the wire: path and optional query.
    ///
    /// # Errors
    /// Refuses a path that two servers could read as two resources.
    pub fn parse(target: &'a [u8], policy: impl Into<PathPolicy>) -> Result<Self, PathRefusal> {
        let policy = policy.into();
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        if path.first() != Some(&b'/') {
            return Err(PathRefusal::NoLeadingSlash);
        }
        if path.len() > MAX_PATH_LENGTH {
            return Err(PathRefusal::TooLong);
        }
        let (unmerged, undecoded) = normalise_escapes(path, policy.encoded_slashes)?;
        refuse_ambiguous_segments(&unmerged)?;
        let split = split_at_encoded_slashes(undecoded.as_deref().unwrap_or(&unmerged), policy)?;
        if !unmerged.contains("//") {
            return Ok(Self { canonical: unmerged, unmerged: None, undecoded, split });
        }
        match policy.repeated_slashes {
            RepeatedSlashes::Refuse => Err(PathRefusal::RepeatedSlashes),
            RepeatedSlashes::Merge => Ok(Self {
                canonical: Cow::Owned(merge_slashes(&unmerged)),
                unmerged: Some(unmerged),
                undecoded,
                split,
            }),
        }
    }

    /// The path in the one spelling that rules are matched against: unreserved characters decoded, every other
    /// escape in capital hexadecimal, no repeated slashes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.canonical
    }

    pub(crate) fn split(&self) -> Option<&RequestPath<'static>> {
        self.split.as_deref()
    }

    /// With the escapes of reserved characters decoded too, for servers that decode everything before routing; `None` if
    /// there are none.
    pub(crate) fn decoded(&self) -> Option<String> {
        decode_reserved(&self.canonical)
    }

    /// Every other text that some server makes of the path before it routes: with slashes as they stand, with no escape
    /// decoded or with those of reserved characters too, with the ends of names cut off, and with any of these together.
    /// None for a path without `//`, `%` and `.`, as most are.
    pub(crate) fn other_texts(&self) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        let is_plain = self.unmerged.is_none() && self.undecoded.is_none();
        if is_plain && !self.canonical.contains(['%', '.']) {
            return texts;
        }
        let mut add = |text: String| {
            if text != self.canonical && !texts.contains(&text) {
                texts.push(text);
            }
        };
        let merged = self.undecoded.as_deref().map(merge_slashes);
        let spellings =
            [Some(&*self.canonical), self.unmerged.as_deref(), self.undecoded.as_deref(), merged.as_deref()];
        for spelling in spellings.into_iter().flatten() {
            for text in [Some(spelling.to_owned()), decode_reserved(spelling)].into_iter().flatten() {
                without_endings(&text).into_iter().flatten().for_each(&mut add);
                add(text);
            }
        }
        texts
    }
}

/// Characters that mean the same escaped or not (RFC 3986 §2.3).
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Characters that may stand raw in a segment besides the unreserved ones (RFC 3986 §3.3), without `;`.
pub(crate) fn is_reserved_in_segment(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@')
}

/// Checks every byte and brings the escapes into one spelling (RFC 3986 §6.2.2). Most paths need no rewriting and
/// are borrowed. Beside it the same with every escape left, if that is different.
fn normalise_escapes(
    path: &[u8],
    encoded_slashes: EncodedSlashes,
) -> Result<(Cow<'_, str>, Option<String>), PathRefusal> {
    path.iter().try_for_each(|byte| check_raw(*byte))?;
    if path.iter().all(|byte| stands_for_itself(*byte)) {
        return Ok((String::from_utf8_lossy(path), None));
    }
    let mut canonical = String::with_capacity(path.len());
    let mut undecoded = String::with_capacity(path.len());
    let mut octets = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let octet = if byte == b'%' { take_escape(&mut rest)? } else { byte };
        if byte == b'%' && !(octet == b'/' && encoded_slashes == EncodedSlashes::BothReadings) {
            check_escaped(octet)?;
        }
        // A reserved character keeps the spelling it came in; the few characters that browsers send raw although
        // RFC 3986 wants them escaped (`[`, `|`, `^` and their like) are escaped here.
        let raw = if byte == b'%' { is_unreserved(octet) } else { stands_for_itself(octet) };
        if raw {
            canonical.push(char::from(octet));
        } else {
            push_escape(&mut canonical, octet);
        }
        if raw && byte != b'%' {
            undecoded.push(char::from(octet));
        } else {
            push_escape(&mut undecoded, octet);
        }
        octets.push(octet);
    }
    match std::str::from_utf8(&octets) {
        Ok(_) => {
            let undecoded = (undecoded != canonical).then_some(undecoded);
            Ok((Cow::Owned(canonical), undecoded))
        }
        Err(_) => Err(PathRefusal::NotUtf8),
    }
}

fn stands_for_itself(byte: u8) -> bool {
    byte == b'/' || is_unreserved(byte) || is_reserved_in_segment(byte)
}

fn take_escape(rest: &mut &[u8]) -> Result<u8, PathRefusal> {
    let Some(([high, low], after)) = rest.split_first_chunk::<2>() else {
        return Err(PathRefusal::BadEscape);
    };
    *rest = after;
    match (hex_digit(*high), hex_digit(*low)) {
        (Some(high), Some(low)) => Ok(high << 4 | low),
        _ => Err(PathRefusal::BadEscape),
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn push_escape(text: &mut String, octet: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    for nibble in [octet >> 4, octet & 15] {
        text.push(DIGITS.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit)));
    }
}

fn check_raw(byte: u8) -> Result<(), PathRefusal> {
    match byte {
        b'\\' => Err(PathRefusal::Backslash),
        b'#' => Err(PathRefusal::HiddenEnd),
        b';' => Err(PathRefusal::Semicolon),
        b' ' => Err(PathRefusal::RawSpace),
        control if control.is_ascii_control() => Err(PathRefusal::ControlByte),
        other if !other.is_ascii() => Err(PathRefusal::NonAscii),
        _ => Ok(()),
    }
}

/// A byte that would be refused raw, or would end a segment or the path, is refused escaped too.
fn check_escaped(octet: u8) -> Result<(), PathRefusal> {
    match octet {
        b'%' => Err(PathRefusal::DoubleEncoding),
        b'/' | b'\\' => Err(PathRefusal::EncodedSlash),
        b'.' => Err(PathRefusal::EncodedDot),
        b'#' | b'?' => Err(PathRefusal::HiddenEnd),
        b';' => Err(PathRefusal::Semicolon),
        control if control.is_ascii_control() => Err(PathRefusal::ControlByte),
        _ => Ok(()),
    }
}

fn refuse_ambiguous_segments(path: &str) -> Result<(), PathRefusal> {
    for segment in path.split('/') {
        if segment == "." || segment == ".." {
            return Err(PathRefusal::DotSegment);
        }
        if segment.starts_with("%20") || segment.ends_with("%20") {
            return Err(PathRefusal::SpaceAtSegmentEdge);
        }
    }
    Ok(())
}

/// The path as a server sees it that decodes before it looks for slashes. What that makes of it is refused as if it had
/// come so: `..%2Fadmin` holds a dot segment.
fn split_at_encoded_slashes(
    path: &str,
    policy: PathPolicy,
) -> Result<Option<Box<RequestPath<'static>>>, PathRefusal> {
    if policy.encoded_slashes == EncodedSlashes::Refuse || !path.contains("%2F") {
        return Ok(None);
    }
    let split = path.replace("%2F", "/");
    let RequestPath { canonical, unmerged, undecoded, split: _ } =
        RequestPath::parse(split.as_bytes(), policy)?;
    let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
    Ok(Some(Box::new(RequestPath {
        canonical: owned(canonical),
        unmerged: unmerged.map(owned),
        undecoded,
        split: None,
    })))
}

fn merge_slashes(path: &str) -> String {
    let mut merged = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !merged.ends_with('/') {
            merged.push(character);
        }
    }
    merged
}

/// The canonical path as a server sees it that decodes reserved characters before it routes; `None` if that is no
/// different.
fn decode_reserved(path: &str) -> Option<String> {
    let mut parts = path.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    let mut different = false;
    for part in parts {
        let octet = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (octet, part.get(2..)) {
            (Some(octet), Some(after)) if is_reserved_in_segment(octet) => {
                decoded.push(char::from(octet));
                decoded.push_str(after);
                different = true;
            }
            _ => {
                decoded.push('%');
                decoded.push_str(part);
            }
        }
    }
    different.then_some(decoded)
}

/// The path as servers see it that cut dots and blanks off the end of every name, and as those see it that also take what
/// follows the last dot for the format of the answer, before and after (G-PATH-12); `None` where that is no different.
fn without_endings(path: &str) -> [Option<String>; 2] {
    if !path.contains('.') {
        return [None, None];
    }
    let undotted = path.split('/').map(without_dots).collect::<Vec<_>>().join("/");
    let (names, slash) = undotted.strip_suffix('/').map_or((undotted.as_str(), ""), |names| (names, "/"));
    let (above, last) = names.rsplit_once('/').unwrap_or(("", names));
    let unsuffixed = match last.rsplit_once('.') {
        Some((name, _)) if !name.trim_end_matches('.').is_empty() => {
            Some(format!("{above}/{}{slash}", without_dots(name)))
        }
        _ => None,
    };
    [(undotted != path).then_some(undotted), unsuffixed]
}

/// A name of dots and blanks alone stays: without them it would be none.
fn without_dots(segment: &str) -> &str {
    let mut name = segment;
    while let Some(shorter) = name.strip_suffix('.').or_else(|| name.strip_suffix("%20")) {
        name = shorter;
    }
    if name.is_empty() { segment } else { name }
}

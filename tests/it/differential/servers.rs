//! Servers behind the gateway, as they disagree with each other: each takes the target that reached it and says which of its
//! handlers would run. They are meant to be lenient; the more they accept, the more the gateway and the rules must refuse.

use super::rules::Handler;

/// How a server finds the handler of a request target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    /// Compares the bytes as they came.
    Raw,
    /// Decodes, merges slashes, resolves dots, reads a backslash as a slash and ends the path at a NUL.
    Decoding,
    /// The same twice.
    DecodingTwice,
    /// Cuts `;parameters` off each segment before it decodes, as servlet containers do.
    Parameters,
    /// Decodes, and ignores letter case, also of the letters that some alphabets have twice, and dots and blanks at the end.
    AnyCase,
    /// Decodes, and takes what follows the last dot for the format of the answer.
    Formats,
}

impl Server {
    pub(super) const ALL: [Self; 6] =
        [Self::Raw, Self::Decoding, Self::DecodingTwice, Self::Parameters, Self::AnyCase, Self::Formats];

    /// The handler that would run for this target, path and query, in origin or absolute form.
    pub(super) fn handler(self, target: &[u8]) -> Option<Handler> {
        let path = path_of(target);
        let segments = match self {
            Self::Raw => path.strip_prefix(b"/")?.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect(),
            Self::Decoding => resolve(&decode(path)),
            Self::DecodingTwice => resolve(&decode(&decode(path))),
            Self::Parameters => resolve(&decode(&without_parameters(path))),
            Self::AnyCase => resolve(&decode(path)).iter().map(|segment| fold(segment)).collect(),
            Self::Formats => without_format(resolve(&decode(path))),
        };
        Handler::of(&segments)
    }
}

fn path_of(target: &[u8]) -> &[u8] {
    let target = match target.windows(3).position(|window| window == b"://") {
        Some(scheme) if !target.starts_with(b"/") => {
            let after = &target[scheme + 3..];
            after.iter().position(|byte| *byte == b'/').map_or(&b"/"[..], |slash| &after[slash..])
        }
        _ => target,
    };
    target.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default()
}

fn decode(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut at = 0;
    while at < path.len() {
        let octet = (path[at] == b'%')
            .then(|| path.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(octet.unwrap_or(path[at]));
        at += if octet.is_some() { 3 } else { 1 };
    }
    decoded
}

fn without_parameters(path: &[u8]) -> Vec<u8> {
    let segments = path.split(|byte| *byte == b'/');
    let cut = segments.map(|segment| segment.split(|byte| *byte == b';').next().unwrap_or_default());
    cut.collect::<Vec<_>>().join(&b'/')
}

/// The segments after backslashes, empty segments, dots and a NUL had their say.
fn resolve(path: &[u8]) -> Vec<Vec<u8>> {
    let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut segments: Vec<Vec<u8>> = Vec::new();
    for segment in path.split(|byte| matches!(byte, b'/' | b'\\')) {
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            segment => segments.push(segment.to_vec()),
        }
    }
    segments
}

fn without_format(mut segments: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    if let Some(last) = segments.last_mut()
        && let Some(dot @ 1..) = last.iter().rposition(|byte| *byte == b'.')
    {
        last.truncate(dot);
    }
    segments
}

fn fold(segment: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(segment).to_lowercase();
    let text = text.replace(['\u{131}', '\u{456}'], "i").replace("i\u{307}", "i").replace('\u{17f}', "s");
    text.trim_end_matches(['.', ' ', '\t', '\n', '\r']).as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_falls_for_its_own_trick() {
        let decoding =
            &[Server::Decoding, Server::DecodingTwice, Server::Parameters, Server::AnyCase, Server::Formats];
        for (target, fooled) in [
            ("/admin", &Server::ALL[..]),
            ("/public/..%2fadmin", decoding),
            ("/public/%252e%252e/admin", &[Server::DecodingTwice]),
            ("/public/..;/admin", &[Server::Parameters]),
            ("/ADMIN%20", &[Server::AnyCase]),
            ("/adm%C4%B1n", &[Server::AnyCase]),
            ("/admin.json", &[Server::Formats]),
            ("/admin.", &[Server::AnyCase, Server::Formats]),
            ("http://other/admin?x", &Server::ALL),
            ("/public\\..\\admin#x", decoding),
        ] {
            for server in Server::ALL {
                let handler = server.handler(target.as_bytes());
                assert_eq!(handler == Some(Handler::Admin), fooled.contains(&server), "{server:?} {target}");
            }
        }
    }
}

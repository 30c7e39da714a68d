//! Servers behind the gateway, as they disagree with each other: each takes the target that reached it and says which of its
//! handlers would run. They are meant to be lenient; the more they accept, the more the gateway and the rules must refuse.

use super::rules::Handler;

/// How a server finds the handler of a request target: what it does before it compares names. One that does nothing compares
/// the bytes as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Server {
    /// Cuts `;parameters` off each segment before anything else, as servlet containers do.
    cuts_parameters: bool,
    /// How often it decodes.
    decodes: u8,
    /// Merges slashes, resolves dots, reads a backslash as a slash and ends the path at a NUL.
    resolves: bool,
    /// Takes what follows the last dot for the format of the answer.
    cuts_format: bool,
    /// Cuts dots and blanks off the end of each segment.
    trims: bool,
    /// Ignores letter case, also of the letters that some alphabets have twice.
    any_case: bool,
}

impl Server {
    /// Those with one habit, those with two, and so on up to the one with all.
    fn all() -> impl Iterator<Item = Self> {
        let kinds = || (0..3).flat_map(|decodes| (0..32).map(move |habits| Self::new(decodes, habits)));
        (0..=7).flat_map(move |habits| kinds().filter(move |server| server.habits() == habits))
    }

    fn new(decodes: u8, habits: u8) -> Self {
        let has = |habit: u8| habits & (1 << habit) != 0;
        Self {
            decodes,
            cuts_parameters: has(0),
            resolves: has(1),
            cuts_format: has(2),
            trims: has(3),
            any_case: has(4),
        }
    }

    fn habits(self) -> u8 {
        let others = [self.cuts_parameters, self.resolves, self.cuts_format, self.trims, self.any_case];
        others.map(u8::from).iter().sum::<u8>() + self.decodes
    }

    /// What would run for this target, by each server that no other one stands for.
    pub(super) fn handlers(target: &[u8]) -> impl Iterator<Item = (Self, Handler)> {
        let servers = Self::all().filter(|server| server.is_told_apart_by(target));
        servers.filter_map(|server| Some((server, server.handler(target)?)))
    }

    /// Whether each of its habits may change something in this target.
    fn is_told_apart_by(self, target: &[u8]) -> bool {
        let has = |bytes: &[u8]| target.iter().any(|byte| bytes.contains(byte));
        (self.decodes == 0 || has(b"%"))
            && (!self.cuts_parameters || has(b";"))
            && (!self.cuts_format && !self.trims || has(b"%. \t\n\r"))
    }

    /// The handler that would run for this target, path and query, in origin or absolute form.
    fn handler(self, target: &[u8]) -> Option<Handler> {
        let mut path = path_of(target).to_vec();
        if self.cuts_parameters {
            path = without_parameters(&path);
        }
        for _ in 0..self.decodes {
            path = decode(&path);
        }
        let mut segments = if self.resolves { resolve(&path) } else { split(path.strip_prefix(b"/")?) };
        if self.trims {
            segments = segments.iter().map(|segment| trim(segment)).collect();
        }
        if self.cuts_format {
            segments = without_format(segments, self.trims);
        }
        if self.any_case {
            segments = segments.iter().map(|segment| fold(segment)).collect();
        }
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

fn without_format(mut segments: Vec<Vec<u8>>, trims: bool) -> Vec<Vec<u8>> {
    if let Some(last) = segments.last_mut()
        && let Some(dot @ 1..) = last.iter().rposition(|byte| *byte == b'.')
    {
        last.truncate(dot);
        if trims {
            *last = trim(last);
        }
    }
    segments
}

fn split(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect()
}

fn trim(segment: &[u8]) -> Vec<u8> {
    let end = segment.iter().rposition(|byte| !b". \t\n\r".contains(byte)).map_or(0, |last| last + 1);
    segment[..end].to_vec()
}

fn fold(segment: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(segment).to_lowercase();
    let text = text.replace(['\u{131}', '\u{456}'], "i").replace("i\u{307}", "i").replace('\u{17f}', "s");
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Server = Server {
        cuts_parameters: false,
        decodes: 0,
        resolves: false,
        cuts_format: false,
        trims: false,
        any_case: false,
    };

    /// The kind with the fewest habits of all that fall for it.
    #[test]
    fn each_server_falls_for_the_tricks_of_its_habits() {
        let decoding = Server { decodes: 1, ..PLAIN };
        let resolving = Server { resolves: true, ..PLAIN };
        for (target, closed, simplest) in [
            ("/admin", Handler::Admin, PLAIN),
            ("http://other/admin?x", Handler::Admin, PLAIN),
            (r"/public\..\admin#x", Handler::Admin, resolving),
            ("/public/..%2fadmin", Handler::Admin, Server { decodes: 1, ..resolving }),
            ("/public/%252e%252e/admin", Handler::Admin, Server { decodes: 2, ..resolving }),
            ("/public/..;/admin", Handler::Admin, Server { cuts_parameters: true, ..resolving }),
            ("/admin.json", Handler::Admin, Server { cuts_format: true, ..PLAIN }),
            ("/admin..", Handler::Admin, Server { trims: true, ..PLAIN }),
            ("/ADMIN%20", Handler::Admin, Server { trims: true, any_case: true, ..decoding }),
            ("/adm%C4%B1n", Handler::Admin, Server { any_case: true, ..decoding }),
            ("/shop/Staff//open", Handler::ShopStaff, Server { any_case: true, ..PLAIN }),
            (
                "/shop/tenants/Public/secret.json",
                Handler::TenantSecret,
                Server { cuts_format: true, ..PLAIN },
            ),
        ] {
            let mut fooled = Server::all().filter(|server| server.handler(target.as_bytes()) == Some(closed));
            assert_eq!(fooled.next(), Some(simplest), "{target}");
            assert!(fooled.all(|server| server.habits() > simplest.habits()), "{target}");
        }
        assert_eq!(Server::all().count(), 96);
    }
}

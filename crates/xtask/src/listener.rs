//! Who listens on a port, as far as `/proc` tells: nothing about the processes of others, and nothing where there is none.

use std::fs;
use std::path::Path;

/// Most characters of a command that are shown.
const COMMAND_LENGTH: usize = 120;
/// `LISTEN` in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// `process ID: command` of whoever listens on this port; the first, if there are several.
pub(crate) fn on(port: u16) -> Option<String> {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| sockets(&table, port))
        .collect();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let ids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    let holder = ids.filter(|id| has_one_of(*id, &sockets)).min()?;
    let command = fs::read(format!("/proc/{holder}/cmdline")).unwrap_or_default();
    Some(format!("process {holder}: {}", shown(&command)))
}

/// What the descriptors of the sockets that listen on this port are called.
fn sockets(table: &str, port: u16) -> Vec<String> {
    let local_end = format!(":{port:04X}");
    let named = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let listens = fields.get(1)?.ends_with(&local_end) && *fields.get(3)? == LISTENS;
        listens.then_some(format!("socket:[{}]", fields.get(9)?))
    });
    named.collect()
}

fn has_one_of(process: u32, sockets: &[String]) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    descriptors
        .flatten()
        .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
        .any(|target| sockets.iter().any(|socket| target == Path::new(socket)))
}

/// On one line, and harmless for a terminal.
fn shown(command: &[u8]) -> String {
    let text = String::from_utf8_lossy(command);
    let words = text.split(|sign: char| sign.is_control() || sign == ' ').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(COMMAND_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn whoever_listens_is_named_and_nobody_else() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let named = on(port).unwrap();
        let id = std::process::id();
        assert!(named.starts_with(&format!("process {id}: ")) && named.contains("xtask"), "{named}");
        drop(listener);
        assert_eq!(on(port), None);
    }

    #[test]
    fn a_command_cannot_write_into_the_terminal() {
        assert_eq!(shown(b"sh\0-c\0a\x1b[2J\nb\0"), "sh -c a [2J b");
        assert_eq!(shown(&[b'x'; 500]).len(), COMMAND_LENGTH);
    }
}

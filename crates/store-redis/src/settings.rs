//! What an operator chooses: where Redis is, how to log in, and how many replicas must have a record. Reads nothing.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where used assertions are kept.
#[derive(Debug, Clone)]
pub struct Settings {
    pub server: Server,
    /// Of the Redis servers themselves.
    pub login: Option<Login>,
    /// For the Redis servers and the sentinels alike. `None`: plain connections.
    pub tls: Option<Tls>,
    /// Replicas that must confirm each record before its use counts as the first one.
    pub replicas_to_wait_for: u16,
}

/// Who says where the master is.
#[derive(Debug, Clone)]
pub enum Server {
    /// It is here, always.
    At(Host),
    /// The sentinels know.
    FoundBySentinels { sentinels: Vec<Host>, master_name: String, login: Option<Login> },
}

/// A host and its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// A name or an address; an IPv6 address without brackets.
    pub name: String,
    pub port: u16,
}

/// Credentials. Without a user name: those of the user `default`.
#[derive(Clone)]
pub struct Login {
    pub username: Option<String>,
    pub password: String,
}

/// How the servers prove who they are, and we to them.
#[derive(Debug, Clone)]
pub struct Tls {
    /// PEM file with the certificate authorities to trust. `None`: those of the machine.
    pub authorities: Option<PathBuf>,
    /// PEM files with our certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// The text is no `host:port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be host:port")]
pub struct NotAHost;

impl FromStr for Host {
    type Err = NotAHost;

    /// Reads `host:port` or `[ipv6]:port`.
    fn from_str(text: &str) -> Result<Self, NotAHost> {
        let (name, port) = text.rsplit_once(':').ok_or(NotAHost)?;
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let legal = match address {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => {
                !name.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            }
        };
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| legal && digits && *port != 0).ok_or(NotAHost)?;
        Ok(Self { name: address.unwrap_or(name).to_owned(), port })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(formatter, "[{}]:{}", self.name, self.port)
        } else {
            write!(formatter, "{}:{}", self.name, self.port)
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Login").field("username", &self.username).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_a_name_or_an_address_and_a_port() {
        for (text, name, port) in [
            ("redis:6379", "redis", 6379),
            ("redis-0.svc.cluster.local:1", "redis-0.svc.cluster.local", 1),
            ("127.0.0.1:65535", "127.0.0.1", 65535),
            ("[::1]:6379", "::1", 6379),
            ("[2001:db8::1]:6380", "2001:db8::1", 6380),
        ] {
            let host: Host = text.parse().unwrap();
            assert_eq!((host.name.as_str(), host.port, host.to_string().as_str()), (name, port, text));
        }
        for text in [
            "",
            "redis",
            ":6379",
            "redis:",
            "redis:0",
            "redis:65536",
            "redis:+1",
            "a b:1",
            "::1",
            "[::1]",
            "[::1]6379",
            "[redis]:1",
            "u:p@redis:1",
            "redis:1/0",
            "redis://redis:1",
        ] {
            assert_eq!(text.parse::<Host>(), Err(NotAHost), "{text}");
        }
    }

    #[test]
    fn t_log_02_a_password_is_not_shown() {
        let login = Login { username: Some("gettone".to_owned()), password: "hunter2".to_owned() };
        assert!(!format!("{login:?}").contains("hunter2"));
    }
}

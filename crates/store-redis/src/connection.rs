//! The one connection to the master, shared by all callers: made when it is needed, forgotten at the first doubt.

use std::sync::Arc;

use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio::sync::Mutex;

use crate::node::{self, Certificates};
use crate::sentinel;
use crate::settings::{Server, Settings};

/// Why Redis cannot be used. Each sentence says what to check; none repeats a secret.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{variable}: {path} cannot be used: {reason}")]
    File { variable: &'static str, path: String, reason: String },
    #[error(
        "the Redis that REDIS_HOSTS leads to does not answer ({0}); check that it runs, its host and port, the network \
         between, and whether it wants TLS"
    )]
    Unreachable(String),
    #[error("Redis refuses the login: check REDIS_USERNAME and REDIS_PASSWORD")]
    Refused,
    #[error(
        "none of the sentinels in REDIS_HOSTS says where the master is ({0}); check that they run, their hosts and \
         ports, the network between, and whether they want TLS"
    )]
    SentinelsUnreachable(String),
    #[error("the sentinels refuse the login: check REDIS_SENTINEL_USERNAME and REDIS_SENTINEL_PASSWORD")]
    SentinelsRefuse,
    #[error("the sentinels in REDIS_HOSTS know no master of the name in REDIS_MASTER_NAME")]
    UnknownMaster,
    #[error(
        "this Redis is a replica, which keeps nothing; name the master in REDIS_HOSTS, or the sentinels and set \
         REDIS_MODE=sentinel"
    )]
    Replica,
    #[error(
        "this Redis throws keys away when its memory is full (maxmemory-policy {0}): a used assertion could be used \
         again. Set maxmemory-policy to noeviction, or maxmemory to 0"
    )]
    Evicts(String),
}

impl OpenError {
    /// Whether `error` is about who we are, not about the connection.
    pub(crate) fn is_refusal(error: &RedisError) -> bool {
        error.kind() == redis::ErrorKind::AuthenticationFailed
            || matches!(error.code(), Some("WRONGPASS" | "NOAUTH" | "NOPERM"))
    }

    fn of(error: &RedisError) -> Self {
        if Self::is_refusal(error) { Self::Refused } else { Self::Unreachable(error.to_string()) }
    }
}

/// A connection that was checked when it was opened.
pub(crate) type Connection = Arc<MultiplexedConnection>;

/// The way to the master.
pub(crate) struct Master {
    settings: Settings,
    certificates: Option<Certificates>,
    current: Mutex<Option<Connection>>,
}

impl Master {
    /// Reads the certificates; connects to nobody.
    ///
    /// # Errors
    /// [`OpenError::File`] if one cannot be read.
    pub(crate) fn new(settings: Settings) -> Result<Self, OpenError> {
        if settings.tls.is_some() {
            // An error means that the process has chosen its provider already.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let certificates = settings.tls.as_ref().map(Certificates::read).transpose()?;
        Ok(Self { settings, certificates, current: Mutex::new(None) })
    }

    /// The connection that is open, else a new one.
    ///
    /// # Errors
    /// [`OpenError`] if there is no master that may be trusted.
    pub(crate) async fn connection(&self) -> Result<Connection, OpenError> {
        let mut current = self.current.lock().await;
        if let Some(connection) = &*current {
            return Ok(Arc::clone(connection));
        }
        let connection = Arc::new(self.open().await?);
        *current = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// Drops `doubtful`, unless another caller has replaced it already: the next caller looks for the master anew.
    pub(crate) async fn forget(&self, doubtful: &Connection) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|connection| Arc::ptr_eq(connection, doubtful)) {
            *current = None;
        }
    }

    async fn open(&self) -> Result<MultiplexedConnection, OpenError> {
        let certificates = self.certificates.as_ref();
        let host = match &self.settings.server {
            Server::At(host) => host.clone(),
            Server::FoundBySentinels { sentinels, master_name, login } => {
                sentinel::master(sentinels, master_name, login.as_ref(), certificates).await?
            }
        };
        let mut connection = node::connect(&host, self.settings.login.as_ref(), certificates)
            .await
            .map_err(|error| OpenError::of(&error))?;
        match redis::cmd("INFO").query_async::<String>(&mut connection).await {
            Ok(info) => check(&info)?,
            // Its user may be allowed nothing but what a use needs. A replica refuses writes by itself.
            Err(error) if error.code() == Some("NOPERM") => tracing::warn!(
                "Redis does not let us ask INFO: whether it throws keys away or forgets them at a restart is not known"
            ),
            Err(error) => return Err(OpenError::of(&error)),
        }
        tracing::info!(master = %host, "connected to Redis");
        Ok(connection)
    }
}

/// What a server says about itself must not contradict what we promise.
fn check(info: &str) -> Result<(), OpenError> {
    let says = |name: &str| {
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(other, _)| *other == name).map(|(_, value)| value.trim())
    };
    if says("role") == Some("slave") {
        return Err(OpenError::Replica);
    }
    let policy = says("maxmemory_policy").unwrap_or("noeviction");
    if policy != "noeviction" && says("maxmemory").is_some_and(|limit| limit != "0") {
        return Err(OpenError::Evicts(policy.to_owned()));
    }
    if says("aof_enabled") == Some("0") {
        tracing::warn!(
            "Redis writes no append-only file: after a restart it may have forgotten used assertions, which could \
             then be used again until they expire. Set appendonly yes"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_may_lose_keys_is_refused() {
        let info = |role: &str, maxmemory: &str, policy: &str| {
            format!(
                "# Memory\r\nmaxmemory:{maxmemory}\r\nmaxmemory_policy:{policy}\r\n# Replication\r\nrole:{role}\r\n"
            )
        };
        for (role, maxmemory, policy) in [
            ("master", "0", "allkeys-lru"),
            ("master", "1048576", "noeviction"),
            ("master", "0", "noeviction"),
        ] {
            assert!(check(&info(role, maxmemory, policy)).is_ok(), "{role} {maxmemory} {policy}");
        }
        for policy in ["allkeys-lru", "volatile-ttl", "volatile-random"] {
            let error = check(&info("master", "1048576", policy)).unwrap_err();
            assert!(matches!(&error, OpenError::Evicts(found) if found == policy), "{error}");
        }
        assert!(matches!(check(&info("slave", "0", "noeviction")), Err(OpenError::Replica)));
    }
}

//! One connection to one server, a Redis or a sentinel: how it is opened, and what its failures are called.

use std::fs;
use std::path::Path;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, RedisError, TlsCertificates,
};

use crate::connection::OpenError;
use crate::settings::{Host, Login, Tls};

/// Time to connect, log in and be answered once.
const CONNECT_LIMIT: Duration = Duration::from_millis(1000);
/// Time for the answer to one command, the wait for replicas included.
const ANSWER_LIMIT: Duration = Duration::from_millis(1500);

/// The certificates of `tls`, read from their files.
#[derive(Clone)]
pub(crate) struct Certificates(TlsCertificates);

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// [`OpenError::File`] with the variable and the path of the one that cannot be read.
    pub(crate) fn read(tls: &Tls) -> Result<Self, OpenError> {
        let root_cert = tls.authorities.as_deref().map(|path| read("REDIS_TLS_CA_PATH", path)).transpose()?;
        let client_tls = match &tls.identity {
            Some((certificate, key)) => Some(ClientTlsConfig {
                client_cert: read("REDIS_TLS_CERT_PATH", certificate)?,
                client_key: read("REDIS_TLS_KEY_PATH", key)?,
            }),
            None => None,
        };
        Ok(Self(TlsCertificates { client_tls, root_cert }))
    }
}

fn read(variable: &'static str, path: &Path) -> Result<Vec<u8>, OpenError> {
    let unreadable =
        |error: String| OpenError::File { variable, path: path.display().to_string(), reason: error };
    let pem = fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    // An empty list of authorities would trust nobody, and say so only at the first connection.
    let holds_something = pem.windows(10).any(|bytes| bytes == b"-----BEGIN");
    holds_something.then_some(pem).ok_or_else(|| unreadable("it is no PEM file".to_owned()))
}

/// Opens a connection and logs in.
///
/// # Errors
/// [`RedisError`] if it cannot be reached, or refuses us.
pub(crate) async fn connect(
    host: &Host,
    login: Option<&Login>,
    certificates: Option<&Certificates>,
) -> Result<MultiplexedConnection, RedisError> {
    // The oldest protocol: spoken by every server and every sentinel, and all that two commands need.
    let mut redis = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP2);
    if let Some(login) = login {
        redis = redis.set_password(&login.password);
        if let Some(username) = &login.username {
            redis = redis.set_username(username);
        }
    }
    let (name, port) = (host.name.clone(), host.port);
    let client = match certificates {
        Some(Certificates(certificates)) => {
            let address = ConnectionAddr::TcpTls { host: name, port, insecure: false, tls_params: None };
            let info = address.into_connection_info()?.set_redis_settings(redis);
            Client::build_with_tls(info, certificates.clone())?
        }
        None => {
            let info = ConnectionAddr::Tcp(name, port).into_connection_info()?.set_redis_settings(redis);
            Client::open(info)?
        }
    };
    let limits = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_LIMIT))
        .set_response_timeout(Some(ANSWER_LIMIT));
    client.get_multiplexed_async_connection_with_config(&limits).await
}

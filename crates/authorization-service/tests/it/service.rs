//! Starts the service on a free port and talks to it byte by byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use authorization_service::AuthorizationService;
use serde_json::Value;
use service_kit::{Service as _, Vars};
use tempfile::TempDir;

/// A running service. It ends with the test process.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    /// If `MANAGEMENT_PORT` is among the variables.
    pub(crate) management: Option<SocketAddr>,
    /// If `GRPC_PORT` is among them.
    pub(crate) grpc: Option<SocketAddr>,
    folder: TempDir,
}

impl Service {
    /// With these rules, and these variables beside the ones every test needs.
    pub(crate) fn start(rules: &Value, variables: &[(&str, &str)]) -> Self {
        Self::try_start(&rules.to_string(), variables).unwrap()
    }

    /// The same with the text of the rules file; the error is what a person would read.
    pub(crate) fn try_start(rules: &str, variables: &[(&str, &str)]) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("auth.json"), rules).unwrap();
        let path = folder.path().to_str().unwrap();
        let ours = [
            ("CONFIGURATION_PATH", path),
            ("HTTP_HOST", "127.0.0.1"),
            ("HTTP_PORT", "0"),
            ("GRPC_HOST", "127.0.0.1"),
        ];
        let vars = Vars::from_pairs(ours.into_iter().chain(variables.iter().copied()));
        let config = AuthorizationService::configure(&vars).map_err(|problems| problems.to_string())?;
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            actix_web::rt::System::new().block_on(async {
                let service = match AuthorizationService::build(config).await {
                    Ok(service) => service,
                    Err(error) => return sender.send(Err(error.to_string())).unwrap(),
                };
                let (management, grpc) = (service.management_addr().unwrap(), service.grpc_addr().unwrap());
                let addresses = (service.local_addr().unwrap(), management, grpc);
                sender.send(Ok(addresses)).unwrap();
                service.run().await.unwrap();
            });
        });
        let (address, management, grpc) = receiver.recv().unwrap()?;
        Ok(Self { address, management, grpc, folder })
    }

    /// Puts another text in the place of the rules file, by renaming.
    pub(crate) fn replace_rules(&self, rules: &str) {
        let next = self.folder.path().join("next");
        std::fs::write(&next, rules).unwrap();
        std::fs::rename(next, self.folder.path().join("auth.json")).unwrap();
    }

    /// Asks the way nginx does.
    pub(crate) fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        let original = [("Original-Request-Uri", target), ("Original-Request-Method", method)];
        let all: Vec<_> = original.iter().chain(headers).copied().collect();
        self.call("GET", "/auth", &all)
    }

    /// One call with these headers and no others but `Host` and `Connection`.
    pub(crate) fn call(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        let mut connection = self.connect();
        connection.write_all(&request(method, target, headers)).unwrap();
        Answer::read(connection)
    }

    /// A call on the management listener.
    pub(crate) fn manage(&self, method: &str, target: &str) -> Answer {
        self.manage_with(method, target, &[])
    }

    /// A call on the management listener with these headers.
    pub(crate) fn manage_with(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        let mut connection = connect(self.management.unwrap());
        connection.write_all(&request(method, target, headers)).unwrap();
        Answer::read(connection)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.address)
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    connection
}

/// The bytes of a request that closes its connection.
pub(crate) fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: authz\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn read(mut connection: TcpStream) -> Self {
        let mut bytes = Vec::new();
        connection.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Self { status, headers: headers.collect(), body: body.to_owned() }
    }

    /// The one value of a header; `None` if there is none.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(other, _)| other == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    /// The headers that belong to the decision, by name.
    pub(crate) fn told(&self) -> Vec<(String, String)> {
        let of_connection = ["connection", "content-length", "date", "x-content-type-options"];
        let mut told = self.headers.clone();
        told.retain(|(name, _)| !of_connection.contains(&name.as_str()));
        told.sort();
        told
    }

    /// Whether the request may pass, after checking that every identity header is there (conformance §3.0 rule 4)
    /// and that a 2xx is nothing but an allow, or a denial outside strict mode.
    pub(crate) fn allowed(&self) -> bool {
        for name in ["mia-userid", "mia-groups", "mia-userproperties"] {
            assert!(self.header(name).is_some(), "{name} is missing: {self:?}");
        }
        assert_eq!(self.header("cache-control"), Some("no-store"));
        match (self.status, self.header("mia-allowed")) {
            (200, Some("1")) => true,
            (200 | 401 | 403 | 503, Some("0")) => false,
            other => panic!("no answer of a decision route: {other:?}"),
        }
    }
}

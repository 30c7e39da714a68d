//! The gateways as they ship: copies of `deploy/gateway/*` with other addresses, ready to start. The files mark each
//! address by the name it has in docker-compose.yml; a mark that is gone is an error, not a silent default.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::tools;

/// Who listens where.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Where the gateway is to listen.
    pub gateway: SocketAddr,
    pub authorization_service: SocketAddr,
    /// The public port of client-credentials.
    pub client_credentials: SocketAddr,
    /// The API behind the gateway.
    pub service: SocketAddr,
}

impl Addresses {
    fn marks(&self) -> [Mark; 4] {
        [
            ("0.0.0.0", 8080, self.gateway),
            ("authorization-service", 3000, self.authorization_service),
            ("client-credentials", 3000, self.client_credentials),
            ("demo-api", 8080, self.service),
        ]
    }
}

/// nginx with the shipped configuration, copied into `folder`.
///
/// # Errors
/// If the files cannot be copied or have lost a mark.
pub fn nginx(workspace: &Path, folder: &Path, addresses: &Addresses) -> io::Result<Command> {
    copy(&workspace.join("deploy/gateway/nginx"), folder)?;
    // Started by root, nginx lets another user do the work; that one must get to `run/`.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    let [gateway, services @ ..] = addresses.marks();
    replace(&folder.join("listen.conf"), &[joined(gateway)])?;
    replace(&folder.join("upstreams.conf"), &services.map(joined))?;
    let mut command = Command::new(tools::nginx());
    command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(folder);
    Ok(command)
}

/// Envoy with the shipped configuration, copied into `folder`.
///
/// # Errors
/// If the file cannot be copied or has lost a mark.
pub fn envoy(workspace: &Path, folder: &Path, addresses: &Addresses) -> io::Result<Command> {
    start_envoy(&workspace.join("deploy/gateway/envoy"), folder, addresses.marks())
}

/// Envoy with the shipped configuration for gRPC, copied into `folder`. `grpc` is where the authorization service takes calls.
///
/// # Errors
/// If the file cannot be copied or has lost a mark.
pub fn envoy_grpc(
    workspace: &Path,
    folder: &Path,
    addresses: &Addresses,
    grpc: SocketAddr,
) -> io::Result<Command> {
    let [gateway, _, client_credentials, service] = addresses.marks();
    let marks = [gateway, ("authorization-service", 3002, grpc), client_credentials, service];
    start_envoy(&workspace.join("deploy/gateway/envoy-grpc"), folder, marks)
}

/// Traefik with the shipped configuration, copied into `folder`.
///
/// # Errors
/// If the files cannot be copied or have lost a mark.
pub fn traefik(workspace: &Path, folder: &Path, addresses: &Addresses) -> io::Result<Command> {
    copy(&workspace.join("deploy/gateway/traefik"), folder)?;
    let [gateway, services @ ..] = addresses.marks();
    replace(&folder.join("traefik.yaml"), &[joined(gateway)])?;
    replace(&folder.join("routes.yaml"), &services.map(joined))?;
    let mut command = Command::new(tools::traefik());
    command.arg("--configFile=traefik.yaml").current_dir(folder);
    Ok(command)
}

/// Caddy with the shipped configuration, copied into `folder`.
///
/// # Errors
/// If the file cannot be copied or has lost a mark.
pub fn caddy(workspace: &Path, folder: &Path, addresses: &Addresses) -> io::Result<Command> {
    copy(&workspace.join("deploy/gateway/caddy"), folder)?;
    let [(host, port, gateway), services @ ..] = addresses.marks();
    let file = folder.join("Caddyfile");
    let host = (format!("bind {host}"), format!("bind {}", gateway.ip()));
    let port = (format!("http://:{port}"), format!("http://:{}", gateway.port()));
    replace(&file, &[host, port])?;
    replace(&file, &services.map(joined))?;
    let mut command = Command::new(tools::caddy());
    // It keeps what it remembers below these; there should be nothing.
    command.env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
    Ok(command)
}

/// `HAProxy` with the shipped configuration, copied into `folder`.
///
/// # Errors
/// If the files cannot be copied or have lost a mark.
pub fn haproxy(workspace: &Path, folder: &Path, addresses: &Addresses) -> io::Result<Command> {
    copy(&workspace.join("deploy/gateway/haproxy"), folder)?;
    replace(&folder.join("haproxy.cfg"), &addresses.marks().map(joined))?;
    let mut command = Command::new(tools::haproxy());
    command.args(["-f", "haproxy.cfg"]).current_dir(folder);
    Ok(command)
}

/// A name in a shipped file, its port there, and the address to put in its place.
type Mark = (&'static str, u16, SocketAddr);

/// As most files write addresses.
fn joined((name, port, address): Mark) -> (String, String) {
    (format!("{name}:{port}"), address.to_string())
}

fn start_envoy(shipped: &Path, folder: &Path, marks: [Mark; 4]) -> io::Result<Command> {
    fs::create_dir_all(folder)?;
    let file = folder.join("envoy.yaml");
    fs::copy(shipped.join("envoy.yaml"), &file)?;
    let pairs = marks.map(|(name, port, address)| {
        let mark = format!("address: {name}, port_value: {port}");
        (mark, format!("address: {}, port_value: {}", address.ip(), address.port()))
    });
    replace(&file, &pairs)?;
    let mut command = Command::new(tools::envoy());
    command.arg("-c").arg(file).args([
        "--concurrency",
        "1",
        "--use-dynamic-base-id",
        "--log-level",
        "warning",
    ]);
    Ok(command)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn replace(file: &Path, pairs: &[(String, String)]) -> io::Result<()> {
    let mut text = fs::read_to_string(file)?;
    for (mark, address) in pairs {
        if text.matches(mark.as_str()).count() != 1 {
            return Err(io::Error::other(format!("{} must hold `{mark}` exactly once", file.display())));
        }
        text = text.replace(mark.as_str(), address);
    }
    fs::write(file, text)
}

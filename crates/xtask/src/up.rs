//! `cargo xtask up`: both services, a demo API and a gateway on this machine, and the walk through them.

use std::fs;
use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use testkit::gateway::Addresses;
use testkit::mongod::ReplicaSet;

use crate::gateway::Gateway;
use crate::server::{Server, Servers};
use crate::walk::{Place, walk};
use crate::{cargo, demo_api, tools};

/// Everything the walk makes, relative to the workspace; emptied at each start.
const FOLDER: &str = "target/up";

/// Arguments of `cargo xtask up`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Stop after the walk; the exit code tells whether every step went right
    #[arg(long)]
    once: bool,
    /// Which gateway stands in front
    #[arg(long, value_enum, default_value = "nginx")]
    gateway: Gateway,
    /// Where clients, secrets and used assertions are kept
    #[arg(long, value_enum, default_value = "sqlite")]
    store: Store,
    /// The gateway listens here, the others on the ports that follow
    #[arg(long, default_value_t = 8080)]
    port_base: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Store {
    Sqlite,
    Mongodb,
}

/// The ports of this run, in the order of the table that is printed.
#[derive(Debug, Clone, Copy)]
struct Ports {
    addresses: Addresses,
    management: SocketAddr,
}

pub(crate) fn run(workspace: &Path, options: &Options) -> Result<()> {
    let ports = Ports::from_base(options.port_base)?;
    ports.check_free()?;
    check_commands()?;
    if let Some(tool) = options.gateway.tool() {
        tool.ready(workspace)?;
    }
    build(workspace)?;
    let folder = workspace.join(FOLDER);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("{} could not be emptied", folder.display()))?;
    }
    fs::create_dir_all(folder.join("logs"))?;

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mongod = match options.store {
        Store::Sqlite => None,
        Store::Mongodb => {
            tools::MONGOD.ready(workspace)?;
            eprintln!("starting mongod, a replica set of one (about 3 s)");
            Some(runtime.block_on(ReplicaSet::start()))
        }
    };
    let issuer = format!("http://localhost:{}", ports.addresses.gateway.port());
    let database = mongod.as_ref().map(ReplicaSet::database_url);
    let servers = start(workspace, options.gateway, ports, &issuer, database.as_deref())?;

    let front = match options.gateway {
        Gateway::Nginx => "nginx",
        Gateway::Envoy => "Envoy",
        Gateway::None => "A gateway",
    };
    let Ports { addresses, management } = ports;
    walk(&Place {
        workspace,
        folder: FOLDER,
        gateway: options.gateway,
        addresses,
        management,
        issuer: &issuer,
        front,
    })
    .with_context(|| format!("the walk did not reach its end. What each process said: {FOLDER}/logs/"))?;
    println!("\nThe walk went as it should.");
    if !options.once {
        ports.print(options.gateway);
        println!("Everything stays up, and every line above can be repeated. Ctrl-C stops it.");
        runtime.block_on(tokio::signal::ctrl_c())?;
    }
    drop((servers, mongod));
    Ok(())
}

/// Builds both services; cargo itself shows the progress.
fn build(workspace: &Path) -> Result<()> {
    let started = Instant::now();
    if !workspace.join("target/debug/client-credentials").exists() {
        eprintln!("building both services; the first time takes some minutes, most of them for OpenSSL");
    }
    cargo::run(
        workspace,
        &["build", "--locked", "--package", "client-credentials", "--package", "authorization-service"],
    )?;
    if std::io::stderr().is_terminal() {
        eprintln!("built in {:.0?}", started.elapsed());
    }
    Ok(())
}

fn start(
    workspace: &Path,
    gateway: Gateway,
    ports: Ports,
    issuer: &str,
    database: Option<&str>,
) -> Result<Servers> {
    let folder = workspace.join(FOLDER);
    let logs = folder.join("logs");
    let Ports { addresses, management } = ports;
    demo_api::start(addresses.service)?;

    let mut client_credentials = service(workspace, "client-credentials", addresses.client_credentials);
    client_credentials
        .env("MANAGEMENT_PORT", management.port().to_string())
        .env("DATA_DIR", folder.join("data"))
        .env("MIA_JWT_ISSUER", issuer);
    if let Some(url) = database {
        client_credentials.env("CREDENTIALS_MONGODB_URL", url);
    }
    let mut authorization_service =
        service(workspace, "authorization-service", addresses.authorization_service);
    authorization_service
        .env("USERINFO_URL", format!("http://{}/tokeninfo", addresses.client_credentials))
        .env("CONFIGURATION_PATH", workspace.join("deploy/demo"))
        .env("CONFIGURATION_FILE_NAME", "auth")
        .env("CUSTOM_PERMISSIONS_KEY", "permissions")
        .env("HEADERS_TO_PROXY", "authorization");

    let mut servers = Servers::default();
    servers.add(Server::start(
        "client-credentials",
        client_credentials,
        addresses.client_credentials,
        &logs,
    )?);
    servers.add(Server::start(
        "authorization-service",
        authorization_service,
        addresses.authorization_service,
        &logs,
    )?);
    if let Some(command) = gateway.command(workspace, &folder.join("gateway"), &addresses)? {
        servers.add(Server::start("gateway", command, addresses.gateway, &logs)?);
    }
    Ok(servers)
}

/// A service that listens on `address`, with no variable of the caller's own environment.
fn service(workspace: &Path, name: &str, address: SocketAddr) -> Command {
    let mut command = Command::new(workspace.join("target/debug").join(name));
    command
        .env_clear()
        .env("HTTP_HOST", address.ip().to_string())
        .env("HTTP_PORT", address.port().to_string());
    command.env("DELAY_SHUTDOWN_SECONDS", "0").current_dir(workspace);
    command
}

/// The commands that the printed lines use.
fn check_commands() -> Result<()> {
    for (command, remedy) in [("curl", "curl"), ("openssl", "openssl"), ("sh", "a POSIX shell")] {
        if tools::on_path(command).is_none() {
            bail!(
                "{command} is not installed. The walk runs it: install {remedy} with your system's packages"
            );
        }
    }
    Ok(())
}

impl Ports {
    fn from_base(base: u16) -> Result<Self> {
        let port = |offset: u16| {
            let number = base.checked_add(offset).filter(|_| base > 0);
            let number = number.with_context(|| {
                format!("--port-base {base} leaves no room for 5 ports: take one from 1 to 65531")
            })?;
            Ok::<_, anyhow::Error>(SocketAddr::from((Ipv4Addr::LOCALHOST, number)))
        };
        let addresses = Addresses {
            gateway: port(0)?,
            client_credentials: port(1)?,
            authorization_service: port(3)?,
            service: port(4)?,
        };
        Ok(Self { addresses, management: port(2)? })
    }

    fn named(&self) -> [(&'static str, SocketAddr); 5] {
        [
            ("gateway", self.addresses.gateway),
            ("client-credentials", self.addresses.client_credentials),
            ("client-credentials, management", self.management),
            ("authorization-service", self.addresses.authorization_service),
            ("demo API", self.addresses.service),
        ]
    }

    fn check_free(&self) -> Result<()> {
        for (name, address) in self.named() {
            TcpListener::bind(address).with_context(|| {
                format!("port {} for the {name} is not free. Stop what listens there, or choose five other ports: --port-base 18080", address.port())
            })?;
        }
        Ok(())
    }

    fn print(&self, gateway: Gateway) {
        println!();
        for (name, address) in self.named() {
            if gateway != Gateway::None || name != "gateway" {
                println!("  {name:<32} http://{address}");
            }
        }
        println!("  {:<32} {}\n", "logs", PathBuf::from(FOLDER).join("logs").display());
    }
}

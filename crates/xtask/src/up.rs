//! `cargo xtask up`: both services, a demo API and a gateway on this machine, and the walk through them.

use std::fs;
use std::io::{ErrorKind, IsTerminal};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use testkit::gateway::Addresses;
use testkit::mongod::ReplicaSet;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::console;
use crate::gateway::Gateway;
use crate::server::{Server, Servers};
use crate::walk::{Place, walk};
use crate::{cargo, demo_api, listener, tools};

const DEFAULT_PORT_BASE: u16 = 8080;
/// Far above what a gateway takes to know its routes.
const ROUTES_TIME: Duration = Duration::from_secs(20);

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
    #[arg(long, default_value_t = DEFAULT_PORT_BASE)]
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
    /// Where the authorization service takes calls.
    grpc: SocketAddr,
}

pub(crate) fn run(workspace: &Path, options: &Options) -> Result<()> {
    let ports = Ports::from_base(options.port_base)?;
    ports.check_free()?;
    check_commands()?;
    if let Some(tool) = options.gateway.tool() {
        tool.ready(workspace)?;
    }
    if options.store == Store::Mongodb {
        tools::MONGOD.ready(workspace)?;
    }
    build(workspace)?;
    let run = Run {
        workspace: workspace.to_owned(),
        folder: folder(options.port_base),
        ports,
        gateway: options.gateway,
    };
    run.empty_folder()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let outcome = runtime.block_on(run.walk_and_stay(options));
    // A line of an interrupted walk may still run, in a thread that nobody waits for.
    runtime.shutdown_background();
    outcome
}

/// Some gateways listen before they know their routes.
async fn wait_until_it_routes(gateway: SocketAddr) -> Result<()> {
    let started = Instant::now();
    while let Err(error) = testkit::process::get(gateway, "/.well-known/jwks.json") {
        if started.elapsed() > ROUTES_TIME {
            bail!("the gateway listens, but passes nothing on: {error}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Everything a run makes, relative to the workspace; emptied at each start. Runs on other ports have their own.
fn folder(port_base: u16) -> String {
    if port_base == DEFAULT_PORT_BASE { "target/up".to_owned() } else { format!("target/up-{port_base}") }
}

/// One run of `cargo xtask up`.
#[derive(Debug)]
struct Run {
    workspace: PathBuf,
    folder: String,
    ports: Ports,
    gateway: Gateway,
}

/// What runs. Dropped, it stops: first those who ask, last the database.
struct Stage {
    servers: Servers,
    _mongod: Option<ReplicaSet>,
}

impl Run {
    fn empty_folder(&self) -> Result<()> {
        let folder = self.workspace.join(&self.folder);
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("{} could not be emptied", folder.display()))?;
        }
        Ok(fs::create_dir_all(folder.join("logs"))?)
    }

    /// Whatever ends it, a step that goes wrong or a signal, ends what was started.
    async fn walk_and_stay(&self, options: &Options) -> Result<()> {
        let mut stop = Stop::listen()?;
        let issuer = issuer(self.ports.addresses.gateway.port());
        let mut stage = tokio::select! {
            stage = self.set_stage(options.store, &issuer) => stage?,
            () = stop.asked() => bail!("stopped before everything had started"),
        };
        let place = self.place(issuer);
        tokio::select! {
            walked = tokio::task::spawn_blocking(move || walk(&place)) => walked?.with_context(|| {
                format!("the walk did not reach its end. What each process said: {}/logs/", self.folder)
            })?,
            () = stop.asked() => bail!("stopped before the end of the walk"),
        }
        console::line("\nThe walk went as it should.")?;
        if options.once {
            return Ok(());
        }
        self.print_addresses()?;
        console::line(format_args!(
            "Everything stays up until Ctrl-C. The lines above can be pasted in {}; their client has its permission by now.",
            self.workspace.display()
        ))?;
        loop {
            tokio::select! {
                () = stop.asked() => return Ok(()),
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
            if let Some(name) = stage.servers.ended() {
                bail!("{name} has ended. What it said last: {}/logs/{name}.log", self.folder);
            }
        }
    }

    async fn set_stage(&self, store: Store, issuer: &str) -> Result<Stage> {
        let mongod = match store {
            Store::Sqlite => None,
            Store::Mongodb => {
                console::note("starting mongod, a replica set of one");
                Some(ReplicaSet::start().await)
            }
        };
        let database = mongod.as_ref().map(ReplicaSet::database_url);
        Ok(Stage { servers: self.start(issuer, database.as_deref()).await?, _mongod: mongod })
    }

    fn place(&self, issuer: String) -> Place {
        Place {
            workspace: self.workspace.clone(),
            folder: self.folder.clone(),
            gateway: self.gateway,
            addresses: self.ports.addresses,
            management: self.ports.management,
            issuer,
            front: self.gateway.name(),
        }
    }

    async fn start(&self, issuer: &str, database: Option<&str>) -> Result<Servers> {
        let folder = self.workspace.join(&self.folder);
        let logs = folder.join("logs");
        let Ports { addresses, management, grpc } = self.ports;
        demo_api::start(addresses.service)?;

        let mut client_credentials = self.service("client-credentials", addresses.client_credentials);
        client_credentials
            .env("MANAGEMENT_PORT", management.port().to_string())
            .env("DATA_DIR", folder.join("data"))
            .env("MIA_JWT_ISSUER", issuer);
        if let Some(url) = database {
            client_credentials.env("CREDENTIALS_MONGODB_URL", url);
        }
        let mut authorization_service =
            self.service("authorization-service", addresses.authorization_service);
        authorization_service
            .env("USERINFO_URL", format!("http://{}/tokeninfo", addresses.client_credentials))
            .env("CONFIGURATION_PATH", self.workspace.join("deploy/demo"))
            .env("CONFIGURATION_FILE_NAME", "auth")
            .env("CUSTOM_PERMISSIONS_KEY", "permissions")
            .env("ORIGINAL_REQUEST_FROM", self.gateway.original_request_from())
            .env("GRPC_HOST", grpc.ip().to_string())
            .env("GRPC_PORT", grpc.port().to_string())
            .env("HEADERS_TO_PROXY", "authorization");

        let mut servers = Servers::default();
        let address = addresses.client_credentials;
        servers.add(Server::start("client-credentials", client_credentials, address, &logs).await?);
        let address = addresses.authorization_service;
        servers.add(Server::start("authorization-service", authorization_service, address, &logs).await?);
        let files = folder.join("gateway");
        if let Some(command) = self.gateway.command(&self.workspace, &files, &addresses, grpc)? {
            servers.add(Server::start("gateway", command, addresses.gateway, &logs).await?);
            wait_until_it_routes(addresses.gateway).await?;
        }
        Ok(servers)
    }

    /// A service that listens on `address`, with no variable of the caller's own environment.
    fn service(&self, name: &str, address: SocketAddr) -> Command {
        let mut command = Command::new(cargo::target_directory(&self.workspace).join("debug").join(name));
        command
            .env_clear()
            .env("HTTP_HOST", address.ip().to_string())
            .env("HTTP_PORT", address.port().to_string());
        command.env("DELAY_SHUTDOWN_SECONDS", "0").current_dir(&self.workspace);
        command
    }

    fn print_addresses(&self) -> Result<()> {
        console::line("")?;
        for (name, address) in self.ports.named() {
            if self.gateway != Gateway::None || name != "gateway" {
                console::line(format_args!("  {name:<32} http://{address}"))?;
            }
        }
        console::line(format_args!("  {:<32} {}/logs\n", "logs", self.folder))
    }
}

/// The gateway's address as callers know it. An issuer has no default port in it.
fn issuer(gateway_port: u16) -> String {
    if gateway_port == 80 {
        "http://localhost".to_owned()
    } else {
        format!("http://localhost:{gateway_port}")
    }
}

/// The signals by which a person or a system ends us.
pub(crate) struct Stop([Signal; 3]);

impl Stop {
    pub(crate) fn listen() -> Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    /// Waits for one of them.
    pub(crate) async fn asked(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// Builds both services; cargo itself shows the progress.
fn build(workspace: &Path) -> Result<()> {
    let started = Instant::now();
    if !cargo::target_directory(workspace).join("debug/client-credentials").exists() {
        console::note("building both services; the first time takes some minutes, most of them for OpenSSL");
    }
    cargo::run(
        workspace,
        &["build", "--locked", "--package", "client-credentials", "--package", "authorization-service"],
    )?;
    if std::io::stderr().is_terminal() {
        console::note(format_args!("built in {:.0?}", started.elapsed()));
    }
    Ok(())
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
                format!("--port-base {base} leaves no room for 6 ports: take one from 1 to 65530")
            })?;
            Ok::<_, anyhow::Error>(SocketAddr::from((Ipv4Addr::LOCALHOST, number)))
        };
        let addresses = Addresses {
            gateway: port(0)?,
            client_credentials: port(1)?,
            authorization_service: port(3)?,
            service: port(4)?,
        };
        Ok(Self { addresses, management: port(2)?, grpc: port(5)? })
    }

    fn named(&self) -> [(&'static str, SocketAddr); 6] {
        [
            ("gateway", self.addresses.gateway),
            ("client-credentials", self.addresses.client_credentials),
            ("client-credentials, management", self.management),
            ("authorization-service", self.addresses.authorization_service),
            ("authorization-service, gRPC", self.grpc),
            ("demo API", self.addresses.service),
        ]
    }

    fn check_free(&self) -> Result<()> {
        let mut faults = Vec::new();
        for (name, address) in self.named() {
            let Err(error) = TcpListener::bind(address) else { continue };
            let port = address.port();
            let what = match error.kind() {
                ErrorKind::AddrInUse => match listener::on(port) {
                    Some(holder) => format!("is in use by {holder}"),
                    None => "is in use".to_owned(),
                },
                ErrorKind::PermissionDenied => "needs privileges".to_owned(),
                _ => format!("cannot be used ({error})"),
            };
            faults.push(format!("port {port}, for the {name}, {what}"));
        }
        ensure!(
            faults.is_empty(),
            "{}\nStop what listens there, or choose other ports, for instance with --port-base 18080",
            faults.join("\n")
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_that_is_taken_is_told_with_its_holder() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let told = Ports::from_base(port.saturating_sub(1)).unwrap().check_free().unwrap_err().to_string();
        let holder = listener::on(port).map(|holder| format!(" by {holder}")).unwrap_or_default();
        assert!(
            told.contains(&format!("port {port}, for the client-credentials, is in use{holder}\n")),
            "{told}"
        );
        assert!(told.ends_with("with --port-base 18080"), "{told}");
    }
}

//! The deployment that is tried: a replica set of three mongod, two replicas of each service, nginx as it ships in front
//! of them, and a way to each part that can be closed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::gateway::Addresses;
use testkit::mongod::Cluster;
use testkit::port::ReservedPort;
use testkit::relay::Relay;

use super::api;
use super::loss::{ELECTION, Kind, Part};
use crate::console;
use crate::gateway::Gateway;
use crate::http::{call, request};
use crate::server::Server;

const BOOTSTRAP_TOKEN: &str = "bootstrap-token-of-the-chaos-run-0123456789";
/// 32 bytes in base64; it guards nothing.
const ENCRYPTION_KEY: &str = "Z2V0dG9uZS1jaGFvcy1nZXR0b25lLWNoYW9zLTEyMzQ=";

/// Everything that runs. Dropped, it stops: first those who ask, last the database.
pub(super) struct Stage {
    gateway: Server,
    doors: Vec<Replica>,
    tokens: Vec<Replica>,
    feed: Relay,
    userinfo: Relay,
    management: Relay,
    cluster: Cluster,
    issuer: String,
    gateway_port: ReservedPort,
    /// The member that is lost.
    lost_member: usize,
}

/// A process of ours, and the gateway's way to it.
struct Replica {
    program: PathBuf,
    name: &'static str,
    variables: Vec<(&'static str, String)>,
    logs: PathBuf,
    server: Server,
    way: Relay,
    ports: [ReservedPort; 2],
}

/// What callers have to know.
#[derive(Debug, Clone)]
pub(super) struct Doors {
    pub(super) gateway: SocketAddr,
    /// Each replica of client-credentials itself.
    pub(super) tokens: Vec<SocketAddr>,
    /// Whichever management listener there is.
    pub(super) management: SocketAddr,
    pub(super) issuer: String,
    pub(super) operator: String,
}

impl Stage {
    /// Starts everything, with its files in `folder`.
    pub(super) async fn start(
        workspace: &Path,
        built: &Path,
        folder: &Path,
        token_lifetime: Duration,
    ) -> Result<Self> {
        console::note("starting three mongod, which take some seconds to agree on a primary");
        let (gateway_port, logs) = (ReservedPort::new(), folder.join("logs"));
        let cluster = Cluster::start(3, ELECTION, &logs).await;
        let issuer = format!("http://localhost:{}", gateway_port.number());
        let database = cluster.database_url();
        let mut tokens = Vec::new();
        for name in ["client-credentials-1", "client-credentials-2"] {
            let variables = vec![
                ("CREDENTIALS_MONGODB_URL", database.clone()),
                ("DATA_DIR", folder.join(name).display().to_string()),
                ("MIA_JWT_ISSUER", issuer.clone()),
                ("MIA_JWT_EXPIRES_IN", token_lifetime.as_secs().to_string()),
                ("BOOTSTRAP_TOKEN", BOOTSTRAP_TOKEN.to_owned()),
                ("SIGNING_KEYS_ENCRYPTION_KEY", ENCRYPTION_KEY.to_owned()),
                // All come from one gateway.
                ("REGISTRATIONS_PER_MINUTE", "0".to_owned()),
                ("REGISTRATIONS_PER_MINUTE_PER_SOURCE", "0".to_owned()),
            ];
            tokens.push(Replica::start(built.join("client-credentials"), name, variables, &logs).await?);
        }
        let [public, inside] = [0, 1].map(|port: usize| {
            tokens.iter().filter_map(|replica| Some(replica.ports.get(port)?.address())).collect::<Vec<_>>()
        });
        let [feed, management] = [Relay::to_any(inside.clone()), Relay::to_any(inside)];
        let userinfo = Relay::to_any(public);
        let (reader, secret) = feed_reader(management.address())?;
        let mut doors = Vec::new();
        for name in ["authorization-service-1", "authorization-service-2"] {
            let variables = vec![
                ("USERINFO_MODE", "local".to_owned()),
                ("USERINFO_URL", userinfo.url("/tokeninfo")),
                ("MIA_JWT_ISSUER", issuer.clone()),
                ("REVOCATION_FEED_URL", feed.url("/revocations")),
                ("REVOCATION_FEED_CLIENT_ID", reader.clone()),
                ("REVOCATION_FEED_CLIENT_SECRET", secret.clone()),
                ("CONFIGURATION_PATH", workspace.join("deploy/demo").display().to_string()),
                ("CUSTOM_PERMISSIONS_KEY", "permissions".to_owned()),
            ];
            doors.push(Replica::start(built.join("authorization-service"), name, variables, &logs).await?);
        }
        let api = api::start()?;
        let gateway = start_gateway(workspace, folder, gateway_port.address(), api, &doors, &tokens).await?;
        Ok(Self {
            gateway,
            doors,
            tokens,
            feed,
            userinfo,
            management,
            cluster,
            issuer,
            gateway_port,
            lost_member: 0,
        })
    }

    pub(super) fn doors(&self) -> Doors {
        Doors {
            gateway: self.gateway_port.address(),
            tokens: self.tokens.iter().map(Replica::address).collect(),
            management: self.management.address(),
            issuer: self.issuer.clone(),
            operator: format!("Authorization: Bearer {BOOTSTRAP_TOKEN}"),
        }
    }

    /// The processes whose memory is of interest: ours, and those they need; and where they tell how many tokens they keep.
    pub(super) fn processes(&self) -> Vec<(String, u32, Option<SocketAddr>)> {
        let tokens = self.tokens.iter().map(|replica| (replica, None));
        let doors = self.doors.iter().map(|replica| (replica, Some(replica.management())));
        let ours = tokens.chain(doors);
        let ours = ours.map(|(replica, metrics)| (replica.name.to_owned(), replica.server.id(), metrics));
        let members = (1..).zip(self.cluster.process_ids());
        ours.chain(members.map(|(place, id)| (format!("mongod-{place}"), id, None))).collect()
    }

    /// A part gets lost.
    pub(super) async fn lose(&mut self, part: Part, kind: Kind) -> Result<()> {
        match part {
            Part::ClientCredentials(place) => replica(&mut self.tokens, place)?.lose(kind),
            Part::AuthorizationService(place) => replica(&mut self.doors, place)?.lose(kind),
            Part::Primary => {
                self.lost_member = self.cluster.primary().await.context("there is no primary to lose")?;
                match kind {
                    Kind::Killed => self.cluster.kill9(self.lost_member),
                    Kind::Stopped => self.cluster.pause(self.lost_member),
                    Kind::Silenced | Kind::CutOff => close(self.cluster.way_to(self.lost_member), kind),
                }
            }
            Part::Feed => close(&self.feed, kind),
            Part::Userinfo => close(&self.userinfo, kind),
        }
        Ok(())
    }

    /// It is there again, and everything is as before.
    pub(super) async fn mend(&mut self, part: Part, kind: Kind) -> Result<()> {
        match part {
            Part::ClientCredentials(place) => replica(&mut self.tokens, place)?.mend(kind).await?,
            Part::AuthorizationService(place) => replica(&mut self.doors, place)?.mend(kind).await?,
            Part::Primary => {
                match kind {
                    Kind::Killed => self.cluster.restart(self.lost_member).await,
                    Kind::Stopped => self.cluster.resume(self.lost_member),
                    Kind::Silenced | Kind::CutOff => self.cluster.way_to(self.lost_member).mend(),
                }
                self.cluster.wait_until_whole().await;
            }
            Part::Feed => self.feed.mend(),
            Part::Userinfo => self.userinfo.mend(),
        }
        self.check_all_run()
    }

    /// That nobody ended who was not killed.
    pub(super) fn check_all_run(&mut self) -> Result<()> {
        let ours = self.tokens.iter_mut().chain(&mut self.doors).map(|replica| &mut replica.server);
        for server in ours.chain([&mut self.gateway]) {
            ensure!(!server.has_ended(), "{} ended by itself: its log tells why", server.name());
        }
        Ok(())
    }
}

impl Replica {
    async fn start(
        program: PathBuf,
        name: &'static str,
        mut variables: Vec<(&'static str, String)>,
        logs: &Path,
    ) -> Result<Self> {
        let ports = [ReservedPort::new(), ReservedPort::new()];
        let [public, management] = ports.each_ref().map(ReservedPort::address);
        variables.extend([
            ("HTTP_HOST", public.ip().to_string()),
            ("HTTP_PORT", public.port().to_string()),
            ("MANAGEMENT_PORT", management.port().to_string()),
            ("DELAY_SHUTDOWN_SECONDS", "0".to_owned()),
        ]);
        let server = spawn(&program, name, &variables, public, logs).await?;
        Ok(Self { program, name, variables, logs: logs.to_owned(), server, way: Relay::to(public), ports })
    }

    const fn port(&self) -> &ReservedPort {
        let [public, _] = &self.ports;
        public
    }

    fn address(&self) -> SocketAddr {
        self.port().address()
    }

    fn management(&self) -> SocketAddr {
        let [_, management] = &self.ports;
        management.address()
    }

    fn lose(&mut self, kind: Kind) {
        match kind {
            Kind::Killed => {
                self.server.kill9();
                self.way.close();
            }
            Kind::Stopped => self.server.pause(),
            Kind::Silenced | Kind::CutOff => close(&self.way, kind),
        }
    }

    async fn mend(&mut self, kind: Kind) -> Result<()> {
        match kind {
            Kind::Killed => {
                self.server =
                    spawn(&self.program, self.name, &self.variables, self.address(), &self.logs).await?;
                self.way.mend();
            }
            Kind::Stopped => self.server.resume(),
            Kind::Silenced | Kind::CutOff => self.way.mend(),
        }
        Ok(())
    }
}

fn replica(replicas: &mut [Replica], place: usize) -> Result<&mut Replica> {
    replicas.get_mut(place).context("there is no such replica")
}

fn close(way: &Relay, kind: Kind) {
    if kind == Kind::CutOff { way.cut() } else { way.silence() }
}

/// Starts a service and waits until it is ready.
async fn spawn(
    program: &Path,
    name: &'static str,
    variables: &[(&'static str, String)],
    address: SocketAddr,
    logs: &Path,
) -> Result<Server> {
    let mut command = Command::new(program);
    command.env_clear().envs(variables.iter().map(|(name, value)| (name, value)));
    let server = Server::start(name, command, address, logs).await?;
    for _ in 0..600 {
        if testkit::process::get(address, "/-/ready").is_ok() {
            return Ok(server);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("{name} is not ready after half a minute")
}

async fn start_gateway(
    workspace: &Path,
    folder: &Path,
    address: SocketAddr,
    api: SocketAddr,
    doors: &[Replica],
    tokens: &[Replica],
) -> Result<Server> {
    let ([first, second], [one, other]) = (ways(doors)?, ways(tokens)?);
    let addresses =
        Addresses { gateway: address, authorization_service: first, client_credentials: one, service: api };
    let files = folder.join("gateway");
    let command = testkit::gateway::nginx(workspace, &files, &addresses)?;
    let path = files.join("upstreams.conf");
    let mut upstreams = std::fs::read_to_string(&path)?;
    for (replica, another) in [(first, second), (one, other)] {
        let line = format!("server {replica};");
        ensure!(upstreams.contains(&line), "upstreams.conf names its servers in another way now");
        upstreams = upstreams.replace(&line, &format!("{line} server {another};"));
    }
    std::fs::write(path, upstreams)?;
    Server::start(Gateway::Nginx.name(), command, address, &folder.join("logs")).await
}

/// The ways to two replicas.
fn ways(replicas: &[Replica]) -> Result<[SocketAddr; 2]> {
    let ways: Vec<_> = replicas.iter().map(|replica| replica.way.address()).collect();
    ways.try_into().ok().context("there are two replicas of each service")
}

/// A client that may read the revocation feed: id and secret.
fn feed_reader(management: SocketAddr) -> Result<(String, String)> {
    let members =
        json!({"client_name": "authorization-service", "permissions": ["gettone:revocations:read"]});
    let authorization = format!("Authorization: Bearer {BOOTSTRAP_TOKEN}");
    let headers = [authorization.as_str(), "Content-Type: application/json"];
    let (status, body) = call(management, &request("POST", "/clients", &headers, &members.to_string()))?;
    ensure!(status == 201, "no client for the feed: {status} {body}");
    let client: Value = serde_json::from_str(&body)?;
    let member = |name: &str| client.get(name).and_then(Value::as_str).map(str::to_owned).context("a member");
    Ok((member("client_id")?, member("client_secret")?))
}

//! Builds the service: the only place that knows which store runs and where keys come from.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use common::{Clock, Profile, Timestamp};
use credentials::audit::{AuditAction, AuditLog};
use credentials::client::{ClientId, ClientState, ClientStore};
use credentials::key::ring::RotationPlan;
use credentials::key::{Algorithm, KeyDirectory, KeyRingStore};
use credentials::random::letters;
use credentials::replay::ReplayGuard;
use credentials::revocation::RevocationStore;
use credentials::secret::{Pepper, SecretStore};
use credentials::store::DeploymentStore;
use credentials::{Random, SystemRandom};
use serde_json::{Map, Value};
use service_kit::status::{CheckUp, Status};
use service_kit::traces::Traces;
use service_kit::{
    CommandFailure, HeaderName, Problems, Secret, Service, StartError, SystemClock, Telemetry, Variable,
    Vars, server,
};
use store_crud::CrudClients;
use store_mongodb::MongoStore;
use store_redis::RedisGuard;
use store_sqlite::SqliteStore;
use zeroize::Zeroizing;

use crate::audit::Audit;
use crate::cli;
use crate::client_keys::{AddressPolicy, KeySetFetcher, PublishedKeys};
use crate::config::{Config, JwksUriSettings, Mongodb, RegistrationMode, TokenSettings, issuer_url};
use crate::generated_file::{GeneratedFile, read_or_create, warn_if_open_to_others};
use crate::http;
use crate::http::openapi::Documents;
use crate::http::well_known::Discovery;
use crate::imported_secrets::ImportedSecrets;
use crate::key_checks::KeyChecks;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::remove_unused_clients;
use crate::revocations::Revocations;
use crate::signing_keys::{self, KeyStores, SigningKeys};
use crate::source::TrustedProxies;

/// Length of a generated bootstrap token, in letters: 273 bits.
const BOOTSTRAP_TOKEN_LENGTH: usize = 48;
/// What the audit log says of a client that was removed because nobody used it.
const UNUSED: &str = "unused";
/// How often unused clients are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
/// Length of a generated pepper, in bytes.
const PEPPER_LENGTH: usize = 32;

/// The ports behind which everything is kept.
#[derive(Clone)]
pub struct Stores {
    pub clients: Arc<dyn ClientStore>,
    pub secrets: Arc<dyn SecretStore>,
    pub replay: Arc<dyn ReplayGuard>,
    pub revocations: Arc<dyn RevocationStore>,
    pub keys: Arc<dyn KeyDirectory>,
    pub key_ring: Arc<dyn KeyRingStore>,
    pub deployment: Arc<dyn DeploymentStore>,
    pub audit: Arc<dyn AuditLog>,
}

/// What the use cases work with.
pub struct Deps {
    pub stores: Stores,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub pepper: Pepper,
    pub signing_keys: SigningKeys,
    pub revocations: Arc<Revocations>,
    pub key_checks: KeyChecks,
    pub imported_secrets: ImportedSecrets,
    pub audit: Audit,
    pub published_keys: PublishedKeys,
    pub(crate) limits: Limits,
    pub trusted_proxies: TrustedProxies,
    /// At a time, on each worker.
    pub max_token_requests: u32,
    pub profile: Profile,
    pub tokens: TokenSettings,
    pub default_client_state: ClientState,
    pub registration: RegistrationMode,
    pub bootstrap_token: Secret,
    pub discovery: Discovery,
    /// Headers of a request that go on to the crud-service. Empty without one.
    pub passed_on: Arc<[HeaderName]>,
    pub documents: Documents,
    pub metrics: Metrics,
}

/// The service, bound and ready to run.
pub struct ClientCredentials {
    deps: Arc<Deps>,
    status: Status,
    service_prefix: String,
    shutdown_delay: Duration,
    keep_unused_clients_days: Option<u32>,
    max_connections: u32,
    public: TcpListener,
    management: TcpListener,
    traces: Traces,
}

impl Stores {
    /// One store that implements every port.
    pub fn of<S>(store: S) -> Self
    where
        S: ClientStore
            + SecretStore
            + ReplayGuard
            + RevocationStore
            + KeyDirectory
            + KeyRingStore
            + DeploymentStore
            + AuditLog
            + 'static,
    {
        let store = Arc::new(store);
        Self {
            clients: Arc::clone(&store) as _,
            secrets: Arc::clone(&store) as _,
            replay: Arc::clone(&store) as _,
            revocations: Arc::clone(&store) as _,
            keys: Arc::clone(&store) as _,
            key_ring: Arc::clone(&store) as _,
            deployment: Arc::clone(&store) as _,
            audit: store,
        }
    }
}

impl Service for ClientCredentials {
    const NAME: &'static str = "client-credentials";
    const VARIABLES: &'static [Variable] = Config::VARIABLES;
    type Config = Config;

    fn configure(vars: &Vars) -> Result<Config, Problems> {
        Config::read(vars)
    }

    fn telemetry(config: &Config) -> Telemetry {
        Telemetry {
            log_level: config.log_level,
            http_host: config.public.host.clone(),
            http_port: config.public.port,
        }
    }

    fn with_commands(program: clap::Command) -> clap::Command {
        cli::with_commands(program)
    }

    fn command(arguments: &clap::ArgMatches, vars: &Vars) -> Option<Result<(), CommandFailure>> {
        cli::run(arguments, vars)
    }

    fn check(config: &Config) -> Result<(), StartError> {
        check_files(config)
    }

    async fn build(config: Config) -> Result<Self, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let stores = open_stores(&config, &clock).await?;
        Self::assemble(config, stores, clock, Arc::new(SystemRandom)).await
    }

    async fn run(self) -> io::Result<()> {
        note_key_steps(&self.deps);
        let deps = Arc::clone(&self.deps);
        actix_web::rt::spawn(async move {
            let then = || note_key_steps(&deps);
            deps.signing_keys.keep_up_for_ever(&*deps.clock, &*deps.random, then).await;
        });
        if let Some(days) = self.keep_unused_clients_days {
            actix_web::rt::spawn(remove_unused_clients_now_and_then(Arc::clone(&self.deps), days));
        }
        let public =
            server::serve(self.public, self.max_connections, self.deps.metrics.http(), &self.traces, {
                let (deps, status, prefix) =
                    (Arc::clone(&self.deps), self.status.clone(), self.service_prefix);
                move |config| http::public_routes(config, &deps, &status, &prefix)
            })?;
        let connections = server::MANAGEMENT_CONNECTIONS;
        let management =
            server::serve(self.management, connections, self.deps.metrics.http(), &self.traces, {
                let (deps, status) = (Arc::clone(&self.deps), self.status.clone());
                move |config| http::management_routes(config, &deps, &status)
            })?;
        let stopped =
            server::run_until_stopped(vec![public, management], &self.status, self.shutdown_delay).await;
        // What waits is stored, if the store answers.
        self.deps.audit.flush().await;
        self.traces.stop().await;
        stopped
    }
}

impl ClientCredentials {
    /// The service over these stores: loads keys, publishes the own one, binds the listeners.
    ///
    /// # Errors
    /// [`StartError`] that says what to do.
    pub async fn assemble(
        config: Config,
        stores: Stores,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, StartError> {
        for sentence in &config.warnings {
            tracing::warn!("{sentence}");
        }
        check_files(&config)?;
        let bootstrap_token = bootstrap_token(&config, &*random)?;
        let pepper = pepper(&config, &*stores.deployment, &*random).await?;
        let signing_keys = signing_keys(&config, &stores, &*random, clock.now()).await?;
        for path in signing_keys::generated_files(&config.data_dir) {
            warn_if_open_to_others(&path, "a key that signs tokens");
        }
        let version = config.service_version.unwrap_or_else(|| service_kit::VERSION.to_owned());
        let metrics = Metrics::new(Self::NAME, &version, clock.now());
        let revocations = Revocations::follow(
            Arc::clone(&stores.revocations),
            config.revocation_max_staleness,
            metrics.revocation_readers_cut.clone(),
            Arc::clone(&clock),
        )
        .await
        .map_err(|error| StartError::new(format!("it cannot be read which tokens are revoked: {error}")))?;
        let audit = Audit::start(
            Arc::clone(&stores.audit),
            Arc::clone(&clock),
            config.audit_retention,
            metrics.audit_events_lost.clone(),
        );
        let openid_configuration =
            config.openid_configuration.as_deref().map(openid_configuration).transpose()?;
        if let Some(document) = &openid_configuration
            && !names_issuer(document, &config.tokens.issuer)
        {
            tracing::warn!(
                issuer = config.tokens.issuer,
                "the issuer in the file of OPENID_CONFIG_PATH is not MIA_JWT_ISSUER: clients refuse one or the other"
            );
        }
        let imported = stores.secrets.any_imported().await.map_err(|error| {
            StartError::new(format!("it cannot be read whether imported secrets are left: {error}"))
        })?;
        let key_checks = KeyChecks::default();
        let fetcher = key_set_fetcher(&config.jwks_uri, &config.tokens.issuer)?;
        let published_keys = PublishedKeys::new(
            fetcher,
            key_checks.clone(),
            Arc::clone(&clock),
            metrics.key_set_fetches.clone(),
        );
        let documents = Documents::compose(&version, &config.service_prefix, config.profile)
            .map_err(|error| StartError::new(format!("the OpenAPI documents are broken: {error}")))?;
        let deps = Deps {
            documents,
            metrics,
            audit,
            stores,
            clock,
            random,
            pepper,
            signing_keys,
            revocations,
            key_checks,
            imported_secrets: ImportedSecrets::new(imported.as_ref()),
            published_keys,
            limits: Limits::new(&config.rate_limits),
            trusted_proxies: config.trusted_proxies,
            max_token_requests: config.max_token_requests,
            profile: config.profile,
            discovery: Discovery::new(
                &config.tokens.issuer,
                &config.service_prefix,
                openid_configuration,
                config.registration,
                match &config.shared_keys {
                    // An operator may make keys of each.
                    Some(_) => &Algorithm::OF_ACCESS_TOKENS[..],
                    None => std::slice::from_ref(&config.signing_key.algorithm),
                },
            ),
            tokens: config.tokens,
            passed_on: config.crud_service.map(|crud_service| crud_service.passed_on).unwrap_or_default(),
            default_client_state: config.default_client_state,
            registration: config.registration,
            bootstrap_token,
        };
        let this = Self {
            traces: Traces::start(config.traces, &version, deps.metrics.spans())?,
            status: Status::new(Self::NAME, version).with_check_up(check_up(&deps.stores)),
            service_prefix: config.service_prefix,
            shutdown_delay: config.shutdown_delay,
            keep_unused_clients_days: config.keep_unused_clients_days,
            max_connections: config.max_connections,
            public: server::bind(&config.public.host, config.public.port, "HTTP_PORT")?,
            management: server::bind(&config.management.host, config.management.port, "MANAGEMENT_PORT")?,
            deps: Arc::new(deps),
        };
        tracing::info!(
            public = this.public_address().map(|address| address.to_string()).ok(),
            management = this.management_address().map(|address| address.to_string()).ok(),
            issuer = this.deps.tokens.issuer,
            kid = this.deps.signing_keys.signer(this.deps.clock.now()).ok().map(|key| key.kid().to_owned()),
            store = if config.mongodb.is_some() { "mongodb" } else { "sqlite" },
            "listening"
        );
        Ok(this)
    }

    /// Where registration and tokens are served.
    ///
    /// # Errors
    /// If the operating system does not tell.
    pub fn public_address(&self) -> io::Result<SocketAddr> {
        self.public.local_addr()
    }

    /// Where the clients API is served.
    ///
    /// # Errors
    /// If the operating system does not tell.
    pub fn management_address(&self) -> io::Result<SocketAddr> {
        self.management.local_addr()
    }
}

async fn open_stores(config: &Config, clock: &Arc<dyn Clock>) -> Result<Stores, StartError> {
    let mut stores = match &config.mongodb {
        Some(mongodb) => Stores::of(open_mongodb(mongodb).await?),
        None => Stores::of(
            SqliteStore::open(&config.data_dir, Arc::clone(clock))
                .map_err(|error| StartError::new(format!("the embedded store cannot be opened: {error}")))?,
        ),
    };
    if let Some(crud_service) = &config.crud_service {
        let clients = CrudClients::connect(&crud_service.url).await;
        let clients = clients.map_err(|error| StartError::new(error.to_string()))?;
        stores.clients = Arc::new(clients.passing_on(Arc::new(http::passed_on::of_current_request)));
    }
    if let Some(redis) = &config.redis {
        let guard = RedisGuard::connect(redis.clone(), Arc::clone(clock)).await;
        stores.replay = Arc::new(guard.map_err(|error| StartError::new(error.to_string()))?);
    }
    Ok(stores)
}

async fn open_mongodb(mongodb: &Mongodb) -> Result<MongoStore, StartError> {
    let database = mongodb.database.as_deref();
    let store = MongoStore::connect(mongodb.url.expose(), database, &mongodb.secrets_collection);
    store.await.map_err(|error| StartError::new(error.to_string()))
}

fn bootstrap_token(config: &Config, random: &dyn Random) -> Result<Secret, StartError> {
    if let Some(token) = &config.bootstrap_token {
        return Ok(token.clone());
    }
    let path = config.data_dir.join("bootstrap-token");
    let file = generated(&path, random, "BOOTSTRAP_TOKEN", || {
        let token = Zeroizing::new(letters(random, BOOTSTRAP_TOKEN_LENGTH).map_err(io::Error::other)?);
        Ok(Zeroizing::new(token.as_bytes().to_vec()))
    })?;
    let text = std::str::from_utf8(&file.content).unwrap_or_default().trim_end();
    if text.len() < 32 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(StartError::new(format!(
            "{} does not hold 32 visible ASCII characters or more: remove it to have a new token made",
            path.display()
        )));
    }
    tracing::info!(path = %path.display(), created = file.created, "the management token is in this file");
    warn_if_open_to_others(&path, "the management token");
    Ok(text.to_owned().into())
}

/// The key of the secret hashes, which must be the one that hashed what is stored: with another one no secret would be
/// good here, and a rotation here would not end the secrets that are good elsewhere.
async fn pepper(
    config: &Config,
    deployment: &dyn DeploymentStore,
    random: &dyn Random,
) -> Result<Pepper, StartError> {
    let unreadable = |error| {
        StartError::new(format!("the key of the secret hashes cannot be read from the store: {error}"))
    };
    let pepper = match &config.pepper {
        Some(pepper) => Pepper::new(pepper.expose().as_bytes().to_vec()),
        None => {
            let mut proposal = Zeroizing::new([0_u8; PEPPER_LENGTH]);
            random.fill(&mut *proposal).map_err(|error| StartError::new(error.to_string()))?;
            Pepper::new(deployment.agree("pepper", &*proposal).await.map_err(unreadable)?)
        }
    };
    let fingerprint = pepper.fingerprint();
    let known = deployment.agree("pepper_fingerprint", fingerprint.as_bytes()).await.map_err(unreadable)?;
    if known == fingerprint.as_bytes() {
        return Ok(pepper);
    }
    Err(StartError::new(
        "the secrets in this store were hashed with another CLIENT_ID_HASH_SALT, so that none of them would be good: \
         give this process the value that its replicas have, or none if there never was one. To change it on purpose, \
         see \"Another salt\" in docs/operations.md",
    ))
}

/// The keys that all replicas share, or this replica's own.
async fn signing_keys(
    config: &Config,
    stores: &Stores,
    random: &dyn Random,
    now: Timestamp,
) -> Result<SigningKeys, StartError> {
    let (source, data_dir) = (&config.signing_key, &config.data_dir);
    let key_stores = KeyStores { directory: Arc::clone(&stores.keys), ring: Arc::clone(&stores.key_ring) };
    let Some(shared) = &config.shared_keys else {
        let key = signing_keys::read_or_make(source, data_dir, random)?;
        return SigningKeys::own(key, key_stores, now).await;
    };
    // What signed until now goes on, so that nobody meets a key that was never published.
    let file = signing_keys::key_file(source, data_dir);
    let known = source.file.is_some() || file.exists();
    let first = known.then(|| signing_keys::read_file(source, data_dir)).transpose()?;
    let plan = RotationPlan { algorithm: source.algorithm, every_seconds: shared.rotation_seconds };
    SigningKeys::shared(Arc::clone(&shared.encryption), plan, first, key_stores, random, now).await
}

/// What asks for the keys at a `jwks_uri`.
fn key_set_fetcher(settings: &JwksUriSettings, issuer: &str) -> Result<KeySetFetcher, StartError> {
    let authorities = match &settings.authorities {
        None => Vec::new(),
        Some(path) => {
            let unusable =
                |error: String| StartError::new(format!("JWKS_URI_CA_FILE: {}: {error}", path.display()));
            let pem = fs::read(path).map_err(|error| unusable(error.to_string()))?;
            let found =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| unusable("is not PEM".to_owned()))?;
            if found.is_empty() {
                return Err(unusable("holds no certificate".to_owned()));
            }
            found
        }
    };
    let policy = AddressPolicy::new(settings.allowed_networks.clone());
    Ok(KeySetFetcher::new(policy, authorities, issuer_url(issuer).map(|url| url.origin())))
}

/// Has the audit log tell of the steps that the keys took by themselves.
fn note_key_steps(deps: &Deps) {
    for (action, kid) in deps.signing_keys.taken_steps() {
        deps.audit.note_own(action, None, Some(&kid), deps.clock.now(), &*deps.random);
    }
}

/// Until the process ends.
async fn remove_unused_clients_now_and_then(deps: Arc<Deps>, days: u32) {
    let mut times = tokio::time::interval(SWEEP_EVERY);
    loop {
        times.tick().await;
        let now = deps.clock.now();
        let on_removed = |client: &ClientId| {
            deps.audit.note_own(AuditAction::ClientDeleted, Some(client), Some(UNUSED), now, &*deps.random);
        };
        let swept = remove_unused_clients::run(&deps.stores, &deps.pepper, now, days, on_removed).await;
        if let Err(error) = swept {
            tracing::warn!(error.message = %error, "unused clients could not be removed: next try in an hour");
        }
    }
}

/// Whether the store answers now.
fn check_up(stores: &Stores) -> CheckUp {
    let clients = Arc::clone(&stores.clients);
    Arc::new(move || {
        let clients = Arc::clone(&clients);
        Box::pin(async move { clients.ping().await.is_ok() })
    })
}

/// A generated file; `instead` is the variable that makes it unnecessary.
fn generated(
    path: &Path,
    random: &dyn Random,
    instead: &str,
    generate: impl FnOnce() -> io::Result<Zeroizing<Vec<u8>>>,
) -> Result<GeneratedFile, StartError> {
    read_or_create(path, random, generate).map_err(|error| {
        StartError::new(format!(
            "{} can neither be read nor made: {error}. Make DATA_DIR writable, or set {instead}",
            path.display()
        ))
    })
}

/// Whether the files that the variables name are what they should be: every mistake at once.
fn check_files(config: &Config) -> Result<(), StartError> {
    let key = config.signing_key.file.as_ref();
    let key = key.map(|_| signing_keys::read_file(&config.signing_key, &config.data_dir).map(drop));
    let document = config.openid_configuration.as_deref().map(|path| openid_configuration(path).map(drop));
    let authorities = key_set_fetcher(&config.jwks_uri, &config.tokens.issuer).map(drop);
    let hosts = [(&config.public, "HTTP_HOST"), (&config.management, "MANAGEMENT_HOST")];
    let hosts = hosts.map(|(address, variable)| {
        let found = (address.host.as_str(), address.port).to_socket_addrs().map(drop);
        found
            .map_err(|error| StartError::new(format!("{variable}: {} has no address: {error}", address.host)))
    });
    let mistakes: Vec<String> = [key, document, Some(authorities)]
        .into_iter()
        .flatten()
        .chain(hosts)
        .filter_map(Result::err)
        .map(|error| error.to_string())
        .collect();
    if mistakes.is_empty() { Ok(()) } else { Err(StartError::new(mistakes.join("\n"))) }
}

/// It is served byte for byte (upstream contract §1.6), so it has to be what it says it is.
fn openid_configuration(path: &Path) -> Result<Bytes, StartError> {
    let unusable = |what: String| StartError::new(format!("OPENID_CONFIG_PATH: {} {what}", path.display()));
    let document = fs::read(path).map_err(|error| unusable(format!("cannot be read: {error}")))?;
    match serde_json::from_slice::<Map<String, Value>>(&document) {
        Ok(_) => Ok(document.into()),
        Err(error) => Err(unusable(format!("is not one JSON object in UTF-8: {error}"))),
    }
}

fn names_issuer(document: &[u8], issuer: &str) -> bool {
    serde_json::from_slice::<Value>(document)
        .is_ok_and(|document| document.get("issuer").is_some_and(|named| named == issuer))
}

impl Deps {
    /// Whether clients are told how to look after their registration: in drop-in, the answer has the members of the
    /// contract alone (upstream contract §1.1), and without a URL of ours nobody could say where.
    pub(crate) fn tells_registration_tokens(&self) -> bool {
        self.profile == Profile::Standard && self.discovery.is_generated()
    }
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Deps").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Stores(..)")
    }
}

impl std::fmt::Debug for ClientCredentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ClientCredentials").field("status", &self.status).finish_non_exhaustive()
    }
}

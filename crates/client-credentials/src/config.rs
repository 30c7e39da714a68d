//! What the variables of this service are, and what they say together. Reads nothing but the variables: files and
//! stores are opened in `app`.

mod redis;
mod values;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use common::Profile;
use credentials::client::ClientState;
use credentials::jws::MAX_KID_LENGTH;
use jose::{Algorithm, KeyEncryption};
use service_kit::logging::LogLevel;
use service_kit::traces::{OtlpEndpoint, Share, TraceSettings, TracesSampler};
use service_kit::{CommaList, Count, Problems, Secret, Variable, Vars, variables};

use crate::audit::AuditRetention;
use crate::client_keys::Network;
use redis::{RedisHosts, RedisMode};
use values::{
    BootstrapToken, EncryptionKeys, InitialState, Networks, Prefix, RotationDays, Seconds, SigningAlgorithm,
    Staleness, issuer_problem,
};

use crate::source::TrustedProxies;

pub use values::RegistrationMode;
pub(crate) use values::issuer_url;

/// The audience of every token that asked for none, in the standard profile (K-07).
const STANDARD_AUDIENCE: &str = "urn:gettone:api";
const STANDARD_LIFETIME_SECONDS: i64 = 3600;
const STANDARD_CLOCK_SKEW_SECONDS: i64 = 10;
const STANDARD_REGISTRATIONS_PER_SOURCE: u32 = 300;
const STANDARD_UNUSED_CLIENT_DAYS: u32 = 30;

/// Variables that the services we replace require (upstream contract §2). The standard profile has a default for each.
const REQUIRED_IN_DROP_IN: [&str; 5] = [
    "CLIENT_ID_HASH_SALT",
    "PRIVATE_RSA_KEY_FILE_PATH",
    "PRIVATE_RSA_KEY_ID",
    "MIA_JWT_ISSUER",
    "MIA_JWT_EXPIRES_IN",
];

variables! {
    pub struct Variables {
        /// How much to log: trace, debug, info, warn, error, fatal or silent.
        log_level: LogLevel = "info",
        /// Port of the public listener: registration, tokens, tokeninfo, JWKS, status.
        http_port: u16 = "3000",
        /// Address of the public listener.
        http_host: String = "0.0.0.0",
        /// Connections that the public listener keeps open at a time, 1 to 1000000; more wait to be accepted. Needs as many
        /// file descriptors.
        max_connections: Count<1, 1_000_000> = "10000",
        /// Token requests that each worker handles at a time, 1 to 100000; there is a worker for each core. More are
        /// answered 503 at once.
        max_token_requests: Count<1, 100_000> = "256",
        /// Addresses or networks of the gateways whose `X-Forwarded-For` tells the source of a request, separated by
        /// commas, for instance `10.0.0.0/8`. Default: none, the source is the peer of the connection.
        trusted_proxies: TrustedProxies = "",
        /// Registrations a minute, altogether; 0 for no limit.
        registrations_per_minute: Count<0, 1_000_000> = "1000",
        /// Registrations a minute from one source; 0 for no limit. Default: 300 in standard; 0 in drop-in, where all
        /// callers have the source of their gateway until `TRUSTED_PROXIES` is set.
        registrations_per_minute_per_source: Option<Count<0, 1_000_000>>,
        /// Wrong secrets a minute for one client from one source before the answer is 429; 0 for no limit. The right
        /// secret is good at any time.
        wrong_secrets_per_minute_per_client: Count<0, 1_000_000> = "10",
        /// Wrong secrets a minute from one source, whatever the client, before the answer is 429; 0 for no limit.
        wrong_secrets_per_minute_per_source: Count<0, 1_000_000> = "100",
        /// Prefix of all public routes but the status routes, for instance `/auth`. Discovery names every endpoint as the
        /// host of `MIA_JWT_ISSUER`, this prefix and the path.
        service_prefix: Option<Prefix>,
        /// Version shown by the status routes. Default: the version of the program.
        service_version: Option<String>,
        /// Seconds to go on answering after SIGTERM, so that every gateway notices first.
        delay_shutdown_seconds: u16 = "10",
        /// `standard` speaks like the OAuth RFCs, `drop-in` like the service we replace: there `POST /clients` also
        /// answers on `HTTP_PORT`, without credentials, and no gateway may route it.
        profile: Profile = "standard",
        /// Port of the management listener: the clients API and metrics.
        management_port: u16 = "3001",
        /// Address of the management listener. Keep it away from the internet.
        management_host: String = "127.0.0.1",
        /// Directory of the embedded store and of generated files.
        data_dir: PathBuf = "./data",
        /// Bearer token of the management listener, 32 visible ASCII characters or more. Default: generated at first
        /// start into the file `bootstrap-token` in `DATA_DIR`.
        bootstrap_token: Option<BootstrapToken>,
        /// URL of the MongoDB that keeps clients and secrets. Default: a SQLite file in `DATA_DIR`.
        credentials_mongodb_url: Option<Secret>,
        /// Name of the database. Default: the one in `CREDENTIALS_MONGODB_URL`.
        mongodb_credentials_database_name: Option<String>,
        /// Name of the collection of client secrets.
        credentials_collection_name: String = "credentials",
        /// Key of the hashes of client ids and secrets; the same on all replicas, for ever. Required in drop-in.
        /// Default: random, generated once and kept in the store.
        client_id_hash_salt: Option<Secret>,
        /// Accepted for compatibility, without effect: generated secrets need no slow hash.
        client_secret_hash_cost: Option<u8>,
        /// PEM file with the RSA key that signs tokens, PKCS#1 or PKCS#8. Required in drop-in. Default: generated at
        /// first start into the file `signing-key.pem` in `DATA_DIR`.
        private_rsa_key_file_path: Option<PathBuf>,
        /// Password of that file, if it is encrypted.
        private_key_password: Option<Secret>,
        /// The `kid` of that key. Required in drop-in. Default: its RFC 7638 thumbprint.
        private_rsa_key_id: Option<String>,
        /// What tokens are signed with: `RS256`, `PS256`, `ES256` or `EdDSA`. Only `RS256` with
        /// `PRIVATE_RSA_KEY_FILE_PATH`, so always in drop-in. Without that variable, another algorithm has a generated
        /// file of its own in `DATA_DIR`.
        signing_algorithm: SigningAlgorithm = "RS256",
        /// 32 random bytes in base64 (`openssl rand -base64 32`), the same on all replicas: private signing keys are
        /// encrypted with it and kept in the store, and all replicas share them. Several with commas between: the first
        /// one encrypts, all decrypt. Default: each replica signs with its own key file.
        signing_keys_encryption_key: Option<EncryptionKeys>,
        /// Days after which a shared signing key is replaced, 1 to 3650. Default: by hand only. Needs
        /// `SIGNING_KEYS_ENCRYPTION_KEY`.
        signing_key_rotation_days: Option<RotationDays>,
        /// Issuer of the tokens, and the one audience of client assertions. In standard an https URL without query and
        /// fragment, or an http one on localhost; default `http://localhost:` and `HTTP_PORT`. Required in drop-in.
        mia_jwt_issuer: Option<String>,
        /// Lifetime of a token in seconds, 1 to 86400. Default in standard: 3600. Required in drop-in.
        mia_jwt_expires_in: Option<Seconds<1, 86_400>>,
        /// The longest lifetime that a client may be given for its tokens, in seconds, 1 to 86400. Not less than
        /// `MIA_JWT_EXPIRES_IN`.
        max_token_lifetime_seconds: Seconds<1, 86_400> = "86400",
        /// Whether a token request must name an audience.
        required_audience_in_token_request: bool = "false",
        /// Comma-separated audiences that `/tokeninfo` accepts. A token with an audience is refused if it has none of
        /// these.
        accepted_audiences: CommaList = "",
        /// Audience of a token that asked for none, always accepted by `/tokeninfo`. Default: `urn:gettone:api`. Standard
        /// only: in drop-in such a token has no audience.
        default_audience: Option<String>,
        /// Seconds by which the clock of a client may differ from ours, 0 to 300. Default: 10 in standard, 0 in drop-in.
        clock_skew_seconds: Option<Seconds<0, 300>>,
        /// How many seconds old may be what this replica knows of revocations, when it can follow them no more, before
        /// `/tokeninfo` and introspection answer 503: 2 to 3600, or 0 for however old.
        revocation_max_staleness_seconds: Staleness = "30",
        /// State of a new client: `PUBLIC`, or `DRAFT` to have each one approved before it gets tokens.
        default_client_state: InitialState = "PUBLIC",
        /// Who may register at `/register`: `open`, anybody; `token`, whoever has an initial access token from an operator
        /// (`POST /registration-tokens`); `closed`, nobody.
        registration: RegistrationMode = "open",
        /// Days for which audit events are kept: who changed which client, and when.
        audit_retention_days: Count<1, 3650> = "365",
        /// Days for which audit events of issued and refused tokens are kept. 0: they are logged and not stored.
        audit_token_retention_days: Count<0, 3650> = "7",
        /// Networks inside, such as `10.1.0.0/16`, separated by commas, from which keys at a `jwks_uri` may be fetched
        /// beside public addresses. Whoever may register can then have this service ask any https server in them: read
        /// docs/security.md first.
        jwks_uri_allowed_networks: Networks = "",
        /// PEM file with certificate authorities that are trusted beside those of the machine where keys are fetched from
        /// a `jwks_uri`.
        jwks_uri_ca_file: Option<PathBuf>,
        /// Days after which a client is removed that registered itself, got no token and was never changed by an operator;
        /// 0 to keep it. Default: 30 in standard, 0 in drop-in.
        unused_client_days: Option<Count<0, 3650>>,
        /// JSON file served unchanged at `/.well-known/openid-configuration`. Default: the document is generated, or 404
        /// if `MIA_JWT_ISSUER` is not a URL.
        openid_config_path: Option<PathBuf>,
        /// The Redis that remembers used assertions: one `host:port`, or the sentinels, separated by commas. `rediss://`
        /// before each means TLS. Default: they are remembered in the store, for all replicas, which needs no Redis and
        /// promises more (docs/drop-in.md).
        redis_hosts: Option<RedisHosts>,
        /// `normal`, or `sentinel` if the hosts are sentinels.
        redis_mode: RedisMode = "normal",
        /// Name by which the sentinels know the master. Required if `REDIS_MODE` is `sentinel`.
        redis_master_name: Option<String>,
        /// User of Redis. Default: its user `default`.
        redis_username: Option<String>,
        /// Password of Redis.
        redis_password: Option<Secret>,
        /// User of the sentinels. Default: their user `default`.
        redis_sentinel_username: Option<String>,
        /// Password of the sentinels.
        redis_sentinel_password: Option<Secret>,
        /// Whether Redis and the sentinels are spoken to over TLS.
        redis_tls_enabled: bool = "false",
        /// PEM file with the certificate authorities of Redis and the sentinels. Default: those of the machine.
        redis_tls_ca_path: Option<PathBuf>,
        /// PEM file with our own certificate for Redis and the sentinels.
        redis_tls_cert_path: Option<PathBuf>,
        /// PEM file with the key of that certificate.
        redis_tls_key_path: Option<PathBuf>,
        /// Replicas of Redis that must confirm that an assertion was used before it gets a token. Default: 1 if
        /// `REDIS_MODE` is `sentinel`, else 0. With 0, a failover may forget used assertions.
        redis_replicas_to_wait_for: Option<u16>,
        /// URL of the collection of clients in a crud-service, for instance `http://crud-service/clients`: clients are kept
        /// there, their secrets in MongoDB (docs/drop-in.md). Default: clients are kept in the store.
        crud_client_base_url: Option<String>,
        /// Base URL of an OpenTelemetry collector, for instance `http://otel-collector:4318`: traces go to `/v1/traces`
        /// there (docs/tracing.md). Default: no traces are made.
        otel_exporter_otlp_endpoint: Option<OtlpEndpoint>,
        /// Name of this service in traces.
        otel_service_name: String = "client-credentials",
        /// Which requests are recorded in traces: `always_on`, `always_off`, `traceidratio`, or one of them with
        /// `parentbased_` before it, which follows the caller if `TRUST_TRACEPARENT` is `true`.
        otel_traces_sampler: TracesSampler = "parentbased_always_on",
        /// Share that `traceidratio` records, 0 to 1.
        otel_traces_sampler_arg: Share = "1",
        /// Longest time that a finished span waits to be sent, in milliseconds, 1 to 60000.
        otel_bsp_schedule_delay: Count<1, 60_000> = "5000",
        /// Whether the caller's `traceparent` chooses which requests are recorded. Only behind a gateway that sets or
        /// overwrites that header. Otherwise it chooses the trace that a request joins, and no more.
        trust_traceparent: bool = "false",
    }
}

/// The configuration of the service, checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub log_level: LogLevel,
    pub public: Address,
    pub management: Address,
    /// On the public listener.
    pub max_connections: u32,
    /// At a time, on each worker.
    pub max_token_requests: u32,
    pub trusted_proxies: TrustedProxies,
    pub rate_limits: RateLimits,
    /// Empty, or `/` and at least one segment.
    pub service_prefix: String,
    pub service_version: Option<String>,
    pub shutdown_delay: Duration,
    pub profile: Profile,
    pub data_dir: PathBuf,
    pub bootstrap_token: Option<Secret>,
    /// `None`: the embedded store.
    pub mongodb: Option<Mongodb>,
    /// Where clients are kept instead of the store.
    pub crud_service: Option<String>,
    /// Where used assertions are kept instead of the store.
    pub redis: Option<store_redis::Settings>,
    /// `None`: agreed upon through the store.
    pub pepper: Option<Secret>,
    pub signing_key: SigningKeySource,
    /// `None`: each replica has its own key.
    pub shared_keys: Option<SharedKeySettings>,
    pub tokens: TokenSettings,
    /// `None`: what is known of revocations counts, however old.
    pub revocation_max_staleness: Option<Duration>,
    pub default_client_state: ClientState,
    pub registration: RegistrationMode,
    pub audit_retention: AuditRetention,
    pub jwks_uri: JwksUriSettings,
    /// `None`: for ever.
    pub keep_unused_clients_days: Option<u32>,
    pub openid_configuration: Option<PathBuf>,
    /// `None`: no traces are made.
    pub traces: Option<TraceSettings>,
    /// Sentences to log at start.
    pub warnings: Vec<&'static str>,
}

/// Where the keys of clients may be fetched from, and whom to trust there.
#[derive(Debug, Clone)]
pub struct JwksUriSettings {
    pub allowed_networks: Vec<Network>,
    pub authorities: Option<PathBuf>,
}

/// In bytes. Salts of the service we replace may be shorter and must be taken.
const SHORT_SALT: usize = 16;

/// How often a minute; 0: no limit.
#[derive(Debug, Clone, Copy)]
pub struct RateLimits {
    pub registrations: u32,
    pub registrations_per_source: u32,
    pub wrong_secrets_per_client: u32,
    pub wrong_secrets_per_source: u32,
}

/// Where a listener is bound.
#[derive(Debug, Clone)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

/// The production store.
#[derive(Debug, Clone)]
pub struct Mongodb {
    pub url: Secret,
    pub database: Option<String>,
    pub secrets_collection: String,
}

/// How replicas share their signing keys.
#[derive(Debug, Clone)]
pub struct SharedKeySettings {
    pub encryption: Arc<KeyEncryption>,
    /// `None`: by hand only.
    pub rotation_seconds: Option<i64>,
}

/// Where the signing key of this replica comes from.
#[derive(Debug, Clone)]
pub struct SigningKeySource {
    /// `None`: generated in the data directory.
    pub file: Option<PathBuf>,
    pub password: Option<Secret>,
    pub kid: Option<String>,
    pub algorithm: Algorithm,
}

/// What tokens say and which ones are accepted. Times in seconds.
#[derive(Debug, Clone)]
pub struct TokenSettings {
    pub issuer: String,
    /// Of a client that has no lifetime of its own.
    pub lifetime_seconds: i64,
    pub max_lifetime_seconds: i64,
    pub audience_required: bool,
    pub default_audience: Option<String>,
    /// Includes the default audience.
    pub accepted_audiences: Vec<String>,
    pub clock_skew_seconds: i64,
}

impl Config {
    /// Every variable of this service.
    pub const VARIABLES: &'static [Variable] = Variables::TABLE;

    /// Reads and checks all variables; touches nothing outside.
    ///
    /// # Errors
    /// Every mistake there is.
    pub fn read(vars: &Vars) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let variables = Variables::read(vars, &mut problems);
        check_together(vars, &mut problems);
        problems.or(variables).map(Self::from)
    }
}

/// Checks what one variable says about another. Reads the texts again, so that these mistakes are reported together
/// with those of single variables.
fn check_together(vars: &Vars, problems: &mut Problems) {
    let text = |name: &str| vars.text(name).ok().flatten();
    let drop_in = text("PROFILE").is_some_and(|profile| profile.trim() == "drop-in");
    for name in REQUIRED_IN_DROP_IN.into_iter().filter(|name| drop_in && text(name).is_none()) {
        problems.note(name, "is required if PROFILE is drop-in");
    }
    if let Some(problem) = text("MIA_JWT_ISSUER").and_then(|issuer| issuer_problem(issuer.trim(), drop_in)) {
        problems.note("MIA_JWT_ISSUER", problem);
    }
    if text("PRIVATE_RSA_KEY_ID")
        .is_some_and(|kid| kid.len() > MAX_KID_LENGTH || kid.chars().any(char::is_control))
    {
        problems.note("PRIVATE_RSA_KEY_ID", "must have at most 256 bytes, without control characters");
    }
    let algorithm = text("SIGNING_ALGORITHM");
    if text("PRIVATE_RSA_KEY_FILE_PATH").is_some()
        && algorithm.is_some_and(|algorithm| algorithm.trim() != "RS256")
    {
        problems.note("SIGNING_ALGORITHM", "must be RS256, or unset, if PRIVATE_RSA_KEY_FILE_PATH is set");
    }
    if text("SIGNING_KEY_ROTATION_DAYS").is_some() && text("SIGNING_KEYS_ENCRYPTION_KEY").is_none() {
        problems.note(
            "SIGNING_KEY_ROTATION_DAYS",
            "needs SIGNING_KEYS_ENCRYPTION_KEY: only keys in the store can be replaced by the service",
        );
    }
    let port =
        |name: &str, default: &str| text(name).map_or_else(|| default.to_owned(), |port| port.to_string());
    let (public, management) = (port("HTTP_PORT", "3000"), port("MANAGEMENT_PORT", "3001"));
    let issuer = text("MIA_JWT_ISSUER")
        .map_or_else(|| default_issuer(public.trim()), |issuer| issuer.trim().to_owned());
    if text("DEFAULT_AUDIENCE").is_some_and(|audience| audience.trim() == issuer) {
        problems
            .note("DEFAULT_AUDIENCE", "must differ from MIA_JWT_ISSUER: that is the audience of assertions");
    }
    let seconds =
        |name: &str, default| text(name).map_or(Some(default), |seconds| seconds.trim().parse::<i64>().ok());
    let usual = seconds("MIA_JWT_EXPIRES_IN", STANDARD_LIFETIME_SECONDS);
    if let (Some(usual), Some(most)) = (usual, seconds("MAX_TOKEN_LIFETIME_SECONDS", 86_400))
        && usual > most
    {
        problems.note("MAX_TOKEN_LIFETIME_SECONDS", "must not be less than MIA_JWT_EXPIRES_IN");
    }
    if public.trim() == management.trim() && public.trim() != "0" {
        problems.note(
            "MANAGEMENT_PORT",
            "must differ from HTTP_PORT: management calls never share the public port",
        );
    }
    redis::check_together(text, problems);
    if text("CRUD_CLIENT_BASE_URL").is_some() && text("CREDENTIALS_MONGODB_URL").is_none() {
        problems.note(
            "CRUD_CLIENT_BASE_URL",
            "needs CREDENTIALS_MONGODB_URL: a crud-service keeps the clients, and MongoDB their secrets",
        );
    }
}

/// The issuer of a service that nobody told its address.
fn default_issuer(http_port: impl std::fmt::Display) -> String {
    format!("http://localhost:{http_port}")
}

impl From<Variables> for Config {
    fn from(variables: Variables) -> Self {
        let warnings = warnings(&variables);
        let tokens = TokenSettings::new(&variables);
        let rate_limits = RateLimits::new(&variables);
        let keep_unused_days = variables.unused_client_days.map_or_else(
            || if variables.profile == Profile::Standard { STANDARD_UNUSED_CLIENT_DAYS } else { 0 },
            |days| days.0,
        );
        let redis = redis::settings(&variables);
        let traces = variables.otel_exporter_otlp_endpoint.map(|endpoint| TraceSettings {
            endpoint,
            service_name: variables.otel_service_name,
            sampler: variables.otel_traces_sampler,
            share: variables.otel_traces_sampler_arg,
            trust_callers: variables.trust_traceparent,
            delay: Duration::from_millis(variables.otel_bsp_schedule_delay.0.into()),
        });
        Self {
            traces,
            redis,
            crud_service: variables.crud_client_base_url,
            log_level: variables.log_level,
            public: Address { host: variables.http_host, port: variables.http_port },
            management: Address { host: variables.management_host, port: variables.management_port },
            max_connections: variables.max_connections.0,
            max_token_requests: variables.max_token_requests.0,
            trusted_proxies: variables.trusted_proxies,
            rate_limits,
            service_prefix: variables.service_prefix.map(|prefix| prefix.0).unwrap_or_default(),
            service_version: variables.service_version,
            shutdown_delay: Duration::from_secs(variables.delay_shutdown_seconds.into()),
            profile: variables.profile,
            data_dir: variables.data_dir,
            bootstrap_token: variables.bootstrap_token.map(|token| token.0),
            mongodb: variables.credentials_mongodb_url.map(|url| Mongodb {
                url,
                database: variables.mongodb_credentials_database_name,
                secrets_collection: variables.credentials_collection_name,
            }),
            pepper: variables.client_id_hash_salt,
            signing_key: SigningKeySource {
                file: variables.private_rsa_key_file_path,
                password: variables.private_key_password,
                kid: variables.private_rsa_key_id,
                algorithm: variables.signing_algorithm.0,
            },
            shared_keys: variables.signing_keys_encryption_key.map(|keys| SharedKeySettings {
                encryption: keys.0,
                rotation_seconds: variables.signing_key_rotation_days.map(RotationDays::seconds),
            }),
            tokens,
            revocation_max_staleness: variables.revocation_max_staleness_seconds.0,
            default_client_state: variables.default_client_state.0,
            registration: variables.registration,
            audit_retention: AuditRetention {
                changes: variables.audit_retention_days.0,
                tokens: variables.audit_token_retention_days.0,
            },
            jwks_uri: JwksUriSettings {
                allowed_networks: variables.jwks_uri_allowed_networks.0,
                authorities: variables.jwks_uri_ca_file,
            },
            keep_unused_clients_days: Some(keep_unused_days).filter(|days| *days > 0),
            openid_configuration: variables.openid_config_path,
            warnings,
        }
    }
}

impl RateLimits {
    fn new(variables: &Variables) -> Self {
        let per_source = match variables.profile {
            Profile::Standard => STANDARD_REGISTRATIONS_PER_SOURCE,
            Profile::DropIn => 0,
        };
        Self {
            registrations: variables.registrations_per_minute.0,
            registrations_per_source: variables
                .registrations_per_minute_per_source
                .map_or(per_source, |count| count.0),
            wrong_secrets_per_client: variables.wrong_secrets_per_minute_per_client.0,
            wrong_secrets_per_source: variables.wrong_secrets_per_minute_per_source.0,
        }
    }
}

impl TokenSettings {
    fn new(variables: &Variables) -> Self {
        let standard = variables.profile == Profile::Standard;
        let chosen = variables.default_audience.as_deref().unwrap_or(STANDARD_AUDIENCE);
        let default_audience = standard.then(|| chosen.to_owned());
        let mut accepted_audiences = variables.accepted_audiences.0.clone();
        accepted_audiences.extend(default_audience.clone());
        Self {
            issuer: variables.mia_jwt_issuer.clone().unwrap_or_else(|| default_issuer(variables.http_port)),
            lifetime_seconds: variables
                .mia_jwt_expires_in
                .map_or(STANDARD_LIFETIME_SECONDS, |seconds| seconds.0),
            max_lifetime_seconds: variables.max_token_lifetime_seconds.0,
            audience_required: variables.required_audience_in_token_request,
            default_audience,
            accepted_audiences,
            clock_skew_seconds: variables
                .clock_skew_seconds
                .map_or(if standard { STANDARD_CLOCK_SKEW_SECONDS } else { 0 }, |seconds| seconds.0),
        }
    }
}

fn warnings(variables: &Variables) -> Vec<&'static str> {
    let drop_in = variables.profile == Profile::DropIn;
    let no_audience = variables.accepted_audiences.0.is_empty();
    [
        (
            !variables.jwks_uri_allowed_networks.0.is_empty(),
            "JWKS_URI_ALLOWED_NETWORKS is set: whoever may register a client can have this service ask any https server \
             in those networks",
        ),
        (
            variables.client_id_hash_salt.as_ref().is_some_and(|salt| salt.expose().len() < SHORT_SALT),
            "CLIENT_ID_HASH_SALT is shorter than 16 characters: whoever gets hold of the store could find it by trying, and \
             then the secrets that people thought up. A new deployment takes `openssl rand -base64 32`",
        ),
        (
            drop_in && no_audience,
            "ACCEPTED_AUDIENCES is empty: /tokeninfo refuses every token that has an audience",
        ),
        (
            drop_in,
            "PROFILE is drop-in: POST /clients answers without credentials on HTTP_PORT too; no gateway may route it",
        ),
    ]
    .into_iter()
    .filter_map(|(applies, sentence)| applies.then_some(sentence))
    .collect()
}

#[cfg(test)]
mod tests;

//! The variables of the service (upstream contract §5; ours stand beside them). Types that only accept what can work,
//! so that every mistake is found before the first request and all of them are reported together.

mod local_mode;
mod rules;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use common::Profile;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use service_kit::logging::LogLevel;
use service_kit::traces::{OtlpEndpoint, Share, TraceSettings, TracesSampler};
use service_kit::{
    CommaList, Count, HeaderName, HeaderNames, Problems, Secret, ServicePrefix, Vars, variables,
};
use url::Url;

use crate::http::original_request::Source;
use crate::record::log::{Scope, UserIds};
use principal::Reading;

pub(crate) use local_mode::{FeedTokenSource, LocalMode};
use rules::{EncodedSlashesName, MatchingName, RepeatedSlashesName, matching, rules_file};

pub(crate) use rules::RulesSettings;

variables! {
    pub struct Config {
        /// What to log: `trace`, `debug`, `info`, `warn`, `error` or `silent`. (Upstream's default is `trace`.)
        log_level: LogLevel = "info",
        /// Port of the listener.
        http_port: u16 = "3000",
        /// Address of the listener.
        http_host: String = "0.0.0.0",
        /// Port of the gRPC listener, for Envoy's `ext_authz` over gRPC. No gRPC listener if unset.
        grpc_port: Option<u16>,
        /// Address of the gRPC listener.
        grpc_host: String = "0.0.0.0",
        /// Port of the management listener: metrics and status. No management listener if unset.
        management_port: Option<u16>,
        /// Address of the management listener. Keep it away from the internet.
        management_host: String = "127.0.0.1",
        /// Bearer token of at least 32 characters for what the management listener shows of callers: `/decisions` and `/shadows`. Nobody
        /// may ask for that if unset. Needs `MANAGEMENT_PORT`.
        management_token: Option<LongSecret>,
        /// Denials that can be asked for by their id, 0 to 100000. The oldest are forgotten first, and those beyond 16 MiB.
        decisions_kept: Count<0, 100_000> = "1000",
        /// Which decisions have a line of their own in the log, beside the access line (docs/logging.md): `off`, `denials` or `all`.
        decision_log: Scope = "off",
        /// With `all`, one allow in so many has a line, 1 to 1000000.
        decision_log_allow_sample: Count<1, 1_000_000> = "1",
        /// How those lines name a caller: `plain` is the user id, `pseudonym` a text that stands for it until the process ends.
        decision_log_user: UserIds = "plain",
        /// Connections that the listener keeps open at a time, 1 to 1000000; more wait to be accepted. Needs as many file descriptors.
        /// Also the calls that the gRPC listener works on at a time; more are refused.
        max_connections: Count<1, 1_000_000> = "10000",
        /// Path before `/auth`, for instance `/authz`. Status routes do not have it.
        service_prefix: ServicePrefix = "/",
        /// Version shown by the status routes; the version of the program if unset.
        service_version: Option<String>,
        /// How long to go on answering after SIGTERM, so that gateways notice first.
        delay_shutdown_seconds: u64 = "10",
        /// `standard` answers as the OAuth RFCs say, `drop-in` as Mia-Platform's service does. Equal in what is refused.
        profile: Profile = "standard",
        /// Folder of the rules file.
        configuration_path: PathBuf = "./",
        /// Name of the rules file without `.json`. (Upstream's default is the name of a test file, `test-config.test`.)
        configuration_file_name: String = "auth",
        /// Which keys of the rules file govern the paths below them: `segment` (every key; one with `ALL` or a slash at the end before one with the verb alone), `segment-longest` (every key; the longest one) or `trailing-slash` (only keys written with a slash at the end).
        matching: MatchingName = "segment",
        /// What to do with `//` in a path: `refuse`, or `merge` (read as one slash and as it stands; the rules of both readings must allow). By default refused in the standard profile, merged in the drop-in profile.
        path_repeated_slashes: Option<RepeatedSlashesName>,
        /// What to do with `%2F` in a path: `refuse`, or `both-readings` (part of a name, and a slash; both readings need a rule, and their rules must allow).
        path_encoded_slashes: EncodedSlashesName = "refuse",
        /// Where the request to decide about is read from: `headers` (`Original-Request-Uri` and `Original-Request-Method`), `path` (what follows `/auth`, and the verb of the call: Envoy) or `x-forwarded` (`X-Forwarded-Uri` and `X-Forwarded-Method`: Traefik, Caddy). The gateway must overwrite these headers.
        original_request_from: Source = "headers",
        /// Header that marks a backoffice request; `1` and `true` do.
        backoffice_header_key: HeaderName = "isbackoffice",
        /// Header with the type of the API key's owner, `clientType` in expressions.
        client_type_header_key: HeaderName = "client-type",
        /// How to learn who the caller is: `proxy` asks `USERINFO_URL`, `local` verifies access tokens itself and asks only
        /// about what it cannot verify (docs/local-mode.md).
        userinfo_mode: UserinfoMode = "proxy",
        /// Who to ask about the caller, for instance `http://client-credentials/tokeninfo`. Required unless `TRUST_MIA_USER_HEADERS` is `true` or `USERINFO_MODE` is `local`.
        userinfo_url: Option<BackendUrl>,
        /// Who to ask about the caller of a backoffice request; `USERINFO_URL` if unset.
        backoffice_userinfo_url: Option<BackendUrl>,
        /// How long to wait for the userinfo answer, in milliseconds, altogether. Keep it below the gateway's own limit.
        userinfo_timeout_ms: Milliseconds = "5000",
        /// Status when it cannot be known who the caller is: `503` or `401`. By default 503 in the standard profile and 401 in the drop-in profile.
        userinfo_failure_status: Option<FailureStatus>,
        /// Where the metadata of the protected resource is (RFC 9728), for instance `https://api.example/.well-known/oauth-protected-resource`. Every 401 names it as `resource_metadata`.
        resource_metadata_url: Option<ResourceMetadataUrl>,
        /// Headers copied to the userinfo call. Headers of the connection and of the body are never copied. Calls with equal values of all of them share one answer while it is on its way.
        headers_to_proxy: HeaderNames = "authorization",
        /// If set, a request without any of these headers is anonymous and nobody is asked.
        authorization_headers_to_proxy: HeaderNames = "",
        /// Member of the userinfo answer with the caller's id.
        custom_user_id_key: String = "sub",
        /// Member of the userinfo answer with the caller's permissions, a list of strings; no permissions if unset.
        custom_permissions_key: Option<String>,
        /// Members of the userinfo answer passed on in `mia-userproperties`.
        user_properties_to_proxy: CommaList = "",
        /// Issuer of the access tokens, as client-credentials has it: in local mode, `iss` must be equal to it. Required there.
        mia_jwt_issuer: Option<String>,
        /// Comma-separated audiences, in local mode. A token with an audience is refused if it has none of these.
        accepted_audiences: CommaList = "urn:gettone:api",
        /// Public keys of the issuer, in local mode. Default: `/.well-known/jwks.json` where `USERINFO_URL` has
        /// `/tokeninfo`; required if it has not.
        jwks_url: Option<BackendUrl>,
        /// The revocation feed of client-credentials, for instance `http://client-credentials:3001/revocations`. Required
        /// in local mode.
        revocation_feed_url: Option<BackendUrl>,
        /// Client that gets the token for the revocation feed. It needs the permission `gettone:revocations:read`.
        revocation_feed_client_id: Option<String>,
        /// Secret of that client.
        revocation_feed_client_secret: Option<Secret>,
        /// Where that client gets its token. Default: `/oauth/token` where `USERINFO_URL` has `/tokeninfo`.
        token_url: Option<BackendUrl>,
        /// Instead of a client: path of a file with a token for the revocation feed, which somebody else keeps fresh. It is
        /// read each time the feed is opened.
        revocation_feed_token_path: Option<PathBuf>,
        /// `true` answers 401, 403 or 503 when it denies; `false` answers 200 with `mia-allowed: 0`, which is safe only behind a gateway that reads that header. Not with Envoy.
        authorization_strict_mode_enabled: bool = "true",
        /// `true` takes the caller from the three headers below and asks nobody. Needs `TRUSTED_PEER_SECRET`.
        trust_mia_user_headers: bool = "false",
        /// Header with the caller's id, in trust mode.
        userid_header_key: HeaderName = "miauserid",
        /// Header with the caller's groups, separated by commas, in trust mode.
        groups_header_key: HeaderName = "miausergroups",
        /// Header with the userinfo answer as a JSON object, in trust mode.
        user_properties_header_key: HeaderName = "miauserproperties",
        /// Secret of at least 32 characters that the gateway sends in the header `x-gettone-peer`. If set, a call without it is refused.
        trusted_peer_secret: Option<LongSecret>,
        /// Base URL of an OpenTelemetry collector, for instance `http://otel-collector:4318`: traces go to `/v1/traces`
        /// there (docs/tracing.md). Default: no traces are made.
        otel_exporter_otlp_endpoint: Option<OtlpEndpoint>,
        /// Name of this service in traces.
        otel_service_name: String = "authorization-service",
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

impl Config {
    /// Reads and checks all variables.
    ///
    /// # Errors
    /// Every mistake there is.
    pub fn from_vars(vars: &Vars) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let config = Self::read(vars, &mut problems);
        check_together(vars, &mut problems);
        if !is_proxy(vars) {
            local_mode::check(vars, &mut problems);
        }
        problems.or(config)
    }

    /// Where traces go; `None` if none are made.
    pub(crate) fn traces(&self) -> Option<TraceSettings> {
        Some(TraceSettings {
            endpoint: self.otel_exporter_otlp_endpoint.clone()?,
            service_name: self.otel_service_name.clone(),
            sampler: self.otel_traces_sampler,
            share: self.otel_traces_sampler_arg,
            trust_callers: self.trust_traceparent,
            delay: Duration::from_millis(self.otel_bsp_schedule_delay.0.into()),
        })
    }

    /// How a userinfo answer is read.
    pub(crate) fn reading(&self) -> Reading {
        let settings = ReadingSettings {
            user_id_key: self.custom_user_id_key.clone(),
            permissions_key: self.custom_permissions_key.clone(),
            profile: self.profile,
        };
        Reading { properties_to_proxy: self.user_properties_to_proxy.0.clone(), ..settings.reading() }
    }

    /// Which rules decide.
    #[must_use]
    pub fn rules(&self) -> RulesSettings {
        RulesSettings {
            file: rules_file(&self.configuration_path, &self.configuration_file_name),
            matching: matching(
                self.matching,
                self.profile,
                self.path_repeated_slashes,
                self.path_encoded_slashes,
            ),
            permissions_are_known: self.custom_permissions_key.is_some(),
        }
    }
}

fn is_proxy(vars: &Vars) -> bool {
    alone::<UserinfoMode>(vars, "userinfo_mode") != Some(UserinfoMode::Local)
}

/// How a userinfo answer is read: the part of the configuration that the commands need too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadingSettings {
    user_id_key: String,
    permissions_key: Option<String>,
    profile: Profile,
}

impl ReadingSettings {
    /// Reads these variables and no other.
    ///
    /// # Errors
    /// Every mistake in them.
    pub(crate) fn from_vars(vars: &Vars) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let user_id_key = one(vars, "custom_user_id_key", &mut problems);
        let permissions_key = one(vars, "custom_permissions_key", &mut problems);
        let profile = one(vars, "profile", &mut problems);
        let settings = user_id_key.zip(permissions_key).zip(profile);
        problems.or(settings.map(|((user_id_key, permissions_key), profile)| Self {
            user_id_key,
            permissions_key,
            profile,
        }))
    }

    /// With nothing that services would be told: the commands have none.
    pub(crate) fn reading(self) -> Reading {
        Reading {
            user_id_key: self.user_id_key,
            permissions_key: self.permissions_key,
            groups_as_text: self.profile == Profile::DropIn,
            properties_to_proxy: Vec::new(),
        }
    }
}

/// What one variable demands of another. Each is read apart, so that a mistake elsewhere hides none of these.
fn check_together(vars: &Vars, problems: &mut Problems) {
    let is_set = |name| matches!(vars.text(name), Ok(Some(_)) | Err(_));
    match alone::<bool>(vars, "trust_mia_user_headers") {
        Some(true) if !is_set("TRUSTED_PEER_SECRET") => problems.note(
            "TRUSTED_PEER_SECRET",
            "is required when TRUST_MIA_USER_HEADERS is true: without it anybody who reaches this port could claim \
             to be anybody\nSet a random text of at least 32 characters and let the gateway send it as x-gettone-peer.",
        ),
        Some(false) if is_proxy(vars) && !is_set("USERINFO_URL") => problems.note(
            "USERINFO_URL",
            "is required\nWho to ask about the caller, for instance http://client-credentials/tokeninfo.",
        ),
        _ => {}
    }
    let (public, management) = (alone::<u16>(vars, "http_port"), alone::<u16>(vars, "management_port"));
    if management.is_some_and(|port| port != 0) && public == management {
        problems.note("MANAGEMENT_PORT", "must differ from HTTP_PORT: metrics never share the public port");
    }
    if is_set("MANAGEMENT_TOKEN") && !is_set("MANAGEMENT_PORT") {
        problems.note(
            "MANAGEMENT_PORT",
            "is required when MANAGEMENT_TOKEN is set: without it there is no listener that would take that token\n\
             Set a port that no gateway routes, for instance 3001, or unset MANAGEMENT_TOKEN.",
        );
    }
    let grpc = alone::<u16>(vars, "grpc_port");
    if grpc.is_some_and(|port| port != 0) && (grpc == public || grpc == management) {
        problems.note(
            "GRPC_PORT",
            "must differ from HTTP_PORT and MANAGEMENT_PORT: each has a listener of its own",
        );
    }
    let strict = alone::<bool>(vars, "authorization_strict_mode_enabled");
    let source = alone::<Source>(vars, "original_request_from");
    if let (Some(false), Some(Source::Path | Source::XForwarded)) = (strict, source) {
        problems.note(
            "AUTHORIZATION_STRICT_MODE_ENABLED",
            "must be true when ORIGINAL_REQUEST_FROM is path or x-forwarded\nThose gateways (Envoy, Traefik, Caddy) \
             take every 200 as permission, and without strict mode a denial is a 200 too.",
        );
    }
    if let (Some(false), Some(_)) = (strict, grpc) {
        problems.note(
            "AUTHORIZATION_STRICT_MODE_ENABLED",
            "must be true when GRPC_PORT is set\nEnvoy knows no answer between yes and no.",
        );
    }
}

fn alone<T: DeserializeOwned>(vars: &Vars, field: &str) -> Option<T> {
    one(vars, field, &mut Problems::default())
}

fn one<T: DeserializeOwned>(vars: &Vars, field: &str, problems: &mut Problems) -> Option<T> {
    let variable = Config::TABLE.iter().find(|variable| variable.field == field)?;
    vars.read(variable, problems)
}

/// `USERINFO_MODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserinfoMode {
    Proxy,
    Local,
}

/// Where another service is asked: http or https, without credentials and fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendUrl(pub Url);

impl<'de> Deserialize<'de> for BackendUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let url = Url::parse(&String::deserialize(deserializer)?)
            .map_err(|_| D::Error::custom("is not a URL such as http://client-credentials/tokeninfo"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(D::Error::custom("must start with http:// or https:// and a host"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(D::Error::custom("must hold neither a user name, nor a password, nor a #fragment"));
        }
        Ok(Self(url))
    }
}

/// Where clients read about the protected resource: https, or http on this machine, as it is written into the challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceMetadataUrl(Url);

impl ResourceMetadataUrl {
    /// Without a sign that would end a quoted string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl<'de> Deserialize<'de> for ResourceMetadataUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let url = Url::parse(&String::deserialize(deserializer)?).map_err(|_| {
            D::Error::custom("is not a URL such as https://api.example/.well-known/oauth-protected-resource")
        })?;
        let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if !(url.scheme() == "https" || url.scheme() == "http" && is_local) {
            return Err(D::Error::custom("must start with https:// (http:// only on localhost)"));
        }
        let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if !is_plain || url.as_str().contains(['"', '\\']) {
            return Err(D::Error::custom(
                "must hold neither a user name, a password, a #fragment, a quote nor a backslash",
            ));
        }
        Ok(Self(url))
    }
}

/// A time between one millisecond and one minute, which is what upstream waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Milliseconds(pub Duration);

impl<'de> Deserialize<'de> for Milliseconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            millis @ 1..=60_000 => Ok(Self(Duration::from_millis(millis))),
            _ => Err(D::Error::custom("must be a number from 1 to 60000")),
        }
    }
}

/// `USERINFO_FAILURE_STATUS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum FailureStatus {
    #[serde(rename = "503")]
    ServiceUnavailable,
    #[serde(rename = "401")]
    Unauthorized,
}

impl FailureStatus {
    /// What a profile answers unless told otherwise (architecture decision 10, K-14).
    #[must_use]
    pub const fn of(profile: Profile) -> Self {
        match profile {
            Profile::Standard => Self::ServiceUnavailable,
            Profile::DropIn => Self::Unauthorized,
        }
    }
}

/// What the gateway proves itself with, or an operator: a secret that cannot be guessed.
#[derive(Clone)]
pub struct LongSecret(pub Secret);

/// Shorter secrets could be guessed.
const MIN_SECRET: usize = 32;

impl<'de> Deserialize<'de> for LongSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let secret = Secret::deserialize(deserializer)?;
        let text = secret.expose();
        if text.len() >= MIN_SECRET && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(secret))
        } else {
            Err(D::Error::custom("must be at least 32 printable ASCII characters without blanks"))
        }
    }
}

impl fmt::Debug for LongSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, String> {
        Config::from_vars(&Vars::from_pairs(pairs.iter().copied())).map_err(|problems| problems.to_string())
    }

    const URL: (&str, &str) = ("USERINFO_URL", "http://client-credentials/tokeninfo");
    const SECRET: (&str, &str) = ("TRUSTED_PEER_SECRET", "0123456789abcdef0123456789abcdef");

    #[test]
    fn userinfo_url_is_all_that_must_be_set() {
        let config = read(&[URL]).unwrap();
        assert_eq!((config.http_port, config.profile), (3000, Profile::Standard));
        assert_eq!(config.rules().file, PathBuf::from("./auth.json"));
        assert_eq!(config.service_prefix.0, "");
        assert!(config.authorization_strict_mode_enabled);
        assert!(
            config.backoffice_userinfo_url.is_none() && config.authorization_headers_to_proxy.0.is_empty()
        );
    }

    #[test]
    fn names_are_case_insensitive_and_listed_once() {
        let names = read(&[URL, ("HEADERS_TO_PROXY", "Cookie, cookie,sec-webSocket-version")])
            .unwrap()
            .headers_to_proxy;
        assert_eq!(
            names.0.iter().map(HeaderName::as_str).collect::<Vec<_>>(),
            ["cookie", "sec-websocket-version"]
        );
    }

    #[test]
    fn every_mistake_is_reported_at_once_and_no_value_is_shown() {
        let text = read(&[
            ("HTTP_PORT", "hunter2"),
            ("SERVICE_PREFIX", "hunter2"),
            ("PROFILE", "hunter2"),
            ("ORIGINAL_REQUEST_FROM", "hunter2"),
            ("CLIENT_TYPE_HEADER_KEY", "hunter2 hunter2"),
            ("HEADERS_TO_PROXY", "cookie,hunter2:"),
            ("BACKOFFICE_USERINFO_URL", "hunter2"),
            ("USERINFO_TIMEOUT_MS", "60001"),
            ("USERINFO_FAILURE_STATUS", "200"),
            ("TRUSTED_PEER_SECRET", "hunter2"),
        ])
        .unwrap_err();
        for expected in [
            "11 variables need attention",
            "HTTP_PORT\n",
            "SERVICE_PREFIX\n      must be a path",
            "PROFILE\n      must be standard or drop-in",
            "ORIGINAL_REQUEST_FROM\n      must be one of: headers, path, x-forwarded",
            "CLIENT_TYPE_HEADER_KEY\n      is not the name",
            "HEADERS_TO_PROXY\n      has an element",
            "BACKOFFICE_USERINFO_URL\n      is not a URL",
            "USERINFO_TIMEOUT_MS\n      must be a number from 1 to 60000",
            "USERINFO_FAILURE_STATUS\n      must be 503 or 401",
            "TRUSTED_PEER_SECRET\n      must be at least 32",
            "USERINFO_URL\n      is required",
        ] {
            assert!(text.contains(expected), "{expected:?} is missing in\n{text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn g_hdr_19_trust_mode_refuses_to_start_without_a_peer_check() {
        let trust = ("TRUST_MIA_USER_HEADERS", "true");
        let text = read(&[trust]).unwrap_err();
        assert!(text.contains("TRUSTED_PEER_SECRET") && text.contains("1 variable needs"), "{text}");
        assert!(read(&[trust, ("TRUSTED_PEER_SECRET", "too-short")]).is_err());
        assert!(read(&[trust, SECRET]).is_ok());
    }

    #[test]
    fn g_mode_01_without_strict_mode_only_a_gateway_that_reads_mia_allowed() {
        let loose = ("AUTHORIZATION_STRICT_MODE_ENABLED", "false");
        for source in ["path", "x-forwarded"] {
            let text = read(&[URL, loose, ("ORIGINAL_REQUEST_FROM", source)]).unwrap_err();
            assert!(text.contains("AUTHORIZATION_STRICT_MODE_ENABLED"), "{text}");
            assert!(read(&[URL, ("ORIGINAL_REQUEST_FROM", source)]).is_ok());
        }
        let text = read(&[URL, loose, ("GRPC_PORT", "3002")]).unwrap_err();
        assert!(text.contains("must be true when GRPC_PORT is set"), "{text}");
        assert!(read(&[URL, ("GRPC_PORT", "3002")]).is_ok());
        assert!(read(&[URL, loose]).is_ok());
    }

    #[test]
    fn a_management_token_needs_the_listener_that_takes_it() {
        let token = ("MANAGEMENT_TOKEN", "0123456789abcdef0123456789abcdef");
        let text = read(&[URL, token]).unwrap_err();
        assert!(text.contains("MANAGEMENT_PORT") && text.contains("when MANAGEMENT_TOKEN is set"), "{text}");
        assert!(read(&[URL, token, ("MANAGEMENT_PORT", "3001")]).is_ok());
        assert!(read(&[URL, ("MANAGEMENT_TOKEN", "")]).is_ok());
    }

    #[test]
    fn every_listener_has_a_port_of_its_own() {
        for taken in ["3000", "3001"] {
            let text = read(&[URL, ("MANAGEMENT_PORT", "3001"), ("GRPC_PORT", taken)]).unwrap_err();
            assert!(text.contains("GRPC_PORT\n      must differ"), "{text}");
        }
        assert!(read(&[URL, ("MANAGEMENT_PORT", "3000")]).is_err());
        assert!(read(&[URL, ("MANAGEMENT_PORT", "0"), ("GRPC_PORT", "0"), ("HTTP_PORT", "0")]).is_ok());
    }

    #[test]
    fn prefixes_and_urls() {
        for (text, prefix) in [("/", ""), ("/authz", "/authz"), ("/a/b/", "/a/b")] {
            assert_eq!(read(&[URL, ("SERVICE_PREFIX", text)]).unwrap().service_prefix.0, prefix);
        }
        assert!(read(&[URL, ("SERVICE_PREFIX", "authz")]).is_err());
        for text in ["ftp://x/", "http://", "/tokeninfo", "http://user:hunter2@x/", "http://x/#y"] {
            let problem = read(&[("USERINFO_URL", text)]).unwrap_err();
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn rfc_9728_where_the_metadata_of_the_resource_may_be() {
        let read = |url| read(&[URL, ("RESOURCE_METADATA_URL", url)]);
        for url in ["https://api.example/.well-known/oauth-protected-resource", "http://localhost:8080/x"] {
            assert_eq!(read(url).unwrap().resource_metadata_url.unwrap().as_str(), url);
        }
        for url in [
            "http://api.example/x",
            "http://localhost.evil.example/x",
            "api.example",
            "https://u:p@api.example/",
            "https://api.example/#x",
            "https://api.example/?x\\",
        ] {
            assert!(read(url).unwrap_err().contains("RESOURCE_METADATA_URL"), "{url}");
        }
        let quoted = read("https://api.example/\", error=\"x?\"").unwrap();
        assert!(!quoted.resource_metadata_url.unwrap().as_str().contains('"'));
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", read(&[URL, SECRET]).unwrap()).contains(SECRET.1));
    }
}

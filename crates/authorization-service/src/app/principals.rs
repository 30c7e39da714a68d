//! Builds the configured way to learn who the caller is.

use std::sync::Arc;
use std::time::Duration;

use service_kit::{HeaderName, StartError, SystemClock, asking};
use url::Url;

use crate::config::{Config, FeedTokenSource, LocalMode, UserinfoMode};
use crate::metrics::Metrics;
use crate::userinfo::Principals;
use crate::userinfo::breaker::Breaker;
use crate::userinfo::local::{self, FeedToken, Local};
use crate::userinfo::proxy::{self, Endpoint, Proxy};
use crate::userinfo::trusted::TrustedHeaders;
use principal::Reading;

/// Below the time that common servers keep an idle connection (Node: 5 s), so that it is we who close it.
const POOL_IDLE: Duration = Duration::from_secs(4);
/// Part of the deadline; a host that is gone shows within this time.
const CONNECT: Duration = Duration::from_secs(3);

pub(super) fn principals(config: &Config, metrics: &Metrics) -> Result<Principals, StartError> {
    let reading = config.reading();
    if config.trust_mia_user_headers {
        return Ok(Principals::Trusted(TrustedHeaders {
            user_id: config.userid_header_key.clone(),
            groups: config.groups_header_key.clone(),
            properties: config.user_properties_header_key.clone(),
            reading,
        }));
    }
    let reading = Arc::new(reading);
    let proxy = config.userinfo_url.clone().map(|url| proxy(config, url.0, &reading, metrics)).transpose()?;
    match config.userinfo_mode {
        UserinfoMode::Proxy => {
            proxy.map(Principals::Proxy).ok_or_else(|| StartError::new("USERINFO_URL is required"))
        }
        UserinfoMode::Local => {
            let mode = config.local_mode().ok_or_else(|| StartError::new("local mode is not configured"))?;
            Ok(Principals::Local(Box::new(local(config, mode, proxy, reading, metrics)?)))
        }
    }
}

fn proxy(config: &Config, url: Url, reading: &Arc<Reading>, metrics: &Metrics) -> Result<Proxy, StartError> {
    let endpoint = endpoint(url, "userinfo", metrics);
    let backoffice = match another_for_backoffice(config) {
        Some(url) => self::endpoint(url, "backoffice", metrics),
        None => endpoint.clone(),
    };
    Ok(Proxy {
        client: http_client(config, &[&endpoint.url, &backoffice.url])?,
        endpoint,
        backoffice,
        copied: copied_headers(config).cloned().collect(),
        credentials: config.authorization_headers_to_proxy.0.clone(),
        deadline: config.userinfo_timeout_ms.0,
        reading: Arc::clone(reading),
        clock: Arc::new(SystemClock),
        calls: proxy::no_calls(metrics.userinfo.shared.clone()),
        metrics: Arc::clone(&metrics.userinfo),
    })
}

fn another_for_backoffice(config: &Config) -> Option<Url> {
    let url = config.backoffice_userinfo_url.clone()?.0;
    Some(url).filter(|url| config.userinfo_url.as_ref().is_none_or(|userinfo| userinfo.0 != *url))
}

fn local(
    config: &Config,
    mode: LocalMode,
    elsewhere: Option<Proxy>,
    reading: Arc<Reading>,
    metrics: &Metrics,
) -> Result<Local, StartError> {
    let LocalMode { issuer, key_set_url, feed_url, feed_token } = mode;
    let mut asked = vec![&key_set_url, &feed_url];
    if let FeedTokenSource::Client { url, .. } = &feed_token {
        asked.push(url);
    }
    let http = http_client(config, &asked)?;
    let authorization = HeaderName::parse("authorization");
    let settings = local::Settings {
        issuer,
        audiences: config.accepted_audiences.0.clone(),
        profile: config.profile,
        key_set_url,
        feed_url,
        feed_token: match feed_token {
            FeedTokenSource::File(path) => FeedToken::File(path),
            FeedTokenSource::Client { url, id, secret } => FeedToken::Client { url, id, secret },
        },
        deadline: config.userinfo_timeout_ms.0,
        credentials: config.authorization_headers_to_proxy.0.clone(),
        authorization: authorization.ok_or_else(|| StartError::new("authorization is a header name"))?,
        reading,
        elsewhere,
        backoffice_is_elsewhere: another_for_backoffice(config).is_some(),
    };
    Ok(Local::start(settings, http, Arc::new(SystemClock), Arc::clone(&metrics.local)))
}

/// `name` is what logs and metrics call it.
fn endpoint(url: Url, name: &'static str, metrics: &Metrics) -> Endpoint {
    Endpoint { url, breaker: Arc::new(Breaker::new(name, metrics.userinfo.circuit(name))) }
}

pub(super) fn copied_headers(config: &Config) -> impl Iterator<Item = &HeaderName> {
    config.headers_to_proxy.0.iter().filter(|name| proxy::may_be_copied(name))
}

/// A client for these addresses.
fn http_client(config: &Config, asked: &[&Url]) -> Result<reqwest::Client, StartError> {
    let client = asking::client(asked.iter().any(|url| url.scheme() == "https"))
        .connect_timeout(CONNECT.min(config.userinfo_timeout_ms.0))
        .pool_idle_timeout(POOL_IDLE);
    client.build().map_err(|error| {
        StartError::new(format!(
            "the URLs of this configuration cannot be asked over https: {error} (are root certificates installed?)"
        ))
    })
}

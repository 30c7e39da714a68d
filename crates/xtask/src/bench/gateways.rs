//! What a request through a gateway as it ships costs and how long its caller waits: with the question to authorization-service,
//! without it, and with Envoy's own filter for JWTs, which verifies the signature and knows neither rules nor revocations.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::gateway::{self, Addresses};
use testkit::port::ReservedPort;

use super::latency::{self, SECONDS, Waits};
use super::load;
use super::process::{TICK, family_ticks};
use crate::server::Server;
use crate::tools;

/// Requests a second.
pub(super) const RATE: u32 = 2_000;
/// Before anything is measured.
const WARM_UP: usize = 2_000;

/// One way through a gateway.
#[derive(Debug, Clone)]
pub(super) struct Passage {
    pub(super) name: &'static str,
    /// Processor time of the gateway for a request, with all of its processes.
    pub(super) gateway: f64,
    /// Processor time of authorization-service for a request, where it is asked.
    pub(super) decision: Option<f64>,
    pub(super) waits: Waits,
}

/// What is measured with.
pub(super) struct Through<'run> {
    pub(super) workspace: &'run Path,
    /// authorization-service: process and address.
    pub(super) decisions: (u32, SocketAddr),
    /// The service behind the gateway.
    pub(super) service: SocketAddr,
    /// Whose tokens these are.
    pub(super) issuer: &'run str,
    /// The issuer's public keys.
    pub(super) key_set: &'run str,
    /// One that passes.
    pub(super) request: &'run [u8],
}

impl Through<'_> {
    /// nginx alone, and asking.
    pub(super) async fn nginx(&self) -> Result<[Passage; 2]> {
        tools::NGINX.ready(self.workspace)?;
        Ok([self.one_nginx("nginx alone", false).await?, self.one_nginx("nginx, asking", true).await?])
    }

    /// Envoy alone, with its own filter, and asking.
    pub(super) async fn envoy(&self) -> Result<[Passage; 3]> {
        tools::ENVOY.ready(self.workspace)?;
        Ok([
            self.one_envoy("Envoy alone", Instead::Nothing).await?,
            self.one_envoy("Envoy, its own jwt_authn", Instead::JwtAuthn).await?,
            self.one_envoy("Envoy, asking", Instead::AsShipped).await?,
        ])
    }

    async fn one_nginx(&self, name: &'static str, asks: bool) -> Result<Passage> {
        let (folder, port) = (tempfile::tempdir()?, ReservedPort::new());
        let files = folder.path().join("nginx");
        let command = gateway::nginx(self.workspace, &files, &self.addresses(port.address()))?;
        if !asks {
            let file = files.join("gettone/protected.conf");
            let shipped = std::fs::read_to_string(&file)?;
            let open = shipped
                .replace("auth_request /_gettone_authorize;", "auth_request off;")
                .replace("http://$gettone_target", "http://$gettone_service");
            ensure!(shipped != open, "the shipped file asks in another way now");
            std::fs::write(&file, open)?;
        }
        let server = Server::start("nginx", command, port.address(), folder.path()).await?;
        self.measure(name, &server, port.address(), asks)
    }

    async fn one_envoy(&self, name: &'static str, instead: Instead) -> Result<Passage> {
        let (folder, port) = (tempfile::tempdir()?, ReservedPort::new());
        let command = gateway::envoy(self.workspace, folder.path(), &self.addresses(port.address()))?;
        let file = folder.path().join("envoy.yaml");
        let mut shipped: Value = serde_saphyr::from_str(&std::fs::read_to_string(&file)?)?;
        let filters = shipped
            .pointer_mut("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters")
            .and_then(Value::as_array_mut)
            .context("the shipped file has its filters elsewhere now")?;
        let asks = match instead {
            Instead::AsShipped => true,
            Instead::Nothing => {
                without_question(filters)?;
                false
            }
            Instead::JwtAuthn => {
                let place = without_question(filters)?;
                filters.insert(place, self.jwt_authn());
                false
            }
        };
        // JSON is YAML too.
        std::fs::write(&file, shipped.to_string())?;
        let server = Server::start("envoy", command, port.address(), folder.path()).await?;
        self.measure(name, &server, port.address(), asks)
    }

    fn jwt_authn(&self) -> Value {
        json!({"name": "envoy.filters.http.jwt_authn", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"gettone": {"issuer": self.issuer, "local_jwks": {"inline_string": self.key_set}}},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "gettone"}}],
        }})
    }

    fn addresses(&self, gateway: SocketAddr) -> Addresses {
        let (_, authorization_service) = self.decisions;
        Addresses { gateway, authorization_service, client_credentials: self.service, service: self.service }
    }

    fn measure(
        &self,
        name: &'static str,
        gateway: &Server,
        address: SocketAddr,
        asks: bool,
    ) -> Result<Passage> {
        let (decisions, _) = self.decisions;
        load::send_all(address, &vec![self.request.to_vec(); WARM_UP], latency::CONNECTIONS).context(name)?;
        let (gateway_before, decision_before) = (family_ticks(gateway.id())?, family_ticks(decisions)?);
        let waits = latency::measure(address, self.request, RATE).context(name)?;
        let microseconds = |ticks: f64| ticks * TICK / f64::from(RATE.saturating_mul(SECONDS));
        let decision = microseconds(family_ticks(decisions)? - decision_before);
        Ok(Passage {
            name,
            gateway: microseconds(family_ticks(gateway.id())? - gateway_before),
            decision: asks.then_some(decision),
            waits,
        })
    }
}

/// What stands in the place of the question.
enum Instead {
    AsShipped,
    Nothing,
    JwtAuthn,
}

/// Takes the question out, with the filter that reads its answer; the place where it was.
fn without_question(filters: &mut Vec<Value>) -> Result<usize> {
    let is = |filter: &Value, name: &str| filter.get("name").and_then(Value::as_str) == Some(name);
    let place = filters.iter().position(|filter| is(filter, "envoy.filters.http.ext_authz"));
    let place = place.context("the shipped file asks in another way now")?;
    filters.retain(|filter| {
        !is(filter, "envoy.filters.http.ext_authz") && !is(filter, "envoy.filters.http.rbac")
    });
    Ok(place)
}

//! What a decision costs, beside a bare handler that answers the same bytes, in the same run on the same machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use testkit::port::ReservedPort;

use super::gateways::Through;
use super::load;
use super::process::{
    CONNECTIONS, Example, TICK, WARM_UP, Yardstick, processor_time_of, request, resident_kib,
    ticks_of_children,
};
use super::report::{Measurement, Report};
use super::stage::{Signing, Stage};
use crate::server::Server;

const FEW_ROUTES: usize = 10;
const MANY_ROUTES: usize = 10_000;

/// A running authorization-service. Dropped, it ends.
struct DecisionStage {
    server: Server,
    address: SocketAddr,
    _port: ReservedPort,
    _folder: TempDir,
}

impl DecisionStage {
    async fn start(built: &Path, routes: usize, variables: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("auth.json"), rules(routes).to_string())?;
        let port = ReservedPort::new();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        let mut command = Command::new(built.join("authorization-service"));
        command.env_clear().envs(variables.iter().copied());
        command.env("HTTP_HOST", "127.0.0.1").env("HTTP_PORT", port.number().to_string());
        command.env("CONFIGURATION_PATH", folder.path()).env("HEADERS_TO_PROXY", "authorization");
        command.env("AUTHORIZATION_HEADERS_TO_PROXY", "authorization").env("DELAY_SHUTDOWN_SECONDS", "0");
        command.env("CUSTOM_PERMISSIONS_KEY", "permissions");
        let server = Server::start("authorization-service", command, address, folder.path()).await?;
        Ok(Self { server, address, _port: port, _folder: folder })
    }

    /// The processor time of a decision, in microseconds.
    fn measure(&self, warm_up: &[Vec<u8>], requests: &[Vec<u8>]) -> Result<f64> {
        load::send_all(self.address, warm_up, CONNECTIONS)?;
        processor_time_of(self.server.id(), self.address, requests)
    }
}

/// Measures each way to a decision.
pub(super) async fn measure(workspace: &Path, built: &Path, requests: u32) -> Result<Report> {
    let many = requests.saturating_mul(5);
    let bare = Example::start(built, "bare_decision")?;
    let bare_microseconds = bare.measure(&question("/r7/x", None), many).context("the bare handler")?;
    let round_trip = round_trip(built, bare.address, many)?;
    let mut report = Report::new("decision", bare_microseconds);
    let userinfo = format!("http://{}/userinfo", bare.address);
    let proxy = [("USERINFO_URL", userinfo.as_str())];

    let open = asked(many, |_| question("/open/x", None));
    let few = DecisionStage::start(built, FEW_ROUTES, &proxy).await?;
    let nobody = few.measure(&asked(WARM_UP, |_| question("/open/x", None)), &open)?;
    report.add(Measurement {
        name: "open path, nobody is asked",
        microseconds: nobody,
        cryptography: 0.0,
        target: 1.6 * bare_microseconds,
        meaning: "1.6 x a bare handler that answers the same",
    });
    // A token for each connection: the same one at the same time would be one call.
    let share = many.div_ceil(CONNECTIONS);
    let with_token = |place: u32| {
        let connection = place.checked_div(share).unwrap_or_default();
        question("/r7/x", Some(&format!("token-{connection}")))
    };
    let proxied = few.measure(&asked(WARM_UP, with_token), &asked(many, with_token))?;
    report.add(Measurement {
        name: "proxy mode",
        microseconds: proxied,
        cryptography: 0.0,
        target: bare_microseconds + round_trip + 60.0,
        meaning: "a bare handler + the same HTTP client asking and doing nothing else + 60 µs",
    });
    drop(few);

    let tokens = Stage::start(built, Signing::Rs256, None).await?;
    let before = Yardstick::take(built)?;
    let variables = tokens.local_mode()?;
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let local = DecisionStage::start(built, FEW_ROUTES, &variables).await?;
    let idle = resident_kib(local.server.id())?;
    let issued = tokens.tokens(requests)?;
    let first_sight: Vec<_> = issued.iter().map(|token| question("/r7/x", Some(token))).collect();
    let (warm_up, fresh) = first_sight.split_at(WARM_UP.min(requests / 2) as usize);
    let first = local.measure(warm_up, fresh)?;
    let around = before.mean(&Yardstick::take(built)?);
    report.add(Measurement {
        name: "local mode, a token at first sight",
        microseconds: first,
        cryptography: around.rsa_verify,
        target: bare_microseconds + around.rsa_verify + 10.0,
        meaning: "a bare handler + one RSA-2048 verification + 10 µs",
    });
    let known = |place: u32| first_sight.get((place % CONNECTIONS) as usize).cloned().unwrap_or_default();
    let seen = local.measure(&asked(WARM_UP, known), &asked(many, known))?;
    report.add(Measurement {
        name: "local mode, a token seen before",
        microseconds: seen,
        cryptography: 0.0,
        target: 1.6 * bare_microseconds,
        meaning: "1.6 x a bare handler that answers the same",
    });
    let bearer = format!("Authorization: Bearer {}", issued.first().context("no token")?);
    let call = request("GET", "/r7/x", &[&bearer], "");
    let through = Through {
        workspace,
        decisions: (local.server.id(), local.address),
        service: bare.address,
        issuer: tokens.issuer(),
        key_set: &tokens.key_set()?,
        request: &call,
    };
    report.passages(1.5, through.nginx().await?, through.envoy().await?);
    report.memory(idle, resident_kib(local.server.id())?);
    drop(local);

    let local = DecisionStage::start(built, MANY_ROUTES, &variables).await?;
    let with_many_routes = local.measure(&asked(WARM_UP, known), &asked(many, known))?;
    report.add(Measurement {
        name: "the same with 10,000 routes",
        microseconds: with_many_routes,
        cryptography: 0.0,
        target: 1.1 * seen,
        meaning: "1.1 x the same with 10 routes",
    });
    Ok(report)
}

/// One open path, and routes whose expressions mention many groups and permissions.
fn rules(routes: usize) -> Value {
    let expression = r#"groups.a || permissions["read:orders"] || (groups.b && clientType == "partner")"#;
    let mut rules: Map<String, Value> = (0..routes)
        .map(|number| {
            let rule = json!({"ALL": {"authorization": {"expression": expression, "public": false}}});
            (format!("/r{number}"), rule)
        })
        .collect();
    let open = json!({"ALL": {"authorization": {"expression": "true", "public": true}}});
    rules.insert("/open".to_owned(), open);
    Value::Object(rules)
}

/// As nginx asks.
fn question(target: &str, token: Option<&str>) -> Vec<u8> {
    let uri = format!("Original-Request-Uri: {target}");
    let bearer = token.map(|token| format!("Authorization: Bearer {token}"));
    let mut headers = vec![uri.as_str(), "Original-Request-Method: GET"];
    headers.extend(bearer.as_deref());
    request("GET", "/auth", &headers, "")
}

fn asked(count: u32, question: impl FnMut(u32) -> Vec<u8>) -> Vec<Vec<u8>> {
    (0..count).map(question).collect()
}

/// What the HTTP client of the service takes to ask once and to do nothing else, in microseconds.
fn round_trip(built: &Path, address: SocketAddr, count: u32) -> Result<f64> {
    let before = ticks_of_children()?;
    let status = Command::new(built.join("examples/round_trip"))
        .args([address.to_string(), count.to_string()])
        .status()?;
    ensure!(status.success(), "round_trip failed");
    Ok((ticks_of_children()? - before) * TICK / f64::from(count))
}

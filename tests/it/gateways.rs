//! The shipped gateway configurations with the real binaries: the same promises through each of them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use testkit::gateway::{self, Addresses};
use testkit::port::ReservedPort;
use testkit::process::{Process, Ready};

use crate::deployment::{Deployment, http, json, workspace};
use crate::developer::Developer;
use crate::upstream::{Upstream, header};

#[derive(Debug, Clone, Copy)]
enum Kind {
    Nginx,
    Envoy,
    EnvoyGrpc,
    Traefik,
    Caddy,
    Haproxy,
}

impl Kind {
    /// What the authorization service has to know about it.
    const fn original_request_from(self) -> &'static str {
        match self {
            Self::Nginx | Self::Envoy | Self::Haproxy => "headers",
            // Over HTTP the other source counts; over gRPC there is but one.
            Self::EnvoyGrpc => "x-forwarded",
            Self::Traefik | Self::Caddy => "x-forwarded",
        }
    }

    /// The header in which a service reads who the caller is.
    const fn user_id(self) -> &'static str {
        match self {
            Self::Nginx | Self::Envoy | Self::EnvoyGrpc | Self::Caddy | Self::Haproxy => "miauserid",
            Self::Traefik => "mia-userid",
        }
    }

    /// When no decision can be had.
    const fn undecided(self) -> u16 {
        match self {
            Self::Nginx | Self::Envoy | Self::EnvoyGrpc | Self::Caddy | Self::Haproxy => 503,
            Self::Traefik => 500,
        }
    }
}

/// Open to everybody. Some gateways listen before they know their routes: one that answers this does.
const ROUTED: &str = "/.well-known/jwks.json";

/// A gateway in front of both services and an upstream.
struct Front {
    address: SocketAddr,
    deployment: Deployment,
    upstream: Upstream,
    _gateway: Process,
    _ports: [ReservedPort; 2],
    _folder: TempDir,
}

impl Front {
    async fn start(kind: Kind) -> Self {
        Self::start_asking(kind, None).await
    }

    /// With somebody else in the place of the authorization service.
    async fn start_asking(kind: Kind, other: Option<SocketAddr>) -> Self {
        let grpc = ReservedPort::new();
        let grpc_port = grpc.number().to_string();
        let variables = [
            ("ORIGINAL_REQUEST_FROM", kind.original_request_from()),
            ("GRPC_HOST", "127.0.0.1"),
            ("GRPC_PORT", grpc_port.as_str()),
        ];
        let deployment = Deployment::start_deciding_with(&variables).await;
        let upstream = Upstream::start();
        let folder = tempfile::tempdir().unwrap();
        let (port, process) = Process::start_on_free_port(|port| {
            let addresses = Addresses {
                gateway: port.address(),
                authorization_service: other.unwrap_or(deployment.decisions.address),
                client_credentials: deployment.tokens.public,
                service: upstream.address,
            };
            let command = match kind {
                Kind::Nginx => gateway::nginx(workspace(), folder.path(), &addresses),
                Kind::Envoy => gateway::envoy(workspace(), folder.path(), &addresses),
                Kind::EnvoyGrpc => gateway::envoy_grpc(
                    workspace(),
                    folder.path(),
                    &addresses,
                    other.unwrap_or(grpc.address()),
                ),
                Kind::Traefik => gateway::traefik(workspace(), folder.path(), &addresses),
                Kind::Caddy => gateway::caddy(workspace(), folder.path(), &addresses),
                Kind::Haproxy => gateway::haproxy(workspace(), folder.path(), &addresses),
            };
            let ready = Ready::Answers(port.address(), ROUTED.to_owned());
            (command.unwrap(), ready)
        })
        .await;
        Self {
            address: port.address(),
            deployment,
            upstream,
            _gateway: process,
            _ports: [port, grpc],
            _folder: folder,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A developer registered through the gateway, with these permissions.
    async fn developer(&self, permissions: &[&str]) -> (Developer, String) {
        let developer = Developer::register_at(&self.url("/register")).await;
        self.deployment.tokens.grant(&developer.client_id, permissions).await;
        let assertion = developer.assertion(&self.deployment.tokens.issuer);
        let answer = developer.present(&self.url("/oauth/token"), &assertion).await;
        let token = json(answer, 200).await["access_token"].as_str().unwrap().to_owned();
        (developer, token)
    }

    /// Sends exactly these bytes and gives the status, or 0 if the connection was closed without one.
    fn raw(&self, target: &str, headers: &str) -> u16 {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n")
            .unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer).into_owned();
        text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }
}

async fn the_right_caller_passes_and_the_wrong_ones_do_not(kind: Kind) {
    let front = Front::start(kind).await;
    let (_, powerless) = front.developer(&[]).await;
    let (developer, token) = front.developer(&["read:orders"]).await;
    let orders = front.url("/orders");

    let anonymous = http().get(&orders).send().await.unwrap();
    assert_eq!(anonymous.status(), 401);
    assert!(anonymous.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));

    let refused = http().get(&orders).bearer_auth(&powerless).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(refused.headers()["www-authenticate"].to_str().unwrap().contains("insufficient_scope"));
    assert_eq!(http().delete(&orders).bearer_auth(&token).send().await.unwrap().status(), 403);
    assert_eq!(http().get(&orders).bearer_auth("rubbish").send().await.unwrap().status(), 401);
    assert!(front.upstream.heads().is_empty(), "nothing was let through so far");

    assert_eq!(http().get(&orders).bearer_auth(&token).send().await.unwrap().status(), 200);
    let heads = front.upstream.heads();
    assert_eq!(heads.len(), 1);
    assert_eq!(header(&heads[0], kind.user_id()), Some(developer.client_id.to_lowercase().as_str()));
}

async fn g_hdr_01_to_04_no_identity_of_the_callers_own_reaches_a_service(kind: Kind) {
    let front = Front::start(kind).await;
    let (developer, token) = front.developer(&["read:orders"]).await;
    let names = [
        "miauserid",
        "miausergroups",
        "miauserproperties",
        "mia-userid",
        "mia-groups",
        "mia-userproperties",
        "mia-allowed",
        "client-type",
        "isbackoffice",
    ];
    let spoofed: String =
        names.iter().map(|name| format!("{name}: admin\r\n{}: admin\r\n", name.to_uppercase())).collect();
    let bearer = format!("authorization: Bearer {token}\r\n");
    for (target, headers) in [("/public", spoofed.clone()), ("/orders", format!("{bearer}{spoofed}"))] {
        assert_eq!(front.raw(target, &headers), 200, "{target}");
    }
    let heads = front.upstream.heads();
    assert_eq!(heads.len(), 2);
    assert!(heads.iter().all(|head| !head.contains("admin")), "{heads:?}");
    let id = developer.client_id.to_lowercase();
    assert!(matches!(header(&heads[0], kind.user_id()), None | Some("")), "{}", heads[0]);
    assert_eq!(header(&heads[1], kind.user_id()), Some(id.as_str()));
    assert_eq!(heads[1].matches(&format!("{}:", kind.user_id())).count(), 1);
}

async fn g_hdr_03_underscore_spellings_do_not_reach_a_service(kind: Kind) {
    let front = Front::start(kind).await;
    for name in ["mia_userid", "MIA_USERID", "mia_allowed", "client_type", "original_request_uri"] {
        // Either the header is dropped or the request is refused.
        let status = front.raw("/public", &format!("{name}: admin\r\n"));
        assert!([200, 400].contains(&status), "{name}: {status}");
    }
    assert!(front.upstream.heads().iter().all(|head| !head.contains("admin")));
}

async fn g_hdr_03_spellings_with_other_signs_do_not_reach_a_service(kind: Kind) {
    let front = Front::start(kind).await;
    for name in [
        "client.type",
        "mia.userid",
        "Mia.Allowed",
        "x.forwarded.for",
        "client-type.",
        ".isbackoffice",
        "a!b",
    ] {
        let status = front.raw("/public", &format!("{name}: admin\r\n"));
        assert!([200, 400].contains(&status), "{name}: {status}");
    }
    assert_eq!(front.raw("/public", "x-kept-1: kept\r\n"), 200);
    let heads = front.upstream.heads();
    assert!(heads.iter().all(|head| !head.contains("admin")), "{heads:?}");
    assert_eq!(heads.last().and_then(|head| header(head, "x-kept-1")), Some("kept"));
}

async fn g_hdr_05_07_09_the_caller_cannot_say_what_it_asks_for(kind: Kind) {
    let front = Front::start(kind).await;
    for headers in [
        "original-request-uri: /public\r\noriginal-request-method: GET\r\n",
        "x-forwarded-uri: /public\r\nx-original-url: /public\r\nx-rewrite-url: /public\r\n",
        "x-http-method-override: OPTIONS\r\nx-envoy-original-path: /public\r\n",
        "connection: original-request-uri, authorization, miauserid\r\n",
        "mia-allowed: 1\r\nmia-userid: admin\r\nisbackoffice: 1\r\n",
        "user-agent: kube-probe/1.30\r\n",
    ] {
        let status = front.raw("/orders", headers);
        assert!([400, 401, 403].contains(&status), "{headers}: {status}");
    }
    assert!(front.upstream.heads().is_empty());
}

async fn g_path_no_spelling_of_a_protected_path_gets_past(kind: Kind) {
    let front = Front::start(kind).await;
    for target in [
        "/orders",
        "//orders",
        "/./orders",
        "/public/../orders",
        "/public/..%2forders",
        "/public/%2e%2e/orders",
        "/orders/",
        "/orders//",
        "/orders;x=1",
        "/;/orders",
        "/public/..;/orders",
        "/%6frders",
        "/o%72ders?/public",
        "/orders?/public",
        "/orders%20",
        "/orders%00",
        "/orders%0a",
        "/orders.json",
        "/ORDERS",
        "/orders%2f",
        "/orders%5c",
        "\\orders",
        "/public\\..\\orders",
        "/%252e%252e/orders",
        "/orders#/public",
        "/orders%23/public",
        "/%zz",
        "/%c0%ae%c0%ae/orders",
        "http://other/orders",
        "*",
        "orders",
        "/-/healthz",
        "/auth",
        "/_gettone_authorize",
        "/nowhere",
        "",
    ] {
        let status = front.raw(target, "");
        assert!(status != 200, "{target} passed");
    }
    assert_eq!(front.upstream.heads(), [""; 0]);
}

async fn t_reg_12_the_clients_api_is_not_reached_through_the_gateway(kind: Kind) {
    let mut front = Front::start(kind).await;
    let bearer = format!("authorization: Bearer {}\r\n", front.deployment.tokens.bootstrap_token());
    for target in [
        "/clients",
        "//clients",
        "/clients/",
        "/%63lients",
        "/register/../clients",
        "/register/..%2fclients",
        "/CLIENTS",
        "/clients;x",
        "/clients?x=1",
        "/clients/x",
        "/oauth/../clients",
        "/register//../clients",
        "/.well-known/../clients",
    ] {
        let status = front.raw(target, &bearer);
        assert!([400, 401, 403, 404].contains(&status), "{target}: {status}");
    }
    assert!(front.upstream.heads().is_empty());
    // The token service would answer 404 too. Its log tells what it was asked; it is in order, so once the last request
    // is there, every one before it would be.
    assert_eq!(front.raw("/tokeninfo", ""), 401);
    let tokens = &mut front.deployment.tokens.process;
    tokens.wait_for_output("/tokeninfo").await;
    let paths: Vec<String> = tokens
        .stdout()
        .lines()
        .filter_map(|line| {
            serde_json::from_str::<Value>(line).ok()?["url"]["path"].as_str().map(str::to_owned)
        })
        .collect();
    assert_eq!(paths, [ROUTED, "/tokeninfo"]);
}

async fn t_reg_09_discovery_is_the_same_through_the_gateway(kind: Kind) {
    let front = Front::start(kind).await;
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
        let direct = json(http().get(front.deployment.tokens.url(path)).send().await.unwrap(), 200).await;
        let evil = http().get(front.url(path)).header("x-forwarded-host", "evil.example");
        assert_eq!(json(evil.send().await.unwrap(), 200).await, direct, "{path}");
        assert_eq!(direct["issuer"], front.deployment.tokens.issuer.as_str());
        assert_eq!(http().post(front.url(path)).send().await.unwrap().status(), 405, "{path}");
    }
    assert!(front.upstream.heads().is_empty());
}

async fn c_8414_the_endpoints_that_discovery_names_are_reached_through_the_gateway(kind: Kind) {
    let front = Front::start(kind).await;
    let (developer, token) = front.developer(&["read:orders"]).await;
    let found =
        json(http().get(front.url("/.well-known/oauth-authorization-server")).send().await.unwrap(), 200)
            .await;
    let through = |name: &str| {
        let endpoint =
            found[name].as_str().unwrap().strip_prefix(&front.deployment.tokens.issuer).unwrap().to_owned();
        let form = developer.proof(&front.deployment.tokens.issuer);
        http().post(front.url(&endpoint)).form(&[form, vec![("token", token.clone())]].concat())
    };
    let asked = json(through("introspection_endpoint").send().await.unwrap(), 200).await;
    assert_eq!(asked["active"], true);
    assert_eq!(through("revocation_endpoint").send().await.unwrap().status(), 200);
    let answer = http().get(front.url("/orders")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(answer.status(), 401, "it is revoked");
    assert!(front.upstream.heads().is_empty());
}

async fn g_ui_08_a_dead_authorization_service_lets_nobody_through(kind: Kind) {
    let mut front = Front::start(kind).await;
    let (_, token) = front.developer(&["read:orders"]).await;
    front.deployment.decisions.process.kill9();
    for target in ["/orders", "/public"] {
        let answer = http().get(front.url(target)).bearer_auth(&token).send().await.unwrap();
        assert_eq!(answer.status(), kind.undecided(), "{target}");
    }
    assert!(front.upstream.heads().is_empty());
}

async fn g_ui_09_a_silent_authorization_service_lets_nobody_through(kind: Kind) {
    // It is there, and takes no connection out of the queue.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let front = Front::start_asking(kind, Some(silent.local_addr().unwrap())).await;
    let answer = http().get(front.url("/public")).send().await.unwrap();
    assert_eq!(answer.status(), kind.undecided());
    assert!(front.upstream.heads().is_empty());
}

async fn cannot_know_is_503_and_not_401(kind: Kind) {
    let mut front = Front::start(kind).await;
    let (_, token) = front.developer(&["read:orders"]).await;
    front.deployment.tokens.process.kill9();
    let answer = http().get(front.url("/orders")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    let header = |name: &str| answer.headers().get(name).unwrap_or_else(|| panic!("{name}: {answer:?}"));
    assert_eq!(header("retry-after"), "1");
    // Envoy drops the headers of an authorizer that answers 5xx.
    if !matches!(kind, Kind::Envoy) {
        assert_eq!(header("x-decision-id").len(), 32, "what the operator can ask about");
    }
    assert!(front.upstream.heads().is_empty());
}

macro_rules! through {
    ($module:ident, $kind:expr; $($promise:ident),+ $(,)?) => {
        mod $module {
            use super::Kind;
            $(
                #[tokio::test]
                async fn $promise() {
                    super::$promise($kind).await;
                }
            )+
        }
    };
}

macro_rules! through_each {
    ($($promise:ident),+ $(,)?) => {
        through!(through_nginx, Kind::Nginx; $($promise),+);
        through!(through_envoy, Kind::Envoy; $($promise),+);
        through!(through_envoy_over_grpc, Kind::EnvoyGrpc; $($promise),+);
        through!(through_traefik, Kind::Traefik; $($promise),+);
        through!(through_caddy, Kind::Caddy; $($promise),+);
        through!(through_haproxy, Kind::Haproxy; $($promise),+);
    };
}

through_each!(
    the_right_caller_passes_and_the_wrong_ones_do_not,
    g_hdr_01_to_04_no_identity_of_the_callers_own_reaches_a_service,
    g_hdr_03_underscore_spellings_do_not_reach_a_service,
    g_hdr_03_spellings_with_other_signs_do_not_reach_a_service,
    g_hdr_05_07_09_the_caller_cannot_say_what_it_asks_for,
    g_path_no_spelling_of_a_protected_path_gets_past,
    t_reg_12_the_clients_api_is_not_reached_through_the_gateway,
    t_reg_09_discovery_is_the_same_through_the_gateway,
    c_8414_the_endpoints_that_discovery_names_are_reached_through_the_gateway,
    g_ui_08_a_dead_authorization_service_lets_nobody_through,
    g_ui_09_a_silent_authorization_service_lets_nobody_through,
    cannot_know_is_503_and_not_401,
);

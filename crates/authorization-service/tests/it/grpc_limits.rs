//! What surrounds a check over gRPC: how many there may be at a time, and health for those who only want to know.

use std::net::SocketAddr;

use envoy_types::ext_authz::v3::pb::CheckRequest;
use serde_json::json;
use testkit::openmetrics::Page;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::grpc::{SECRET, connect, program, raw, rules, start, verdict};
use crate::service::Service;
use crate::stub::{Closed, Stub, dead_url};

const AUTHORIZATION: &str = "envoy.service.auth.v3.Authorization";

async fn health_client(address: SocketAddr) -> HealthClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    HealthClient::new(endpoint.connect().await.unwrap())
}

async fn health(address: SocketAddr, service: &str) -> Result<ServingStatus, tonic::Status> {
    let answer =
        health_client(address).await.check(HealthCheckRequest { service: service.to_owned() }).await?;
    Ok(ServingStatus::try_from(answer.into_inner().status).unwrap())
}

/// A check of a caller of its own, so that none is answered by what userinfo said to another.
fn check(caller: usize) -> CheckRequest {
    raw("GET", "/admin", &[("authorization", &format!("Bearer {caller}"))])
}

#[tokio::test(flavor = "multi_thread")]
async fn r_16_checks_beyond_the_limit_are_refused_at_once_and_none_is_allowed() {
    let Closed { stub, open, asked } = Stub::closed(json!({"sub": "u1", "groups": ["admin"]}));
    let variables = [
        ("USERINFO_URL", stub.url()),
        ("GRPC_PORT", "0".to_owned()),
        ("MAX_CONNECTIONS", "3".to_owned()),
        ("MANAGEMENT_PORT", "0".to_owned()),
    ];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let service = Service::start(&rules(), &variables);
    let address = service.grpc.unwrap();
    // Each on a connection of its own: the limit is for all of them.
    let mut slow = Vec::new();
    for caller in 0..3 {
        let mut client = connect(address).await;
        slow.push(tokio::spawn(async move { client.check(check(caller)).await }));
    }
    tokio::task::spawn_blocking(move || (0..3).for_each(|_| asked.recv().unwrap())).await.unwrap();

    let mut client = connect(address).await;
    for _ in 0..10 {
        // Also one that needs no userinfo: whoever decides is busy.
        for check in [check(9), raw("GET", "/nowhere", &[])] {
            assert_eq!(client.check(check).await.unwrap_err().code(), Code::Unavailable);
        }
    }
    assert_eq!(health(address, "").await.unwrap(), ServingStatus::Serving, "a probe finds room always");
    let page = Page::parse(&service.manage("GET", "/-/metrics").body);
    let refused = r#"http_server_requests_total{route="/envoy.service.auth.v3.Authorization/Check",method="POST",status="503"}"#;
    assert_eq!(page.value(refused), 20.0);

    // One who went away leaves a place.
    slow.pop().unwrap().abort();
    while client.check(raw("GET", "/nowhere", &[])).await.is_err() {
        tokio::task::yield_now().await;
    }
    drop(open);
    for call in slow {
        assert_eq!(verdict(&call.await.unwrap().unwrap().into_inner()), 200);
    }
    assert_eq!(verdict(&client.check(check(10)).await.unwrap().into_inner()), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_health_v1_answers_for_the_server_and_its_service() {
    let (service, _stub) = start(&[]);
    let address = service.grpc.unwrap();
    for name in ["", AUTHORIZATION] {
        assert_eq!(health(address, name).await.unwrap(), ServingStatus::Serving, "{name:?}");
    }
    for name in ["x", "envoy.service.auth.v3", "grpc.health.v1.Health"] {
        assert_eq!(health(address, name).await.unwrap_err().code(), Code::NotFound, "{name:?}");
    }
    assert_eq!(health(address, &"x".repeat(4096)).await.unwrap_err().code(), Code::OutOfRange);
    let watch = health_client(address).await.watch(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(watch.code(), Code::Unimplemented);
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_health_v1_is_not_serving_before_what_it_needs_is_there() {
    let [userinfo, keys, feed] = [dead_url(), dead_url(), dead_url()];
    let service = Service::start(
        &rules(),
        &[
            ("USERINFO_URL", &userinfo),
            ("GRPC_PORT", "0"),
            ("USERINFO_MODE", "local"),
            ("MIA_JWT_ISSUER", "http://issuer.example"),
            ("JWKS_URL", &keys),
            ("TOKEN_URL", &keys),
            ("REVOCATION_FEED_URL", &feed),
            ("REVOCATION_FEED_CLIENT_ID", "c"),
            ("REVOCATION_FEED_CLIENT_SECRET", SECRET),
            ("HEADERS_TO_PROXY", "authorization"),
        ],
    );
    for name in ["", AUTHORIZATION] {
        assert_eq!(health(service.grpc.unwrap(), name).await.unwrap(), ServingStatus::NotServing);
    }
    assert_eq!(service.call("GET", "/-/ready", &[]).status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_health_v1_says_first_that_a_replica_stops_and_checks_are_still_answered() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("auth.json"), rules().to_string()).unwrap();
    let stub = Stub::json(json!({"sub": "u1", "groups": ["admin"]}));
    let (_port, grpc, process) = program(&stub.url(), &folder, "30").await;
    assert_eq!(health(grpc.address(), "").await.unwrap(), ServingStatus::Serving);
    process.send_sigterm();
    while health(grpc.address(), "").await.unwrap() == ServingStatus::Serving {
        tokio::task::yield_now().await;
    }
    let answer = connect(grpc.address()).await.check(check(0)).await.unwrap().into_inner();
    assert_eq!(verdict(&answer), 200);
}

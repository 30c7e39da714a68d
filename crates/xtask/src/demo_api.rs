//! The API that the demo protects: `/orders`, and `/public` for everybody. It trusts the identity headers it gets,
//! as services behind a gateway do, and shows them, so that a reader sees what the gateway passed on.

use std::net::SocketAddr;
use std::thread;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use tiny_http::{Header, Request, Response, Server};

/// Answers on `address` until the process ends.
pub(crate) fn start(address: SocketAddr) -> Result<()> {
    let server =
        Server::http(address).map_err(|error| anyhow!("the demo API cannot listen on {address}: {error}"))?;
    thread::spawn(move || {
        for request in server.incoming_requests() {
            // The caller went away: nothing to do for it.
            let _ = answer(request);
        }
    });
    Ok(())
}

fn answer(request: Request) -> std::io::Result<()> {
    let path = request.url().split('?').next().unwrap_or_default();
    let (status, body) = match path {
        "/orders" => (200, json!({"orders": [{"id": 1, "item": "espresso"}], "caller": caller(&request)})),
        "/public" => (200, json!({"message": "open to everybody", "caller": caller(&request)})),
        _ => (404, json!({"message": "the demo API has /orders and /public"})),
    };
    let mut response = Response::from_string(format!("{body}\n")).with_status_code(status);
    if let Ok(json_type) = Header::from_bytes("Content-Type", "application/json") {
        response.add_header(json_type);
    }
    request.respond(response)
}

fn caller(request: &Request) -> Value {
    let header = |name: &'static str| {
        let found = request.headers().iter().find(|header| header.field.equiv(name));
        found.map(|header| header.value.as_str().to_owned()).unwrap_or_default()
    };
    // Traefik cannot rename the headers of the authorization service (docs/gateways/traefik.md).
    let either =
        |ours, theirs| Some(header(ours)).filter(|value| !value.is_empty()).unwrap_or_else(|| header(theirs));
    json!({
        "miauserid": either("miauserid", "mia-userid"),
        "miausergroups": either("miausergroups", "mia-groups"),
    })
}

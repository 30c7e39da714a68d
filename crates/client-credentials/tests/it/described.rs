//! Every call of every test is held against the OpenAPI document of the listener it went to: an answer, a member or a
//! header that is not described fails the test that got it.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};

use client_credentials::http::openapi::Documents;
use common::Profile;
use testkit::openapi::{Description, Exchange};

use crate::service::Answer;

/// What a test asked: method, target, headers, body.
pub(crate) type Request<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

/// A method, a path as the document has it, and a status.
pub(crate) type Seen = BTreeSet<(String, String, u16)>;

/// The document of a listener, and what was seen of it.
struct Listener {
    description: Arc<Description>,
    seen: Seen,
}

static LISTENERS: LazyLock<Mutex<HashMap<SocketAddr, Listener>>> = LazyLock::new(Mutex::default);

/// Where clients that know the issuer alone look, whatever the prefix: below these, or these below its path.
const AT_THE_ISSUER: [&str; 2] =
    ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

/// The documents of both listeners.
pub(crate) fn documents(profile: Profile, prefix: &str) -> [Description; 2] {
    let documents = Documents::compose("0.0.0", prefix, profile).unwrap();
    [documents.public, documents.management]
        .map(|document| Description::new(serde_json::from_slice(document.body()).unwrap()))
}

/// These listeners belong to a service of this profile and prefix.
pub(crate) fn remember(public: SocketAddr, management: SocketAddr, profile: Profile, prefix: &str) {
    let mut listeners = LISTENERS.lock().unwrap();
    for (address, description) in [public, management].into_iter().zip(documents(profile, prefix)) {
        let description = Arc::new(description);
        listeners.insert(address, Listener { description, seen: Seen::new() });
    }
}

/// Fails if the exchange is not described.
pub(crate) fn check(address: SocketAddr, request: Request<'_>, answer: &Answer) {
    let (method, target, request_headers, request) = request;
    let description = LISTENERS.lock().unwrap().get(&address).map(|known| Arc::clone(&known.description));
    let Some(description) = description else { return };
    let exchange = Exchange {
        method,
        target,
        request_headers,
        request,
        status: answer.status,
        headers: &answer.headers,
        body: &answer.body,
    };
    match description.check(&exchange) {
        Ok(Some(operation)) => {
            let seen = (operation.method, operation.path, answer.status);
            LISTENERS.lock().unwrap().get_mut(&address).unwrap().seen.insert(seen);
        }
        Ok(None) => {}
        Err(_) if AT_THE_ISSUER.iter().any(|path| target.contains(path)) => {}
        Err(fault) => panic!(
            "{method} {target} was answered with what the OpenAPI document does not have: describe it in \
             src/http/openapi/ (CONTRIBUTING.md, An endpoint).\n{fault}\n{answer:?}"
        ),
    }
}

/// What was seen of a listener until now.
pub(crate) fn seen(address: SocketAddr) -> Seen {
    LISTENERS.lock().unwrap().get(&address).unwrap().seen.clone()
}

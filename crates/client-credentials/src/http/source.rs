//! The source of a request: what the connection and the headers say, judged by [`crate::source`].

use actix_web::HttpRequest;
use actix_web::http::header::X_FORWARDED_FOR;

use crate::source::{Source, TrustedProxies};

pub(super) fn of(request: &HttpRequest, proxies: &TrustedProxies) -> Source {
    let peer = request.peer_addr().map(|peer| peer.ip());
    let forwarded_for: Vec<&str> = request
        .headers()
        .get_all(X_FORWARDED_FOR)
        // Unreadable text is no address, and is not skipped: it ends what can be believed.
        .map(|value| value.to_str().unwrap_or_default())
        .collect();
    proxies.source(peer, forwarded_for.into_iter())
}

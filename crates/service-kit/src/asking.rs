//! How a service asks other servers over HTTP.

/// The beginnings of a client that does only what it is told: no redirects, no proxies from the environment, no second
/// tries, no compression. `with_tls` says whether an address it asks has `https`.
pub fn client(with_tls: bool) -> reqwest::ClientBuilder {
    // Fails if there is one already, which is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .retry(reqwest::retry::never())
        .http1_only();
    // Images without certificates can still talk plain HTTP inside a cluster.
    if with_tls { client } else { client.tls_certs_only([]) }
}

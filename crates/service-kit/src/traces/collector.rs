//! The way to the collector. The exporter asks from a thread of its own; the runtime that serves does the waiting.

use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

use super::settings::OtlpEndpoint;

#[derive(Debug)]
pub(super) struct Collector {
    client: reqwest::Client,
    runtime: Handle,
}

impl Collector {
    /// It does only what it is told: no redirects, no proxies from the environment, no second tries.
    pub(super) fn new(endpoint: &OtlpEndpoint, deadline: Duration) -> reqwest::Result<Self> {
        // Fails if there is one already, which is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .http1_only()
            .timeout(deadline);
        if !endpoint.is_tls() {
            // Images without certificates can still talk plain HTTP inside a cluster.
            client = client.tls_certs_only([]);
        }
        Ok(Self { client: client.build()?, runtime: Handle::current() })
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(async move { client.send_bytes(request).await }).await?
    }
}

//! The crud-service as a client of it sees it: requests, statuses, and what they mean (contract §7.2).

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client as Http, Method, RequestBuilder, StatusCode, Url};
use serde_json::{Map, Value, json};

/// No call takes longer, whatever hangs: a caller holds a request open meanwhile.
const LIMIT: Duration = Duration::from_millis(2800);
/// Every state: without it, only PUBLIC documents are seen.
pub(crate) const EVERY_STATE: &str = "PUBLIC,DRAFT,TRASH,DELETED";
/// The longest page a crud-service gives.
pub(crate) const LONGEST_PAGE: u32 = 200;

pub(crate) type Document = Map<String, Value>;

/// Why the crud-service cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("CRUD_CLIENT_BASE_URL must be an http or https URL such as http://crud-service/clients")]
    NotAUrl,
    #[error("an HTTP client cannot be made: {0}")]
    Http(#[source] reqwest::Error),
    #[error(
        "the crud-service that CRUD_CLIENT_BASE_URL leads to does not answer as one ({0}); check that it runs and that \
         the URL names its collection of clients"
    )]
    Unusable(#[source] Failure),
}

/// Why the crud-service did not do it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("the crud-service cannot be reached: {0}")]
    Unreachable(#[from] reqwest::Error),
    #[error("the crud-service has a document with this key")]
    Duplicate,
    #[error("the collection has no field for a part of this client (docs/drop-in.md): {0}")]
    NotInSchema(String),
    #[error("the crud-service refuses with status {0}: {1}")]
    Refused(u16, String),
    #[error("the crud-service answered with something else than documents")]
    NotUnderstood,
    #[error("two documents have the same clientId: give the collection a unique index on it")]
    Ambiguous,
}

/// Names and values of the headers that a call has beside its own: those of the request it is made for.
pub type CallerHeaders = Arc<dyn Fn() -> Vec<(String, Vec<u8>)> + Send + Sync>;

/// One collection of a crud-service.
pub(crate) struct Collection {
    http: Http,
    base: String,
    pub(crate) caller: Option<CallerHeaders>,
}

impl Collection {
    /// The collection at `base`.
    ///
    /// # Errors
    /// [`OpenError`] if the URL is none; asks nobody.
    pub(crate) fn new(base: &str) -> Result<Self, OpenError> {
        let url = Url::parse(base).map_err(|_| OpenError::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
            return Err(OpenError::NotAUrl);
        }
        // An error means that the process has chosen its provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Http::builder()
            .timeout(LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(OpenError::Http)?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), caller: None })
    }

    /// Documents in every state that match `filter`, in the order of `sort`.
    pub(crate) async fn list(
        &self,
        filter: &Value,
        sort: &str,
        limit: u32,
    ) -> Result<Vec<Document>, Failure> {
        let request = self.request(Method::GET, "/", filter, EVERY_STATE);
        let request = request.query(&[("_s", sort.to_owned()), ("_l", limit.to_string())]);
        let answer = self.send(request).await?.json().await?;
        let Value::Array(elements) = answer else { return Err(Failure::NotUnderstood) };
        let documents = elements.into_iter().map(|element| match element {
            Value::Object(document) => Ok(document),
            _ => Err(Failure::NotUnderstood),
        });
        documents.collect()
    }

    /// Adds a document.
    pub(crate) async fn add(&self, document: &Document) -> Result<(), Failure> {
        self.send(self.http.post(format!("{}/", self.base)).json(document)).await.map(drop)
    }

    /// Changes the one document in `state` that matches `filter`. `false` if there is none.
    pub(crate) async fn change(&self, filter: &Value, state: &str, change: &Value) -> Result<bool, Failure> {
        let request = self.request(Method::PATCH, "/", filter, state).json(change);
        count(self.send(request).await?.json().await?)
    }

    /// Moves the document that matches `filter` to another state. `false` if there is none.
    pub(crate) async fn change_state(&self, filter: &Value, state: &str) -> Result<bool, Failure> {
        let change = json!([{ "filter": filter, "stateTo": state }]);
        let request = self.http.post(format!("{}/state", self.base)).json(&change);
        count(self.send(request).await?.json().await?)
    }

    /// Removes the document with this `_id` if it is in `state` and matches `filter`. `false` if there is none.
    pub(crate) async fn remove(&self, id: &str, state: &str, filter: &Value) -> Result<bool, Failure> {
        match self.send(self.request(Method::DELETE, &format!("/{id}"), filter, state)).await {
            Ok(_) => Ok(true),
            Err(Failure::Refused(404, _)) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Whether it answers now.
    pub(crate) async fn ping(&self) -> Result<(), Failure> {
        let request = self.http.get(format!("{}/count", self.base));
        let answer: Value = self.send(request).await?.json().await?;
        if answer.is_u64() { Ok(()) } else { Err(Failure::NotUnderstood) }
    }

    fn request(&self, method: Method, path: &str, filter: &Value, states: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        request.query(&[("_q", filter.to_string().as_str()), ("_st", states)])
    }

    async fn send(&self, mut request: RequestBuilder) -> Result<reqwest::Response, Failure> {
        for (name, value) in self.caller.iter().flat_map(|caller| caller()) {
            request = request.header(name, value);
        }
        understood(request.send().await?).await
    }
}

async fn understood(answer: reqwest::Response) -> Result<reqwest::Response, Failure> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let body: Value = answer.json().await.unwrap_or_default();
    let message =
        body.get("message").or_else(|| body.get("error")).and_then(Value::as_str).unwrap_or_default();
    Err(match status {
        // Version 7 says 409, version 6 says 422.
        StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => Failure::Duplicate,
        StatusCode::BAD_REQUEST if message.contains("not defined in validation schema") => {
            Failure::NotInSchema(message.to_owned())
        }
        _ => Failure::Refused(status.as_u16(), message.to_owned()),
    })
}

fn count(answer: Value) -> Result<bool, Failure> {
    answer.as_u64().map(|count| count > 0).ok_or(Failure::NotUnderstood)
}

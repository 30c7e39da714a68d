//! Whether who asked is still there, for answers that go on for long: others end soon enough.

use actix_web::HttpRequest;

use crate::connection::answers::Answers;

/// Who waits for an answer.
#[derive(Debug, Clone)]
pub struct Caller(Option<Answers>);

impl Caller {
    /// Who sent this request.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        Self(request.conn_data::<Answers>().cloned())
    }

    /// Whether it has closed the connection, or its half of it.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.0.as_ref().is_some_and(Answers::has_no_more_requests)
    }
}

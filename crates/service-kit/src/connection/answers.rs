//! How many requests of a connection have been answered. Whoever reads from it knows with that whether the client has sent
//! more than it has taken, and when it may read on.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

use crate::kept_body::KeptBody;

/// The answers on one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers(Rc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    ended: Cell<u64>,
    waiting: RefCell<Option<Waker>>,
    no_more_requests: Cell<bool>,
}

/// One answer, until it has ended.
#[derive(Debug)]
pub(crate) struct Ending(Answers);

impl Answers {
    pub(crate) fn ended(&self) -> u64 {
        self.0.ended.get()
    }

    /// Wakes this task when the next answer has ended.
    pub(crate) fn wake(&self, waker: &Waker) {
        self.0.waiting.replace(Some(waker.clone()));
    }

    /// The client has ended its side of the connection.
    pub(super) fn note_end_of_requests(&self) {
        self.0.no_more_requests.set(true);
    }

    pub(crate) fn has_no_more_requests(&self) -> bool {
        self.0.no_more_requests.get()
    }

    pub(crate) fn begin(&self) -> Ending {
        Ending(self.clone())
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let counted = &self.0.0;
        counted.ended.set(counted.ended.get().saturating_add(1));
        if let Some(waker) = counted.waiting.take() {
            waker.wake();
        }
    }
}

/// The middleware that counts them.
///
/// # Errors
/// Those of the service it wraps.
pub(crate) async fn middleware(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<KeptBody<Option<Ending>>>, actix_web::Error> {
    let ending = request.conn_data::<Answers>().map(Answers::begin);
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| KeptBody::new(body, ending)))
}

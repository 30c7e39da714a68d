//! Requests whose chunked body nobody reads to its end, because the answer is a refusal. actix-http would go on reading
//! such a body for as long as the client sends it, with no limit of size or time, to use the connection again: a client
//! that never ends it would keep the connection for ever (T-FRM-06, T-FRM-08). If the body is still held when the answer
//! has been sent, it closes the connection instead; so it is held here.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::TRANSFER_ENCODING;
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use futures_util::Stream;

use crate::kept_body::KeptBody;

type HeldPayload = Rc<RefCell<Payload>>;

/// The middleware.
///
/// # Errors
/// Those of the service it wraps.
pub(crate) async fn middleware(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if !request.headers().contains_key(TRANSFER_ENCODING) {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    }
    let held: HeldPayload = Rc::new(RefCell::new(request.take_payload()));
    request.set_payload(Payload::Stream { payload: Box::pin(Shared(Rc::clone(&held))) });
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| BoxBody::new(KeptBody::new(body, held))))
}

/// The body as the handler reads it.
struct Shared(HeldPayload);

impl Stream for Shared {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

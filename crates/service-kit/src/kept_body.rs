//! The body of an answer that keeps something else until it is gone.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

/// A body, and what is dropped with it.
pub(crate) struct KeptBody<T> {
    body: BoxBody,
    _kept: T,
}

impl<T> KeptBody<T> {
    pub(crate) fn new(body: impl MessageBody + 'static, kept: T) -> Self {
        Self { body: body.boxed(), _kept: kept }
    }
}

impl<T: Unpin> MessageBody for KeptBody<T> {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

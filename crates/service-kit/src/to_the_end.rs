//! Work that goes on if the caller leaves. A handler is dropped, wherever it waits, when its connection is reset: whoever
//! resets it at the right moment would leave half a change behind, or one that the audit log does not tell of (T-REG-11).

use std::future::{Future, pending};
use std::panic::resume_unwind;

use crate::carried::taken_along;

/// Does the work to its end, in a task of its own, with what the request carries.
pub async fn to_the_end<T: 'static>(work: impl Future<Output = T> + 'static) -> T {
    match actix_web::rt::spawn(taken_along(work)).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The thread ends, and takes whoever waits here with it.
            Err(_) => pending().await,
        },
    }
}

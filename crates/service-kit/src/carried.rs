//! What belongs to the request that is being answered, and goes along with its work: into the store, and into tasks of its
//! own. Not a way to hand over what a function needs: that is a parameter.

use std::any::Any;
use std::future::Future;

use opentelemetry::Context;
use opentelemetry::context::FutureExt;

/// Does the work with a value that [`carried`] finds. There is one of each type.
pub fn carrying<T: Any + Send + Sync, F: Future>(value: T, work: F) -> impl Future<Output = F::Output> {
    work.with_context(Context::current_with_value(value))
}

/// The value of this type, if the current work carries one.
#[must_use]
pub fn carried<T: Any + Send + Sync + Clone>() -> Option<T> {
    Context::map_current(|context| context.get::<T>().cloned())
}

/// The work with what is carried now, and as a part of the current trace, wherever it runs.
pub fn taken_along<F: Future>(work: F) -> impl Future<Output = F::Output> {
    work.with_current_context()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, PartialEq, Debug)]
    struct Word(&'static str);

    #[tokio::test]
    async fn a_value_goes_along_with_its_work_and_nowhere_else() {
        let both = |word| {
            carrying(Word(word), async move {
                tokio::task::yield_now().await;
                let elsewhere = tokio::spawn(taken_along(async { carried::<Word>() })).await.unwrap();
                let left_behind = tokio::spawn(async { carried::<Word>() }).await.unwrap();
                (carried::<Word>(), elsewhere, left_behind)
            })
        };
        let (one, other) = tokio::join!(both("one"), both("other"));
        assert_eq!(one, (Some(Word("one")), Some(Word("one")), None));
        assert_eq!(other, (Some(Word("other")), Some(Word("other")), None));
        assert_eq!(carried::<Word>(), None);
    }
}

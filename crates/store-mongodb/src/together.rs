//! Questions that wait at the same time, asked with one command: what a command costs (a connection from the pool, the
//! threads that wake each other on its way, its envelope) is shared by all that go with it. It knows nothing of what is
//! asked.
//!
//! A command begins after all its questions were asked: each answer is as fresh as if its question had gone alone.

use std::future::Future;
use std::sync::Arc;

use credentials::StoreError;
use mongodb::error::Error;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::failure::{LIMIT, store_error, too_slow};

/// Commands on their way at a time. While there are fewer, nobody waits for company; and one that hangs does not hold up
/// the others.
const LANES: usize = 4;
/// Questions in one command. The first answer to a `find` holds as many documents.
const MOST: usize = 100;
/// Questions that wait for a lane. Whoever comes when there are more waits to ask.
const QUEUE: usize = 1024;

/// Where one kind of question is asked. Clones ask together.
pub(crate) struct Together<Q, A> {
    queue: mpsc::Sender<Waiting<Q, A>>,
}

struct Waiting<Q, A> {
    question: Q,
    asker: Asker<A>,
}

type Asker<A> = oneshot::Sender<Result<A, StoreError>>;

impl<Q: Send + 'static, A: Send + 'static> Together<Q, A> {
    /// `command` answers the questions it is given, in their order. It runs in the runtime that this is called in, until
    /// the last clone is dropped.
    pub(crate) fn start<C, R>(command: C) -> Self
    where
        C: Fn(Vec<Q>) -> R + Send + 'static,
        R: Future<Output = Result<Vec<A>, Error>> + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(send(waiting, command));
        Self { queue }
    }

    /// The answer to `question`.
    ///
    /// # Errors
    /// [`StoreError`], after [`LIMIT`] at the latest. It may have been asked all the same.
    pub(crate) async fn ask(&self, question: Q) -> Result<A, StoreError> {
        let (asker, answer) = oneshot::channel();
        let answered = async {
            self.queue.send(Waiting { question, asker }).await.ok()?;
            answer.await.ok()
        };
        match timeout(LIMIT, answered).await {
            Ok(Some(answer)) => answer,
            // Without an answer: the runtime of the commands is shutting down.
            Ok(None) | Err(_) => Err(too_slow()),
        }
    }
}

impl<Q, A> Clone for Together<Q, A> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

/// Whenever a lane is free, sends what waits.
async fn send<Q, A, C, R>(mut queue: mpsc::Receiver<Waiting<Q, A>>, command: C)
where
    Q: Send + 'static,
    A: Send + 'static,
    C: Fn(Vec<Q>) -> R,
    R: Future<Output = Result<Vec<A>, Error>> + Send + 'static,
{
    let lanes = Arc::new(Semaphore::new(LANES));
    while let Ok(lane) = Arc::clone(&lanes).acquire_owned().await {
        let mut waiting = Vec::new();
        if queue.recv_many(&mut waiting, MOST).await == 0 {
            return;
        }
        // Whoever has given up wants no answer.
        waiting.retain(|one| !one.asker.is_closed());
        if waiting.is_empty() {
            continue;
        }
        let (questions, askers): (Vec<Q>, Vec<Asker<A>>) =
            waiting.into_iter().map(|one| (one.question, one.asker)).unzip();
        let answers = command(questions);
        tokio::spawn(async move {
            let answers = timeout(LIMIT, answers).await;
            drop(lane);
            match answers {
                Ok(Ok(answers)) => tell(askers, answers.into_iter().map(Ok)),
                Ok(Err(error)) => tell(askers, std::iter::repeat_with(|| Err(store_error(error.clone())))),
                Err(_) => tell(askers, std::iter::repeat_with(|| Err(too_slow()))),
            }
        });
    }
}

fn tell<A>(askers: Vec<Asker<A>>, answers: impl Iterator<Item = Result<A, StoreError>>) {
    for (asker, answer) in askers.into_iter().zip(answers) {
        // Whoever has given up meanwhile does not hear it.
        let _ = asker.send(answer);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::future::join_all;
    use mongodb::error::ErrorKind;
    use tokio::task::yield_now;

    use super::*;

    /// How many questions each command had.
    type Sent = Arc<Mutex<Vec<usize>>>;

    /// Answers with the question spelled out, once `gate` lets the command through.
    fn spelled(gate: &Arc<Semaphore>, sent: &Sent) -> Together<usize, String> {
        let (gate, sent) = (Arc::clone(gate), Arc::clone(sent));
        Together::start(move |questions: Vec<usize>| {
            let gate = Arc::clone(&gate);
            sent.lock().unwrap().push(questions.len());
            async move {
                gate.acquire().await.unwrap().forget();
                Ok(questions.iter().map(usize::to_string).collect())
            }
        })
    }

    /// Lets every task go on until it waits for something.
    async fn settle() {
        for _ in 0..100 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_company_and_what_waits_for_a_lane_goes_together() {
        let (gate, sent) = (Arc::new(Semaphore::new(0)), Sent::default());
        let together = spelled(&gate, &sent);
        let ask = |question| {
            let together = together.clone();
            tokio::spawn(async move { together.ask(question).await.unwrap() })
        };
        let mut asked = Vec::new();
        for question in 0..LANES {
            asked.push(ask(question));
            settle().await;
        }
        assert_eq!(*sent.lock().unwrap(), [1; LANES], "each at once");
        asked.extend((LANES..LANES + MOST + 50).map(ask));
        settle().await;
        assert_eq!(sent.lock().unwrap().len(), LANES, "no lane is free");
        gate.add_permits(LANES + 2);
        for (question, answer) in join_all(asked).await.into_iter().enumerate() {
            assert_eq!(answer.unwrap(), question.to_string());
        }
        assert_eq!(sent.lock().unwrap().get(LANES..).unwrap(), [MOST, 50]);
    }

    #[tokio::test]
    async fn a_command_that_hangs_holds_up_nobody_else() {
        let together = Together::start(|questions: Vec<bool>| async move {
            if questions.contains(&true) {
                std::future::pending::<()>().await;
            }
            Ok(questions)
        });
        let hanging = tokio::spawn({
            let together = together.clone();
            async move { together.ask(true).await }
        });
        settle().await;
        assert!(!together.ask(false).await.unwrap());
        assert!(matches!(hanging.await.unwrap(), Err(StoreError::Unavailable(_))), "in bounded time");
    }

    #[tokio::test]
    async fn an_error_is_told_to_all() {
        let together =
            Together::<u8, u8>::start(|_| async { Err(ErrorKind::Custom(Arc::new("canary")).into()) });
        for answer in join_all((0..3).map(|question| together.ask(question))).await {
            let error = answer.unwrap_err();
            assert!(
                matches!(&error, StoreError::Unavailable(cause) if !cause.to_string().contains("did not answer within")),
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn who_gave_up_is_not_asked_for_and_the_end_comes_with_the_last_clone() {
        let (gate, sent) = (Arc::new(Semaphore::new(100)), Sent::default());
        let together = spelled(&gate, &sent);
        {
            let mut asked = Box::pin(together.ask(1));
            assert!(futures_util::poll!(&mut asked).is_pending());
        }
        assert_eq!(together.ask(2).await.unwrap(), "2");
        assert_eq!(*sent.lock().unwrap(), [1], "the one that nobody waits for is left out");
        drop(together);
        settle().await;
        assert_eq!(Arc::strong_count(&gate), 1, "the task has ended");
    }
}

//! Refusals leave at even times: how long one took would tell what was looked up, and so whether there is such a client
//! (T-TIM-01, T-TIM-03, C-7592-09).

use std::time::Duration;

use actix_web::HttpResponse;
use tokio::time::{Instant, sleep_until};

/// Longer than a look-up takes, and too short for anybody to notice.
const STEP_MICROSECONDS: u64 = 5_000;

/// The answer; if it is the fault of whoever asked, not before the next step since now.
pub(super) async fn at_an_even_time(answering: impl Future<Output = HttpResponse>) -> HttpResponse {
    let start = Instant::now();
    let response = answering.await;
    if response.status().is_client_error() {
        sleep_until(next_step(start)).await;
    }
    response
}

fn next_step(start: Instant) -> Instant {
    let passed = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    let next = passed.saturating_add(1).next_multiple_of(STEP_MICROSECONDS);
    start.checked_add(Duration::from_micros(next)).unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    async fn took(work: Duration, response: HttpResponse) -> Duration {
        let start = Instant::now();
        at_an_even_time(async {
            sleep(work).await;
            response
        })
        .await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn t_tim_01_t_tim_03_a_refusal_does_not_tell_how_long_it_took() {
        let milliseconds = Duration::from_millis;
        for (work, until) in [(0, 5), (1, 5), (4, 5), (5, 10), (12, 15)] {
            let refused = took(milliseconds(work), HttpResponse::Unauthorized().finish()).await;
            assert_eq!(refused, milliseconds(until), "{work} ms");
        }
        for response in [HttpResponse::Ok().finish(), HttpResponse::ServiceUnavailable().finish()] {
            assert_eq!(took(milliseconds(1), response).await, milliseconds(1));
        }
    }
}

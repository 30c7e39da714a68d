//! Asks the sentinels where the master is. All of them at once: the one that saw the latest failover is believed, so
//! that a sentinel cut off from the others cannot lead us back to the old master.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use redis::RedisError;

use crate::connection::OpenError;
use crate::node::{self, Certificates};
use crate::settings::{Host, Login};

/// How long the slowest sentinel may take. Below the limit of a whole call.
const LIMIT: Duration = Duration::from_millis(800);

/// The master that a sentinel knows, and how many failovers it has seen.
struct Answer {
    master: Host,
    epoch: u64,
}

/// Why a sentinel did not tell.
enum Silence {
    Failed(RedisError),
    TooSlow,
    UnknownName,
}

/// The master called `master_name`.
///
/// # Errors
/// [`OpenError`] if no sentinel tells.
pub(crate) async fn master(
    sentinels: &[Host],
    master_name: &str,
    login: Option<&Login>,
    certificates: Option<&Certificates>,
) -> Result<Host, OpenError> {
    let questions = sentinels.iter().map(async |sentinel| {
        let answer = tokio::time::timeout(LIMIT, ask(sentinel, master_name, login, certificates)).await;
        answer.unwrap_or(Err(Silence::TooSlow))
    });
    let mut latest: Option<Answer> = None;
    let mut silence = OpenError::SentinelsUnreachable("none of them answered in time".to_owned());
    for answer in join_all(questions).await {
        match answer {
            Ok(answer) if latest.as_ref().is_none_or(|latest| latest.epoch < answer.epoch) => {
                latest = Some(answer)
            }
            Ok(_) | Err(Silence::TooSlow) => {}
            Err(Silence::UnknownName) => silence = OpenError::UnknownMaster,
            Err(Silence::Failed(error)) => silence = sentinel_failure(&error),
        }
    }
    latest.map(|answer| answer.master).ok_or(silence)
}

async fn ask(
    sentinel: &Host,
    master_name: &str,
    login: Option<&Login>,
    certificates: Option<&Certificates>,
) -> Result<Answer, Silence> {
    let mut connection = node::connect(sentinel, login, certificates).await.map_err(Silence::Failed)?;
    let mut question = redis::cmd("SENTINEL");
    question.arg("MASTER").arg(master_name);
    let members: HashMap<String, String> =
        question.query_async(&mut connection).await.map_err(|error| match error.detail() {
            Some(detail) if detail.contains("No such master") => Silence::UnknownName,
            _ => Silence::Failed(error),
        })?;
    let number = |name: &str| members.get(name).and_then(|text| text.parse::<u64>().ok());
    let port = number("port").and_then(|port| u16::try_from(port).ok());
    match (members.get("ip"), port, number("config-epoch")) {
        (Some(name), Some(port), Some(epoch)) => {
            Ok(Answer { master: Host { name: name.clone(), port }, epoch })
        }
        _ => Err(Silence::UnknownName),
    }
}

fn sentinel_failure(error: &RedisError) -> OpenError {
    if OpenError::is_refusal(error) {
        OpenError::SentinelsRefuse
    } else {
        OpenError::SentinelsUnreachable(error.to_string())
    }
}

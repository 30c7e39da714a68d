//! What a token costs, beside what OpenSSL and HTTP alone cost in the same run on the same machine.

use std::path::Path;

use anyhow::{Context, Result};

use super::process::{Example, Yardstick};
use super::report::{Measurement, Report};
use super::stage::{Signing, Stage, token_request};
use crate::console;

/// Measures each kind of token.
pub(super) async fn measure(built: &Path, requests: u32, with_mongodb: bool) -> Result<Report> {
    let many = requests.saturating_mul(5);
    let bare = bare_handler(built, many).context("the bare handler")?;
    let mut report = Report::new("token", bare);

    // The yardstick is taken before and after each measurement: the clock of the processor is not steady.
    let before = Yardstick::take(built)?;
    let sqlite = Stage::start(built, Signing::Rs256, None).await?;
    let assertion = sqlite.assertions(requests)?;
    let between = Yardstick::take(built)?;
    let basic = sqlite.basic(requests)?;
    let after = Yardstick::take(built)?;
    drop(sqlite);
    let around = before.mean(&between);
    report.add(Measurement {
        name: "private_key_jwt, RS256, SQLite",
        microseconds: assertion,
        cryptography: around.rsa_sign + around.rsa_verify,
        target: 1.35 * (around.rsa_sign + around.rsa_verify),
        meaning: "1.35 x (one RSA-2048 signature + one verification)",
    });
    let around = between.mean(&after);
    report.add(Measurement {
        name: "client_secret_basic, RS256, SQLite",
        microseconds: basic,
        cryptography: around.rsa_sign,
        target: 1.25 * around.rsa_sign,
        meaning: "1.25 x one RSA-2048 signature",
    });

    match Stage::start(built, Signing::Es256, None).await {
        Ok(sqlite) => {
            let microseconds = sqlite.basic(many)?;
            let around = after.mean(&Yardstick::take(built)?);
            report.add(Measurement {
                name: "client_secret_basic, ES256, SQLite",
                microseconds,
                cryptography: around.ec_sign,
                target: 45.0 / 7.0 * report.bare_microseconds(),
                meaning: "45/7 x a bare actix-web handler",
            });
        }
        Err(error) => report.leave_out("client_secret_basic, ES256, SQLite", &error),
    }

    if with_mongodb {
        console::note("starting mongod, a replica set of one");
        let mongod = testkit::mongod::ReplicaSet::start().await;
        let before = Yardstick::take(built)?;
        let stage = Stage::start(built, Signing::Rs256, Some(&mongod.database_url())).await?;
        let microseconds = stage.assertions(requests)?;
        let around = before.mean(&Yardstick::take(built)?);
        report.add(Measurement {
            name: "private_key_jwt, RS256, MongoDB",
            microseconds,
            cryptography: around.rsa_sign + around.rsa_verify,
            target: 1.6 * (around.rsa_sign + around.rsa_verify),
            meaning: "1.6 x (one RSA-2048 signature + one verification)",
        });
    }
    Ok(report)
}

/// The processor time of a request to a handler that does nothing, in microseconds.
fn bare_handler(built: &Path, requests: u32) -> Result<f64> {
    let one = token_request(&["Authorization: Basic Yzpz"], "grant_type=client_credentials");
    Example::start(built, "bare_handler")?.measure(&one, requests)
}

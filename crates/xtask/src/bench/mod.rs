//! `cargo xtask bench token`: the processor time of a token, beside what OpenSSL and HTTP alone cost in the same run on
//! the same machine. Ratios of processor time: what else the machine does hardly changes them.

mod client;
mod load;
mod report;
mod stage;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::{cargo, tools};
use report::{Measurement, Report};
use stage::{Signing, Stage, Yardstick};

/// Arguments of `cargo xtask bench`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What is measured
    #[arg(value_enum)]
    subject: Subject,
    /// How many tokens are issued in each measurement
    #[arg(long, default_value_t = 4_000)]
    requests: u32,
    /// Leave out the measurement that needs MongoDB
    #[arg(long)]
    without_mongodb: bool,
    /// Measure what was built before, in this folder, instead of building it: to compare two versions
    #[arg(long, value_name = "FOLDER")]
    built: Option<PathBuf>,
    /// Instead of processor time, show the resident memory while so many tokens are issued, on SQLite
    #[arg(long, value_name = "TOKENS")]
    soak: Option<u32>,
    /// How the result is shown
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    Token,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

pub(crate) fn run(workspace: &Path, options: &Options) -> Result<()> {
    let Subject::Token = options.subject;
    if !options.without_mongodb && options.soak.is_none() {
        tools::MONGOD.ready(workspace)?;
    }
    let built = match &options.built {
        Some(folder) => folder.clone(),
        None => build(workspace)?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    if let Some(tokens) = options.soak {
        let stage = runtime.block_on(Stage::start(&built, Signing::Rs256, None))?;
        return stage.soak(tokens, |issued, kib| println!("{issued:>9} tokens: {kib:>7} KiB resident"));
    }
    let report = runtime.block_on(measure(&built, options))?;
    match options.output {
        Output::Text => print!("{}", report.text()),
        Output::Json => println!("{}", report.json()),
    }
    Ok(())
}

/// Builds as for a release; the folder of the binaries.
fn build(workspace: &Path) -> Result<PathBuf> {
    let wanted = ["--bin", "client-credentials", "--example", "bare_handler", "--example", "openssl_speed"];
    cargo::run(workspace, &[&["build", "--locked", "--release"][..], &wanted].concat())?;
    Ok(cargo::target_directory(workspace).join("release"))
}

async fn measure(built: &Path, options: &Options) -> Result<Report> {
    let many = options.requests.saturating_mul(5);
    let bare = stage::bare_handler(built, many).await.context("the bare handler")?;
    let mut report = Report::new(bare);

    // The yardstick is taken before and after each measurement: the clock of the processor is not steady.
    let before = Yardstick::take(built)?;
    let sqlite = Stage::start(built, Signing::Rs256, None).await?;
    let assertion = sqlite.assertions(options.requests)?;
    let between = Yardstick::take(built)?;
    let basic = sqlite.basic(options.requests)?;
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

    if !options.without_mongodb {
        eprintln!("starting mongod, a replica set of one");
        let mongod = testkit::mongod::ReplicaSet::start().await;
        let before = Yardstick::take(built)?;
        let stage = Stage::start(built, Signing::Rs256, Some(&mongod.database_url())).await?;
        let microseconds = stage.assertions(options.requests)?;
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

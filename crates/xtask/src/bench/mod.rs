//! `cargo xtask bench`: the processor time of a token or of a decision, beside what OpenSSL and HTTP alone cost in the same
//! run on the same machine. Ratios of processor time: what else the machine does hardly changes them.

mod client;
mod decision;
mod gateways;
mod latency;
mod load;
mod page;
pub(crate) mod process;
mod report;
mod rivals;
mod stage;
mod token;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::console;
use crate::{cargo, tools};
use report::Report;
use stage::{Signing, Stage};

/// Arguments of `cargo xtask bench`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What is measured
    #[arg(value_enum)]
    subject: Subject,
    /// How many tokens are issued, or five times as many decisions made, in each measurement
    #[arg(long, default_value_t = 4_000)]
    requests: u32,
    /// How often all of it is measured, in turn; each figure is that of the run in the middle. By default once, three times
    /// for the report
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=9))]
    rounds: Option<u8>,
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
    /// What a token of client-credentials costs
    Token,
    /// What a decision of authorization-service costs
    Auth,
    /// Both, and what others cost: everything, written to docs/benchmarks.md
    Report,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

pub(crate) fn run(workspace: &Path, options: &Options) -> Result<()> {
    let with_mongodb = options.subject != Subject::Auth && !options.without_mongodb && options.soak.is_none();
    if with_mongodb {
        tools::MONGOD.ready(workspace)?;
    }
    let built = match &options.built {
        Some(folder) => folder.clone(),
        None => build(workspace, options.subject)?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    if let Some(tokens) = options.soak {
        let stage = runtime.block_on(Stage::start(&built, Signing::Rs256, None))?;
        return stage.soak(tokens, |issued, kib| {
            console::line(format_args!("{issued:>9} tokens: {kib:>7} KiB resident"))
        });
    }
    let requests = options.requests;
    let token = || runtime.block_on(token::measure(&built, requests, with_mongodb));
    let decision = || runtime.block_on(decision::measure(workspace, &built, requests));
    let rounds = options.rounds.unwrap_or(if options.subject == Subject::Report { 3 } else { 1 });
    let report = match options.subject {
        Subject::Report => {
            let page = page::Page {
                rounds,
                token: in_turn(rounds, token)?,
                decision: in_turn(rounds, decision)?,
                rivals: runtime.block_on(rivals::compare(workspace, &built, requests))?,
            };
            let text = page.markdown();
            std::fs::write(workspace.join("docs/benchmarks.md"), &text)?;
            console::text(&text)?;
            return Ok(());
        }
        Subject::Token => in_turn(rounds, token)?,
        Subject::Auth => in_turn(rounds, decision)?,
    };
    match options.output {
        Output::Text => console::text(&report.text())?,
        Output::Json => console::line(report.json())?,
    }
    Ok(())
}

fn in_turn(rounds: u8, measure: impl Fn() -> Result<Report>) -> Result<Report> {
    let runs: Vec<_> = (1..=rounds)
        .map(|round| {
            console::note(format_args!("round {round} of {rounds}"));
            measure()
        })
        .collect::<Result<_>>()?;
    Report::middle(&runs).context("no round")
}

/// Builds as for a release; the folder of the binaries.
fn build(workspace: &Path, subject: Subject) -> Result<PathBuf> {
    let mut wanted = vec!["--bin", "client-credentials", "--example", "openssl_speed"];
    wanted.extend(match subject {
        Subject::Token => &["--example", "bare_handler"][..],
        Subject::Auth | Subject::Report => &[
            "--bin",
            "authorization-service",
            "--example",
            "bare_decision",
            "--example",
            "round_trip",
            "--example",
            "bare_handler",
        ],
    });
    cargo::run(workspace, &[&["build", "--locked", "--release"][..], &wanted].concat())?;
    Ok(cargo::target_directory(workspace).join("release"))
}

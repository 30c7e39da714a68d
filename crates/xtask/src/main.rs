//! The developer's front door: `cargo xtask up` shows the whole way once, `cargo xtask test` runs every test.

// They panic where nobody reads: `console` does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod cargo;
mod chaos;
mod conformance;
mod console;
mod demo_api;
mod deploy_files;
mod fuzz;
mod gateway;
mod http;
mod interop;
mod listener;
mod server;
mod suite;
mod tools;
mod up;
mod walk;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The developer's front door")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Start everything on this machine and walk through it: register, token, gateway, decision
    Up(up::Options),
    /// Run every test: rules, stores, HTTP, and whole walks through real gateways and databases
    Test(suite::Options),
    /// Send hostile input to the parsers, on all cores: each fuzz target for a while
    Fuzz(fuzz::Options),
    /// Write docs/conformance.md: which row of a standard or of the attacks is shown by which test
    Conformance(conformance::Options),
    /// Measure what a token or a decision costs, beside what OpenSSL and HTTP alone cost
    Bench(bench::Options),
    /// Lose one part of a whole deployment after the other under load, and check every acknowledged write and every right
    Chaos(chaos::Options),
    /// The same load with nothing lost: whether the memory of the services grows
    Soak(chaos::Options),
    /// Let OAuth libraries of others get, introspect and revoke tokens
    Interop(interop::Options),
    /// Render and check the Kubernetes manifests, the compose file and the Dockerfile, without a cluster or containers
    DeployFiles,
    /// Fetch the tools that the tests and the gate use, and print the folder they are in
    Tools,
}

fn main() -> ExitCode {
    let workspace = workspace();
    let outcome = match Arguments::parse().command {
        Task::Up(options) => up::run(&workspace, &options),
        Task::Test(options) => suite::run(&workspace, &options),
        Task::Fuzz(options) => fuzz::run(&workspace, &options),
        Task::Conformance(options) => conformance::run(&workspace, &options),
        Task::Bench(options) => bench::run(&workspace, &options),
        Task::Chaos(options) => chaos::run(&workspace, &options, chaos::Manner::Chaos),
        Task::Soak(options) => chaos::run(&workspace, &options, chaos::Manner::Soak),
        Task::Interop(options) => interop::run(&workspace, &options),
        Task::DeployFiles => deploy_files::run(&workspace),
        Task::Tools => suite::fetch_tools(&workspace),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if console::nobody_reads(&error) => ExitCode::SUCCESS,
        Err(error) => {
            console::note(format_args!("\n{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace: two above this crate.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(Path::to_path_buf).unwrap_or_default()
}

/// A variable of the developer: `PATH`, and `CARGO` which cargo sets.
fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

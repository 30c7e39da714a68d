//! `cargo xtask fuzz`: builds the targets in `fuzz/` once and runs each for a while, as many at a time as there are
//! cores. What is found is kept apart until `--keep` merges it into the corpora.

use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::cargo;
use crate::console;
use crate::tools;

/// Arguments of `cargo xtask fuzz`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long each target runs
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Add to the corpora what reached code that no kept input reaches
    #[arg(long)]
    keep: bool,
    /// The targets to run; all of them if none is named
    targets: Vec<String>,
}

/// Where things are.
struct Places {
    package: PathBuf,
    binaries: PathBuf,
    found: PathBuf,
}

pub(crate) fn run(workspace: &Path, options: &Options) -> Result<()> {
    let cargo_fuzz = tools::CARGO_FUZZ.ready(workspace)?;
    let host = host()?;
    let workspace_target = cargo::target_directory(workspace);
    let target_directory = workspace_target.join("fuzz");
    let places = Places {
        package: workspace.join("fuzz"),
        binaries: target_directory.join(&host).join("release"),
        found: target_directory.join("found"),
    };
    let targets = targets(&places, &options.targets)?;
    build(workspace, &cargo_fuzz, &host, &target_directory, openssl_of(&workspace_target))?;
    run_all(&places, &targets, options)
}

fn targets(places: &Places, wanted: &[String]) -> Result<Vec<String>> {
    let mut known = Vec::new();
    for entry in fs::read_dir(places.package.join("fuzz_targets"))? {
        known.extend(entry?.path().file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    known.sort();
    match wanted.iter().find(|name| !known.contains(name)) {
        Some(unknown) => bail!("there is no target {unknown}; there are {}", known.join(", ")),
        None if wanted.is_empty() => Ok(known),
        None => Ok(wanted.to_vec()),
    }
}

/// Without a sanitizer: our crates have no unsafe code, so there is nothing for one to find, and without it the stable
/// compiler does. The targets are built with the versions that ship.
fn build(
    workspace: &Path,
    cargo_fuzz: &Path,
    host: &str,
    target_directory: &Path,
    openssl: Option<PathBuf>,
) -> Result<()> {
    fs::copy(workspace.join("Cargo.lock"), workspace.join("fuzz/Cargo.lock"))?;
    let mut command = cargo::command(workspace, cargo_fuzz);
    command.args(["fuzz", "build", "--sanitizer", "none", "--target", host, "--target-dir"]);
    command.arg(target_directory).env("RUSTC_BOOTSTRAP", "1");
    if let Some(openssl) = openssl {
        command.env("OPENSSL_NO_VENDOR", "1").env("OPENSSL_STATIC", "1").env("OPENSSL_DIR", openssl);
    }
    let status = command.status().context("cargo-fuzz could not be started")?;
    ensure!(status.success(), "the fuzz targets could not be built");
    Ok(())
}

/// The OpenSSL that the workspace's own build left, the newest if there are several. Building it takes minutes, and it
/// is the same one: its C is not instrumented either way. Without one, the targets build their own.
fn openssl_of(workspace_target: &Path) -> Option<PathBuf> {
    let builds = fs::read_dir(workspace_target.join("debug/build")).ok()?;
    let installed = builds.filter_map(Result::ok).map(|build| build.path().join("out/openssl-build/install"));
    let built =
        |folder: &PathBuf| fs::metadata(folder.join("lib/libcrypto.a")).and_then(|file| file.modified()).ok();
    installed.filter_map(|folder| Some((built(&folder)?, folder))).max().map(|(_, folder)| folder)
}

/// Runs the targets on all cores; fails with what each failure is, in a sentence.
fn run_all(places: &Places, targets: &[String], options: &Options) -> Result<()> {
    let waiting = Mutex::new(targets.iter());
    let failures = Mutex::new(Vec::new());
    let cores = thread::available_parallelism()?.get().min(targets.len());
    let work = || -> Result<()> {
        while let Some(target) = waiting.lock().ok().and_then(|mut targets| targets.next()) {
            match run_one(places, target, options) {
                Ok(summary) => console::line(format_args!("{target:<14} {summary}"))?,
                Err(error) => {
                    if let Ok(mut failures) = failures.lock() {
                        failures.push(format!("{target}: {error:#}"));
                    }
                }
            }
        }
        Ok(())
    };
    let printed: Result<()> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    let failures = failures.into_inner().unwrap_or_default();
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    printed
}

/// Runs one target; its closing line.
fn run_one(places: &Places, target: &str, options: &Options) -> Result<String> {
    let corpus = places.package.join("corpus").join(target);
    let found = places.found.join(target);
    let artifacts = places.package.join("artifacts").join(target);
    for folder in [&corpus, &found, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    }
    let mut fuzzing = libfuzzer(places, target);
    fuzzing.arg(format!("-max_total_time={}", options.seconds));
    fuzzing.args(["-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"]);
    fuzzing.arg(format!("-artifact_prefix={}/", artifacts.display()));
    // New inputs go into the first folder.
    let log = finish(fuzzing.arg(&found).arg(&corpus))?;
    if options.keep {
        // As few inputs as reach all that was reached.
        let smallest = ["-set_cover_merge=1", "-use_counters=0", "-max_len=4096"];
        finish(libfuzzer(places, target).args(smallest).arg(&corpus).arg(&found))?;
    }
    let statistic = |name: &str| {
        let line = log.lines().find_map(|line| line.strip_prefix(name));
        line.map_or("?", |rest| rest.trim_start_matches(':').trim()).to_owned()
    };
    Ok(format!(
        "{:>10} runs, {:>7} a second",
        statistic("stat::number_of_executed_units"),
        statistic("stat::average_exec_per_sec")
    ))
}

fn libfuzzer(places: &Places, target: &str) -> Command {
    let mut command = Command::new(places.binaries.join(target));
    command.stdin(Stdio::null()).current_dir(&places.package);
    command
}

/// What libFuzzer had to say; an error with the end of it if it found something.
fn finish(command: &mut Command) -> Result<String> {
    let output = command.output().context("the target could not be started")?;
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        let lines: Vec<&str> = log.lines().collect();
        let said = lines.iter().position(|line| line.contains("panicked at")).unwrap_or_default();
        let what = lines.get(said..).unwrap_or_default().iter().take(6);
        let end = lines.get(lines.len().saturating_sub(12)..).unwrap_or_default();
        let told: Vec<&str> = what.chain(end).copied().collect();
        bail!("{}\n{}", output.status, told.join("\n"));
    }
    Ok(log)
}

fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("rustc could not be started")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say which machine it is for")
}

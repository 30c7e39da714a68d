//! `cargo xtask chaos` and `cargo xtask soak`: a whole deployment under load, with one part lost after the other, or with
//! nothing lost for a long time. What was called and answered is judged at the end, by a checker that knows every
//! acknowledged write and every right.

mod api;
mod callers;
mod check;
mod history;
mod loss;
mod memory;
mod report;
mod stage;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::console;
use crate::up::Stop;
use crate::{cargo, tools};
use callers::{Caller, World};
use history::History;
use loss::{Loss, Part, Plan};
use memory::Memory;
use report::Report;
use stage::Stage;

/// Arguments of `cargo xtask chaos` and `cargo xtask soak`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long the load lasts; starting and looking at everything at the end take another minute
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_440))]
    minutes: u32,
    /// Repeats the losses, and the choices of the callers, of the run that printed it
    #[arg(long)]
    seed: Option<u64>,
    /// Calls a second, of all callers together, at most
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Lose this part only; may be repeated
    #[arg(long, value_enum)]
    lose: Vec<PartName>,
    /// Try what was built before, in this folder, instead of building it as for development
    #[arg(long, value_name = "FOLDER")]
    built: Option<PathBuf>,
    /// How the result is shown
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PartName {
    ClientCredentials,
    AuthorizationService,
    Primary,
    Feed,
    Userinfo,
}

impl From<Part> for PartName {
    fn from(part: Part) -> Self {
        match part {
            Part::ClientCredentials(_) => Self::ClientCredentials,
            Part::AuthorizationService(_) => Self::AuthorizationService,
            Part::Primary => Self::Primary,
            Part::Feed => Self::Feed,
            Part::Userinfo => Self::Userinfo,
        }
    }
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Chaos,
    Soak,
}

const CALLERS: u32 = 24;
/// How often progress is told and memory looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Everybody has clients and tokens by then.
const BEFORE_THE_FIRST_LOSS: Duration = Duration::from_secs(5);
/// After the last loss: longer than anybody may be without the news of a revocation.
const SETTLING: Duration = Duration::from_secs(6);

impl Manner {
    const fn name(self) -> &'static str {
        match self {
            Self::Chaos => "chaos",
            Self::Soak => "soak",
        }
    }

    /// In a soak tokens are short-lived, so that what is kept of them stops growing within minutes.
    const fn token_lifetime(self) -> Duration {
        Duration::from_secs(match self {
            Self::Chaos => 3_600,
            Self::Soak => 60,
        })
    }
}

pub(crate) fn run(workspace: &Path, options: &Options, manner: Manner) -> Result<()> {
    tools::MONGOD.ready(workspace)?;
    tools::NGINX.ready(workspace)?;
    let built = match &options.built {
        Some(folder) => folder.clone(),
        None => {
            // As for the tests: with other packages chosen, half of the dependencies would be built once more.
            cargo::run(workspace, &["build", "--locked", "--workspace", "--bins"])?;
            cargo::target_directory(workspace).join("debug")
        }
    };
    let folder = workspace.join("target").join(manner.name());
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(folder.join("logs"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let report = runtime.block_on(async {
        let mut stop = Stop::listen()?;
        // Whatever ends it, what was started ends with it: the stage is dropped.
        tokio::select! {
            report = try_out(workspace, &built, &folder, options, manner) => report,
            () = stop.asked() => bail!("stopped before the end: nothing was judged"),
        }
    });
    // Callers of an interrupted run may still wait for an answer.
    runtime.shutdown_background();
    let report = report?;
    let printed = match options.output {
        Output::Text => console::text(&report.text()),
        Output::Json => console::line(report.json()),
    };
    // The exit code is for those who read nothing.
    ensure!(
        report.is_good(),
        "seed {}: not as promised. What each process said: target/{}/logs/",
        report.seed,
        manner.name()
    );
    printed
}

async fn try_out(
    workspace: &Path,
    built: &Path,
    folder: &Path,
    options: &Options,
    manner: Manner,
) -> Result<Report> {
    let seed = options.seed.unwrap_or_else(seed_of_the_moment);
    let mut stage = Stage::start(workspace, built, folder, manner.token_lifetime()).await?;
    let world = Arc::new(World {
        history: History::begin(),
        doors: stage.doors(),
        stop: AtomicBool::new(false),
        token_lifetime: manner.token_lifetime(),
        numbers: AtomicU64::new(0),
    });
    console::note(format_args!("{}, seed {seed}: {} minutes of load", manner.name(), options.minutes));
    let pace = Duration::from_secs_f64(f64::from(CALLERS) / f64::from(options.rate));
    let callers = (0..u64::from(CALLERS)).map(|number| {
        let caller = Caller::new(Arc::clone(&world), seed.wrapping_mul(1_000).wrapping_add(number));
        spawn_blocking(move || caller.work(pace))
    });
    let callers: Vec<JoinHandle<Caller>> = callers.collect();
    let lasts = Duration::from_secs(60).saturating_mul(options.minutes);
    let (mut losses, mut memory) = (Vec::new(), Vec::new());
    match manner {
        Manner::Chaos => {
            let is_wanted = |plan: &Plan| options.lose.is_empty() || options.lose.contains(&plan.part.into());
            let plans = loss::plans(seed).filter(is_wanted);
            losses = lose_in_turn(&mut stage, &world.history, plans, lasts).await?;
        }
        Manner::Soak => memory = watch(&mut stage, &world.history, lasts).await?,
    }
    world.stop.store(true, Ordering::Relaxed);
    let mut rested = Vec::new();
    for caller in callers {
        rested.push(caller.await.context("a caller failed")?);
    }
    tokio::time::sleep(SETTLING).await;
    let settled = world.history.now();
    tell(&world.history, "everything that was acknowledged, once more");
    let looks: Vec<_> =
        rested.into_iter().map(|caller| spawn_blocking(|| caller.look_at_everything())).collect();
    for look in looks {
        look.await.context("a caller failed")?;
    }
    stage.check_all_run()?;
    let lasted = world.history.now();
    let events = world.history.take();
    let findings = check::check(&events, &losses, settled);
    Ok(Report { name: manner.name(), seed, lasted, calls: events.len(), losses, findings, memory })
}

/// One part after the other, as long as the time is enough for one more.
async fn lose_in_turn(
    stage: &mut Stage,
    history: &History,
    plans: impl Iterator<Item = Plan>,
    lasts: Duration,
) -> Result<Vec<Loss>> {
    let mut losses = Vec::new();
    tokio::time::sleep(BEFORE_THE_FIRST_LOSS).await;
    for plan in plans {
        if history.now().saturating_add(plan.lasts).saturating_add(plan.rest) > lasts {
            break;
        }
        tell(history, &format!("{} {} for {:.1?}", plan.part, plan.kind, plan.lasts));
        let from = history.now();
        stage.lose(plan.part, plan.kind).await?;
        tokio::time::sleep(plan.lasts).await;
        stage.mend(plan.part, plan.kind).await?;
        losses.push(Loss { part: plan.part, kind: plan.kind, from, until: history.now() });
        tokio::time::sleep(plan.rest).await;
    }
    tokio::time::sleep(lasts.saturating_sub(history.now())).await;
    Ok(losses)
}

/// Nothing is lost; the memory is looked at.
async fn watch(stage: &mut Stage, history: &History, lasts: Duration) -> Result<Vec<Memory>> {
    let mut memory: Vec<_> = stage
        .processes()
        .into_iter()
        .map(|(name, process, metrics)| Memory::of(name, process, metrics))
        .collect();
    let mut told = 0;
    while history.now() < lasts {
        tokio::time::sleep(LOOK).await;
        let now = history.now();
        memory.iter_mut().for_each(|process| process.look(now));
        stage.check_all_run()?;
        if now.as_secs() / 60 > told {
            told = now.as_secs() / 60;
            tell(history, "memory is watched");
        }
    }
    Ok(memory)
}

/// A line of progress.
fn tell(history: &History, what: &str) {
    let seconds = history.now().as_secs();
    let (calls, unanswered) = history.counts();
    console::note(format_args!(
        "{:02}:{:02}  {calls:>7} calls, {unanswered} without a plain answer; {what}",
        seconds / 60,
        seconds % 60
    ));
}

#[expect(clippy::disallowed_methods, reason = "any number does, and it is printed")]
fn seed_of_the_moment() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() % 1_000_000
}

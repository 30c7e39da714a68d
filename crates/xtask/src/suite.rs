//! `cargo xtask test`: every test there is, with the real components they talk to.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use testkit::mongod::ReplicaSet;

use crate::cargo;
use crate::console;
use crate::tools::{self, Tool};

/// Arguments of `cargo xtask test`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Leave out the tests that need this component; may be repeated
    #[arg(long, value_enum)]
    without: Vec<Component>,
    /// Passed on to the test runner, for instance a part of a test's name
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// A component of others that tests talk to. Tests that need one have its name in the name of their module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Component {
    Mongodb,
    Redis,
    Nginx,
    Envoy,
    Traefik,
    Caddy,
    Haproxy,
}

impl Component {
    const fn tool(self) -> &'static Tool {
        match self {
            Self::Mongodb => &tools::MONGOD,
            Self::Redis => &tools::REDIS,
            Self::Nginx => &tools::NGINX,
            Self::Envoy => &tools::ENVOY,
            Self::Traefik => &tools::TRAEFIK,
            Self::Caddy => &tools::CADDY,
            Self::Haproxy => &tools::HAPROXY,
        }
    }

    /// What the names of its tests contain.
    const fn mark(self) -> &'static str {
        match self {
            Self::Mongodb => "on_mongodb",
            Self::Redis => "on_redis",
            Self::Nginx => "through_nginx",
            Self::Envoy => "through_envoy",
            Self::Traefik => "through_traefik",
            Self::Caddy => "through_caddy",
            Self::Haproxy => "through_haproxy",
        }
    }
}

pub(crate) fn run(workspace: &Path, options: &Options) -> Result<()> {
    for component in
        Component::value_variants().iter().filter(|component| !options.without.contains(component))
    {
        component
            .tool()
            .ready(workspace)
            .context("a component of the tests is missing (--without NAME leaves its tests out)")?;
    }
    let nextest = tools::CARGO_NEXTEST.ready(workspace)?;
    cargo::run(workspace, &["build", "--locked", "--workspace", "--bins"])?;
    cargo::run(workspace, &["test", "--locked", "--package", "access-rules", "--doc", "--quiet"])?;

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mongod = if options.without.contains(&Component::Mongodb) {
        None
    } else {
        console::note("starting mongod for the tests, a replica set of one");
        Some(runtime.block_on(ReplicaSet::start()))
    };
    let mut command = cargo::command(workspace, nextest);
    command.args(["nextest", "run", "--locked", "--workspace"]);
    if !options.without.is_empty() {
        let left_out: Vec<_> =
            options.without.iter().map(|component| format!("not test({})", component.mark())).collect();
        command.args(["--filterset", &left_out.join(" and ")]);
    }
    if let Some(mongod) = &mongod {
        command.env("GETTONE_TEST_MONGODB_URL", mongod.url());
    }
    let status = command.args(&options.arguments).status().context("cargo-nextest could not be started")?;
    ensure!(status.success(), "some tests failed; their output is above");
    Ok(())
}

/// Fetches everything that the tests and `.ci/run` use.
pub(crate) fn fetch_tools(workspace: &Path) -> Result<()> {
    let of_the_gate = [&tools::CARGO_NEXTEST, &tools::CARGO_DENY, &tools::CARGO_SHEAR, &tools::CARGO_FUZZ];
    for tool in Component::value_variants().iter().copied().map(Component::tool).chain(of_the_gate) {
        console::line(format_args!("{:<14} {}", tool.binary, tool.ready(workspace)?.display()))?;
    }
    Ok(())
}

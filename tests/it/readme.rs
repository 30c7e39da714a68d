//! The README's walk, run as printed: a page that lies is a bug.

use std::process::Command;

use testkit::port::ReservedPort;

use crate::deployment::{binary, workspace};

/// The shell blocks between the walk's marks, in one script.
fn script(readme: &str) -> String {
    let walk = readme
        .split("<!-- walk -->")
        .nth(1)
        .and_then(|rest| rest.split("<!-- end walk -->").next())
        .expect("the walk");
    walk.split("```sh\n").skip(1).filter_map(|block| block.split("```").next()).collect()
}

/// The statuses that the comments promise, in the order of the lines that print them.
fn promised(script: &str) -> Vec<&str> {
    script.lines().filter_map(|line| line.strip_prefix("# prints ")).collect()
}

#[test]
fn the_readmes_walk_prints_what_it_promises() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(workspace().join("deploy"), folder.path().join("deploy")).unwrap();
    let ports = [ReservedPort::new(), ReservedPort::new(), ReservedPort::new()];
    let [public, management, decisions] = ports.each_ref().map(|port| port.number().to_string());
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let walk = script(&readme);
    assert!(walk.contains("cargo build -p client-credentials"), "the walk begins with the build");
    let commands = walk
        .lines()
        // Built already.
        .filter(|line| !line.starts_with("cargo build"))
        .map(|line| format!("{line}\n"))
        .collect::<String>()
        .replace("target/debug", binary("client-credentials").parent().unwrap().to_str().unwrap())
        // In two steps: a port may hold the digits of another.
        .replace("3000", "PUBLIC_PORT_HERE")
        .replace("3001", "MANAGEMENT_PORT_HERE")
        .replace("3010", &decisions)
        .replace("PUBLIC_PORT_HERE", &public)
        .replace("MANAGEMENT_PORT_HERE", &management);
    // Both services end with the script: it ends what it started, by process id.
    let guarded = format!("set -eu\ntrap 'kill -9 $(jobs -p)' EXIT\n{commands}");
    let output = Command::new("bash")
        .args(["-c", &guarded])
        .current_dir(folder.path())
        .env("LOG_LEVEL", "silent")
        .output()
        .unwrap();
    let printed: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    let promised = promised(&walk);
    assert_eq!(promised.len(), 10, "{promised:?}");
    assert_eq!(printed, promised, "{}", String::from_utf8_lossy(&output.stderr));
}

/// `--print-config` is the source; the page that repeats it must be equal to it.
#[test]
fn the_tables_of_variables_are_those_of_the_binaries() {
    let page = std::fs::read_to_string(workspace().join("docs/configuration.md")).unwrap();
    for name in ["client-credentials", "authorization-service"] {
        let output = Command::new(binary(name)).arg("--print-config").output().unwrap();
        let table = String::from_utf8(output.stdout).unwrap();
        let section = page.split(&format!("<!-- {name} variables -->\n")).nth(1).expect("the mark");
        assert!(
            section.starts_with(&format!("{table}<!-- end -->")),
            "docs/configuration.md is stale. {name} --print-config:\n{table}"
        );
    }
}

//! Replays the kept corpora: what a fuzzer once found, and what was written to lead it there.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot read its inputs stops loudly")]

use std::fs;
use std::path::{Path, PathBuf};

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn replay(name: &str) {
    let property = fuzz_properties::named(name);
    let folder = corpora().join(name);
    let inputs = names_in(&folder);
    assert!(inputs.len() >= 5, "{} holds hardly anything", folder.display());
    for input in inputs {
        // The output of a failed test names the last input.
        println!("{}", folder.join(&input).display());
        property(&fs::read(folder.join(&input)).unwrap());
    }
}

macro_rules! replay_each {
    ($($name:ident),+) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })+

        #[test]
        fn each_property_has_a_corpus_a_target_and_a_test() {
            let properties: Vec<&str> = fuzz_properties::ALL.iter().map(|(name, _)| *name).collect();
            assert_eq!(properties, [$(stringify!($name)),+]);
            assert_eq!(properties, names_in(&corpora()));
            let targets = names_in(&corpora().join("../fuzz_targets"));
            let files: Vec<String> = properties.iter().map(|name| format!("{name}.rs")).collect();
            assert_eq!(targets, files);
        }
    };
}

replay_each!(
    assertion,
    expression,
    form,
    id_and_secret,
    identity_headers,
    jws,
    public_key,
    registration,
    request_path,
    rules_file,
    userinfo
);

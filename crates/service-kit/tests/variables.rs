//! The variables of a service, as declared by `variables!`.

use std::path::PathBuf;

use serde::Deserialize;
use service_kit::{CommaList, Problems, Secret, Vars, variables};

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    Calm,
    VeryLoud,
}

variables! {
    pub struct Example {
        /// Port of the listener.
        http_port: u16 = "3000",
        /// Whether to be strict.
        strict: bool = "true",
        /// How to be.
        mode: Mode = "calm",
        /// Who to be.
        issuer: String,
        /// Names to pass on.
        headers: CommaList = "",
        /// A password.
        password: Option<Secret>,
        /// A place.
        folder: Option<PathBuf>,
    }
}

fn read(pairs: &[(&str, &str)]) -> Result<Example, String> {
    let mut problems = Problems::default();
    let example = Example::read(&Vars::from_pairs(pairs.iter().copied()), &mut problems);
    problems.or(example).map_err(|problems| problems.to_string())
}

#[test]
fn defaults_lists_and_optional_values() {
    let example = read(&[("ISSUER", "me"), ("HEADERS", " a, b ,,c"), ("FOLDER", "")]).unwrap();
    assert_eq!((example.http_port, example.strict, example.mode), (3000, true, Mode::Calm));
    assert_eq!(example.headers.0, ["a", "b", "c"]);
    assert_eq!(example.issuer, "me");
    assert!(example.password.is_none() && example.folder.is_none());
}

#[test]
fn every_mistake_is_listed_by_name_and_no_value_is_shown() {
    let text = read(&[("HTTP_PORT", "hunter2"), ("STRICT", "hunter2"), ("MODE", "hunter2")]).unwrap_err();
    for name in ["4 variables need attention", "HTTP_PORT", "STRICT", "MODE", "ISSUER\n      is required"] {
        assert!(text.contains(name), "{name} is missing in\n{text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
    assert!(text.contains("calm or very-loud"), "{text}");
    assert!(text.contains("must be a whole number") && text.contains("must be true or false"), "{text}");
    let text = read(&[("HTTP_PORT", "65536"), ("ISSUER", "me")]).unwrap_err();
    assert!(text.contains("is too large"), "{text}");
}

#[test]
fn a_file_may_hold_the_value_but_not_beside_the_variable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "hunter2\n").unwrap();
    let file = file.to_str().unwrap();
    let example = read(&[("ISSUER", "me"), ("PASSWORD_FILE", file)]).unwrap();
    assert_eq!(example.password.unwrap().expose(), "hunter2");
    let both = read(&[("ISSUER", "me"), ("PASSWORD_FILE", file), ("PASSWORD", "x")]).unwrap_err();
    assert!(both.contains("not both"), "{both}");
    let missing = read(&[("ISSUER", "me"), ("PASSWORD_FILE", "/nowhere/at/all")]).unwrap_err();
    assert!(missing.contains("PASSWORD_FILE"), "{missing}");
}

#[test]
fn debug_shows_no_secret() {
    let example = read(&[("ISSUER", "me"), ("PASSWORD", "hunter2")]).unwrap();
    assert!(!format!("{example:?}").contains("hunter2"));
}

#[test]
fn a_service_prefix_is_read_the_same_by_every_service() {
    use service_kit::ServicePrefix;
    let read = |text: &str| ServicePrefix::try_from(text.to_owned()).map(|prefix| prefix.0);
    for (text, prefix) in [
        ("/", ""),
        ("//", ""),
        ("/auth", "/auth"),
        ("/auth/", "/auth"),
        ("/auth/v1//", "/auth/v1"),
        ("/a.b_c~d-e/-", "/a.b_c~d-e/-"),
        ("/-x", "/-x"),
        ("/...", "/..."),
    ] {
        assert_eq!(read(text).as_deref(), Ok(prefix), "{text}");
    }
    for text in [
        "",
        "auth",
        "auth/",
        "//auth",
        "/a//b",
        "/.",
        "/..",
        "/a/../b",
        "/a/./b",
        "/-",
        "/-/",
        "/-/healthz",
        "/a b",
        "/a?b",
        "/a#b",
        "/%61",
        "/{x}",
        "/a\\b",
        "/è",
        "http://h/a",
        "/a\n",
    ] {
        assert!(read(text).is_err(), "{text:?}");
    }
}

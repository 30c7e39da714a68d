//! The pages for people: what they link to and the files they name are there. A page that names something gone is a bug.

use std::path::{Path, PathBuf};

use crate::deployment::workspace;

/// Folders of the repository that pages name in backticks.
const FOLDERS: [&str; 6] = ["crates/", "deploy/", "docs/", "tests/", "fuzz/", ".ci/"];

/// Every page but the history, which may name what is gone.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders = vec![workspace().join("docs"), workspace().join("deploy")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.extend(["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|page| workspace().join(page)));
    pages
}

/// The text without what is shown as code on lines of its own.
fn prose(page: &str) -> String {
    page.split("```").step_by(2).collect()
}

/// What stands between `before` and `after`, each time.
fn between<'text>(text: &'text str, before: &str, after: &str) -> Vec<&'text str> {
    text.split(before).skip(1).filter_map(|rest| rest.split_once(after)).map(|(inside, _)| inside).collect()
}

/// What a heading is called in a link.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let kept = |sign: &char| sign.is_alphanumeric() || [' ', '-', '_'].contains(sign);
    headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .map(|heading| heading.chars().filter(kept).collect::<String>().replace(' ', "-"))
        .collect()
}

/// What is wrong with the links of a page.
fn broken_links(page: &Path, text: &str) -> Vec<String> {
    let links = between(text, "](", ")").into_iter().filter(|link| !link.contains("://"));
    let is_broken = |link: &&str| {
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target =
            if file.is_empty() { page.to_owned() } else { page.parent().expect("a folder").join(file) };
        !target.exists()
            || !anchor.is_empty()
                && !anchors(&std::fs::read_to_string(target).unwrap()).contains(&anchor.to_owned())
    };
    links.filter(is_broken).map(|link| format!("{}: ]({link})", page.display())).collect()
}

/// The files of the repository that a page names and that are not there. Capitals stand for a name to be chosen.
fn gone_files(page: &Path, text: &str) -> Vec<String> {
    let is_path = |name: &&str| {
        FOLDERS.iter().any(|folder| name.starts_with(folder))
            && !name.contains([' ', '<', '{', '*', '…', ':'])
            && !name
                .split(['/', '.'])
                .any(|part| part.len() > 1 && part.chars().all(|sign| sign.is_ascii_uppercase()))
    };
    let named = text.split('`').skip(1).step_by(2).filter(is_path);
    named
        .filter(|name| !workspace().join(name).exists())
        .map(|name| format!("{}: `{name}`", page.display()))
        .collect()
}

#[test]
fn what_the_pages_name_is_there() {
    let pages = pages();
    assert!(pages.len() > 30, "{}", pages.len());
    let mut wrong = Vec::new();
    for page in pages {
        let text = prose(&std::fs::read_to_string(&page).unwrap());
        wrong.extend(broken_links(&page, &text));
        wrong.extend(gone_files(&page, &text));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_dead_link_a_wrong_anchor_and_a_file_that_is_gone_are_found() {
    let page = workspace().join("README.md");
    let text = "[a](docs/gone.md) [b](docs/explain.md#no-such-heading) [c](docs/explain.md) `docs/gone/` `docs/NAME.md`";
    assert_eq!(broken_links(&page, text).len(), 2);
    assert_eq!(gone_files(&page, text).len(), 1);
}

//! `docs/expressions.md` is true: every table of the page is run.

use common::Principal;

use crate::expression::{Expression, Facts};
use crate::path::{RepeatedSlashes, RequestPath};
use crate::route_table::Request;
use crate::rules_file::load_rules;

const PAGE: &str = include_str!("../../../docs/expressions.md");

/// The rows of the first table below a heading, without its head.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let (_, section) =
        PAGE.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    let table =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let rows: Vec<Vec<String>> = table.skip(2).map(cells).collect();
    assert!(rows.len() > 3, "{heading} has {} rows", rows.len());
    rows
}

fn cells(line: &str) -> Vec<String> {
    let unescaped = line.replace("\\|", "\u{1}");
    unescaped.trim_matches('|').split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
}

/// What stands between the first two backticks.
fn code(cell: &str) -> &str {
    cell.split('`').nth(1).unwrap_or_else(|| panic!("no code in {cell}"))
}

#[test]
fn examples_have_the_values_that_the_page_says() {
    let ada = Principal {
        id: "ada".to_owned(),
        groups: ["admin", "group-group"].map(str::to_owned).into(),
        permissions: ["write:orders", "read"].map(str::to_owned).into(),
        ..Principal::default()
    };
    for row in rows("### Examples") {
        let expression =
            Expression::parse(code(&row[0])).unwrap_or_else(|error| panic!("{}: {error}", row[0]));
        let value = |client_type, principal| {
            let facts = Facts { client_type, is_backoffice: false };
            expression
                .evaluate(&facts, principal)
                .map_or_else(|_| "error".to_owned(), |value| value.to_string())
        };
        assert_eq!([value("apiKey", Some(&ada)), value("", None)], row[1..], "{}", row[0]);
    }
}

#[test]
fn refused_expressions_get_the_answer_that_the_page_says() {
    for row in rows("### What is refused") {
        let error = Expression::parse(code(&row[0])).expect_err(&row[0]);
        assert_eq!(error.to_string(), row[1]);
    }
}

#[test]
fn warnings_read_as_the_page_says() {
    for row in rows("### Warnings") {
        let warnings = Expression::parse(code(&row[0])).unwrap().warnings();
        assert_eq!(warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), row[1..], "{}", row[0]);
    }
}

#[test]
fn the_worked_table_finds_the_rules_that_the_page_says() {
    let rule = r#"{"authorization": {"expression": "true", "public": true}}"#;
    let file = format!(
        r#"{{"/test": {{"ALL": {rule}}}, "/test/management": {{"DELETE": {rule}}},
            "/users/:id": {{"GET": {rule}}}, "/users/count": {{"GET": {rule}}}}}"#
    );
    let table = load_rules("auth.json", file.as_bytes(), RepeatedSlashes::Refuse).unwrap().table;
    for row in rows("### Worked table") {
        let (method, target) = code(&row[0]).split_once(' ').unwrap();
        let request =
            Request { method: method.as_bytes(), target: target.as_bytes(), facts: Facts::default() };
        let found = table.find(&request).map(|found| {
            found.rules().map(|rule| format!("`{}`", rule.key())).collect::<Vec<_>>().join(" and ")
        });
        assert_eq!(found.unwrap_or_else(|_| "none".to_owned()), row[1], "{}", row[0]);
    }
}

#[test]
fn refused_paths_have_the_reason_that_the_page_says() {
    for row in rows("### Refused paths") {
        let refusal =
            RequestPath::parse(code(&row[0]).as_bytes(), RepeatedSlashes::Refuse).expect_err(&row[0]);
        assert_eq!(refusal.to_string(), row[1]);
    }
}

//! Results as build servers read them: the XML that JUnit's task for Ant writes, as far as all of them agree on it.

use super::{Ran, RanFile};

pub(super) fn document(files: &[RanFile]) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for RanFile { file, ran } in files {
        let failed = ran.iter().filter(|ran| ran.failure.is_some()).count();
        let (file, count) = (escaped(file), ran.len());
        text.push_str(&format!("  <testsuite name=\"{file}\" tests=\"{count}\" failures=\"{failed}\">\n"));
        ran.iter().for_each(|ran| text.push_str(&case(&file, ran)));
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn case(file: &str, ran: &Ran) -> String {
    let (name, line) = (escaped(&ran.name), ran.line);
    let head = format!("    <testcase classname=\"{file}\" name=\"{name}\" file=\"{file}\" line=\"{line}\"");
    match &ran.failure {
        None => format!("{head}/>\n"),
        Some(failure) => {
            format!("{head}>\n      <failure message=\"{}\"/>\n    </testcase>\n", escaped(failure))
        }
    }
}

/// For the value of an attribute. Controls have no place in XML 1.0 (§2.2), escaped or not.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other if other.is_control() || matches!(other, '\u{fffe}' | '\u{ffff}') => {
                escaped.push('\u{fffd}')
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_failures_cannot_leave_their_attributes() {
        let ran = vec![
            Ran { name: "plain".to_owned(), line: 2, failure: None },
            Ran { name: "<\"&'>\u{1b}".to_owned(), line: 9, failure: Some("a < b".to_owned()) },
        ];
        insta::assert_snapshot!(document(&[RanFile { file: "a&b.yaml".to_owned(), ran }]));
    }
}

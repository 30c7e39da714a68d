//! Which metrics and labels a PromQL expression names. Just enough of its grammar for that; promtool knows the rest.

use std::collections::BTreeSet;

/// Words of PromQL that stand where a metric could.
const KEYWORDS: [&str; 9] =
    ["and", "or", "unless", "bool", "offset", "group_left", "group_right", "inf", "nan"];
/// Words that are followed by a list of labels.
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// The metrics of `expression`, each with the labels that are asked of it in braces.
pub(super) fn metrics(expression: &str) -> Vec<(String, BTreeSet<String>)> {
    let tokens = tokens(expression);
    let mut found = Vec::new();
    let mut rest = tokens.as_slice();
    while let Some((token, after)) = rest.split_first() {
        rest = after;
        let next = after.first().map(String::as_str);
        if BEFORE_LABELS.contains(&token.as_str()) && next == Some("(") {
            rest = beyond(after, ")");
        } else if matches!(next, Some("(" | "by" | "without"))
            || KEYWORDS.contains(&token.as_str())
            || !is_name(token)
        {
            // A function, or no name at all.
        } else if next == Some("{") {
            let matchers = after.iter().take_while(|token| *token != "}");
            let labels = matchers.clone().zip(matchers.skip(1));
            let named = labels.filter(|(_, operator)| matches!(operator.as_str(), "=" | "!=" | "=~" | "!~"));
            found.push((token.clone(), named.map(|(label, _)| label.clone()).collect()));
            rest = beyond(after, "}");
        } else {
            found.push((token.clone(), BTreeSet::new()));
        }
    }
    found
}

fn beyond<'tokens>(tokens: &'tokens [String], end: &str) -> &'tokens [String] {
    tokens
        .iter()
        .position(|token| token == end)
        .and_then(|last| tokens.split_at(last).1.get(1..))
        .unwrap_or_default()
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

/// Names, numbers with their units, operators and brackets. What stands in quotes becomes `""`, durations in `[]` are left out.
fn tokens(expression: &str) -> Vec<String> {
    let is_word = |symbol: char| symbol.is_ascii_alphanumeric() || "_:.".contains(symbol);
    let is_operator = |symbol: char| "=!~<>".contains(symbol);
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let after_first = rest.strip_prefix(first).unwrap_or_default();
        rest = match first {
            '"' => {
                tokens.push("\"\"".to_owned());
                after_first.split_once('"').map_or("", |(_, after)| after)
            }
            '[' => after_first.split_once(']').map_or("", |(_, after)| after),
            _ => {
                let after = if is_word(first) {
                    after_first.trim_start_matches(is_word)
                } else if is_operator(first) {
                    after_first.trim_start_matches(is_operator)
                } else {
                    after_first
                };
                tokens.push(rest.strip_suffix(after).unwrap_or_default().to_owned());
                after
            }
        };
        rest = rest.trim_start();
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_told_from_functions_labels_and_durations() {
        for (expression, expected) in [
            ("up", vec![("up", vec![])]),
            (
                "sum by (le, route) (rate(a_bucket{route=\"/x{y}\", le!~\"(b)\"}[5m])) > 1e3",
                vec![("a_bucket", vec!["le", "route"])],
            ),
            (
                "a_total / on (job) group_left (version) b_info unless c offset 10m",
                vec![("a_total", vec![]), ("b_info", vec![]), ("c", vec![])],
            ),
            ("absent(x{s=\"a\"}) or absent(y{s=\"b\"})", vec![("x", vec!["s"]), ("y", vec!["s"])]),
            ("time() - t_seconds > 30", vec![("t_seconds", vec![])]),
            ("rate(r[$__rate_interval])", vec![("r", vec![])]),
        ] {
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(name, labels)| (name.to_owned(), labels.into_iter().map(str::to_owned).collect()))
                .collect();
            assert_eq!(metrics(expression), expected, "{expression}");
        }
    }
}

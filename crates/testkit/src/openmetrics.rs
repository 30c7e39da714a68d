//! Reads a page of metrics as strictly as OpenMetrics 1.0 is written, and gives its numbers. Panics on anything else:
//! a page that Prometheus only guesses at is a mistake.

use std::collections::BTreeMap;

/// What a page says.
#[derive(Debug, Default, PartialEq)]
pub struct Page {
    /// Each metric with its type, under the name that queries use.
    pub metrics: BTreeMap<String, String>,
    series: BTreeMap<String, f64>,
}

/// One metric while its lines are read.
#[derive(Default)]
struct Family {
    name: String,
    kind: String,
}

impl Page {
    /// Reads a whole page.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.strip_suffix("# EOF\n").expect("`# EOF` and a line feed are the end");
        let mut page = Self::default();
        let mut family = Family::default();
        for line in lines.lines() {
            match line.strip_prefix("# ") {
                Some(about) => family = page.about(about, family),
                None => page.sample(line, &family),
            }
        }
        page.check_histograms();
        page
    }

    /// The value of one series, written as on the page: `name` or `name{a="b",c="d"}`. 0 if there is none.
    #[must_use]
    pub fn value(&self, series: &str) -> f64 {
        self.series.get(series).copied().unwrap_or(0.0)
    }

    /// The series whose text starts so.
    pub fn starting_with<'this>(&'this self, start: &'this str) -> impl Iterator<Item = (&'this str, f64)> {
        self.series
            .iter()
            .filter(move |(series, _)| series.starts_with(start))
            .map(|(series, value)| (series.as_str(), *value))
    }

    /// The sum of those.
    #[must_use]
    pub fn sum(&self, start: &str) -> f64 {
        self.starting_with(start).map(|(_, value)| value).sum()
    }

    /// A line of HELP, TYPE or UNIT, in this order, before the samples.
    fn about(&mut self, about: &str, family: Family) -> Family {
        let [keyword, name, rest] = about.splitn(3, ' ').collect::<Vec<_>>().try_into().expect("three words");
        assert!(is_name(name), "{name}");
        match keyword {
            "HELP" => {
                assert!(rest.ends_with('.') && !rest.contains(['"', '\\']), "{about}");
                Family { name: name.to_owned(), kind: String::new() }
            }
            "TYPE" => {
                assert!(name == family.name && family.kind.is_empty(), "{about}");
                let suffix = match rest {
                    "counter" => "_total",
                    "info" => "_info",
                    "gauge" | "histogram" => "",
                    other => panic!("no type of ours: {other}"),
                };
                assert!(!name.ends_with("_total") && !name.ends_with("_info"), "{about}");
                let before = self.metrics.insert(format!("{name}{suffix}"), rest.to_owned());
                assert_eq!(before, None, "{name} is there twice");
                Family { kind: rest.to_owned(), ..family }
            }
            "UNIT" => {
                assert!(name == family.name && name.ends_with(&format!("_{rest}")), "{about}");
                family
            }
            other => panic!("no keyword: {other}"),
        }
    }

    fn sample(&mut self, line: &str, family: &Family) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = series.split_once('{').map_or((series, None), |(name, rest)| (name, Some(rest)));
        let suffix = name.strip_prefix(&family.name).unwrap_or_else(|| panic!("{line} is of another metric"));
        let suffixes: &[&str] = match family.kind.as_str() {
            "counter" => &["_total"],
            "info" => &["_info"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_count", "_sum"],
            _ => panic!("{line} has no TYPE"),
        };
        assert!(suffixes.contains(&suffix), "{line}");
        if let Some(labels) = labels {
            check_labels(labels.strip_suffix('}').expect("a closing brace"));
        }
        let value: f64 = value.parse().unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value.is_finite() && (family.kind == "gauge" || value >= 0.0), "{line}");
        assert_eq!(self.series.insert(series.to_owned(), value), None, "{series} is there twice");
    }

    /// Buckets count upwards, and the last one holds everything.
    fn check_histograms(&self) {
        for (series, count) in self.series.iter().filter(|(series, _)| series.contains("_count")) {
            let (name, labels) = series.split_once("_count").expect("as filtered");
            let labels = labels.trim_matches(['{', '}']);
            let start = format!("{name}_bucket{{");
            let mut buckets: Vec<(f64, f64)> = self
                .starting_with(&start)
                .filter(|(bucket, _)| bucket.contains(labels))
                .map(|(bucket, value)| {
                    let end = bucket.split("le=\"").nth(1).and_then(|rest| rest.split('"').next());
                    let end = end.expect("a bucket has an end");
                    (if end == "+Inf" { f64::INFINITY } else { end.parse().expect("a number") }, value)
                })
                .collect();
            buckets.sort_by(|left, right| left.0.total_cmp(&right.0));
            assert!(buckets.is_sorted_by_key(|bucket| bucket.1), "{series}");
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{series}");
        }
    }
}

/// The metrics and types in the Markdown tables under these headings: the first two columns of each row.
#[must_use]
pub fn listed(markdown: &str, headings: &[&str]) -> BTreeMap<String, String> {
    let sections =
        markdown.split("\n## ").filter(|section| headings.contains(&section.lines().next().unwrap()));
    sections
        .flat_map(str::lines)
        .filter_map(|row| {
            let (name, rest) = row.strip_prefix("| `")?.split_once("` | ")?;
            Some((name.to_owned(), rest.split_once(" |")?.0.to_owned()))
        })
        .collect()
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// `name="value"`, separated by commas; in values `\`, `"` and line feeds are escaped.
fn check_labels(text: &str) {
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {text}"));
        assert!(is_name(name), "{text}");
        let mut escaped = false;
        let end = after.find(|character| {
            let ends = character == '"' && !escaped;
            assert!(!escaped || matches!(character, '\\' | '"' | 'n'), "{text}");
            escaped = character == '\\' && !escaped;
            ends
        });
        match after[end.expect("a closing quote") + 1..].strip_prefix(',') {
            Some(next) => rest = next,
            None => {
                assert!(after.ends_with('"') && end == Some(after.len() - 1), "{text}");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# HELP a_b Things.\n# TYPE a_b counter\na_b_total{x=\"1, \\\"2\\\"\",y=\"\"} 3\n\
                        # HELP t_seconds Time.\n# TYPE t_seconds histogram\n# UNIT t_seconds seconds\n\
                        t_seconds_sum 1.5\nt_seconds_count 2\n\
                        t_seconds_bucket{le=\"1.0\"} 1\nt_seconds_bucket{le=\"+Inf\"} 2\n# EOF\n";

    #[test]
    fn a_good_page_is_read() {
        let page = Page::parse(GOOD);
        assert_eq!(page.metrics.keys().collect::<Vec<_>>(), ["a_b_total", "t_seconds"]);
        assert_eq!(page.sum("a_b_total"), 3.0);
        assert_eq!((page.value("t_seconds_sum"), page.value("t_seconds_nothing")), (1.5, 0.0));
    }

    #[test]
    fn bad_pages_are_not() {
        for (from, to) in [
            ("# EOF\n", ""),
            ("# EOF\n", "# EOF\nx 1\n"),
            ("a_b_total{", "a_b{"),
            ("a_b_total{", "a_c_total{"),
            ("# TYPE a_b counter\n", ""),
            ("counter", "counters"),
            ("x=\"1", "X=\"1"),
            ("\\\"2", "\"2"),
            ("\\\"2", "\\d2"),
            ("y=\"\"}", "y=\"\"x}"),
            ("} 3", "} -3"),
            ("} 3", "} NaN"),
            ("} 3", "} 3\na_b_total{x=\"1, \\\"2\\\"\",y=\"\"} 4"),
            ("# UNIT t_seconds seconds", "# UNIT t_seconds bytes"),
            ("{le=\"1.0\"} 1", "{le=\"1.0\"} 3"),
            ("{le=\"+Inf\"} 2", "{le=\"+Inf\"} 1"),
        ] {
            let bad = GOOD.replacen(from, to, 1);
            assert_ne!(bad, GOOD, "{from}");
            assert!(std::panic::catch_unwind(|| Page::parse(&bad)).is_err(), "{from} → {to}");
        }
    }
}

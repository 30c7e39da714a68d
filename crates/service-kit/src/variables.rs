//! Configuration from environment variables (upstream contract §2 and §5; architecture decision 1). Names are
//! upstream's, without prefix. An empty value is an unset one. `NAME_FILE` reads NAME from a file. Every mistake is
//! found before any is reported, with the variable's full name and never its value.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::files;

/// One variable a service understands: a row of `docs/configuration.md`.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Name of the field; the variable is the same in capitals.
    pub field: &'static str,
    /// The value taken when it is unset, if there is one.
    pub default: Option<&'static str>,
    /// What it is, in the words of the field's doc comment.
    pub meaning: &'static str,
}

impl Variable {
    /// The variable's name.
    #[must_use]
    pub fn name(&self) -> String {
        self.field.to_uppercase()
    }

    /// The table of `--print-config` and of `docs/configuration.md`, in Markdown.
    #[must_use]
    pub fn markdown(table: &[Self]) -> String {
        let rows = table.iter().map(|variable| {
            let default = variable.default.filter(|text| !text.is_empty());
            let default = default.map_or_else(|| "–".to_owned(), |text| format!("`{text}`"));
            format!("| `{}` | {default} | {} |\n", variable.name(), variable.meaning.trim())
        });
        "| variable | default | meaning |\n| --- | --- | --- |\n"
            .chars()
            .chain(rows.collect::<String>().chars())
            .collect()
    }
}

/// The variables of the process, or a test's own.
#[derive(Clone, Default)]
pub struct Vars(BTreeMap<String, String>);

impl Vars {
    /// The process environment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_env() -> Self {
        Self::from_pairs(std::env::vars_os().filter_map(|(name, value)| {
            // A value that is no UTF-8 becomes one that no parser accepts, so that it is reported and not ignored.
            let value = value.into_string().unwrap_or_else(|_| "\u{fffd}".to_owned());
            Some((name.into_string().ok()?, value))
        }))
    }

    /// Chosen pairs; pairs with an empty value are dropped.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(pairs.filter(|(_, value): &(String, String)| !value.trim().is_empty()).collect())
    }

    /// The text of `NAME`, or the content of the file that `NAME_FILE` names, without the newline at its end.
    ///
    /// # Errors
    /// A sentence if both are set or the file cannot be read.
    pub fn text(&self, name: &str) -> Result<Option<Zeroizing<String>>, String> {
        let file_variable = format!("{name}_FILE");
        match (self.0.get(name), self.0.get(&file_variable)) {
            (Some(_), Some(_)) => Err(format!("set either {name} or {file_variable}, not both")),
            (Some(value), None) => Ok(Some(Zeroizing::new(value.clone()))),
            (None, Some(path)) => read_text(Path::new(path))
                .map(Some)
                .map_err(|error| format!("the file named by {file_variable} cannot be read: {error}")),
            (None, None) => Ok(None),
        }
    }

    /// Reads one variable. A mistake is noted in `problems` and gives `None`.
    pub fn read<T: DeserializeOwned>(&self, variable: &Variable, problems: &mut Problems) -> Option<T> {
        let parsed = self.text(&variable.name()).and_then(|text| {
            let text = text.or_else(|| variable.default.map(|text| Zeroizing::new(text.to_owned())));
            parse(text.as_deref().map(String::as_str))
        });
        parsed.map_err(|what| problems.add(variable, &what)).ok()
    }
}

fn read_text(path: &Path) -> std::io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(files::read_to_string(path, files::SMALL)?);
    let length = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(length);
    Ok(text)
}

/// envy turns one text into one typed value. It is asked for each variable apart because it stops at the first
/// mistake of a set, and it repeats the value in its message, which may be a secret: only what comes before that
/// is kept.
fn parse<T: DeserializeOwned>(text: Option<&str>) -> Result<T, String> {
    #[derive(Deserialize)]
    struct One<T> {
        value: T,
    }
    let pairs = text.map(|text| ("VALUE".to_owned(), text.trim().to_owned()));
    envy::from_iter::<_, One<T>>(pairs).map(|one| one.value).map_err(|error| match error {
        envy::Error::MissingValue(_) => "is required".to_owned(),
        envy::Error::Custom(text) => {
            let reason = text.split(" while parsing value").next().unwrap_or_default();
            in_plain_words(reason)
        }
    })
}

/// What the parsers of the standard library and serde say, for a person who wrote a variable.
fn in_plain_words(reason: &str) -> String {
    match reason {
        "invalid digit found in string" => "must be a whole number".to_owned(),
        "number too large to fit in target type" => "is too large".to_owned(),
        "number too small to fit in target type" => "is too small".to_owned(),
        "provided string was not `true` or `false`" => "must be true or false".to_owned(),
        _ if reason.starts_with("unknown variant") => allowed_variants(reason),
        _ => reason.to_owned(),
    }
}

/// serde says "unknown variant `x`, expected `a` or `b`": the value goes, the choice stays.
fn allowed_variants(reason: &str) -> String {
    reason.rsplit_once(", expected ").map_or_else(
        || "is not one of its values".to_owned(),
        |(_, choice)| format!("must be {}", choice.replace('`', "").replace("one of ", "one of: ")),
    )
}

/// Everything that is wrong with the variables.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<(String, String)>);

impl Problems {
    /// Notes that `variable` is wrong: `what` says how, without its value.
    pub fn add(&mut self, variable: &Variable, what: &str) {
        let default = variable.default.filter(|text| !text.is_empty());
        let default = default.map(|text| format!(" Default: {text}.")).unwrap_or_default();
        self.0.push((variable.name(), format!("{what}\n{}{default}", variable.meaning.trim())));
    }

    /// Notes a problem that concerns the variable called `name`, or several.
    pub fn note(&mut self, name: &str, what: impl Into<String>) {
        self.0.push((name.to_owned(), what.into()));
    }

    /// `value` if there is no problem.
    ///
    /// # Errors
    /// The problems, if there is one or the value is missing.
    pub fn or<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        writeln!(
            formatter,
            "{count} {} attention:",
            if count == 1 { "variable needs" } else { "variables need" }
        )?;
        for (name, what) in &self.0 {
            writeln!(formatter, "\n  {name}")?;
            for line in what.lines() {
                writeln!(formatter, "      {line}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Vars {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// A text that must not be shown. It leaves memory when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// A list separated by commas; blanks around an element do not count, empty elements are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommaList(pub Vec<String>);

impl<'de> Deserialize<'de> for CommaList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let elements = text.split(',').map(str::trim).filter(|element| !element.is_empty());
        Ok(Self(elements.map(str::to_owned).collect()))
    }
}

/// `SERVICE_PREFIX`: empty, or `/one` or `/one/two`. What stands before the paths of a service, but not before those of
/// [`status`](crate::status).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct ServicePrefix(pub String);

impl TryFrom<String> for ServicePrefix {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let legal = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain);
        let prefix = text.trim_end_matches('/');
        let mut segments = prefix.split('/');
        let begins_with_slash = segments.next() == Some("") && text.starts_with('/');
        // `/-` is where the status routes live.
        let is_free = segments.clone().next() != Some("-");
        if begins_with_slash && is_free && segments.all(legal) {
            Ok(Self(prefix.to_owned()))
        } else {
            Err("must be a path such as /auth, of letters, digits and -._~, and not below /-")
        }
    }
}

/// A number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct Count<const MIN: u32, const MAX: u32>(pub u32);

impl<const MIN: u32, const MAX: u32> TryFrom<u32> for Count<MIN, MAX> {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        if (MIN..=MAX).contains(&number) {
            Ok(Self(number))
        } else {
            Err(format!("must be a number from {MIN} to {MAX}"))
        }
    }
}

/// Declares the variables of a service: a struct whose fields are the names in lower case, whose doc comments are
/// the documentation, and whose defaults are written as in the environment.
///
/// `Option<T>` may be missing, `T` with a default is taken from there, `T` without one is required.
#[macro_export]
macro_rules! variables {
    ($(#[$meta:meta])* pub struct $name:ident {
        $( $(#[doc = $doc:literal])+ $field:ident: $type:ty $(= $default:literal)?, )+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        pub struct $name { $( $(#[doc = $doc])+ pub $field: $type, )+ }

        impl $name {
            /// Every variable, in the order of the documentation.
            pub const TABLE: &'static [$crate::Variable] = &[ $( $crate::Variable {
                field: stringify!($field),
                default: $crate::variables!(@default $($default)?),
                meaning: concat!($($doc),+),
            } ),+ ];

            /// Reads every variable; mistakes are noted in `problems`.
            pub fn read(vars: &$crate::Vars, problems: &mut $crate::Problems) -> Option<Self> {
                let mut table = Self::TABLE.iter();
                $( let $field = table.next().and_then(|variable| vars.read::<$type>(variable, problems)); )+
                Some(Self { $( $field: $field?, )+ })
            }
        }
    };
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
}

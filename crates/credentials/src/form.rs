//! Reading `application/x-www-form-urlencoded` strictly (RFC 6749 appendix B): one reading or none. Lenient parsers
//! disagree about bad escapes, repeated names and invalid UTF-8, and such differences are attacks.

use std::fmt;

use zeroize::Zeroizing;

/// More parameters than any grant has (T-FRM-07).
const MAX_PARAMETERS: usize = 64;

/// Parameters that may be given more than once (RFC 8693 §2.1, RFC 8707 §2).
const REPEATABLE: [&str; 2] = ["audience", "resource"];

/// Why a text is no form that we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormDefect {
    #[error("there are more than {MAX_PARAMETERS} parameters")]
    TooManyParameters,
    #[error("a percent-escape is broken or a parameter is not UTF-8")]
    Encoding,
    #[error("a parameter is repeated")]
    Repeated,
}

/// The parameters of a form, in the order they were given. One of them may be a secret.
pub struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    /// Reads a body, or a query.
    ///
    /// # Errors
    /// [`FormDefect`], the first that was found.
    pub fn parse(text: &[u8]) -> Result<Self, FormDefect> {
        let pairs = text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        let mut parameters: Vec<(String, Zeroizing<String>)> = Vec::new();
        for pair in pairs {
            if parameters.len() == MAX_PARAMETERS {
                return Err(FormDefect::TooManyParameters);
            }
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let mut half = || decode(halves.next().unwrap_or_default()).ok_or(FormDefect::Encoding);
            let (name, value) = (half()?, half()?);
            if !REPEATABLE.contains(&name.as_str()) && parameters.iter().any(|(known, _)| *known == name) {
                return Err(FormDefect::Repeated);
            }
            parameters.push((name, Zeroizing::new(value)));
        }
        Ok(Self(parameters))
    }

    /// The parameter of this name; one without a value is absent (RFC 6749 §3.2, C-6749-10).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a parameter that may be repeated.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// Whether a parameter of this name is there, be it empty.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// The names of all parameters, be they empty.
    pub fn each_name(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// Decodes `+` and percent-escapes, once. `None` if an escape is broken or the result is not UTF-8.
#[must_use]
pub fn decode(text: &[u8]) -> Option<String> {
    percent_decoded(text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }))
}

/// Decodes the percent-escapes of a path segment, once; a `+` stays one. `None` as for [`decode`].
#[must_use]
pub fn decode_path_segment(text: &str) -> Option<String> {
    percent_decoded(text.bytes())
}

fn percent_decoded(mut bytes: impl Iterator<Item = u8>) -> Option<String> {
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => (hex_digit(bytes.next()?)? << 4) | hex_digit(bytes.next()?)?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

impl fmt::Debug for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Form(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defect(text: &str) -> Option<FormDefect> {
        Form::parse(text.as_bytes()).err()
    }

    #[test]
    fn t_bas_01_escapes_are_decoded_exactly_once() {
        for (text, decoded) in [
            ("a", "a"),
            ("%41", "A"),
            ("+", " "),
            ("%2B", "+"),
            ("%2541", "%41"),
            ("%3A%3a", "::"),
            ("%c3%A9", "é"),
        ] {
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(decoded), "{text}");
        }
        assert_eq!(decode_path_segment("a+b%2Fc").as_deref(), Some("a+b/c"));
    }

    #[test]
    fn t_bas_02_broken_escapes_and_foreign_bytes_are_refused() {
        for text in [&b"%"[..], b"%4", b"%z1", b"%1z", b"%+1", b"%c0%af", b"%ff", b"\xff", b"%ed%a0%80"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
        assert_eq!(defect("a=%zz"), Some(FormDefect::Encoding));
        assert_eq!(defect("%zz=a"), Some(FormDefect::Encoding));
    }

    #[test]
    fn debug_output_is_no_credential() {
        assert_eq!(format!("{:?}", Form::parse(b"client_secret=s").unwrap()), "Form(..)");
    }

    #[test]
    fn c_6749_10_an_empty_parameter_is_an_absent_one() {
        let form = Form::parse(b"scope=&a&grant_type=x").unwrap();
        assert_eq!((form.get("scope"), form.get("a"), form.get("grant_type")), (None, None, Some("x")));
        assert!(form.names("scope") && form.names("a") && !form.names("b"));
    }

    #[test]
    fn t_frm_01_repeated_parameters_are_refused_and_names_are_case_sensitive() {
        for text in ["a=1&a=1", "a=1&a=2", "a=1&%61=2", "a=&a=1", "grant_type=x&b=1&grant_type=x"] {
            assert_eq!(defect(text), Some(FormDefect::Repeated), "{text}");
        }
        assert_eq!(Form::parse(b"Grant_Type=x").unwrap().get("grant_type"), None);
        let audiences = Form::parse(b"audience=a&audience=b&audience=").unwrap();
        assert_eq!(audiences.all("audience").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn t_frm_03_brackets_are_part_of_a_name() {
        let form = Form::parse(b"client_id[$ne]=x&client_id[]=a&scope[0]=a").unwrap();
        assert_eq!((form.get("client_id"), form.get("scope")), (None, None));
    }

    #[test]
    fn t_frm_07_no_more_than_64_parameters_are_read() {
        let body =
            |count: usize| (0..count).map(|number| format!("p{number}=b")).collect::<Vec<_>>().join("&");
        assert_eq!(defect(&body(64)), None);
        assert_eq!(defect(&body(65)), Some(FormDefect::TooManyParameters));
        assert_eq!(defect(&"a=b&".repeat(10_000)), Some(FormDefect::Repeated));
    }
}

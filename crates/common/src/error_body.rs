//! The one shape of every error answer.

use serde::{Deserialize, Serialize};

/// Body of an error answer: the members of RFC 6749 §5.2 for OAuth libraries, `message` and `statusCode` for
/// clients of the platform. Both texts are the same public sentence; internal detail goes to the log only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// A code of the RFC that governs the endpoint, for instance `invalid_client`.
    pub error: String,
    /// What happened and what to do, in printable ASCII without `"` and `\` (RFC 6749 §5.2).
    pub error_description: String,
    pub message: String,
    #[serde(rename = "statusCode")]
    pub status_code: u16,
}

impl ErrorBody {
    /// An error body whose `message` repeats the description. Bytes that RFC 6749 §5.2 forbids become `'` or `?`.
    #[must_use]
    pub fn new(status_code: u16, error: &str, description: &str) -> Self {
        let description: String = description.chars().map(printable).collect();
        Self {
            error: error.to_owned(),
            message: description.clone(),
            error_description: description,
            status_code,
        }
    }
}

fn printable(character: char) -> char {
    match character {
        '"' => '\'',
        '\\' => '/',
        ' '..='~' => character,
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorBody;

    #[test]
    fn description_holds_only_bytes_that_rfc_6749_5_2_allows() {
        let body = ErrorBody::new(400, "invalid_request", "a \"b\"\r\n\\ è");
        assert_eq!(body.error_description, "a 'b'??/ ?");
        assert_eq!(body.message, body.error_description);
    }
}

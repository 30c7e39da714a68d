//! Requests that cannot be read, whatever they ask for.

use credentials::form::FormDefect;
use service_kit::body::BodyError;

use super::answer::{Answer, bad_request, new};

pub(super) const NOT_AN_OBJECT: &str = "the body must be one JSON object in UTF-8, with distinct member names, numbers \
                                        within the range of a double, and at most 128 levels";

pub(super) fn body(defect: BodyError) -> Answer {
    match defect {
        BodyError::TooLarge(bytes) => {
            let sentence = format!("the body is larger than {} KiB: send less", bytes / 1024);
            new(413, "invalid_request", sentence, "body_too_large")
        }
        BodyError::TooSlow => new(
            408,
            "invalid_request",
            "the body did not arrive within 10 seconds: send it faster",
            "body_too_slow",
        ),
        BodyError::Broken => {
            new(400, "invalid_request", "the body did not arrive to its end: send it again", "body_broken")
        }
        BodyError::NoRoom => new(
            503,
            "temporarily_unavailable",
            "too many large requests are on their way: send it again a little later",
            "body_no_room",
        ),
        BodyError::Encoded => new(
            415,
            "invalid_request",
            "compressed bodies are not accepted: send it without Content-Encoding",
            "body_encoded",
        ),
    }
}

pub(super) fn form(defect: FormDefect) -> Answer {
    match defect {
        FormDefect::TooManyParameters => bad_request(
            "there are more than 64 parameters: send those that are needed",
            "too_many_parameters",
        ),
        FormDefect::Encoding => {
            bad_request("a parameter is not form-encoded UTF-8: check its percent-escapes", "form_encoding")
        }
        FormDefect::Repeated => {
            bad_request("a parameter is repeated: send each one once", "parameter_repeated")
        }
    }
}

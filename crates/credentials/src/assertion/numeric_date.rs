//! Reading `exp`, `nbf` and `iat` (RFC 7519 §2, NumericDate).

use common::Profile;
use serde_json::Value;

/// Seconds since the Unix epoch: a number from zero, its fraction cut off. In the drop-in profile also a string of 1 to
/// 12 digits, which old clients send (K-03). `None` for everything else.
pub(super) fn numeric_date(value: &Value, profile: Profile) -> Option<i64> {
    match value {
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(seconds), _) => Some(i64::try_from(seconds).unwrap_or(i64::MAX)),
            // A float too large for i64 becomes i64::MAX: a time that no rule accepts.
            (None, Some(seconds)) if seconds >= 0.0 => Some(seconds as i64),
            _ => None,
        },
        Value::String(digits) if profile == Profile::DropIn => {
            let legal = (1..=12).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            if legal { digits.parse().ok() } else { None }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use common::Profile;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::numeric_date;

    #[test]
    fn t_clm_05_numbers_from_zero_are_seconds() {
        for (value, seconds) in [
            (json!(0), 0),
            (json!(1_700_000_000), 1_700_000_000),
            (json!(1.5e9), 1_500_000_000),
            (json!(1.999), 1),
            (json!(u64::MAX), i64::MAX),
            (json!(1e300), i64::MAX),
        ] {
            for profile in [Profile::Standard, Profile::DropIn] {
                assert_eq!(numeric_date(&value, profile), Some(seconds), "{value}");
            }
        }
    }

    #[test]
    fn t_clm_05_everything_else_is_refused() {
        for value in [json!(true), json!(null), json!([1]), json!({}), json!(-1), json!(-0.5), json!("")] {
            for profile in [Profile::Standard, Profile::DropIn] {
                assert_eq!(numeric_date(&value, profile), None, "{value}");
            }
        }
        for text in ["1700000000 ", "+1", "-1", "1e9", "1.0", "0x10", "1234567890123", "１７", "never"] {
            assert_eq!(numeric_date(&json!(text), Profile::DropIn), None, "{text}");
        }
    }

    proptest! {
        /// K-03: a string means what the number means in drop-in, and nothing in standard (CVE-2026-25537).
        #[test]
        fn k_03_digits_and_numbers_mean_the_same(seconds in 0_i64..=999_999_999_999) {
            let text = Value::String(seconds.to_string());
            prop_assert_eq!(numeric_date(&text, Profile::DropIn), Some(seconds));
            prop_assert_eq!(numeric_date(&json!(seconds), Profile::DropIn), Some(seconds));
            prop_assert_eq!(numeric_date(&text, Profile::Standard), None);
        }
    }
}

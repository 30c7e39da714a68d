//! ACL expressions: the printed form is the same expression, and what an expression says about itself is true.

use access_rules::{Expression, Facts};
use common::Principal;

pub(crate) fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(expression) = Expression::parse(text) else { return };
    let printed = expression.to_string();
    // Canonical spelling may be longer than what was written, and so too long; it is never another expression.
    if let Ok(again) = Expression::parse(&printed) {
        assert_eq!(again, expression);
        assert_eq!(again.to_string(), printed);
    } else {
        assert!(printed.len() > 8 * 1024, "{printed} is not read again");
    }
    let _ = expression.warnings();
    let everything = everything_in(text);
    for client_type in ["", "CMS"] {
        for is_backoffice in [false, true] {
            let facts = Facts { client_type, is_backoffice };
            let nobody = expression.evaluate(&facts, None);
            let somebody = expression.evaluate(&facts, Some(&everything));
            if !expression.mentions_user_data() {
                assert_eq!(nobody, somebody, "who asks makes no difference");
            }
            if !expression.negates_user_data() && nobody == Ok(true) {
                assert_ne!(somebody, Ok(false), "having more never denies (K-14)");
            }
        }
    }
}

/// Somebody who has every group and permission that the text can name.
fn everything_in(text: &str) -> Principal {
    let words = |separators: &'static [char]| text.split(separators).map(str::to_owned);
    let names: common::NameSet =
        words(&['.', ' ', '(', ')', '&', '|', '!', '=']).chain(words(&['"', '\'', '[', ']'])).collect();
    Principal { id: "u".to_owned(), groups: names.clone(), permissions: names, ..Principal::default() }
}

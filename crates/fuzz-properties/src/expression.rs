//! ACL expressions: the printed form is the same expression, and what an expression says about itself is true.

mod reference;

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
            // The reference reads canonical text: what is too long to be read again is left out.
            if printed.len() <= 8 * 1024 {
                let half = half_of(&everything);
                let some = expression.evaluate(&facts, Some(&half));
                for (value, principal) in [(nobody, None), (somebody, Some(&everything)), (some, Some(&half))]
                {
                    let expected = reference::holds(&printed, &facts, principal);
                    assert_eq!(value.ok(), expected, "{printed} (G-EXP-13)");
                }
            }
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

/// Somebody with some of the names: groups of odd length, permissions of even length.
fn half_of(principal: &Principal) -> Principal {
    let some = |names: &common::NameSet, odd: usize| -> common::NameSet {
        names.iter().filter(|name| name.len() % 2 == odd).map(|name| name.to_owned()).collect()
    };
    Principal {
        groups: some(&principal.groups, 1),
        permissions: some(&principal.permissions, 0),
        ..principal.clone()
    }
}

//! What must hold for every input a stranger can send, one property function per parser. `fuzz/` drives them with
//! libFuzzer; the test of this crate replays the kept corpora, so that every finding stays found without a fuzzer.
//! A property says more than "it does not panic": what is accepted, is accepted for a reason that is checked here
//! again in another way. Knows nothing of libFuzzer.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test support: a property that does not hold stops the fuzzer"
)]

mod assertion;
mod expression;
mod form;
mod id_and_secret;
mod identity_headers;
mod jws;
mod public_key;
mod registration;
mod request_path;
mod rules_file;
mod userinfo;

/// A property: panics if it does not hold for this input.
pub type Property = fn(&[u8]);

/// Every property, under the name of its fuzz target and corpus.
pub const ALL: [(&str, Property); 11] = [
    ("assertion", assertion::check),
    ("expression", expression::check),
    ("form", form::check),
    ("id_and_secret", id_and_secret::check),
    ("identity_headers", identity_headers::check),
    ("jws", jws::check),
    ("public_key", public_key::check),
    ("registration", registration::check),
    ("request_path", request_path::check),
    ("rules_file", rules_file::check),
    ("userinfo", userinfo::check),
];

/// The property of this name.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn named(name: &str) -> Property {
    let found = ALL.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no property is called {name}")).1
}

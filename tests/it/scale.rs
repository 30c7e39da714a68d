//! How much: the gate runs each test small. A person who wants the full counts says `GETTONE_TEST_SCALE=full`.

/// Whether the full counts are asked for.
#[expect(clippy::disallowed_methods, reason = "a person asks for the full run with a variable")]
pub(crate) fn is_full() -> bool {
    std::env::var("GETTONE_TEST_SCALE").is_ok_and(|scale| scale == "full")
}

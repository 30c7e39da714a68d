//! The tests are in `it/`; this crate has nothing of its own.

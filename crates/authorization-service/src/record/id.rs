//! The name of a denial: what a refused caller can tell an operator, and what tells nobody else anything.

use std::fmt;

use common::{Random, RandomError};

/// 128 random bits. `Display` prints them as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DecisionId(u128);

impl DecisionId {
    pub(crate) fn new(random: &dyn Random) -> Result<Self, RandomError> {
        let mut bytes = [0; 16];
        random.fill(&mut bytes)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }

    /// What [`fmt::Display`] prints, and nothing else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let well_formed = text.len() == 32 && text.bytes().all(is_digit);
        u128::from_str_radix(text, 16).ok().filter(|_| well_formed).map(Self)
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_and_nothing_else() {
        let printed = "00f0e0d0c0b0a0908070605040302010";
        assert_eq!(DecisionId::parse(printed).unwrap().to_string(), printed);
        for text in [
            "",
            "0",
            &printed[1..],
            &printed.to_uppercase(),
            &format!("{printed}0"),
            "+0f0e0d0c0b0a0908070605040302010",
        ] {
            assert_eq!(DecisionId::parse(text), None, "{text}");
        }
    }
}

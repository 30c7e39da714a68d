//! Reading a client's id and secret, in either of the two ways they are sent (RFC 6749 §2.3.1): one reading or none.
//! Whether there is such a client, and whether the secret is its own, is not known here.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::form;

/// Nobody's id or secret is longer, in bytes; refused before anything is hashed (T-BRU-05).
pub const MAX_LENGTH: usize = 1024;

/// What a client says its id and its secret are: printable ASCII, both (RFC 6749 appendix A.1 and A.2).
pub struct IdAndSecret {
    pub client_id: String,
    pub secret: Zeroizing<String>,
}

impl IdAndSecret {
    /// Reads what follows `Basic` in an `Authorization` header: id and secret, each form-encoded, then joined by a colon
    /// and encoded as base64 (RFC 6749 §2.3.1, RFC 7617). `None` if it is anything else.
    #[must_use]
    pub fn from_basic(base64: &[u8]) -> Option<Self> {
        let text = Zeroizing::new(STANDARD.decode(base64).ok()?);
        let colon = text.iter().position(|byte| *byte == b':')?;
        let (id, secret) = (text.get(..colon)?, text.get(colon..)?.get(1..)?);
        Self::of(form::decode(id)?, form::decode(secret)?)
    }

    /// Takes the parameters `client_id` and `client_secret` of a form, decoded. `None` if one holds what it must not.
    #[must_use]
    pub fn from_form(client_id: &str, secret: &str) -> Option<Self> {
        Self::of(client_id.to_owned(), secret.to_owned())
    }

    fn of(client_id: String, secret: String) -> Option<Self> {
        let secret = Zeroizing::new(secret);
        let legal =
            |text: &str| text.len() <= MAX_LENGTH && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let readable = legal(&client_id) && legal(&secret);
        readable.then_some(Self { client_id, secret })
    }
}

impl fmt::Debug for IdAndSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("IdAndSecret").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_is_no_credential() {
        let credential = IdAndSecret::from_form("c", "s3cret").unwrap();
        assert_eq!(format!("{credential:?}"), "IdAndSecret { client_id: \"c\", .. }");
    }

    #[test]
    fn c_6749_03_what_was_not_form_encoded_is_another_secret_if_decoding_changes_it() {
        let read = |text: &str| {
            IdAndSecret::from_basic(STANDARD.encode(text).as_bytes())
                .map(|read| read.secret.as_str().to_owned())
        };
        assert_eq!(read("c:plain-._*"), Some("plain-._*".to_owned()));
        assert_eq!(read("c:a%41+"), Some("aA ".to_owned()));
        assert_eq!(read("c:100%"), None);
    }

    #[test]
    fn t_bas_03_a_decoded_secret_that_is_not_printable_ascii_is_none() {
        assert_eq!(IdAndSecret::from_basic(b"JTQxOnM=").unwrap().client_id, "A");
        for secret in ["é", "\u{200b}", "ｓ", "\0", "\x7f"] {
            assert!(IdAndSecret::from_form("c", secret).is_none(), "{secret:?}");
            assert!(IdAndSecret::from_form(secret, "s").is_none(), "{secret:?}");
        }
    }
}

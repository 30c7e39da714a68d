//! What a client brings along from the product in which it was registered before: its id and its secrets, so that nothing
//! changes for those who run it. An operator alone may say so; a stranger who could would take over names.

use std::fmt;

use common::Timestamp;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::members::{ClientDefect, get};
use super::{AuthMethod, ClientId};
use crate::id_and_secret::MAX_LENGTH;
use crate::secret::{ImportedHash, Pepper, StoredSecret};

/// The most secrets that are brought along: each costs time when a wrong one is presented.
const MAX_SECRETS: usize = 5;
/// Whoever has a shorter one had better make a new one.
const MIN_SECRET_LENGTH: usize = 8;

/// See the module. Everything may be absent: then the client gets a new id, and a new secret.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct BroughtAlong {
    pub id: Option<ClientId>,
    secrets: Vec<BroughtSecret>,
}

#[derive(Clone, PartialEq, Eq)]
enum BroughtSecret {
    /// `client_secret`: the secret itself.
    Known(Zeroizing<String>),
    /// One of `client_secret_hashes`.
    Hashed(ImportedHash),
}

impl BroughtAlong {
    /// Reads `client_id`, `client_secret` and `client_secret_hashes`. Secrets are for clients with a secret, and in one
    /// of the two forms.
    ///
    /// # Errors
    /// [`ClientDefect`], the first that was found.
    pub fn read(members: &Map<String, Value>, auth_method: AuthMethod) -> Result<Self, ClientDefect> {
        let id = get(members, "client_id").map(client_id).transpose()?;
        let known = get(members, "client_secret");
        let hashed = get(members, "client_secret_hashes");
        let secrets = match (known, hashed) {
            (None, None) => Vec::new(),
            (Some(_), Some(_)) => return Err(ClientDefect::SeveralSecretForms),
            _ if auth_method == AuthMethod::PrivateKeyJwt => return Err(ClientDefect::SecretWithoutUse),
            (Some(secret), None) => vec![BroughtSecret::Known(secret_itself(secret)?)],
            (None, Some(hashes)) => hashes_of(hashes)?,
        };
        Ok(Self { id, secrets })
    }

    /// The secrets as they are stored; empty if there is none.
    #[must_use]
    pub fn stored_secrets(&self, pepper: &Pepper, now: Timestamp) -> Vec<StoredSecret> {
        let stored = |secret: &BroughtSecret| match secret {
            BroughtSecret::Known(secret) => StoredSecret::new(secret, pepper, now),
            BroughtSecret::Hashed(hash) => StoredSecret::imported(hash, now),
        };
        self.secrets.iter().map(stored).collect()
    }
}

fn client_id(value: &Value) -> Result<ClientId, ClientDefect> {
    let id = value.as_str().and_then(|text| ClientId::parse(text).ok());
    id.ok_or(ClientDefect::Invalid {
        member: "client_id",
        expected: "a text of 1 to 64 visible ASCII characters",
    })
}

fn secret_itself(value: &Value) -> Result<Zeroizing<String>, ClientDefect> {
    let legal = |text: &&str| {
        (MIN_SECRET_LENGTH..=MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
    };
    let secret = value.as_str().filter(legal).map(|text| Zeroizing::new(text.to_owned()));
    secret.ok_or(ClientDefect::Invalid {
        member: "client_secret",
        expected: "a text of 8 to 1024 printable ASCII characters",
    })
}

fn hashes_of(value: &Value) -> Result<Vec<BroughtSecret>, ClientDefect> {
    let texts = value.as_array().filter(|hashes| (1..=MAX_SECRETS).contains(&hashes.len()));
    let texts: Option<Vec<&str>> = texts.and_then(|hashes| hashes.iter().map(Value::as_str).collect());
    let texts = texts.ok_or(ClientDefect::Invalid {
        member: "client_secret_hashes",
        expected: "an array of 1 to 5 texts",
    })?;
    let mut hashes: Vec<BroughtSecret> = Vec::new();
    for text in texts {
        let hash = BroughtSecret::Hashed(ImportedHash::parse(text).map_err(ClientDefect::SecretHash)?);
        if !hashes.contains(&hash) {
            hashes.push(hash);
        }
    }
    Ok(hashes)
}

impl fmt::Debug for BroughtAlong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BroughtAlong").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::secret::ImportedHashDefect;

    const HASH: &str = "$2b$04$AbCdEfGhIjKlMnOpQrStUukI9asqphaLG/YhfqddmnNso0dP.3ztS";

    fn read(members: &Value, method: AuthMethod) -> Result<BroughtAlong, ClientDefect> {
        BroughtAlong::read(members.as_object().unwrap(), method)
    }

    fn stored(members: &Value) -> Vec<StoredSecret> {
        let now = Timestamp::from_unix_seconds(1);
        let brought = read(members, AuthMethod::ClientSecretBasic).unwrap();
        brought.stored_secrets(&Pepper::new(vec![7; 32]), now)
    }

    #[test]
    fn id_and_secrets_are_brought_along_or_not() {
        assert_eq!(
            read(&json!({"client_name": "c"}), AuthMethod::PrivateKeyJwt),
            Ok(BroughtAlong::default())
        );
        let members = json!({"client_id": "orders", "client_secret_hashes": [HASH, HASH]});
        let brought = read(&members, AuthMethod::ClientSecretPost).unwrap();
        assert_eq!(brought.id.as_ref().map(ClientId::as_str), Some("orders"));
        assert_eq!(format!("{brought:?}"), "BroughtAlong { id: Some(ClientId(\"orders\")), .. }");
        let hashes = stored(&members);
        assert_eq!(hashes.len(), 1, "the same hash twice is one");
        assert!(hashes[0].guessable && hashes[0].last_four.is_none() && hashes[0].hash.imported().is_some());
    }

    #[test]
    fn t_bru_01_secrets_that_somebody_may_have_thought_up_are_marked() {
        for (secret, guessable) in [
            ("hunter22", true),
            ("correct horse battery", true),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true),
            ("yV9zWwq0AbdMe8Kc4uTnLfRo1sJxHgP2", false),
            ("~Sdv.5Yx2kQ_7pLwN0aZr9TbHc", false),
        ] {
            let secrets = stored(&json!({"client_secret": secret}));
            assert_eq!(secrets[0].guessable, guessable, "{secret}");
            assert!(secrets[0].hash.imported().is_none());
        }
    }

    #[test]
    fn what_cannot_be_brought_along_is_refused() {
        for (members, sentence) in [
            (json!({"client_id": "a b"}), "client_id must be"),
            (json!({"client_id": 1}), "client_id must be"),
            (json!({"client_id": "x".repeat(65)}), "client_id must be"),
            (json!({"client_secret": "1234567"}), "client_secret must be"),
            (json!({"client_secret": "x".repeat(1025)}), "client_secret must be"),
            (json!({"client_secret": "secret\u{0}secret"}), "client_secret must be"),
            (json!({"client_secret": "sécret-sécret"}), "client_secret must be"),
            (json!({"client_secret_hashes": []}), "client_secret_hashes must be"),
            (json!({"client_secret_hashes": HASH}), "client_secret_hashes must be"),
            (json!({"client_secret_hashes": [HASH, 1]}), "client_secret_hashes must be"),
            (json!({"client_secret_hashes": vec![HASH; 6]}), "client_secret_hashes must be"),
            (json!({"client_secret": "12345678", "client_secret_hashes": [HASH]}), "exclude each other"),
        ] {
            let defect = read(&members, AuthMethod::ClientSecretBasic).unwrap_err().to_string();
            assert!(defect.contains(sentence), "{members}: {defect}");
        }
        let hashes = json!({"client_secret_hashes": ["hunter22"]});
        let defect = ClientDefect::SecretHash(ImportedHashDefect::UnknownFunction);
        assert_eq!(read(&hashes, AuthMethod::ClientSecretBasic), Err(defect.clone()));
        assert!(!defect.to_string().contains("hunter22"));
        for members in [json!({"client_secret": "12345678"}), json!({"client_secret_hashes": [HASH]})] {
            assert_eq!(read(&members, AuthMethod::PrivateKeyJwt), Err(ClientDefect::SecretWithoutUse));
        }
    }
}

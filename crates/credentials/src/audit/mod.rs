//! What happened to clients, their credentials and their tokens: who did it, when, from where. An event never holds a
//! secret, and every text in it is cut, so that nobody writes the store full.
//!
//! # Adding an event
//! 1. Give it a word in [`AuditAction`] (and in `docs/http-api.md`, where a test looks for it).
//! 2. In the handler, `audit::around(&request, &deps, happened, change).await?` for what changes something: the event is
//!    stored before the change is made, and settled after it. `audit::note(…)` for what clients do all the time, which is
//!    stored a moment later. Both put the event on the access line of the request too.
//! 3. What the service does by itself, without a request: `deps.audit.note(event)` with [`AuditEvent::by_service`].

mod id;
mod log;

pub use id::{EventId, NotAnEventId};
pub use log::{AuditFilter, AuditLog, AuditPage, Outcome};

use common::Timestamp;
use serde::{Deserialize, Serialize};

use crate::client::ClientId;
use crate::random::{Random, RandomError};

/// The `reason` of an event as long as it is not known whether what it tells of was done: see
/// [`AuditEvent::announced`].
pub const UNFINISHED: &str = "unfinished";

/// The longest text in an event, in bytes.
const MAX_TEXT_LENGTH: usize = 256;

/// What happened. The words are part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AuditAction {
    /// Somebody registered it at `/register`. Subject: the id of the initial access token, if that was needed.
    #[serde(rename = "client.registered")]
    ClientRegistered,
    /// An operator made it.
    #[serde(rename = "client.created")]
    ClientCreated,
    /// Subject: the names of the changed members.
    #[serde(rename = "client.changed")]
    ClientChanged,
    #[serde(rename = "client.deleted")]
    ClientDeleted,
    /// Subject of this and the next: the id of the secret.
    #[serde(rename = "secret.added")]
    SecretAdded,
    #[serde(rename = "secret.retired")]
    SecretRetired,
    /// An imported secret was used, and is kept in our own way now. Subject: its new id.
    #[serde(rename = "secret.upgraded")]
    SecretUpgraded,
    /// Subject of this and the next: the `kid`.
    #[serde(rename = "client_key.added")]
    ClientKeyAdded,
    #[serde(rename = "client_key.retired")]
    ClientKeyRetired,
    /// Subject: the `jti`.
    #[serde(rename = "token.issued")]
    TokenIssued,
    /// The client is the one that was claimed; nothing proves it.
    #[serde(rename = "token.refused")]
    TokenRefused,
    /// Subject: the `jti`, or what stands for all tokens of the client.
    #[serde(rename = "token.revoked")]
    TokenRevoked,
    /// Somebody was sent away from the management listener. Subject: method and route.
    #[serde(rename = "management.refused")]
    ManagementRefused,
    /// More wrong secrets than the budget allows came from one source for the client that was claimed; told once a
    /// minute. Subject: the limit.
    #[serde(rename = "wrong_secrets.limited")]
    WrongSecretsLimited,
    /// Subject of this and the next: the `kid`.
    #[serde(rename = "signing_key.added")]
    SigningKeyAdded,
    #[serde(rename = "signing_key.changed")]
    SigningKeyChanged,
    /// Subject of this and the next: the id of the initial access token. Without one, it is the registration access token
    /// of the client.
    #[serde(rename = "registration_token.added")]
    RegistrationTokenAdded,
    #[serde(rename = "registration_token.retired")]
    RegistrationTokenRetired,
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// Without a credential, or without a good one.
    Anybody,
    /// The bearer of the bootstrap token.
    Bootstrap,
    /// A client that proved who it is.
    Client {
        #[serde(rename = "clientId")]
        id: ClientId,
    },
    /// The service itself.
    Service,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    pub id: EventId,
    pub at: Timestamp,
    pub action: AuditAction,
    pub actor: Actor,
    /// The client that it concerns.
    #[serde(default, rename = "clientId", skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientId>,
    /// Which of the client's things it concerns: see [`AuditAction`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Why it was refused, a word of a fixed list, or [`UNFINISHED`]; none if it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Where the request came from: an address, of IPv6 the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl AuditEvent {
    /// Something that the service did by itself.
    ///
    /// # Errors
    /// [`RandomError`] if the random source failed.
    pub fn by_service(
        action: AuditAction,
        client: Option<&ClientId>,
        subject: Option<&str>,
        at: Timestamp,
        random: &dyn Random,
    ) -> Result<Self, RandomError> {
        Ok(Self {
            id: EventId::generate(at, random)?,
            at,
            action,
            actor: Actor::Service,
            client: client.cloned(),
            subject: subject.map(str::to_owned),
            reason: None,
            request_id: None,
            source: None,
        })
    }

    /// The event as it is stored before what it tells of is done, so that nothing is done that it does not tell of.
    #[must_use]
    pub fn announced(self) -> Self {
        Self { reason: Some(UNFINISHED.to_owned()), ..self }
    }

    /// The event with every text cut to 256 bytes.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let texts = [&mut self.subject, &mut self.reason, &mut self.request_id, &mut self.source];
        for text in texts.into_iter().flatten() {
            text.truncate(text.floor_char_boundary(MAX_TEXT_LENGTH));
        }
        self
    }
}

impl AuditAction {
    /// Every action.
    pub const ALL: [Self; 18] = [
        Self::ClientRegistered,
        Self::ClientCreated,
        Self::ClientChanged,
        Self::ClientDeleted,
        Self::SecretAdded,
        Self::SecretRetired,
        Self::SecretUpgraded,
        Self::ClientKeyAdded,
        Self::ClientKeyRetired,
        Self::TokenIssued,
        Self::TokenRefused,
        Self::TokenRevoked,
        Self::ManagementRefused,
        Self::WrongSecretsLimited,
        Self::SigningKeyAdded,
        Self::SigningKeyChanged,
        Self::RegistrationTokenAdded,
        Self::RegistrationTokenRetired,
    ];

    /// The action's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientRegistered => "client.registered",
            Self::ClientCreated => "client.created",
            Self::ClientChanged => "client.changed",
            Self::ClientDeleted => "client.deleted",
            Self::SecretAdded => "secret.added",
            Self::SecretRetired => "secret.retired",
            Self::SecretUpgraded => "secret.upgraded",
            Self::ClientKeyAdded => "client_key.added",
            Self::ClientKeyRetired => "client_key.retired",
            Self::TokenIssued => "token.issued",
            Self::TokenRefused => "token.refused",
            Self::TokenRevoked => "token.revoked",
            Self::ManagementRefused => "management.refused",
            Self::WrongSecretsLimited => "wrong_secrets.limited",
            Self::SigningKeyAdded => "signing_key.added",
            Self::SigningKeyChanged => "signing_key.changed",
            Self::RegistrationTokenAdded => "registration_token.added",
            Self::RegistrationTokenRetired => "registration_token.retired",
        }
    }

    /// Whether it happens with every token, and so is kept for a shorter time.
    #[must_use]
    pub const fn is_frequent(self) -> bool {
        matches!(
            self,
            Self::TokenIssued | Self::TokenRefused | Self::WrongSecretsLimited | Self::ManagementRefused
        )
    }
}

impl Actor {
    /// The actor without its id: `anybody`, `bootstrap`, `client` or `service`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Anybody => "anybody",
            Self::Bootstrap => "bootstrap",
            Self::Client { .. } => "client",
            Self::Service => "service",
        }
    }

    /// The actor of this [`kind`](Self::kind), with its id if it is a client.
    #[must_use]
    pub fn of_kind(kind: &str, id: Option<ClientId>) -> Option<Self> {
        match (kind, id) {
            ("anybody", None) => Some(Self::Anybody),
            ("bootstrap", None) => Some(Self::Bootstrap),
            ("client", Some(id)) => Some(Self::Client { id }),
            ("service", None) => Some(Self::Service),
            _ => None,
        }
    }

    /// The actor in one word, for the log: the id of a client stands after a colon.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Client { id } => format!("client:{id}"),
            Self::Anybody | Self::Bootstrap | Self::Service => self.kind().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use common::Timestamp;
    use serde_json::json;

    use super::{Actor, AuditAction, AuditEvent, EventId};
    use crate::client::ClientId;
    use crate::random::testing::Counting;

    fn event() -> AuditEvent {
        let at = Timestamp::from_unix_millis(1_795_291_200_123);
        AuditEvent {
            id: EventId::generate(at, &Counting::default()).unwrap(),
            at,
            action: AuditAction::TokenIssued,
            actor: Actor::Client { id: ClientId::parse("a").unwrap() },
            client: Some(ClientId::parse("a").unwrap()),
            subject: None,
            reason: None,
            request_id: None,
            source: None,
        }
    }

    #[test]
    fn as_str_is_the_serialised_name() {
        for action in AuditAction::ALL {
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
        }
    }

    #[test]
    fn an_event_on_the_wire() {
        assert_eq!(
            serde_json::to_value(event()).unwrap(),
            json!({"id": "01a1ffb1-ba7b-7001-8203-040506070809", "at": 1_795_291_200_123_i64,
                "action": "token.issued", "actor": {"kind": "client", "clientId": "a"}, "clientId": "a"})
        );
        let client = event().actor;
        assert_eq!(client.to_text(), "client:a");
        assert_eq!(Actor::of_kind(client.kind(), event().client), Some(client));
        for (kind, id) in [("client", None), ("service", event().client), ("root", None)] {
            assert_eq!(Actor::of_kind(kind, id), None);
        }
        for (actor, kind) in
            [(Actor::Anybody, "anybody"), (Actor::Bootstrap, "bootstrap"), (Actor::Service, "service")]
        {
            assert_eq!(serde_json::to_value(&actor).unwrap(), json!({ "kind": kind }));
            assert_eq!(actor.to_text(), kind);
            assert_eq!(Actor::of_kind(kind, None), Some(actor));
        }
    }

    #[test]
    fn t_log_03_every_text_is_cut() {
        let long = Some("è".repeat(1000));
        let event = AuditEvent {
            subject: long.clone(),
            reason: long.clone(),
            request_id: long.clone(),
            source: long,
            ..event()
        };
        let event = event.bounded();
        for text in [event.subject, event.reason, event.request_id, event.source] {
            assert_eq!(text.unwrap().len(), 256);
        }
    }
}

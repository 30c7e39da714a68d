//! The two ways to speak: like the standards, or like the services we replace.

use serde::{Deserialize, Serialize};

/// `PROFILE`. The profiles differ in statuses, spellings and lifetimes; and in drop-in `POST /clients` answers on the
/// public port too, as upstream's does (K-09). Whatever else is refused in one is refused in the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// The OAuth RFCs, literally.
    #[default]
    Standard,
    /// Mia-Platform's client-credentials and authorization-service, literally.
    DropIn,
}

//! Names of the platform's HTTP headers, lower case as HTTP libraries compare them.

/// Decision of the authorization service: `1` or `0`.
pub const MIA_ALLOWED: &str = "mia-allowed";
/// Id of the principal, empty if there is none.
pub const MIA_USERID: &str = "mia-userid";
/// Groups of the principal, joined with `,`.
pub const MIA_GROUPS: &str = "mia-groups";
/// Chosen members of the userinfo answer, one JSON object, ASCII only.
pub const MIA_USERPROPERTIES: &str = "mia-userproperties";

/// The request as the gateway's client sent it: raw target with query.
pub const ORIGINAL_REQUEST_URI: &str = "original-request-uri";
/// The request as the gateway's client sent it: verb.
pub const ORIGINAL_REQUEST_METHOD: &str = "original-request-method";

/// Correlates the log lines of one request across services.
pub const X_REQUEST_ID: &str = "x-request-id";

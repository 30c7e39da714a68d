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

/// Identity as services behind the gateway receive it; read by the authorization service in trust mode only.
pub const MIAUSERID: &str = "miauserid";
/// See [`MIAUSERID`].
pub const MIAUSERGROUPS: &str = "miausergroups";
/// See [`MIAUSERID`].
pub const MIAUSERPROPERTIES: &str = "miauserproperties";

/// Default name of the header with the type of an API key's owner.
pub const CLIENT_TYPE: &str = "client-type";
/// Default name of the header that marks a backoffice request.
pub const ISBACKOFFICE: &str = "isbackoffice";

/// Correlates the log lines of one request across services.
pub const X_REQUEST_ID: &str = "x-request-id";

//! The gateway files as they ship, read without starting anything (conformance §3.7): what a later edit must not undo. What
//! they do when they run is shown by `gateways` and `differential`.

mod envoy;
mod nginx;

/// Names in which services read who the caller is (K-16), and what the gateway alone may say.
const IDENTITY: [&str; 11] = [
    "miauserid",
    "miausergroups",
    "miauserproperties",
    "client-type",
    "isbackoffice",
    "mia-allowed",
    "mia-userid",
    "mia-groups",
    "mia-userproperties",
    "original-request-uri",
    "original-request-method",
];

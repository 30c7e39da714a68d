//! The rules of the deployment under test, and the handlers that its servers have. Nobody who asks has any right, so whatever
//! is not public must not be reached.

use serde_json::{Value, json};

/// What a server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handler {
    Public,
    Admin,
    Foo,
    FooBar,
    ApiAdmin,
    ApiAny,
    Test,
    TestManagement,
    Shop,
    ShopStaff,
    StaffOpen,
    TenantPage,
    TenantSecret,
}

impl Handler {
    /// The handler at these segments or the nearest above them.
    pub(super) fn of(segments: &[Vec<u8>]) -> Option<Self> {
        let name = |place: usize| segments.get(place).map(Vec::as_slice);
        let has = |place: usize| name(place).is_some_and(|name| !name.is_empty());
        match (name(0)?, name(1)) {
            (b"public", _) => Some(Self::Public),
            (b"admin", _) => Some(Self::Admin),
            (b"foo", _) => Some(Self::Foo),
            (b"foo-bar", _) => Some(Self::FooBar),
            (b"api", Some(b"admin")) => Some(Self::ApiAdmin),
            (b"api", _) if has(1) => Some(Self::ApiAny),
            // Its rule names a verb and not ALL, so it governs this path alone (upstream contract §4.4).
            (b"test", Some(b"management")) if segments.iter().skip(2).all(Vec::is_empty) => {
                Some(Self::TestManagement)
            }
            (b"test", _) => Some(Self::Test),
            (b"shop", Some(b"staff")) => match name(2) {
                Some(b"open" | b"a:b") => Some(Self::StaffOpen),
                _ => Some(Self::ShopStaff),
            },
            (b"shop", Some(b"tenants")) if name(2) == Some(b"public") && has(3) => Some(Self::TenantPage),
            (b"shop", Some(b"tenants")) if has(2) && name(3) == Some(b"secret") => Some(Self::TenantSecret),
            (b"shop", _) => Some(Self::Shop),
            _ => None,
        }
    }

    /// Whether its own rule lets nobody in particular pass.
    pub(super) fn is_public(self, verb: &str) -> bool {
        match self {
            Self::Public | Self::Foo | Self::Test | Self::Shop | Self::StaffOpen | Self::TenantPage => true,
            Self::ApiAny => verb == "GET",
            Self::TestManagement => verb != "DELETE",
            Self::Admin | Self::FooBar | Self::ApiAdmin | Self::ShopStaff | Self::TenantSecret => false,
        }
    }
}

/// `auth.json` of the deployment.
pub(super) fn rules() -> Value {
    let open = json!({"authorization": {"expression": "true", "public": true}});
    let staff = json!({"authorization": {"expression": "groups.admin", "public": false}});
    json!({
        "/public": {"ALL": open},
        "/admin": {"ALL": staff},
        "/foo": {"ALL": open},
        "/foo-bar": {"ALL": staff},
        "/api/:id": {"GET": open},
        "/api/admin": {"ALL": staff},
        "/test": {"ALL": open},
        "/test/management": {"DELETE": staff},
        // Closed doors in an open house, with open ones among them.
        "/shop": {"ALL": open},
        "/shop/staff": {"ALL": staff},
        "/shop/staff/open": {"ALL": open},
        "/shop/staff/a:b": {"ALL": open},
        "/shop/tenants/:id/secret": {"ALL": staff},
        "/shop/tenants/public/:page": {"ALL": open},
    })
}

/// Rules that forgot everything but the site: what the harness must find.
pub(super) fn careless_rules() -> Value {
    json!({"/": {"ALL": {"authorization": {"expression": "true", "public": true}}}})
}

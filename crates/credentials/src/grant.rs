//! What may be issued: from a client that proved who it is and the audiences it asks for, the claims of its access token.
//! Whether the client may get tokens at all is asked before ([`Client::may_obtain_tokens`]).

use common::{AccessTokenClaims, Profile, Timestamp};
use serde_json::{Map, Value};

use crate::client::Client;
use crate::random::{Random, RandomError};

/// The most audiences of one token (T-CC-04).
const MAX_AUDIENCES: usize = 20;

/// The longest claims of a token as JSON, in bytes. With header, signature and base64 the token then stays below
/// [`MAX_LENGTH`](crate::jws::MAX_LENGTH).
const MAX_CLAIMS_LENGTH: usize = 5 * 1024;

/// What is granted to everybody.
#[derive(Debug, Clone)]
pub struct GrantPolicy {
    /// Our issuer. Never an audience.
    pub issuer: String,
    /// Audience of a token whose request names none, in the standard profile (RFC 9068 §3, K-07).
    pub default_audience: Option<String>,
    /// Whether every request must name an audience (`REQUIRED_AUDIENCE_IN_TOKEN_REQUEST`).
    pub audience_required: bool,
    /// Of a client that has no lifetime of its own.
    pub lifetime_seconds: i64,
    /// No token lives longer, whatever the record of its client says.
    pub max_lifetime_seconds: i64,
    pub profile: Profile,
}

/// What a client asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GrantRequest {
    /// Those of the form, then those of the assertion.
    pub audiences: Vec<String>,
    /// The same in the words of RFC 8707: audiences that are URIs.
    pub resources: Vec<String>,
    /// Those of the assertion that the client's record allows.
    pub custom_claims: Map<String, Value>,
    /// Permissions it wants in the token; `None`: all it has.
    pub scope: Option<Vec<String>>,
    /// Up to when all tokens of the client are revoked. Its new token counts as issued after that, whatever our clock says
    /// ([`common::revocation::issued_at`]).
    pub issued_after: Option<Timestamp>,
}

/// Why no token is granted. The texts are public sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrantRefusal {
    /// `invalid_target` (RFC 8707 §2).
    #[error("a requested audience is not granted to this client: ask its operator to add it to the client")]
    InvalidTarget,
    /// `invalid_target` (RFC 8707 §2).
    #[error("resource must be an absolute URI without a fragment: send any other audience as audience")]
    ResourceMalformed,
    /// `invalid_target`.
    #[error("at most {MAX_AUDIENCES} audiences and resources can be requested at once")]
    TooManyAudiences,
    /// `invalid_scope` (RFC 6749 §5.2).
    #[error("scope names something that is no permission of this client: leave it out to get all it has")]
    InvalidScope,
    /// `invalid_request`.
    #[error("an audience is required: add the parameter audience or resource")]
    AudienceRequired,
    /// `invalid_request`.
    #[error(
        "the token would be larger than gateways accept: ask for fewer audiences or shorter custom claims"
    )]
    TooLarge,
    /// An error of ours.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// The claims of the access token that `client` gets for `request`.
///
/// # Errors
/// [`GrantRefusal`], the first that was found.
pub fn access_token_claims(
    client: &Client,
    request: GrantRequest,
    policy: &GrantPolicy,
    now: Timestamp,
    random: &dyn Random,
) -> Result<AccessTokenClaims, GrantRefusal> {
    let issued_at = now.unix_seconds();
    let mut custom = request.custom_claims;
    // What the operator says about a client is stronger than what the client says about itself.
    custom.extend(client.static_claims.clone());
    // Such a claim has no way to come here; if it found one, it would stand twice in the token.
    custom.retain(|name, _| !AccessTokenClaims::RESERVED.contains(&name.as_str()));
    // The service we replace takes no notice of a scope (ADR 10).
    let scope = request.scope.filter(|_| policy.profile == Profile::Standard);
    let claims = AccessTokenClaims {
        exp: issued_at.saturating_add(lifetime_seconds(client, policy)),
        iat: issued_at,
        iss: policy.issuer.clone(),
        sub: client.id.as_str().to_owned(),
        jti: new_jti(random, now, request.issued_after)?,
        permissions: granted_permissions(client, scope.as_deref())?,
        scope: scope.map(|names| names.join(" ")),
        aud: granted_audiences(client, requested_audiences(request.audiences, request.resources)?, policy)?,
        client_id: (policy.profile == Profile::Standard).then(|| client.id.as_str().to_owned()),
        custom,
    };
    let length = serde_json::to_vec(&claims).map_or(usize::MAX, |json| json.len());
    if length > MAX_CLAIMS_LENGTH { Err(GrantRefusal::TooLarge) } else { Ok(claims) }
}

fn lifetime_seconds(client: &Client, policy: &GrantPolicy) -> i64 {
    client.token_lifetime_seconds.map_or(policy.lifetime_seconds, i64::from).min(policy.max_lifetime_seconds)
}

/// Those of the client's permissions that it asked for, all of which it must have; without a scope, all of them.
fn granted_permissions(client: &Client, scope: Option<&[String]>) -> Result<Vec<String>, GrantRefusal> {
    let Some(names) = scope else { return Ok(client.permissions.clone()) };
    if !names.iter().all(|name| client.permissions.contains(name)) {
        return Err(GrantRefusal::InvalidScope);
    }
    Ok(client.permissions.iter().filter(|permission| names.contains(permission)).cloned().collect())
}

/// Audiences and resources together (RFC 8707 §2, RFC 8693 §2.1).
fn requested_audiences(
    mut audiences: Vec<String>,
    resources: Vec<String>,
) -> Result<Vec<String>, GrantRefusal> {
    if resources.iter().all(|resource| is_absolute_uri(resource)) {
        audiences.extend(resources);
        Ok(audiences)
    } else {
        Err(GrantRefusal::ResourceMalformed)
    }
}

/// Whether this is an `absolute-URI` (RFC 3986 §4.3): a scheme, a colon, and characters of a URI but `#`. How the
/// scheme divides the rest does not matter: what is granted equals one of the client's audiences byte for byte.
fn is_absolute_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let in_rest = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte);
    let is_escape = |after: &str| after.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(in_scheme)
        && rest.bytes().all(in_rest)
        && rest.split('%').skip(1).all(is_escape)
}

/// The audiences of the token: those requested, all of which the client must have; else the default.
fn granted_audiences(
    client: &Client,
    requested: Vec<String>,
    policy: &GrantPolicy,
) -> Result<Option<Vec<String>>, GrantRefusal> {
    let mut audiences: Vec<String> = Vec::new();
    for audience in requested {
        if !client.audience.contains(&audience) {
            return Err(GrantRefusal::InvalidTarget);
        }
        if !audiences.contains(&audience) {
            audiences.push(audience);
        }
        if audiences.len() > MAX_AUDIENCES {
            return Err(GrantRefusal::TooManyAudiences);
        }
    }
    if audiences.is_empty() {
        if policy.audience_required {
            return Err(GrantRefusal::AudienceRequired);
        }
        match (&policy.default_audience, policy.profile) {
            (Some(default), Profile::Standard) => audiences.push(default.clone()),
            _ => return Ok(None),
        }
    }
    // A token with our issuer as audience would resemble an assertion (T-CC-04), whatever record or configuration say.
    if audiences.contains(&policy.issuer) { Err(GrantRefusal::InvalidTarget) } else { Ok(Some(audiences)) }
}

/// A UUID of version 7 (RFC 9562 §5.7): 74 random bits, and the millisecond at which the token counts as issued.
fn new_jti(
    random: &dyn Random,
    now: Timestamp,
    issued_after: Option<Timestamp>,
) -> Result<String, RandomError> {
    let mut bytes = [0; 10];
    random.fill(&mut bytes)?;
    let earliest = issued_after.map_or(0, |after| after.unix_millis().saturating_add(1));
    let millis = now.unix_millis().max(earliest).unsigned_abs();
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid().to_string())
}

#[cfg(test)]
mod tests {
    use common::{Profile, Timestamp};
    use serde_json::{Map, Value, json};

    use super::{GrantPolicy, GrantRefusal, GrantRequest, access_token_claims};
    use crate::client::{Client, ClientId, ClientState, NewClient, RegisteredKeys};
    use crate::random::testing::{Broken, Counting};
    use crate::random::{RandomError, SystemRandom};

    const NOW: i64 = 1_700_000_000;
    const ISSUER: &str = "https://auth.example";

    fn client(audience: &[&str]) -> Client {
        let members = json!({"client_name": "c", "permissions": ["read:orders"], "audience": audience});
        NewClient::by_operator(members.as_object().unwrap(), "another issuer").unwrap().into_client(
            ClientId::parse("client-1").unwrap(),
            RegisteredKeys::default(),
            ClientState::Public,
            Timestamp::from_unix_seconds(0),
        )
    }

    fn policy(profile: Profile) -> GrantPolicy {
        GrantPolicy {
            issuer: ISSUER.to_owned(),
            default_audience: Some("default".to_owned()),
            audience_required: false,
            lifetime_seconds: 300,
            max_lifetime_seconds: 600,
            profile,
        }
    }

    fn claims(client: &Client, audiences: &[&str], policy: &GrantPolicy) -> Result<Value, GrantRefusal> {
        claims_with_resources(client, audiences, &[], policy)
    }

    fn claims_with_resources(
        client: &Client,
        audiences: &[&str],
        resources: &[&str],
        policy: &GrantPolicy,
    ) -> Result<Value, GrantRefusal> {
        let [audiences, resources] =
            [audiences, resources].map(|texts| texts.iter().map(|text| (*text).to_owned()).collect());
        let request = GrantRequest { audiences, resources, ..GrantRequest::default() };
        let now = Timestamp::from_unix_millis(NOW * 1000 + 999);
        access_token_claims(client, request, policy, now, &Counting::default())
            .map(|claims| serde_json::to_value(claims).unwrap())
    }

    #[test]
    fn c_9068_02_claims_in_standard() {
        let claims = claims(&client(&["api"]), &["api"], &policy(Profile::Standard)).unwrap();
        let expected = json!({"exp": NOW + 300, "iat": NOW, "iss": ISSUER, "sub": "client-1", "client_id": "client-1",
            "aud": ["api"], "permissions": ["read:orders"], "jti": "018bcfe5-6be7-7001-8203-040506070809"});
        assert_eq!(claims, expected);
    }

    #[test]
    fn contract_1_3_claims_in_drop_in() {
        let claims = claims(&client(&[]), &[], &policy(Profile::DropIn)).unwrap();
        let expected = json!({"exp": NOW + 300, "iat": NOW, "iss": ISSUER, "sub": "client-1",
            "permissions": ["read:orders"], "jti": "018bcfe5-6be7-7001-8203-040506070809"});
        assert_eq!(claims, expected);
    }

    #[test]
    fn k_07_the_default_audience_is_for_requests_without_one_in_standard() {
        let standard = policy(Profile::Standard);
        let audience = |audiences: &[&str], policy: &GrantPolicy| {
            claims(&client(&["api", "b"]), audiences, policy).map(|claims| claims.get("aud").cloned())
        };
        assert_eq!(audience(&[], &standard), Ok(Some(json!(["default"]))));
        assert_eq!(audience(&["b", "api", "b"], &standard), Ok(Some(json!(["b", "api"]))));
        assert_eq!(audience(&[], &GrantPolicy { default_audience: None, ..standard.clone() }), Ok(None));
        let required = GrantPolicy { audience_required: true, ..standard };
        assert_eq!(audience(&[], &required), Err(GrantRefusal::AudienceRequired));
        assert!(audience(&["api"], &required).is_ok());
    }

    #[test]
    fn t_cc_04_only_audiences_of_the_client_are_granted() {
        for profile in [Profile::Standard, Profile::DropIn] {
            for audiences in [&["other"][..], &["api", "other"], &["API"], &[""], &["default"]] {
                let verdict = claims(&client(&["api"]), audiences, &policy(profile));
                assert_eq!(verdict, Err(GrantRefusal::InvalidTarget), "{audiences:?}");
            }
        }
    }

    #[test]
    fn t_cc_04_the_issuer_is_never_an_audience() {
        // Even if an imported record or the configuration has it.
        let imported = client(&["api", ISSUER]);
        for profile in [Profile::Standard, Profile::DropIn] {
            let verdict = claims(&imported, &["api", ISSUER], &policy(profile));
            assert_eq!(verdict, Err(GrantRefusal::InvalidTarget));
        }
        let default = GrantPolicy { default_audience: Some(ISSUER.to_owned()), ..policy(Profile::Standard) };
        assert_eq!(claims(&client(&[]), &[], &default), Err(GrantRefusal::InvalidTarget));
    }

    #[test]
    fn t_cc_04_audiences_are_counted() {
        let names: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let client = client(&names);
        assert!(claims(&client, &names[..20], &policy(Profile::Standard)).is_ok());
        for count in [21, 1000] {
            let verdict = claims(&client, &names[..count], &policy(Profile::Standard));
            assert_eq!(verdict, Err(GrantRefusal::TooManyAudiences));
        }
    }

    #[test]
    fn c_8707_01_c_8693_03_a_resource_is_an_absolute_uri_without_a_fragment() {
        let good = [
            "https://api1",
            "https://api.example:8443/orders?tenant=a%2Fb",
            "http://[::1]/",
            "urn:gettone:orders",
            "a+b-c.1:x",
        ];
        let client = client(&good);
        for resource in good {
            let granted = claims_with_resources(&client, &[], &[resource], &policy(Profile::Standard));
            assert_eq!(granted.unwrap()["aud"], json!([resource]), "C-8707-02");
        }
        for bad in [
            "",
            "foo",
            "foo#x",
            "https://api1#",
            "https://api1#part",
            "//api1/path",
            "/path",
            "?query",
            ":x",
            "1a:x",
            "a_b:x",
            "https://api 1",
            "https://api1/%",
            "https://api1/%4",
            "https://api1/%zz",
            "https://api1/é",
            "https://api1/\\",
            "https://api1/{x}",
            "https://api1\n",
        ] {
            let refused = claims_with_resources(&client, &[], &[good[0], bad], &policy(Profile::Standard));
            assert_eq!(refused, Err(GrantRefusal::ResourceMalformed), "{bad:?}");
        }
    }

    #[test]
    fn c_8707_02_audiences_and_resources_are_one_set() {
        let names: Vec<String> = (0..21).map(|n| format!("https://api{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let client = client(&names);
        for profile in [Profile::Standard, Profile::DropIn] {
            let ask = |audiences: &[&str], resources: &[&str]| {
                let policy = GrantPolicy { audience_required: true, ..policy(profile) };
                claims_with_resources(&client, audiences, resources, &policy)
                    .map(|claims| claims["aud"].clone())
            };
            assert_eq!(ask(&names[..2], &names[1..3]), Ok(json!(names[..3])));
            assert_eq!(ask(&[], &names[..20]), Ok(json!(names[..20])));
            assert_eq!(ask(&names[..10], &names[10..]), Err(GrantRefusal::TooManyAudiences));
            for other in ["https://api99", "https://api1/", "HTTPS://api1", ISSUER] {
                assert_eq!(ask(&names[..1], &[names[1], other]), Err(GrantRefusal::InvalidTarget), "{other}");
            }
            assert_eq!(ask(&[], &[]), Err(GrantRefusal::AudienceRequired));
        }
    }

    #[test]
    fn t_cc_03_custom_claims_are_added_and_never_replace_ours() {
        let custom =
            json!({"tenant": {"id": 1}, "sub": "victim", "permissions": ["admin"], "scope": "admin"});
        let custom_claims = custom.as_object().unwrap().clone();
        let request = GrantRequest { custom_claims, ..GrantRequest::default() };
        let now = Timestamp::from_unix_seconds(NOW);
        let random = Counting::default();
        let claims =
            access_token_claims(&client(&[]), request, &policy(Profile::DropIn), now, &random).unwrap();
        let text = serde_json::to_string(&claims).unwrap();
        assert_eq!(text.matches("\"sub\"").count(), 1);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["sub"], &value["permissions"]), (&json!("client-1"), &json!(["read:orders"])));
        assert_eq!((&value["tenant"], value.get("scope")), (&json!({"id": 1}), None));
    }

    #[test]
    fn a_clients_own_lifetime_counts_up_to_the_maximum() {
        for (own, expected) in [(None, 300), (Some(60), 60), (Some(600), 600), (Some(u32::MAX), 600)] {
            let client = Client { token_lifetime_seconds: own, ..client(&[]) };
            let claims = claims(&client, &[], &policy(Profile::Standard)).unwrap();
            assert_eq!(claims["exp"], NOW + expected, "{own:?}");
        }
        let strict = GrantPolicy { max_lifetime_seconds: 30, ..policy(Profile::DropIn) };
        assert_eq!(claims(&client(&[]), &[], &strict).unwrap()["exp"], NOW + 30);
    }

    #[test]
    fn t_cc_03_static_claims_are_in_every_token_and_stronger_than_the_clients_words() {
        let claims_of = |value: Value| value.as_object().unwrap().clone();
        let static_claims = claims_of(json!({"tenant": "acme", "sub": "victim", "scope": "admin"}));
        let client = Client { static_claims, ..client(&[]) };
        let request = GrantRequest {
            custom_claims: claims_of(json!({"tenant": "other", "region": "eu"})),
            ..GrantRequest::default()
        };
        let now = Timestamp::from_unix_seconds(NOW);
        let policy = policy(Profile::Standard);
        let claims = access_token_claims(&client, request, &policy, now, &Counting::default()).unwrap();
        let text = serde_json::to_string(&claims).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["tenant"], &value["region"]), (&json!("acme"), &json!("eu")));
        assert_eq!((&value["sub"], value.get("scope")), (&json!("client-1"), None));
        assert_eq!(text.matches("\"sub\"").count(), 1);
        let large = claims_of(json!({"text": "x".repeat(5_000)}));
        let client = Client { static_claims: large, ..client };
        assert_eq!(super::tests::claims(&client, &[], &policy), Err(GrantRefusal::TooLarge));
    }

    #[test]
    fn c_6749_18_a_scope_narrows_the_permissions_and_is_never_more() {
        let members = json!({"client_name": "c", "permissions": ["read:orders", "write:orders", "my own"]});
        let client = NewClient::by_operator(members.as_object().unwrap(), ISSUER).unwrap().into_client(
            ClientId::parse("client-1").unwrap(),
            RegisteredKeys::default(),
            ClientState::Public,
            Timestamp::from_unix_seconds(0),
        );
        let granted = |scope: Option<&[&str]>, profile| {
            let scope = scope.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            let request = GrantRequest { scope, ..GrantRequest::default() };
            let now = Timestamp::from_unix_seconds(NOW);
            access_token_claims(&client, request, &policy(profile), now, &Counting::default())
                .map(|claims| (claims.permissions.join(","), claims.scope))
        };
        let all = "read:orders,write:orders,my own".to_owned();
        let one = |permissions: &str, scope: &str| Ok((permissions.to_owned(), Some(scope.to_owned())));
        assert_eq!(granted(None, Profile::Standard), Ok((all.clone(), None)));
        assert_eq!(granted(Some(&["write:orders"]), Profile::Standard), one("write:orders", "write:orders"));
        assert_eq!(
            granted(Some(&["write:orders", "read:orders"]), Profile::Standard),
            one("read:orders,write:orders", "write:orders read:orders")
        );
        for wrong in [&["admin"][..], &["read:orders", "admin"], &["READ:orders"], &["openid"], &["my"]] {
            assert_eq!(granted(Some(wrong), Profile::Standard), Err(GrantRefusal::InvalidScope), "{wrong:?}");
            assert_eq!(granted(Some(wrong), Profile::DropIn), Ok((all.clone(), None)), "{wrong:?}");
        }
    }

    #[test]
    fn a_token_that_gateways_would_refuse_is_not_granted() {
        let request = |length: usize| GrantRequest {
            custom_claims: Map::from_iter([("tenant".to_owned(), json!("t".repeat(length)))]),
            ..GrantRequest::default()
        };
        let now = Timestamp::from_unix_seconds(NOW);
        let grant = |length| {
            access_token_claims(
                &client(&[]),
                request(length),
                &policy(Profile::DropIn),
                now,
                &Counting::default(),
            )
        };
        assert!(grant(4_096).is_ok());
        assert_eq!(grant(5_120).err(), Some(GrantRefusal::TooLarge));
    }

    #[test]
    fn t_ops_03_without_randomness_nothing_is_granted() {
        let now = Timestamp::from_unix_seconds(NOW);
        let policy = policy(Profile::Standard);
        let verdict = access_token_claims(&client(&[]), GrantRequest::default(), &policy, now, &Broken);
        assert_eq!(verdict, Err(GrantRefusal::Random(RandomError)));
    }

    #[test]
    fn c_7519_08_no_two_tokens_share_a_jti() {
        let now = Timestamp::from_unix_millis(NOW * 1000 + 999);
        let jti = || super::new_jti(&SystemRandom, now, None).unwrap();
        let distinct: std::collections::HashSet<String> = (0..10_000).map(|_| jti()).collect();
        assert_eq!(distinct.len(), 10_000, "also within one millisecond");
        assert!(distinct.iter().all(|jti| jti.len() == 36 && jti.as_bytes()[14] == b'7'));
    }

    #[test]
    fn a_new_token_counts_as_issued_after_the_tokens_that_were_revoked() {
        let policy = policy(Profile::DropIn);
        let at = Timestamp::from_unix_millis;
        let now = at(NOW * 1000 + 999);
        for (issued_after, expected) in
            [(None, now), (Some(at(NOW)), now), (Some(now), at(NOW * 1000 + 1000))]
        {
            let request = GrantRequest { issued_after, ..GrantRequest::default() };
            let claims =
                access_token_claims(&client(&[]), request, &policy, now, &Counting::default()).unwrap();
            assert_eq!(common::revocation::issued_at(&claims), expected);
            assert_eq!(claims.iat, NOW, "what others read is the time");
        }
    }

    #[test]
    fn only_a_public_client_may_obtain_tokens() {
        for state in ClientState::ALL {
            let client = Client { state, ..client(&[]) };
            assert_eq!(client.may_obtain_tokens(), state == ClientState::Public);
        }
    }
}

//! What the members of a client may hold, whichever way they come in: registration, management or patch. Strangers
//! write them; operators read them on screens, stores keep them, tokens carry them.

use common::AccessTokenClaims;
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization;

use super::{AuthMethod, ClientState};
use crate::key::Algorithm;
use crate::secret::ImportedHashDefect;

/// The longest name, permission, audience or claim name, in characters.
const MAX_TEXT_LENGTH: usize = 256;

/// The most permissions, audiences or claim names a client has.
const MAX_ITEMS: usize = 1000;

/// The most that the permissions of a client take as JSON, in bytes: its tokens carry them all, in a header that
/// gateways limit.
const MAX_PERMISSIONS_LENGTH: usize = 4096;

/// The most that metadata take as JSON, in bytes, and how deep they nest.
const MAX_METADATA_LENGTH: usize = 8 * 1024;
const MAX_METADATA_DEPTH: usize = 16;

/// What is wrong with a description of a client. The texts are public sentences; they name the member and what is
/// expected of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientDefect {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{member} must be {expected}")]
    Invalid { member: &'static str, expected: &'static str },
    #[error(
        "audience must not hold the issuer of this service: such a token would look like a client assertion"
    )]
    AudienceIsIssuer,
    #[error("allowedCustomClaims must not hold {0}: clients do not choose that claim")]
    ReservedClaim(&'static str),
    #[error("staticClaims must not hold {0}: that claim is the service's to set")]
    ReservedStaticClaim(&'static str),
    #[error("tokenLifetimeSeconds must be at most {0}, as MAX_TOKEN_LIFETIME_SECONDS says")]
    LifetimeTooLong(i64),
    #[error("a key is missing: private_key_jwt needs public_key, jwks or jwks_uri")]
    KeyMissing,
    #[error(
        "{member} has no use with {}: leave it out, or send token_endpoint_auth_method private_key_jwt",
        method.as_str()
    )]
    KeyWithoutUse { member: &'static str, method: AuthMethod },
    #[error("public_key, jwks and jwks_uri exclude each other: send one of them")]
    SeveralKeySources,
    #[error("client_secret and client_secret_hashes exclude each other: send one of them")]
    SeveralSecretForms,
    #[error("client_secret and client_secret_hashes have no use with private_key_jwt: leave them out")]
    SecretWithoutUse,
    #[error("one of client_secret_hashes cannot be imported: {0}")]
    SecretHash(ImportedHashDefect),
    #[error(
        "response_types asks for something that none of the grant_types gives: leave it out, or name the grant"
    )]
    GrantsContradict,
    #[error(
        "redirect_uris must be an array of at most 20 URLs of at most 2048 bytes without fragment: https, http on \
localhost, or the scheme of an app, with a dot in it"
    )]
    RedirectUris,
    #[error("at most 20 members may have a language tag")]
    TooManyLanguages,
    #[error("client_id must be there, and be the id of this client")]
    OtherId,
    #[error("{0} must be left out: it is not for clients to choose")]
    Ours(&'static str),
    #[error("client_secret must be left out, or be the secret of this client: clients do not choose secrets")]
    SecretChosen,
    #[error("a client cannot go from {} to {}: ask an operator", from.as_str(), to.as_str())]
    MethodWeaker { from: AuthMethod, to: AuthMethod },
    #[error(
        "an operator chose the algorithm of this client: token_endpoint_auth_signing_alg must be left out, or be {0}"
    )]
    AlgorithmPinned(String),
    #[error("software_statement must be a JWT that another issuer signed")]
    SoftwareStatementInvalid,
    #[error("software_statement comes from an issuer that is not trusted here: leave it out")]
    SoftwareStatementUnapproved,
    #[error(
        "only name, permissions, audience, allowedCustomClaims, staticClaims, tokenLifetimeSeconds, \
assertionAlgorithm, metadata and __STATE__ can be changed here; leave out the other members"
    )]
    NotChangeable,
    #[error("a client in state {} cannot become {}", from.as_str(), to.as_str())]
    Transition { from: ClientState, to: ClientState },
}

/// A name that a person can read and that hides nothing, in normal form C: names that look the same are the same
/// (T-FRM-15).
pub(super) fn name(member: &'static str, value: &Value) -> Result<String, ClientDefect> {
    // Some characters become two in normal form, so the form that is kept is the one that is measured.
    let text: Option<String> = value.as_str().map(|text| text.nfc().collect());
    text.filter(|text| is_clean(text))
        .ok_or(ClientDefect::Invalid { member, expected: "a text of 1 to 256 visible characters" })
}

/// The permissions of a client.
pub(super) fn permissions(value: &Value) -> Result<Vec<String>, ClientDefect> {
    let permissions = texts("permissions", value)?;
    let length = serde_json::to_vec(&permissions).map_or(usize::MAX, |json| json.len());
    if length > MAX_PERMISSIONS_LENGTH {
        let expected = "at most 4096 bytes long as a whole, so that a token with them passes gateways";
        return Err(ClientDefect::Invalid { member: "permissions", expected });
    }
    Ok(permissions)
}

/// The audiences a client may ask for. Never our issuer (T-CC-04).
pub(super) fn audience(value: &Value, issuer: &str) -> Result<Vec<String>, ClientDefect> {
    let audience = texts("audience", value)?;
    if audience.iter().any(|one| one == issuer) { Err(ClientDefect::AudienceIsIssuer) } else { Ok(audience) }
}

/// The claims a client may choose. Never a reserved one (T-CC-03).
pub(super) fn allowed_custom_claims(value: &Value) -> Result<Vec<String>, ClientDefect> {
    let claims = texts("allowedCustomClaims", value)?;
    match AccessTokenClaims::RESERVED.iter().find(|reserved| claims.iter().any(|claim| claim == *reserved)) {
        Some(reserved) => Err(ClientDefect::ReservedClaim(reserved)),
        None => Ok(claims),
    }
}

/// The most that static claims take as JSON, in bytes: every token of the client carries them.
const MAX_STATIC_CLAIMS_LENGTH: usize = 2048;

/// The claims that every token of the client carries. Never a reserved one (T-CC-03).
pub(super) fn static_claims(value: &Value) -> Result<Map<String, Value>, ClientDefect> {
    let invalid = |expected| ClientDefect::Invalid { member: "staticClaims", expected };
    let claims = value.as_object().ok_or(invalid("an object"))?;
    if !claims.keys().all(|name| is_clean(name)) {
        return Err(invalid("an object whose names have 1 to 256 visible characters"));
    }
    if serde_json::to_vec(claims).map_or(usize::MAX, |json| json.len()) > MAX_STATIC_CLAIMS_LENGTH {
        return Err(invalid("at most 2048 bytes long as a whole, so that a token with them passes gateways"));
    }
    check_stored_value(value, 1).map_err(invalid)?;
    match AccessTokenClaims::RESERVED.iter().find(|reserved| claims.contains_key(**reserved)) {
        Some(reserved) => Err(ClientDefect::ReservedStaticClaim(reserved)),
        None => Ok(claims.clone()),
    }
}

/// The lifetime of the client's tokens. What the policy allows is asked by whoever knows it.
pub(super) fn token_lifetime_seconds(value: &Value) -> Result<u32, ClientDefect> {
    let seconds =
        value.as_u64().and_then(|seconds| u32::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
    let expected = "a whole number of seconds, 1 or more";
    seconds.ok_or(ClientDefect::Invalid { member: "tokenLifetimeSeconds", expected })
}

/// The one algorithm that the client's assertions may have.
pub(super) fn assertion_algorithm(value: &Value) -> Result<String, ClientDefect> {
    let expected = "the name of a signature algorithm, such as RS256, ES256 or EdDSA";
    let algorithm = value.as_str().and_then(Algorithm::named);
    let invalid = ClientDefect::Invalid { member: "assertionAlgorithm", expected };
    algorithm.map(|algorithm| algorithm.name().to_owned()).ok_or(invalid)
}

/// The state of a client.
pub(super) fn state(value: &Value) -> Result<ClientState, ClientDefect> {
    ClientState::ALL
        .into_iter()
        .find(|state| value == state.as_str())
        .ok_or(ClientDefect::Invalid { member: "__STATE__", expected: "PUBLIC, DRAFT, TRASH or DELETED" })
}

/// Metadata that every store keeps as they are.
pub(super) fn metadata(value: &Value) -> Result<Map<String, Value>, ClientDefect> {
    let invalid = |expected| ClientDefect::Invalid { member: "metadata", expected };
    let members = value.as_object().ok_or(invalid("an object"))?;
    let length = serde_json::to_vec(members).map_or(usize::MAX, |json| json.len());
    if length > MAX_METADATA_LENGTH {
        return Err(invalid("at most 8192 bytes long as a whole"));
    }
    check_stored_value(value, 1).map_err(invalid)?;
    Ok(members.clone())
}

/// Checks that a value nests at most 16 deep, that no name in it is an operator or path to MongoDB or a trap to
/// JavaScript (T-FRM-14), and that no number is too large for a store.
fn check_stored_value(value: &Value, depth: usize) -> Result<(), &'static str> {
    if depth > MAX_METADATA_DEPTH {
        return Err("at most 16 levels deep");
    }
    let deeper = depth.saturating_add(1);
    match value {
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            if name.starts_with('$') || name.contains(['.', '\0']) || name == "__proto__" {
                return Err("without member names that begin with $, hold a dot or NUL, or are __proto__");
            }
            check_stored_value(value, deeper)
        }),
        Value::Array(elements) => elements.iter().try_for_each(|element| check_stored_value(element, deeper)),
        Value::Number(number) if number.is_u64() && !number.is_i64() => {
            Err("without whole numbers above 9223372036854775807")
        }
        _ => Ok(()),
    }
}

/// Distinct texts in the order in which they first appear.
fn texts(member: &'static str, value: &Value) -> Result<Vec<String>, ClientDefect> {
    let invalid = || ClientDefect::Invalid {
        member,
        expected: "an array of at most 1000 texts of 1 to 256 visible characters each",
    };
    let items = value.as_array().filter(|items| items.len() <= MAX_ITEMS).ok_or_else(invalid)?;
    let mut distinct = Vec::with_capacity(items.len());
    for item in items {
        let text = clean_text(item).ok_or_else(invalid)?;
        if !distinct.iter().any(|known| known == text) {
            distinct.push(text.to_owned());
        }
    }
    Ok(distinct)
}

/// A member that is there and not null: in a registration, null means left out.
pub(super) fn get<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !value.is_null())
}

pub(super) fn clean_text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| is_clean(text))
}

fn is_clean(text: &str) -> bool {
    let length = text.chars().take(MAX_TEXT_LENGTH.saturating_add(1)).count();
    (1..=MAX_TEXT_LENGTH).contains(&length)
        && !text.chars().any(is_invisible)
        && !text.chars().all(char::is_whitespace)
}

/// Characters that show nothing or change how their neighbours show: control, format and tag characters.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ClientDefect, allowed_custom_claims, audience, metadata, name, permissions, state};
    use crate::client::ClientState;

    fn nested(levels: usize) -> Value {
        (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }))
    }

    #[test]
    fn t_frm_15_names_show_what_they_are() {
        let longest = "è".repeat(256);
        for good in ["a", "Ordini è 注文 🙂", "my client", "<b>", &longest] {
            assert_eq!(name("name", &json!(good)).as_deref(), Ok(good));
        }
        for (sent, kept) in [("e\u{300}", "è"), ("\u{212B}", "Å"), ("Ｆ", "Ｆ")] {
            assert_eq!(name("name", &json!(sent)).as_deref(), Ok(kept), "{sent}");
        }
        // Each of these is two characters in normal form (found by fuzzing: the kept name was too long to be sent again).
        let (grows, grows_too_long) = ("\u{0958}".repeat(128), "\u{0958}".repeat(129));
        assert_eq!(name("name", &json!(grows)).map(|name| name.chars().count()), Ok(256));
        assert!(name("name", &json!(grows_too_long)).is_err());
        let too_long = "è".repeat(257);
        for bad in [
            "",
            " ",
            "a\nb",
            "a\0b",
            "a\u{202E}b",
            "a\u{200B}b",
            "\u{FEFF}a",
            "a\u{2066}b",
            "a\u{200D}b",
            &too_long,
        ] {
            assert!(name("name", &json!(bad)).is_err(), "{bad:?}");
        }
        for bad in [json!(1), json!(null), json!(["a"]), json!({"$gt": ""})] {
            assert!(name("name", &bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn permissions_are_a_list_of_distinct_texts_in_their_order() {
        let value = json!(["my permission 2", "read:orders", "my permission 2"]);
        assert_eq!(permissions(&value).unwrap(), ["my permission 2", "read:orders"]);
        assert_eq!(permissions(&json!([])).unwrap(), Vec::<String>::new());
        for bad in [
            json!("read:orders"),
            json!(null),
            json!({}),
            json!([1]),
            json!([""]),
            json!(["a\u{200B}"]),
            json!([["a"]]),
        ] {
            assert!(permissions(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn t_reg_02_lists_are_bounded() {
        let distinct = |count: usize| json!((0..count).map(|n| format!("{n}")).collect::<Vec<_>>());
        assert_eq!(audience(&distinct(1000), "iss").unwrap().len(), 1000);
        assert!(audience(&distinct(1001), "iss").is_err());
        // Each text takes 3 bytes besides itself, the list 1 more.
        let together = |last: usize| {
            let mut texts: Vec<String> = (0..16).map(|n| format!("{n:0>250}")).collect();
            texts.push("x".repeat(last));
            permissions(&json!(texts))
        };
        assert!(together(4096 - 1 - 16 * 253 - 3).is_ok());
        assert!(together(4096 - 1 - 16 * 253 - 2).is_err());
    }

    #[test]
    fn t_cc_04_the_issuer_is_nobodys_audience() {
        assert_eq!(audience(&json!(["a", "iss"]), "iss"), Err(ClientDefect::AudienceIsIssuer));
        assert_eq!(audience(&json!(["a", "iss/"]), "iss").unwrap(), ["a", "iss/"]);
    }

    #[test]
    fn t_cc_03_reserved_claims_cannot_be_allowed() {
        for claim in common::AccessTokenClaims::RESERVED {
            let verdict = allowed_custom_claims(&json!(["tenant", claim]));
            assert_eq!(verdict, Err(ClientDefect::ReservedClaim(claim)));
        }
        assert_eq!(allowed_custom_claims(&json!(["tenant", "Sub"])).unwrap(), ["tenant", "Sub"]);
    }

    #[test]
    fn t_cc_03_static_claims_are_never_reserved_and_small() {
        let good = json!({"tenant": {"id": 1}, "region": "eu", "Sub": null});
        assert_eq!(Value::Object(super::static_claims(&good).unwrap()), good);
        for claim in common::AccessTokenClaims::RESERVED {
            let verdict = super::static_claims(&json!({ *claim: "x" }));
            assert_eq!(verdict, Err(ClientDefect::ReservedStaticClaim(claim)));
        }
        let too_long = json!({ "a": "x".repeat(2048 - 7) });
        for bad in
            [json!([]), json!("x"), json!({"": 1}), json!({"$set": 1}), json!({"a": u64::MAX}), too_long]
        {
            assert!(super::static_claims(&bad).is_err(), "{bad}");
        }
        assert!(super::static_claims(&json!({ "a": "x".repeat(2048 - 8) })).is_ok());
        assert!(super::static_claims(&nested(17)).is_err());
    }

    #[test]
    fn a_lifetime_is_a_positive_number() {
        assert_eq!(super::token_lifetime_seconds(&json!(60)), Ok(60));
        for bad in [json!(0), json!(-1), json!(1.5), json!("60"), json!(null), json!(u64::from(u32::MAX) + 1)]
        {
            assert!(super::token_lifetime_seconds(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn states_are_spelt_exactly() {
        assert_eq!(state(&json!("DRAFT")), Ok(ClientState::Draft));
        for bad in [json!("draft"), json!("Public"), json!(""), json!(null), json!(1)] {
            assert!(state(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn t_frm_14_metadata_never_hold_operators_or_depth_or_size() {
        let good = json!({"team": "a.b", "tags": ["$x", null, 1.5, -1, i64::MAX], "in": {"n": {"m": true}}, "a$": 1});
        assert_eq!(Value::Object(metadata(&good).unwrap()), good);
        for bad in [
            json!({"$where": "1"}),
            json!({"a.b": 1}),
            json!({"a\0": 1}),
            json!({"__proto__": {}}),
            json!({"a": [{"b": {"$gt": 1}}]}),
            json!({"a": u64::MAX}),
            json!([]),
            json!("x"),
            json!(null),
        ] {
            assert!(metadata(&bad).is_err(), "{bad}");
        }
        assert!(metadata(&nested(16)).is_ok());
        assert!(metadata(&nested(17)).is_err());
        assert!(metadata(&json!({"a": "x".repeat(8192 - 8)})).is_ok());
        assert!(metadata(&json!({"a": "x".repeat(8192 - 7)})).is_err());
    }
}

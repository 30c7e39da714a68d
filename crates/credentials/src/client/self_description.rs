//! What a client says about itself at its registration (RFC 7591 §2): bounded, cleaned, shown to operators, and never
//! acted upon. No URL in it is ever fetched (T-SSRF-08). Members we do not know are left behind (C-7591-04).

use serde_json::{Map, Value};
use url::{Host, Url};

use super::members::{ClientDefect, clean_text, get};
use crate::jws::Jws;
use crate::key::Algorithm;

/// The one grant we offer (RFC 6749 §4.4).
pub(super) const GRANT_TYPE: &str = "client_credentials";

/// The most elements of a list, and the longest URL in bytes (T-REG-02).
const MAX_ITEMS: usize = 20;
const MAX_URL_LENGTH: usize = 2048;

/// Members that hold a text, and those that hold a URL for people to click on.
const TEXTS: [&str; 2] = ["software_id", "software_version"];
const PAGES: [&str; 4] = ["client_uri", "logo_uri", "tos_uri", "policy_uri"];

/// The longest language tag (RFC 5646 §4.4.1), and the most members that have one.
const MAX_TAG_LENGTH: usize = 35;

/// The members to keep, in the order in which they were sent.
pub(super) fn read(members: &Map<String, Value>) -> Result<Map<String, Value>, ClientDefect> {
    check_grants(members)?;
    let mut kept = Map::new();
    let mut tagged: usize = 0;
    for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        let (base, tag) = name.split_once('#').map_or((name.as_str(), None), |(base, tag)| (base, Some(tag)));
        let page = PAGES.into_iter().find(|known| *known == base);
        let text = TEXTS.into_iter().find(|known| *known == base && tag.is_none());
        let is_name = base == "client_name" && tag.is_some();
        if tag.is_some_and(|tag| !is_language_tag(tag)) {
            continue;
        }
        let value = match (page, text, base) {
            (Some(member), _, _) => is_page(value).then(|| value.clone()).ok_or(ClientDefect::Invalid {
                member,
                expected: "an https or http URL of at most 2048 bytes, without user",
            })?,
            (_, Some(member), _) => Value::from(clean(member, value)?),
            _ if is_name => Value::from(super::members::name("client_name", value)?),
            (_, _, "contacts") if tag.is_none() => contacts(value)?,
            (_, _, "redirect_uris") if tag.is_none() => redirect_uris(value)?,
            _ => continue,
        };
        tagged = tagged.saturating_add(usize::from(tag.is_some()));
        if tagged > MAX_ITEMS {
            return Err(ClientDefect::TooManyLanguages);
        }
        kept.insert(name.clone(), value);
    }
    Ok(kept)
}

/// Grants that we do not offer are left out, as RFC 7591 §3.2.1 allows: the answer says which are registered. What
/// contradicts itself is refused: a response type needs the grant that it belongs to (§2.1, C-7591-07).
fn check_grants(members: &Map<String, Value>) -> Result<(), ClientDefect> {
    let grants = texts(members, "grant_types")?;
    let responses = texts(members, "response_types")?;
    let Some(grants) = grants else {
        return Ok(());
    };
    let asked_for = |grant: &str| grants.contains(&grant);
    for response in responses.unwrap_or_default() {
        for part in response.split(' ') {
            let grant = match part {
                "code" => "authorization_code",
                "token" | "id_token" => "implicit",
                _ => continue,
            };
            if !asked_for(grant) {
                return Err(ClientDefect::GrantsContradict);
            }
        }
    }
    Ok(())
}

fn texts<'m>(
    members: &'m Map<String, Value>,
    member: &'static str,
) -> Result<Option<Vec<&'m str>>, ClientDefect> {
    let Some(value) = get(members, member) else { return Ok(None) };
    let items = value.as_array().filter(|items| items.len() <= MAX_ITEMS);
    let texts = items.and_then(|items| items.iter().map(clean_text).collect());
    texts.map(Some).ok_or(ClientDefect::Invalid { member, expected: "an array of at most 20 names" })
}

fn contacts(value: &Value) -> Result<Value, ClientDefect> {
    let items = value.as_array().filter(|items| items.len() <= MAX_ITEMS);
    if items.is_some_and(|items| items.iter().all(|item| clean_text(item).is_some())) {
        return Ok(value.clone());
    }
    let expected = "an array of at most 20 texts of 1 to 256 visible characters each";
    Err(ClientDefect::Invalid { member: "contacts", expected })
}

fn clean<'m>(member: &'static str, value: &'m Value) -> Result<&'m str, ClientDefect> {
    clean_text(value)
        .ok_or(ClientDefect::Invalid { member, expected: "a text of 1 to 256 visible characters" })
}

/// A page that a person may open: nothing that a browser would run (C-7591-13).
fn is_page(value: &Value) -> bool {
    url(value).is_some_and(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.username().is_empty()
            && url.password().is_none()
            && url.host().is_some()
    })
}

/// No grant of ours redirects; they are kept for the day one does, and so they must be good already (C-7591-08).
fn redirect_uris(value: &Value) -> Result<Value, ClientDefect> {
    let items = value.as_array().filter(|items| items.len() <= MAX_ITEMS);
    match items {
        Some(items) if items.iter().all(may_be_redirected_to) => Ok(value.clone()),
        _ => Err(ClientDefect::RedirectUris),
    }
}

/// https anywhere, http on this machine, or the scheme of an app, which has a dot (RFC 8252 §7, RFC 7591 §5).
fn may_be_redirected_to(value: &Value) -> bool {
    let Some(url) = url(value) else { return false };
    if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return false;
    }
    match url.scheme() {
        "https" => url.host().is_some(),
        "http" => match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        },
        scheme => scheme.contains('.'),
    }
}

/// An absolute URL in visible ASCII without a trap for the eye.
fn url(value: &Value) -> Option<Url> {
    let text = value.as_str().filter(|text| text.len() <= MAX_URL_LENGTH)?;
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>' | b'*'));
    if plain { Url::parse(text).ok() } else { None }
}

fn is_language_tag(tag: &str) -> bool {
    (1..=MAX_TAG_LENGTH).contains(&tag.len())
        && tag
            .split('-')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// We trust nobody to vouch for software (RFC 7591 §2.3). A statement that nobody signed, or that claims to come from us,
/// who sign none, is no statement at all (T-REG-04, C-7591-12).
pub(super) fn check_software_statement(
    members: &Map<String, Value>,
    issuer: &str,
) -> Result<(), ClientDefect> {
    let Some(value) = get(members, "software_statement") else { return Ok(()) };
    let statement = value.as_str().and_then(|text| Jws::parse(text).ok());
    let signed = statement.filter(|jws| Algorithm::named(jws.algorithm()).is_some());
    let vouches = signed.as_ref().and_then(|jws| jws.payload().get("iss")).and_then(Value::as_str);
    match vouches {
        Some(iss) if iss != issuer => Err(ClientDefect::SoftwareStatementUnapproved),
        _ => Err(ClientDefect::SoftwareStatementInvalid),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    fn kept(members: &Value) -> Result<Value, String> {
        read(members.as_object().unwrap()).map(Value::Object).map_err(|defect| defect.to_string())
    }

    #[test]
    fn c_7591_03_c_7591_16_what_is_known_is_kept_as_it_is() {
        let known = json!({"contacts": ["ops@client.example"], "client_uri": "https://client.example/",
            "logo_uri": "http://client.example/logo.png", "tos_uri": "https://client.example/tos?x=1#y",
            "policy_uri#it": "https://client.example/it", "client_name#it": "Ordini", "client_name#ja-Hani-JP": "注文",
            "software_id": "4NRB1-0XZABZI9E6-5SM3R", "software_version": "2.1",
            "redirect_uris": ["https://client.example/cb", "http://127.0.0.1:1234/", "http://[::1]/cb", "com.example.app:/cb"]});
        assert_eq!(kept(&known), Ok(known));
    }

    #[test]
    fn c_7591_04_t_reg_03_what_is_not_known_is_left_behind() {
        let unknown = json!({"foo": 1, "scope": "admin", "groups": ["admin"], "client_id": "mine", "permissions": ["p"],
            "client_name": "c", "client_name#": "x", "client_name#a b": "x", "client_name#a#b": "x", "contacts#it": [],
            "software_id#it": 1, "client_uri": null, "grant_types": ["password"], "response_types": null,
            "sector_identifier_uri": "http://169.254.169.254/", "request_uris": ["http://169.254.169.254/"],
            "backchannel_logout_uri": "http://169.254.169.254/", "initiate_login_uri": 7});
        assert_eq!(kept(&unknown), Ok(json!({})));
    }

    #[test]
    fn c_7591_13_t_frm_15_pages_and_texts_hide_nothing() {
        let long = format!("https://client.example/{}", "x".repeat(2048));
        for page in [
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://c.example/",
            "//c.example/",
            "client.example",
            "https://user@c.example/",
            "https://c.example/ x",
            "https://c.example/\u{202E}",
            "https://",
            "",
            &long,
        ] {
            for member in ["client_uri", "logo_uri", "tos_uri", "policy_uri", "logo_uri#it"] {
                assert!(kept(&json!({member: page})).is_err(), "{member} {page}");
            }
        }
        for bad in [
            json!({"contacts": "a@b"}),
            json!({"contacts": ["a\u{200B}"]}),
            json!({"contacts": [1]}),
            json!({"software_id": ""}),
            json!({"software_version": 1}),
            json!({"client_name#it": "\u{202E}x"}),
        ] {
            assert!(kept(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn c_7591_08_redirect_uris_are_https_or_stay_on_the_machine() {
        for bad in [
            "http://evil.example/cb",
            "javascript:alert(1)",
            "https://c.example/cb#f",
            "https://u:p@c.example/",
            "data:text/html,x",
            "app:/cb",
            "https://*.example/cb",
            "file:///etc/passwd",
            "/cb",
            "",
            "http://127.0.0.1.evil.example/",
        ] {
            assert_eq!(
                read(json!({"redirect_uris": [bad]}).as_object().unwrap()),
                Err(ClientDefect::RedirectUris),
                "{bad}"
            );
        }
        assert!(kept(&json!({"redirect_uris": "https://c.example/cb"})).is_err());
    }

    #[test]
    fn t_reg_02_lists_and_languages_are_bounded() {
        let uris = |count: usize| json!({"redirect_uris": vec!["https://c.example/cb"; count]});
        assert!(kept(&uris(20)).is_ok() && kept(&uris(21)).is_err());
        let contacts = |count: usize| json!({"contacts": vec!["a@b"; count]});
        assert!(kept(&contacts(20)).is_ok() && kept(&contacts(21)).is_err());
        let names = |count: usize| {
            Value::Object((0..count).map(|n| (format!("client_name#x{n}"), json!("c"))).collect())
        };
        assert!(kept(&names(20)).is_ok() && kept(&names(21)).is_err());
    }

    #[test]
    fn c_7591_07_grants_and_response_types_agree() {
        for (members, agree) in [
            (json!({"grant_types": ["client_credentials"], "response_types": ["code"]}), false),
            (json!({"grant_types": ["client_credentials"], "response_types": ["token"]}), false),
            (json!({"grant_types": ["authorization_code"], "response_types": ["code id_token"]}), false),
            (
                json!({"grant_types": ["authorization_code", "client_credentials"], "response_types": ["code"]}),
                true,
            ),
            (json!({"grant_types": ["client_credentials"], "response_types": []}), true),
            (json!({"grant_types": ["client_credentials"], "response_types": ["none"]}), true),
            (json!({"grant_types": ["client_credentials"]}), true),
            (json!({"response_types": ["code"]}), true),
            (json!({"grant_types": "client_credentials"}), false),
            (json!({"grant_types": [1]}), false),
            (json!({"response_types": {}}), false),
        ] {
            assert_eq!(kept(&members).is_ok(), agree, "{members}");
        }
    }

    #[test]
    fn t_reg_04_c_7591_12_no_software_statement_is_believed() {
        let statement = |header: &str, payload: &str| {
            format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
        };
        let verdict = |value: Value| {
            check_software_statement(
                json!({"software_statement": value}).as_object().unwrap(),
                "https://auth.example",
            )
        };
        let good = statement(r#"{"alg":"RS256"}"#, r#"{"iss":"https://vendor.example"}"#);
        assert_eq!(verdict(json!(good)), Err(ClientDefect::SoftwareStatementUnapproved));
        for bad in [
            statement(r#"{"alg":"none"}"#, r#"{"iss":"https://vendor.example"}"#),
            statement(r#"{"alg":"HS256"}"#, r#"{"iss":"https://vendor.example"}"#),
            statement(r#"{"alg":"RS256"}"#, r#"{"iss":"https://auth.example"}"#),
            statement(r#"{"alg":"RS256"}"#, "{}"),
            "x".to_owned(),
        ] {
            assert_eq!(verdict(json!(bad)), Err(ClientDefect::SoftwareStatementInvalid), "{bad}");
        }
        assert_eq!(verdict(json!({})), Err(ClientDefect::SoftwareStatementInvalid));
        assert_eq!(verdict(Value::Null), Ok(()));
    }
}

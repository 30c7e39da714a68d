//! The principal as response headers (upstream contract §3.3). Services behind the gateway split groups on `,` without
//! unescaping, and a header value is a line: what could be read as something else is never written (G-GRP-01,
//! G-GRP-03).

use common::Principal;
use common::headers::{MIA_ALLOWED, MIA_GROUPS, MIA_USERID, MIA_USERPROPERTIES};
use serde_json::{Map, Value};

/// A larger header would be cut or refused by somebody on the way.
pub const MAX_HEADER: usize = 8 * 1024;

/// Values of `mia-userid`, `mia-groups` and `mia-userproperties`; all empty for nobody.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct IdentityHeaders {
    pub user_id: String,
    pub groups: String,
    pub properties: String,
    /// Groups that the header cannot carry.
    pub groups_left_out: usize,
}

/// Why a principal cannot be told to the services behind the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    #[error("the user id cannot be written as a header")]
    UserId,
    #[error("the groups are larger than 8 KiB")]
    Groups,
    #[error("the user properties are larger than 8 KiB")]
    Properties,
}

impl IdentityHeaders {
    /// Of nobody.
    pub const NOBODY: Self =
        Self { user_id: String::new(), groups: String::new(), properties: String::new(), groups_left_out: 0 };

    /// The headers of `principal`.
    ///
    /// # Errors
    /// Nothing is ever cut: a principal that does not fit is not sent at all.
    pub fn of(principal: &Principal) -> Result<Self, Unsendable> {
        if !is_plain(&principal.id) || principal.id.len() > MAX_HEADER {
            return Err(Unsendable::UserId);
        }
        let plain = |group: &&String| is_plain(group) && !group.contains(',');
        let groups: Vec<_> = principal.groups.iter().filter(plain).map(String::as_str).collect();
        let groups_left_out = principal.groups.len().saturating_sub(groups.len());
        let groups = groups.join(",");
        if groups.len() > MAX_HEADER {
            return Err(Unsendable::Groups);
        }
        let properties = ascii_json(&principal.properties);
        if properties.len() > MAX_HEADER {
            return Err(Unsendable::Properties);
        }
        Ok(Self { user_id: principal.id.clone(), groups, properties, groups_left_out })
    }

    /// The headers with the decision itself. All of them are always there, if only empty, so that a gateway overwrites
    /// what the client sent (conformance §3.0 rule 4).
    #[must_use]
    pub fn beside(&self, allowed: bool) -> [(&'static str, &str); 4] {
        [
            (MIA_ALLOWED, if allowed { "1" } else { "0" }),
            (MIA_USERID, &self.user_id),
            (MIA_GROUPS, &self.groups),
            (MIA_USERPROPERTIES, &self.properties),
        ]
    }
}

/// Reads the same after a header has carried it: printable ASCII, and no blank at the edge, which would be trimmed.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && text.trim() == text
}

/// JSON in printable ASCII: everything else is inside strings, where `\u` escapes it.
fn ascii_json(object: &Map<String, Value>) -> String {
    let text = serde_json::to_string(object).unwrap_or_default();
    let mut ascii = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, ' '..='~') {
            ascii.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn principal(id: &str, groups: &[&str], properties: Value) -> Principal {
        let Value::Object(properties) = properties else { panic!() };
        Principal {
            id: id.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            properties,
            ..Principal::default()
        }
    }

    fn of(id: &str, groups: &[&str]) -> Result<IdentityHeaders, Unsendable> {
        IdentityHeaders::of(&principal(id, groups, json!({})))
    }

    #[test]
    fn g_grp_01_groups_that_could_be_read_as_others_are_left_out_and_counted() {
        let headers = of(
            "u",
            &["users", "a,admin", "admin\r\nX: y", "\"", "é", "", " admin", "admin ", "a b", "\u{7f}", "\t"],
        )
        .unwrap();
        assert_eq!(headers.groups, "users,\",a b");
        assert_eq!(headers.groups_left_out, 8);
    }

    #[test]
    fn g_grp_01_groups_above_8_kib_are_refused_and_not_cut() {
        let names: Vec<_> = (0..300).map(|number| format!("group-{number:03}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert!(of("u", &names).is_ok(), "300 groups fit");
        assert_eq!(of("u", &[&"x".repeat(MAX_HEADER)]).unwrap().groups.len(), MAX_HEADER);
        assert_eq!(of("u", &[&"x".repeat(MAX_HEADER), "y"]).unwrap_err(), Unsendable::Groups);
    }

    #[test]
    fn g_grp_02_reserved_words_are_ordinary_names() {
        let groups = ["constructor", "__proto__", "toString", "length"];
        assert_eq!(of("u", &groups).unwrap().groups, groups.join(","));
    }

    #[test]
    fn g_grp_03_properties_are_ascii_json_and_capped() {
        let user = principal("u", &[], json!({"name":"Zoë\r\n\u{1f511}\u{7f}","n":1}));
        let headers = IdentityHeaders::of(&user).unwrap();
        assert_eq!(headers.properties, r#"{"name":"Zo\u00eb\r\n\ud83d\udd11\u007f","n":1}"#);
        assert_eq!(
            serde_json::from_str::<Value>(&headers.properties).unwrap(),
            json!({"n":1,"name":"Zoë\r\n\u{1f511}\u{7f}"})
        );
        let large = principal("u", &[], json!({"name":"é".repeat(2000)}));
        assert_eq!(IdentityHeaders::of(&large).unwrap_err(), Unsendable::Properties);
        assert_eq!(of("u", &[]).unwrap().properties, "{}");
    }

    #[test]
    fn a_user_id_that_no_header_can_carry_is_refused() {
        for id in ["josé", "u\r\nmia-groups: admin", " u", "u ", "\t", "u\0"] {
            assert_eq!(of(id, &[]).unwrap_err(), Unsendable::UserId, "{id:?}");
        }
    }
}

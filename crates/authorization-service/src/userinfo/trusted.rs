//! Trust mode (upstream contract §3.2): the gateway has found out who the caller is and says so in three headers. That
//! it is the gateway who speaks has been checked before (G-HDR-19).

use common::{Principal, strict_json};
use serde_json::Map;
use service_kit::HeaderName;

use super::{Cause, Nobody, Presented, UserinfoAnswer};
use principal::{Reading, permissions, split_groups};

/// The headers in which the gateway says who the caller is.
#[derive(Debug)]
pub(crate) struct TrustedHeaders {
    pub(crate) user_id: HeaderName,
    pub(crate) groups: HeaderName,
    pub(crate) properties: HeaderName,
    pub(crate) reading: Reading,
}

impl TrustedHeaders {
    pub(super) fn headers(&self) -> Vec<&HeaderName> {
        vec![&self.user_id, &self.groups, &self.properties]
    }

    pub(super) fn read(&self, presented: &Presented) -> UserinfoAnswer {
        self.describe(presented).unwrap_or_else(|what| Cause::TrustedHeaders(what).into())
    }

    fn describe(&self, presented: &Presented) -> Result<UserinfoAnswer, &'static str> {
        if presented.joined {
            return Err("two headers of one name may have been joined: set encode_raw_headers in Envoy");
        }
        let id = only_text(presented, &self.user_id)?;
        let groups = split_groups(only_text(presented, &self.groups)?);
        let properties = match only_text(presented, &self.properties)? {
            "" => Map::new(),
            text => {
                strict_json::object(text.as_bytes()).map_err(|_| "the properties are not a JSON object")?
            }
        };
        if id.is_empty() {
            return Ok(UserinfoAnswer::Nobody(Nobody::NotAsked));
        }
        let permissions = permissions(&properties, &self.reading)?;
        let properties = self.reading.told(properties);
        Ok(UserinfoAnswer::Known(Principal { id: id.to_owned(), groups, permissions, properties }))
    }
}

/// The value of a header; empty if it is missing or a lone `-`, which gateways write for "nothing" (row 11). A second
/// value could be the client's own.
fn only_text<'presented>(
    presented: &'presented Presented,
    name: &'presented HeaderName,
) -> Result<&'presented str, &'static str> {
    let mut values = presented.values(name);
    let value = values.next().unwrap_or_default();
    if values.next().is_some() {
        return Err("one of them is there twice");
    }
    let text = std::str::from_utf8(value).map_err(|_| "one of them is not UTF-8")?.trim();
    Ok(if text == "-" { "" } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&str, &str)]) -> UserinfoAnswer {
        let name = |text: &str| HeaderName::parse(text).unwrap();
        let trusted = TrustedHeaders {
            user_id: name("miauserid"),
            groups: name("miausergroups"),
            properties: name("miauserproperties"),
            reading: Reading {
                user_id_key: "sub".to_owned(),
                permissions_key: Some("permissions".to_owned()),
                groups_as_text: true,
                properties_to_proxy: vec!["mail".to_owned()],
            },
        };
        let mut presented = Presented::default();
        for (header, value) in headers {
            presented.add(&name(header), value.as_bytes());
        }
        trusted.read(&presented)
    }

    #[test]
    fn groups_are_trimmed_and_permissions_come_from_the_properties() {
        let UserinfoAnswer::Known(principal) = read(&[
            ("miauserid", "u1"),
            ("miausergroups", "a, b,,c"),
            ("miauserproperties", r#"{"permissions":["p"],"mail":"x@y"}"#),
        ]) else {
            panic!()
        };
        assert_eq!(principal.id, "u1");
        assert_eq!(principal.groups.iter().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(principal.permissions.iter().collect::<Vec<_>>(), ["p"]);
        assert_eq!(principal.properties["mail"], "x@y");
    }

    #[test]
    fn decision_table_row_11_an_empty_user_id_is_nobody() {
        for headers in [&[][..], &[("miauserid", "")], &[("miauserid", "-"), ("miausergroups", "admin")]] {
            assert!(matches!(read(headers), UserinfoAnswer::Nobody(Nobody::NotAsked)), "{headers:?}");
        }
    }

    #[test]
    fn g_hdr_19_two_values_or_unreadable_ones_are_never_an_identity() {
        for headers in [
            &[("miauserid", "u1"), ("miauserid", "admin")][..],
            &[("miauserid", "u1"), ("miausergroups", "a"), ("miausergroups", "admin")],
            &[("miauserid", "u1"), ("miauserproperties", r#"{"permissions":["a"],"permissions":["b"]}"#)],
            &[("miauserid", "u1"), ("miauserproperties", "[]")],
            &[("miauserid", "u1"), ("miauserproperties", r#"{"permissions":"p"}"#)],
        ] {
            assert!(matches!(read(headers), UserinfoAnswer::Unknown(_)), "{headers:?}");
        }
    }
}

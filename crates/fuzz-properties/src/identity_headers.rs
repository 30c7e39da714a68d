//! What services are told of a caller, whatever userinfo answered: every header there is, each one line of printable
//! ASCII that a list of groups and a JSON object are read from again as they were.

use common::{Principal, Timestamp, strict_json};
use principal::{IdentityHeaders, MAX_HEADER, Reading, Unsendable, of_json};
use serde_json::{Map, Value};

const HEADERS: [&str; 4] = ["mia-allowed", "mia-userid", "mia-groups", "mia-userproperties"];

pub(crate) fn check(input: &[u8]) {
    let Ok(members) = strict_json::object(input) else { return };
    // Names as an operator may write them, and every name of the answer.
    for to_proxy in
        [Vec::new(), vec!["email".to_owned(), "name".to_owned()], members.keys().cloned().collect()]
    {
        let reading = Reading {
            user_id_key: "sub".to_owned(),
            permissions_key: None,
            groups_as_text: false,
            properties_to_proxy: to_proxy,
        };
        let Ok(principal) = of_json(input, &reading, Timestamp::from_unix_seconds(0)) else { return };
        let told = chosen(&members, &reading.properties_to_proxy);
        match IdentityHeaders::of(&principal) {
            Ok(headers) => assert_carried(&headers, &principal, &told),
            Err(Unsendable::UserId) => assert!(!is_line(&principal.id)),
            Err(Unsendable::Groups) => assert!(length(principal.groups.iter()) > MAX_HEADER),
            // Escaped, a character is six bytes at most for each byte that it has.
            Err(Unsendable::Properties) => assert!(Value::Object(told).to_string().len() * 6 > MAX_HEADER),
        }
    }
}

fn assert_carried(headers: &IdentityHeaders, principal: &Principal, chosen: &Map<String, Value>) {
    for allowed in [true, false] {
        let lines = headers.beside(allowed);
        assert_eq!(lines.map(|(name, _)| name), HEADERS, "all of them, each once (conformance §3.0 rule 4)");
        for (name, value) in lines {
            assert!(value.is_empty() || is_line(value), "{name}: {value:?} (G-GRP-01, G-GRP-03)");
        }
        assert_eq!(lines[0].1, if allowed { "1" } else { "0" });
        assert_eq!(lines[1].1, principal.id);
        // As the services behind the gateway read it.
        let told: Vec<_> = lines[2].1.split(',').filter(|group| !group.is_empty()).collect();
        let of_user = principal.groups.iter().map(String::as_str);
        let carried: Vec<_> = of_user.filter(|group| is_line(group) && !group.contains(',')).collect();
        assert_eq!(told, carried, "(G-GRP-01)");
        assert_eq!(told.len() + headers.groups_left_out, principal.groups.len());
        let told: Map<String, Value> = serde_json::from_str(lines[3].1).expect("an object");
        assert_eq!(told, *chosen, "(G-GRP-03)");
    }
}

/// One line that no one on the way changes.
fn is_line(text: &str) -> bool {
    let edges = [text.chars().next(), text.chars().last()];
    let is_printable = text.chars().all(|character| character.is_ascii_graphic() || character == ' ');
    is_printable && !text.is_empty() && text.len() <= MAX_HEADER && !edges.contains(&Some(' '))
}

fn length<'name>(names: impl Iterator<Item = &'name String>) -> usize {
    names.map(|name| name.len() + 1).sum::<usize>().saturating_sub(1)
}

fn chosen(members: &Map<String, Value>, names: &[String]) -> Map<String, Value> {
    members
        .iter()
        .filter(|(name, _)| names.contains(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

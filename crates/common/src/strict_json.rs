//! JSON from strangers: one reading only. serde_json keeps the last of two equal member names; another parser keeps
//! the first, and the difference is an attack (RFC 7515 §10.12, T-FRM-13, T-CLM-11, G-UI-03). Here a repeated name
//! is an error at every depth. Nesting is bounded by serde_json itself (128 levels).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Parses `bytes` as one JSON object with distinct member names at every depth.
///
/// # Errors
/// A syntax error, a repeated member name, more than 128 levels, trailing bytes, or a value that is no object. The
/// error text names position and cause but never repeats the input.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    match value(bytes)? {
        Value::Object(members) => Ok(members),
        _ => Err(serde_json::Error::custom("expected a JSON object")),
    }
}

/// Parses `bytes` as one JSON value with distinct member names at every depth. Errors as for [`object`].
///
/// # Errors
/// See [`object`].
pub fn value(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Distinct.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Builds a [`Value`] and refuses repeated member names on the way.
struct Distinct;

impl<'de> DeserializeSeed<'de> for Distinct {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Distinct {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(Distinct)? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Distinct)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member name is repeated"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{object, value};

    #[test]
    fn well_formed_values_keep_their_types() {
        let text = br#" {"a":[1,-2,3.5,true,null,"\u00e8"],"b":{"c":18446744073709551615}} "#;
        assert_eq!(
            value(text).unwrap(),
            json!({"a":[1,-2,3.5,true,null,"è"],"b":{"c":18_446_744_073_709_551_615_u64}})
        );
    }

    #[test]
    fn t_frm_13_repeated_names_are_refused_at_every_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"b":[{"a":1,"a":2}]}"#, r#"{"a":1,"\u0061":2}"#] {
            assert!(value(text.as_bytes()).unwrap_err().to_string().contains("repeated"), "{text}");
        }
    }

    #[test]
    fn t_frm_14_hostile_text_is_an_error_and_not_a_stack_overflow() {
        let deep = "[".repeat(100_000);
        for text in
            [deep.as_str(), "{\"a\":1e400}", "{}{}", "{\"a\":1,}", "", "\u{feff}{}", "{\"a\":\"\\ud800\"}"]
        {
            assert!(value(text.as_bytes()).is_err());
        }
        assert!(value(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn only_an_object_is_an_object() {
        for text in ["[]", "null", "\"x\"", "1"] {
            assert!(object(text.as_bytes()).is_err(), "{text}");
        }
    }
}

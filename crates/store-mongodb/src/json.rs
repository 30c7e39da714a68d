//! JSON objects that users wrote, as BSON and back. An object that BSON can hold exactly and that MongoDB reads as
//! plain data is stored as a sub-document, as the platform stores it; any other one as JSON text. So a name like
//! `$set` or `a.b` is never in a place where it could mean something.

use mongodb::bson::{Bson, Document};
use serde_json::{Map, Number, Value};

/// MongoDB refuses documents of more than 100 levels; ours are inside another one.
const DEEPEST: usize = 64;

/// The object as it is stored.
pub(crate) fn to_bson(object: &Map<String, Value>) -> Bson {
    match document(object, DEEPEST) {
        Some(document) => Bson::Document(document),
        None => Bson::String(Value::Object(object.clone()).to_string()),
    }
}

/// A stored object; `None` if it is something else.
pub(crate) fn from_bson(stored: &Bson) -> Option<Map<String, Value>> {
    match stored {
        Bson::Document(document) => object(document),
        Bson::String(text) => serde_json::from_str(text).ok(),
        _ => None,
    }
}

fn document(object: &Map<String, Value>, depth: usize) -> Option<Document> {
    object
        .iter()
        .map(|(name, member)| Some((plain(name)?.to_owned(), bson(member, depth.checked_sub(1)?)?)))
        .collect()
}

/// Names that mean nothing to MongoDB and fit into BSON.
pub(crate) fn plain(name: &str) -> Option<&str> {
    let special = name.is_empty() || name.contains(['$', '.', '\0']);
    (!special).then_some(name)
}

fn bson(value: &Value, depth: usize) -> Option<Bson> {
    Some(match value {
        Value::Null => Bson::Null,
        Value::Bool(flag) => Bson::Boolean(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Bson::Int64(integer),
            // BSON has no integers above 2^63.
            None if number.is_u64() => return None,
            None => Bson::Double(number.as_f64()?),
        },
        Value::String(text) => Bson::String(text.clone()),
        Value::Array(items) => {
            let depth = depth.checked_sub(1)?;
            Bson::Array(items.iter().map(|item| bson(item, depth)).collect::<Option<_>>()?)
        }
        Value::Object(members) => Bson::Document(document(members, depth)?),
    })
}

fn object(document: &Document) -> Option<Map<String, Value>> {
    document.iter().map(|(name, member)| Some((name.clone(), value(member)?))).collect()
}

fn value(stored: &Bson) -> Option<Value> {
    Some(match stored {
        Bson::Null => Value::Null,
        Bson::Boolean(flag) => Value::Bool(*flag),
        Bson::Int32(integer) => Value::from(*integer),
        Bson::Int64(integer) => Value::from(*integer),
        Bson::Double(number) => Value::Number(Number::from_f64(*number)?),
        Bson::String(text) => Value::String(text.clone()),
        Bson::Array(items) => Value::Array(items.iter().map(value).collect::<Option<_>>()?),
        Bson::Document(document) => Value::Object(object(document)?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;
    use serde_json::json;

    use super::*;

    fn members(value: &Value) -> &Map<String, Value> {
        value.as_object().unwrap()
    }

    #[test]
    fn plain_objects_are_documents() {
        let object = json!({"a": 1, "b": [true, null, "x", 1.5, {"c": -1}]});
        let expected = doc! { "a": 1_i64, "b": [true, Bson::Null, "x", 1.5, { "c": -1_i64 }] };
        assert_eq!(to_bson(members(&object)), Bson::Document(expected));
    }

    #[test]
    fn objects_that_could_mean_something_or_do_not_fit_are_text() {
        let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
        for object in [
            json!({"$set": 1}),
            json!({"a": {"b.c": 1}}),
            json!({"a": [{"$ref": 1}]}),
            json!({"": 1}),
            json!({"a\u{0}": 1}),
            json!({"a": u64::MAX}),
            json!({"a": deep}),
        ] {
            let stored = to_bson(members(&object));
            assert!(matches!(stored, Bson::String(_)), "{object}");
            assert_eq!(from_bson(&stored).as_ref(), Some(members(&object)));
        }
    }

    #[test]
    fn what_is_no_json_object_is_nothing() {
        for stored in [
            Bson::Null,
            Bson::Int32(1),
            Bson::String("[]".to_owned()),
            Bson::Document(doc! { "a": Bson::MaxKey }),
            Bson::Document(doc! { "a": f64::NAN }),
        ] {
            assert_eq!(from_bson(&stored), None, "{stored}");
        }
    }
}

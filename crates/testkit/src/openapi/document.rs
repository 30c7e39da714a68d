//! Whether a document is a good one.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Description, METHODS};

/// The JSON Schemas of OpenAPI 3.1 documents, under the names that they call each other by.
const META_SCHEMAS: [(&str, &str); 4] = [
    ("https://spec.openapis.org/oas/3.1/schema/2022-10-07", include_str!("../../openapi-3.1/schema.json")),
    (META_SCHEMA, include_str!("../../openapi-3.1/schema-base.json")),
    ("https://spec.openapis.org/oas/3.1/dialect/base", include_str!("../../openapi-3.1/dialect-base.json")),
    ("https://spec.openapis.org/oas/3.1/meta/base", include_str!("../../openapi-3.1/meta-base.json")),
];
/// Documents whose schemas are of the dialect of OpenAPI.
const META_SCHEMA: &str = "https://spec.openapis.org/oas/3.1/schema-base/2022-10-07";

/// The keywords that our schemas use. JSON Schema allows any other and ignores it: a misspelled one would say nothing.
const KEYWORDS: [&str; 29] = [
    "$ref",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "default",
    "dependentRequired",
    "description",
    "enum",
    "examples",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "oneOf",
    "pattern",
    "patternProperties",
    "properties",
    "propertyNames",
    "required",
    "title",
    "type",
    "uniqueItems",
];

pub(super) fn faults(description: &Description) -> Vec<String> {
    let document = &description.document;
    let mut faults = meta_schema_faults(document);
    let reached = references(document);
    faults.extend(
        reached
            .iter()
            .filter(|reference| document.pointer(reference.trim_start_matches('#')).is_none())
            .map(|reference| format!("{reference} leads to nothing")),
    );
    if !faults.is_empty() {
        // The rest relies on that.
        return faults;
    }
    for (kind, components) in document["components"].as_object().unwrap() {
        if kind == "securitySchemes" {
            continue;
        }
        let unused = components.as_object().unwrap().keys().map(|name| format!("#/components/{kind}/{name}"));
        faults.extend(
            unused.filter(|name| !reached.contains(name)).map(|name| format!("nothing refers to {name}")),
        );
    }
    for_each_object(document, "", &mut |object, place| {
        if let Some(schema) = object.get("schema") {
            check_schema(schema, &format!("{place}/schema"), &mut faults);
            let values =
                object.get("examples").and_then(Value::as_object).into_iter().flat_map(|all| all.values());
            let examples = object.get("example").into_iter().chain(values.map(|example| &example["value"]));
            check_examples(description, schema, examples, place, &mut faults);
        }
    });
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let place = format!("#/components/schemas/{name}");
        check_schema(schema, &place, &mut faults);
        let examples = schema.get("examples").and_then(Value::as_array).into_iter().flatten();
        check_examples(description, schema, examples, &place, &mut faults);
    }
    check_operations(description, &mut faults);
    faults
}

fn meta_schema_faults(document: &Value) -> Vec<String> {
    let mut registry = jsonschema::Registry::new();
    for (name, text) in META_SCHEMAS {
        let schema: Value = serde_json::from_str(text).unwrap();
        registry = registry.add(name, schema).unwrap();
    }
    let registry = registry.prepare().unwrap();
    let options = jsonschema::options().with_registry(&registry).offline().should_validate_formats(true);
    let options = options.with_vocabulary("https://spec.openapis.org/oas/3.1/vocab/base");
    let validator = options.build(&serde_json::json!({ "$ref": META_SCHEMA })).unwrap();
    validator
        .iter_errors(document)
        .map(|error| format!("{error} at {:?}", error.instance_path().to_string()))
        .collect()
}

/// Everything that is referred to.
fn references(document: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for_each_object(document, "", &mut |object, _| {
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            found.insert(reference.to_owned());
        }
    });
    found
}

fn for_each_object<'value>(value: &'value Value, place: &str, visit: &mut impl FnMut(&'value Value, &str)) {
    match value {
        Value::Object(members) => {
            visit(value, place);
            for (name, member) in members {
                for_each_object(member, &format!("{place}/{name}"), visit);
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                for_each_object(element, &format!("{place}/{index}"), visit);
            }
        }
        _ => {}
    }
}

/// Notes every keyword that we do not use, at any depth.
fn check_schema(schema: &Value, place: &str, faults: &mut Vec<String>) {
    let Some(members) = schema.as_object() else { return };
    for (keyword, value) in members {
        let place = format!("{place}/{keyword}");
        if !KEYWORDS.contains(&keyword.as_str()) {
            faults.push(format!("{place} is no keyword that we use"));
        }
        match keyword.as_str() {
            "properties" | "patternProperties" => {
                for (name, schema) in value.as_object().unwrap() {
                    check_schema(schema, &format!("{place}/{name}"), faults);
                }
            }
            "allOf" | "anyOf" | "oneOf" => {
                for schema in value.as_array().unwrap() {
                    check_schema(schema, &place, faults);
                }
            }
            "items" | "additionalProperties" | "propertyNames" => check_schema(value, &place, faults),
            _ => {}
        }
    }
    let required = members.get("required").and_then(Value::as_array).into_iter().flatten();
    if let Some(properties) = members.get("properties").filter(|_| !members.contains_key("$ref")) {
        let unknown = required.filter_map(Value::as_str).filter(|name| properties.get(*name).is_none());
        faults.extend(unknown.map(|name| format!("{place} requires {name} and does not describe it")));
    }
}

fn check_examples<'value>(
    description: &Description,
    schema: &Value,
    examples: impl Iterator<Item = &'value Value>,
    place: &str,
    faults: &mut Vec<String>,
) {
    for example in examples {
        let found = description.faults_of(schema, example, true);
        faults.extend(found.into_iter().map(|fault| format!("an example of {place}: {fault}")));
    }
}

/// Every operation has a name of its own, and describes each variable of its path.
fn check_operations(description: &Description, faults: &mut Vec<String>) {
    let mut names = BTreeSet::new();
    for (path, item) in description.document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if !METHODS.contains(&method.as_str()) {
                continue;
            }
            let name = operation["operationId"].as_str().unwrap_or_default();
            if name.is_empty() || !names.insert(name) {
                faults.push(format!("{method} {path} has no operationId of its own"));
            }
            if operation.get("security").is_none() {
                faults.push(format!("{method} {path} does not say whether it wants a credential"));
            }
            let parameters = description.parameters(item, operation);
            let described: BTreeSet<_> = parameters
                .iter()
                .filter(|one| one["in"] == "path")
                .filter_map(|one| one["name"].as_str())
                .collect();
            let variables = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
            if variables.collect::<BTreeSet<_>>() != described {
                faults.push(format!("{method} {path} describes the variables {described:?}"));
            }
        }
    }
}

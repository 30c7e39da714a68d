//! Holds a running service against its OpenAPI document: whether the document is a good one, which operations it has, and
//! whether what was asked and answered is in it. Strict: a member of an answer that no schema names is a fault.

mod document;
mod exchange;

pub use exchange::Exchange;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jsonschema::Validator;
use serde_json::{Value, json};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// A document, ready to be asked.
pub struct Description {
    document: Value,
    /// The same, and no object may have members that are not described.
    closed: Value,
    /// Schemas that were used already, by their text.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// One method on one path, as the document has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// In capitals.
    pub method: String,
    /// Without the prefix; `{…}` stands for one segment.
    pub path: String,
    pub statuses: Vec<u16>,
    /// The roles in its security requirements, of all schemes.
    pub roles: Vec<String>,
}

impl Description {
    /// The document as it was served.
    #[must_use]
    pub fn new(document: Value) -> Self {
        let mut closed = document.clone();
        close(&mut closed);
        Self { document, closed, validators: Mutex::default() }
    }

    /// What is wrong with the document itself: a broken schema, a reference to nothing, a component that nothing refers
    /// to, an example that is none. Empty if it is good.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        document::faults(self)
    }

    /// Every operation, in the order of the document.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (path, item) in self.document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                if METHODS.contains(&method.as_str()) {
                    operations.push(Operation::read(method, path, operation));
                }
            }
        }
        operations
    }

    /// What is wrong with an exchange, in one sentence. `Ok` names the operation, or nothing if the path or method is not
    /// described and was answered accordingly.
    ///
    /// # Errors
    /// The sentence.
    pub fn check(&self, exchange: &Exchange<'_>) -> Result<Option<Operation>, String> {
        exchange::check(self, exchange)
    }

    /// What a reference leads to, or the value itself.
    fn resolve<'document>(&'document self, value: &'document Value) -> &'document Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                let pointer = reference.strip_prefix('#').unwrap();
                self.document.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads to nothing"))
            }
            None => value,
        }
    }

    /// What is wrong with `instance`, one line for each fault. `strict`: no member may be without a schema.
    fn faults_of(&self, schema: &Value, instance: &Value, strict: bool) -> Vec<String> {
        let validator = self.validator(schema, strict);
        validator
            .iter_errors(instance)
            .map(|error| format!("{} at {:?}", error, error.instance_path().to_string()))
            .collect()
    }

    fn validator(&self, schema: &Value, strict: bool) -> Arc<Validator> {
        let key = format!("{strict} {schema}");
        let mut validators = self.validators.lock().unwrap();
        let validator = validators.entry(key).or_insert_with(|| {
            let mut schema = schema.clone();
            if strict {
                close(&mut schema);
            }
            let document = if strict { &self.closed } else { &self.document };
            // References are to components: they are here too.
            let root = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "allOf": [schema],
                "components": document["components"]});
            let options = jsonschema::options().offline().should_validate_formats(true);
            Arc::new(options.build(&root).unwrap_or_else(|error| panic!("{error}: {root}")))
        });
        Arc::clone(validator)
    }
}

impl Operation {
    fn read(method: &str, path: &str, operation: &Value) -> Self {
        let responses = operation["responses"].as_object().unwrap();
        let security = operation["security"].as_array().cloned().unwrap_or_default();
        let roles = security.iter().filter_map(Value::as_object).flat_map(|schemes| schemes.values());
        let roles = roles.filter_map(Value::as_array).flatten();
        Self {
            method: method.to_uppercase(),
            path: path.to_owned(),
            statuses: responses.keys().map(|status| status.parse().unwrap()).collect(),
            roles: roles.map(|role| role.as_str().unwrap().to_owned()).collect(),
        }
    }
}

/// Forbids members without a schema, in every object schema that does not say otherwise.
fn close(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let says = ["additionalProperties", "unevaluatedProperties"];
            if members.get("type") == Some(&json!("object"))
                && !says.iter().any(|name| members.contains_key(*name))
            {
                members.insert("unevaluatedProperties".to_owned(), json!(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(elements) => elements.iter_mut().for_each(close),
        _ => {}
    }
}

impl std::fmt::Debug for Description {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Description")
            .field("title", &self.document["info"]["title"])
            .finish_non_exhaustive()
    }
}

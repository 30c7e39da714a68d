//! Whether what was asked and answered is in the document.

use serde_json::{Map, Value, json};

use super::{Description, Operation};

/// Headers that are part of an interface: an answer has none that is not described.
const NAMED_HEADERS: [&str; 5] = ["allow", "etag", "location", "retry-after", "www-authenticate"];
const FORM: &str = "application/x-www-form-urlencoded";
/// What the connection answers before any path is looked at.
const HEAD_TOO_LARGE: u16 = 431;

/// A request and its answer. Names of headers are compared in any case.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub request_headers: &'a [(&'a str, &'a str)],
    pub request: &'a str,
    pub status: u16,
    pub headers: &'a [(String, String)],
    pub body: &'a str,
}

impl Exchange<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn media_type_of_request(&self) -> &str {
        let header = self.request_headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        header.map_or("", |(_, value)| value.split(';').next().unwrap_or_default())
    }
}

pub(super) fn check(description: &Description, exchange: &Exchange<'_>) -> Result<Option<Operation>, String> {
    if exchange.status == HEAD_TOO_LARGE {
        return Ok(None);
    }
    let Some((path, item)) = description.path_of(exchange.target) else {
        return undescribed(exchange, &[404]);
    };
    let method = if exchange.method == "HEAD" { "get".to_owned() } else { exchange.method.to_lowercase() };
    let Some(operation) = item.get(&method) else { return undescribed(exchange, &[404, 405]) };
    let response = operation["responses"].get(exchange.status.to_string());
    let response = response.ok_or_else(|| format!("{} {path} has no status {}", method, exchange.status))?;
    let response = description.resolve(response);
    description.check_headers(response, exchange)?;
    description.check_body(response, exchange)?;
    if (200..300).contains(&exchange.status) {
        description.check_query(item, operation, exchange)?;
        description.check_request(operation, exchange)?;
    }
    Ok(Some(Operation::read(&method, path, operation)))
}

fn undescribed(exchange: &Exchange<'_>, expected: &[u16]) -> Result<Option<Operation>, String> {
    if expected.contains(&exchange.status) {
        return Ok(None);
    }
    Err(format!(
        "{} {} is not described, and answered with {}",
        exchange.method, exchange.target, exchange.status
    ))
}

impl Description {
    /// The path of the document that a request target names, and what the document has there.
    fn path_of(&self, target: &str) -> Option<(&str, &Value)> {
        let target = target.split('?').next().unwrap_or_default();
        let matches = |path: &str, item: &Value| {
            let server = item.get("servers").unwrap_or(&self.document["servers"])[0]["url"].as_str().unwrap();
            let Some(rest) = target.strip_prefix(server.trim_end_matches('/')) else { return false };
            let mut segments = rest.split('/');
            let alike = path.split('/').all(|pattern| match segments.next() {
                Some(segment) if pattern.starts_with('{') => !segment.is_empty(),
                segment => segment == Some(pattern),
            });
            alike && segments.next().is_none()
        };
        let paths = self.document["paths"].as_object().unwrap().iter();
        paths.map(|(path, item)| (path.as_str(), item)).find(|(path, item)| matches(path, item))
    }

    /// The parameters of an operation, those of its path among them.
    pub(super) fn parameters<'a>(&'a self, item: &'a Value, operation: &'a Value) -> Vec<&'a Value> {
        let lists = [item.get("parameters"), operation.get("parameters")];
        let all = lists.into_iter().flatten().filter_map(Value::as_array).flatten();
        all.map(|parameter| self.resolve(parameter)).collect()
    }

    fn check_headers(&self, response: &Value, exchange: &Exchange<'_>) -> Result<(), String> {
        let described = response.get("headers").and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, header) in &described {
            let header = self.resolve(header);
            let Some(value) = exchange.header(name) else {
                if header["required"] == true {
                    return Err(format!("the header {name} is missing"));
                }
                continue;
            };
            let whole = header["schema"]["type"] == "integer";
            let value =
                if whole { value.parse::<i64>().map_or(json!(value), |n| json!(n)) } else { json!(value) };
            let faults = self.faults_of(&header["schema"], &value, true);
            if !faults.is_empty() {
                return Err(format!("header {name}: {}", faults.join("; ")));
            }
        }
        let is_described = |name: &str| described.keys().any(|known| known.eq_ignore_ascii_case(name));
        match NAMED_HEADERS.into_iter().find(|name| exchange.header(name).is_some() && !is_described(name)) {
            Some(name) => Err(format!("the header {name} is not described")),
            None => Ok(()),
        }
    }

    fn check_body(&self, response: &Value, exchange: &Exchange<'_>) -> Result<(), String> {
        let content_type = exchange.header("content-type");
        let Some(content) = response.get("content") else {
            let empty = exchange.body.is_empty() && content_type.is_none();
            return if empty { Ok(()) } else { Err("there is a body, and none is described".to_owned()) };
        };
        let media_type = content_type.unwrap_or_default();
        let described = content
            .get(media_type)
            .ok_or_else(|| format!("the media type {media_type:?} is not described"))?;
        if exchange.method == "HEAD" {
            return if exchange.body.is_empty() {
                Ok(())
            } else {
                Err("HEAD was answered with a body".to_owned())
            };
        }
        let body = if media_type == "application/json" {
            serde_json::from_str(exchange.body).map_err(|error| error.to_string())?
        } else {
            json!(exchange.body)
        };
        let faults = self.faults_of(&described["schema"], &body, true);
        if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
    }

    /// A request that was answered as it hoped has no parameter that is not described. Where the parameters are in a form,
    /// nobody looks at the query.
    fn check_query(&self, item: &Value, operation: &Value, exchange: &Exchange<'_>) -> Result<(), String> {
        let body = operation.get("requestBody").map(|body| self.resolve(body));
        if body.is_some_and(|body| body["content"].get(FORM).is_some()) {
            return Ok(());
        }
        let query = exchange.target.split_once('?').map_or("", |(_, query)| query);
        let parameters = self.parameters(item, operation);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let name = pair.split('=').next().unwrap_or_default();
            let known = parameters.iter().filter(|one| one["in"] == "query").any(|one| {
                // Of an exploded object, the members are the parameters.
                let names = one["schema"].get("patternProperties").and_then(Value::as_object);
                let begins =
                    |pattern: &String| name.starts_with(&pattern.replace(['^', '\\'], "").replace(".+$", ""));
                one["name"] == name || names.is_some_and(|names| names.keys().any(begins))
            });
            if !known {
                return Err(format!("the parameter {name} is not described"));
            }
        }
        Ok(())
    }

    /// A body that was taken fits its schema.
    fn check_request(&self, operation: &Value, exchange: &Exchange<'_>) -> Result<(), String> {
        if exchange.request.is_empty() {
            return Ok(());
        }
        let Some(body) = operation.get("requestBody").map(|body| self.resolve(body)) else {
            return Ok(());
        };
        let media_type = exchange.media_type_of_request().to_ascii_lowercase();
        let described = body["content"].get(&media_type);
        let schema =
            &described.ok_or_else(|| format!("a body of {media_type:?} is not described"))?["schema"];
        let value = if media_type == FORM {
            form(exchange.request, schema)
        } else {
            without_nulls(
                serde_json::from_str(exchange.request).map_err(|error| error.to_string())?,
                &media_type,
            )
        };
        let faults = self.faults_of(schema, &value, false);
        if faults.is_empty() { Ok(()) } else { Err(format!("the request was taken: {}", faults.join("; "))) }
    }
}

/// The members of a form; those that the schema has as lists are lists.
fn form(text: &str, schema: &Value) -> Value {
    let mut members = Map::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // What is empty counts as left out (RFC 6749 §3.2).
        if value.is_empty() {
            continue;
        }
        let value = json!(decoded(value));
        if schema["properties"][name]["type"] == "array" {
            let list = members.entry(name).or_insert_with(|| json!([]));
            list.as_array_mut().unwrap().push(value);
        } else {
            members.insert(name.to_owned(), value);
        }
    }
    Value::Object(members)
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        match (first, others) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, others @ ..]) => {
                let hex = [*high, *low];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
                rest = others;
            }
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// In a new thing, null is another way to leave a member out; in a merge patch it removes.
fn without_nulls(mut value: Value, media_type: &str) -> Value {
    if let (Some(members), "application/json") = (value.as_object_mut(), media_type) {
        members.retain(|_, value| !value.is_null());
    }
    value
}

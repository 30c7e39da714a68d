//! The OpenAPI document of a listener (OpenAPI 3.1). People write it, in parts that lie beside the endpoints they describe;
//! here the parts become one document, once, at start. It knows nothing of what they describe.

use actix_web::http::header::{CACHE_CONTROL, ContentType, ETAG};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use common::Profile;
use serde_json::{Map, Value};

use crate::etag;

/// Where every listener serves its document. Outside `SERVICE_PREFIX`, as the status routes are.
pub const PATH: &str = "/-/openapi.json";

/// What every listener has: the status routes, this document, the body of errors.
const EVERYWHERE: &str = include_str!("everywhere.json");

/// Marks what only one profile has. It is no part of the document.
const MARK: &str = "x-profile";

/// A document, ready to be served.
#[derive(Debug, Clone)]
pub struct Document {
    body: Bytes,
    etag: String,
}

impl Document {
    /// The document of `parts`. What is marked `"x-profile"` for another profile is left out. The paths are below
    /// `prefix`, but for those that name a server of their own.
    ///
    /// # Errors
    /// If a part is not JSON.
    pub fn compose(
        parts: &[&str],
        version: &str,
        prefix: &str,
        profile: Profile,
    ) -> Result<Self, serde_json::Error> {
        let mut document = Value::Object(Map::new());
        for part in [EVERYWHERE].iter().chain(parts) {
            merge(&mut document, serde_json::from_str(part)?);
        }
        let profile = serde_json::to_value(profile)?;
        keep(&mut document, &profile);
        let base = if prefix.is_empty() { "/" } else { prefix };
        merge(&mut document, serde_json::json!({"info": {"version": version}, "servers": [{"url": base}]}));
        let body = Bytes::from(document.to_string());
        let etag = etag::of(&body);
        Ok(Self { body, etag })
    }

    /// The document, as it is served.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Answers the document, or 304 to those who have it.
    #[must_use]
    pub fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let has = etag::caller_has(request, &self.etag);
        let mut response = if has { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        // Another version of the service may be there with the next request.
        response.insert_header((CACHE_CONTROL, "no-cache")).insert_header((ETAG, self.etag.as_str()));
        if has {
            return response.finish();
        }
        response.content_type(ContentType::json()).body(self.body.clone())
    }
}

/// Adds the members of `part`, at every depth; lists grow.
fn merge(target: &mut Value, part: Value) {
    match (target, part) {
        (Value::Object(members), Value::Object(part)) => {
            for (name, value) in part {
                merge(members.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(elements), Value::Array(part)) => elements.extend(part),
        (target, part) => *target = part,
    }
}

/// Removes what is marked for another profile, and all marks.
fn keep(value: &mut Value, profile: &Value) {
    let ours = |value: &Value| value.get(MARK).is_none_or(|mark| mark == profile);
    match value {
        Value::Object(members) => {
            members.retain(|_, value| ours(value));
            members.remove(MARK);
            members.values_mut().for_each(|value| keep(value, profile));
        }
        Value::Array(elements) => {
            elements.retain(|value| ours(value));
            elements.iter_mut().for_each(|value| keep(value, profile));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn composed(parts: &[&str], prefix: &str, profile: Profile) -> Value {
        let document = Document::compose(parts, "1.2.3", prefix, profile).unwrap();
        serde_json::from_slice(&document.body).unwrap()
    }

    #[test]
    fn parts_become_one_document() {
        let parts = [
            r#"{"info": {"title": "t"}, "tags": [{"name": "a"}], "paths": {"/a": {"get": {"x": 1}}}}"#,
            r#"{"tags": [{"name": "b"}], "paths": {"/a": {"post": {}}, "/b": {}}}"#,
        ];
        for (prefix, server) in [("", "/"), ("/auth", "/auth")] {
            let document = composed(&parts, prefix, Profile::Standard);
            assert_eq!(document["info"]["title"], "t");
            assert_eq!(document["info"]["version"], "1.2.3");
            assert_eq!(document["servers"], json!([{ "url": server }]));
            assert_eq!(document["paths"]["/a"], json!({"get": {"x": 1}, "post": {}}));
            assert_eq!(document["paths"]["/b"], json!({}));
            assert_eq!(document["paths"]["/-/healthz"]["servers"], json!([{"url": "/"}]));
            assert!(
                document["tags"].as_array().unwrap().ends_with(&[json!({"name": "a"}), json!({"name": "b"})])
            );
        }
        assert!(Document::compose(&["{"], "1", "", Profile::Standard).is_err());
    }

    #[test]
    fn each_profile_has_what_is_marked_for_it() {
        let part = r#"{"paths": {"/a": {"x-profile": "drop-in", "get": {}}, "/b": {"get": {"responses":
            {"400": {"x-profile": "standard"}, "403": {"x-profile": "drop-in"}},
            "parameters": [{"x-profile": "drop-in", "name": "p"}, {"name": "q"}]}}}}"#;
        let standard = composed(&[part], "", Profile::Standard);
        assert_eq!(standard["paths"].get("/a"), None);
        let expected = json!({"get": {"responses": {"400": {}}, "parameters": [{"name": "q"}]}});
        assert_eq!(standard["paths"]["/b"], expected);
        let drop_in = composed(&[part], "", Profile::DropIn);
        assert_eq!(drop_in["paths"]["/a"], json!({"get": {}}));
        let expected =
            json!({"get": {"responses": {"403": {}}, "parameters": [{"name": "p"}, {"name": "q"}]}});
        assert_eq!(drop_in["paths"]["/b"], expected);
    }
}

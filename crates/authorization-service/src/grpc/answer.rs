//! A verdict as Envoy takes it. An allow overwrites every identity header of the request; a denial is the answer that
//! the HTTP face would give, word for word. Both tell the filters after ours what was decided, as dynamic metadata.

use envoy_types::ext_authz::v3::pb::{
    CheckResponse, DeniedHttpResponse, HeaderAppendAction, HeaderValue, HeaderValueOption, HttpResponse,
    HttpStatus, OkHttpResponse,
};
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Value};
use envoy_types::pb::google::rpc;
use tonic::Code;

use crate::answer::Answer;
use crate::decide::Verdict;

/// The answer to a call. `to_remove` are headers of the request that no service may see.
pub(super) fn response(answer: Answer<'_>, verdict: &Verdict, to_remove: Vec<String>) -> CheckResponse {
    let status = answer.status;
    let (code, http_response) = match verdict.denied {
        None => (Code::Ok, HttpResponse::OkResponse(allowed(answer, to_remove))),
        Some(_) => (code(status), HttpResponse::DeniedResponse(denied(answer))),
    };
    CheckResponse {
        status: Some(rpc::Status { code: code.into(), ..rpc::Status::default() }),
        dynamic_metadata: Some(metadata(verdict)),
        http_response: Some(http_response),
    }
}

/// The headers of an allow go to the service: only those that say who the caller is.
fn allowed(answer: Answer<'_>, to_remove: Vec<String>) -> OkHttpResponse {
    let identity = answer.headers.into_iter().filter(|(name, _)| name.starts_with("mia-"));
    OkHttpResponse {
        headers: identity.map(|(name, value)| overwriting(name, value.into_owned())).collect(),
        headers_to_remove: to_remove,
        ..OkHttpResponse::default()
    }
}

fn denied(answer: Answer<'_>) -> DeniedHttpResponse {
    let headers = answer.headers.into_iter().map(|(name, value)| overwriting(name, value.into_owned()));
    DeniedHttpResponse {
        status: Some(HttpStatus { code: i32::from(answer.status) }),
        headers: headers.collect(),
        body: answer.body.unwrap_or_default(),
    }
}

fn overwriting(name: &str, value: String) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue { key: name.to_owned(), value, ..HeaderValue::default() }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}

const fn code(status: u16) -> Code {
    match status {
        401 => Code::Unauthenticated,
        503 => Code::Unavailable,
        _ => Code::PermissionDenied,
    }
}

/// What was decided, for access logs and filters after ours. Nothing that the caller sent.
fn metadata(verdict: &Verdict) -> Struct {
    let user_id = Some(verdict.identity.user_id.clone()).filter(|id| !id.is_empty());
    let decision = if verdict.denied.is_some() { "deny" } else { "allow" };
    let texts = [
        ("decision", Some(decision.to_owned())),
        ("decision_id", verdict.id.map(|id| id.to_string())),
        ("reason", verdict.denied.map(|denial| denial.word().to_owned())),
        ("rule", verdict.findings.rule.as_ref().map(ToString::to_string)),
        ("user_id", user_id),
    ];
    let text = |text| Value { kind: Some(Kind::StringValue(text)) };
    let fields = texts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), text(value?))));
    Struct { fields: fields.collect() }
}

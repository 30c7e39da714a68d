//! The line of an answered request, member by member as `docs/logging.md` describes it. It has a type, and is no event with
//! fields, because there is one for each request: collecting and sorting fields took a quarter of the time of a decision.

use serde::Serialize;

use crate::access_log::{Annotations, Asked};
use crate::logging::LogText;

/// What a request was answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) status: u16,
    /// Of the body, if its length was known.
    pub(crate) bytes: Option<u64>,
    pub(crate) milliseconds: f64,
}

/// A line. Members without a value are left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccessLine<'line> {
    level: u8,
    time: i64,
    msg: &'static str,
    req_id: LogText<'line>,
    http: Http<'line>,
    url: Url<'line>,
    #[serde(skip_serializing_if = "Host::is_empty")]
    host: Host<'line>,
    response_time: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<Id<'line>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<Id<'line>>,
    #[serde(skip_serializing_if = "Client::is_empty")]
    client: Client<'line>,
    #[serde(skip_serializing_if = "Decision::is_empty")]
    decision: Decision<'line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Message<'line>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<Audit<'line>>,
}

#[derive(Serialize)]
struct Http<'line> {
    request: HttpRequest<'line>,
    response: HttpResponse,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpRequest<'line> {
    method: LogText<'line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<UserAgent<'line>>,
}

#[derive(Serialize)]
struct UserAgent<'line> {
    original: LogText<'line>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpResponse {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Body>,
}

#[derive(Serialize)]
struct Body {
    bytes: u64,
}

#[derive(Serialize)]
struct Url<'line> {
    path: LogText<'line>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Host<'line> {
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<LogText<'line>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarded_host: Option<LogText<'line>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<LogText<'line>>,
}

#[derive(Serialize)]
struct Id<'line> {
    id: &'line str,
}

#[derive(Serialize)]
struct Client<'line> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<LogText<'line>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<LogText<'line>>,
}

#[derive(Serialize)]
struct Decision<'line> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<LogText<'line>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<LogText<'line>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<LogText<'line>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

#[derive(Serialize)]
struct Message<'line> {
    message: LogText<'line>,
}

#[derive(Serialize)]
struct Audit<'line> {
    id: LogText<'line>,
    action: &'static str,
    actor: LogText<'line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<LogText<'line>>,
}

impl<'line> AccessLine<'line> {
    /// `ids` are those of the trace and of the span of the request, if it has one.
    pub(crate) fn new(
        level: u8,
        time: i64,
        asked: &'line Asked<'_>,
        outcome: Outcome,
        noted: &'line Annotations,
        ids: Option<(&'line str, &'line str)>,
    ) -> Self {
        let (trace, span) = ids.map(|(trace, span)| (Id { id: trace }, Id { id: span })).unzip();
        Self {
            level,
            time,
            msg: "request completed",
            req_id: LogText(asked.id),
            http: Http {
                request: HttpRequest {
                    method: LogText(asked.method),
                    user_agent: asked.user_agent.map(|text| UserAgent { original: LogText(text) }),
                },
                response: HttpResponse {
                    status_code: outcome.status,
                    body: outcome.bytes.map(|bytes| Body { bytes }),
                },
            },
            url: Url { path: LogText(&asked.target) },
            host: Host {
                hostname: asked.host.map(LogText),
                forwarded_host: asked.forwarded_host.map(LogText),
                ip: asked.ip.map(LogText),
            },
            response_time: outcome.milliseconds,
            trace,
            span,
            client: Client { id: text(&noted.client_id), target: text(&noted.target_client) },
            decision: Decision {
                id: text(&noted.decision_id),
                outcome: noted.decision,
                request: text(&noted.asked),
                rule: text(&noted.rule),
                reason: noted.reason,
            },
            error: text(&noted.error).map(|message| Message { message }),
            audit: noted.audit.as_ref().map(|event| Audit {
                id: LogText(&event.id),
                action: event.action,
                actor: LogText(&event.actor),
                subject: text(&event.subject),
            }),
        }
    }
}

fn text(text: &Option<String>) -> Option<LogText<'_>> {
    text.as_deref().map(LogText)
}

impl Host<'_> {
    fn is_empty(&self) -> bool {
        self.hostname.is_none() && self.forwarded_host.is_none() && self.ip.is_none()
    }
}

impl Client<'_> {
    fn is_empty(&self) -> bool {
        self.id.is_none() && self.target.is_none()
    }
}

impl Decision<'_> {
    fn is_empty(&self) -> bool {
        let Self { id, outcome, request, rule, reason } = self;
        id.is_none() && outcome.is_none() && request.is_none() && rule.is_none() && reason.is_none()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::access_log::Audited;

    const OUTCOME: Outcome = Outcome { status: 200, bytes: None, milliseconds: 0.25 };

    fn asked<'request>() -> Asked<'request> {
        Asked {
            id: "r1",
            method: "GET",
            method_word: "GET",
            route: "/auth",
            path: "/auth",
            target: "/auth?x=*".into(),
            host: None,
            forwarded_host: None,
            ip: None,
            user_agent: None,
        }
    }

    fn line(asked: &Asked<'_>, outcome: Outcome, noted: &Annotations, ids: Option<(&str, &str)>) -> Value {
        serde_json::to_value(AccessLine::new(30, 5, asked, outcome, noted, ids)).unwrap()
    }

    #[test]
    fn contract_8_a_line_with_everything() {
        let asked = Asked {
            host: Some("h"),
            forwarded_host: Some("f"),
            ip: Some("i"),
            user_agent: Some("u"),
            ..asked()
        };
        let text = |text: &str| Some(text.to_owned());
        let noted = Annotations {
            client_id: text("c"),
            target_client: text("t"),
            asked: text("GET /x"),
            decision_id: text("d"),
            decision: Some("deny"),
            rule: text("/x"),
            reason: Some("forbidden"),
            error: text("e"),
            audit: Some(Audited {
                id: "a1".to_owned(),
                action: "client.created",
                actor: "bootstrap".to_owned(),
                subject: text("s"),
            }),
        };
        let outcome = Outcome { bytes: Some(7), ..OUTCOME };
        assert_eq!(
            line(&asked, outcome, &noted, Some(("t1", "s1"))),
            json!({
                "level": 30, "time": 5, "msg": "request completed", "reqId": "r1", "responseTime": 0.25,
                "http": {"request": {"method": "GET", "userAgent": {"original": "u"}},
                         "response": {"statusCode": 200, "body": {"bytes": 7}}},
                "url": {"path": "/auth?x=*"}, "host": {"hostname": "h", "forwardedHost": "f", "ip": "i"},
                "trace": {"id": "t1"}, "span": {"id": "s1"}, "client": {"id": "c", "target": "t"},
                "decision": {"id": "d", "outcome": "deny", "request": "GET /x", "rule": "/x", "reason": "forbidden"},
                "error": {"message": "e"},
                "audit": {"id": "a1", "action": "client.created", "actor": "bootstrap", "subject": "s"},
            })
        );
    }

    #[test]
    fn contract_8_members_without_a_value_are_left_out() {
        assert_eq!(
            line(&asked(), OUTCOME, &Annotations::default(), None),
            json!({
                "level": 30, "time": 5, "msg": "request completed", "reqId": "r1", "responseTime": 0.25,
                "http": {"request": {"method": "GET"}, "response": {"statusCode": 200}},
                "url": {"path": "/auth?x=*"},
            })
        );
        let noted =
            Annotations { reason: Some("r"), target_client: Some("t".to_owned()), ..Default::default() };
        let line = line(&Asked { ip: Some("i"), ..asked() }, OUTCOME, &noted, None);
        assert_eq!(line["decision"], json!({"reason": "r"}));
        assert_eq!(line["client"], json!({"target": "t"}));
        assert_eq!(line["host"], json!({"ip": "i"}));
    }

    #[test]
    fn t_log_01_t_log_03_hostile_text_is_escaped_and_cut() {
        let hostile = "x\r\n{\"level\":30}\u{1b}[2J";
        let noted = Annotations { error: Some("é".repeat(5_000)), ..Annotations::default() };
        let asked = Asked { user_agent: Some(hostile), ..asked() };
        let text = serde_json::to_string(&AccessLine::new(30, 5, &asked, OUTCOME, &noted, None)).unwrap();
        assert!(!text.contains(['\r', '\n', '\u{1b}']), "{text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["http"]["request"]["userAgent"]["original"], hostile);
        assert_eq!(line["error"]["message"].as_str().unwrap().chars().count(), 1024);
    }
}

//! `authorization-service explain`: why a request was denied, asked by its id, or what would become of one.

use std::path::PathBuf;

use access_rules::{Decision, Request, decide};
use clap::{ArgGroup, Args};
use serde_json::{Value, json};
use service_kit::Vars;
use service_kit::management::{Management, Whereabouts};
use service_kit::output::{self, Format};

use super::principal::{Asking, CallerOptions};
use super::{Asked, CommandError, explanation, settings};
use crate::decide::denial::Denial;
use crate::record::explained;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("question").required(true).args(["id", "path"]))]
pub(super) struct Explain {
    /// The id of a denial: the service of this environment, or of --url, is asked for it
    #[arg(value_name = "DECISION_ID")]
    id: Option<String>,
    /// The management listener [default: that of MANAGEMENT_HOST and MANAGEMENT_PORT]
    #[arg(long, value_name = "URL", conflicts_with = "path")]
    url: Option<String>,
    /// File with the management token [default: MANAGEMENT_TOKEN]
    #[arg(long, value_name = "FILE", conflicts_with = "path")]
    token_file: Option<PathBuf>,
    /// Without an id: the verb of the request
    #[arg(long, value_name = "VERB", default_value = "GET", value_parser = super::verb)]
    method: String,
    /// Without an id: the path of the request, as the gateway would tell it
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    #[command(flatten)]
    caller: CallerOptions,
    #[command(flatten)]
    asked: Asked,
}

const WHEREABOUTS: Whereabouts = Whereabouts {
    service: "authorization-service",
    landmark: &["-", "rules"],
    default_port: None,
    token_variable: "MANAGEMENT_TOKEN",
    default_token_file: |_| Ok(None),
};

impl Explain {
    pub(super) fn run(&self, vars: &Vars) -> Result<(), CommandError> {
        let answer = match (&self.id, &self.path) {
            (Some(id), _) => self.of_the_service(id, vars)?,
            (None, path) => self.of_the_file(path.as_deref().unwrap_or_default(), vars)?,
        };
        match self.asked.output {
            Format::Json => self.asked.output.show(&answer, &[], &[])?,
            Format::Table => output::print(&explanation::text(&answer))?,
        }
        Ok(())
    }

    fn of_the_service(&self, id: &str, vars: &Vars) -> Result<Value, CommandError> {
        let service = Management::find(&WHEREABOUTS, self.url.as_deref(), self.token_file.as_deref(), vars)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(runtime.map_err(CommandError::Start)?.block_on(service.get(&["decisions", id], &[]))?)
    }

    fn of_the_file(&self, path: &str, vars: &Vars) -> Result<Value, CommandError> {
        let settings = settings(self.asked.rules.as_deref(), vars)?;
        let loaded = self.asked.load(vars)?;
        let (asking, facts) = (self.caller.read(vars)?, self.caller.facts());
        let request = Request { method: self.method.as_bytes(), target: path.as_bytes(), facts };
        let found = loaded.table.find(&request);
        let decision = decide(&found, asking.seen(), &facts);
        let mut answer = json!({
            "outcome": if decision.is_allow() { "allow" } else { "deny" },
            "request": { "method": self.method, "path": path },
            "clientType": facts.client_type,
            "backoffice": facts.is_backoffice,
            "caller": caller(&asking),
            "rules": { "file": settings.file.display().to_string() },
        });
        let mut put = |name: &str, value: Value| {
            if let Some(members) = answer.as_object_mut() {
                members.insert(name.to_owned(), value);
            }
        };
        if let Decision::Deny(denied) = decision {
            let denial = Denial::from(denied.reason);
            put("reason", denial.word().into());
            put("message", denial.to_string().into());
        }
        if let Some(rule) = decision.rule() {
            if self.caller.is_from_file() && !settings.permissions_are_known && rule.asks_for_permissions() {
                eprintln!(
                    "the rule asks for permissions, but CUSTOM_PERMISSIONS_KEY is not set: the caller has none; set it \
                     as the service has it"
                );
            }
            let explanation = access_rules::explain(rule, asking.seen(), &facts);
            put("rule", explained::rule(rule));
            put("evaluation", explained::evaluation(&explanation));
            if let Some(shadow) = access_rules::explain_shadow(rule, asking.seen(), &facts) {
                put("shadowEvaluation", explained::evaluation(&shadow));
            }
        }
        Ok(answer)
    }
}

fn caller(asking: &Asking) -> Value {
    match asking {
        Asking::Known(principal) => explained::known(principal),
        Asking::Nobody => json!({ "is": "nobody" }),
        Asking::Unknown => json!({ "is": "unknown" }),
    }
}

//! `authorization-service who-can GET /orders`: what one must have to make a request. `what-can`: what somebody may call.

use access_rules::{Callable, Caller, ClientTypes, Enough, Facts, WhoCan, WhoCanError};
use clap::Args;
use common::Principal;
use serde_json::{Value, json};
use service_kit::Vars;
use service_kit::output::{self, Column, Format};

use super::{Asked, CommandError};
use crate::record::explained;

#[derive(Debug, Args)]
pub(super) struct WhoCanMake {
    /// The verb
    #[arg(value_parser = super::verb)]
    method: String,
    /// Path and query
    target: String,
    /// Ask for a backoffice request
    #[arg(long)]
    backoffice: bool,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Debug, Args)]
pub(super) struct WhatCan {
    /// A group that they are in; may be given again
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// A permission that they have; may be given again
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
    /// Their client type
    #[arg(long, value_name = "CLIENT_TYPE", default_value = "")]
    client_type: String,
    /// For backoffice requests
    #[arg(long)]
    backoffice: bool,
    /// For somebody without user, who has no groups and no permissions
    #[arg(long, conflicts_with_all = ["groups", "permissions"])]
    nobody: bool,
    #[command(flatten)]
    asked: Asked,
}

const CALLABLE: [Column; 2] = [Column::text("PATH", "/path"), Column::text("VERBS", "/verbs")];

impl WhoCanMake {
    pub(super) fn run(&self, vars: &Vars) -> Result<(), CommandError> {
        let table = self.asked.load(vars)?.table;
        let answer = table.who_can(self.method.as_bytes(), self.target.as_bytes(), self.backoffice);
        match (answer, self.asked.output) {
            (Ok(who), Format::Table) => output::print(&lines(&who))?,
            (Ok(who), Format::Json) => self.asked.output.show(&json_of(&who), &[], &[])?,
            (Err(WhoCanError::NotFound(why)), Format::Table) => output::print(&format!("nobody: {why}\n"))?,
            (Err(WhoCanError::NotFound(why)), Format::Json) => {
                let answer = json!({ "rules": [], "public": null, "users": [], "why": why.to_string() });
                self.asked.output.show(&answer, &[], &[])?;
            }
            (Err(WhoCanError::TooManyNames), _) => {
                return Err(CommandError::Told(
                    "its rules mention too many names to look at every set of them: `explain` tells of one caller",
                ));
            }
        }
        Ok(())
    }
}

fn lines(who: &WhoCan<'_>) -> String {
    let mut text = String::new();
    for rule in &who.rules {
        let line = format!("{rule} (line {}): {}", rule.position().line, rule.expression_text());
        text.push_str(&format!("{}\n", output::visible(&line)));
    }
    let with = |client_types: &ClientTypes| match client_types {
        ClientTypes::Any => String::new(),
        types => format!(", client type {types}"),
    };
    match &who.public {
        Some(client_types) => text.push_str(&format!("without user: yes{}\n", with(client_types))),
        None => text.push_str("without user: no\n"),
    }
    if who.users.is_empty() {
        text.push_str("a user: never\n");
    }
    for Enough { names, client_types, more_can_lose } in &who.users {
        let more = if *more_can_lose { " (and with more it may be refused)" } else { "" };
        let line = format!("a user with {names}{}{more}", with(client_types));
        text.push_str(&format!("{}\n", output::visible(&line)));
    }
    text
}

fn json_of(who: &WhoCan<'_>) -> Value {
    let client_types = |types: &ClientTypes| match types {
        ClientTypes::Any => json!({ "any": true }),
        ClientTypes::Only(names) => json!({ "only": names }),
        ClientTypes::AllBut(names) => json!({ "allBut": names }),
    };
    let users = who.users.iter().map(|enough| {
        json!({
            "groups": enough.names.groups,
            "permissions": enough.names.permissions,
            "anyGroup": enough.names.any_group,
            "anyPermission": enough.names.any_permission,
            "clientTypes": client_types(&enough.client_types),
            "moreCanLose": enough.more_can_lose,
        })
    });
    json!({
        "rules": who.rules.iter().map(|rule| explained::rule(rule)).collect::<Vec<_>>(),
        "public": who.public.as_ref().map(client_types),
        "users": users.collect::<Vec<_>>(),
    })
}

impl WhatCan {
    pub(super) fn run(&self, vars: &Vars) -> Result<(), CommandError> {
        let table = self.asked.load(vars)?.table;
        let principal = Principal {
            id: "somebody".to_owned(),
            groups: self.groups.iter().cloned().collect(),
            permissions: self.permissions.iter().cloned().collect(),
            ..Principal::default()
        };
        let caller = if self.nobody { Caller::Anonymous } else { Caller::Known(&principal) };
        let facts = Facts { client_type: &self.client_type, is_backoffice: self.backoffice };
        let callable: Vec<Value> = table.what_can(caller, &facts).iter().map(callable).collect();
        let records: Vec<&Value> = callable.iter().collect();
        self.asked.output.show(&json!({ "paths": callable }), &records, &CALLABLE)?;
        Ok(())
    }
}

fn callable(callable: &Callable<'_>) -> Value {
    let verbs: Vec<&str> = callable.methods.iter().map(|method| method.as_str()).collect();
    json!({ "path": callable.path, "verbs": verbs })
}

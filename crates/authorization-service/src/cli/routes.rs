//! `authorization-service routes`: every rule of a file, in the order of the paths.

use clap::Args;
use serde_json::{Value, json};
use service_kit::Vars;
use service_kit::output::Column;

use super::{Asked, CommandError};
use crate::record::explained;

#[derive(Debug, Args)]
pub(super) struct Routes {
    #[command(flatten)]
    asked: Asked,
}

const COLUMNS: [Column; 6] = [
    Column::text("PATH", "/path"),
    Column::text("VERB", "/verb"),
    Column::text("SECTION", "/section"),
    Column::text("WITHOUT USER", "/public"),
    Column::text("EXPRESSION", "/expression"),
    Column::text("LINE", "/line"),
];

impl Routes {
    pub(super) fn run(&self, vars: &Vars) -> Result<(), CommandError> {
        let loaded = self.asked.load(vars)?;
        let rules: Vec<Value> = loaded.table.rules().map(explained::rule).collect();
        let records: Vec<&Value> = rules.iter().collect();
        self.asked.output.show(&json!({ "rules": rules }), &records, &COLUMNS)?;
        Ok(())
    }
}

//! `client-credentials audit`: what happened, newest first.

use clap::Args;
use serde_json::Value;
use service_kit::Vars;

use super::{CommandError, Connection};
use service_kit::output::Column;

#[derive(Debug, Args)]
pub(super) struct Audit {
    /// Only what concerns this client
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// Only this, such as client.changed or management.refused
    #[arg(long)]
    action: Option<String>,
    /// Only then or later: Unix time in milliseconds
    #[arg(long, value_name = "MILLISECONDS")]
    since: Option<String>,
    /// Only before then
    #[arg(long, value_name = "MILLISECONDS")]
    until: Option<String>,
    /// The `next` of the page before
    #[arg(long, value_name = "NEXT")]
    after: Option<String>,
    /// Events of a page, 1 to 1000
    #[arg(long, default_value = "100")]
    limit: String,
    #[command(flatten)]
    connection: Connection,
}

const COLUMNS: [Column; 7] = [
    Column::moment("WHEN", "/at"),
    Column::text("ACTION", "/action"),
    Column::text("ACTOR", "/actor/kind"),
    Column::text("ITS ID", "/actor/clientId"),
    Column::text("CLIENT", "/clientId"),
    Column::text("SUBJECT", "/subject"),
    Column::text("REASON", "/reason"),
];

impl Audit {
    pub(super) async fn run(self, vars: &Vars) -> Result<(), CommandError> {
        let management = self.connection.open(vars)?;
        let conditions = [
            ("client", &self.client),
            ("action", &self.action),
            ("since", &self.since),
            ("until", &self.until),
            ("after", &self.after),
        ];
        let mut query: Vec<_> =
            conditions.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect();
        query.push(("limit", &self.limit));
        let page = management.get(&["audit"], &query).await?;
        let events: Vec<&Value> =
            page.get("events").and_then(Value::as_array).into_iter().flatten().collect();
        self.connection.output.show(&page, &events, &COLUMNS)?;
        if let Some(next) = page.get("next").and_then(Value::as_str) {
            eprintln!("there are more: --after {next}");
        }
        Ok(())
    }
}

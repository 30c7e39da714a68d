//! Values that all processes of a deployment agree on.

use async_trait::async_trait;
use credentials::StoreError;
use credentials::store::DeploymentStore;
use rusqlite::params;

use crate::SqliteStore;

#[async_trait]
impl DeploymentStore for SqliteStore {
    async fn agree(&self, name: &str, proposal: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (name, proposal) = (name.to_owned(), proposal.to_owned());
        let agreed = self.write(move |connection| {
            let mut propose = connection.prepare_cached(
                "INSERT INTO deployment (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING",
            )?;
            propose.execute(params![name, proposal])?;
            let mut read = connection.prepare_cached("SELECT value FROM deployment WHERE name = ?")?;
            Ok(read.query_row([&name], |row| row.get(0))?)
        });
        Ok(agreed.await?)
    }
}

//! What was told of one alert, and the group of events that it was judged with, for people.
//!
//! Owns two questions to tables that the daemon writes; writes nothing. Must not know what a group is: its text is handed on.

use std::time::Duration;

use mysql_async::Row;
use mysql_async::prelude::Queryable;

use super::batch::VerdictRow;
use super::store::{SELECT_VERDICTS, Store, StoreError, verdict_from};

/// A person waits for it.
const LIMIT: Duration = Duration::from_secs(60);
/// Findings looked through, the newest first: their fingerprints are not stored.
const LOOKED_THROUGH: usize = 1_000_000;
/// Groups that name an occurrence: one for each rule, and a few by chance.
const GROUPS: usize = 1_000;

impl Store {
    /// Findings and their ends that are `wanted`, the oldest first.
    pub async fn history(
        &mut self,
        wanted: impl Fn(&VerdictRow) -> bool,
    ) -> Result<Vec<VerdictRow>, StoreError> {
        self.call_within(LIMIT, "read what was told", async |conn| {
            let sql = format!(
                "{SELECT_VERDICTS} FROM dcheck.result WHERE judgement <> 'matched' OR resolved = 1 \
                 ORDER BY at_ms DESC, seq DESC LIMIT {LOOKED_THROUGH}"
            );
            let mut found = Vec::new();
            let mut rows = conn.query_iter(sql).await?;
            while let Some(row) = rows.next().await? {
                let row: Row = row;
                found.extend(Some(verdict_from(row)).filter(|row| wanted(row)));
            }
            found.reverse();
            Ok(found)
        })
        .await
    }

    /// Kept groups whose text has `part` in it.
    pub async fn groups_with(&mut self, part: &str) -> Result<Vec<String>, StoreError> {
        self.call_within(LIMIT, "read kept groups", async |conn| {
            let sql = format!(
                "SELECT body FROM dcheck.kept_group WHERE LOCATE(?, body) > 0 LIMIT {GROUPS}"
            );
            conn.exec(sql, (part,)).await
        })
        .await
    }
}

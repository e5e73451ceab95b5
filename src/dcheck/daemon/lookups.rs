//! Lookups of rules: asked in tasks of their own, answered back to the core, bounded in time and
//! number.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::core::Back;
use crate::dcheck::event::Value;
use crate::dcheck::results::sql::SqlClient;

/// No rule may ask for longer than this.
const LOOKUP_LIMIT_MS: u64 = 10_000;

/// Asks the platform's SQL for the engine.
#[derive(Clone)]
pub struct Lookups {
    pub sql: Arc<SqlClient>,
}

impl Lookups {
    pub fn ask(
        &self,
        lookup: u64,
        sql: String,
        params: Vec<(String, Value)>,
        timeout_ms: u64,
        back: mpsc::Sender<Back>,
    ) {
        let client = Arc::clone(&self.sql);
        let limit = Duration::from_millis(timeout_ms.min(LOOKUP_LIMIT_MS));
        tokio::spawn(async move {
            let answer = client.named(&sql, &params, limit).await;
            let result = answer.map(|answer| answer.rows).map_err(|error| error.to_string());
            let _ = back.send(Back::Answer { lookup, result }).await;
        });
    }
}

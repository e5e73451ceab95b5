//! Lookups of rules: asked in tasks of their own, answered back to the core, bounded in time and
//! number.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::core::Back;
use crate::dcheck::event::Value;
use crate::dcheck::results::sql::{SqlClient, View};

/// No rule may ask for longer than this.
const LOOKUP_LIMIT_MS: u64 = 10_000;

/// Asks the platform's SQL for the engine.
#[derive(Clone)]
pub struct Lookups {
    pub sql: Arc<SqlClient>,
}

/// What a rule asks.
pub struct Question {
    pub sql: String,
    /// By name, for the placeholders `:name`.
    pub params: Vec<(String, Value)>,
    pub timeout_ms: u64,
    pub view: View,
}

impl Lookups {
    pub fn ask(&self, lookup: u64, question: Question, back: mpsc::Sender<Back>) {
        let client = Arc::clone(&self.sql);
        tokio::spawn(async move {
            let Question { sql, params, timeout_ms, view } = question;
            let limit = Duration::from_millis(timeout_ms.min(LOOKUP_LIMIT_MS));
            let answer = client.named(&sql, &params, view, limit).await;
            let result = answer.map(|answer| answer.rows).map_err(|error| error.to_string());
            let _ = back.send(Back::Answer { lookup, result }).await;
        });
    }
}

//! What is stored together: verdicts, alerts, plan runs and the checkpoint of one stretch of input.
//!
//! Owns the shapes. Knows no SQL, no engine, no plan's meaning.

use std::collections::BTreeMap;

use super::decisions::DecisionRow;
use crate::money::Money;
use crate::wire::{Judgement, PlanRun, Subject};

/// One verdict as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictRow {
    pub seq: u64,
    pub rule: String,
    pub version: String,
    pub loss_point: String,
    pub subject: Subject,
    pub occurrence: String,
    /// Which state of the occurrence was judged, where there is more than one.
    pub revision: String,
    pub severity: String,
    pub resolved: bool,
    /// It raised an alert, or ended one.
    pub alerting: bool,
    pub judgement: Judgement,
    pub expected: String,
    pub actual: String,
    pub at_risk: Option<Money>,
    pub position: String,
    pub at_ms: i64,
}

/// Where a message of the outbox goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    Alerts,
    PlanEvents,
}

impl Channel {
    pub const ALL: [Channel; 2] = [Channel::Alerts, Channel::PlanEvents];

    pub fn name(self) -> &'static str {
        match self {
            Channel::Alerts => "alerts",
            Channel::PlanEvents => "plan-events",
        }
    }

    pub fn from_name(name: &str) -> Option<Channel> {
        Channel::ALL.into_iter().find(|channel| channel.name() == name)
    }
}

/// One message to deliver at least once, in order among those of the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// 0 for a message that lives in memory only.
    pub seq: u64,
    pub channel: Channel,
    pub order_key: String,
    /// The same text is stored once.
    pub dedupe: String,
    pub body: String,
    pub created_ms: i64,
}

/// Everything that one commit makes durable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    pub verdicts: Vec<VerdictRow>,
    /// Matched verdicts that are only counted: (rule, version, segment) -> how many.
    pub matched: BTreeMap<(String, String, String), u64>,
    pub messages: Vec<Message>,
    pub runs: Vec<PlanRun>,
    /// (plan, alert fingerprint, run id).
    pub triggers: Vec<(String, String, String)>,
    /// (run id, step, receipt, at_ms).
    pub receipts: Vec<(String, String, String, i64)>,
    /// Groups of the engine as they are now, by id; none: forgotten.
    pub groups: Vec<(String, Option<String>)>,
    /// What is held, grouped and silenced, as it is now, by row; none: it is gone.
    pub alert_state: Vec<(String, Option<String>)>,
    /// Kill switches, by plan; none: lifted.
    pub halts: BTreeMap<String, Option<String>>,
    pub audit: Vec<AuditRow>,
    /// About dependencies of services.
    pub decisions: Vec<DecisionRow>,
    pub checkpoint: Option<String>,
    pub at_ms: i64,
}

/// What a person did, or what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    pub seq: u64,
    pub who: String,
    pub what: &'static str,
    /// JSON.
    pub body: String,
    pub at_ms: i64,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.verdicts.is_empty()
            && self.matched.is_empty()
            && self.messages.is_empty()
            && self.runs.is_empty()
            && self.triggers.is_empty()
            && self.receipts.is_empty()
            && self.groups.is_empty()
            && self.alert_state.is_empty()
            && self.halts.is_empty()
            && self.audit.is_empty()
            && self.decisions.is_empty()
            && self.checkpoint.is_none()
    }
}

/// What the results database held at start.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    pub verdicts: Vec<VerdictRow>,
    pub unsent: Vec<Message>,
    pub runs: Vec<PlanRun>,
    pub triggers: Vec<(String, String, String)>,
    pub checkpoint: Option<String>,
    /// The engine's groups.
    pub groups: Vec<String>,
    /// What was held, grouped and silenced, by row.
    pub alert_state: Vec<(String, String)>,
    /// Kill switches that are thrown.
    pub halts: Vec<String>,
    /// The highest number given so far, of any row.
    pub last_seq: u64,
}

/// A word that is not known says as much.
pub fn judgement_from(name: &str) -> Judgement {
    let known = Judgement::ALL.into_iter().find(|judgement| judgement.name() == name);
    known.unwrap_or(Judgement::Unknown)
}

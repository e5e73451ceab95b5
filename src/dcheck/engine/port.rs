//! What goes into the engine and what comes out: the boundary that the daemon codes against.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::CellTime;
use crate::dcheck::event::{Event, Row, Value};
use crate::money::Money;
use crate::wire::{Judgement, Subject};

use super::decided::Decided;
use super::rules::RuleSet;
use super::rules::ask::Ask;

/// One step's input. As text it is what a recording keeps: all but a set of rules.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    Event(Event),
    /// A mark was read on `source`: everything that the source wrote before cell time `at` has been
    /// given.
    Mark {
        source: String,
        seq: u64,
        at: CellTime,
    },
    /// `source` was read to an end that was its end at cell time `at` (a polled log end).
    SourceEnd {
        source: String,
        at: CellTime,
    },
    /// `source` is overdue: an end known since cell time `since` has not been reached. Repeats
    /// change nothing.
    Behind {
        source: String,
        since: CellTime,
    },
    /// `source` was read to its known end again.
    CaughtUp {
        source: String,
    },
    /// A part of the watcher itself ails since cell time `since`. Repeats change nothing.
    Ails {
        ward: Ward,
        id: String,
        since: CellTime,
        why: String,
    },
    /// That part is well again.
    Recovered {
        ward: Ward,
        id: String,
    },
    /// Part of `source` was gone before it was read, and reading goes on behind it. `what` says which records, and why; `id`
    /// is the same for the same gap.
    Missed {
        source: String,
        id: String,
        what: String,
    },
    /// `source` is read for the first time, and nothing is known of what stands before `at`; none: where that is, what is read
    /// will say. The first word counts.
    Begins {
        source: String,
        at: Option<CellTime>,
    },
    /// The tables of the change log as they are now, and the statement that made them so, where there was one.
    Tables {
        tables: Tables,
        ddl: Option<String>,
    },
    /// A rule, by id, never fitted the tables that it reads, and is in force all the same.
    Unfit {
        rule: String,
        why: String,
    },
    /// The answer to [`Output::Lookup`]; `Err` says why there is none (a refusal, an exhausted time
    /// limit).
    Answer {
        lookup: u64,
        result: Result<Vec<Row>, String>,
    },
    /// Something was decided about a dependency of a service.
    Decided(Box<Decided>),
    /// No answer to [`Output::Lookup`], and the question's own fault: its key cannot be asked for, or is not known.
    NoAnswer {
        lookup: u64,
        why: String,
    },
    /// Nothing but time.
    Tick,
    /// The rules in force were held against the tables as they are, and fit.
    Fitted,
    /// A new set of rules: those with the same id and version keep their state.
    #[serde(skip)]
    Replace(Arc<RuleSet>),
    /// The same rules, with other rollouts.
    #[serde(skip)]
    RollOut(Arc<RuleSet>),
}

/// By table and column: its type, in the server's words.
pub type Tables = BTreeMap<String, BTreeMap<String, String>>;

/// What a rule may watch over without any event: silence about it would look like health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ward {
    /// A source is read to its end.
    Source,
    /// What is read is no older than the smallest window.
    Lag,
    /// Nothing of a source is gone before it is read.
    Unread,
    /// The columns that rules name are there, as they were.
    Columns,
    /// What a source says can be decoded.
    Undecodable,
    /// An alert channel acknowledges.
    AlertChannel,
    /// What was last loaded is what the files say.
    Rules,
    /// Plan runs get on, and the targets of their actions answer.
    PlanExecutor,
    /// Whom rules ask gives answers.
    Lookup,
    /// Rules take all that is theirs.
    Shedding,
    /// Services on which others depend are well: told by [`Input::Decided`], and no part of the watcher.
    Dependency,
    /// The reconciler answers: watched by the watchdog, a process of its own.
    Reconciler,
}

impl Ward {
    /// Kind of the subject that its alerts name.
    pub fn subject_kind(self) -> &'static str {
        match self {
            Ward::Source | Ward::Lag | Ward::Unread | Ward::Undecodable => "source",
            Ward::Columns | Ward::Shedding => "rule",
            Ward::Dependency => "dependency",
            _ => "part",
        }
    }
}

/// One step's output, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask SQL or HTTP; answer with [`Input::Answer`]. `ask` has placeholders `:name`, each of which is in
    /// `params`.
    Lookup { id: u64, rule: String, ask: Ask, params: Vec<(String, Value)>, timeout_ms: u64 },
    /// To be stored; an alert where [`Verdict::is_firing`], its end where [`Verdict::resolved`].
    Verdict(Box<Verdict>),
    /// A source went stale: an alert from memory, even without a results database.
    Blind(Box<Verdict>),
    /// The end of a [`Output::Blind`]: the same rule, subject and occurrence, `resolved` true.
    Unblind(Box<Verdict>),
}

/// What one rule says of one occurrence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub rule: String,
    pub version: String,
    pub loss_point: String,
    pub subject: Subject,
    /// Business identity inside the subject: a primary key, a request's id; never a log position.
    pub occurrence: String,
    /// Which state of the occurrence was judged, where a rule judges one more than once (a bid's
    /// `updated_at_ms`); else empty. Part of the key of the verdict, never of the alert's
    /// fingerprint.
    pub revision: String,
    /// `P0` … `P4`.
    pub severity: String,
    pub judgement: Judgement,
    pub at_risk: Option<Money>,
    pub expected: String,
    pub actual: String,
    /// First-observed log position, for people.
    pub position: String,
    /// Cell time of the event that is judged.
    pub event_at: CellTime,
    /// Cell time of the judgement: an alert's `startsAt`.
    pub at: CellTime,
    /// What the rule names for the scopes of plans: `channel`, `sku`, `order` …
    pub fields: BTreeMap<String, String>,
    /// An earlier finding on this subject and occurrence no longer holds.
    pub resolved: bool,
    /// The rule is in shadow, or outside its percentage: store it, raise nothing.
    pub shadow: bool,
    /// Another version of the rule, which speaks for this subject, still finds the occurrence: no alert ends by this.
    pub held: bool,
}

impl Verdict {
    /// True where it is to raise an alert.
    pub fn is_firing(&self) -> bool {
        self.judgement == Judgement::Mismatched && !self.resolved && !self.shadow
    }

    /// Under which it is stored once; a stored key is not emitted again.
    pub fn key(&self) -> VerdictKey {
        VerdictKey {
            rule: self.rule.clone(),
            version: self.version.clone(),
            subject: self.subject.clone(),
            occurrence: self.occurrence.clone(),
            revision: self.revision.clone(),
            judgement: self.judgement,
        }
    }
}

/// The identity of a stored verdict: business identity only, the same after failover, redelivery
/// and replay. The judgement is part of it, because a finding and its later end are two verdicts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VerdictKey {
    pub rule: String,
    pub version: String,
    pub subject: Subject,
    pub occurrence: String,
    pub revision: String,
    pub judgement: Judgement,
}

/// Double-entry of one rule: `taken = matched + mismatched + unknown + expired + refused +
/// pending + shed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Occurrences that passed the filter and became the rule's to judge.
    pub taken: u64,
    pub matched: u64,
    pub mismatched: u64,
    pub unknown: u64,
    pub expired: u64,
    pub refused: u64,
    /// Above the rule's rate, and not judged.
    #[serde(default)]
    pub shed: u64,
    /// Windows open and lookups out.
    pub pending: u64,
    /// Redeliveries of what was already taken; not in `taken`.
    pub duplicates: u64,
    /// Verdicts not emitted because they were stored before a restart; they are in the figures
    /// above.
    pub suppressed: u64,
}

/// All that a restart needs. The daemon stores it with the positions up to which it had given
/// events; after a restart it restores, reads on from those positions, and hands over the keys of
/// the verdicts stored since.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// Last mark read, per source.
    pub read: BTreeMap<String, u64>,
    pub settled: u64,
    /// Last mark read on every source: nothing before it is needed again once this snapshot is
    /// stored.
    pub checkpoint: u64,
    /// Position of the last event taken, per source.
    pub positions: BTreeMap<String, String>,
    /// The engine's own; only [`super::Engine::restore`] reads it. Without its groups, which are kept one by one.
    pub state: serde_json::Value,
    /// Every group, as data; empty in what is stored with each commit: see [`GroupChange`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<serde_json::Value>,
}

/// One group as it is now, as JSON, for a store that keeps groups one by one: a commit costs what it changed, not all that is
/// remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupChange {
    /// The same for the same group.
    pub id: String,
    /// None: it is forgotten.
    pub body: Option<String>,
}

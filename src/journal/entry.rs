//! Entries and events: one line of the journal each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Act, Basis, Expectation, LedgerLine, Outcome, Posting, Promise, Role, SourceText, Verdict, Word,
};
use crate::money::Money;
use crate::wire::{Alert, Effect, Judged, Mark, PlanRun, Subject};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Position in the run, from 0, without gaps.
    pub seq: u64,
    /// The scenario's stable id; none for entries of the run itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// `CLOCK_MONOTONIC`, microseconds.
    pub mono_us: u64,
    /// Cell time, Unix ms; none outside a cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell_ms: Option<i64>,
    /// Wall clock, Unix ms: for people.
    pub wall_ms: i64,
    pub phase: Phase,
    #[serde(flatten)]
    pub event: Event,
}

/// Where in its ten steps a scenario stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    Start,
    Given,
    Steady,
    Inject,
    When,
    Judge,
    /// The canary of a control.
    Canary,
    /// The proof of a plan.
    Proof,
    Heal,
    Teardown,
}

/// A server or process of the stage, for `stage.lock.json` and the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceFacts {
    /// `mysql`, `kafka`
    pub service: String,
    /// `docker`, `local`, `external`
    pub provider: String,
    pub version: String,
    /// Image tag and digest, or the binary's path.
    pub source: String,
    /// True for an image that the project built itself under an official tag.
    pub stand_in: bool,
}

/// What the judge needs of a loss point, copied into the journal so that `recheck` needs nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossPointFacts {
    pub id: String,
    pub title: String,
    pub detect_ms: i64,
    pub respond_ms: i64,
    pub contain_ms: i64,
    /// How long a posting may be in flight.
    pub grace_ms: i64,
    pub rules: Vec<String>,
    /// Other rules that are true of the same bad money.
    pub with: Vec<String>,
    pub plan: Option<String>,
    pub effect: Option<Effect>,
    /// The watcher itself is the subject: no bad row is expected, the bite is the origin.
    pub watcher: bool,
    pub per_event: Money,
}

/// What the judge needs of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioFacts {
    pub name: String,
    pub feature: String,
    /// `features/refund.feature:14`, for people.
    pub location: String,
    pub control: bool,
    /// The attack that proves a control's silence: its stable id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<String>,
    pub loss_point: LossPointFacts,
    pub seed: u64,
    /// The lines as written, for reports.
    #[serde(default)]
    pub steps: Vec<String>,
    /// Does the system under test report judgements?
    pub judged: bool,
    /// Does it tell how far it has settled? Journals from before the question are of ours, which does.
    #[serde(default = "yes")]
    pub watermark: bool,
}

fn yes() -> bool {
    true
}

/// A fault as a scenario names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultUse {
    /// `app.payment-callback.dropped`
    pub fault: String,
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// Sources or processes that a biting fault withholds: excused from rest.
    #[serde(default)]
    pub withholds: Vec<String>,
    /// Rules of the blind alerts that this fault may raise.
    #[serde(default)]
    pub raises: Vec<String>,
    /// A fault that waits for traffic is proved by its first hit.
    #[serde(default)]
    pub waits_for_traffic: bool,
}

impl FaultUse {
    /// It changes rows itself, and is therefore the hostile act, as much as an act of the script.
    pub fn changes_books(&self) -> bool {
        FaultUse::is_of_books(&self.fault)
    }

    /// The same, by the fault's id.
    pub fn is_of_books(fault: &str) -> bool {
        fault.starts_with("data.")
    }
}

/// What happened. Made of wire types and ids only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    RunStarted {
        run: String,
        version: String,
        seed: u64,
        args: Vec<String>,
        total: usize,
    },
    Basis {
        basis: Box<Basis>,
    },
    Source {
        source: SourceText,
    },
    StageUp {
        services: Vec<ServiceFacts>,
        took_ms: u64,
    },
    ScenarioStarted {
        cell: String,
        facts: Box<ScenarioFacts>,
    },
    /// A scenario's alias and the unique id behind it: `order "O-1"` is `O-1-7f3a`.
    Alias {
        name: String,
        id: String,
    },
    /// A step of the scenario was carried out, without trouble or with it; later ones are skipped then.
    Stepped {
        /// From 0, Background steps first.
        step: usize,
        ok: bool,
    },
    /// Books balanced, at rest, nothing open.
    Steady,
    Intent {
        id: u64,
        role: Role,
        act: Act,
    },
    Done {
        id: u64,
        outcome: Outcome,
    },
    FaultArmed {
        fault: FaultUse,
    },
    FaultIntent {
        fault: FaultUse,
    },
    FaultBites {
        fault: String,
        evidence: String,
    },
    FaultHealed {
        fault: String,
        evidence: String,
    },
    FaultHealFailed {
        fault: String,
        error: String,
    },
    /// For a control: in place, hit or not.
    FaultInPlace {
        fault: String,
        evidence: String,
    },
    Posted {
        posting: Posting,
    },
    Promised {
        promise: Promise,
    },
    /// A line of a domain's ledger, as it stands now.
    Booked {
        line: LedgerLine,
    },
    MarkWritten {
        mark: Mark,
    },
    /// The harness's own reader saw the mark.
    MarkSeen {
        // An entry has a `seq` of its own beside it.
        #[serde(rename = "mark_seq")]
        seq: u64,
        source: String,
    },
    Advanced {
        #[serde(rename = "mark_seq")]
        seq: u64,
        offset_ms: i64,
        towards: String,
    },
    /// All at rest; `settled` is the reconciler's watermark then.
    Rest {
        excused: Vec<String>,
        settled: Option<u64>,
        real_ms: u64,
    },
    Registered {
        index: usize,
        expectation: Expectation,
        sentence: String,
    },
    /// The canary's attack says that this alert is raised.
    CanaryExpects {
        rule: String,
        subject: Subject,
    },
    Alerted {
        alert: Alert,
    },
    PlanRan {
        run: PlanRun,
    },
    Judged {
        judged: Judged,
    },
    /// The reconciler neither became ready nor read a mark that the harness's own reader saw.
    Deaf {
        evidence: String,
    },
    /// A premise of the stage or of the books broke.
    Premise {
        word: Word,
        evidence: String,
    },
    /// A decision was taken at this entry's cell time.
    Tick,
    Decided {
        index: usize,
        verdict: Verdict,
        word: Word,
        evidence: String,
    },
    ScenarioVerdict {
        verdict: Verdict,
        word: Word,
        evidence: String,
        real_ms: u64,
    },
    LossMeter {
        at_most: Money,
        exposure: Money,
    },
    Note {
        text: String,
    },
    /// A log of the scenario's processes, kept under `evidence/`.
    Evidence {
        what: String,
        file: String,
        subject: Option<Subject>,
    },
    RunEnded {
        passed: usize,
        failed: usize,
        skipped: usize,
        inconclusive: usize,
        exit: u8,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The event's fields stand beside the entry's in one line: none may have the name of another.
    #[test]
    fn an_event_with_a_number_of_its_own_is_read_back() {
        let seen = Event::MarkSeen { seq: 7, source: "binlog".into() };
        let advanced = Event::Advanced { seq: 8, offset_ms: 5, towards: "a ttl".into() };
        for event in [seen, advanced] {
            let entry = Entry {
                seq: 3,
                scenario: None,
                mono_us: 1,
                cell_ms: None,
                wall_ms: 2,
                phase: Phase::Judge,
                event,
            };
            let line = serde_json::to_string(&entry).unwrap();
            assert_eq!(serde_json::from_str::<Entry>(&line).unwrap(), entry, "{line}");
        }
    }
}

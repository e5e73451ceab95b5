//! Expectations, verdicts and the words a report uses for them, as data. `expect` judges them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::money::Money;
use crate::wire::Subject;

/// What a Then step registers. Every bound is on cell time, from the origin that `expect` finds in the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "expectation", rename_all = "kebab-case")]
pub enum Expectation {
    /// `alert … is raised`: the detect deadline.
    AlertRaised { rule: String, subject: Subject, within_ms: i64 },
    /// `the alert puts … at risk`: of the alert named before.
    AlertAtRisk { rule: String, subject: Subject, amount: Money },
    /// `plan … is effective`: the respond deadline, and the proof that belongs to its declared effect.
    PlanEffective { plan: String, scope: Subject, within_ms: i64 },
    /// `plan … only asks`: it asks within the respond deadline, and does nothing before it has an answer.
    PlanWaits { plan: String, scope: Subject, within_ms: i64 },
    /// `no other alert is raised`
    NoOtherAlert,
    /// `no alert is raised`: with the proof of silence.
    NoAlert,
    /// `the loss is at most …`
    LossAtMost { amount: Money },
    /// `order … is paid`: the contain deadline of a repair.
    OrderPaid { order: String, within_ms: i64 },
    /// `the loss is contained`: from then on the loss grows no more.
    Contained { within_ms: i64 },
}

/// The three verdicts, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Pass,
    Inconclusive,
    Fail,
}

/// One word (or two) for what went wrong: stable, and printed as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    Proved,
    // Failures of a defence.
    Late,
    Never,
    WrongSubject,
    WrongAmount,
    WrongLossPoint,
    Duplicate,
    RaisedBeforeTheLoss,
    UnexpectedAlert,
    PlanNotStarted,
    PlanLate,
    PlanWithoutEffect,
    PlanOutOfScope,
    PlanWithoutCause,
    PlanCausedALoss,
    PutTheLossBack,
    LossAboveBound,
    NotRepaired,
    NotContained,
    SilenceUnproved,
    Deaf,
    AlreadyAlerting,
    // Premises that did not hold: billed to the harness.
    StageDown,
    BooksOffBalance,
    FaultDidNotBite,
    NoLoss,
    ControlLostMoney,
    NotJudged,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Word::Proved => "proved",
            Word::Late => "late",
            Word::Never => "never",
            Word::WrongSubject => "wrong subject",
            Word::WrongAmount => "wrong amount",
            Word::WrongLossPoint => "wrong loss point",
            Word::Duplicate => "duplicate",
            Word::RaisedBeforeTheLoss => "raised before the loss",
            Word::UnexpectedAlert => "unexpected alert",
            Word::PlanNotStarted => "plan not started",
            Word::PlanLate => "plan late",
            Word::PlanWithoutEffect => "plan without effect",
            Word::PlanOutOfScope => "plan out of scope",
            Word::PlanWithoutCause => "plan without cause",
            Word::PlanCausedALoss => "plan caused a loss",
            Word::PutTheLossBack => "put the loss back",
            Word::LossAboveBound => "loss above bound",
            Word::NotRepaired => "not repaired",
            Word::NotContained => "not contained",
            Word::SilenceUnproved => "silence unproved",
            Word::Deaf => "deaf",
            Word::AlreadyAlerting => "already alerting",
            Word::StageDown => "stage down",
            Word::BooksOffBalance => "books off balance",
            Word::FaultDidNotBite => "fault did not bite",
            Word::NoLoss => "no loss",
            Word::ControlLostMoney => "control lost money",
            Word::NotJudged => "not judged",
        })
    }
}

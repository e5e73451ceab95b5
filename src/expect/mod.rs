//! The judge: expectations as pure functions of the journal and of the books that the oracle made
//! of it.
//!
//! Owns origins, deadlines, the words for what went wrong, premises and the scenario's verdict.
//! Does no IO, reads no clock and decides nothing twice: the same history, books and instant give
//! the same ruling, which is what `recheck` rests on. It must not know how the books are made: the
//! caller hands them in.
//!
//! The loop of the runner: write `Tick`, then [`judge`] every registered expectation at the tick's
//! cell time; advance no further than the earliest `until`. `until: None` waits for an event, or
//! for the next rest. Try it: `cargo test --test judge`. Not covered: approval of plans by a person
//! (drills), foreign position annotations.

mod alerts;
mod bound;
mod case;
mod losses;
mod plans;
mod premises;
mod proof;
mod silence;
mod verdict;
mod waits;

pub use bound::span_text;
pub use premises::premises;
pub use proof::{ProofStep, next_proof};
pub use silence::canary_due;
pub use verdict::{Rechecked, Sentence, recheck, scenario_verdict};

use crate::clock::CellTime;
use crate::journal::{Books, Expectation, History, Verdict, Word};
use case::Case;

/// What the judge says of one expectation at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Look again at `until` at the latest; without it, after the next rest or event.
    Waiting {
        until: Option<CellTime>,
    },
    Done {
        verdict: Verdict,
        word: Word,
        evidence: String,
    },
}

impl Ruling {
    fn pass(evidence: impl Into<String>) -> Ruling {
        let evidence = evidence.into();
        Ruling::Done { verdict: Verdict::Pass, word: Word::Proved, evidence }
    }

    fn fail(word: Word, evidence: impl Into<String>) -> Ruling {
        Ruling::Done { verdict: Verdict::Fail, word, evidence: evidence.into() }
    }

    fn unproved(word: Word, evidence: impl Into<String>) -> Ruling {
        Ruling::Done { verdict: Verdict::Inconclusive, word, evidence: evidence.into() }
    }

    pub fn is_done(&self) -> bool {
        matches!(self, Ruling::Done { .. })
    }
}

/// Judges one expectation at `now`, which is the cell time of a journal entry.
pub fn judge(expectation: &Expectation, history: &History, books: &Books, now: CellTime) -> Ruling {
    match Case::of(history, books, now) {
        Some(case) => case.judge(expectation),
        None => Ruling::unproved(Word::NotJudged, "the journal has no start of this scenario"),
    }
}

impl Case<'_> {
    fn judge(&self, expectation: &Expectation) -> Ruling {
        match expectation {
            Expectation::AlertRaised { rule, subject, within_ms } => {
                self.alert_raised(rule, subject, *within_ms)
            }
            Expectation::AlertAtRisk { rule, subject, amount } => {
                self.alert_at_risk(rule, subject, *amount)
            }
            Expectation::PlanEffective { plan, scope, within_ms } => {
                self.plan_effective(plan, scope, *within_ms)
            }
            Expectation::PlanWaits { plan, scope, within_ms } => {
                self.plan_waits(plan, scope, *within_ms)
            }
            Expectation::NoOtherAlert => self.no_other_alert(),
            Expectation::NoAlert => self.no_alert(),
            Expectation::LossAtMost { amount } => self.loss_at_most(*amount),
            Expectation::OrderPaid { order, within_ms } => self.order_paid(order, *within_ms),
            Expectation::Contained { within_ms } => self.contained(*within_ms),
        }
    }
}

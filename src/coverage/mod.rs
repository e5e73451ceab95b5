//! Loss points against the evidence for them: attack, twin, control, plan, and what the last run proved of each.
//!
//! Counted by points and by theoretical loss; judged against the policy of a gate. A function of plain facts, so that a
//! folder of features and the journal of a run are counted alike. Knows no file. Try it: `lossdrill coverage --by loss`.

mod policy;
mod render;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::catalog::Catalog;
use crate::journal::{PointFacts, Verdict};
use crate::money::Money;

pub use policy::{Share, shares, unmet};

/// One scenario as evidence for its loss point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The scenario's stable id.
    pub scenario: String,
    pub loss_point: String,
    pub control: bool,
    /// A control that is the twin of an attack.
    pub twin: bool,
    /// It expects the point's plan to be effective.
    pub plan: bool,
}

/// Verdicts by stable id.
pub type Verdicts<'a> = BTreeMap<&'a str, Verdict>;

/// How many scenarios of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub attacks: usize,
    pub twins: usize,
    /// Twins included.
    pub controls: usize,
    pub plans: usize,
}

/// What a run says of a loss point: the worst of its scenarios' verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    NotRun,
    Failed,
    Inconclusive,
    /// Its controls passed, and no attack ran.
    NotAttacked,
    Proved,
}

/// One loss point with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    pub loss_point: String,
    pub title: String,
    pub priority: String,
    /// Theoretical loss: per event × events an hour × worst duration.
    pub loss: Money,
    /// It has a plan to prove.
    pub has_plan: bool,
    #[serde(flatten)]
    pub written: Tally,
    /// Of those written, what the run proved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed: Option<Tally>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Standing>,
}

/// All loss points of a catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    pub rows: Vec<Row>,
    /// By priority; the last one is of all.
    pub shares: Vec<Share>,
}

/// What coverage needs of each loss point.
pub fn points(catalog: &Catalog) -> Vec<PointFacts> {
    let facts = |point: &crate::catalog::LossPoint| PointFacts {
        id: point.id.clone(),
        title: point.title.clone(),
        priority: point.priority.name().to_owned(),
        loss: point.loss.theoretical().unwrap_or(point.loss.per_event),
        plan: point.plan.is_some(),
    };
    catalog.loss_points.iter().map(facts).collect()
}

fn tally<'a>(proofs: impl Iterator<Item = &'a Proof>) -> Tally {
    let mut tally = Tally::default();
    for proof in proofs {
        tally.attacks += usize::from(!proof.control);
        tally.controls += usize::from(proof.control);
        tally.twins += usize::from(proof.twin);
        tally.plans += usize::from(proof.plan);
    }
    tally
}

fn standing(proofs: &[&Proof], verdicts: &Verdicts<'_>) -> Standing {
    let ran = |proof: &&&Proof| verdicts.get(proof.scenario.as_str()).copied();
    let attacked = proofs.iter().any(|proof| !proof.control && ran(&proof).is_some());
    match proofs.iter().filter_map(|proof| ran(&proof)).max() {
        None => Standing::NotRun,
        Some(Verdict::Fail) => Standing::Failed,
        Some(Verdict::Inconclusive) => Standing::Inconclusive,
        Some(Verdict::Pass) if !attacked => Standing::NotAttacked,
        Some(Verdict::Pass) => Standing::Proved,
    }
}

impl Table {
    /// Of `points` in order of their loss, else of their id; with what `verdicts` of a run say.
    pub fn of(
        points: &[PointFacts],
        proofs: &[Proof],
        verdicts: Option<&Verdicts<'_>>,
        by_loss: bool,
    ) -> Table {
        let row = |point: &PointFacts| {
            let own: Vec<&Proof> =
                proofs.iter().filter(|proof| proof.loss_point == point.id).collect();
            let passed = verdicts.map(|verdicts| {
                let passed =
                    |proof: &&Proof| verdicts.get(proof.scenario.as_str()) == Some(&Verdict::Pass);
                tally(own.iter().copied().filter(passed))
            });
            Row {
                loss_point: point.id.clone(),
                title: point.title.clone(),
                priority: point.priority.clone(),
                loss: point.loss,
                has_plan: point.plan,
                written: tally(own.iter().copied()),
                passed,
                last: verdicts.map(|verdicts| standing(&own, verdicts)),
            }
        };
        let mut rows: Vec<Row> = points.iter().map(row).collect();
        rows.sort_by(|a, b| match by_loss {
            true => b.loss.minor.cmp(&a.loss.minor).then(a.loss_point.cmp(&b.loss_point)),
            false => a.loss_point.cmp(&b.loss_point),
        });
        Table { shares: shares(&rows), rows }
    }
}

impl Row {
    /// Without a run: an attack drills it. With one: the run proved it.
    pub fn is_covered(&self) -> bool {
        match self.last {
            None => self.written.attacks > 0,
            Some(last) => last == Standing::Proved,
        }
    }
}

#[cfg(test)]
pub(super) mod tests;

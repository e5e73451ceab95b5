//! Bounds on the loss: `the loss is at most …`, `order … is paid`, `the loss is contained`.

use super::Ruling;
use super::case::{Case, READER_LAG_MS};
use super::{bound::Bound, span_text};
use crate::clock::CellTime;
use crate::journal::{BadRow, Event, Expectation, PostingKind, Word, curve_of, peak, value_at};
use crate::money::Money;
use crate::wire::{PlanState, Subject};

impl<'a> Case<'a> {
    /// The loss of the attack: canary and proof are left out, and what a stop plan withholds.
    pub(super) fn loss_rows(&self) -> impl Iterator<Item = &'a BadRow> {
        self.books.attack_rows(self.now).filter(|row| !row.is_promise() && !self.held_by_plan(row))
    }

    fn loss_curve(&self) -> Vec<(CellTime, Money)> {
        curve_of(self.loss_rows(), self.books.currency)
    }

    /// Expectations about alerts, plans and repairs that are still open.
    pub(super) fn others_waiting(&self) -> Option<Ruling> {
        let deeds = self.registered().filter(|(_, expectation)| {
            !matches!(
                expectation,
                Expectation::NoOtherAlert
                    | Expectation::NoAlert
                    | Expectation::LossAtMost { .. }
                    | Expectation::Contained { .. }
            )
        });
        let waiting = deeds.filter_map(|(_, expectation)| match self.judge(expectation) {
            Ruling::Waiting { until } => Some(until),
            Ruling::Done { .. } => None,
        });
        // An open look without an instant waits for an event, which the others do not hasten.
        let untils: Vec<Option<CellTime>> = waiting.collect();
        (!untils.is_empty()).then(|| Ruling::Waiting { until: untils.into_iter().flatten().min() })
    }

    /// When the point's own plan was first effective.
    pub(super) fn contained_at(&self) -> Option<CellTime> {
        let plan = self.facts.loss_point.plan.as_ref()?;
        let runs = self.runs.iter().filter(|run| run.last().plan == *plan);
        runs.filter_map(|run| run.reached(PlanState::Effective)).map(|(_, at)| at).min()
    }

    pub(super) fn loss_at_most(&self, amount: Money) -> Ruling {
        let top = peak(&self.loss_curve(), self.books.currency);
        let foreign = self.loss_rows().find(|row| row.amount.currency != amount.currency);
        if let Some(row) = foreign {
            let told =
                format!("{} was lost by {}, beside the bound of {amount}", row.amount, row.subject);
            return Ruling::fail(Word::LossAboveBound, told);
        }
        if top.minor > amount.minor {
            return Ruling::fail(
                Word::LossAboveBound,
                format!("{top} was lost, not {amount} at most"),
            );
        }
        let bound = self.loss_bound();
        if let Some(waiting) = self.others_waiting() {
            return waiting;
        }
        let contained = self.contained_at().is_some();
        if !contained && self.now <= bound.deadline() {
            return self.wait(&bound);
        }
        if let Some(known) = self.books.next_missing(self.now) {
            return Ruling::Waiting { until: Some(known) };
        }
        Ruling::pass(format!("{top} was lost, {amount} was allowed"))
    }

    fn loss_bound(&self) -> Bound {
        let nothing = Subject::new("", "");
        self.bound(&nothing, self.facts.loss_point.contain_ms)
    }

    pub(super) fn order_paid(&self, order: &str, within_ms: i64) -> Ruling {
        let subject = Subject::new("order", order);
        let posted = |kind: PostingKind| {
            self.entries().find_map(|(at, entry)| match &entry.event {
                Event::Posted { posting }
                    if posting.kind == kind && posting.subject.id == order && !posting.gone =>
                {
                    Some(at)
                }
                _ => None,
            })
        };
        let mut bound = self.bound(&subject, within_ms);
        let about_it = self.bad_row(&subject).is_some_and(|row| row.about.contains(&subject));
        if let Some(at) = posted(PostingKind::Collected).filter(|_| !about_it) {
            bound.origin.at = at;
            bound.origin.what = "the charge".into();
            bound.origin.proved = true;
        }
        let Some(paid) = posted(PostingKind::OrderPaid) else {
            if self.now <= bound.extra() {
                return self.wait(&bound);
            }
            let told = bound.told(self.now);
            return Ruling::fail(
                Word::NotRepaired,
                format!("{subject} is still unpaid {told}, twice over"),
            );
        };
        if paid > bound.deadline() {
            return Ruling::fail(Word::Late, format!("{subject} was paid {}", bound.late(paid)));
        }
        if let Some(row) = self.open_posting(&subject) {
            let told =
                format!("{subject} is paid, and {} is still lost ({:?})", row.amount, row.flaw);
            return Ruling::fail(Word::WrongAmount, told);
        }
        Ruling::pass(format!("{subject} was paid {}", bound.told(paid)))
    }

    /// A posting about exactly this subject that is wrong now.
    pub(super) fn open_posting(&self, subject: &Subject) -> Option<&'a BadRow> {
        let rows = self.books.bad_rows_at(self.now);
        let mut open =
            rows.filter(|row| !row.is_promise() && !row.is_beside() && row.is_open(self.now));
        open.find(|row| row.about.contains(subject))
    }

    /// From the deadline on the loss grows no more, and nothing is left open to be taken.
    pub(super) fn contained(&self, within_ms: i64) -> Ruling {
        let bound = self.bound(&Subject::new("", ""), within_ms);
        if self.now <= bound.deadline() {
            return self.wait(&bound);
        }
        if !bound.origin.proved {
            return Ruling::unproved(
                Word::NoLoss,
                "no bad row was seen, so nothing could be contained",
            );
        }
        let line = bound.deadline();
        let grown = self.loss_rows().find(|row| row.seen > line.plus_ms(READER_LAG_MS));
        if let Some(row) = grown {
            let after = span_text(row.seen.since_ms(line));
            let told = format!(
                "{} more was lost by {} {after} past the deadline",
                row.amount, row.subject
            );
            return Ruling::fail(Word::NotContained, told);
        }
        let exposed = self.books.attack_rows(self.now).find(|row| {
            row.is_promise() && row.seen <= line && row.until.is_none_or(|until| until > line)
        });
        if let Some(row) = exposed {
            let told = format!(
                "{} still stood to be lost through {} at the deadline",
                row.amount, row.subject
            );
            return Ruling::fail(Word::NotContained, told);
        }
        if let Some(waiting) = self.others_waiting() {
            return waiting;
        }
        let total = value_at(&self.loss_curve(), self.now, self.books.currency);
        Ruling::pass(format!("the loss stayed at {total} past the deadline"))
    }
}

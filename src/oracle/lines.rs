//! The lines of one subject in one ledger against all that acts expect of them. Pure, and the same for every domain.
//!
//! Amounts are compared by size: what leaves a subject is below zero, and less of it is less. What is found is priced
//! in money at the end: pieces by what the acts say that one is worth.

use super::gaps::Gap;
use super::{Flaw, Instant, Party, RowKind};
use crate::journal::{Amount, Demand, Expected, LedgerLine};
use crate::money::{Currency, Money};

/// An exact number in its unit; pieces have no currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Figure {
    number: i64,
    unit: Option<Currency>,
}

impl From<Amount> for Figure {
    fn from(amount: Amount) -> Figure {
        match amount {
            Amount::Money(money) => Figure { number: money.minor, unit: Some(money.currency) },
            Amount::Pieces(number) => Figure { number, unit: None },
        }
    }
}

impl Figure {
    fn with(self, number: i64) -> Figure {
        Figure { number, ..self }
    }

    /// Of one unit and one direction: what is between them is a difference and not two things.
    fn compares(self, other: Figure) -> bool {
        self.unit == other.unit && self.number.signum() * other.number.signum() >= 0
    }
}

/// A line that some act expects.
#[derive(Clone, Debug)]
struct Wanted {
    figure: Figure,
    detail: Option<String>,
    expected: Expected,
    due: Instant,
    key: String,
    /// What was booked before it was wanted is no answer to it.
    turn: u64,
}

/// A line that stands.
#[derive(Clone, Debug)]
struct Standing {
    figure: Figure,
    detail: Option<String>,
    reference: String,
    /// When it came to read so.
    turn: u64,
}

/// A bound on the sum, or the sum itself.
#[derive(Clone, Debug)]
struct Sum {
    figure: Figure,
    expected: Expected,
    due: Instant,
    /// What the sum was to be before, while the change is on its way.
    before: Option<Figure>,
}

impl Sum {
    /// Whether the line is owed to whom the bound names.
    fn is_for(&self, line: &Standing) -> bool {
        match &self.expected.demand {
            Demand::AtMost { detail: Some(named), .. } => line.detail.as_ref() == Some(named),
            _ => true,
        }
    }
}

/// The lines of one unit together.
fn total(lines: &[&Standing], unit: Option<Currency>) -> i64 {
    let same = lines.iter().filter(|line| line.figure.unit == unit);
    same.fold(0, |sum: i64, line| sum.saturating_add(line.figure.number))
}

/// All that is known of one subject in one ledger.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    wanted: Vec<Wanted>,
    at_most: Option<Sum>,
    at_least: Option<Sum>,
    stands: Option<Sum>,
    /// A line that nobody expects is a loss.
    ruled: bool,
    lines: Vec<Standing>,
    /// What stood once, and does no more.
    gone: Vec<Standing>,
    ever: bool,
    /// Counts what is wanted and what is booked.
    turn: u64,
    worth: Option<Money>,
    /// Who lost by the last word on too much.
    over: Option<Party>,
}

impl Lines {
    pub fn expect(&mut self, expected: Expected, due: Instant) {
        self.turn += 1;
        self.worth = expected.worth.or(self.worth);
        self.over = Some(expected.over);
        let sum = |amount: &Amount, before: Option<&Sum>| {
            let before = before.map(|sum| sum.figure);
            Some(Sum { figure: (*amount).into(), expected: expected.clone(), due, before })
        };
        match &expected.demand {
            Demand::Once { amount, detail } => {
                self.ruled = true;
                let (figure, detail) = ((*amount).into(), detail.clone());
                let key = format!("#{}", self.wanted.len());
                self.wanted.push(Wanted { figure, detail, expected, due, key, turn: self.turn });
            }
            Demand::Never => self.ruled = true,
            Demand::AtMost { amount, .. } => self.at_most = sum(amount, None),
            Demand::AtLeast { amount } => self.at_least = sum(amount, None),
            Demand::Stands { amount } => self.stands = sum(amount, self.stands.as_ref()),
        }
    }

    pub fn book(&mut self, line: LedgerLine) {
        self.ever = true;
        self.turn += 1;
        self.ruled |= line.strict;
        let LedgerLine { amount, detail, reference, gone, .. } = line;
        let standing = Standing { figure: amount.into(), detail, reference, turn: self.turn };
        let place = self.lines.iter().position(|known| known.reference == standing.reference);
        match (place, gone) {
            (Some(index), true) => self.gone.push(self.lines.remove(index)),
            (Some(index), false) => self.lines[index] = standing,
            (None, true) => {}
            (None, false) => {
                self.gone.retain(|gone| gone.reference != standing.reference);
                self.lines.push(standing);
            }
        }
    }

    /// What differs now.
    pub fn gaps(&self) -> Vec<Gap> {
        let mut gaps = self.pair_gaps();
        gaps.extend(self.above_gaps());
        gaps.extend(self.below_gap());
        gaps.extend(self.standing_gap());
        gaps
    }

    fn price(&self, figure: Figure) -> Money {
        let number = figure.number.saturating_abs();
        match figure.unit {
            Some(currency) => Money::new(number, currency),
            None => {
                let worth = self.worth.unwrap_or(Money::zero(Currency::Cny));
                Money { minor: worth.minor.saturating_mul(number), ..worth }
            }
        }
    }

    /// Each wanted line with the line that answers it: first the exact ones, then those of the right amount to
    /// somebody else, then any.
    fn pair_gaps(&self) -> Vec<Gap> {
        let mut left: Vec<&Standing> = self.lines.iter().collect();
        let mut unmet: Vec<&Wanted> = self.wanted.iter().collect();
        let fits =
            |want: &Wanted, line: &Standing| want.detail.is_none() || want.detail == line.detail;
        take_pairs(&mut unmet, &mut left, |want, line| {
            want.figure == line.figure && fits(want, line)
        });
        let mut pairs = take_pairs(&mut unmet, &mut left, |w, l| w.figure == l.figure);
        pairs.extend(take_pairs(&mut unmet, &mut left, |_, _| true));
        let mut gaps = Vec::new();
        for (want, line) in pairs {
            let (short, over) = (want.expected.short, want.expected.over);
            let (got, meant) = (line.figure.number, want.figure.number);
            let (flaw, party, figure) = if !fits(want, line) {
                (Flaw::WrongParty, over, line.figure)
            } else if !line.figure.compares(want.figure) {
                (Flaw::WrongAmount, over, line.figure)
            } else {
                let party = if got.unsigned_abs() < meant.unsigned_abs() { short } else { over };
                (Flaw::WrongAmount, party, line.figure.with(got.saturating_sub(meant)))
            };
            let key = format!("line {}", line.reference);
            gaps.push(self.gap(key, flaw, party, figure, None));
        }
        let mut gone: Vec<&Standing> = self.gone.iter().collect();
        let taken_away = take_pairs(&mut unmet, &mut gone, |want, line| want.figure == line.figure);
        let taken_away = taken_away.into_iter().map(|(want, _)| (want, true));
        for (want, stood) in taken_away.chain(unmet.into_iter().map(|want| (want, false))) {
            // What stood and was taken away is not on its way.
            let (word, flaw, due) = match stood {
                true => ("gone", Flaw::TakenAway, None),
                false => ("missing", Flaw::Missing, Some(want.due)),
            };
            let key = format!("{word} {}", want.key);
            let mut gap = self.gap(key, flaw, want.expected.short, want.figure, due);
            gap.kind = RowKind::Line { held_by: want.expected.held_by.clone(), other: None };
            gaps.push(gap);
        }
        if self.ruled {
            let flaw = if self.wanted.is_empty() { Flaw::Unexpected } else { Flaw::Duplicate };
            let party = self.over.unwrap_or(Party::Platform);
            for line in left {
                let key = format!("line {}", line.reference);
                gaps.push(self.gap(key, flaw, party, line.figure, None));
            }
        }
        gaps
    }

    /// What the lines have above their bound, at the lines that came last. A line in another currency is wholly above, and
    /// one that is owed to somebody else is wholly lost.
    fn above_gaps(&self) -> Vec<Gap> {
        let Some(bound) = &self.at_most else { return Vec::new() };
        let (over, mut gaps) = (bound.expected.over, Vec::new());
        let (owed, astray): (Vec<&Standing>, Vec<&Standing>) =
            self.lines.iter().partition(|line| bound.is_for(line));
        for line in astray {
            let key = format!("astray {}", line.reference);
            let kind = RowKind::Line { held_by: None, other: line.detail.clone() };
            let gap = self.gap(key, Flaw::WrongParty, over, line.figure, None);
            gaps.push(Gap { kind, ..gap });
        }
        let unit = bound.figure.unit;
        let mut excess = total(&owed, unit).saturating_sub(bound.figure.number);
        for line in owed.into_iter().rev() {
            let above = match line.figure.unit == bound.figure.unit {
                true => line.figure.number.min(excess),
                false => line.figure.number,
            };
            if above <= 0 {
                continue;
            }
            if line.figure.unit == bound.figure.unit {
                excess -= above;
            }
            let (key, figure) = (format!("above {}", line.reference), line.figure.with(above));
            gaps.push(self.gap(key, Flaw::AboveCap, over, figure, None));
        }
        gaps
    }

    fn below_gap(&self) -> Option<Gap> {
        let bound = self.at_least.as_ref().filter(|_| self.ever)?;
        // Lines in another unit, where there is a cap, are told as above it: the same loss.
        let foreign = |line: &Standing| line.figure.unit != bound.figure.unit;
        if self.at_most.is_some() && self.lines.iter().any(foreign) {
            return None;
        }
        let below = bound.figure.number.saturating_sub(self.sum(bound.figure.unit));
        let gap = || {
            let (key, figure) = ("below".to_owned(), bound.figure.with(below));
            self.gap(key, Flaw::BelowFloor, bound.expected.short, figure, None)
        };
        (below > 0).then(gap)
    }

    /// A promise: what stands open at another figure than was meant.
    fn standing_gap(&self) -> Option<Gap> {
        let meant = self.stands.as_ref()?;
        if self.lines.is_empty() && self.ever {
            return None;
        }
        let stands = self.sum(meant.figure.unit);
        let apart = stands.saturating_sub(meant.figure.number);
        let (flaw, due, apart) = match meant.before {
            _ if self.lines.is_empty() => (Flaw::Missing, Some(meant.due), 0),
            _ if apart == 0 => return None,
            Some(before) if before.number == stands => (Flaw::Missing, Some(meant.due), apart),
            _ => (Flaw::WrongAmount, None, apart),
        };
        let party = if apart < 0 { meant.expected.short } else { meant.expected.over };
        let (key, figure) = (format!("stands {flaw:?}"), meant.figure.with(apart));
        Some(Gap { kind: RowKind::Promise, ..self.gap(key, flaw, party, figure, due) })
    }

    fn sum(&self, unit: Option<Currency>) -> i64 {
        total(&self.lines.iter().collect::<Vec<_>>(), unit)
    }

    fn gap(
        &self,
        key: String,
        flaw: Flaw,
        party: Party,
        figure: Figure,
        due: Option<Instant>,
    ) -> Gap {
        let kind = RowKind::Line { held_by: None, other: None };
        Gap { key, kind, flaw, party, amount: self.price(figure), due }
    }
}

/// Takes out the pairs that `match_up` accepts, in order.
fn take_pairs<'a>(
    unmet: &mut Vec<&'a Wanted>,
    left: &mut Vec<&'a Standing>,
    match_up: impl Fn(&Wanted, &Standing) -> bool,
) -> Vec<(&'a Wanted, &'a Standing)> {
    let mut pairs = Vec::new();
    let answers = |want: &Wanted, line: &Standing| line.turn > want.turn && match_up(want, line);
    unmet.retain(|want| match left.iter().position(|line| answers(want, line)) {
        Some(index) => {
            pairs.push((*want, left.remove(index)));
            false
        }
        None => true,
    });
    pairs
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;

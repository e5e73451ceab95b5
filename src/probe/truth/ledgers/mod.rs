//! Tables as ledgers: which rows are lines about whom, declared by domain, and the changes of rows made into lines.
//!
//! A domain is one file here and its line in [`DOMAINS`]. A line is told when it first stands, when what it says
//! changes, and when it stands no more; a row that is read again says nothing. Must not know what an act expects.
//! Try it: `cargo test --lib probe::truth::ledgers`. Not covered: lines made of several rows.

mod fulfilment;
mod goods;
mod points;
mod promotion;
mod settle;
mod wallet;

use std::collections::BTreeMap;

use super::rows::{Change, Row, RowError};
use crate::journal::{Amount, Event, LedgerLine};
use crate::wire::Subject;

/// Every ledger that is read from a table, by domain.
const DOMAINS: &[&[Ledger]] = &[
    wallet::LEDGERS,
    settle::LEDGERS,
    promotion::LEDGERS,
    goods::LEDGERS,
    fulfilment::LEDGERS,
    points::LEDGERS,
];

/// Which rows of a table are lines of a ledger.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ledger {
    /// `wallet.flow`, as acts name it in what they expect.
    pub ledger: &'static str,
    pub table: &'static str,
    /// Kind of subject, and the column of its id.
    pub subject: (&'static str, &'static str),
    pub amount: Size,
    /// Columns whose values, joined by `/`, are the line's own identity.
    pub reference: &'static [&'static str],
    /// Column of what else an act may expect: the account that was paid into.
    pub detail: Option<&'static str>,
    /// A row is a line only while each of these columns has one of these values.
    pub only: &'static [(&'static str, &'static [&'static str])],
    /// A line that no act expects is a loss, whoever it is about.
    pub strict: bool,
}

/// What a line says of its size. Whole as it is: what no domain needs today, the next one will.
#[allow(dead_code)]
#[derive(Clone, Copy, Debug)]
pub(super) enum Size {
    /// An amount column, as it is, beside the row's `currency`.
    Money(&'static str),
    /// The same, leaving the subject.
    MoneyOut(&'static str),
    /// Amount columns together, beside the row's `currency`.
    MoneySum(&'static [&'static str]),
    /// A column of pieces.
    Pieces(&'static str),
    /// Each row is one piece.
    One,
}

impl Ledger {
    /// What most ledgers leave as it is.
    pub const PLAIN: Ledger = Ledger {
        ledger: "",
        table: "",
        subject: ("", ""),
        amount: Size::One,
        reference: &[],
        detail: None,
        only: &[],
        strict: false,
    };

    /// The line that a row is, if it is one now.
    fn line(&self, row: &Row) -> Result<Option<LedgerLine>, RowError> {
        for (column, values) in self.only {
            if !values.contains(&row.text(column)?.as_str()) {
                return Ok(None);
            }
        }
        let (kind, column) = self.subject;
        let amount = match self.amount {
            Size::Money(column) => Amount::Money(row.money(column)?),
            Size::MoneyOut(column) => {
                let money = row.money(column)?;
                Amount::Money(crate::money::Money { minor: -money.minor, ..money })
            }
            Size::MoneySum(columns) => Amount::Money(row.money_sum(columns)?),
            Size::Pieces(column) => Amount::Pieces(row.int(column)?),
            Size::One => Amount::Pieces(1),
        };
        Ok(Some(LedgerLine {
            ledger: self.ledger.to_owned(),
            subject: Subject::new(kind, row.text(column)?),
            amount,
            detail: self.detail.map(|column| row.text(column)).transpose()?,
            reference: self.reference_of(row)?,
            gone: false,
            strict: self.strict,
        }))
    }

    fn reference_of(&self, row: &Row) -> Result<String, RowError> {
        let parts: Result<Vec<String>, RowError> =
            self.reference.iter().map(|column| row.text(column)).collect();
        Ok(parts?.join("/"))
    }
}

/// The lines that stand, as they were told last.
#[derive(Debug, Default)]
pub(super) struct Ledgers {
    told: BTreeMap<(&'static str, String), LedgerLine>,
}

impl Ledgers {
    /// What this change makes true.
    pub fn apply(&mut self, change: &Change) -> Result<Vec<Event>, RowError> {
        let mut events = Vec::new();
        for ledger in DOMAINS.iter().copied().flatten() {
            if ledger.table == change.table {
                events.extend(self.apply_to(ledger, change)?);
            }
        }
        Ok(events)
    }

    fn apply_to(&mut self, ledger: &Ledger, change: &Change) -> Result<Vec<Event>, RowError> {
        let line = change.after.as_ref().map(|row| ledger.line(row)).transpose()?.flatten();
        let mut events = Vec::new();
        // What the row was before: a line that it is no more, or one about somebody else.
        for row in change.before.iter().chain(&change.after) {
            let key = (ledger.ledger, ledger.reference_of(row)?);
            let same = |told: &LedgerLine| {
                line.as_ref().is_some_and(|line| {
                    line.reference == told.reference && line.subject == told.subject
                })
            };
            if self.told.get(&key).is_some_and(|told| !same(told))
                && let Some(told) = self.told.remove(&key)
            {
                events.push(Event::Booked { line: LedgerLine { gone: true, ..told } });
            }
        }
        if let Some(line) = line {
            let key = (ledger.ledger, line.reference.clone());
            if self.told.get(&key) != Some(&line) {
                self.told.insert(key, line.clone());
                events.push(Event::Booked { line });
            }
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests;

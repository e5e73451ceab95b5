//! The oracle: what should have happened to whose money and goods, against what did.
//!
//! Owns the expected postings of each act, and the comparison with the actual ones that the
//! harness's own readers saw. It is a pure function of the history: bad rows, loss and exposure
//! come out as [`Books`]. It must not know a rule, an alert or a plan, and treats every role alike;
//! whose a row is stands beside it.
//!
//! An act expects what was meant: a refused one nothing, one with unknown outcome what was meant,
//! once. A missing row is in flight until the loss point's grace; then its loss counts from the row
//! that made it due. A domain's ledgers are compared by what each act says of them (`lines`).
//! Try it: `cargo test --lib oracle`. Not covered: exchange rates (an amount in another currency than
//! the expected one counts as wholly lost).

mod account;
mod gaps;
mod lines;
mod meant;

pub use crate::journal::{BadRow, Books, Flaw, Party, RowKind};

use crate::clock::CellTime;
use crate::journal::{Cast, Event, History, Role};
use crate::money::Currency;

/// The way from a history to its books.
pub struct Oracle;

impl Oracle {
    /// Compares every posting and promise of `history` with what its acts meant.
    pub fn of(history: &History) -> Books {
        let facts = history.facts();
        let grace_ms = facts.map_or(0, |facts| facts.loss_point.grace_ms);
        let currency = facts.map_or(Currency::Cny, |facts| facts.loss_point.per_event.currency);
        let cast = Cast::of(history);
        let attack = first_hostile(history);
        let mut books = Books {
            rows: Vec::new(),
            flights: Vec::new(),
            last: history.last_time().unwrap_or_default(),
            currency,
        };
        for account in account::accounts_of(history) {
            account.settle(grace_ms, &cast, attack, &mut books);
        }
        books.rows.sort_by_key(|row| (row.seen, row.seq));
        books
    }
}

/// Journal position of the first scripted intent, or of the first intent to change the books by hand.
fn first_hostile(history: &History) -> Option<u64> {
    let hostile = |event: &Event| match event {
        Event::Intent { role, .. } => *role == Role::Scripted,
        Event::FaultIntent { fault } => fault.changes_books(),
        _ => false,
    };
    history.entries().iter().find(|entry| hostile(&entry.event)).map(|entry| entry.seq)
}

/// An instant with its place in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Instant {
    at: CellTime,
    seq: u64,
}

#[cfg(test)]
mod tests;

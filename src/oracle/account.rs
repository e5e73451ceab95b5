//! The account of one order, refund or bid, or of a subject in a domain's ledger: its events in the journal's order, replayed into bad
//! rows.

use std::collections::{BTreeMap, BTreeSet};

use super::gaps::{Gap, Item, above, order_gaps, refund_gaps};
use super::lines::Lines;
use super::meant::{Meant, deeds, meant_by};
use super::{BadRow, Books, Flaw, Instant, Party, RowKind};
use crate::clock::CellTime;
use crate::journal::{
    Book, Cast, Event, Expected, Flight, History, LedgerLine, PostingKind, Promise,
};
use crate::money::Money;
use crate::wire::Subject;

enum Change {
    Expect { amount: Money, due: Instant },
    Reprice { price: Money, due: Instant },
    Closed,
    Posted { kind: PostingKind, amount: Money, reference: String, gone: bool },
    Promised { price: Money, qty: u32, open: bool },
    Wanted { expected: Expected, due: Instant },
    Booked { line: LedgerLine },
}

/// One subject's events, in order of their place in the journal.
pub(super) struct Account {
    subject: Subject,
    /// The domain's ledger; none for the platform's own orders, refunds and bids.
    ledger: Option<String>,
    events: Vec<(Instant, Change)>,
}

/// The account's state after some of its events.
#[derive(Default)]
struct State {
    expected: Vec<Item>,
    posted: BTreeMap<PostingKind, Vec<Item>>,
    /// The prices before corrections that are still on their way, each with when its correction became due. Corrections
    /// may follow each other faster than their rows are read.
    before: Vec<(Money, Instant)>,
    promise: Option<(Money, u32, bool, Instant)>,
    is_closed: bool,
    lines: Lines,
}

/// Every account that an act or a posting names.
pub(super) fn accounts_of(history: &History) -> Vec<Account> {
    type Key = (Option<String>, Subject);
    let mut accounts: BTreeMap<Key, Vec<(Instant, Change)>> = BTreeMap::new();
    for (meant, when, due) in meant_by(&deeds(history)) {
        let mut ledger = None;
        let (subject, change) = match meant {
            Meant::Line(expected) => {
                ledger = Some(expected.ledger.clone());
                (expected.subject.clone(), Change::Wanted { expected, due })
            }
            Meant::Charge { order, amount } => {
                (Subject::new("order", order), Change::Expect { amount, due })
            }
            Meant::Payout { refund, amount } => {
                (Subject::new("refund", refund), Change::Expect { amount, due })
            }
            Meant::Offer { bid, price } => {
                (Subject::new("bid", bid), Change::Expect { amount: price, due })
            }
            Meant::Reprice { bid, price } => {
                (Subject::new("bid", bid), Change::Reprice { price, due })
            }
            Meant::Closed { order } => (Subject::new("order", order), Change::Closed),
        };
        accounts.entry((ledger, subject)).or_default().push((when, change));
    }
    let mut seen: BTreeSet<(Book, PostingKind, &str)> = BTreeSet::new();
    let mut last = CellTime::default();
    for entry in history.entries() {
        last = entry.cell_ms.map_or(last, CellTime);
        let when = Instant { at: last, seq: entry.seq };
        let mut ledger = None;
        let (subject, change) = match &entry.event {
            Event::Booked { line } => {
                ledger = Some(line.ledger.clone());
                (line.subject.clone(), Change::Booked { line: line.clone() })
            }
            Event::Posted { posting } => {
                let key = (posting.book, posting.kind, posting.reference.as_str());
                let is_news = if posting.gone { seen.remove(&key) } else { seen.insert(key) };
                if !is_news {
                    continue;
                }
                let change = Change::Posted {
                    kind: posting.kind,
                    amount: posting.amount,
                    reference: posting.reference.clone(),
                    gone: posting.gone,
                };
                (account_subject(posting.kind, &posting.subject), change)
            }
            Event::Promised { promise: Promise { subject, price, qty, open, .. } } => {
                let change = Change::Promised { price: *price, qty: *qty, open: *open };
                (Subject::new("bid", &subject.id), change)
            }
            _ => continue,
        };
        accounts.entry((ledger, subject)).or_default().push((when, change));
    }
    let account = |((ledger, subject), mut events): (Key, Vec<(Instant, Change)>)| {
        events.sort_by_key(|(when, _)| when.seq);
        Account { subject, ledger, events }
    };
    accounts.into_iter().map(account).collect()
}

fn account_subject(kind: PostingKind, subject: &Subject) -> Subject {
    match kind {
        PostingKind::Collected | PostingKind::OrderPaid => Subject::new("order", &subject.id),
        PostingKind::PaidOut => Subject::new("refund", &subject.id),
    }
}

impl Account {
    /// Replays the events and adds what was wrong, from when to when.
    pub(super) fn settle(self, grace_ms: i64, cast: &Cast, attack: Option<u64>, books: &mut Books) {
        let mut state = State::default();
        let mut open: BTreeMap<String, BadRow> = BTreeMap::new();
        let mut clock = CellTime(i64::MIN);
        for (when, change) in self.events {
            // Readers stamp as they see: within an account time never runs back.
            clock = clock.max(when.at);
            let when = Instant { at: clock, seq: when.seq };
            state.apply(change, when);
            let gaps = match self.ledger {
                Some(_) => state.lines.gaps(),
                None => state.gaps(&self.subject.kind),
            };
            let same = |row: &BadRow, gap: &Gap| row.amount == gap.amount;
            let gone = |key: &String, row: &BadRow| {
                !gaps.iter().any(|gap| gap.key == *key && same(row, gap))
            };
            let closed: Vec<String> = open
                .iter()
                .filter(|(key, row)| gone(key, row))
                .map(|(key, _)| key.clone())
                .collect();
            for key in closed {
                let row = open.remove(&key).expect("invariant: the key was just listed");
                close(row, Some(clock), books);
            }
            for gap in gaps {
                open.entry(gap.key.clone()).or_insert_with(|| {
                    let since = gap.due.unwrap_or(when);
                    let grace_ms = if gap.flaw == Flaw::Missing { grace_ms } else { 0 };
                    BadRow {
                        seen: since.at,
                        seq: since.seq,
                        known: since.at.plus_ms(grace_ms),
                        until: None,
                        kind: gap.kind,
                        flaw: gap.flaw,
                        party: gap.party,
                        amount: gap.amount,
                        subject: self.subject.clone(),
                        about: cast.about(&self.subject),
                        owner: cast.owner(&self.subject),
                        after_attack: attack.is_some_and(|attack| since.seq >= attack),
                    }
                });
            }
        }
        open.into_values().for_each(|row| close(row, None, books));
    }
}

/// A row that was set right before it counted was only in flight.
fn close(row: BadRow, until: Option<CellTime>, books: &mut Books) {
    if row.flaw == Flaw::Missing {
        books.flights.push(Flight { due: row.seen, known: row.known, arrived: until });
        if until.is_some_and(|until| until <= row.known) {
            return;
        }
    }
    books.rows.push(BadRow { until, ..row });
}

impl State {
    fn apply(&mut self, change: Change, when: Instant) {
        match change {
            Change::Expect { amount, due } => {
                let key = format!("#{}", self.expected.len());
                self.expected.push(Item { amount, when: due, key });
            }
            Change::Reprice { price, due } => {
                self.before.extend(self.expected.last().map(|item| (item.amount, due)));
                self.expected = vec![Item { amount: price, when: due, key: "#0".into() }];
            }
            Change::Posted { kind, amount, reference, gone } => {
                let items = self.posted.entry(kind).or_default();
                match gone {
                    true => items.retain(|item| item.key != reference),
                    false => items.push(Item { amount, when, key: reference }),
                }
            }
            Change::Promised { price, qty, open } => {
                if self.expected.last().is_some_and(|meant| meant.amount == price) {
                    self.before.clear();
                }
                self.promise = Some((price, qty, open, when));
            }
            Change::Closed => self.is_closed = true,
            Change::Wanted { expected, due } => self.lines.expect(expected, due),
            Change::Booked { line } => self.lines.book(line),
        }
    }

    fn gaps(&self, kind: &str) -> Vec<Gap> {
        let posted = |kind| self.posted.get(&kind).map_or(&[][..], Vec::as_slice);
        match kind {
            "order" => order_gaps(
                &self.expected,
                posted(PostingKind::Collected),
                posted(PostingKind::OrderPaid),
                self.is_closed,
            ),
            "refund" => refund_gaps(&self.expected, posted(PostingKind::PaidOut)),
            _ => self.promise_gap().into_iter().collect(),
        }
    }

    fn promise_gap(&self) -> Option<Gap> {
        let gap = |flaw, party, amount, due| Gap {
            key: format!("promise {flaw:?}"),
            kind: RowKind::Promise,
            flaw,
            party,
            amount,
            due,
        };
        let meant = self.expected.last();
        let Some((price, qty, open, _)) = self.promise else {
            let meant = meant?;
            let nothing = Money::zero(meant.amount.currency);
            return Some(gap(Flaw::Missing, Party::Seller, nothing, Some(meant.when)));
        };
        if !open {
            return None;
        }
        let times =
            |each: Money| Money { minor: each.minor.saturating_mul(i64::from(qty)), ..each };
        let Some(meant) = meant else {
            return Some(gap(Flaw::Unexpected, Party::Seller, times(price), None));
        };
        let (party, amount) = match above(meant.amount, price) {
            Some(short) => (Party::Seller, times(short)),
            None => (Party::Buyer, times(above(price, meant.amount)?)),
        };
        match self.before.iter().rev().find(|(before, _)| *before == price) {
            Some((_, due)) => Some(gap(Flaw::Missing, party, amount, Some(*due))),
            None => Some(gap(Flaw::WrongAmount, party, amount, None)),
        }
    }
}

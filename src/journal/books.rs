//! The truth as data: bad rows, loss and exposure over time. The oracle fills it, the judge and the
//! reports read it.

use serde::{Deserialize, Serialize};

use super::{Owner, PostingKind};
use crate::clock::CellTime;
use crate::money::{Currency, Money};
use crate::wire::Subject;

/// How a posting or promise differs from what its act expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flaw {
    /// Expected, and not there after the loss point's grace.
    Missing,
    WrongAmount,
    /// It stood as expected, and stands no more.
    TakenAway,
    /// Once more than expected.
    Duplicate,
    /// No act expects it: a refused one, or none at all.
    Unexpected,
    /// The right amount to somebody else.
    WrongParty,
    /// More than the lines may ever add up to.
    AboveCap,
    /// Less than they may ever add up to.
    BelowFloor,
}

/// Who loses by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    Buyer,
    Seller,
    Platform,
}

/// What kind of row it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKind {
    Posting(PostingKind),
    Promise,
    /// A line of a domain's ledger.
    Line {
        /// The stopped act, if any, that would explain a shortfall.
        held_by: Option<String>,
        /// By the line's detail: who has what was meant for somebody else.
        other: Option<String>,
    },
}

/// A row after which the books differ from what was meant, with nothing in flight to explain it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// When the oracle's reader saw the row; for a missing one, the row that made it due.
    pub seen: CellTime,
    /// Journal position of that row.
    pub seq: u64,
    /// From when on it is known: `seen`, or for a missing row the end of its grace.
    pub known: CellTime,
    /// When it was set right, if it was.
    pub until: Option<CellTime>,
    pub kind: RowKind,
    pub flaw: Flaw,
    pub party: Party,
    /// What `party` loses (posting) or stands to lose (promise); never negative.
    pub amount: Money,
    /// The order, refund or bid.
    pub subject: Subject,
    /// The subject and what it is about: its order, item, channel.
    pub about: Vec<Subject>,
    pub owner: Owner,
    /// At or after the first scripted intent, or the first intent to change the books by hand.
    pub after_attack: bool,
}

impl BadRow {
    /// Is it known and not yet set right at `now`?
    pub fn is_open(&self, now: CellTime) -> bool {
        self.known <= now && self.until.is_none_or(|until| until > now)
    }

    pub fn is_promise(&self) -> bool {
        self.kind == RowKind::Promise
    }
}

/// Something expected that was not there at once: in flight from `due`, at most until `known`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight {
    pub due: CellTime,
    pub known: CellTime,
    pub arrived: Option<CellTime>,
}

/// The books of one scenario, as the oracle computed them from its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Books {
    /// Every bad row, also those that become known only after the history's end; by `seen`, then
    /// position.
    pub rows: Vec<BadRow>,
    pub flights: Vec<Flight>,
    /// Cell time of the history's last entry.
    pub last: CellTime,
    /// Curves are in this currency, the loss point's.
    pub currency: Currency,
}

impl Books {
    /// Bad rows known at the history's end.
    pub fn bad_rows(&self) -> impl Iterator<Item = &BadRow> {
        self.bad_rows_at(self.last)
    }

    /// Bad rows known at `now`, set right since or not.
    pub fn bad_rows_at(&self, now: CellTime) -> impl Iterator<Item = &BadRow> {
        self.rows.iter().filter(move |row| row.known <= now)
    }

    /// The attack's bad rows known at `now`: after its first hostile intent, canary and proof left
    /// out.
    pub fn attack_rows(&self, now: CellTime) -> impl Iterator<Item = &BadRow> {
        self.bad_rows_at(now).filter(|row| row.after_attack && !row.is_beside())
    }

    /// Nothing open is wrong at `now`; what is in flight within its grace does not count.
    pub fn balanced(&self, now: CellTime) -> bool {
        !self.rows.iter().any(|row| row.is_open(now))
    }

    /// How many expected rows are still in flight at `now`.
    pub fn in_flight(&self, now: CellTime) -> usize {
        let flying = |flight: &&Flight| {
            flight.due <= now && now < flight.known && flight.arrived.is_none_or(|at| at > now)
        };
        self.flights.iter().filter(flying).count()
    }

    /// The earliest instant after `now` at which something in flight counts as missing.
    pub fn next_missing(&self, now: CellTime) -> Option<CellTime> {
        self.rows.iter().map(|row| row.known).filter(|known| *known > now).min()
    }

    /// Loss at `t`, of all parties, in the books' currency, as known at the history's end.
    pub fn loss_at(&self, t: CellTime) -> Money {
        value_at(&self.curve(), t, self.currency)
    }

    /// Exposure at `t`: what open promises stand to lose.
    pub fn exposure_at(&self, t: CellTime) -> Money {
        value_at(&self.exposure_curve(), t, self.currency)
    }

    /// The loss meter: loss from each instant on, by time. Canary and proof are left out.
    pub fn curve(&self) -> Vec<(CellTime, Money)> {
        let own = |row: &BadRow| !row.is_promise() && !row.is_beside();
        curve_of(self.bad_rows().filter(|row| own(row)), self.currency)
    }

    /// Exposure from each instant on, by time. Canary and proof are left out.
    pub fn exposure_curve(&self) -> Vec<(CellTime, Money)> {
        let own = |row: &BadRow| row.is_promise() && !row.is_beside();
        curve_of(self.bad_rows().filter(|row| own(row)), self.currency)
    }

    /// Loss and exposure of one party from each instant on.
    pub fn curves_of_party(&self, party: Party) -> [Vec<(CellTime, Money)>; 2] {
        [false, true].map(|promise| {
            let own = |row: &&BadRow| {
                row.is_promise() == promise && !row.is_beside() && row.party == party
            };
            curve_of(self.bad_rows().filter(own), self.currency)
        })
    }
}

impl BadRow {
    /// Only canary or proof touches it: judged apart, and never counted in the loss.
    pub fn is_beside(&self) -> bool {
        matches!(self.owner, Owner::Canary | Owner::Probe)
    }
}

/// The sum of `rows` from each instant on, by time; rows in another currency are left out.
pub fn curve_of<'a>(
    rows: impl Iterator<Item = &'a BadRow>,
    currency: Currency,
) -> Vec<(CellTime, Money)> {
    let mut steps: Vec<(CellTime, i128)> = Vec::new();
    for row in rows.filter(|row| row.amount.currency == currency) {
        let minor = i128::from(row.amount.minor);
        steps.push((row.seen, minor));
        if let Some(until) = row.until {
            steps.push((until, -minor));
        }
    }
    steps.sort_by_key(|(at, _)| *at);
    let mut curve: Vec<(CellTime, Money)> = Vec::new();
    let mut sum: i128 = 0;
    for (at, step) in steps {
        sum += step;
        let value = Money::new(i64::try_from(sum).unwrap_or(i64::MAX), currency);
        match curve.last_mut() {
            Some(last) if last.0 == at => last.1 = value,
            _ => curve.push((at, value)),
        }
    }
    curve
}

/// What `curve` says at `t`; nothing before its first step.
pub fn value_at(curve: &[(CellTime, Money)], t: CellTime, currency: Currency) -> Money {
    let past = curve.iter().rev().find(|(at, _)| *at <= t);
    past.map_or(Money::zero(currency), |(_, value)| *value)
}

/// The highest value of `curve`.
pub fn peak(curve: &[(CellTime, Money)], currency: Currency) -> Money {
    curve.iter().map(|(_, value)| *value).max().unwrap_or(Money::zero(currency))
}

//! The sentences, one file for each domain: wording in both languages, doc, examples, and what each says or does.
//!
//! A sentence of the house ([`says`]) is a variant of [`Sentence`], so that the compiler lists who must act on it. A
//! business sentence ([`does`]) carries its acts beside its wording: a new domain is one file here and its line in
//! [`DOMAINS`]. Must not know how an act is applied. Try it: `lossdrill steps`, `cargo test --lib steps`.

mod bill;
mod charge;
mod fault;
mod goods;
mod late;
mod market;
mod order;
mod outcome;
mod payout;
mod points;
mod promotion;
mod refund;
mod settle;
mod shipment;
mod wallet;
mod watcher;

use std::sync::LazyLock;

use super::params::{BadValue, Captured};
use super::said::Said;
use super::script::{Script, ScriptError};
use super::{Kind, Sentence};
use crate::journal::Act;
use crate::money::Money;

/// The domains, each with its sentences, and with the acts that a stop plan is proved by. Faults and outcomes come last.
const DOMAINS: &[Domain] = &[
    Domain { rows: market::ROWS, probes: market::PROBES },
    Domain { rows: goods::ROWS, probes: &[] },
    Domain { rows: order::ROWS, probes: &[] },
    Domain { rows: late::ROWS, probes: &[] },
    Domain { rows: shipment::ROWS, probes: shipment::PROBES },
    Domain { rows: points::ROWS, probes: points::PROBES },
    Domain { rows: refund::ROWS, probes: refund::PROBES },
    Domain { rows: wallet::ROWS, probes: wallet::PROBES },
    Domain { rows: charge::ROWS, probes: charge::PROBES },
    Domain { rows: promotion::ROWS, probes: promotion::PROBES },
    Domain { rows: watcher::ROWS, probes: &[] },
    Domain { rows: settle::ROWS, probes: settle::PROBES },
    Domain { rows: bill::ROWS, probes: &[] },
    Domain { rows: payout::ROWS, probes: payout::PROBES },
    Domain { rows: fault::ROWS, probes: &[] },
    Domain { rows: outcome::ROWS, probes: &[] },
];

struct Domain {
    rows: &'static [Row],
    probes: &'static [Probe],
}

/// Every sentence there is, in the order of a scenario: Given, When, Then; within each in the order of the domains.
pub static VOCABULARY: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let mut rows: Vec<Row> = DOMAINS.iter().flat_map(|domain| domain.rows).copied().collect();
    rows.sort_by_key(|row| row.kind);
    rows
});

/// One sentence of the vocabulary.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub id: &'static str,
    pub kind: Kind,
    /// Cucumber expressions.
    pub en: &'static str,
    pub zh: &'static str,
    /// For each parameter of `en`, its position in `zh`; empty where the order is the same.
    pub zh_order: &'static [usize],
    pub doc: &'static str,
    pub example_en: &'static str,
    pub example_zh: &'static str,
    /// A table of parameters may stand under it.
    pub takes_table: bool,
    /// A plan of faults must stand under it.
    pub takes_plan: bool,
    /// What a business sentence speaks of, and a step above must have made: kind and index of its name. A `channel` is
    /// one of the platform's.
    pub needs: &'static [(&'static str, usize)],
    /// What a business sentence brings into being: kind and index of its name.
    pub makes: &'static [(&'static str, usize)],
    pub meaning: Meaning,
}

/// What becomes of a sentence's values. Indices are those of `en`.
#[derive(Clone, Copy, Debug)]
pub enum Meaning {
    Says(Say),
    Does(Do),
}

type Say = fn(&Captured<'_>) -> Result<Sentence, BadValue>;
type Do = fn(&mut Script, &Said) -> Result<Deeds, ScriptError>;

/// What a business sentence makes happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deeds {
    /// One after the other.
    InOrder(Vec<Act>),
    /// All on their way before the first is answered.
    AtOnce(Vec<Act>),
}

impl From<Act> for Deeds {
    fn from(act: Act) -> Deeds {
        Deeds::InOrder(vec![act])
    }
}

/// How a stop plan is proved: the act that it stops, done again by a fresh party.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// The act as plans name it: `effect: {stops: buy}`.
    pub stops: &'static str,
    /// The kind of subject that it is stopped for, where scenarios make their own: one outside the scope is made before
    /// anything goes wrong, for a plan that is too wide can only reach what is there. None for channels and items.
    pub made: Option<&'static str>,
    /// The act at `place` (the id of a subject of the plan's scope), after what has to be set up for it; names are
    /// told apart by the tag.
    pub act: fn(&mut Script, place: &str, tag: &str) -> ProbeActs,
    /// A place outside the scope, after what has to be set up for it.
    pub elsewhere: fn(&mut Script, scope: &str) -> (Vec<Act>, String),
}

/// What a probing party pays, or is owed.
const PROBE_AMOUNT: Money = Money::cny(9_900);

/// The act of a probe, after the acts that prepare it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeActs {
    pub setup: Vec<Act>,
    pub act: Act,
}

/// How a plan that stops `act` is proved.
pub fn probe(act: &str) -> Option<&'static Probe> {
    probes().find(|probe| probe.stops == act)
}

/// The acts that a plan may declare to stop.
pub fn stops() -> impl Iterator<Item = &'static str> {
    probes().map(|probe| probe.stops)
}

/// How plans are proved that stop something for subjects of `kind`, where scenarios make their own.
pub fn probes_made(kind: &str) -> impl Iterator<Item = &'static Probe> {
    probes().filter(move |probe| probe.made == Some(kind))
}

fn probes() -> impl Iterator<Item = &'static Probe> {
    DOMAINS.iter().flat_map(|domain| domain.probes)
}

const fn row(id: &'static str, kind: Kind, meaning: Meaning) -> Row {
    Row {
        id,
        kind,
        en: "",
        zh: "",
        zh_order: &[],
        doc: "",
        example_en: "",
        example_zh: "",
        takes_table: false,
        takes_plan: false,
        needs: &[],
        makes: &[],
        meaning,
    }
}

/// The rest of a row whose sentence is one of the house.
pub(super) const fn says(id: &'static str, kind: Kind, say: Say) -> Row {
    row(id, kind, Meaning::Says(say))
}

/// The rest of a row whose sentence is a business act.
pub(super) const fn does(id: &'static str, kind: Kind, acts: Do) -> Row {
    row(id, kind, Meaning::Does(acts))
}

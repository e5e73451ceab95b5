//! What belongs together under one key of one rule: the items to judge and their counterparts.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::CellTime;
use crate::dcheck::event::{Event, Row};
use crate::wire::{Judgement, Subject};

/// Items and counterparts that share a key. Plain data: it is the state that a snapshot keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// In order of rank.
    pub items: Vec<Item>,
    /// In order of first sight; one per identity, with its latest state.
    pub others: Vec<Other>,
    /// Occurrences whose finding still holds.
    pub open: BTreeSet<String>,
}

/// An occurrence in one of its states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Shared by all rules that took it.
    pub event: Arc<Event>,
    /// What orders the items of a group: the rule's `order_by`, then the occurrence.
    pub rank: (i128, String),
    pub subject: Subject,
    pub occurrence: String,
    pub revision: String,
    /// False where the row is out of the rule's reach now: it only ends an earlier finding.
    pub applies: bool,
    /// Last mark read on its source when it was taken.
    pub after_mark: u64,
    pub reference: Reference,
    /// The last judgement given.
    pub judged: Option<Judgement>,
    /// The amount at risk last told, so that a changed one is told again.
    pub told: String,
}

impl Item {
    /// The same identity again is the same item, redelivered.
    pub fn is(&self, occurrence: &str, revision: &str) -> bool {
        self.occurrence == occurrence && self.revision == revision
    }
}

/// The answer to an item's lookup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reference {
    /// The rule asks nothing.
    NotNeeded,
    /// To be asked at `at`, for the `attempt`-th time.
    Due {
        at: CellTime,
        attempt: usize,
        /// It has its slot in the lookup's rate.
        #[serde(default)]
        admitted: bool,
    },
    /// Out, for the `attempt`-th time.
    Asked { attempt: usize },
    /// The answer's row; empty where the lookup found none.
    Known(Row),
    /// Asked in vain as often as the rule allows, for a reason that stays.
    Failed(String),
    /// Nobody answers, or there was too much to ask: Unknown, and asked again later.
    Away(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Other {
    pub id: String,
    pub event: Arc<Event>,
    /// The earliest event time under this identity.
    pub first_at: CellTime,
    /// Its states before that, the oldest first; only as many as the strategy compares with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Arc<Event>>,
    /// There were older ones than those.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
}

impl Other {
    /// Its row or message; a deleted row counts with its last state.
    pub fn row(&self) -> Option<&Row> {
        row_of(&self.event)
    }

    /// All states that are known, the oldest first.
    pub fn states(&self) -> impl Iterator<Item = &Event> {
        self.earlier.iter().chain([&self.event]).map(|event| &**event)
    }

    /// True where the state is new. Times decide, not arrival; of one time, the place in the source.
    fn take(&mut self, event: Arc<Event>, kept: usize) -> bool {
        let is_same = |known: &Event| known.at == event.at && known.position == event.position;
        if self.states().any(is_same) {
            return false;
        }
        self.first_at = self.first_at.min(event.at);
        self.earlier.push(event);
        self.earlier.push(Arc::clone(&self.event));
        self.earlier.sort_by(|a, b| age(a).cmp(&age(b)));
        self.event = self.earlier.pop().expect("invariant: two states were pushed");
        let over = self.earlier.len().saturating_sub(kept);
        self.earlier.drain(..over);
        self.is_cut |= kept > 0 && over > 0;
        true
    }
}

/// A row or a message; a deleted row counts with its last state.
pub fn row_of(event: &Event) -> Option<&Row> {
    event.after.as_ref().or(event.before.as_ref())
}

/// Orders the states of one counterpart. Positions of one source are numbers behind the same words.
fn age(event: &Event) -> (CellTime, usize, &str) {
    (event.at, event.position.len(), &event.position)
}

impl Other {
    pub fn of(id: String, event: Arc<Event>) -> Other {
        Other { id, first_at: event.at, event, earlier: Vec::new(), is_cut: false }
    }
}

/// States of a key that a rule keeps where it judges each by itself: a redelivery of an older one would be judged anew.
const STATES: usize = 256;

impl Group {
    /// Drops the oldest states that are judged; for rules that judge each by itself. One that a finding rests on stays.
    pub fn trim(&mut self) {
        let mut over = self.items.len().saturating_sub(STATES);
        if over == 0 {
            return;
        }
        let mut found = BTreeSet::new();
        let mut rests: Vec<bool> = Vec::new();
        for item in self.items.iter().rev() {
            let finds = item.judged == Some(Judgement::Mismatched);
            let is_open = finds && self.open.contains(&item.occurrence);
            rests.push(is_open && found.insert(item.occurrence.clone()));
        }
        // A later state waits for those before it.
        let mut is_settled = true;
        self.items.retain(|item| {
            let rests = rests.pop().unwrap_or_default();
            let asks = matches!(item.reference, Reference::Due { .. } | Reference::Asked { .. });
            is_settled &= !asks && (item.judged.is_some() || !item.applies);
            let waits = matches!(item.reference, Reference::Away(_));
            let goes = over > 0 && is_settled && !rests && !waits;
            over -= usize::from(goes);
            !goes
        });
    }

    /// True where the item is new; a redelivered one changes nothing.
    pub fn take(&mut self, item: Item) -> bool {
        if self.items.iter().any(|known| known.is(&item.occurrence, &item.revision)) {
            return false;
        }
        let place = self.items.partition_point(|known| known.rank <= item.rank);
        self.items.insert(place, item);
        true
    }

    /// True where the counterpart is new or changed.
    pub fn take_other(&mut self, id: String, event: Arc<Event>, kept: usize) -> bool {
        if let Some(known) = self.others.iter_mut().find(|other| other.id == id) {
            return known.take(event, kept);
        }
        let place = self.others.partition_point(|other| other.id <= id);
        self.others.insert(place, Other::of(id, event));
        true
    }

    /// True where something waits for its deadline, a source, or an answer.
    pub fn is_open(&self) -> bool {
        self.items.iter().any(|item| item.applies && item.judged.is_none())
    }
}

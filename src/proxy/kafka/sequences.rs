//! What was done to records of idempotent producers, by their sequence numbers.
//!
//! A broker refuses a batch that does not begin where the one before ended: whoever drops or adds a record must shift
//! every later batch of that producer. And a batch that is sent again must be struck again, in the same way, or the
//! broker would know it by its number and not by its content. So this outlives the rule that struck.
//!
//! Not covered: sequences past 2^31, and a producer that outlives the link.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use super::batch::Producer;
use super::surgery::{Cut, Spot};

/// Records that all rules of one link struck: a scenario strikes a few.
const CUTS_MAX: usize = 4096;

/// A producer in one of its lives, and where it writes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Stream {
    id: i64,
    epoch: i16,
    spot: Spot,
}

#[derive(Default)]
struct State {
    streams: HashMap<Stream, BTreeMap<i32, Vec<Cut>>>,
    count: usize,
}

/// Shared by all connections of a link.
#[derive(Default)]
pub(in crate::proxy) struct Sequences(Mutex<State>);

impl Sequences {
    fn stream(producer: Producer, spot: &Spot) -> Stream {
        Stream { id: producer.id, epoch: producer.epoch, spot: spot.clone() }
    }

    pub fn is_empty(&self) -> bool {
        self.0.lock().expect("no holder panics").count == 0
    }

    /// False where there are too many: the record must stay as it is.
    pub(super) fn keep(&self, producer: Producer, spot: &Spot, sequence: i32, cut: Cut) -> bool {
        let mut state = self.0.lock().expect("no holder panics");
        if state.count == CUTS_MAX {
            return false;
        }
        state.count += 1;
        let stream = Sequences::stream(producer, spot);
        state.streams.entry(stream).or_default().entry(sequence).or_default().push(cut);
        true
    }

    /// What was done to the record of this number before.
    pub(super) fn kept(&self, producer: Producer, spot: &Spot, sequence: i32) -> Vec<Cut> {
        let state = self.0.lock().expect("no holder panics");
        let stream = state.streams.get(&Sequences::stream(producer, spot));
        stream.and_then(|cuts| cuts.get(&sequence)).cloned().unwrap_or_default()
    }

    /// The number by which the broker knows the record that the producer gave `producer.base_sequence`.
    pub(super) fn shifted(&self, producer: Producer, spot: &Spot) -> i32 {
        let state = self.0.lock().expect("no holder panics");
        let stream = state.streams.get(&Sequences::stream(producer, spot));
        let before = stream.into_iter().flat_map(|cuts| cuts.range(..producer.base_sequence));
        let shift: i32 = before.flat_map(|(_, cuts)| cuts).map(Cut::shift).sum();
        producer.base_sequence.saturating_add(shift)
    }
}

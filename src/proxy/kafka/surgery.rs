//! The surgery on batches: which records of a partition are struck, and the bytes that go on in place of theirs.
//!
//! What no rule meets stays byte for byte as it came. Batches of idempotent producers keep producer, epoch and the
//! sequence that the broker waits for (`sequences.rs`).

use std::sync::Arc;

use bytes::Bytes;

use super::batch::{self, Batch, Record};
use super::rule::{ArmedRule, RecordHarm};
use super::sequences::Sequences;
use super::walk::Lost;
use crate::proxy::filter::Late;

/// No text begins so, in UTF-8 or in UTF-16 with its mark.
const POISON: u8 = 0xc0;

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::proxy) struct Spot {
    pub topic: String,
    pub partition: i32,
}

/// What is done to one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Drop,
    Double,
    /// This value in place of its own.
    Value(Bytes),
    /// It changes places with the next of its batch.
    Swap,
    /// This record goes behind it.
    Follow(Record),
}

impl Cut {
    /// By how much the numbers of later records change.
    pub fn shift(&self) -> i32 {
        match self {
            Cut::Drop => -1,
            Cut::Double | Cut::Follow(_) => 1,
            Cut::Value(_) | Cut::Swap => 0,
        }
    }
}

/// What becomes of the records of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Operated {
    /// In place of all batches, where one was changed; without a byte where no record is left.
    pub records: Option<Vec<u8>>,
    pub late: Option<Late>,
}

/// What an operation works with.
pub(super) struct Theatre<'a> {
    pub rules: &'a [Arc<ArmedRule>],
    pub sequences: &'a Sequences,
}

impl Theatre<'_> {
    /// Must the records of this topic be looked into?
    pub fn wants(&self, topic: &str) -> bool {
        !self.sequences.is_empty() || self.rules.iter().any(|rule| rule.is_of_topic(topic))
    }

    /// Operates on the batches of one partition. An error is a batch that cannot be read: it goes as it is.
    pub fn operate(&self, bytes: &[u8], spot: &Spot) -> Result<Operated, Lost> {
        let (mut out, mut operated, mut rest) = (Vec::new(), Operated::default(), bytes);
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(batch::length(rest)?);
            rest = after;
            match batch::holds_records(batch) {
                true => match self.operate_on(batch, spot, &mut operated.late)? {
                    Some(changed) => {
                        out.extend_from_slice(&changed);
                        operated.records = Some(Vec::new());
                    }
                    None => out.extend_from_slice(batch),
                },
                false => out.extend_from_slice(batch),
            }
        }
        operated.records = operated.records.map(|_| out);
        Ok(operated)
    }

    /// One batch as it goes on, where it changes; empty where no record is left.
    fn operate_on(
        &self,
        bytes: &[u8],
        spot: &Spot,
        late: &mut Option<Late>,
    ) -> Result<Option<Vec<u8>>, Lost> {
        let mut batch = Batch::read(bytes)?;
        let producer = batch.producer();
        let sequence = producer.map(|producer| self.sequences.shifted(producer, spot));
        let is_shifted = producer.is_some_and(|p| Some(p.base_sequence) != sequence);
        let mut cuts = Vec::new();
        for (place, record) in batch.records.iter().enumerate() {
            let number =
                producer.and_then(|p| Some((p, p.base_sequence.checked_add(place as i32)?)));
            let before = number.map(|(producer, n)| self.sequences.kept(producer, spot, n));
            let before = before.unwrap_or_default();
            if !before.is_empty() {
                cuts.extend(before.into_iter().map(|cut| (place, cut)));
                continue;
            }
            let is_last = place + 1 == batch.records.len();
            for (cut, rule) in self.decide(record, spot, is_last, late) {
                if let Some((producer, number)) = number
                    && !self.sequences.keep(producer, spot, number, cut.clone())
                {
                    continue;
                }
                tell(&rule, &cut, record, spot, is_last);
                cuts.push((place, cut));
            }
        }
        if cuts.is_empty() && !is_shifted {
            return Ok(None);
        }
        batch.records = apply(std::mem::take(&mut batch.records), &cuts);
        if batch.records.is_empty() {
            return Ok(Some(Vec::new()));
        }
        if let Some(sequence) = sequence {
            batch.renumber(sequence);
        }
        batch.write().map(Some)
    }

    /// What is to be done to a record: the first rule that strikes has it, but each counts it.
    fn decide(
        &self,
        record: &Record,
        spot: &Spot,
        is_last: bool,
        late: &mut Option<Late>,
    ) -> Vec<(Cut, Arc<ArmedRule>)> {
        let mut all = Vec::new();
        let mut is_taken = false;
        for rule in self.rules.iter().filter(|rule| rule.is_of_topic(&spot.topic)) {
            if let Some(overtaken) = rule.take_overtaken(spot) {
                all.push((Cut::Follow(overtaken), rule.clone()));
                // Counted, but who overtakes is not overtaken.
                rule.strikes(record);
                continue;
            }
            let Some(harm) = rule.strikes(record).filter(|_| !is_taken) else { continue };
            let cut = match harm {
                RecordHarm::Dropped => Some(Cut::Drop),
                RecordHarm::Doubled => Some(Cut::Double),
                RecordHarm::Late { delay_ms } => {
                    let delay = std::time::Duration::from_millis(*delay_ms);
                    *late = Some(Late { by: rule.id, delay });
                    rule.hit_record(spot, record, record.value.as_ref());
                    None
                }
                RecordHarm::Reordered if !is_last => Some(Cut::Swap),
                RecordHarm::Reordered => rule.withhold(spot, record).then_some(Cut::Drop),
                RecordHarm::Tampered { field, change } => record
                    .value
                    .as_ref()
                    .and_then(|value| field.changed(value, change))
                    .map(|value| Cut::Value(value.into())),
                RecordHarm::Poisoned => Some(Cut::Value(poisoned(record.value.as_ref()))),
            };
            is_taken |= cut.is_some();
            all.extend(cut.map(|cut| (cut, rule.clone())));
        }
        all
    }
}

/// The same length, where there is one, and no text any more.
fn poisoned(value: Option<&Bytes>) -> Bytes {
    let mut bytes = value.filter(|value| !value.is_empty()).map_or(vec![0], |value| value.to_vec());
    bytes[0] = POISON;
    bytes.into()
}

/// The rule counts what it did, once it is sure to happen.
fn tell(rule: &ArmedRule, cut: &Cut, record: &Record, spot: &Spot, is_last: bool) {
    match cut {
        // It is overtaken when its successor comes.
        Cut::Drop if is_last && rule.reorders() => {}
        Cut::Drop => rule.hit_record(spot, record, None),
        Cut::Double | Cut::Swap => rule.hit_record(spot, record, record.value.as_ref()),
        Cut::Value(value) => rule.hit_record(spot, record, Some(value)),
        Cut::Follow(overtaken) => rule.hit_record(spot, overtaken, overtaken.value.as_ref()),
    }
}

/// The records of a batch after all cuts, each with its place.
fn apply(mut records: Vec<Record>, cuts: &[(usize, Cut)]) -> Vec<Record> {
    let of = |place: usize| cuts.iter().filter(move |(at, _)| *at == place).map(|(_, cut)| cut);
    for place in 0..records.len() {
        for cut in of(place) {
            if let Cut::Value(value) = cut {
                records[place].value = Some(value.clone());
            }
        }
    }
    for (place, _) in cuts.iter().filter(|(_, cut)| *cut == Cut::Swap) {
        if let Some([one, other]) = records.get_mut(*place..place + 2) {
            // The place keeps its time.
            std::mem::swap(one, other);
            std::mem::swap(&mut one.timestamp_delta, &mut other.timestamp_delta);
        }
    }
    let mut out = Vec::new();
    for (place, record) in records.into_iter().enumerate() {
        let copies = match () {
            () if of(place).any(|cut| *cut == Cut::Drop) => 0,
            () if of(place).any(|cut| *cut == Cut::Double) => 2,
            () => 1,
        };
        let time = record.timestamp_delta;
        out.extend(std::iter::repeat_n(record, copies));
        for cut in of(place) {
            if let Cut::Follow(overtaken) = cut {
                out.push(Record { timestamp_delta: time, ..overtaken.clone() });
            }
        }
    }
    out
}

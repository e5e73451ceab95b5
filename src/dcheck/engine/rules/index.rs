//! Rule retrieval: from an event to the rules that may care, without asking the others.
//!
//! By stream, operation, changed column, and one constant that the filter demands of a field. The
//! cost grows with the rules that match. Try it: `cargo test --lib rules::index`.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::dcheck::engine::expr::{Datum, Number};
use crate::dcheck::engine::gate::Rollout;
use crate::dcheck::event::{Event, Op, Value};

use super::rule::Rule;

/// A rule's number in its set and a side's number in the rule.
pub type Place = (usize, usize);

#[derive(Debug, Default)]
pub struct Index {
    /// By operation and stream.
    shelves: HashMap<Op, HashMap<String, Shelves>>,
}

#[derive(Debug, Default)]
struct Shelves {
    /// Sides that any such event may concern.
    any: Shelf,
    /// By a column that an update must have changed.
    by_changed: HashMap<String, Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    /// Sides whose filter demands no constant.
    plain: Vec<Place>,
    /// Column -> constant -> sides.
    by_constant: Vec<(String, HashMap<Constant, Vec<Place>>)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Constant {
    Bool(bool),
    Num(Number),
    Text(String),
}

impl Index {
    pub fn of(rules: &[Arc<Rule>], rollouts: &[Rollout]) -> Index {
        let mut index = Index::default();
        for (rule_number, rule) in rules.iter().enumerate() {
            if rollouts[rule_number] == Rollout::Off {
                continue;
            }
            for (side_number, side) in rule.sides.iter().enumerate() {
                let constants = side.filter.as_ref().map_or(Vec::new(), |f| f.constants());
                let constant = constants.into_iter().next();
                for op in &side.ops {
                    let place = (rule_number, side_number);
                    let streams = index.shelves.entry(*op).or_default();
                    let shelves = streams.entry(side.stream.name().to_owned()).or_default();
                    if *op != Op::Update || side.changed.is_empty() {
                        shelves.any.put(place, constant.as_ref());
                        continue;
                    }
                    for column in &side.changed {
                        let shelf = shelves.by_changed.entry(column.clone()).or_default();
                        shelf.put(place, constant.as_ref());
                    }
                }
            }
        }
        index
    }

    /// The sides that may care for `event`, in order. Their filters are still to be asked.
    pub fn find(&self, event: &Event) -> BTreeSet<Place> {
        let mut places = BTreeSet::new();
        let of_op = self.shelves.get(&event.op);
        let Some(shelves) = of_op.and_then(|streams| streams.get(&event.stream)) else {
            return places;
        };
        shelves.any.find(event, &mut places);
        for shelf in event.changed.iter().filter_map(|column| shelves.by_changed.get(column)) {
            shelf.find(event, &mut places);
        }
        places
    }
}

impl Shelf {
    fn put(&mut self, place: Place, constant: Option<&(String, Vec<Datum>)>) {
        let Some((column, values)) = constant else {
            self.plain.push(place);
            return;
        };
        let known = self.by_constant.iter().position(|(known, _)| known == column);
        let number = known.unwrap_or_else(|| {
            self.by_constant.push((column.clone(), HashMap::new()));
            self.by_constant.len() - 1
        });
        for value in values.iter().filter_map(Constant::of_datum) {
            let sides = self.by_constant[number].1.entry(value).or_default();
            if !sides.contains(&place) {
                sides.push(place);
            }
        }
    }

    fn find(&self, event: &Event, places: &mut BTreeSet<Place>) {
        places.extend(&self.plain);
        for (column, sides) in &self.by_constant {
            let value = event.after.as_ref().and_then(|row| row.get(column));
            let constant = value.and_then(Constant::of_value);
            places.extend(constant.and_then(|constant| sides.get(&constant)).into_iter().flatten());
        }
    }
}

impl Constant {
    fn of_datum(datum: &Datum) -> Option<Constant> {
        match datum {
            Datum::Bool(truth) => Some(Constant::Bool(*truth)),
            Datum::Num(number) => Some(Constant::Num(number.clone())),
            Datum::Text(text) => Some(Constant::Text(text.clone())),
            _ => None,
        }
    }

    fn of_value(value: &Value) -> Option<Constant> {
        Constant::of_datum(&Datum::of(Some(value)))
    }
}

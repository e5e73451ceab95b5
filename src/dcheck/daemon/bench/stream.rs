//! What is judged: the inputs of a recording, or events made from what the rules name.
//!
//! Made events: for each side of each rule in turn a row of its table, or a message of its topic, in which each column has a
//! value of the sort that rules want of it; a column that the side's filter demands has what it demands. Texts without a
//! meaning are the same word in every row of one turn, so that pairs find each other. Not covered: filters that demand more
//! than constants (their rules may take none of the events, and are told as such).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::clock::CellTime;
use crate::dcheck::daemon::recording::{Entry, Head};
use crate::dcheck::daemon::replay::Lines;
use crate::dcheck::engine::expr::{Datum, Demand, Want, Whose};
use crate::dcheck::engine::rules::Rule;
use crate::dcheck::engine::window::Stream as Place;
use crate::dcheck::engine::{Input, RuleSet};
use crate::dcheck::event::{Event, Op, Row, Value};
use crate::dcheck::sources::BINLOG;

/// Commits of the first event that is made; any instant does.
const EPOCH_MS: i64 = 1_767_578_400_000;
/// Events between two known ends of all sources: windows close by them.
const END_EVERY: usize = 1_000;
const CURRENCY: &str = "CNY";

pub struct Stream {
    pub inputs: Vec<(CellTime, Input)>,
    pub sources: Vec<String>,
    pub from: From,
}

/// Where it comes from.
pub enum From {
    Recording(std::path::PathBuf, usize),
    /// The inputs as a recording has them.
    Made(Vec<String>),
}

impl Stream {
    /// The first `limit` inputs of a recording.
    pub fn recorded(path: &Path, limit: usize) -> Result<Stream, String> {
        let (mut inputs, mut sources) = (Vec::new(), Vec::new());
        let taken = each_recorded(path, limit, |entry| match entry {
            Entry::Head(head) => {
                let Head { sources: of_head, .. } = *head;
                sources = of_head;
            }
            // Numbers of lookups are those of another engine; rules are the ones that were given.
            Entry::In(_, Input::Answer { .. } | Input::NoAnswer { .. }) => {}
            Entry::In(now, input) => inputs.push((now, input)),
            Entry::Rules(..) | Entry::RollOut(..) | Entry::End(_) => {}
        })?;
        Ok(Stream { inputs, sources, from: From::Recording(path.to_owned(), taken) })
    }

    /// `limit` events for the sides of all rules in turn.
    pub fn made(rules: &RuleSet, limit: usize) -> Stream {
        let maker = Maker::of(rules);
        let mut inputs = Vec::new();
        let sources: BTreeSet<String> =
            maker.sides.iter().map(|(rule, side)| source_of(rule, *side)).collect();
        let sources: Vec<String> = sources.into_iter().collect();
        for nth in 0..if maker.sides.is_empty() { 0 } else { limit } {
            let event = maker.event(nth);
            let at = event.at;
            inputs.push((at, Input::Event(event)));
            if (nth + 1).is_multiple_of(END_EVERY) {
                let end = |source: &String| (at, Input::SourceEnd { source: source.clone(), at });
                inputs.extend(sources.iter().map(end));
            }
        }
        let line = |(now, input): &(CellTime, Input)| {
            serde_json::to_string(&Entry::In(*now, input.clone()))
                .expect("invariant: events are plain data")
        };
        let lines = inputs.iter().map(line).collect();
        Stream { inputs, sources, from: From::Made(lines) }
    }

    pub fn events(&self) -> usize {
        self.each_event().count()
    }

    pub fn each_event(&self) -> impl Iterator<Item = &Event> {
        self.inputs.iter().filter_map(|(_, input)| match input {
            Input::Event(event) => Some(event),
            _ => None,
        })
    }

    /// Decodes all of it once more, and gives up what came of it.
    pub fn decode(&self) -> Result<(), String> {
        match &self.from {
            From::Recording(path, taken) => {
                each_recorded(path, *taken, |entry| drop(std::hint::black_box(entry))).map(drop)
            }
            From::Made(lines) => {
                for line in lines {
                    let entry: Entry =
                        serde_json::from_str(line).map_err(|error| error.to_string())?;
                    drop(std::hint::black_box(entry));
                }
                Ok(())
            }
        }
    }
}

/// The head and up to `limit` entries behind it; how many there were.
fn each_recorded(path: &Path, limit: usize, mut take: impl FnMut(Entry)) -> Result<usize, String> {
    let mut lines = Lines::open(path)?;
    match lines.next()? {
        Some(head @ Entry::Head(_)) => take(head),
        _ => return Err(format!("{}: no head: it is no recording", path.display())),
    }
    for taken in 0..limit {
        match lines.next()? {
            Some(entry) => take(entry),
            None => return Ok(taken),
        }
    }
    Ok(limit)
}

fn source_of(rule: &Rule, side: usize) -> String {
    match &rule.sides[side].stream {
        Place::Table(_) => BINLOG.to_owned(),
        Place::Topic(topic) => format!("{topic}/0"),
    }
}

/// What the rules name, by table or topic.
struct Maker<'r> {
    sides: Vec<(&'r Rule, usize)>,
    /// Columns, and what is wanted of them.
    columns: BTreeMap<String, BTreeMap<String, BTreeSet<Want>>>,
}

impl<'r> Maker<'r> {
    fn of(rules: &'r RuleSet) -> Maker<'r> {
        let mut maker = Maker { sides: Vec::new(), columns: BTreeMap::new() };
        for rule in rules.rules() {
            maker.sides.extend((0..rule.sides.len()).map(|side| (&**rule, side)));
            for (stream, column) in rule.columns.iter().chain(&rule.of_messages) {
                maker.wants(stream, column);
            }
            for (used, demand) in
                rule.uses.iter().flat_map(|used| used.demands.iter().map(move |d| (used, d)))
            {
                let Demand::Of(whose, column, want) = demand else { continue };
                let side = usize::from(used.of_counterpart != (*whose == Whose::Other));
                if let Some(side) = rule.sides.get(side) {
                    maker.wants(side.stream.name(), column).insert(*want);
                }
            }
        }
        maker
    }

    fn wants(&mut self, stream: &str, column: &str) -> &mut BTreeSet<Want> {
        let columns = self.columns.entry(stream.to_owned()).or_default();
        columns.entry(column.to_owned()).or_default()
    }

    /// Number `nth` of the stream.
    fn event(&self, nth: usize) -> Event {
        let (rule, number) = self.sides[nth % self.sides.len()];
        let (side, turn) = (&rule.sides[number], nth / self.sides.len());
        let mut row: Row = self
            .columns
            .get(side.stream.name())
            .into_iter()
            .flatten()
            .map(|(column, wants)| (column.clone(), plain(wants, turn)))
            .collect();
        let applies = rule.applies.as_ref().filter(|_| number == 0);
        for (column, values) in
            applies.into_iter().chain(&side.filter).flat_map(|expr| expr.constants())
        {
            if let Some(value) = values.first().and_then(constant) {
                row.insert(column, value);
            }
        }
        let op = side.ops[turn % side.ops.len()];
        let (before, after) = match op {
            Op::Insert | Op::Message => (None, Some(row)),
            Op::Update => (Some(unlike(&row, &side.changed)), Some(row)),
            Op::Delete => (Some(row), None),
        };
        let changed = match (&before, &after) {
            (Some(before), Some(after)) => Event::changed_columns(before, after),
            _ => Vec::new(),
        };
        Event {
            source: source_of(rule, number),
            stream: side.stream.name().to_owned(),
            op,
            before,
            after,
            changed,
            txn: None,
            position: format!("made:{nth}"),
            at: CellTime(EPOCH_MS + nth as i64),
        }
    }
}

/// A value of the sort that is wanted; the same word in every text of one turn.
fn plain(wants: &BTreeSet<Want>, turn: usize) -> Value {
    let number = 1_000 + turn as i64;
    if wants.contains(&Want::WholeMoney) {
        Value::Text(format!("{number}.00 {CURRENCY}"))
    } else if wants.contains(&Want::Currency) {
        CURRENCY.into()
    } else if wants.contains(&Want::Number) || wants.contains(&Want::Money) {
        number.into()
    } else {
        Value::Text(format!("K-{turn}"))
    }
}

fn constant(datum: &Datum) -> Option<Value> {
    match datum {
        Datum::Bool(truth) => Some(Value::Bool(*truth)),
        Datum::Text(text) => Some(Value::Text(text.clone())),
        Datum::Num(number) => match number.integer() {
            Some(int) => Some(Value::Int(int)),
            None => number.small().map(Value::Dec),
        },
        _ => None,
    }
}

/// The row before an update of `changed`; of any column where none is named.
fn unlike(row: &Row, changed: &[String]) -> Row {
    let mut before = row.clone();
    let any = row.keys().next().cloned();
    for column in changed.iter().cloned().chain(any.filter(|_| changed.is_empty())) {
        let other = match row.get(&column) {
            Some(Value::Int(int)) => Value::Int(int - 1),
            _ => "before".into(),
        };
        before.insert(column, other);
    }
    before
}

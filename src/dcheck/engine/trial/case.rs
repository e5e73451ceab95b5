//! One case: steps in, a line for each verdict out.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use serde::Deserialize;

use crate::clock::CellTime;
use crate::dcheck::engine::rules::RuleSet;
use crate::dcheck::engine::{Engine, Input, Output};
use crate::dcheck::event::{Event, Op, Row, Value};
use crate::wire::Subject;

/// The source of all tables.
const LOG: &str = "binlog";

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub case: String,
    /// Whose verdicts are compared.
    pub rules: Vec<String>,
    pub steps: Vec<Step>,
    pub verdicts: Vec<String>,
}

/// One step, at cell time `at` in ms.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    pub at: i64,
    /// A message of `channel.flow`.
    pub flow: Option<serde_json::Value>,
    /// A message of this topic: `message`.
    pub topic: Option<String>,
    pub message: Option<serde_json::Value>,
    /// A row of this table: `row`, and for an update `was`; `was` alone is a deletion.
    pub table: Option<String>,
    pub row: Option<serde_json::Value>,
    pub was: Option<serde_json::Value>,
    /// The answer to the oldest look-up out: rows, or why there are none.
    pub answer: Option<Vec<serde_json::Value>>,
    pub fail: Option<String>,
    /// A mark of this number on every source, or on one.
    pub mark: Option<u64>,
    pub source: Option<String>,
}

fn row(json: &serde_json::Value) -> Result<Row, String> {
    Value::row_from_json(json).ok_or_else(|| format!("a row is a map of columns, not {json}"))
}

impl Step {
    /// The event of this step, where it is one.
    pub fn event(&self) -> Result<Option<Event>, String> {
        let message = match (&self.flow, &self.topic, &self.message) {
            (Some(flow), None, None) => Some(("channel.flow", flow)),
            (None, Some(topic), Some(message)) => Some((topic.as_str(), message)),
            (None, None, None) => None,
            _ => return Err("write `flow`, or `topic` and `message`".to_owned()),
        };
        if let Some((topic, message)) = message {
            let (source, position) = (format!("{topic}/0"), self.at.to_string());
            let after = Some(row(message)?);
            return Ok(Some(self.change(source, topic, position, Op::Message, None, after)));
        }
        let Some(table) = &self.table else { return Ok(None) };
        let read = |json: &Option<serde_json::Value>| json.as_ref().map(row).transpose();
        let (before, after) = (read(&self.was)?, read(&self.row)?);
        let op = match (&before, &after) {
            (None, Some(_)) => Op::Insert,
            (Some(_), Some(_)) => Op::Update,
            (Some(_), None) => Op::Delete,
            (None, None) => return Err(format!("table `{table}` needs `row`, `was` or both")),
        };
        let position = format!("binlog.000001:{}", self.at);
        Ok(Some(self.change(LOG.to_owned(), table, position, op, before, after)))
    }

    fn change(
        &self,
        source: String,
        stream: &str,
        position: String,
        op: Op,
        before: Option<Row>,
        after: Option<Row>,
    ) -> Event {
        let changed = match (&before, &after) {
            (Some(before), Some(after)) => Event::changed_columns(before, after),
            _ => Vec::new(),
        };
        let (stream, at) = (stream.to_owned(), CellTime(self.at));
        Event { source, stream, op, before, after, changed, txn: None, position, at }
    }

    fn inputs(&self, sources: &[String], asked: &mut Vec<u64>) -> Result<Vec<Input>, String> {
        if let Some(event) = self.event()? {
            return Ok(vec![Input::Event(event)]);
        }
        let result = match (&self.answer, &self.fail) {
            (Some(rows), _) => Some(Ok(rows.iter().map(row).collect::<Result<_, _>>()?)),
            (None, Some(why)) => Some(Err(why.clone())),
            (None, None) => None,
        };
        if let Some(result) = result {
            if asked.is_empty() {
                return Err(format!("nothing was asked that is answered at {}", self.at));
            }
            return Ok(vec![Input::Answer { lookup: asked.remove(0), result }]);
        }
        let Some(seq) = self.mark else { return Ok(vec![Input::Tick]) };
        let on = |source: &&String| self.source.as_ref().is_none_or(|only| only == *source);
        let at = CellTime(self.at);
        let mark = |source: &String| Input::Mark { source: source.clone(), seq, at };
        Ok(sources.iter().filter(on).map(mark).collect())
    }
}

/// What came of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What the rules that it names say, one line each: `rule judgement kind id / occurrence [amount] [resolved] [shadow]`.
    pub lines: Vec<String>,
    /// What they ask.
    pub asked: Vec<String>,
}

/// Steps through a case with the rules that it names, and no others.
pub fn run(rules: &Arc<RuleSet>, case: &Case) -> Result<Told, String> {
    let topics = rules.heads().flat_map(|head| head.topics.iter());
    let sources: BTreeSet<String> =
        topics.map(|topic| format!("{topic}/0")).chain([LOG.to_owned()]).collect();
    let sources: Vec<String> = sources.into_iter().collect();
    let mut engine = Engine::new(Arc::clone(rules), &sources, HashSet::new());
    let (mut asked, mut told) = (Vec::new(), Told::default());
    for step in &case.steps {
        for input in step.inputs(&sources, &mut asked)? {
            for output in engine.step(input, CellTime(step.at)) {
                match &output {
                    Output::Lookup { id, rule, params, .. } => {
                        asked.push(*id);
                        told.asked.push(format!("{rule} {params:?}"));
                    }
                    other => told.lines.push(line(other)),
                }
            }
        }
    }
    Ok(told)
}

/// One line for people. An unreadable row is named by a hash of its content, which is left out.
pub fn line(output: &Output) -> String {
    let (word, verdict) = match output {
        Output::Lookup { id, rule, .. } => return format!("lookup {id} {rule}"),
        Output::Verdict(verdict) => ("", verdict),
        Output::Blind(verdict) => ("blind ", verdict),
        Output::Unblind(verdict) => ("unblind ", verdict),
    };
    let judgement = format!("{:?}", verdict.judgement).to_lowercase();
    let Subject { kind, id } = &verdict.subject;
    let occurrence = match verdict.occurrence.strip_prefix("row-") {
        Some(hash) if hash.len() == 12 => "row-HASH",
        _ => &verdict.occurrence,
    };
    let mut text = format!("{word}{} {judgement} {kind} {id} / {occurrence}", verdict.rule);
    if let Some(money) = verdict.at_risk {
        text.push_str(&format!(" {money}"));
    }
    for (flag, name) in [(verdict.resolved, " resolved"), (verdict.shadow, " shadow")] {
        text.push_str(if flag { name } else { "" });
    }
    text
}

//! The engine from outside: events in, verdicts out, with the project's own rules.

mod begins;
mod decided;
mod fit;
mod gaps;
mod gathering;
mod handover;
mod interleaving;
mod lookups;
mod memory;
mod published;
mod retrieval;
mod strategies;
mod time;
mod unanswered;
mod versions;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::dcheck::event::{Op, Row, Value};

const SOURCES: [&str; 3] = ["binlog", "channel.flow/0", "orders.events/0"];

fn sources() -> Vec<String> {
    SOURCES.map(str::to_owned).to_vec()
}

fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The rules that the tables here speak of: those of other files would add verdicts of their own.
const FILES: [&str; 9] = [
    "bid.yaml",
    "fulfilment.yaml",
    "order.yaml",
    "points.yaml",
    "refund.yaml",
    "repricer.yaml",
    "settlement.yaml",
    "wallet.yaml",
    "watcher.yaml",
];

fn project_rules() -> Arc<RuleSet> {
    let shown = |errors: Vec<RuleError>| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"))
    };
    let texts = FILES.map(|file| {
        let path = manifest("scenarios/rules").join(file);
        let text = std::fs::read_to_string(&path).expect("a file of rules");
        (path, text)
    });
    Arc::new(rules::load(&texts).unwrap_or_else(shown))
}

fn engine() -> Engine {
    Engine::new(project_rules(), &sources(), HashSet::new())
}

fn row(json: serde_json::Value) -> Row {
    Value::row_from_json(&json).expect("a test's row is an object")
}

/// A message of `channel.flow`.
fn flow(at: i64, json: serde_json::Value) -> Event {
    Event {
        source: "channel.flow/0".to_owned(),
        stream: "channel.flow".to_owned(),
        op: Op::Message,
        before: None,
        after: Some(row(json)),
        changed: Vec::new(),
        txn: None,
        position: at.to_string(),
        at: CellTime(at),
    }
}

fn collected(at: i64, order: &str, txn: &str, amount: &str) -> Event {
    flow(
        at,
        serde_json::json!({"kind": "collected", "order": order, "channel": "alipay",
            "amount": amount, "txn": txn, "at_ms": at}),
    )
}

fn paid_out(at: i64, order: &str, refund: &str, txn: &str, amount: &str) -> Event {
    flow(
        at,
        serde_json::json!({"kind": "paid-out", "order": order, "refund": refund,
            "channel": "alipay", "amount": amount, "txn": txn, "at_ms": at}),
    )
}

/// A row of the change log: an update where `before` is given.
fn change(
    at: i64,
    table: &str,
    before: Option<serde_json::Value>,
    after: serde_json::Value,
) -> Event {
    let (before, after) = (before.map(row), row(after));
    Event {
        source: "binlog".to_owned(),
        stream: table.to_owned(),
        op: if before.is_some() { Op::Update } else { Op::Insert },
        changed: before.as_ref().map_or(Vec::new(), |b| Event::changed_columns(b, &after)),
        before,
        after: Some(after),
        txn: None,
        position: format!("binlog.000001:{at}"),
        at: CellTime(at),
    }
}

fn paid(at: i64, order: &str) -> Event {
    change(
        at,
        "orders",
        Some(serde_json::json!({"order_id": order, "status": "PENDING"})),
        serde_json::json!({"order_id": order, "status": "PAID"}),
    )
}

/// A mark on every source.
fn mark_all(engine: &mut Engine, seq: u64, at: i64) -> Vec<Output> {
    let mark = |source: &str| Input::Mark { source: source.to_owned(), seq, at: CellTime(at) };
    SOURCES.into_iter().flat_map(|source| engine.step(mark(source), CellTime(at))).collect()
}

/// One line for people: `rule judgement kind id / occurrence [amount] [resolved] [shadow]`.
fn line(output: &Output) -> String {
    let (word, verdict) = match output {
        Output::Lookup { id, rule, .. } => return format!("lookup {id} {rule}"),
        Output::Verdict(verdict) => ("", verdict),
        Output::Blind(verdict) => ("blind ", verdict),
        Output::Unblind(verdict) => ("unblind ", verdict),
    };
    let judgement = serde_json::to_value(verdict.judgement).unwrap();
    let judgement = judgement.as_str().unwrap();
    let Subject { kind, id } = &verdict.subject;
    let mut text =
        format!("{word}{} {judgement} {kind} {id} / {}", verdict.rule, verdict.occurrence);
    if let Some(money) = verdict.at_risk {
        text.push_str(&format!(" {money}"));
    }
    for (flag, name) in [(verdict.resolved, " resolved"), (verdict.shadow, " shadow")] {
        text.push_str(if flag { name } else { "" });
    }
    text
}

fn lines(outputs: &[Output]) -> Vec<String> {
    outputs.iter().map(line).collect()
}

/// In every state of the engine: nothing taken is unaccounted for.
fn assert_balanced(engine: &Engine) {
    let mut counts = BTreeMap::new();
    engine.tell_counts(&mut counts);
    for (rule, c) in counts {
        let sum = c.matched + c.mismatched + c.unknown + c.expired + c.refused + c.pending + c.shed;
        assert_eq!(c.taken, sum, "{rule}: {c:?}");
    }
}

//! `dcheck explain`: why an alert was raised, of what is stored; the daemon need not run.
//!
//! Owns the text: what was told, both sides as they are kept, the rule's conditions part by part with their values, and
//! what it waited for. Reads only. Not covered: groups that a rule has forgotten (`remember`) and those of sweeps: then
//! what was told is all there is.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use super::start::Mistakes;
use crate::clock::rfc3339;
use crate::dcheck::alerts::fingerprint;
use crate::dcheck::engine::expr::{Expr, Scope};
use crate::dcheck::engine::rules::group::{Group, Item, Reference, row_of};
use crate::dcheck::engine::rules::{self, Rule};
use crate::dcheck::engine::{RuleSet, window};
use crate::dcheck::event::{Event, Row};
use crate::dcheck::results::{Store, VerdictRow};

/// Counterparts and earlier states that are shown, the latest ones.
const SHOWN: usize = 20;

#[derive(Clone, Debug, Args)]
pub struct ExplainOptions {
    /// Fingerprint of the alert, or its beginning.
    pub fingerprint: String,
    /// Directory of the rule files that are in force.
    #[arg(long)]
    pub rules: PathBuf,
    /// The results database (schema `dcheck`).
    #[arg(long, value_name = "mysql://USER@HOST:PORT/SCHEMA")]
    pub sql: String,
}

/// A group as it is kept.
#[derive(Deserialize)]
struct Kept {
    rule: String,
    group: Group,
}

pub async fn run(options: &ExplainOptions) -> Result<(), Mistakes> {
    let set = rules::load_dir(&options.rules);
    let set = set.map_err(|errors| Mistakes(errors.iter().map(ToString::to_string).collect()))?;
    let wanted = options.fingerprint.to_lowercase();
    let mut store = Store::new(&options.sql)?;
    let told = store.history(|row| print_of(row).starts_with(&wanted)).await?;
    let Some(last) = told.last() else {
        let why = format!("no alert `{wanted}` is stored: GET /alerts lists those of the daemon");
        return Err(Mistakes(vec![why]));
    };
    if let Some(other) = told.iter().find(|row| print_of(row) != print_of(last)) {
        let (one, other) = (print_of(last), print_of(other));
        return Err(Mistakes(vec![format!(
            "`{wanted}` begins {one} and {other}: write more of it"
        )]));
    }
    // As it stands in the group's text.
    let part = serde_json::to_string(&last.occurrence)?;
    let groups = store.groups_with(&part).await?;
    let kept: Vec<Kept> =
        groups.iter().filter_map(|body| serde_json::from_str(body).ok()).collect();
    let name = format!("{}@{}", last.rule, last.version);
    let is_its = |item: &Item| item.occurrence == last.occurrence && item.subject == last.subject;
    let group = kept.iter().find(|kept| kept.rule == name && kept.group.items.iter().any(is_its));
    print!("{}", explained(&told, group.map(|kept| &kept.group), &set));
    Ok(())
}

fn print_of(row: &VerdictRow) -> String {
    fingerprint(&row.rule, &row.subject, &row.occurrence)
}

/// `told` is of one alert, the oldest first, and not empty.
fn explained(told: &[VerdictRow], group: Option<&Group>, rules: &RuleSet) -> String {
    let Some(last) = told.last() else { return String::new() };
    let mut text = String::new();
    let (name, loss) = (format!("{}@{}", last.rule, last.version), &last.loss_point);
    let _ = writeln!(text, "alert {}: {name} ({}, {loss})", print_of(last), last.severity);
    let _ = writeln!(text, "subject {}, occurrence {}\n\ntold:", last.subject, last.occurrence);
    for row in told {
        let state = if row.resolved { "resolved" } else { row.judgement.name() };
        let money = row.at_risk.map(|money| format!(", {money} at risk")).unwrap_or_default();
        let told = if row.alerting { "" } else { ", told to nobody" };
        let _ =
            writeln!(text, "  {} {state}{money}{told}, at {}", rfc3339(row.at_ms), row.position);
        let _ = writeln!(text, "    expected: {}\n    actual:   {}", row.expected, row.actual);
    }
    let rule = rules.named(&name);
    if rule.is_none() {
        let _ = writeln!(text, "\nrule {name} is not among the files: it was replaced since");
    }
    match group {
        Some(group) => sides(&mut text, last, group, rule),
        None => text.push_str("\nits events are no longer kept: what was told is all there is\n"),
    }
    text
}

fn sides(text: &mut String, last: &VerdictRow, group: &Group, rule: Option<&Rule>) {
    let other = group.others.last();
    let items = group.items.iter().filter(|item| item.occurrence == last.occurrence);
    for item in items.rev().take(SHOWN) {
        let judged = item.judged.map_or("not judged yet", |judged| judged.name());
        let _ = writeln!(text, "\nitem{}: {judged}", of(" ", &item.revision));
        event(text, &item.event);
        match &item.reference {
            Reference::NotNeeded => {}
            Reference::Known(found) if found.is_empty() => text.push_str("  lookup: no row\n"),
            Reference::Known(found) => row(text, "lookup", found),
            Reference::Failed(why) | Reference::Away(why) => {
                let _ = writeln!(text, "  lookup: {why}");
            }
            Reference::Due { at, attempt, .. } => {
                let _ = writeln!(text, "  lookup: attempt {attempt} at {}", rfc3339(at.0));
            }
            Reference::Asked { attempt } => {
                let _ = writeln!(text, "  lookup: attempt {attempt} is out");
            }
        }
        let Some(rule) = rule else { continue };
        let reference = match &item.reference {
            Reference::Known(found) => Some(found),
            _ => None,
        };
        let other = other.and_then(|other| row_of(&other.event));
        let scope = Scope { event: Some(&item.event), other, reference, found: &[] };
        waited(text, rule, item);
        trace(text, "where", rule.sides.first().and_then(|side| side.filter.as_ref()), &scope);
        trace(text, "applies", rule.applies.as_ref(), &scope);
        trace(text, "check", rule.strategy.check(), &scope);
        trace(text, "at_risk", rule.at_risk.as_ref(), &scope);
    }
    let same_key = group.items.iter().filter(|item| item.occurrence != last.occurrence);
    for item in same_key.rev().take(SHOWN) {
        let _ = writeln!(text, "\nunder the same key, occurrence {}:", item.occurrence);
        event(text, &item.event);
    }
    if rule.is_some_and(|rule| rule.sides.len() > 1) && group.others.is_empty() {
        text.push_str("\ncounterpart: none was read\n");
    }
    for other in group.others.iter().rev().take(SHOWN) {
        let _ =
            writeln!(text, "\ncounterpart {}, first at {}:", other.id, rfc3339(other.first_at.0));
        event(text, &other.event);
    }
}

fn waited(text: &mut String, rule: &Rule, item: &Item) {
    let Some(window_ms) = rule.strategy.window_ms() else { return };
    let streams = rule.sides.iter().map(|side| match &side.stream {
        window::Stream::Table(table) => format!("table {table}"),
        window::Stream::Topic(topic) => format!("topic {topic}"),
    });
    let streams = streams.collect::<Vec<_>>().join(" and ");
    let until = rfc3339(item.event.at.plus_ms(window_ms).0);
    let _ = writeln!(
        text,
        "  waited for: {window_ms} ms, until {until}, and until {streams} was read past it"
    );
}

fn trace(text: &mut String, what: &str, expr: Option<&Expr>, scope: &Scope<'_>) {
    let Some(expr) = expr else { return };
    let (result, steps) = expr.explain(scope);
    let came_to = result.map_or_else(|error| format!("error: {error}"), |datum| datum.to_string());
    let _ = writeln!(text, "  {what}: {}\n    = {came_to}", expr.text().trim());
    for step in steps.iter().filter(|step| step.part != expr.text()) {
        let _ = writeln!(text, "      {} = {}", step.part, step.value);
    }
}

fn event(text: &mut String, event: &Event) {
    let Event { stream, position, at, .. } = event;
    let _ = writeln!(text, "  {stream} at {position}, {}", rfc3339(at.0));
    for (name, image) in [("before", &event.before), ("after", &event.after)] {
        if let Some(image) = image {
            row(text, name, image);
        }
    }
}

fn row(text: &mut String, name: &str, row: &Row) {
    let fields = row.iter().map(|(field, value)| format!("{field}={value}"));
    let _ = writeln!(text, "  {name}: {}", fields.collect::<Vec<_>>().join(", "));
}

fn of(before: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{before}{text}") }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::super::record::verdict_row;
    use super::*;
    use crate::clock::CellTime;
    use crate::dcheck::engine::{Engine, Input, Output};
    use crate::dcheck::event::{Op, Value};

    const RULE: &str = "- id: paid\n  version: 1\n  loss_point: l\n  severity: P1\n  rollout: full\n  \
        strategy: two-sided-match\n  subject: {kind: order, id: after.id}\n  occurrence: after.id\n  \
        on: {table: orders, ops: [insert], where: after.amount > 0, key: after.id}\n  \
        counterpart: {table: pay, ops: [insert], key: after.id}\n  window: 5 s\n  \
        check: after.amount == other.amount\n  when_absent: finding\n  remember: 1 d\n  \
        at_risk: money(after.amount, \"CNY\")\n  expected: e\n  actual: a\n";

    fn event(stream: &str, amount: i64) -> Input {
        let fields = [("id", Value::from("O-1")), ("amount", amount.into())];
        Input::Event(Event {
            source: "binlog".into(),
            stream: stream.into(),
            op: Op::Insert,
            before: None,
            after: Some(fields.map(|(name, value)| (name.to_owned(), value)).into()),
            changed: Vec::new(),
            txn: None,
            position: format!("binlog.000001:{amount}"),
            at: CellTime(1_000),
        })
    }

    /// What is told of `inputs` and kept of them, one minute later.
    fn explain(inputs: Vec<Input>, keeps: bool, set: &Arc<RuleSet>) -> String {
        let mut engine = Engine::new(Arc::clone(set), &["binlog".into()], HashSet::new());
        let end = Input::SourceEnd { source: "binlog".into(), at: CellTime(60_000) };
        let mut told = Vec::new();
        for (input, now) in inputs.into_iter().map(|input| (input, 1_000)).chain([(end, 60_000)]) {
            for output in engine.step(input, CellTime(now)) {
                let Output::Verdict(verdict) = output else { continue };
                told.push(verdict_row(&verdict, 1, true));
            }
        }
        let kept = engine.snapshot().groups.into_iter().next().unwrap();
        let kept: Kept = serde_json::from_value(kept).unwrap();
        explained(&told, keeps.then_some(&kept.group), set)
    }

    #[test]
    fn both_sides_the_trace_and_what_was_waited_for() {
        let set = rules::load(&[("r.yaml".into(), RULE.to_owned())]).unwrap();
        let set = Arc::new(set);
        let both = || vec![event("orders", 30), event("pay", 20)];
        let text = explain(both(), true, &set);
        for part in [
            "paid@1 (P1, l)\nsubject order \"O-1\", occurrence O-1",
            "1970-01-01T00:01:00.000Z mismatched, 30.00 CNY at risk, at binlog.000001:30",
            "item: mismatched\n  orders at binlog.000001:30",
            "  after: amount=30, id=O-1",
            "waited for: 5000 ms, until 1970-01-01T00:00:06.000Z, and until table orders and table pay",
            "  where: after.amount > 0\n    = true",
            "  check: after.amount == other.amount\n    = false\n      after.amount = 30\n      other.amount = 20",
            "counterpart O-1, first at 1970-01-01T00:00:01.000Z:\n  pay at binlog.000001:20",
        ] {
            assert!(text.contains(part), "{part}\nis not in\n{text}");
        }
        let alone = explain(vec![event("orders", 30)], true, &set);
        assert!(alone.contains("counterpart: none was read"), "{alone}");
        let forgotten = explain(both(), false, &set);
        assert!(
            forgotten.contains("no longer kept") && !forgotten.contains("check:"),
            "{forgotten}"
        );
    }
}

//! Columns to whose change a rule is blind: each column of the cases' events is altered, one event at a time.
//!
//! A column counts as seen where any alteration in any case changes what the rule says, its subject and amount included. What a rule
//! is not to see it lists under `ignores`; whatever else it does not see is a finding, and so is what it lists and sees.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::dcheck::engine::rules::{Rule, RuleSet};

use super::Report;
use super::case::{Case, Step, run};

/// Stream and column -> whether an alteration of it was seen.
type Seen = BTreeMap<(String, String), bool>;

pub fn look(rules: &RuleSet, cases: &[&Case], report: &mut Report) {
    for rule in rules.rules().iter().filter(|rule| rule.strategy.watch().is_none()) {
        let id = rules.short_name(rule);
        let mut seen = Seen::new();
        for case in cases.iter().filter(|case| case.rules.contains(id)) {
            alter_all(rules, rule, case, &mut seen);
        }
        let ignored = |column: &String| rule.ignores.contains(column);
        for ((stream, column), is_seen) in &seen {
            report.columns += 1;
            report.seen += usize::from(*is_seen);
            if !is_seen && !ignored(column) {
                let message = format!(
                    "rule `{id}` does not see `{stream}.{column}` change in any of its cases: \
                     compare it, show it in a case, or list it under `ignores`"
                );
                report.findings.push(message);
            }
        }
        let is_seen = |column: &&String| {
            let mut of = seen.iter().filter(|((_, name), _)| name == *column).peekable();
            of.peek().is_some() && of.all(|(_, is_seen)| *is_seen)
        };
        let unknown = |column: &&String| !seen.keys().any(|(_, name)| name == *column);
        for column in rule.ignores.iter().filter(is_seen) {
            report.findings.push(format!("rule `{id}` ignores `{column}` and sees it change"));
        }
        for column in rule.ignores.iter().filter(|_| !seen.is_empty()).filter(unknown) {
            report.findings.push(format!("rule `{id}` ignores `{column}`, which no case has"));
        }
    }
}

fn alter_all(rules: &RuleSet, rule: &Rule, case: &Case, seen: &mut Seen) {
    let id = rules.short_name(rule);
    // Answers are to the questions of all rules of the case.
    let is_asked = case.steps.iter().any(|step| step.answer.is_some() || step.fail.is_some());
    let ids = if is_asked { &case.rules[..] } else { std::slice::from_ref(id) };
    let rules = Arc::new(rules.only(ids));
    let told = |case: &Case| {
        let own = |lines: Vec<String>| {
            let is_own = |line: &String| line.split(' ').next() == Some(&rule.head.id);
            lines.into_iter().filter(is_own).collect::<Vec<_>>()
        };
        run(&rules, case).map(|told| (own(told.lines), own(told.asked)))
    };
    let expected = told(case);
    for (number, step) in case.steps.iter().enumerate() {
        let Ok(Some(event)) = step.event() else { continue };
        let is_read = rule.sides.iter().any(|side| side.stream.name() == event.stream);
        for column in columns(step).into_iter().filter(|_| is_read) {
            let place = (event.stream.clone(), column.clone());
            if seen.get(&place) == Some(&true) {
                continue;
            }
            let notices = |altered: Step| {
                let mut case = case.clone();
                case.steps[number] = altered;
                told(&case) != expected
            };
            let is_seen = alterations(step, &column).into_iter().any(notices);
            seen.insert(place, is_seen);
        }
    }
}

/// The maps of a step that hold columns.
fn maps(step: &mut Step) -> [&mut Option<Json>; 4] {
    [&mut step.flow, &mut step.message, &mut step.row, &mut step.was]
}

fn columns(step: &Step) -> BTreeSet<String> {
    let mut step = step.clone();
    let objects = maps(&mut step).into_iter().filter_map(|json| json.as_ref()?.as_object());
    objects.flat_map(|object| object.keys().cloned()).collect()
}

/// The step with another value in a column: on one of its sides, or on both.
fn alterations(step: &Step, column: &str) -> Vec<Step> {
    let mut altered = Vec::new();
    let shown = [&step.flow, &step.message, &step.row, &step.was];
    let values = shown.into_iter().flatten().filter_map(|json| json.get(column));
    let others: BTreeMap<String, Json> =
        values.flat_map(others).map(|other| (other.to_string(), other)).collect();
    let is_update = step.row.is_some() && step.was.is_some();
    let sides: &[&[usize]] = if is_update { &[&[2], &[3], &[2, 3]] } else { &[&[0, 1, 2, 3]] };
    for other in others.into_values() {
        for sides in sides {
            let mut copy = step.clone();
            for (side, json) in maps(&mut copy).into_iter().enumerate() {
                let value = json.as_mut().and_then(|json| json.get_mut(column));
                if let Some(value) = value.filter(|_| sides.contains(&side)) {
                    *value = other.clone();
                }
            }
            altered.push(copy);
        }
    }
    altered
}

/// Other values of the same type, near and far.
fn others(value: &Json) -> Vec<Json> {
    match value {
        Json::Null => vec![Json::from(1), Json::from("X")],
        Json::Bool(truth) => vec![Json::Bool(!truth)],
        Json::Number(number) => {
            let text = number.to_string();
            let bare = text.trim_start_matches('-');
            let other = [bumped(bare), format!("9{bare}"), format!("-{bare}"), "0".to_owned()];
            other.iter().filter_map(|text| serde_json::from_str(text).ok()).collect()
        }
        Json::String(text) => {
            let far = if text.starts_with(|c: char| c.is_ascii_digit()) { "9" } else { "X" };
            let swapped = match text.as_str() {
                "CNY" => "USD".to_owned(),
                _ => bumped(text),
            };
            vec![swapped.into(), format!("{far}{text}").into(), format!("{text}X").into()]
        }
        _ => Vec::new(),
    }
}

/// With the last digit one up.
fn bumped(text: &str) -> String {
    let Some(place) = text.rfind(|c: char| c.is_ascii_digit()) else { return format!("{text}X") };
    let digit = text.as_bytes()[place] - b'0';
    format!("{}{}{}", &text[..place], (digit + 1) % 10, &text[place + 1..])
}

//! Which control is the twin of which attack, and whether it is one: the same sentences, other in exactly one value.

use std::collections::BTreeMap;

use serde_json::Value;

use super::load::Bound;
use super::scan::Scan;
use super::{Kind, Step};
use crate::config::Mistake;

/// Links twins and canaries within one feature, and lints them.
pub fn link(scan: &Scan, bound: &mut [Bound], mistakes: &mut Vec<Mistake>) {
    for index in 0..bound.len() {
        if bound[index].scenario.control {
            link_canary(scan, bound, index, mistakes);
        } else {
            link_twin(scan, bound, index, mistakes);
        }
    }
}

/// The first control below, in the attack's Rule, else in its Feature.
fn link_twin(scan: &Scan, bound: &mut [Bound], attack: usize, mistakes: &mut Vec<Mistake>) {
    let point = bound[attack].scenario.loss_point.clone();
    let below = |wanted: Option<Option<usize>>| {
        (attack + 1..bound.len()).find(|&index| {
            let other = &bound[index];
            other.scenario.control
                && other.scenario.loss_point == point
                && wanted.is_none_or(|rule| other.rule_index == rule)
        })
    };
    let twin = below(Some(bound[attack].rule_index)).or_else(|| below(None));
    let place = scan.lines[bound[attack].scenario.line - 1].place(&scan.file);
    let Some(twin) = twin else {
        let message = "the attack has no twin: no @control of its loss point stands below it";
        let help = "add the same scenario with correct data, other in exactly one value";
        mistakes.push(Mistake::error("no-twin", place, message).with_help(help));
        return;
    };
    let twin = row_for(bound, attack, twin);
    if bound[attack].is_whole() && bound[twin].is_whole() {
        check_twin(scan, &bound[attack], &bound[twin], mistakes);
    }
    bound[attack].scenario.twin = Some(bound[twin].scenario.id.clone());
}

/// The attack nearest above, in the control's Rule, else in its Feature.
fn link_canary(scan: &Scan, bound: &mut [Bound], control: usize, mistakes: &mut Vec<Mistake>) {
    let point = bound[control].scenario.loss_point.clone();
    let above = |wanted: Option<Option<usize>>| {
        (0..control).rev().find(|&index| {
            let other = &bound[index];
            !other.scenario.control
                && other.scenario.loss_point == point
                && wanted.is_none_or(|rule| other.rule_index == rule)
        })
    };
    match above(Some(bound[control].rule_index)).or_else(|| above(None)) {
        Some(attack) => {
            let attack = row_for(bound, control, attack);
            bound[control].scenario.canary = Some(bound[attack].scenario.id.clone());
        }
        None => {
            let place = scan.lines[bound[control].scenario.line - 1].place(&scan.file);
            let message = "no attack of this loss point stands above the @control";
            let help = "its silence is proved by that attack's alert: put one above it";
            mistakes.push(Mistake::error("no-canary", place, message).with_help(help));
        }
    }
}

/// Where `found` is a row of an outline: its row with the example of `of`, else the row at the same place.
fn row_for(bound: &[Bound], of: usize, found: usize) -> usize {
    let rows = |one: usize| {
        let heading = bound[one].scenario.line;
        (0..bound.len()).filter(move |&row| bound[row].scenario.line == heading)
    };
    let key = |one: usize| bound[one].scenario.example.as_ref().map(|example| &example.key);
    let alike = rows(found).find(|&row| key(row).is_some() && key(row) == key(of));
    let nth = rows(of).position(|row| row == of);
    alike.or_else(|| rows(found).nth(nth?)).unwrap_or(found)
}

fn check_twin(scan: &Scan, attack: &Bound, twin: &Bound, mistakes: &mut Vec<Mistake>) {
    let place = scan.lines[twin.scenario.own_line() - 1].place(&scan.file);
    let name = &attack.scenario.name;
    let differences = match differences(&attack.scenario.steps, &twin.scenario.steps) {
        Ok(differences) => differences,
        Err(Apart { line, why }) => {
            let message = format!("not the twin of \"{name}\": {why}");
            let place = scan.lines.get(line.wrapping_sub(1)).map_or(place, |l| l.place(&scan.file));
            let help = "a twin has the attack's Givens and Whens, other in exactly one value";
            mistakes.push(Mistake::error("not-a-twin", place, message).with_help(help));
            return;
        }
    };
    match differences.as_slice() {
        [_] => {}
        [] => {
            let message = format!("not the twin of \"{name}\": nothing differs");
            let help = "give it the correct data, in exactly one value";
            mistakes.push(Mistake::error("not-a-twin", place, message).with_help(help));
        }
        many => {
            let mut message = format!("not the twin of \"{name}\": {} values differ", many.len());
            for difference in many {
                message.push_str(&format!("; line {}: {difference}", difference.line));
            }
            let help = "keep one of these differences";
            mistakes.push(Mistake::error("not-a-twin", place, message).with_help(help));
        }
    }
}

/// A value that differs between attack and twin.
#[derive(Debug, PartialEq)]
struct Difference {
    line: usize,
    attack: String,
    twin: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` against `{}`", self.attack, self.twin)
    }
}

/// Why two scenarios are not of the same sentences, and at which of the twin's lines.
struct Apart {
    line: usize,
    why: String,
}

fn acting(steps: &[Step]) -> Vec<&Step> {
    steps.iter().filter(|step| step.kind != Kind::Then).collect()
}

fn differences(attack: &[Step], twin: &[Step]) -> Result<Vec<Difference>, Apart> {
    let (attack, twin) = (acting(attack), acting(twin));
    let mut found = Vec::new();
    for (a, t) in attack.iter().zip(&twin) {
        let (left, right) = (leaves(a), leaves(t));
        // `is paid out` says one amount: owed in full on both sides is no second difference.
        let in_full = |leaves: &BTreeMap<String, String>| leaves.get("due") == leaves.get("amount");
        let said_once = in_full(&left) && in_full(&right);
        if left.get("sentence") != right.get("sentence") {
            let why = format!("`{}` stands where the attack has `{}`", t.text, a.text);
            return Err(Apart { line: t.line, why });
        }
        for key in left.keys().chain(right.keys().filter(|key| !left.contains_key(*key))) {
            let value = |leaves: &BTreeMap<String, String>| {
                leaves.get(key).cloned().unwrap_or_else(|| "nothing".to_owned())
            };
            let (attack, twin) = (value(&left), value(&right));
            if attack == twin || (said_once && key == "due") {
                continue;
            }
            if key.ends_with("fault") && !same_stem(&attack, &twin) {
                let why = format!("fault `{twin}` is another fault than `{attack}`");
                return Err(Apart { line: t.line, why });
            }
            found.push(Difference { line: t.line, attack, twin });
        }
    }
    if attack.len() != twin.len() {
        let why = format!("{} Givens and Whens against {}", twin.len(), attack.len());
        let line = twin.get(attack.len()).map_or(0, |step| step.line);
        return Err(Apart { line, why });
    }
    Ok(found)
}

/// `link.binlog.stalled` and `link.binlog.slow`: other in the last part only. A hand in the books stays in the same rows:
/// `data.bill-currency.changed` and `data.bill-amount.edited`.
fn same_stem(a: &str, b: &str) -> bool {
    let stem = |id: &str| {
        let (stem, _) = id.rsplit_once('.')?;
        let rows = stem.strip_prefix("data.").and_then(|thing| thing.split('-').next());
        Some(rows.map_or_else(|| stem.to_owned(), |rows| format!("data.{rows}")))
    };
    stem(a).is_some() && stem(a) == stem(b)
}

/// The values of a step by name; parameters of a fault beside them.
fn leaves(step: &Step) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    let value = serde_json::to_value(&step.sentence).expect("invariant: a sentence is JSON");
    if let Value::Object(mut fields) = value {
        // A business sentence is told apart by its row, and each of its values is one.
        if let (Some(row), Some(Value::Array(values))) =
            (fields.remove("row"), fields.remove("values"))
        {
            fields.insert("sentence".to_owned(), row);
            fields.extend(
                values
                    .into_iter()
                    .enumerate()
                    .map(|(nth, value)| (nth.to_string(), value["value"].clone())),
            );
        }
        for (key, value) in fields {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            leaves.insert(key, text);
        }
    }
    for (name, value) in &step.params {
        leaves.insert(format!("parameter {name}"), value.clone());
    }
    for (nth, row) in step.plan.iter().enumerate() {
        let value = serde_json::to_value(row).expect("invariant: a row of a plan is JSON");
        for (cell, value) in value.as_object().into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            leaves.insert(format!("row {nth} {cell}"), text);
        }
    }
    leaves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twin_has_the_attacks_fault_or_one_of_the_same_thing() {
        for (attack, twin, same) in [
            ("link.binlog.stalled", "link.binlog.slow", true),
            ("link.binlog.stalled", "link.sql.slow", false),
            ("data.bill-currency.changed", "data.bill-amount.edited", true),
            ("data.bill-currency.changed", "data.wallet-leg.redated", false),
            ("app.payment-callback.dropped", "app.payment-retry.repeated", false),
            ("nothing", "nothing", false),
        ] {
            assert_eq!(same_stem(attack, twin), same, "{attack} {twin}");
        }
    }
}

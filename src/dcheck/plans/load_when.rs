//! When a plan starts, and within which bounds, from YAML: trigger, effect, blast limit, approval.
//!
//! Owns the default bounds. Must not know steps or proofs, which `load` reads. Try it: `cargo test --lib dcheck::plans::load`.

use serde_json::Value;

use super::load::Known;
use super::spec::{Approval, BlastLimit, Several, Trigger};
use crate::dcheck::alerts::reading::{Node, parse_duration_ms};
use crate::money::Money;
use crate::wire::Effect;

/// Findings that a plan may wait for: their instants are kept in memory for each scope.
const MOST_FINDINGS: u64 = 1_000;
/// Whoever is on call has looked by then; a later yes would act on a finding of another hour.
const APPROVE_WITHIN_MS: i64 = 1_800_000;

/// Where a plan names none: enough for a bad hour, too few to close the shop.
pub const DEFAULT_BLAST_LIMIT: BlastLimit = BlastLimit { runs: 20, per_ms: 600_000 };

pub fn read_trigger(node: &Node<'_>, known: &Known, out: &mut Vec<String>) -> Option<Trigger> {
    node.keys(&["rules", "min_severity", "min_at_risk", "findings"], out);
    let rules = node.texts("rules", out);
    if rules.is_empty() {
        out.push(node.says("`rules` names at least one rule"));
    }
    for rule in &rules {
        if !known.rules.is_empty() && !known.rules.contains(rule) {
            let choices: Vec<&str> = known.rules.iter().map(String::as_str).collect();
            out.push(node.unknown("rule", rule, &choices));
        }
    }
    let severities = ["P0", "P1", "P2", "P3", "P4"];
    let min_severity = node.optional_text("min_severity", out).unwrap_or_else(|| "P4".into());
    if !severities.contains(&min_severity.as_str()) {
        out.push(node.unknown("severity", &min_severity, &severities));
    }
    let min_at_risk = read_amounts(node, out);
    let findings = match node.optional("findings") {
        Some(several) => Some(read_several(&several, out)?),
        None => None,
    };
    Some(Trigger { rules, min_severity, min_at_risk, findings })
}

/// One amount, or one for each currency.
fn read_amounts(node: &Node<'_>, out: &mut Vec<String>) -> Vec<Money> {
    let Some(found) = node.optional("min_at_risk") else { return Vec::new() };
    let texts = match found.value {
        Value::Array(_) => node.texts("min_at_risk", out),
        _ => node.optional_text("min_at_risk", out).into_iter().collect(),
    };
    if texts.is_empty() {
        out.push(found.says("give an amount, like `1000.00 CNY`"));
    }
    let mut amounts: Vec<Money> = Vec::new();
    for text in texts {
        match text.parse::<Money>() {
            Ok(amount) if amount.minor <= 0 => {
                out.push(found.says(&format!("`{text}` is not above 0")));
            }
            Ok(amount) if amounts.iter().any(|other| other.currency == amount.currency) => {
                out.push(found.says(&format!("{} stands twice", amount.currency)));
            }
            Ok(amount) => amounts.push(amount),
            Err(error) => out.push(found.says(&format!("{error}; write `1000.00 CNY`"))),
        }
    }
    amounts
}

fn read_several(node: &Node<'_>, out: &mut Vec<String>) -> Option<Several> {
    node.keys(&["count", "within"], out);
    let count = node.child("count", out)?.value.as_u64();
    let count = count.filter(|count| (1..=MOST_FINDINGS).contains(count));
    if count.is_none() {
        out.push(node.says(&format!("`count` is a whole number from 1 to {MOST_FINDINGS}")));
    }
    let within_ms = duration(node, "within", out).filter(|ms| *ms > 0);
    if within_ms.is_none() {
        out.push(node.says("`within` is a duration above 0, like `10 min`"));
    }
    Some(Several { count: usize::try_from(count?).ok()?, within_ms: within_ms? })
}

pub fn read_approval(node: &Node<'_>, out: &mut Vec<String>) -> Option<Approval> {
    let word = node.optional_text("approval", out);
    let within = node.optional("approve_within");
    let within_ms = duration(node, "approve_within", out);
    match word.as_deref() {
        None | Some("automatic") => {
            if let Some(within) = within {
                out.push(within.says("nobody is asked: add `approval: manual`, or leave it out"));
            }
            Some(Approval::Automatic)
        }
        Some("manual") if within_ms == Some(0) => {
            out.push(node.says("`approve_within` is above 0, like `30 min`"));
            None
        }
        Some("manual") => {
            Some(Approval::Manual { within_ms: within_ms.unwrap_or(APPROVE_WITHIN_MS) })
        }
        Some(other) => {
            out.push(node.unknown("approval", other, &["automatic", "manual"]));
            None
        }
    }
}

pub fn read_effect(node: &Node<'_>, out: &mut Vec<String>) -> Option<Effect> {
    match node.value {
        Value::String(word) if word == "repairs" => Some(Effect::Repairs),
        Value::String(word) if word == "notifies" => Some(Effect::Notifies),
        Value::Object(_) => {
            node.keys(&["stops"], out);
            node.text("stops", out).map(Effect::Stops)
        }
        _ => {
            out.push(node.says("an effect is `{stops: ACT}`, `repairs` or `notifies`"));
            None
        }
    }
}

pub fn read_blast_limit(node: &Node<'_>, out: &mut Vec<String>) -> Option<BlastLimit> {
    node.keys(&["runs", "per"], out);
    let runs = node.child("runs", out).and_then(|n| n.value.as_u64());
    if runs.is_none_or(|runs| runs == 0) {
        out.push(node.says("`runs` is a whole number above 0"));
    }
    let per_ms = duration(node, "per", out);
    if per_ms.is_none() {
        out.push(node.says("`per` is a duration, like `10 min`"));
    }
    Some(BlastLimit { runs: usize::try_from(runs?).ok()?, per_ms: per_ms? })
}

pub fn duration(node: &Node<'_>, key: &str, out: &mut Vec<String>) -> Option<i64> {
    let text = node.optional_text(key, out)?;
    let parsed = parse_duration_ms(&text);
    if parsed.is_none() {
        out.push(node.says(&format!("`{key}: {text}` is no duration: write `60 s`, `10 min`")));
    }
    parsed
}

//! Plans from YAML: strict, all mistakes of all files at once, unknown keys with a did-you-mean.
//!
//! Must not know how a plan is run. Try it: `cargo test --lib dcheck::plans::load`.
//! Not covered: the column of a mistake (the line is that of the nearest key).

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::load_when::{
    DEFAULT_BLAST_LIMIT, duration, read_approval, read_blast_limit, read_effect, read_trigger,
};
use super::spec::{
    Action, HttpAction, KafkaAction, Method, PlanSpec, Proof, Scope, SqlTemplate, Step,
    TEMPLATE_NAMES,
};
use crate::dcheck::alerts::reading::Node;
use crate::wire::Effect;

/// Every mistake found in the plan files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanMistakes(pub Vec<String>);

impl fmt::Display for PlanMistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for PlanMistakes {}

/// What plan files may refer to.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Rule ids; empty when not to be checked.
    pub rules: BTreeSet<String>,
    /// Names of `--target`s; empty when not to be checked.
    pub targets: BTreeSet<String>,
}

/// Reads every `*.yaml` in `dir`, in order of name.
pub fn load_dir(dir: &Path, known: &Known) -> Result<Vec<PlanSpec>, PlanMistakes> {
    let unreadable = |path: &Path, error: &std::io::Error| {
        PlanMistakes(vec![format!("cannot read plans {}: {error}", path.display())])
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .map_err(|error| unreadable(dir, &error))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml"))
        .collect();
    files.sort();
    let mut texts = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        texts.push((name, text));
    }
    load_texts(&texts, known)
}

/// Reads plans from `(file name, text)`.
pub fn load_texts(
    texts: &[(String, String)],
    known: &Known,
) -> Result<Vec<PlanSpec>, PlanMistakes> {
    let (mut plans, mut mistakes) = (Vec::<PlanSpec>::new(), Vec::new());
    for (file, text) in texts {
        let value: Value = match serde_yaml::from_str(text) {
            Ok(value) => value,
            Err(error) => {
                mistakes.push(format!("{file}: {error}"));
                continue;
            }
        };
        let entries = match value {
            Value::Array(entries) => entries,
            single => vec![single],
        };
        for entry in entries {
            let before = mistakes.len();
            let plan = read_plan(&Node::root(file, text, &entry), known, &mut mistakes);
            if mistakes.len() > before {
                continue;
            }
            let Some(plan) = plan else { continue };
            if plans.iter().any(|other| other.id == plan.id) {
                mistakes.push(format!("{file}: plan id `{}` is taken: ids are unique", plan.id));
            } else {
                plans.push(plan);
            }
        }
    }
    if mistakes.is_empty() { Ok(plans) } else { Err(PlanMistakes(mistakes)) }
}

/// A run's id is its plan's, `-` and 12 digits, in a column of 64.
const PLAN_ID_CHARS: usize = 51;
/// As wide as their columns.
const STEP_NAME_CHARS: usize = 64;
const SCOPE_KIND_CHARS: usize = 32;

const KEYS: &[&str] = &[
    "id",
    "title",
    "sop",
    "trigger",
    "scope",
    "effect",
    "actions",
    "proof",
    "ttl",
    "while",
    "revert",
    "revert_proof",
    "cooldown",
    "blast_limit",
    "approval",
    "approve_within",
];

fn read_plan(node: &Node<'_>, known: &Known, out: &mut Vec<String>) -> Option<PlanSpec> {
    node.keys(KEYS, out);
    let id = node.text("id", out);
    check_length(node, "id", id.as_deref(), PLAN_ID_CHARS, out);
    let trigger = node.child("trigger", out).and_then(|n| read_trigger(&n, known, out));
    let scope = node.child("scope", out).and_then(|n| {
        n.keys(&["kind", "field"], out);
        let kind = n.text("kind", out)?;
        check_length(&n, "kind", Some(&kind), SCOPE_KIND_CHARS, out);
        Some(Scope { kind, field: n.text("field", out)? })
    });
    let effect = node.child("effect", out).and_then(|n| read_effect(&n, out));
    let actions = read_steps(node, "actions", known, out);
    if actions.is_empty() && !matches!(effect, Some(Effect::Notifies)) {
        out.push(node.says("a plan has at least one action under `actions`"));
    }
    let proof = read_proofs(node, "proof", known, out);
    if proof.is_empty() && !matches!(effect, Some(Effect::Notifies)) {
        out.push(node.says("a plan proves its effect: give at least one `proof`"));
    }
    let ttl_ms = duration(node, "ttl", out);
    let holds_while = node.optional("while").and_then(|n| read_sql(&n, out));
    let revert = read_steps(node, "revert", known, out);
    if ttl_ms.is_some() && revert.is_empty() {
        out.push(node.says("a plan with a `ttl` says how it ends: give `revert`"));
    }
    let revert_proof = read_proofs(node, "revert_proof", known, out);
    if revert.is_empty() && !revert_proof.is_empty() {
        out.push(node.says("`revert_proof` proves a revert: give `revert`, or leave it out"));
    }
    for step in revert.iter().filter(|step| actions.iter().any(|a| a.name == step.name)) {
        // Receipts are by name: a step of the revert with an action's name would count as done.
        let name = &step.name;
        out.push(node.says(&format!("step `{name}` stands under `actions` and under `revert`")));
    }
    if ttl_ms.is_none() && !revert.is_empty() && !matches!(effect, Some(Effect::Stops(_)) | None) {
        out.push(node.says("what repairs or notifies is reverted within a `ttl` alone: give one"));
    }
    let blast_limit = match node.optional("blast_limit") {
        Some(n) => read_blast_limit(&n, out),
        None => Some(DEFAULT_BLAST_LIMIT),
    };
    let approval = read_approval(node, out);
    Some(PlanSpec {
        id: id?,
        title: node.optional_text("title", out).unwrap_or_default(),
        trigger: trigger?,
        scope: scope?,
        effect: effect?,
        actions,
        proof,
        ttl_ms,
        holds_while,
        revert,
        revert_proof,
        cooldown_ms: duration(node, "cooldown", out).unwrap_or(0),
        blast_limit: blast_limit?,
        approval: approval?,
        sop: node.optional_text("sop", out).unwrap_or_default(),
    })
}

/// A longer one would not fit into the results database, where a run could then never be stored.
fn check_length(
    node: &Node<'_>,
    key: &str,
    text: Option<&str>,
    limit: usize,
    out: &mut Vec<String>,
) {
    let length = text.map_or(0, |text| text.chars().count());
    if length > limit {
        out.push(node.says(&format!("`{key}` has {length} characters: at most {limit}")));
    }
}

fn read_steps(node: &Node<'_>, key: &str, known: &Known, out: &mut Vec<String>) -> Vec<Step> {
    let mut names = BTreeSet::new();
    node.items(key, out)
        .iter()
        .filter_map(|item| {
            item.keys(&["step", "http", "sql", "params", "ticket", "kafka"], out);
            let name = item.text("step", out)?;
            check_length(item, "step", Some(&name), STEP_NAME_CHARS, out);
            if !names.insert(name.clone()) {
                out.push(item.says(&format!("step `{name}` stands twice")));
            }
            let kinds = ["http", "sql", "kafka"].map(|kind| item.optional(kind));
            let action = match kinds {
                [Some(http), None, None] => Action::Http(read_http(&http, known, out)?),
                [None, Some(_), None] => Action::Sql(read_sql(item, out)?),
                [None, None, Some(kafka)] => Action::Kafka(read_kafka(&kafka, out)?),
                _ => {
                    out.push(item.says("a step has either `http`, `sql` or `kafka`"));
                    return None;
                }
            };
            Some(Step { name, action })
        })
        .collect()
}

fn read_http(node: &Node<'_>, known: &Known, out: &mut Vec<String>) -> Option<HttpAction> {
    node.keys(&["target", "method", "path", "body"], out);
    let target = read_target(node, known, out);
    let method = match node.text("method", out)?.as_str() {
        "GET" => Method::Get,
        "PUT" => Method::Put,
        "POST" => Method::Post,
        "DELETE" => Method::Delete,
        other => {
            out.push(node.unknown("method", other, &["GET", "PUT", "POST", "DELETE"]));
            return None;
        }
    };
    let path = read_path(node, out);
    let body = node.optional("body").map(|n| n.value.clone());
    if let Some(body) = &body {
        check_template(node, &body.to_string().replace("{\"", "\""), out);
    }
    Some(HttpAction { target: target?, method, path: path?, body })
}

/// Without a `key` the run and its step are the key.
fn read_kafka(node: &Node<'_>, out: &mut Vec<String>) -> Option<KafkaAction> {
    node.keys(&["topic", "key", "body"], out);
    let topic = node.text("topic", out);
    let key = node.optional_text("key", out).unwrap_or_default();
    check_template(node, &key, out);
    let body = node.child("body", out)?.value.clone();
    check_template(node, &body.to_string().replace("{\"", "\""), out);
    Some(KafkaAction { topic: topic?, key, body })
}

fn read_target(node: &Node<'_>, known: &Known, out: &mut Vec<String>) -> Option<String> {
    let target = node.text("target", out)?;
    if !known.targets.is_empty() && !known.targets.contains(&target) {
        let choices: Vec<&str> = known.targets.iter().map(String::as_str).collect();
        out.push(node.unknown("target", &target, &choices));
    }
    Some(target)
}

fn read_path(node: &Node<'_>, out: &mut Vec<String>) -> Option<String> {
    let path = node.text("path", out)?;
    if !path.starts_with('/') {
        out.push(node.says(&format!("path `{path}` starts with `/`")));
    }
    check_template(node, &path, out);
    Some(path)
}

fn read_proofs(node: &Node<'_>, key: &str, known: &Known, out: &mut Vec<String>) -> Vec<Proof> {
    node.items(key, out)
        .iter()
        .filter_map(|item| {
            item.keys(&["http", "sql", "params"], out);
            let Some(http) = item.optional("http") else {
                return Some(Proof::Sql(read_sql(item, out)?));
            };
            http.keys(&["target", "path", "expect"], out);
            let target = read_target(&http, known, out);
            let path = read_path(&http, out);
            let expect = http.child("expect", out).map(|n| n.pairs(out)).unwrap_or_default();
            if expect.is_empty() {
                out.push(http.says("`expect` names at least one field and its value"));
            }
            Some(Proof::Http { target: target?, path: path?, expect })
        })
        .collect()
}

/// The SQL verbs a plan may use in each place; anything else is refused when the file is read.
const SQL_VERBS: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

fn read_sql(node: &Node<'_>, out: &mut Vec<String>) -> Option<SqlTemplate> {
    let text = node.text("sql", out)?;
    let params = node.texts("params", out);
    let verb = text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    if !SQL_VERBS.contains(&verb.as_str()) || text.trim_end().trim_end_matches(';').contains(';') {
        out.push(node.says("`sql` is one SELECT, INSERT, UPDATE or DELETE"));
    }
    let (update_like, bounded) =
        (verb == "UPDATE" || verb == "DELETE", text.to_ascii_uppercase().contains("WHERE"));
    if update_like && !bounded {
        out.push(node.says("an UPDATE or DELETE of a plan has a WHERE"));
    }
    if text.matches('?').count() != params.len() {
        let (places, given) = (text.matches('?').count(), params.len());
        out.push(node.says(&format!("`sql` has {places} `?` and `params` {given} entries")));
    }
    if text.contains('{') {
        out.push(node.says("`sql` takes values by `?` and `params`, never by `{…}`"));
    }
    let ticket = node.optional_text("ticket", out).unwrap_or_default();
    params.iter().chain([&ticket]).for_each(|param| check_template(node, param, out));
    Some(SqlTemplate { text, params, ticket })
}

fn check_template(node: &Node<'_>, template: &str, out: &mut Vec<String>) {
    for part in template.split('{').skip(1) {
        let name = part.split('}').next().unwrap_or_default();
        if part.contains('}') && !TEMPLATE_NAMES.contains(&name) {
            out.push(node.unknown("template name", name, &TEMPLATE_NAMES));
        }
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;

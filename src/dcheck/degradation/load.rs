//! Services from YAML: strict, all mistakes at once, unknown keys with a did-you-mean.
//!
//! Owns the words of the file (`scenarios/schemas/services.json` has them too). What it names elsewhere, plans and rules, is handed
//! in as [`Known`]. Try it: `dcheck check --rules … --plans … --services examples/services.yaml`.
//! Not covered: the column of a mistake (the line is that of the nearest key).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::load_measures::{per_cent, read_measures};
use super::spec::{DEPENDENCIES, Dependency, SERVICES, Service, Strength};
use crate::dcheck::alerts::reading::Node;
use crate::dcheck::engine::Step;

/// Ids of services stand together in one subject, in a column of 160.
const ID_CHARS: usize = 64;

/// What the file may refer to.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Plan -> rules that start it.
    pub plans: BTreeMap<String, BTreeSet<String>>,
    /// Rules of strategy `dependency` -> the decisions that they tell of.
    pub rules: BTreeMap<String, Vec<Step>>,
}

/// Reads the file; an error is one line for each mistake. Without `known` what it refers to is not held against anything.
pub fn load_file(path: &Path, known: Option<&Known>) -> Result<Vec<Service>, Vec<String>> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| vec![format!("cannot read services {}: {error}", path.display())])?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    load_text(&name, &text, known)
}

pub fn load_text(
    name: &str,
    text: &str,
    known: Option<&Known>,
) -> Result<Vec<Service>, Vec<String>> {
    let value: Value =
        serde_yaml::from_str(text).map_err(|error| vec![format!("{name}: {error}")])?;
    let Value::Array(entries) = &value else {
        return Err(vec![format!(
            "{name}: a list of services is expected: each starts with `- id: …`"
        )]);
    };
    let mut out = Vec::new();
    if entries.len() > SERVICES {
        out.push(format!("{name}: {} services: at most {SERVICES}", entries.len()));
    }
    let before = lines_before(text, entries.len());
    let nodes: Vec<Node<'_>> = entries
        .iter()
        .zip(before)
        .map(|(entry, before)| Node::root(name, text, entry).behind(before))
        .collect();
    let services: Vec<Option<Service>> =
        nodes.iter().map(|node| read_service(node, &mut out)).collect();
    cross_check(&nodes, &services, known, &mut out);
    match out.is_empty() {
        true => Ok(services.into_iter().flatten().collect()),
        false => Err(out),
    }
}

fn read_service(node: &Node<'_>, out: &mut Vec<String>) -> Option<Service> {
    let keys = [
        "id",
        "title",
        "measured",
        "window",
        "min_calls",
        "latency",
        "errors",
        "hold",
        "when_silent",
        "dependencies",
    ];
    node.keys(&keys, out);
    let id = node.text("id", out).inspect(|id| {
        let is_kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !id.chars().all(is_kebab) {
            out.push(node.says(&format!("id `{id}` is not kebab-case")));
        }
        if id.len() > ID_CHARS {
            out.push(node.says(&format!("id has {} characters: at most {ID_CHARS}", id.len())));
        }
    });
    let title = node.optional_text("title", out).unwrap_or_default();
    let measures = read_measures(node, out);
    let items = node.items("dependencies", out);
    if items.len() > DEPENDENCIES {
        out.push(node.says(&format!("{} dependencies: at most {DEPENDENCIES}", items.len())));
    }
    if items.is_empty() && node.optional("measured").is_none() {
        out.push(node.says("a service is `measured`, or has `dependencies`"));
    }
    let dependencies = items.iter().filter_map(|item| read_dependency(item, out)).collect();
    Some(Service { id: id?, title, measures, dependencies })
}

fn read_dependency(node: &Node<'_>, out: &mut Vec<String>) -> Option<Dependency> {
    node.keys(&["on", "strength", "plan", "limit", "block"], out);
    let on = node.text("on", out);
    let strength = match node.text("strength", out)?.as_str() {
        "weak" => {
            for key in ["limit", "block"].into_iter().filter(|key| node.optional(key).is_some()) {
                out.push(node.says(&format!(
                    "`{key}` is of strong ones: a weak one is degraded by its `plan`"
                )));
            }
            Strength::Weak { plan: node.optional_text("plan", out) }
        }
        "strong" => read_strong(node, out)?,
        other => {
            out.push(node.unknown("strength", other, &["weak", "strong"]));
            return None;
        }
    };
    Some(Dependency { on: on?, strength })
}

fn read_strong(node: &Node<'_>, out: &mut Vec<String>) -> Option<Strength> {
    if node.optional("plan").is_some() {
        out.push(node.says("a strong one has its plans under `limit` and `block`"));
    }
    let limit = node.child("limit", out);
    let limit = limit.and_then(|limit| {
        limit.keys(&["to", "plan"], out);
        let to = limit.text("to", out)?;
        let share = per_cent(&to);
        if share.is_none() {
            out.push(limit.says(&format!("`to: {to}` is no share: write one from `1%` to `99%`")));
        }
        Some((share?, limit.optional_text("plan", out)))
    });
    let block = node.optional("block").map(|block| {
        block.keys(&["plan"], out);
        block.optional_text("plan", out)
    });
    let (per_cent, limit) = limit?;
    if limit.is_some() && block.as_ref() == Some(&limit) {
        out.push(node.says(
            "`limit` and `block` have the same plan: it would start once, for the first of them",
        ));
    }
    Some(Strength::Strong { per_cent, limit, block })
}

/// What the services say of each other, and of plans and rules.
fn cross_check(
    nodes: &[Node<'_>],
    services: &[Option<Service>],
    known: Option<&Known>,
    out: &mut Vec<String>,
) {
    let ids: Vec<&str> = services.iter().flatten().map(|service| service.id.as_str()).collect();
    let measured = |id: &str| services.iter().flatten().find(|service| service.id == id);
    for (nth, (node, service)) in nodes.iter().zip(services).enumerate() {
        let Some(service) = service else { continue };
        if services[..nth].iter().flatten().any(|other| other.id == service.id) {
            out.push(node.says("this id is taken: ids are unique"));
        }
        for (number, one) in service.dependencies.iter().enumerate() {
            let before = &service.dependencies[..number];
            if before.iter().any(|other| other.on == one.on) {
                out.push(node.says(&format!("it depends on `{}` twice", one.on)));
            }
            match measured(&one.on) {
                _ if one.on == service.id => out.push(node.says("it depends on itself")),
                None => out.push(node.unknown("service", &one.on, &ids)),
                Some(on) if nodes_lack(nodes, services, on) => {
                    out.push(node.says(&format!("`{}` is not `measured`", one.on)));
                }
                Some(on) => needs_worse(node, one, on, out),
            }
            if let Some(known) = known {
                one.strength.steps().iter().for_each(|step| refers(node, *step, known, out));
            }
        }
    }
}

/// It has no `measured` at all: where that has a mistake, the mistake is told.
fn nodes_lack(nodes: &[Node<'_>], services: &[Option<Service>], on: &Service) -> bool {
    let mut both = nodes.iter().zip(services);
    let node = both.find(|(_, service)| service.as_ref().is_some_and(|one| one.id == on.id));
    node.is_some_and(|(node, _)| node.optional("measured").is_none())
}

fn needs_worse(node: &Node<'_>, one: &Dependency, on: &Service, out: &mut Vec<String>) {
    let Some(measures) = &on.measures else { return };
    let limits = measures.latency.map(|(_, limits)| limits).into_iter().chain(measures.errors);
    let has_worse = limits.into_iter().any(|limits| limits.worse.is_some());
    let blocks = matches!(&one.strength, Strength::Strong { block: Some(_), .. });
    if blocks && !has_worse {
        let message = format!("`block` needs a second limit: give `{}` a `worse`", on.id);
        out.push(node.says(&message));
    }
}

/// Some rule tells of the decision, and the plan starts by one that does.
fn refers(
    node: &Node<'_>,
    (step, plan): (Step, Option<&str>),
    known: &Known,
    out: &mut Vec<String>,
) {
    let telling: Vec<&String> =
        known.rules.iter().filter(|(_, steps)| steps.contains(&step)).map(|(id, _)| id).collect();
    let step = step.name();
    if telling.is_empty() {
        let message = format!(
            "no rule tells of `{step}`: one of `strategy: dependency` lists it under `decides`"
        );
        out.push(node.says(&message));
    }
    let Some(plan) = plan else { return };
    let plans: Vec<&str> = known.plans.keys().map(String::as_str).collect();
    match known.plans.get(plan) {
        None => out.push(node.unknown("plan", plan, &plans)),
        Some(rules) if !telling.is_empty() && !telling.iter().any(|id| rules.contains(*id)) => {
            let rules: Vec<&str> = telling.iter().map(|id| id.as_str()).collect();
            let message = format!(
                "plan `{plan}` is never started by `{step}`: its `trigger` lacks {}",
                rules.join(", ")
            );
            out.push(node.says(&message));
        }
        Some(_) => {}
    }
}

/// Lines before each service of the list; 0 where they do not stand one under the other.
fn lines_before(text: &str, count: usize) -> Vec<usize> {
    let starts = text.lines().enumerate().filter(|(_, line)| line.starts_with("- "));
    let starts: Vec<usize> = starts.map(|(number, _)| number).collect();
    if starts.len() == count { starts } else { vec![0; count] }
}

//! Rules, plans and drills, as far as the catalogue must know them.
//!
//! A rule or plan belongs to the reconciler, which reads it strictly; here only what others point at is taken, and an
//! unknown key is not this room's business.

use serde::Serialize;

use super::read::read_id;
use crate::config::yaml::{Node, Reader, Value};
use crate::config::{Mistake, Place, Span};
use crate::wire::Effect;

/// A rule of `scenarios/rules/*.yaml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleRef {
    pub id: String,
    /// The loss point that its alerts name, where the file says so.
    pub loss_point: Option<String>,
    #[serde(skip)]
    pub place: Place,
}

/// A plan of `scenarios/plans/*.yaml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanRef {
    pub id: String,
    /// The rules whose alerts start it.
    pub rules: Vec<String>,
    /// The kind of subject that it touches: `item`, `channel`, `order`.
    pub scope: Option<String>,
    pub effect: Option<Effect>,
    pub ttl: Option<Span>,
    /// The SOP that it points to: `scenarios/design/refunds.md#refund-breaker`.
    pub sop: Option<String>,
    #[serde(skip)]
    pub place: Place,
}

/// An ordered list of scenarios, `drills/*.yaml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drill {
    pub id: String,
    pub title: String,
    pub scenarios: Vec<DrillItem>,
    #[serde(skip)]
    pub place: Place,
}

/// A scenario as a drill names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DrillItem {
    pub scenario: String,
    /// Needed only where two features have a scenario of that name.
    pub feature: Option<String>,
    #[serde(skip)]
    pub place: Place,
}

/// A file holds one entry, or a list of them.
fn each_entry(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(nodes) => nodes,
        Value::Null => &[],
        _ => std::slice::from_ref(node),
    }
}

fn lenient_text(node: Option<&Node>) -> Option<String> {
    node.and_then(Node::as_text).map(str::to_owned)
}

pub fn read_rules(reader: &mut Reader<'_>, node: &Node) -> Vec<RuleRef> {
    let read = |entry: &Node| {
        let Some(id_node) = entry.get("id") else {
            reader.error(entry, "missing-key", "a rule has no `id`");
            return None;
        };
        let place = reader.place_of(id_node);
        let loss_point = lenient_text(entry.get("loss_point"));
        Some(RuleRef { id: read_id(reader, id_node)?, loss_point, place })
    };
    each_entry(node).iter().filter_map(read).collect()
}

pub fn read_plans(reader: &mut Reader<'_>, node: &Node) -> Vec<PlanRef> {
    each_entry(node).iter().filter_map(|entry| read_plan(reader, entry)).collect()
}

fn read_plan(reader: &mut Reader<'_>, entry: &Node) -> Option<PlanRef> {
    let Some(id_node) = entry.get("id") else {
        reader.error(entry, "missing-key", "a plan has no `id`");
        return None;
    };
    let place = reader.place_of(id_node);
    let id = read_id(reader, id_node)?;
    let rules = entry.get("trigger").unwrap_or(entry).get("rules");
    let rules = match rules.map(|node| &node.value) {
        Some(Value::List(nodes)) => nodes.iter().filter_map(|n| lenient_text(Some(n))).collect(),
        _ => Vec::new(),
    };
    let scope = entry.get("scope");
    let scope = lenient_text(scope.and_then(|node| node.get("kind")).or(scope));
    let effect = read_effect(entry);
    if effect.is_none() {
        let way = "write `effect: {stops: buy}`, `effect: repairs` or `effect: notifies`";
        let message = format!("plan `{id}` declares no effect: {way}");
        reader.error(id_node, "missing-key", message);
    }
    let ttl = entry.get("ttl").and_then(|node| reader.parse::<Span>(node, "ttl"));
    let sop = lenient_text(entry.get("sop"));
    Some(PlanRef { id, rules, scope, effect, ttl, sop, place })
}

fn read_effect(entry: &Node) -> Option<Effect> {
    let effect = entry.get("effect")?;
    match (effect.as_text(), effect.get("stops")) {
        (Some("repairs"), _) => Some(Effect::Repairs),
        (Some("notifies"), _) => Some(Effect::Notifies),
        (None, Some(act)) => Some(Effect::Stops(lenient_text(Some(act))?)),
        _ => None,
    }
}

pub fn read_drill(reader: &mut Reader<'_>, node: &Node) -> Option<Drill> {
    let fields = reader.fields(node, "a drill", &["id", "title", "scenarios"]);
    let id_node = fields.need(reader, "a drill", "id");
    let id = id_node.and_then(|n| read_id(reader, n));
    let title = fields.need(reader, "a drill", "title").and_then(|n| reader.text(n, "title"));
    let list = fields.need(reader, "a drill", "scenarios")?;
    let items = reader.items(list, "scenarios");
    if items.is_empty() {
        let place = reader.place_of(list);
        let mistake = Mistake::error("empty-drill", place, "the drill lists no scenario");
        reader.mistakes.push(mistake.with_help("list at least one `- scenario: \"…\"`"));
    }
    let scenarios = items.iter().filter_map(|item| read_drill_item(reader, item)).collect();
    Some(Drill { id: id?, title: title?, scenarios, place: reader.place_of(id_node?) })
}

fn read_drill_item(reader: &mut Reader<'_>, item: &Node) -> Option<DrillItem> {
    let what = "an entry of scenarios";
    let fields = reader.fields(item, what, &["scenario", "feature"]);
    let scenario = fields.need(reader, what, "scenario")?;
    let feature = fields.get("feature").and_then(|n| reader.text(n, "feature"));
    let place = reader.place_of(scenario);
    Some(DrillItem { scenario: reader.text(scenario, "scenario")?, feature, place })
}

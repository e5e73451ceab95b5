//! The factory: from a rule's map in YAML to the compiled rule.

use std::collections::BTreeSet;

use crate::dcheck::engine::expr::{Allowed, Expr, Kind};
use crate::dcheck::engine::gate::Rollout;
use crate::dcheck::engine::window::Stream;
use crate::dcheck::event::Op;

use super::RuleHead;
use super::ask::{lookup, rate};
use super::columns::columns;
use super::fields::{Fields, Mistakes};
use super::rule::{Rule, Side};
use super::self_watch;
use super::strategy::{Reliance, WhenAbsent};
use super::way::{Bound, Keys, OWN, WAYS, Way};
use super::yaml::{Node, Shape};

/// How long a group is kept where a rule does not say: longer than any redelivery.
const REMEMBER_MS: i64 = 24 * 3_600_000;

const SEVERITIES: [(&str, &str); 5] =
    [("P0", "P0"), ("P1", "P1"), ("P2", "P2"), ("P3", "P3"), ("P4", "P4")];

/// None where it has mistakes, all of which are then told.
pub fn rule(node: &Node, mistakes: &Mistakes) -> Option<(Rule, usize)> {
    let told = mistakes.list.borrow().len();
    mistakes.uses.take();
    let fields = Fields::of("a rule", node, mistakes)?;
    let line = fields.line();
    let built = read(fields);
    let is_clean = mistakes.list.borrow().len() == told;
    built.filter(|_| is_clean).map(|mut rule| {
        (rule.columns, rule.of_messages) = columns(node, &rule.sides);
        rule.uses = mistakes.uses.take();
        (rule, line)
    })
}

fn read(fields: Fields<'_>) -> Option<Rule> {
    let way = fields.choice("strategy", WAYS);
    let head = head(&fields);
    fields.optional_text("title");
    let rollout = rollout(&fields);
    let when_absent =
        fields.choice("when_absent", &[("ok", WhenAbsent::Ok), ("finding", WhenAbsent::Finding)]);
    // Without a strategy nobody can say which keys belong to the rule.
    let way = way?;
    let remember_ms = fields.optional_duration_ms("remember");
    let rule = if way.watches {
        let keys = Keys { fields: &fields, allowed: OWN, when_absent, bound: None };
        self_watch::rule(head, rollout, (way.build)(&keys))
    } else {
        judging(&fields, way, head, rollout, when_absent, remember_ms)
    };
    fields.finish();
    rule
}

fn head(fields: &Fields<'_>) -> Option<RuleHead> {
    let id = fields.text("id").map(|(id, line)| {
        let is_kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !id.chars().all(is_kebab) {
            fields.mistake(line, format!("id `{id}` is not kebab-case"));
        }
        id.to_owned()
    });
    let version = fields.text("version").map(|(version, _)| version.to_owned());
    let loss_point = fields.text("loss_point").map(|(point, _)| point.to_owned());
    let severity = fields.choice("severity", &SEVERITIES);
    Some(RuleHead {
        id: id?,
        version: version?,
        loss_point: loss_point?,
        severity: severity?.to_owned(),
        tables: Vec::new(),
        topics: Vec::new(),
    })
}

fn rollout(fields: &Fields<'_>) -> Option<Rollout> {
    let (text, line) = fields.text("rollout")?;
    match text.parse() {
        Ok(rollout) => Some(rollout),
        Err(why) => {
            fields.mistake(line, why);
            None
        }
    }
}

fn judging(
    fields: &Fields<'_>,
    way: &Way,
    head: Option<RuleHead>,
    rollout: Option<Rollout>,
    when_absent: Option<WhenAbsent>,
    remember_ms: Option<i64>,
) -> Option<Rule> {
    let subject = subject(fields);
    let occurrence = fields.expr("occurrence", Kind::Any, OWN);
    let lookup = if way.states { lookup(fields) } else { None };
    let applies = if way.states { fields.optional_expr("applies", Kind::Bool, OWN) } else { None };
    let revision = if way.states { fields.optional_template("revision", OWN) } else { None };
    let roots = way.all_roots(lookup.is_some());
    let allowed = Allowed { roots: &roots, found: way.found };
    // A key is needed to pair; without a pair the occurrence is the key.
    let key_name = if way.states { None } else { Some("key") };
    let items = fields.map("on").and_then(|on| side(on, key_name, occurrence.as_ref()));
    let pair = fields.optional_map("counterpart").filter(|_| way.counterpart);
    let bound = pair.as_ref().and_then(|pair| match way.bound {
        Bound::None => None,
        Bound::Optional => pair.optional_expr("amount", Kind::Any, OWN),
        Bound::Required => pair.expr("amount", Kind::Money, OWN),
    });
    if way.counterpart && fields.node("counterpart").is_none() {
        fields.mistake(fields.line(), "a rule of this strategy needs `counterpart`");
    }
    let counterpart = pair.and_then(|pair| side(pair, Some("key"), None));
    let strategy = (way.build)(&Keys { fields, allowed, when_absent, bound });
    let rate = rate(fields);
    let carries = fields.optional_expr("carries", Kind::Money, OWN);
    let is_bare = strategy.as_ref().is_some_and(|own| own.relies_on() == Reliance::Items);
    if rate.is_some() && is_bare {
        let message = "a rule of this strategy compares items with each other: what `rate` sheds would be missing beside them";
        fields.mistake(fields.line(), message);
    }
    let at_risk = fields.optional_expr("at_risk", Kind::Money, allowed);
    let expected = fields.template("expected", allowed);
    let actual = fields.template("actual", allowed);
    let named = fields.exprs("fields", allowed);
    let ignores = fields.texts("ignores").into_iter().map(|(name, _)| name.to_owned()).collect();
    let reach_ms = strategy.as_ref().and_then(|strategy| strategy.reach_ms()).unwrap_or(0);
    if let Some(short_ms) = remember_ms.filter(|remember_ms| *remember_ms < reach_ms) {
        let (short_s, reach_s) = (short_ms / 1000, reach_ms / 1000);
        let message = format!(
            "`remember: {short_s} s` forgets what the rule still compares with: {reach_s} s or more"
        );
        fields.mistake(fields.line(), message);
    }
    let remember_ms = remember_ms.unwrap_or(REMEMBER_MS.max(2 * reach_ms));
    let (subject_kind, subject_id) = subject?;
    let mut sides = vec![items?];
    sides.extend(counterpart);
    let head = listening(head?, &sides);
    Some(Rule {
        name: head.name(),
        head,
        subject_kind: subject_kind?,
        subject_id: subject_id?,
        occurrence: occurrence?,
        revision,
        sides,
        applies,
        lookup,
        rate,
        carries,
        at_risk,
        expected: expected?,
        actual: actual?,
        fields: named,
        remember_ms,
        rollout: rollout?,
        strategy: strategy?,
        ignores,
        place: Default::default(),
        uses: Vec::new(),
        columns: BTreeSet::new(),
        of_messages: BTreeSet::new(),
    })
}

fn subject(fields: &Fields<'_>) -> Option<(Option<String>, Option<Expr>)> {
    let subject = fields.map("subject")?;
    let kind = subject.text("kind").map(|(kind, _)| kind.to_owned());
    let id = subject.expr("id", Kind::Any, OWN);
    subject.finish();
    Some((kind, id))
}

/// The head with the names of what its sides read.
fn listening(mut head: RuleHead, sides: &[Side]) -> RuleHead {
    for side in sides {
        let names = match &side.stream {
            Stream::Table(_) => &mut head.tables,
            Stream::Topic(_) => &mut head.topics,
        };
        if !names.iter().any(|name| name == side.stream.name()) {
            names.push(side.stream.name().to_owned());
        }
    }
    head
}

fn side(fields: Fields<'_>, key_name: Option<&'static str>, key: Option<&Expr>) -> Option<Side> {
    let table = fields.optional_text("table");
    let topic = fields.optional_text("topic");
    let stream = match (table, topic) {
        (Some((table, _)), None) => Some(Stream::Table(table.to_owned())),
        (None, Some((topic, _))) => Some(Stream::Topic(topic.to_owned())),
        _ => {
            fields.mistake(fields.line(), "name either a `table` or a `topic`");
            None
        }
    };
    let is_topic = topic.is_some() && table.is_none();
    let ops = if is_topic { vec![Op::Message] } else { ops(&fields) };
    let changed = if is_topic { Vec::new() } else { fields.texts("changed") };
    let filter = fields.optional_expr("where", Kind::Bool, OWN);
    let id = fields.optional_expr("id", Kind::Any, OWN);
    doubt(&fields, &ops, &changed, filter.as_ref());
    let key = match key_name {
        Some(name) => fields.expr(name, Kind::Any, OWN),
        None => key.cloned(),
    };
    fields.finish();
    let changed = changed.into_iter().map(|(column, _)| column.to_owned()).collect();
    Some(Side { stream: stream?, ops, changed, filter, key: key?, id })
}

/// What can be read, and never meets an event.
fn doubt(fields: &Fields<'_>, ops: &[Op], changed: &[(&str, usize)], filter: Option<&Expr>) {
    if !changed.is_empty() && !ops.contains(&Op::Update) {
        fields.advise("`changed` is of updates, which are not among `ops`");
    }
    let asks_after = filter.is_none_or(|filter| filter.text().contains("after."));
    if ops == [Op::Delete] && asks_after {
        fields.advise("a deleted row has no `after`: ask `before`, by `where` and in the check");
    }
}

fn ops(fields: &Fields<'_>) -> Vec<Op> {
    let texts = fields.texts("ops");
    if texts.is_empty() {
        fields.mistake(fields.line(), "a table needs `ops`: insert, update, delete");
    }
    let read = |(text, line)| match text {
        "insert" => Some(Op::Insert),
        "update" => Some(Op::Update),
        "delete" => Some(Op::Delete),
        _ => {
            fields.mistake(line, format!("`{text}` is no operation: write insert, update, delete"));
            None
        }
    };
    texts.into_iter().filter_map(read).collect()
}

/// The maps of a file's list of rules.
pub fn maps<'n>(document: &'n Node, mistakes: &Mistakes) -> &'n [Node] {
    match &document.shape {
        Shape::List(nodes) => nodes,
        _ => {
            mistakes.add(document.line, "a rule file is a list: each rule starts with `- id: …`");
            &[]
        }
    }
}

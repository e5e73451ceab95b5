//! One loss point read from its YAML entry: shapes and values. What must agree with other files is `cross_check`'s.

use super::SubjectKind;
use super::checks::read_checks;
use super::loss_point::{Cause, DOMAINS, Deadlines, Loss, LossPoint, Priority, Reproduce};
use crate::config::Span;
use crate::config::yaml::{Node, Reader};

const KEYS: [&str; 14] = [
    "id",
    "title",
    "domain",
    "cause",
    "loss",
    "priority",
    "subject",
    "deadlines",
    "rules",
    "with",
    "grace",
    "plan",
    "checks",
    "reproduce",
];

/// Reads one entry; without all that is needed there is none, and the mistakes say why.
pub fn read_loss_point(reader: &mut Reader<'_>, node: &Node) -> Option<LossPoint> {
    let fields = reader.fields(node, "a loss point", &KEYS);
    let id = fields.need(reader, "a loss point", "id").and_then(|n| read_id(reader, n));
    let what = id.as_ref().map_or("a loss point".to_owned(), |id| format!("loss point `{id}`"));
    let need = |reader: &mut Reader<'_>, key: &str| fields.need(reader, &what, key);

    let title = need(reader, "title").and_then(|n| reader.text(n, "title"));
    let domains = DOMAINS.map(|domain| (domain, domain));
    let domain = need(reader, "domain").and_then(|n| reader.choice(n, "domain", &domains));
    let cause = need(reader, "cause").and_then(|n| reader.choice(n, "cause", &Cause::ALL));
    let loss = need(reader, "loss").and_then(|n| read_loss(reader, n));
    let subjects = SubjectKind::ALL.map(|kind| (kind.en(), kind));
    let subject = need(reader, "subject").and_then(|n| reader.choice(n, "subject", &subjects));
    let deadlines = need(reader, "deadlines").and_then(|n| read_deadlines(reader, n));
    let rules = need(reader, "rules").map(|n| reader.texts(n, "rules"));
    let grace = need(reader, "grace").and_then(|n| reader.parse::<Span>(n, "grace"));
    let checks = need(reader, "checks").and_then(|n| read_checks(reader, n, &what));
    let reproduce = need(reader, "reproduce").map(|n| read_reproduce(reader, n));

    let plan = fields.get("plan").and_then(|n| reader.text(n, "plan"));
    let with = fields.get("with").map(|n| read_with(reader, n)).unwrap_or_default();
    let (priority, priority_reason) = read_priority(reader, fields.get("priority"), loss)?;
    if let (Some(node), Some([])) = (fields.get("rules"), rules.as_deref()) {
        reader.error(node, "bad-value", format!("{what} needs at least one rule"));
    }
    let place = reader.place_of(fields.get("id")?);
    Some(LossPoint {
        id: id?,
        title: title?,
        domain: domain?.to_owned(),
        cause: cause?,
        loss: loss?,
        priority,
        priority_reason,
        subject: subject?,
        deadlines: deadlines?,
        rules: rules?,
        with,
        grace: grace?,
        plan,
        checks: checks?,
        reproduce: reproduce?,
        place,
    })
}

/// Kebab-case: the same in the tag, the alert's label and the report.
pub fn read_id(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let id = reader.text(node, "id")?;
    if !is_kebab(&id) {
        let message = format!("id `{id}` must be kebab-case: small letters, digits and single `-`");
        reader.error(node, "bad-value", message);
    }
    Some(id)
}

fn is_kebab(id: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    id.split('-').all(part)
}

fn read_loss(reader: &mut Reader<'_>, node: &Node) -> Option<Loss> {
    let fields = reader.fields(node, "loss", &["per_event", "events_per_hour", "worst_duration"]);
    let per_event = fields.need(reader, "loss", "per_event");
    let per_event = per_event.and_then(|n| reader.parse(n, "per_event"));
    let events = fields.need(reader, "loss", "events_per_hour");
    let events = events.and_then(|n| reader.parse(n, "events_per_hour"));
    let worst = fields.need(reader, "loss", "worst_duration");
    let worst = worst.and_then(|n| reader.parse(n, "worst_duration"));
    let loss = Loss { per_event: per_event?, events_per_hour: events?, worst_duration: worst? };
    if let Err(error) = loss.theoretical() {
        reader.error(node, "bad-value", format!("the theoretical loss: {error}"));
    }
    Some(loss)
}

fn read_deadlines(reader: &mut Reader<'_>, node: &Node) -> Option<Deadlines> {
    let fields = reader.fields(node, "deadlines", &["detect", "respond", "contain"]);
    let mut span = |key: &str| {
        let node = fields.need(reader, "deadlines", key)?;
        reader.parse::<Span>(node, key)
    };
    let (detect, respond, contain) = (span("detect"), span("respond"), span("contain"));
    let deadlines = Deadlines { detect: detect?, respond: respond?, contain: contain? };
    let ordered = deadlines.detect <= deadlines.respond && deadlines.respond <= deadlines.contain;
    if !ordered || deadlines.detect.0.is_zero() {
        let message = "deadlines must be above zero and in order: detect, respond, contain";
        reader.error(node, "bad-value", message);
    }
    Some(deadlines)
}

/// A word, or `{is: p1, reason: …}` where it is not the one that the loss gives.
fn read_priority(
    reader: &mut Reader<'_>,
    node: Option<&Node>,
    loss: Option<Loss>,
) -> Option<(Priority, Option<String>)> {
    let theoretical = loss.and_then(|loss| loss.theoretical().ok());
    let derived = theoretical.map(Priority::of_loss);
    let Some(node) = node else {
        return Some((derived.unwrap_or(Priority::P0), None));
    };
    if node.as_text().is_none() {
        let fields = reader.fields(node, "priority", &["is", "reason"]);
        let is = fields.need(reader, "priority", "is");
        let reason = fields.need(reader, "priority", "reason");
        let is = is.and_then(|n| reader.choice(n, "priority", &Priority::ALL))?;
        return Some((is, Some(reader.text(reason?, "reason")?)));
    }
    let stated = reader.choice(node, "priority", &Priority::ALL)?;
    if let (Some(derived), Some(theoretical)) = (derived, theoretical)
        && derived != stated
    {
        let (derived, stated) = (derived.name(), stated.name());
        let message = format!("a loss of {theoretical} makes this {derived}, not {stated}");
        let place = reader.place_of(node);
        reader.mistakes.push(
            crate::config::Mistake::error("priority-not-derived", place, message).with_help(
                format!("leave `priority` out, or write {{is: {stated}, reason: \"…\"}}"),
            ),
        );
    }
    Some((stated, None))
}

fn read_with(reader: &mut Reader<'_>, node: &Node) -> Vec<(String, String)> {
    let entries = reader.entries(node, "with (rule: reason)");
    let pair = |(rule, reason): (&Node, &Node)| {
        Some((reader.text(rule, "a rule under with")?, reader.text(reason, "the reason")?))
    };
    entries.into_iter().filter_map(pair).collect()
}

fn read_reproduce(reader: &mut Reader<'_>, node: &Node) -> Vec<Reproduce> {
    let items = reader.items(node, "reproduce");
    if items.is_empty() {
        reader.error(node, "bad-value", "reproduce needs at least one {fault: …} or {data: …}");
    }
    let read = |item: &Node| {
        let fields = reader.fields(item, "an entry of reproduce", &["fault", "data"]);
        match (fields.get("fault"), fields.get("data")) {
            (Some(fault), None) => Some(Reproduce::Fault(reader.text(fault, "fault")?)),
            (None, Some(data)) => Some(Reproduce::Data(reader.text(data, "data")?)),
            _ => {
                reader.error(item, "wrong-shape", "an entry of reproduce has `fault` or `data`");
                None
            }
        }
    };
    items.iter().filter_map(read).collect()
}

//! `system_under_test` of `lossdrill.yaml`: how a reconciler is started, and where it is heard.
//!
//! Owns the reading of this part and its mistakes. Must not know how feeds are followed (`probe`) or processes started
//! (`stage`).

use std::collections::BTreeMap;

use super::mapping::Mapping;
use super::settings::{Call, Feed, FeedFormat, FeedFrom, SystemKind, SystemUnderTest};
use super::yaml::{Node, Reader};
use super::{Mistake, list};

/// What `map:` of `alerts` may name; the first three it must.
pub const ALERT_FIELDS: [&str; 13] = [
    "rule",
    "subject_kind",
    "subject",
    "loss_point",
    "occurrence",
    "severity",
    "at_risk",
    "expected",
    "actual",
    "position",
    "starts_at",
    "state",
    "fingerprint",
];
/// What `map:` of `plans` may name; the first three it must.
pub const PLAN_FIELDS: [&str; 11] = [
    "plan",
    "run_id",
    "state",
    "alert",
    "rule",
    "subject_kind",
    "subject",
    "effect",
    "started_at",
    "updated_at",
    "note",
];
/// What `map:` of `watermark` may name beside `read.SOURCE`; the first it must.
pub const WATERMARK_FIELDS: [&str; 7] =
    ["settled", "checkpoint", "now", "offset_ms", "busy", "next_due", "activity"];

/// What one feed may look like.
struct Kind {
    name: &'static str,
    fields: &'static [&'static str],
    /// How many of `fields` a map must name.
    needed: usize,
    /// `read.binlog` and its like are fields too.
    sources: bool,
    from: &'static [(&'static str, FeedFrom)],
}

const EVERYWHERE: &[(&str, FeedFrom)] = &[
    ("webhook", FeedFrom::Webhook),
    ("kafka", FeedFrom::Kafka),
    ("sql", FeedFrom::Sql),
    ("poll", FeedFrom::Poll),
];
const ALERTS: Kind =
    Kind { name: "alerts", fields: &ALERT_FIELDS, needed: 3, sources: false, from: EVERYWHERE };
const PLANS: Kind =
    Kind { name: "plans", fields: &PLAN_FIELDS, needed: 3, sources: false, from: EVERYWHERE };
const WATERMARK: Kind = Kind {
    name: "watermark",
    fields: &WATERMARK_FIELDS,
    needed: 1,
    sources: true,
    from: &[("poll", FeedFrom::Poll)],
};

pub(super) fn read_system(reader: &mut Reader<'_>, node: &Node, system: &mut SystemUnderTest) {
    let known =
        ["kind", "image", "command", "ready", "alerts", "plans", "watermark", "clock", "rules"];
    let kinds = [
        ("builtin", SystemKind::Builtin),
        ("process", SystemKind::Process),
        ("container", SystemKind::Container),
        ("external", SystemKind::External),
    ];
    let fields = reader.fields(node, "system_under_test", &known);
    if let Some(node) = fields.get("kind")
        && let Some(kind) = reader.choice(node, "kind", &kinds)
    {
        system.kind = kind;
    }
    system.image = fields.get("image").and_then(|n| reader.text(n, "image"));
    if let Some(node) = fields.get("command") {
        system.command = reader.texts(node, "command");
    }
    match system.kind {
        SystemKind::Process => {
            fields.need(reader, "a system under test that we start", "command");
        }
        SystemKind::Container => {
            fields.need(reader, "a system under test in a container", "image");
        }
        SystemKind::Builtin | SystemKind::External => {}
    }
    system.ready = fields.get("ready").and_then(|n| reader.text(n, "ready"));
    system.alerts = fields.get("alerts").and_then(|n| read_feed(reader, n, &ALERTS));
    system.plans = fields.get("plans").and_then(|n| read_feed(reader, n, &PLANS));
    system.watermark = fields.get("watermark").and_then(|n| read_feed(reader, n, &WATERMARK));
    system.clock = fields.get("clock").and_then(|n| read_clock(reader, n));
    if let Some(node) = fields.get("rules") {
        system.rules = read_rules(reader, node);
    }
    if system.kind == SystemKind::Builtin {
        only_for_foreign(reader, node, system);
    }
    if system.kind == SystemKind::External {
        name_the_inbox(reader, node, system);
    }
}

/// `dcheck` is known: what a foreign reconciler must tell would be passed over in silence.
fn only_for_foreign(reader: &mut Reader<'_>, node: &Node, system: &SystemUnderTest) {
    let given = [
        ("image", system.image.is_some()),
        ("ready", system.ready.is_some()),
        ("alerts", system.alerts.is_some()),
        ("plans", system.plans.is_some()),
        ("watermark", system.watermark.is_some()),
        ("clock", system.clock.is_some()),
        ("rules", !system.rules.is_empty()),
    ];
    for (key, _) in given.iter().filter(|(_, given)| *given) {
        let place = reader.place_of(node);
        let message = format!("`{key}` says nothing of the built-in reconciler");
        let mistake = Mistake::error("bad-value", place, message);
        reader.mistakes.push(mistake.with_help("add `kind: process`, `container` or `external`"));
    }
}

/// Who runs already cannot be told where to post: the address is the configuration's.
fn name_the_inbox(reader: &mut Reader<'_>, node: &Node, system: &SystemUnderTest) {
    for (name, feed) in [("alerts", &system.alerts), ("plans", &system.plans)] {
        let told = feed.as_ref().is_none_or(|f| f.from != FeedFrom::Webhook || f.url.is_some());
        if !told {
            let message = format!("{name} by webhook from an external system has no `url`");
            let mistake = Mistake::error("missing-key", reader.place_of(node), message);
            let help = "write where we shall listen, like `url: http://127.0.0.1:9911/alerts`";
            reader.mistakes.push(mistake.with_help(help));
        }
    }
    if system.alerts.is_none() {
        reader.error(node, "missing-key", "an external system under test has no `alerts`");
    }
}

/// Ours -> theirs. Two of ours under one of theirs could not be told apart.
fn read_rules(reader: &mut Reader<'_>, node: &Node) -> BTreeMap<String, String> {
    let mut rules: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in reader.entries(node, "rules") {
        let (Some(ours), Some(theirs)) = (reader.text(key, "rules"), reader.text(value, "rules"))
        else {
            continue;
        };
        if let Some((other, _)) = rules.iter().find(|(_, told)| **told == theirs) {
            let message = format!("`{theirs}` stands for `{other}` already");
            reader.error(value, "bad-value", message);
        }
        rules.insert(ours, theirs);
    }
    rules
}

fn read_feed(reader: &mut Reader<'_>, node: &Node, kind: &Kind) -> Option<Feed> {
    let formats = [("alertmanager-v4", FeedFormat::AlertmanagerV4), ("json", FeedFormat::Json)];
    let what = kind.name;
    let known = ["from", "format", "url", "topic", "query", "items", "map"];
    let fields = reader.fields(node, what, &known);
    let from = fields.need(reader, what, "from")?;
    let from = reader.choice(from, "from", kind.from)?;
    let format = match fields.get("format") {
        Some(node) => reader.choice(node, "format", &formats)?,
        None => FeedFormat::Json,
    };
    if format == FeedFormat::AlertmanagerV4 && what != ALERTS.name {
        reader.error(
            node,
            "bad-value",
            format!("{what} are never `alertmanager-v4`: write `json`"),
        );
    }
    let (needed, why) = match from {
        FeedFrom::Webhook => (None, ""),
        FeedFrom::Kafka => (Some("topic"), "read from kafka"),
        FeedFrom::Sql => (Some("query"), "read by sql"),
        FeedFrom::Poll => (Some("url"), "read by poll"),
    };
    if let Some(key) = needed {
        fields.need(reader, &format!("{what} {why}"), key)?;
    }
    let own = format == FeedFormat::Json;
    let map = fields.get("map").map(|n| read_map(reader, n, kind, own)).unwrap_or_default();
    let items = fields.get("items").and_then(|n| reader.parse(n, "items"));
    let mut text = |key: &str| fields.get(key).and_then(|n| reader.text(n, key));
    let (url, topic, query) = (text("url"), text("topic"), text("query"));
    Some(Feed { from, format, url, topic, query, items, map })
}

/// `whole`: nothing but the map says where the fields are.
fn read_map(reader: &mut Reader<'_>, node: &Node, kind: &Kind, whole: bool) -> Mapping {
    let mut map = Mapping::new();
    for (key, value) in reader.entries(node, "map") {
        let Some(name) = reader.text(key, "map") else { continue };
        let is_source = kind.sources && name.strip_prefix("read.").is_some_and(|s| !s.is_empty());
        if !is_source && !kind.fields.contains(&name.as_str()) {
            let message = format!("{} have no field `{name}`", kind.name);
            let mistake = Mistake::error("unknown-key", reader.place_of(key), message);
            reader.mistakes.push(mistake.with_nearest(&name, kind.fields.iter().copied()));
        }
        if let Some(template) = reader.parse(value, &name) {
            map.insert(name, template);
        }
    }
    let missing = |field: &&&str| !map.contains_key(**field);
    let missing: Vec<&&str> = kind.fields[..kind.needed].iter().filter(missing).collect();
    if whole && !missing.is_empty() {
        let message = format!("map of {} does not say where {} is", kind.name, list(&missing));
        reader.error(node, "missing-key", message);
    }
    map
}

fn read_clock(reader: &mut Reader<'_>, node: &Node) -> Option<Call> {
    let clock = reader.fields(node, "clock", &["advance"]);
    let advance = clock.need(reader, "clock", "advance")?;
    let fields = reader.fields(advance, "clock.advance", &["method", "url"]);
    let url = fields.need(reader, "clock.advance", "url")?;
    let url = reader.text(url, "url")?;
    let method = match fields.get("method") {
        Some(node) => reader.choice(node, "method", &[("POST", "POST"), ("PUT", "PUT")])?,
        None => "POST",
    };
    Some(Call { method: method.to_owned(), url })
}

#[cfg(test)]
mod tests {
    use super::super::Settings;

    #[test]
    fn each_mistake_about_a_system_is_named() {
        for (source, code, message) in [
            (
                "kind: process, command: [x], alerts: {from: webhook, map: {rul: $.a}}",
                "unknown-key",
                "no field `rul`",
            ),
            (
                "kind: process, command: [x], alerts: {from: webhook, map: {rule: $.a}}",
                "missing-key",
                "subject_kind",
            ),
            (
                "kind: process, command: [x], alerts: {from: webhook, map: {rule: $a}}",
                "bad-value",
                "no JSON path",
            ),
            (
                "kind: process, command: [x], plans: {from: webhook, format: alertmanager-v4}",
                "bad-value",
                "never",
            ),
            (
                "kind: process, command: [x], watermark: {from: kafka, topic: t}",
                "bad-value",
                "cannot be `kafka`",
            ),
            (
                "kind: process, command: [x], rules: {a: T, b: T}",
                "bad-value",
                "stands for `a` already",
            ),
            ("kind: container", "missing-key", "`image`"),
            ("kind: external", "missing-key", "no `alerts`"),
            ("kind: external, alerts: {from: webhook}", "missing-key", "no `url`"),
            ("alerts: {from: webhook}", "bad-value", "says nothing of the built-in"),
        ] {
            let mistakes = Settings::parse("f.yaml", &format!("system_under_test: {{{source}}}\n"));
            let mistakes = mistakes.expect_err(source);
            let found = mistakes.iter().any(|m| m.code == code && m.message.contains(message));
            assert!(found, "{source}: {mistakes:?}");
        }
    }

    #[test]
    fn a_watermark_names_its_sources() {
        let source = "system_under_test: {kind: process, command: [x], \
                      watermark: {from: poll, url: u, map: {settled: $.s, read.binlog: $.b}}}\n";
        let settings = Settings::parse("f.yaml", source).expect("no mistakes");
        let watermark = settings.system_under_test.watermark.expect("it is read");
        assert_eq!(watermark.map["read.binlog"].to_string(), "$.b");
    }
}

//! Reading `lossdrill.yaml`: strict, all mistakes at once.

use std::collections::BTreeMap;
use std::path::Path;

use super::settings::{
    Call, Cells, Feed, FeedFormat, FeedFrom, Platform, PlatformKind, Policy, Provider,
    ServerSettings, Settings, SystemKind, SystemUnderTest, Tier,
};
use super::yaml::{Node, Reader};
use super::{Mistake, Place, Span};
use crate::clock::parse_rfc3339;

/// The file that is read when none is named and it exists.
pub const DEFAULT_FILE: &str = "lossdrill.yaml";

/// More cells than any one machine carries; a larger number is a slip.
const CELLS_MAX: u16 = 256;

impl Settings {
    /// Reads `path`; without one [`DEFAULT_FILE`] where it exists, else the defaults.
    pub fn load(path: Option<&Path>) -> Result<Settings, Vec<Mistake>> {
        let file = path.unwrap_or(Path::new(DEFAULT_FILE));
        if path.is_none() && !file.exists() {
            return Ok(Settings::default());
        }
        let name = file.display().to_string();
        match std::fs::read_to_string(file) {
            Ok(source) => Settings::parse(&name, &source),
            Err(error) => Err(vec![
                Mistake::error("unreadable", Place::file(&name), format!("cannot read: {error}"))
                    .with_help("name an existing file with --config, or leave the flag out"),
            ]),
        }
    }

    /// Reads the text of a configuration; `file` is for messages.
    pub fn parse(file: &str, source: &str) -> Result<Settings, Vec<Mistake>> {
        let (mut reader, node) = Reader::open(file, source);
        let mut settings = Settings::default();
        if let Some(node) = node.filter(|node| node.value != super::yaml::Value::Null) {
            read_settings(&mut reader, &node, &mut settings);
        }
        if reader.mistakes.is_empty() {
            Ok(settings)
        } else {
            Err(super::in_order(reader.mistakes))
        }
    }
}

fn read_settings(reader: &mut Reader<'_>, node: &Node, settings: &mut Settings) {
    let known = ["stage", "cells", "system_under_test", "platform", "policy"];
    let fields = reader.fields(node, "the configuration", &known);
    if let Some(stage) = fields.get("stage") {
        let servers = reader.fields(stage, "stage", &["mysql", "kafka"]);
        if let Some(node) = servers.get("mysql") {
            read_server(reader, node, "stage.mysql", &mut settings.stage.mysql);
        }
        if let Some(node) = servers.get("kafka") {
            read_server(reader, node, "stage.kafka", &mut settings.stage.kafka);
        }
    }
    if let Some(node) = fields.get("cells") {
        settings.cells = read_cells(reader, node);
    }
    if let Some(node) = fields.get("system_under_test") {
        read_system(reader, node, &mut settings.system_under_test);
    }
    if let Some(node) = fields.get("platform") {
        read_platform(reader, node, &mut settings.platform);
    }
    if let Some(node) = fields.get("policy") {
        read_policy(reader, node, &mut settings.policy);
    }
}

fn read_server(reader: &mut Reader<'_>, node: &Node, what: &str, server: &mut ServerSettings) {
    let fields = reader.fields(node, what, &["image", "provider", "url"]);
    if let Some(image) = fields.get("image").and_then(|n| reader.text(n, "image")) {
        server.image = image;
    }
    if let Some(node) = fields.get("provider")
        && let Some(provider) = reader.choice(node, "provider", &Provider::ALL)
    {
        server.provider = provider;
    }
    server.url = fields.get("url").and_then(|n| reader.text(n, "url"));
    if server.provider == Provider::External {
        fields.need(reader, &format!("{what} with provider external"), "url");
    }
}

fn read_cells(reader: &mut Reader<'_>, node: &Node) -> Cells {
    match node.as_text() {
        Some("auto") => Cells::Auto,
        text => match text.and_then(|text| text.parse().ok()) {
            Some(count @ 1..=CELLS_MAX) => Cells::Exactly(count),
            _ => {
                let message = format!("cells must be `auto` or a number from 1 to {CELLS_MAX}");
                reader.error(node, "bad-value", message);
                Cells::Auto
            }
        },
    }
}

fn read_system(reader: &mut Reader<'_>, node: &Node, system: &mut SystemUnderTest) {
    let known = ["kind", "command", "ready", "alerts", "plans", "watermark", "clock", "rules"];
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
    if let Some(node) = fields.get("command") {
        system.command = reader.texts(node, "command");
    }
    if matches!(system.kind, SystemKind::Process | SystemKind::Container) {
        fields.need(reader, "a system under test that we start", "command");
    }
    system.ready = fields.get("ready").and_then(|n| reader.text(n, "ready"));
    system.alerts = fields.get("alerts").and_then(|n| read_feed(reader, n, "alerts"));
    system.plans = fields.get("plans").and_then(|n| read_feed(reader, n, "plans"));
    system.watermark = fields.get("watermark").and_then(|n| read_feed(reader, n, "watermark"));
    system.clock = fields.get("clock").and_then(|n| read_clock(reader, n));
    if let Some(node) = fields.get("rules") {
        system.rules = read_map(reader, node, "rules");
    }
}

fn read_map(reader: &mut Reader<'_>, node: &Node, what: &str) -> BTreeMap<String, String> {
    let entries = reader.entries(node, what);
    let pair =
        |(key, value): (&Node, &Node)| Some((reader.text(key, what)?, reader.text(value, what)?));
    entries.into_iter().filter_map(pair).collect()
}

fn read_feed(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Feed> {
    let sources = [
        ("webhook", FeedFrom::Webhook),
        ("kafka", FeedFrom::Kafka),
        ("sql", FeedFrom::Sql),
        ("poll", FeedFrom::Poll),
    ];
    let formats = [("alertmanager-v4", FeedFormat::AlertmanagerV4), ("json", FeedFormat::Json)];
    let known = ["from", "format", "url", "topic", "query", "map"];
    let fields = reader.fields(node, what, &known);
    let from = fields.need(reader, what, "from")?;
    let from = reader.choice(from, "from", &sources)?;
    let format = match fields.get("format") {
        Some(node) => reader.choice(node, "format", &formats)?,
        None => FeedFormat::Json,
    };
    let (needed, why) = match from {
        FeedFrom::Webhook => (None, ""),
        FeedFrom::Kafka => (Some("topic"), "read from kafka"),
        FeedFrom::Sql => (Some("query"), "read by sql"),
        FeedFrom::Poll => (Some("url"), "read by poll"),
    };
    if let Some(key) = needed {
        fields.need(reader, &format!("{what} {why}"), key)?;
    }
    let map = fields.get("map").map(|n| read_map(reader, n, "map")).unwrap_or_default();
    let mut text = |key: &str| fields.get(key).and_then(|n| reader.text(n, key));
    let (url, topic, query) = (text("url"), text("topic"), text("query"));
    Some(Feed { from, format, url, topic, query, map })
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

fn read_platform(reader: &mut Reader<'_>, node: &Node, platform: &mut Platform) {
    let kinds = [("builtin", PlatformKind::Builtin), ("mapped", PlatformKind::Mapped)];
    // The mapping's own keys are read by the room that carries it out.
    let known = ["kind", "marks", "actions", "clock", "books", "ddl", "schemas", "topics"];
    let fields = reader.fields(node, "platform", &known);
    if let Some(node) = fields.get("kind")
        && let Some(kind) = reader.choice(node, "kind", &kinds)
    {
        platform.kind = kind;
    }
    if let Some(node) = fields.get("marks") {
        let marks = reader.choice(node, "marks", &[("all", false), ("none", true)]);
        platform.no_marks = marks.unwrap_or_default();
    }
}

fn read_policy(reader: &mut Reader<'_>, node: &Node, policy: &mut Policy) {
    let known = ["tiers", "coverage", "budget", "seed", "epoch"];
    let fields = reader.fields(node, "policy", &known);
    if let Some(node) = fields.get("tiers") {
        let tiers = Tier::ALL.map(|tier| (tier.name(), tier));
        let items = reader.items(node, "tiers");
        policy.tiers =
            items.iter().filter_map(|node| reader.choice(node, "tier", &tiers)).collect();
    }
    if let Some(node) = fields.get("coverage") {
        let priorities = ["p0", "p1", "p2", "p3", "p4"];
        let coverage = reader.fields(node, "coverage", &priorities);
        policy.coverage = priorities
            .iter()
            .filter_map(|key| {
                let share = reader.parse(coverage.get(key)?, "coverage")?;
                Some(((*key).to_owned(), share))
            })
            .collect();
    }
    if let Some(budget) = fields.get("budget").and_then(|n| reader.parse::<Span>(n, "budget")) {
        policy.budget = budget;
    }
    if let Some(seed) = fields.get("seed").and_then(|n| reader.parse(n, "seed")) {
        policy.seed = seed;
    }
    if let Some(node) = fields.get("epoch")
        && let Some(text) = reader.text(node, "epoch")
    {
        match parse_rfc3339(&text) {
            Some(epoch_ms) => policy.epoch_ms = epoch_ms,
            None => {
                let example = "like `2026-01-05T10:00:00+08:00`";
                let message = format!("epoch `{text}` is no RFC 3339 time: write it {example}");
                reader.error(node, "bad-value", message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the published contract, completed where it shows `...`.
    const WHOLE: &str = r#"
stage:
  mysql: {image: "mysql:9.7", provider: auto}
  kafka: {image: "apache/kafka:4.4.0", provider: local}
cells: 3
system_under_test:
  kind: process
  command: ["./our-reconciler", "--mysql", "${mysql.url}", "--kafka", "${kafka.bootstrap}"]
  ready: http://127.0.0.1:${port}/healthz
  alerts: {from: webhook, format: alertmanager-v4, map: {rule: "$.labels.alertname"}}
  plans: {from: kafka, topic: plans, format: json}
  watermark: {from: poll, url: "http://127.0.0.1:1/watermark"}
  clock: {advance: {method: POST, url: "http://127.0.0.1:1/clock"}}
  rules: {refund-exceeds-payment: TheirRule17}
platform: {kind: builtin, marks: none}
policy: {tiers: [gate], coverage: {p0: 100%}, budget: 30 min, seed: 20260101, epoch: "2026-01-05T10:00:00+08:00"}
"#;

    #[test]
    fn the_whole_of_it_is_read_and_nothing_is_needed() {
        let settings = Settings::parse("lossdrill.yaml", WHOLE).expect("no mistakes");
        assert_eq!(settings.policy, Policy::default());
        assert_eq!(settings.cells, Cells::Exactly(3));
        assert_eq!(settings.stage.kafka.provider, Provider::Local);
        assert_eq!(settings.system_under_test.rules["refund-exceeds-payment"], "TheirRule17");
        assert!(settings.platform.no_marks);
        for empty in ["", "# nothing\n"] {
            assert_eq!(Settings::parse("f", empty).expect("defaults"), Settings::default());
        }
    }

    #[test]
    fn each_mistake_is_named_at_its_place() {
        for (source, code, line, message, help) in [
            ("stge: {}\n", "unknown-key", 1, "unknown key `stge`", "did you mean `stage`?"),
            ("cells: none\n", "bad-value", 1, "`auto` or a number", ""),
            ("cells: 1\ncells: 2\n", "duplicate-key", 2, "given twice", "line 1 already"),
            ("policy:\n  budget: 30 mins\n", "bad-value", 2, "unknown unit `mins`", ""),
            ("policy: {tiers: [gatte]}\n", "bad-value", 1, "cannot be `gatte`", "`gate`"),
            ("policy: {epoch: yesterday}\n", "bad-value", 1, "RFC 3339", ""),
            ("stage: {mysql: {provider: external}}\n", "missing-key", 1, "`url`", ""),
            ("system_under_test: {kind: process}\n", "missing-key", 1, "`command`", ""),
            ("system_under_test: {plans: {from: sql}}\n", "missing-key", 1, "`query`", ""),
            ("stage: [\n", "not-yaml", 1, "", ""),
        ] {
            let mistakes = Settings::parse("f.yaml", source).expect_err(source);
            let first = &mistakes[0];
            assert_eq!((first.code, first.place.line), (code, line), "{first}");
            assert!(first.message.contains(message), "{first}");
            assert!(first.help.join(" ").contains(help), "{first}");
        }
    }
}

//! Reading `lossdrill.yaml`: strict, all mistakes at once.

use std::path::Path;

use super::settings::{
    Cells, Guard, Platform, PlatformKind, Policy, Provider, ServerSettings, Settings, Tier,
};
use super::system::read_system;
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
    if let Some(node) = fields.get("cells") {
        settings.cells = read_cells(reader, node);
    }
    if let Some(stage) = fields.get("stage") {
        let servers = reader.fields(stage, "stage", &["mysql", "kafka", "guard"]);
        if let Some(node) = servers.get("mysql") {
            read_server(reader, node, "stage.mysql", &mut settings.stage.mysql);
        }
        if let Some(node) = servers.get("kafka") {
            read_server(reader, node, "stage.kafka", &mut settings.stage.kafka);
        }
        if let Some(node) = servers.get("guard") {
            read_guard(reader, node, &mut settings.stage.guard);
        }
        one_world(reader, stage, settings);
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

fn read_guard(reader: &mut Reader<'_>, node: &Node, guard: &mut Guard) {
    let known = ["hosts", "schemas", "topic_prefixes", "allow_remote"];
    let fields = reader.fields(node, "stage.guard", &known);
    for (key, list) in [
        ("hosts", &mut guard.hosts),
        ("schemas", &mut guard.schemas),
        ("topic_prefixes", &mut guard.topic_prefixes),
    ] {
        if let Some(node) = fields.get(key) {
            *list = reader.texts(node, key);
        }
    }
    if let Some(node) = fields.get("allow_remote") {
        guard.allow_remote = reader.bool(node, "allow_remote").unwrap_or_default();
    }
}

/// Both servers are given, or none; and what may be touched of them is said.
fn one_world(reader: &mut Reader<'_>, node: &Node, settings: &Settings) {
    let stage = &settings.stage;
    let given = [&stage.mysql, &stage.kafka].map(|server| server.provider == Provider::External);
    if given[0] != given[1] {
        let message = "stage.mysql and stage.kafka are both `external`, or neither is";
        reader.error(node, "bad-value", message);
    }
    if given[0] {
        for (key, list) in [
            ("hosts", &stage.guard.hosts),
            ("schemas", &stage.guard.schemas),
            ("topic_prefixes", &stage.guard.topic_prefixes),
        ] {
            if list.is_empty() {
                let message =
                    format!("provider external needs `stage.guard.{key}`: what a drill may touch");
                reader.error(node, "missing-key", message);
            }
        }
        if settings.cells != Cells::Auto && settings.cells != Cells::Exactly(1) {
            let message = "given servers carry one cell: write `cells: 1`, or leave it out";
            reader.error(node, "bad-value", message);
        }
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

    const GIVEN: &str =
        "stage: {mysql: {provider: external, url: a}, kafka: {provider: external, url: b}}\n";

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
            (GIVEN, "missing-key", 1, "`stage.guard.hosts`", ""),
            ("system_under_test: {kind: process}\n", "missing-key", 1, "`command`", ""),
            ("system_under_test: {plans: {from: sql}}\n", "missing-key", 1, "`query`", ""),
            ("stage: [\n", "not-yaml", 1, "", ""),
        ] {
            let mistakes = Settings::parse("f.yaml", source).expect_err(source);
            let named = mistakes.iter().any(|mistake| {
                (mistake.code, mistake.place.line) == (code, line)
                    && mistake.message.contains(message)
                    && mistake.help.join(" ").contains(help)
            });
            assert!(named, "{source}: {mistakes:?}");
        }
    }
}

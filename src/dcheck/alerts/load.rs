//! The alerting file: channels, grouping, inhibition, storms, from YAML. Strict, all mistakes at once.
//!
//! Owns its words (`scenarios/schemas/alerting.json` has them too). What it leaves out stays as the command line says, and as
//! [`Policy::default`]. Try it: `dcheck check --alerting examples/alerting.yaml`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::channels::{ChannelSpec, PLACEHOLDERS, unknown_placeholders};
use super::ladder::Ladder;
use super::matching::{Matcher, takes_everything};
use super::policy::{Alerting, Grouping, Inhibition, Policy, StormLimit};
use super::reading::{Node, parse_duration_ms};

/// Labels that every alert has.
const LABELS: [&str; 6] =
    ["alertname", "loss_point", "subject_kind", "subject", "occurrence", "severity"];
const KINDS: [&str; 5] = ["webhook-v4", "alertmanager", "webhook", "kafka", "log"];
/// A storm is looked at no more often.
const SECOND_MS: i64 = 1_000;
/// Between two messages of a group, where the file does not say.
const INTERVAL_MS: i64 = 60_000;

type Out = Vec<String>;

/// Reads the file; an error is one line for each mistake.
pub fn load_file(path: &Path) -> Result<Alerting, Vec<String>> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| vec![format!("cannot read alerting file {}: {error}", path.display())])?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    load_text(&name, &text)
}

pub fn load_text(name: &str, text: &str) -> Result<Alerting, Vec<String>> {
    let value: Value =
        serde_yaml::from_str(text).map_err(|error| vec![format!("{name}: {error}")])?;
    let (root, mut out) = (Node::file(name, text, &value, "alerting"), Vec::new());
    root.keys(&["first", "second", "retry", "group", "inhibit", "storm"], &mut out);
    let channel =
        |key: &str, out: &mut Out| root.optional(key).and_then(|node| channel(&node, out));
    let (first, second) = (channel("first", &mut out), channel("second", &mut out));
    let alerting = Alerting {
        policy: Policy {
            grouping: root
                .optional("group")
                .map_or_else(Grouping::default, |n| group(&n, &mut out)),
            inhibitions: inhibitions(&root, &mut out),
            storm: root.optional("storm").and_then(|node| storm(&node, &mut out)),
        },
        first,
        second,
        ladder: ladder(&root, &mut out),
    };
    if out.is_empty() { Ok(alerting) } else { Err(out) }
}

fn ladder(root: &Node<'_>, out: &mut Out) -> Ladder {
    let Some(name) = root.optional_text("retry", out) else { return Ladder::default() };
    Ladder::from_name(&name).unwrap_or_else(|| {
        out.push(root.unknown("ladder in `retry`", &name, &Ladder::NAMES));
        Ladder::default()
    })
}

fn channel(node: &Node<'_>, out: &mut Out) -> Option<ChannelSpec> {
    if !node.value.is_object() {
        node.keys(&["kind"], out);
    }
    let kind = node.text("kind", out)?;
    let (known, spec): (&[&str], _) = match kind.as_str() {
        "webhook-v4" => (&["url"], url(node, out).map(|url| ChannelSpec::WebhookV4 { url })),
        "alertmanager" => (&["url"], url(node, out).map(|url| ChannelSpec::Alertmanager { url })),
        "webhook" => (&["url", "headers", "body"], generic(node, out)),
        "kafka" => {
            let (brokers, topic) = (node.text("brokers", out), node.text("topic", out));
            let both = brokers.zip(topic);
            let spec = both.map(|(brokers, topic)| ChannelSpec::Kafka { brokers, topic });
            (&["brokers", "topic"], spec)
        }
        "log" => {
            let path = node.text("path", out).map(PathBuf::from);
            (&["path"], path.map(|path| ChannelSpec::Log { path }))
        }
        _ => {
            out.push(node.unknown("kind of channel", &kind, &KINDS));
            return None;
        }
    };
    let keys: Vec<&str> = ["kind"].into_iter().chain(known.iter().copied()).collect();
    node.keys(&keys, out);
    spec
}

fn url(node: &Node<'_>, out: &mut Out) -> Option<String> {
    let url = node.text("url", out)?;
    if !url.starts_with("http://") && !url.starts_with("https://") {
        out.push(node.says(&format!("url `{url}` does not begin with http:// or https://")));
        return None;
    }
    Some(url)
}

fn generic(node: &Node<'_>, out: &mut Out) -> Option<ChannelSpec> {
    let headers = node.optional("headers").map(|headers| headers.pairs(out)).unwrap_or_default();
    for (name, value) in &headers {
        let is_header = reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_ok()
            && reqwest::header::HeaderValue::from_str(value).is_ok();
        if !is_header {
            out.push(node.says(&format!("`{name}` with its value is no HTTP header")));
        }
    }
    let body = node.optional("body").map(|body| body.value.clone());
    for name in body.iter().flat_map(unknown_placeholders) {
        out.push(node.unknown("placeholder in `body`", &name, &PLACEHOLDERS));
    }
    Some(ChannelSpec::Webhook { url: url(node, out)?, headers, body })
}

fn group(node: &Node<'_>, out: &mut Out) -> Grouping {
    node.keys(&["by", "wait", "interval", "repeat"], out);
    let by = node.optional("by").map(|_| labels(node, "by", out));
    let wait_ms = duration(node, "wait", 0, out).unwrap_or(0);
    let interval_ms = duration(node, "interval", 0, out);
    let repeat_ms = duration(node, "repeat", SECOND_MS, out);
    if by.is_none() && (wait_ms > 0 || interval_ms.is_some_and(|ms| ms > 0)) {
        out.push(node.says("`wait` and `interval` need `by`: the labels that make a group"));
    }
    // A message tells a whole group: one for each alert of a burst would be its square.
    let interval_ms = interval_ms.unwrap_or(if by.is_some() { INTERVAL_MS } else { 0 });
    Grouping { by, wait_ms, interval_ms, repeat_ms }
}

fn inhibitions(root: &Node<'_>, out: &mut Out) -> Vec<Inhibition> {
    let mut found = Vec::new();
    for item in root.items("inhibit", out) {
        item.keys(&["source", "target", "equal"], out);
        let side = |key: &str, out: &mut Out| {
            let matchers = matchers(&item, key, out);
            if takes_everything(&matchers) {
                out.push(item.says(&format!("`{key}` takes every alert: name a label")));
            }
            matchers
        };
        let (source, target) = (side("source", out), side("target", out));
        let equal = labels(&item, "equal", out);
        found.push(Inhibition { source, target, equal });
    }
    found
}

fn matchers(node: &Node<'_>, key: &str, out: &mut Out) -> Vec<Matcher> {
    let mut found = Vec::new();
    for text in node.texts(key, out) {
        match text.parse::<Matcher>() {
            Ok(matcher) if !LABELS.contains(&matcher.name.as_str()) => {
                out.push(node.unknown(&format!("label in `{key}`"), &matcher.name, &LABELS));
            }
            Ok(matcher) => found.push(matcher),
            Err(why) => out.push(node.says(&why)),
        }
    }
    found
}

fn labels(node: &Node<'_>, key: &str, out: &mut Out) -> Vec<String> {
    let names = node.texts(key, out);
    for name in names.iter().filter(|name| !LABELS.contains(&name.as_str())) {
        out.push(node.unknown(&format!("label in `{key}`"), name, &LABELS));
    }
    names
}

fn storm(node: &Node<'_>, out: &mut Out) -> Option<StormLimit> {
    node.keys(&["more_than", "within", "update"], out);
    let more_than = node.text("more_than", out)?;
    let Some(more_than) = more_than.parse::<usize>().ok().filter(|count| *count > 0) else {
        out.push(node.says(&format!("more_than `{more_than}` is no number of alerts above 0")));
        return None;
    };
    let within_ms = duration(node, "within", SECOND_MS, out).unwrap_or(60 * SECOND_MS);
    let update_ms = duration(node, "update", SECOND_MS, out).unwrap_or(60 * SECOND_MS);
    Some(StormLimit { more_than, within_ms, update_ms })
}

fn duration(node: &Node<'_>, key: &str, least_ms: i64, out: &mut Out) -> Option<i64> {
    let text = node.optional_text(key, out)?;
    match parse_duration_ms(&text).filter(|ms| *ms >= least_ms) {
        Some(ms) => Some(ms),
        None if least_ms > 0 => {
            let message = format!("`{key}: {text}` is no duration of 1 s or more, like 5 min");
            out.push(node.says(&message));
            None
        }
        None => {
            out.push(node.says(&format!("`{key}: {text}` is no duration, like 30 s")));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
first: {kind: alertmanager, url: "http://127.0.0.1:9093"}
second:
  kind: webhook
  url: https://chat/hook
  headers: {authorization: Bearer x}
  body: {text: "${rule}: ${at_risk}"}
retry: patient
group: {by: [alertname, severity], wait: 30 s, interval: 5 min, repeat: 4 h}
inhibit:
  - source: ['alertname="change-capture-stalled"']
    target: ['subject_kind=~"order|refund"']
    equal: [severity]
storm: {more_than: 30, within: 1 min, update: 2 min}
"#;

    #[test]
    fn a_whole_file_and_an_empty_one() {
        let alerting = load_text("a.yaml", WHOLE).unwrap();
        let url = "http://127.0.0.1:9093".to_owned();
        assert_eq!(alerting.first, Some(ChannelSpec::Alertmanager { url }));
        assert!(matches!(alerting.second, Some(ChannelSpec::Webhook { body: Some(_), .. })));
        assert_eq!(alerting.ladder, Ladder::Patient);
        let grouping = &alerting.policy.grouping;
        assert_eq!((grouping.wait_ms, grouping.repeat_ms), (30_000, Some(14_400_000)));
        assert_eq!(alerting.policy.inhibitions[0].equal, ["severity"]);
        let storm = StormLimit { more_than: 30, within_ms: 60_000, update_ms: 120_000 };
        assert_eq!(alerting.policy.storm, Some(storm));
        let empty = load_text("a.yaml", "{}\n").unwrap();
        assert!(!empty.policy.remembers(), "it says nothing, and changes nothing");
        assert_eq!((empty.first, empty.second), (None, None));
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let text = "first: {kind: alertmanger, url: http://h}\nsecond: {kind: kafka, topics: x}\n\
                    retry: steadily\ngroup: {wait: 30 s, repeat: 1 ms}\n\
                    inhibit:\n  - {source: ['alertnam=\"x\"'], target: ['severity!=\"P0\"'], equal: [sevrity]}\n\
                    storm: {more_than: 0}\nsilence: []\n";
        let told = load_text("a.yaml", text).unwrap_err().join("\n");
        for part in [
            "unknown kind of channel `alertmanger`: did you mean `alertmanager`?",
            "`brokers` is missing",
            "`topic` is missing",
            "unknown key `topics`: did you mean `topic`?",
            "unknown ladder in `retry` `steadily`: did you mean `steady`?",
            "need `by`",
            "`repeat: 1 ms` is no duration of 1 s or more",
            "unknown label in `source` `alertnam`: did you mean `alertname`?",
            "`source` takes every alert",
            "`target` takes every alert",
            "unknown label in `equal` `sevrity`: did you mean `severity`?",
            "more_than `0` is no number of alerts above 0",
            "unknown key `silence`",
        ] {
            assert!(told.contains(part), "{part} in\n{told}");
        }
        for text in ["first: x", "first: {kind: log}", "group: {by: severity}", "a: 1\na: 2", "[]"]
        {
            assert!(load_text("a.yaml", text).is_err(), "{text}");
        }
    }
}

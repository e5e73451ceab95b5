//! The published schemas (`scenarios/schemas/`): the wire's own types and the shipped configurations are what they say, and what
//! they forbid is refused. The validator knows the words that these schemas use and refuses all others.

use std::collections::BTreeSet;
use std::fs;

use lossdrill::config::{ALERT_FIELDS, PLAN_FIELDS, WATERMARK_FIELDS};
use lossdrill::wire::{Advance, Alert, Mark, PlanRun, Watermark, Webhook};
use regex::Regex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Words that say nothing of a value.
const SILENT: [&str; 3] = ["$schema", "title", "description"];

fn schema(name: &str) -> Value {
    let text = fs::read_to_string(format!("scenarios/schemas/{name}.json")).expect(name);
    serde_json::from_str(&text).expect(name)
}

/// What of `value` is not as `schema` says; each with its place.
fn mistakes(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let words = schema.as_object().expect("a schema is a map");
    let mut found = Vec::new();
    for (word, says) in words.iter().filter(|(word, _)| !SILENT.contains(&word.as_str())) {
        match word.as_str() {
            "type" => {
                let types: Vec<&Value> =
                    says.as_array().map_or(vec![says], |all| all.iter().collect());
                if !types.iter().any(|one| is_of(value, one.as_str().unwrap())) {
                    found.push(format!("{at} is no {says}"));
                }
            }
            "enum" if !says.as_array().unwrap().contains(value) => {
                found.push(format!("{at} is {value}, none of {says}"));
            }
            "pattern" => {
                let pattern = Regex::new(says.as_str().unwrap()).unwrap();
                if value.as_str().is_some_and(|text| !pattern.is_match(text)) {
                    found.push(format!("{at} is {value}, not like {says}"));
                }
            }
            "oneOf" => {
                let fits = says
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|one| mistakes(one, value, at).is_empty());
                if fits.count() != 1 {
                    found.push(format!("{at} is {value}, not one of the shapes"));
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(mistakes(says, item, &format!("{at}[{index}]")));
                }
            }
            "required" => {
                let missing =
                    |key: &&Value| value.is_object() && value.get(key.as_str().unwrap()).is_none();
                let missing = says.as_array().unwrap().iter().filter(missing);
                found.extend(missing.map(|key| format!("{at} has no {key}")));
            }
            "properties" | "patternProperties" | "additionalProperties" => {}
            "enum" => {}
            other => panic!("the validator does not know `{other}`"),
        }
    }
    for (key, one) in value.as_object().into_iter().flatten() {
        let place = format!("{at}.{key}");
        let by_pattern = words.get("patternProperties").and_then(Value::as_object);
        let by_pattern = by_pattern.into_iter().flatten();
        let mut by_pattern = by_pattern.filter(|(like, _)| Regex::new(like).unwrap().is_match(key));
        match words.get("properties").and_then(|all| all.get(key)) {
            Some(says) => found.extend(mistakes(says, one, &place)),
            None => match (by_pattern.next(), words.get("additionalProperties")) {
                (Some((_, says)), _) => found.extend(mistakes(says, one, &place)),
                (None, Some(Value::Bool(false))) => found.push(format!("{place} is unknown")),
                (None, Some(says @ Value::Object(_))) => found.extend(mistakes(says, one, &place)),
                _ => {}
            },
        }
    }
    found
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the validator does not know the type `{other}`"),
    }
}

/// `value` fits the schema, is read by the wire's own type, and is written by it as the schema says.
fn fits<T: Serialize + DeserializeOwned>(name: &str, value: &Value) {
    let schema = schema(name);
    assert_eq!(mistakes(&schema, value, name), Vec::<String>::new());
    let read: T = serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let written = serde_json::to_value(read).unwrap();
    assert_eq!(mistakes(&schema, &written, name), Vec::<String>::new(), "as it is written");
    for key in schema["required"].as_array().unwrap() {
        let mut less = value.clone();
        less.as_object_mut().unwrap().remove(key.as_str().unwrap());
        assert!(!mistakes(&schema, &less, name).is_empty(), "{name} without {key}");
        let read = serde_json::from_value::<T>(less);
        // Alertmanager's own fields that we do not use may be missing by the schema alone.
        assert!(read.is_err() || name == "watermark", "{name} without {key} is read");
    }
}

#[test]
fn the_wire_is_what_the_schemas_say() {
    let subject = json!({"kind": "order", "id": "O-1"});
    fits::<Alert>(
        "alert",
        &json!({
            "rule": "r", "loss_point": "p", "subject": subject, "occurrence": "o", "severity": "P0",
            "at_risk": "199.00 CNY", "expected": "a", "actual": "b", "position": "c",
            "starts_at": "2026-01-05T02:00:00Z", "state": "firing", "fingerprint": "f",
        }),
    );
    fits::<PlanRun>(
        "plan-run",
        &json!({
            "plan": "p", "run_id": "1", "alert": "f", "rule": "r", "scope": [subject],
            "effect": {"stops": "buy"}, "state": "effective", "started_at": "x", "updated_at": "y",
            "steps": [{"step": "s", "receipt": "http 200", "at": "x"}], "reverts_at": "z", "note": "n",
        }),
    );
    fits::<Watermark>(
        "watermark",
        &json!({
            "read": {"binlog": 17}, "settled": 16, "checkpoint": 15, "now": "x", "offset_ms": 0,
            "busy": 0, "next_due": null, "activity": 3,
        }),
    );
    fits::<Mark>("mark", &json!({"seq": 1, "kind": "beat", "offset_ms": 0, "at": 5}));
    fits::<Advance>("clock-advance", &json!({"seq": 1, "offset_ms": 30_000}));
    let webhook = json!({
        "version": "4", "groupKey": "g", "status": "firing", "receiver": "r",
        "alerts": [{
            "status": "firing", "labels": {"alertname": "r", "subject_kind": "order", "subject": "O"},
            "annotations": {"at_risk": "1.00 CNY"}, "startsAt": "x", "fingerprint": "f",
        }],
    });
    fits::<Webhook>("alertmanager-webhook", &webhook);
}

#[test]
fn what_the_schemas_forbid_is_told() {
    for (name, value, told) in [
        (
            "mark",
            json!({"seq": "1", "kind": "c", "offset_ms": 0, "at": 0}),
            "mark.seq is no \"integer\"",
        ),
        ("mark", json!({"seq": 1, "kind": "c", "offset_ms": 0, "at": 0}), "none of"),
        ("clock-advance", json!({"seq": 1, "offset": 0}), "clock-advance.offset is unknown"),
        ("channel-flow", json!({"amount": 1.5}), "channel-flow.amount is no \"string\""),
        (
            "lossdrill",
            json!({"system_under_test": {"alerts": {"map": {"rul": "$"}}}}),
            "map.rul is unknown",
        ),
        ("lossdrill", json!({"cells": "many"}), "not one of the shapes"),
    ] {
        let found = mistakes(&schema(name), &value, name).join("; ");
        assert!(found.contains(told), "{found}");
    }
}

#[test]
fn every_shipped_configuration_fits() {
    let example = super::mini_config();
    let whole = r#"
stage:
  mysql: {provider: external, url: "mysql://u:p@127.0.0.1:3306/s"}
  kafka: {provider: external, url: "127.0.0.1:9092"}
  guard: {hosts: [127.0.0.1], schemas: [s], topic_prefixes: [s.], allow_remote: true}
cells: 1
system_under_test:
  kind: container
  image: our/reconciler:1
  alerts: {from: sql, query: "SELECT 1", map: {rule: $.r, subject_kind: item, subject: $.s}}
  watermark: {from: poll, url: u, map: {settled: $.s, read.binlog: $.b}}
platform: {kind: builtin, marks: none}
policy: {tiers: [gate], coverage: {p0: 100%}, budget: 30 min, seed: 1, epoch: "2026-01-05T10:00:00+08:00"}
"#;
    for source in [example.as_str(), whole] {
        lossdrill::config::Settings::parse("f.yaml", source).expect("we read it");
        let value: Value = yaml_value(source);
        assert_eq!(mistakes(&schema("lossdrill"), &value, "lossdrill"), Vec::<String>::new());
    }
}

fn yaml_value(source: &str) -> Value {
    serde_yaml::from_str(source).expect("it is YAML")
}

/// The map's fields are named twice, here and in the schema: they are the same.
#[test]
fn the_maps_of_the_schema_are_those_of_the_reader() {
    let system = &schema("lossdrill")["properties"]["system_under_test"]["properties"];
    for (feed, fields) in [
        ("alerts", &ALERT_FIELDS[..]),
        ("plans", &PLAN_FIELDS[..]),
        ("watermark", &WATERMARK_FIELDS[..]),
    ] {
        let named = system[feed]["properties"]["map"]["properties"].as_object().unwrap();
        let named: BTreeSet<&str> = named.keys().map(String::as_str).collect();
        assert_eq!(named, fields.iter().copied().collect(), "{feed}");
    }
}

/// dcheck's alerting file: the example is as the schema says, and what the schema refuses is refused by dcheck too.
#[test]
fn the_alerting_file_is_what_its_schema_says() {
    let text = fs::read_to_string("examples/alerting.yaml").unwrap();
    let example: Value = serde_yaml::from_str(&text).unwrap();
    let alerting = schema("alerting");
    assert_eq!(mistakes(&alerting, &example, "alerting"), Vec::<String>::new());
    let dir = tempfile::tempdir().unwrap();
    let reads = |value: &Value| {
        let file = dir.path().join("alerting.yaml");
        fs::write(&file, value.to_string()).unwrap();
        let check = ["check", "--rules", "scenarios/rules", "--plans", "scenarios/plans"];
        let checked = std::process::Command::new(env!("CARGO_BIN_EXE_dcheck"))
            .args(check)
            .arg("--alerting")
            .arg(&file)
            .output()
            .expect("dcheck runs");
        checked.status.success()
    };
    assert!(reads(&example));
    for kind in [
        json!({"kind": "webhook-v4", "url": "http://h/a"}),
        json!({"kind": "kafka", "brokers": "h:1", "topic": "t"}),
        json!({"kind": "log", "path": "alerts.ndjson"}),
    ] {
        let value = json!({"first": kind});
        let found = mistakes(&alerting, &value, "alerting");
        assert!(found.is_empty() && reads(&value), "{value}: {found:?}");
    }
    for value in [
        json!({"first": {"kind": "smoke", "url": "http://h/a"}}),
        json!({"second": {"kind": "kafka", "brokers": "h:1"}}),
        json!({"first": {"kind": "alertmanager", "url": "h:1"}}),
        json!({"retry": "hasty"}),
        json!({"group": {"by": ["colour"]}}),
        json!({"group": {"by": ["severity"], "wait": "soon"}}),
        json!({"inhibit": [{"source": ["alertname=\"a\""]}]}),
        json!({"inhibit": [{"source": ["colour=\"a\""], "target": ["severity=\"P1\""]}]}),
        json!({"storm": {"within": "1 min"}}),
        json!({"silences": []}),
    ] {
        assert!(!mistakes(&alerting, &value, "alerting").is_empty(), "{value} by the schema");
        assert!(!reads(&value), "{value} by dcheck");
    }
}

/// dcheck's services: the example is as the schema says, and what the schema refuses is refused by dcheck too.
#[test]
fn the_services_file_is_what_its_schema_says() {
    let dir = "examples/degradation";
    let text = fs::read_to_string(format!("{dir}/services.yaml")).unwrap();
    let example: Value = serde_yaml::from_str(&text).unwrap();
    let services = schema("services");
    assert_eq!(mistakes(&services, &example, "services"), Vec::<String>::new());
    let temporary = tempfile::tempdir().unwrap();
    let reads = |value: &Value| {
        let file = temporary.path().join("services.yaml");
        fs::write(&file, value.to_string()).unwrap();
        let checked = std::process::Command::new(env!("CARGO_BIN_EXE_dcheck"))
            .args(["check", "--rules", &format!("{dir}/rules")])
            .args(["--plans", &format!("{dir}/plans"), "--services"])
            .arg(&file)
            .output()
            .expect("dcheck runs");
        checked.status.success()
    };
    assert!(reads(&example));
    for (place, value) in [
        ("/0/measured/0/tabel", json!("service_call")),
        ("/0/window", json!("soon")),
        ("/0/min_calls", json!("many")),
        ("/0/latency/of", json!("p42")),
        ("/0/latency/ill", json!(800)),
        ("/0/errors/well", json!("few")),
        ("/0/when_silent", json!("hope")),
        ("/2/id", json!("Checkout")),
        ("/2/dependencies/0/strength", json!("week")),
        ("/2/dependencies/0/limit", json!({"to": "50%"})),
        ("/2/dependencies/1/limit/to", json!("half")),
    ] {
        let mut wrong = example.clone();
        let (parent, key) = place.rsplit_once('/').unwrap();
        wrong.pointer_mut(parent).unwrap()[key] = value;
        assert!(!mistakes(&services, &wrong, "services").is_empty(), "{place} by the schema");
        assert!(!reads(&wrong), "{place} by dcheck");
    }
}

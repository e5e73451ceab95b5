//! `examples/prometheus`: rules and dashboard name only metrics that there are, and the real `promtool` takes the rules.

#![cfg(feature = "dcheck")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use lossdrill::dcheck::console::metrics::FAMILIES;
use serde_json::Value;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/prometheus").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}

/// Samples as Prometheus keeps them.
fn samples() -> BTreeSet<String> {
    let of = FAMILIES.iter().map(|family| match family.kind {
        "counter" => format!("{}_total", family.name),
        _ => family.name.to_owned(),
    });
    of.collect()
}

/// Words that look like a metric of ours.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    words.filter(|word| word.starts_with("dcheck_")).map(str::to_owned).collect()
}

fn unknown(text: &str) -> Vec<String> {
    named(text).difference(&samples()).cloned().collect()
}

#[test]
fn rules_and_dashboard_name_metrics_that_there_are() {
    for name in ["rules.yaml", "rules-test.yaml", "dashboard.json"] {
        assert!(!named(&text(name)).is_empty(), "{name}");
        assert_eq!(unknown(&text(name)), Vec::<String>::new(), "{name}");
    }
    // The check can fail: a counter without its `_total`, a metric of yesterday.
    for (text, gone) in [
        ("rate(dcheck_taken[5m])", "dcheck_taken"),
        ("dcheck_verdicts_total", "dcheck_verdicts_total"),
    ] {
        assert_eq!(unknown(text), [gone]);
    }
}

#[test]
fn the_dashboard_asks_by_labels_that_there_are_and_its_panels_have_places() {
    let board: Value = serde_json::from_str(&text("dashboard.json")).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let labels: BTreeSet<&str> =
        FAMILIES.iter().flat_map(|family| family.labels).copied().collect();
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let place =
            (panel["gridPos"]["x"].as_u64().unwrap(), panel["gridPos"]["y"].as_u64().unwrap());
        assert!(places.insert(place), "two panels at {place:?}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(named(target["expr"].as_str().unwrap()).len(), 1, "{target}");
            let legend = target["legendFormat"].as_str().unwrap();
            for label in legend.split("{{").skip(1).filter_map(|part| part.split_once("}}")) {
                assert!(labels.contains(label.0), "{legend}");
            }
        }
    }
}

#[test]
fn every_alert_is_tested_to_fire_and_to_stay_silent() {
    let (rules, tests) = (text("rules.yaml"), text("rules-test.yaml"));
    let alerts: Vec<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 10);
    for alert in alerts {
        assert!(tests.contains(&format!("alertname: {alert}}}")), "{alert}: silent");
        assert!(
            tests.contains(&format!("alertname: {alert}\n        exp_alerts:")),
            "{alert}: fires"
        );
    }
}

fn promtool(args: &[&str]) -> Option<(bool, String)> {
    let Ok(output) = Command::new("promtool").args(args).output() else {
        let needed = std::env::var("LOSSDRILL_NEED_SERVERS").is_ok_and(|value| value == "1");
        let missing = "promtool is missing: run `ci/setup --prometheus`";
        assert!(!needed, "LOSSDRILL_NEED_SERVERS=1, and {missing}");
        eprintln!("NOT TESTED: {missing}");
        return None;
    };
    let told = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&told).into_owned()))
}

#[test]
fn promtool_checks_and_tests_the_rules() {
    let path = |name: &str| file(name).display().to_string();
    let Some((fine, told)) = promtool(&["check", "rules", &path("rules.yaml")]) else { return };
    assert!(fine && told.contains("12 rules found"), "{told}");
    let (fine, told) = promtool(&["test", "rules", &path("rules-test.yaml")]).unwrap();
    assert!(fine, "{told}");
    // Spoilt rules are told: a bracket, a threshold.
    let dir = tempfile::tempdir().unwrap();
    let spoilt = |rules: String| {
        std::fs::write(dir.path().join("rules.yaml"), rules).unwrap();
        std::fs::copy(file("rules-test.yaml"), dir.path().join("rules-test.yaml")).unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let check = promtool(&["check", "rules", &path("rules.yaml")]).unwrap();
        (check.0, promtool(&["test", "rules", &path("rules-test.yaml")]).unwrap().0)
    };
    let rules = text("rules.yaml");
    assert_eq!(spoilt(rules.replace("dcheck_blind > 0", "dcheck_blind > (0")), (false, false));
    assert_eq!(spoilt(rules.replace("dcheck_blind > 0", "dcheck_blind > 2")), (true, false));
}

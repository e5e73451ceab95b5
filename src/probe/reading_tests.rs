//! Messages of foreign reconcilers, read by maps.

use serde_json::json;

use super::*;
use crate::config::Settings;

/// A feed as the configuration would give it.
fn feed(topic: &str, text: &str) -> Feed {
    let source = format!(
        "system_under_test: {{kind: process, command: [x], {topic}: {{from: webhook, {text}}}}}\n"
    );
    let system = Settings::parse("f.yaml", &source).expect("no mistakes").system_under_test;
    system.alerts.or(system.plans).expect("a feed")
}

const MAP: &str = "items: '$.events[*]', map: {rule: $.check, subject_kind: $.what.type, subject: $.what.id, \
                   at_risk: '{$.amount} {$.currency}', occurrence: $.row, fingerprint: '{$.check}:{$.row}'}";

fn theirs() -> Value {
    json!({"events": [{
        "check": "LOW_PRICE", "what": {"type": "item", "id": "SKU-1"}, "amount": "1799.10",
        "currency": "CNY", "row": 77,
    }]})
}

fn names() -> RuleNames {
    let pair = |a: &str, b: &str| BTreeMap::from([(a.to_owned(), b.to_owned())]);
    RuleNames {
        ours: pair("LOW_PRICE", "bid-below-market"),
        loss_points: pair("bid-below-market", "bid-below-market"),
    }
}

#[test]
fn an_alert_of_ones_own_format_becomes_ours() {
    let reading = Reading::of(Topic::Alerts, &feed("alerts", MAP), names());
    let events = reading.events(theirs().to_string().as_bytes()).unwrap();
    let [Event::Alerted { alert }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(
        (alert.rule.as_str(), alert.loss_point.as_str()),
        ("bid-below-market", "bid-below-market")
    );
    assert_eq!(alert.subject, Subject::new("item", "SKU-1"));
    assert_eq!(alert.at_risk, Some(Money::cny(179_910)));
    assert_eq!(alert.fingerprint, "LOW_PRICE:77");
    assert_eq!((alert.state, alert.starts_at.as_str()), (AlertState::Firing, ""));
}

#[test]
fn what_cannot_be_read_is_refused_with_its_field() {
    let reading = Reading::of(Topic::Alerts, &feed("alerts", MAP), names());
    for (change, value, expect) in [
        ("/events/0/check", Value::Null, "`rule` (at $.check) is missing"),
        ("/events/0/what/id", json!(""), "`subject` (at $.what.id) is missing"),
        ("/events/0/amount", json!(1799.1), "floating number"),
        ("/events/0/amount", json!("much"), "at_risk"),
        ("/events/0/row", Value::Null, "`fingerprint`"),
        ("/events", json!([]), "there is no alert in it"),
    ] {
        let mut body = theirs();
        *body.pointer_mut(change).expect("it is there") = value;
        let error = reading.events(body.to_string().as_bytes()).unwrap_err();
        assert!(error.contains(expect), "{change}: {error}");
    }
}

#[test]
fn a_map_over_alertmanager_changes_only_what_it_names() {
    let text = "format: alertmanager-v4, map: {subject: $.labels.order, subject_kind: order}";
    let reading = Reading::of(Topic::Alerts, &feed("alerts", text), RuleNames::default());
    let body = json!({"alerts": [{
        "status": "firing", "labels": {"alertname": "r", "order": "O-1"},
        "startsAt": "2026-01-05T02:00:00Z", "fingerprint": "f",
    }]});
    let events = reading.events(body.to_string().as_bytes()).unwrap();
    let [Event::Alerted { alert }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((alert.rule.as_str(), &alert.subject), ("r", &Subject::new("order", "O-1")));
}

#[test]
fn a_plan_of_ones_own_format_becomes_ours() {
    let text = "map: {plan: $.p, run_id: $.id, state: $.s, effect: $.e, subject_kind: item, subject: $.sku}";
    let reading = Reading::of(Topic::Plans, &feed("plans", text), RuleNames::default());
    let body =
        json!({"p": "take-off-sale", "id": 7, "s": "effective", "e": "stops buy", "sku": "S"});
    let events = reading.events(body.to_string().as_bytes()).unwrap();
    let [Event::PlanRan { run }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((run.run_id.as_str(), run.state), ("7", PlanState::Effective));
    assert_eq!(run.effect, Effect::Stops("buy".into()));
    assert_eq!(run.scope, [Subject::new("item", "S")]);
    for (field, word, expect) in [("s", "done", "none of armed"), ("e", "stop", "`stops ACT`")] {
        let mut body = body.clone();
        body[field] = json!(word);
        let error = reading.event(&body).unwrap_err();
        assert!(error.contains(expect), "{error}");
    }
}

#[test]
fn a_watermark_by_map_and_by_shape() {
    let source = "system_under_test: {kind: process, command: [x], watermark: \
                  {from: poll, url: u, map: {settled: $.done, read.binlog: $.pos.mysql, busy: $.work}}}\n";
    let system = Settings::parse("f.yaml", source).expect("no mistakes").system_under_test;
    let map = system.watermark.expect("it is read").map;
    let read = watermark(&map, br#"{"done": 4, "pos": {"mysql": 5}, "work": 1}"#).unwrap();
    assert_eq!((read.settled, read.read["binlog"], read.clock.busy), (4, 5, 1));
    let error = watermark(&map, br#"{"pos": {"mysql": 5}}"#).unwrap_err();
    assert!(error.contains("`settled` (at $.done) is missing"), "{error}");
    let error = watermark(&map, br#"{"done": "four"}"#).unwrap_err();
    assert!(error.contains("no whole number"), "{error}");
    let own =
        br#"{"read": {}, "settled": 1, "checkpoint": 0, "now": "x", "offset_ms": 0, "busy": 0}"#;
    assert_eq!(watermark(&Mapping::new(), own).unwrap().settled, 1);
}

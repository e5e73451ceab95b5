//! The inbox by real HTTP on the loopback.

use serde_json::{Value, json};

use super::super::recorder::tests::Recording;
use super::*;
use crate::journal::Phase;
use crate::money::Money;

fn webhook(change: impl Fn(&mut Value)) -> Value {
    let mut alert = json!({
        "status": "firing",
        "labels": {
            "alertname": "refund-paid-twice", "loss_point": "refund-exceeds-payment",
            "subject_kind": "refund", "subject": "R-1", "occurrence": "T-9", "severity": "P0",
        },
        "annotations": {"at_risk": "199.00 CNY", "expected": "1 payout", "actual": "2 payouts"},
        "startsAt": "2026-01-05T02:00:00.123Z",
        "fingerprint": "abc",
    });
    change(&mut alert);
    json!({
        "version": "4", "groupKey": "g", "status": "firing", "receiver": "lossdrill",
        "alerts": [alert],
    })
}

async fn post(url: &str, body: String) -> u16 {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.post(url).body(body).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn an_alert_is_stamped_and_kept_each_time() {
    let recording = Recording::start();
    let inbox = Inbox::start(recording.recorder.clone()).await.unwrap();
    recording.recorder.set_phase(Phase::Judge);
    recording.recorder.clock().advance(1, 60_000);
    for _ in 0..2 {
        assert_eq!(post(&inbox.alerts_url(), webhook(|_| ()).to_string()).await, 200);
    }
    assert_eq!(inbox.activity(), 2);
    let entries = recording.entries();
    assert_eq!(entries.len(), 2, "the judge tells repeats apart, not the inbox");
    assert_eq!(entries[0].phase, Phase::Judge);
    assert!(entries[0].cell_ms.unwrap() >= 1_060_000);
    let Event::Alerted { alert } = &entries[0].event else { panic!("{entries:?}") };
    assert_eq!(alert.at_risk, Some(Money::cny(19_900)));
    assert_eq!(alert.subject.to_string(), "refund \"R-1\"");
    assert_eq!((alert.rule.as_str(), alert.occurrence.as_str()), ("refund-paid-twice", "T-9"));
}

#[tokio::test]
async fn bad_posts_are_refused_and_noted() {
    let recording = Recording::start();
    let inbox = Inbox::start(recording.recorder.clone()).await.unwrap();
    for (body, expect) in [
        ("not json".to_owned(), "expected ident"),
        (
            webhook(|a| a["labels"]["subject"] = json!("")).to_string(),
            "`subject` (at $.labels.subject) is missing",
        ),
        (webhook(|a| a["annotations"]["at_risk"] = json!("199")).to_string(), "has no currency"),
        (webhook(|a| a["startsAt"] = json!("now")).to_string(), "starts_at `now`"),
        (webhook(|a| a["status"] = json!("on")).to_string(), "state `on`"),
        (
            webhook(|a| a["fingerprint"] = json!("")).to_string(),
            "`fingerprint` (at $.fingerprint) is missing",
        ),
    ] {
        assert_eq!(post(&inbox.alerts_url(), body).await, 400, "{expect}");
        match recording.events().pop() {
            Some(Event::Note { text }) => assert!(text.contains(expect), "{text}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(post(&inbox.plans_url(), "{}".into()).await, 400);
    assert_eq!(inbox.activity(), 7);
}

#[tokio::test]
async fn a_plan_run_is_kept() {
    let recording = Recording::start();
    let inbox = Inbox::start(recording.recorder.clone()).await.unwrap();
    let run = json!({
        "plan": "refund-breaker", "run_id": "r1", "alert": "abc", "rule": "refund-paid-twice",
        "scope": [{"kind": "channel", "id": "alipay"}], "effect": {"stops": "refund"},
        "state": "effective", "started_at": "x", "updated_at": "y",
    });
    assert_eq!(post(&inbox.plans_url(), run.to_string()).await, 200);
    let events = recording.events();
    assert!(matches!(&events[0], Event::PlanRan { run } if run.run_id == "r1"), "{events:?}");
}

#[tokio::test]
async fn between_scenarios_nothing_is_taken_and_after_the_drop_nobody_listens() {
    let recording = Recording::start();
    let inbox = Inbox::start(recording.recorder.clone()).await.unwrap();
    recording.recorder.set_scribe(None);
    assert_eq!(post(&inbox.alerts_url(), webhook(|_| ()).to_string()).await, 503);
    let address = inbox.address();
    drop(inbox);
    let gone = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let limit = std::time::Duration::from_secs(5);
    tokio::time::timeout(limit, gone).await.expect("the listener is closed");
    assert_eq!(recording.events(), []);
}

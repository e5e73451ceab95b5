//! A polled feed by real HTTP on the loopback; MySQL and Kafka are in `tests/foreign.rs`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::super::recorder::tests::Recording;
use super::super::{Inbox, Topic};
use super::*;
use crate::journal::Event;

/// What the stand-in tells.
#[derive(Default)]
struct Told {
    alerts: Mutex<Vec<Value>>,
    is_up: AtomicBool,
}

async fn alerts(State(told): State<Arc<Told>>) -> Result<Json<Value>, StatusCode> {
    match told.is_up.load(Ordering::Acquire) {
        true => Ok(Json(told.alerts.lock().unwrap().clone().into())),
        false => Err(StatusCode::SERVICE_UNAVAILABLE),
    }
}

fn alert(subject: &str) -> Value {
    json!({
        "rule": "r", "loss_point": "p", "subject": {"kind": "item", "id": subject}, "occurrence": "o",
        "severity": "P0", "starts_at": "2026-01-05T02:00:00Z", "state": "firing", "fingerprint": subject,
    })
}

/// A stand-in that tells `first`, and an inbox that follows it.
async fn followed(first: &[Value], is_up: bool) -> (Arc<Told>, Recording, Inbox) {
    let told = Arc::new(Told { alerts: Mutex::new(first.to_vec()), is_up: is_up.into() });
    let router = Router::new().route("/alerts", get(alerts)).with_state(told.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/alerts", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let recording = Recording::start();
    let mut inbox = Inbox::start(recording.recorder.clone()).await.unwrap();
    let source = FeedSource::Poll { url };
    // In our own shape: neither a map nor Alertmanager's places.
    let reading = Reading { topic: Topic::Alerts, ..Reading::builtin(Topic::Plans) };
    inbox.follow(FeedAt { source, reading }).await;
    (told, recording, inbox)
}

/// The subjects in the journal, once there are `count` of them.
async fn subjects(recording: &Recording, count: usize) -> Vec<String> {
    let started = Instant::now();
    loop {
        let events = recording.events();
        let alerted = events.iter().filter_map(|event| match event {
            Event::Alerted { alert } => Some(alert.subject.id.clone()),
            _ => None,
        });
        let found: Vec<String> = alerted.collect();
        if found.len() >= count {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{events:?}");
        sleep(ASK_PAUSE).await;
    }
}

#[tokio::test]
async fn a_polled_alert_counts_once_and_an_old_one_never() {
    let (told, recording, inbox) = followed(&[alert("old")], true).await;
    told.alerts.lock().unwrap().extend([alert("new"), alert("newer")]);
    assert_eq!(subjects(&recording, 2).await, ["new", "newer"]);
    // Another round of answers, which tell the same.
    sleep(ASK_PAUSE * 4).await;
    assert_eq!((subjects(&recording, 2).await.len(), inbox.activity()), (2, 2));
}

#[tokio::test]
async fn who_answers_late_has_nothing_old_and_its_trouble_is_told_once() {
    let (told, recording, _inbox) = followed(&[alert("first")], false).await;
    sleep(ASK_PAUSE * 4).await;
    told.is_up.store(true, Ordering::Release);
    assert_eq!(subjects(&recording, 1).await, ["first"]);
    let notes = recording.events().into_iter().filter(|event| match event {
        Event::Note { text } => text.contains("feed of alerts") && text.contains("503"),
        _ => false,
    });
    assert_eq!(notes.count(), 1);
}

#[tokio::test]
async fn a_message_that_is_no_alert_is_noted() {
    let (told, recording, inbox) = followed(&[], true).await;
    told.alerts.lock().unwrap().extend([json!({"rule": 7}), alert("good")]);
    assert_eq!(subjects(&recording, 1).await, ["good"]);
    let noted = |event: &Event| matches!(event, Event::Note { text } if text.contains("no alert"));
    assert!(recording.events().iter().any(noted));
    assert_eq!(inbox.activity(), 2);
}

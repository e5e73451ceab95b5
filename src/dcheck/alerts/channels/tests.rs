//! Each kind of channel against a stand-in: what it tells, and what counts as acknowledged.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::any;
use serde_json::{Value, json};

use super::*;
use crate::clock::CellTime;
use crate::dcheck::alerts::webhook::{group_body, single, webhook_alert};
use crate::money::Money;
use crate::wire::{Alert, AlertState, Subject};

const START: CellTime = CellTime(1_767_578_400_123);

fn alert(id: &str, state: AlertState) -> WebhookAlert {
    let alert = Alert {
        rule: "refund-paid-twice".into(),
        loss_point: "refund-paid-twice".into(),
        subject: Subject::new("refund", id),
        occurrence: "T-2".into(),
        severity: "P0".into(),
        at_risk: Some(Money::cny(19_900)),
        expected: "1 payout".into(),
        actual: "2 payouts".into(),
        position: "channel.flow/0:17".into(),
        starts_at: crate::clock::rfc3339(START.0),
        state,
        fingerprint: format!("print-{id}"),
    };
    let ends_at = (state == AlertState::Resolved).then_some(START.plus_ms(1_000));
    webhook_alert(&alert, ends_at)
}

type Heard = Arc<Mutex<Vec<(String, HeaderMap, Value)>>>;

/// A receiver that answers everything with `status`.
async fn receiver(status: u16) -> (Heard, String) {
    async fn take(
        State((heard, status)): State<(Heard, u16)>,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> StatusCode {
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        heard.lock().unwrap().push((uri.path().to_owned(), headers, body));
        StatusCode::from_u16(status).unwrap()
    }
    let heard = Heard::default();
    let router = Router::new().fallback(any(take)).with_state((heard.clone(), status));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (heard, url)
}

fn open(spec: ChannelSpec) -> Channel {
    Channel::new(spec, reqwest::Client::builder().no_proxy().build().unwrap())
}

fn generic(url: &str, body: Option<Value>) -> ChannelSpec {
    let headers = vec![("authorization".to_owned(), "Bearer t".to_owned())];
    ChannelSpec::Webhook { url: url.to_owned(), headers, body }
}

#[tokio::test]
async fn only_2xx_is_an_acknowledgement() {
    for (status, acknowledged) in [(200, true), (202, true), (204, true), (301, false)]
        .into_iter()
        .chain([(400, false), (404, false), (500, false), (503, false)])
    {
        let (_, url) = receiver(status).await;
        for spec in [
            ChannelSpec::WebhookV4 { url: url.clone() },
            ChannelSpec::Alertmanager { url: url.clone() },
            generic(&url, None),
        ] {
            let told = open(spec.clone()).tell(&single(alert("R-1", AlertState::Firing))).await;
            assert_eq!(told.is_ok(), acknowledged, "{status} of {spec:?}: {told:?}");
        }
    }
    let gone = open(ChannelSpec::Alertmanager { url: "http://127.0.0.1:1".into() });
    let why = gone.tell(&single(alert("R-1", AlertState::Firing))).await.unwrap_err();
    assert!(why == "http://127.0.0.1:1 cannot be reached", "{why}");
}

#[tokio::test]
async fn alertmanager_is_told_an_end_only_where_there_is_one() {
    let (heard, url) = receiver(200).await;
    let channel = open(ChannelSpec::Alertmanager { url: format!("{url}/") });
    let both = vec![alert("R-1", AlertState::Firing), alert("R-2", AlertState::Resolved)];
    channel.tell(&group_body(Default::default(), both)).await.unwrap();
    channel.beat(&[]).await.unwrap().unwrap();
    let heard = heard.lock().unwrap();
    assert_eq!(heard[0].0, "/api/v2/alerts");
    let told = heard[0].2.as_array().unwrap();
    assert_eq!(told[0]["labels"]["subject"], "R-1");
    assert_eq!(told[0]["annotations"]["at_risk"], "199.00 CNY");
    assert_eq!((&told[0]["startsAt"], &told[0]["endsAt"]), (&told[1]["startsAt"], &Value::Null));
    assert_eq!(told[1]["endsAt"], "2026-01-05T02:00:01.123Z");
    assert_eq!(heard[1].2, json!([]), "a heartbeat tells nothing");
}

#[tokio::test]
async fn a_template_is_filled_once_and_without_one_all_is_told() {
    let (heard, url) = receiver(200).await;
    let template = json!({"text": "${rule} ${subject}: ${at_risk} (${status}) ${other}", "n": 1});
    let mut odd = alert("${count}", AlertState::Firing);
    odd.annotations.remove("summary");
    open(generic(&url, Some(template))).tell(&single(odd)).await.unwrap();
    open(generic(&url, None)).tell(&single(alert("R-1", AlertState::Resolved))).await.unwrap();
    let heard = heard.lock().unwrap();
    assert_eq!(heard[0].1["authorization"], "Bearer t");
    let text = "refund-paid-twice ${count}: 199.00 CNY (firing) ${other}";
    assert_eq!(heard[0].2, json!({"text": text, "n": 1}));
    let full = &heard[1].2;
    assert_eq!((&full["status"], &full["count"]), (&json!("resolved"), &json!(1)));
    let told: Alert = serde_json::from_value(full["alerts"][0].clone()).unwrap();
    assert_eq!((told.state, told.at_risk), (AlertState::Resolved, Some(Money::cny(19_900))));
    assert_eq!(told.position, "channel.flow/0:17");
}

#[tokio::test]
async fn a_log_gets_a_line_for_each_alert_and_fails_where_it_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alerts.ndjson");
    let channel = open(ChannelSpec::Log { path: path.clone() });
    channel.beat(&[]).await.unwrap().unwrap();
    for id in ["R-1", "R-2"] {
        let both = vec![alert(id, AlertState::Firing), alert(id, AlertState::Resolved)];
        channel.tell(&group_body(Default::default(), both)).await.unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Alert> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let subjects: Vec<&str> = lines.iter().map(|line| line.subject.id.as_str()).collect();
    assert_eq!(subjects, ["R-1", "R-1", "R-2", "R-2"]);
    let nowhere = open(ChannelSpec::Log { path: dir.path().join("none/alerts") });
    let why = nowhere.tell(&single(alert("R-1", AlertState::Firing))).await.unwrap_err();
    assert!(why.starts_with("alert log "), "{why}");
}

#[tokio::test]
async fn a_broker_that_is_not_there_acknowledges_nothing() {
    let spec = ChannelSpec::Kafka { brokers: "127.0.0.1:1".into(), topic: "alerts".into() };
    let channel = open(spec);
    let told = channel.tell(&single(alert("R-1", AlertState::Firing))).await;
    assert!(told.unwrap_err().starts_with("topic alerts at 127.0.0.1:1: "));
    assert!(channel.beat(&[]).await.unwrap().is_err());
}

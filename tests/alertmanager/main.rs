//! dcheck's alerts and the real Alertmanager (Debian's package, `ci/setup --alertmanager`): it takes them, shows them at its own
//! `/api/v2/alerts`, is reminded of them, and sees their end.
//!
//! Each test starts an Alertmanager of its own on a free port, with a configuration and a folder of its own. The second test has
//! dcheck as a process before it, on real servers: silences, kills, a dead Alertmanager, and a topic that takes over.
//! Not covered: a cluster of Alertmanagers; another version than Debian's.

#![cfg(all(feature = "harness", feature = "shop", feature = "dcheck"))]

#[path = "../dcheck/cell.rs"]
#[allow(dead_code)] // what other cases of it need
mod cell;
mod manager;
mod process;
#[path = "../servers/mod.rs"]
mod servers;

use std::time::Duration;

use lossdrill::clock::{CellTime, wall_ms};
use lossdrill::dcheck::alerts::{
    Channel, ChannelSpec, Ladder, Routes, Way, fingerprint, webhook_body,
};
use lossdrill::money::Money;
use lossdrill::wire::{Alert, AlertState, Subject};

use manager::Manager;

fn alert(id: &str, state: AlertState, starts: CellTime) -> Alert {
    let subject = Subject::new("refund", id);
    Alert {
        rule: "refund-paid-twice".into(),
        loss_point: "refund-paid-twice".into(),
        occurrence: "T-2".into(),
        severity: "P0".into(),
        at_risk: Some(Money::cny(19_900)),
        expected: "1 payout".into(),
        actual: "2 payouts".into(),
        position: "channel.flow/0:17".into(),
        starts_at: lossdrill::clock::rfc3339(starts.0),
        state,
        fingerprint: fingerprint("refund-paid-twice", &subject, "T-2"),
        subject,
    }
}

fn routes(url: &str) -> Routes {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let channel = Channel::new(ChannelSpec::Alertmanager { url: url.to_owned() }, http);
    Routes::new(Way::new(channel, None), None, Ladder::Eager)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_takes_an_alert_forgets_it_unless_reminded_and_sees_its_end() {
    if !manager::is_here() {
        return;
    }
    let mut manager = Manager::new("2s").await;
    let routes = routes(&manager.url());
    let start = CellTime(wall_ms());
    let firing = |id: &str| webhook_body(&alert(id, AlertState::Firing, start), None);
    routes.post(&firing("R-1")).await.unwrap();
    routes.post(&firing("R-2")).await.unwrap();
    manager.shows("refund-paid-twice", &["R-1", "R-2"]).await;
    let shown = manager.alerts().await;
    let one = shown.iter().find(|alert| alert["labels"]["subject"] == "R-1").unwrap();
    assert_eq!(one["annotations"]["at_risk"], "199.00 CNY");
    assert_eq!(one["labels"]["severity"], "P0");
    assert_eq!(one["status"]["state"], "active");
    // Its `resolve_timeout` is short here: what it is not told again it takes for ended.
    manager.shows("refund-paid-twice", &[]).await;
    for _ in 0..3 {
        routes.beat().await;
    }
    manager.shows("refund-paid-twice", &["R-1", "R-2"]).await;
    let end = CellTime(wall_ms());
    let ended = webhook_body(&alert("R-1", AlertState::Resolved, start), Some(end));
    routes.post(&ended).await.unwrap();
    manager.shows("refund-paid-twice", &["R-2"]).await;
    for _ in 0..3 {
        routes.beat().await;
    }
    manager.shows("refund-paid-twice", &["R-2"]).await;
    manager.tells("resolved", "R-1").await;
    // A restart of it forgets everything at once.
    manager.kill();
    assert!(routes.post(&firing("R-3")).await.is_err(), "nobody acknowledges");
    manager.forget();
    manager.start().await;
    for _ in 0..3 {
        routes.beat().await;
    }
    manager.shows("refund-paid-twice", &["R-2"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_refuses_is_no_acknowledgement() {
    if !manager::is_here() {
        return;
    }
    let manager = Manager::new("5m").await;
    let routes = routes(&manager.url());
    let tomorrow = CellTime(wall_ms()).plus(Duration::from_secs(86_400));
    let body = webhook_body(&alert("R-9", AlertState::Firing, tomorrow), None);
    let why = routes.post(&body).await.unwrap_err();
    assert!(why.ends_with("answers 400 Bad Request"), "{why}");
    assert_eq!(manager.alerts().await.len(), 0);
}

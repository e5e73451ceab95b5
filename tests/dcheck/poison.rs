//! Messages that nobody can decode.

use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;

use crate::cases::ALL;
use crate::cell::Cell;
use crate::servers::Servers;

const FLOW: &str = "channel.flow";

/// The dead letters of a topic as (reason, offset, content), as soon as there are so many.
fn letters(cell: &Cell, count: usize) -> Vec<(String, String, Vec<u8>)> {
    let consumer: BaseConsumer = cell
        .client()
        .set("group.id", "letters")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[&format!("{}.dead-letter", cell.topic(FLOW))]).unwrap();
    let (from, mut found) = (Instant::now(), Vec::new());
    while found.len() < count && from.elapsed() < Duration::from_secs(20) {
        let Some(Ok(letter)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let headers = letter.headers().expect("headers");
        let of = |key: &str| {
            let header = headers.iter().find(|header| header.key == key);
            let value = header.and_then(|header| header.value).unwrap_or_default();
            String::from_utf8(value.to_vec()).unwrap()
        };
        assert_eq!((of("dcheck-topic"), of("dcheck-partition")), (cell.topic(FLOW), "0".into()));
        assert!(!of("dcheck-error").is_empty());
        let content = letter.payload().unwrap_or_default().to_vec();
        found.push((of("dcheck-reason"), of("dcheck-offset"), content));
    }
    found
}

pub async fn undecodable_messages_are_kept_counted_and_told(servers: &Servers) {
    let mut cell = Cell::new(servers, "poison", None).await;
    for bad in ["{\"amount\":", "[1]", "no json", "{", "7"] {
        cell.send(FLOW, bad).await;
    }
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    assert!(cell.alerts("messages-undecodable").is_empty(), "five are borne");
    let found = tokio::task::block_in_place(|| letters(&cell, 5));
    let expect = [("no-json", "1"), ("no-object", "2"), ("no-json", "3"), ("no-json", "4")];
    for ((reason, offset), letter) in expect.iter().zip(&found) {
        assert_eq!((letter.0.as_str(), letter.1.as_str()), (*reason, *offset), "{found:?}");
    }
    assert_eq!(found[0].2, b"{\"amount\":");
    cell.send(FLOW, "the sixth").await;
    cell.until("the alert", |heard| !heard.alerts.lock().unwrap().is_empty()).await;
    let told = cell.alerts("messages-undecodable");
    assert_eq!((told.len(), told[0].0.as_str()), (1, "channel.flow/0"));
    let metrics = cell.text("metrics").await;
    let line = "dcheck_source_undecodable_total{source=\"channel.flow/0\",reason=\"no-json\"} 4";
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    cell.advance(601_000).await;
    cell.until("its end", |heard| heard.alerts.lock().unwrap().len() == 2).await;
    assert_eq!(cell.alerts("messages-undecodable")[1].1, "resolved");
}

//! The delivery of a held message into a real Kafka (`servers/mod.rs` says where from). The shop
//! here is a stand-in that only knows the held message.

#![cfg(all(feature = "harness", feature = "shop"))]

mod servers;

use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use lossdrill::clock::{CellTime, monotonic_us};
use lossdrill::journal::{Act, Outcome};
use lossdrill::platform::{Builtin, Platform};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(5);

/// A stand-in of the shop: it holds one message back.
async fn shop() -> String {
    let held = json!({
        "topic": "refund.events", "key": "O-1",
        "payload": {"type": "refund-approved", "refund": "R-1", "amount": "199.00 CNY"},
    });
    let router = Router::new().route("/refunds/R-1/message", get(|| async { Json(held) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// Keys and payloads in `topic`, read until `count` of them and one poll more.
fn read_all(bootstrap: &str, topic: &str, count: usize) -> Vec<(String, String)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "test")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    let mut read = Vec::new();
    let text =
        |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
    while let Some(message) =
        consumer.poll(if read.len() < count { LIMIT } else { Duration::from_millis(200) })
    {
        let message = message.unwrap();
        read.push((text(message.key()), text(message.payload())));
    }
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_message_is_delivered_as_often_as_ordered() {
    let Some(servers) = servers::up() else { return };
    let bootstrap = servers.kafka().endpoint.to_string();
    let topic_prefix = format!("platform_{}.", monotonic_us());
    let topic = format!("{topic_prefix}refund.events");
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &bootstrap).create().unwrap();
    let fresh = [NewTopic::new(&topic, 1, TopicReplication::Fixed(1))];
    for made in admin.create_topics(&fresh, &AdminOptions::new()).await.unwrap() {
        made.unwrap();
    }
    let shop_url = shop().await;
    let at = Builtin {
        channel_url: shop_url.clone(),
        shop_url,
        bootstrap: bootstrap.clone(),
        topic_prefix,
    };
    let platform = Platform::builtin(&at).unwrap();
    let deliver = |refund: &str, times| Act::DeliverApproval { refund: refund.to_owned(), times };
    assert_eq!(platform.apply(&deliver("R-1", 2), CellTime(0)).await, Outcome::Ok);
    let unknown = platform.apply(&deliver("R-2", 2), CellTime(0)).await;
    assert!(matches!(unknown, Outcome::Refused { .. }), "{unknown:?}");
    let read = tokio::task::spawn_blocking(move || read_all(&bootstrap, &topic, 2)).await.unwrap();
    let payload = r#"{"type":"refund-approved","refund":"R-1","amount":"199.00 CNY"}"#;
    assert_eq!(read, [("O-1".to_owned(), payload.to_owned()), ("O-1".into(), payload.into())]);
}

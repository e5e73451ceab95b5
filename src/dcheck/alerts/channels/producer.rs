//! One producer of Kafka records, for whoever tells or acts by a topic.
//!
//! Owns how a record is sent: acknowledged by every replica in sync, in order, within a limit. Made at the first record, so that who
//! sends none has no connection. Must not know what a record says.

use std::sync::OnceLock;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

/// A record that is not acknowledged by then is for the caller to send again.
const RECORD_LIMIT: Duration = Duration::from_secs(3);

pub struct Producer {
    brokers: String,
    client: &'static str,
    made: OnceLock<Result<FutureProducer, String>>,
}

impl Producer {
    /// `client` is the name that the broker sees.
    pub fn new(brokers: &str, client: &'static str) -> Producer {
        Producer { brokers: brokers.to_owned(), client, made: OnceLock::new() }
    }

    /// The client itself, for questions to the broker.
    pub fn get(&self) -> Result<&FutureProducer, String> {
        let make = || {
            let mut config = ClientConfig::new();
            config
                .set("bootstrap.servers", &self.brokers)
                .set("client.id", self.client)
                .set("broker.address.family", "v4")
                .set("enable.idempotence", "true")
                .set("acks", "all")
                .set("message.timeout.ms", RECORD_LIMIT.as_millis().to_string())
                .set("log_level", "0");
            config.create().map_err(|error| error.to_string())
        };
        self.made.get_or_init(make).as_ref().map_err(Clone::clone)
    }

    /// Partition and offset of the record; an error says why it was not acknowledged.
    pub async fn send(
        &self,
        topic: &str,
        key: &str,
        headers: &[(&str, &str)],
        value: &str,
    ) -> Result<(i32, i64), String> {
        let mut own = OwnedHeaders::new_with_capacity(headers.len());
        for (key, value) in headers {
            own = own.insert(Header { key, value: Some(*value) });
        }
        let record = FutureRecord::to(topic).key(key).payload(value).headers(own);
        let sent = self.get()?.send(record, RECORD_LIMIT).await;
        let sent = sent.map_err(|(error, _)| self.named(topic, &error.to_string()))?;
        Ok((sent.partition, sent.offset))
    }

    pub fn named(&self, topic: &str, why: &str) -> String {
        format!("topic {topic} at {}: {why}", self.brokers)
    }
}

//! Delivering a held message: copies of it, straight into its topic.

use std::sync::OnceLock;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde::Deserialize;
use serde_json::Value;

/// Until a copy counts as not delivered: a healthy broker acknowledges in milliseconds.
const DELIVERY_LIMIT: Duration = Duration::from_secs(5);

/// `GET /refunds/{id}/message`: the message that the shop holds back.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct HeldMessage {
    /// Logical, without the cell's prefix.
    pub topic: String,
    pub key: String,
    pub payload: Value,
}

impl HeldMessage {
    /// The bytes as the shop would send them.
    fn bytes(&self) -> String {
        match &self.payload {
            Value::String(text) => text.clone(),
            json => json.to_string(),
        }
    }
}

/// Produces to the cell's topics, direct. Connects at its first delivery: most scenarios hold nothing back.
pub(super) struct Courier {
    producer: OnceLock<FutureProducer>,
    bootstrap: String,
    topic_prefix: String,
}

impl Courier {
    pub fn new(bootstrap: &str, topic_prefix: &str) -> Courier {
        let (bootstrap, topic_prefix) = (bootstrap.to_owned(), topic_prefix.to_owned());
        Courier { producer: OnceLock::new(), bootstrap, topic_prefix }
    }

    fn producer(&self) -> Result<&FutureProducer, KafkaError> {
        if let Some(made) = self.producer.get() {
            return Ok(made);
        }
        let made = ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .set("broker.address.family", "v4")
            .set("linger.ms", "0")
            // So that a retry inside the client never makes a copy more than was ordered.
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", DELIVERY_LIMIT.as_millis().to_string())
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "200")
            .set("retry.backoff.ms", "50")
            .create()?;
        Ok(self.producer.get_or_init(|| made))
    }

    /// Delivers `times` copies, one after the other, each acknowledged. On an error says how many
    /// were.
    pub async fn deliver(
        &self,
        message: &HeldMessage,
        times: u32,
    ) -> Result<(), (u32, KafkaError)> {
        let producer = self.producer().map_err(|error| (0, error))?;
        let topic = format!("{}{}", self.topic_prefix, message.topic);
        let bytes = message.bytes();
        for copy in 0..times {
            let record = FutureRecord::to(&topic).key(&message.key).payload(&bytes);
            let sent = producer.send(record, DELIVERY_LIMIT).await;
            sent.map_err(|(error, _)| (copy, error))?;
        }
        Ok(())
    }
}

impl Drop for Courier {
    /// The client joins its threads when it is dropped: not on a thread that runs tasks.
    fn drop(&mut self) {
        let producer = self.producer.take();
        std::thread::spawn(move || drop(producer));
    }
}

//! A topic: one record for each alert, keyed by its fingerprint, so that an alert's end stays behind its beginning.
//!
//! Owns the producer. The record's value is the alert as `scenarios/schemas/alert.json` has it; acknowledged when every replica in
//! sync has it. The topic must be there: who keeps alerts how long is not for us to say.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};

use crate::dcheck::alerts::webhook::from_webhook;
use crate::wire::WebhookAlert;

/// A record that is not acknowledged by then is sent again, by the ladder of the delivery.
const RECORD_LIMIT: Duration = Duration::from_secs(3);
/// A broker that lives answers this from memory.
const BEAT_LIMIT: Duration = Duration::from_secs(2);

pub struct KafkaChannel {
    brokers: String,
    topic: String,
    producer: Result<FutureProducer, String>,
}

impl KafkaChannel {
    pub fn new(brokers: &str, topic: &str) -> KafkaChannel {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("client.id", "dcheck-alerts")
            .set("broker.address.family", "v4")
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", RECORD_LIMIT.as_millis().to_string())
            .set("log_level", "0");
        let producer = config.create().map_err(|error| error.to_string());
        KafkaChannel { brokers: brokers.to_owned(), topic: topic.to_owned(), producer }
    }

    pub async fn tell(&self, alerts: &[WebhookAlert]) -> Result<(), String> {
        let producer = self.producer.as_ref().map_err(Clone::clone)?;
        for alert in alerts {
            let value = serde_json::to_string(&from_webhook(alert))
                .expect("invariant: an alert is plain data");
            let record = FutureRecord::to(&self.topic).key(&alert.fingerprint).payload(&value);
            let sent = producer.send(record, RECORD_LIMIT).await;
            sent.map_err(|(error, _)| self.named(&error.to_string()))?;
        }
        Ok(())
    }

    /// The broker answers, and knows the topic.
    pub async fn beat(&self) -> Result<(), String> {
        let producer = self.producer.clone()?;
        let topic = self.topic.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let client = producer.client();
            let answer = client.fetch_metadata(Some(&topic), BEAT_LIMIT);
            let answer = answer.map_err(|error| error.to_string())?;
            match answer.topics().first() {
                Some(found) if found.error().is_none() && !found.partitions().is_empty() => Ok(()),
                _ => Err("there is no such topic".to_owned()),
            }
        });
        let answer = asked.await.unwrap_or_else(|error| Err(error.to_string()));
        answer.map_err(|why| self.named(&why))
    }

    fn named(&self, why: &str) -> String {
        format!("topic {} at {}: {why}", self.topic, self.brokers)
    }
}

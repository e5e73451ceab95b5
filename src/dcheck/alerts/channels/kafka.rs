//! A topic: one record for each alert, keyed by its fingerprint, so that an alert's end stays behind its beginning.
//!
//! Owns the form. The record's value is the alert as `scenarios/schemas/alert.json` has it; acknowledged when every replica in
//! sync has it. The topic must be there: who keeps alerts how long is not for us to say.

use std::time::Duration;

use rdkafka::producer::Producer as _;

use super::producer::Producer;
use crate::dcheck::alerts::webhook::from_webhook;
use crate::wire::WebhookAlert;

/// A broker that lives answers this from memory.
const BEAT_LIMIT: Duration = Duration::from_secs(2);

pub struct KafkaChannel {
    topic: String,
    producer: Producer,
}

impl KafkaChannel {
    pub fn new(brokers: &str, topic: &str) -> KafkaChannel {
        let producer = Producer::new(brokers, "dcheck-alerts");
        KafkaChannel { topic: topic.to_owned(), producer }
    }

    pub async fn tell(&self, alerts: &[WebhookAlert]) -> Result<(), String> {
        for alert in alerts {
            let value = serde_json::to_string(&from_webhook(alert))
                .expect("invariant: an alert is plain data");
            self.producer.send(&self.topic, &alert.fingerprint, &[], &value).await?;
        }
        Ok(())
    }

    /// The broker answers, and knows the topic.
    pub async fn beat(&self) -> Result<(), String> {
        let producer = self.producer.get()?.clone();
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
        answer.map_err(|why| self.producer.named(&self.topic, &why))
    }
}

//! What is read: brokers, topics, partitions, and where each begins.

use std::collections::BTreeMap;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::StreamConsumer;
use rdkafka::error::KafkaError;

use super::place::Place;
use crate::dcheck::sources::Start;

/// How long a fetch waits at the broker for news: an arriving record ends it at once.
const FETCH_WAIT_MS: &str = "100";

/// Which partitions to read.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    pub brokers: String,
    pub group: String,
    pub prefix: String,
    /// Logical topic, partition.
    pub partitions: Vec<(String, i32)>,
    pub start: Start,
    /// Name of the topic of dead letters; empty: none.
    pub dead_letters: String,
    /// By source name (`channel.flow/0`).
    pub from: BTreeMap<String, Place>,
}

impl KafkaSettings {
    pub fn source(topic: &str, partition: i32) -> String {
        format!("{topic}/{partition}")
    }

    /// A topic as the broker calls it.
    pub fn name(&self, topic: &str) -> String {
        format!("{}{topic}", self.prefix)
    }

    /// Source names, in order.
    pub fn sources(&self) -> Vec<String> {
        self.partitions.iter().map(|(topic, part)| Self::source(topic, *part)).collect()
    }

    /// A consumer that is assigned nothing yet.
    pub(super) fn consumer(&self) -> Result<StreamConsumer, KafkaError> {
        ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", &self.group)
            .set("client.id", "dcheck")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // A log that was cut under us, or made anew, is ours to tell of: the library would go on without a word.
            .set("auto.offset.reset", "error")
            .set("broker.address.family", "v4")
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "200")
            .set("fetch.wait.max.ms", FETCH_WAIT_MS)
            .set("fetch.error.backoff.ms", "50")
            .set("retry.backoff.ms", "50")
            .set("socket.nagle.disable", "true")
            .set("topic.metadata.refresh.fast.interval.ms", "100")
            .set("allow.auto.create.topics", "false")
            .set("queued.max.messages.kbytes", "16384")
            .set("statistics.interval.ms", "0")
            // Lost connections are reported by us; librdkafka would print each on stderr.
            .set_log_level(RDKafkaLogLevel::Emerg)
            .create()
    }
}

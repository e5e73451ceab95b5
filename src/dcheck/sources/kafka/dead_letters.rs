//! Messages that cannot be decoded, kept where people can look at them: a topic of dead letters.
//!
//! Owns the producer and the name of that topic, which is made at its first letter. A letter is the message as it came (key,
//! content, headers), with headers that say why and whence. It is written before reading goes on; a restart in between
//! writes it again. Not covered: reading dead letters again once somebody has mended them.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::dcheck::sources::json::JsonError;

/// In the name of the dead letters' topic: the topic of the message.
pub const TOPIC: &str = "{topic}";

/// What one letter may take, its topic's making included: reading waits for it.
const LETTER_LIMIT: Duration = Duration::from_secs(10);
/// The same once a letter was lost: a broker that takes none must not stop the reading.
const NEXT_LIMIT: Duration = Duration::from_secs(1);
/// As the broker is set.
const REPLICAS: TopicReplication<'static> = TopicReplication::Fixed(-1);

pub struct DeadLetters {
    config: ClientConfig,
    /// With [`TOPIC`] in it; empty: no letter is written.
    name: String,
    producer: Option<FutureProducer>,
    made: BTreeSet<String>,
    /// The last one was lost.
    is_failing: bool,
}

impl DeadLetters {
    pub fn new(brokers: &str, name: &str) -> DeadLetters {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("client.id", "dcheck")
            .set("broker.address.family", "v4")
            .set("enable.idempotence", "true")
            .set("log_level", "0");
        let (producer, made) = (None, BTreeSet::new());
        DeadLetters { config, name: name.to_owned(), producer, made, is_failing: false }
    }

    /// Err: why the letter is lost.
    pub async fn put(
        &mut self,
        message: &BorrowedMessage<'_>,
        why: &JsonError,
    ) -> Result<(), String> {
        if self.name.is_empty() {
            return Ok(());
        }
        let topic = self.name.replace(TOPIC, message.topic());
        let limit = if self.is_failing { NEXT_LIMIT } else { LETTER_LIMIT };
        let written = tokio::time::timeout(limit, self.write(&topic, message, why)).await;
        let written = match written {
            Ok(written) => written.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", limit.as_secs())),
        };
        self.is_failing = written.is_err();
        written.map_err(|error| format!("dead letter to `{topic}`: {error}"))
    }

    async fn write(
        &mut self,
        topic: &str,
        message: &BorrowedMessage<'_>,
        why: &JsonError,
    ) -> Result<(), KafkaError> {
        if !self.made.contains(topic) {
            self.make(topic).await?;
            self.made.insert(topic.to_owned());
        }
        let producer = match &self.producer {
            Some(producer) => producer,
            None => self.producer.insert(self.config.create()?),
        };
        let letter: FutureRecord<'_, [u8], [u8]> = FutureRecord {
            topic,
            partition: None,
            payload: message.payload(),
            key: message.key(),
            timestamp: message.timestamp().to_millis(),
            headers: Some(headers(message, why)),
        };
        let sent = producer.send(letter, LETTER_LIMIT).await;
        sent.map(drop).map_err(|(error, _)| error)
    }

    async fn make(&self, topic: &str) -> Result<(), KafkaError> {
        let admin: AdminClient<DefaultClientContext> = self.config.create()?;
        let options = AdminOptions::new().operation_timeout(Some(LETTER_LIMIT));
        let made = admin.create_topics([&NewTopic::new(topic, 1, REPLICAS)], &options).await?;
        match made.into_iter().next() {
            Some(Err((_, code))) if code != RDKafkaErrorCode::TopicAlreadyExists => {
                Err(KafkaError::AdminOp(code))
            }
            _ => Ok(()),
        }
    }
}

fn headers(message: &BorrowedMessage<'_>, why: &JsonError) -> OwnedHeaders {
    let own = message.headers().map(|headers| headers.detach()).unwrap_or_default();
    let about = [
        ("dcheck-reason", why.reason().to_owned()),
        ("dcheck-error", why.to_string()),
        ("dcheck-topic", message.topic().to_owned()),
        ("dcheck-partition", message.partition().to_string()),
        ("dcheck-offset", message.offset().to_string()),
    ];
    about
        .iter()
        .fold(own, |all, (key, value)| all.insert(Header { key, value: Some(value.as_str()) }))
}

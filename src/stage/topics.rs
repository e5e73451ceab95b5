//! The topics of cells, created ahead: the first message to a topic that must be created first costs a second.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::cell::TOPICS;

/// The broker creates topics within 0.2 s; a loaded machine gets this much.
const CREATE_LIMIT: Duration = Duration::from_secs(30);
/// One try: a client that asked while the broker had no controller to name waits for minutes to hear of one, a new
/// client hears of it at once.
const TRY_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks whether the topics can be used.
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// Why topics cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    #[error("create topics on {kafka}: {source}")]
    Kafka { kafka: SocketAddr, source: KafkaError },
    #[error("create topic {topic} on {kafka}: {code}")]
    Refused { kafka: SocketAddr, topic: String, code: RDKafkaErrorCode },
    #[error("delete topic {topic} on {kafka}: {code}")]
    Undeleted { kafka: SocketAddr, topic: String, code: RDKafkaErrorCode },
    #[error("{topic} on {kafka} has no leader after {CREATE_LIMIT:?}")]
    Unled { kafka: SocketAddr, topic: String },
}

/// Creates the topics below `prefixes`, each on so many brokers, and returns when each can be read and written; one that
/// exists already is fine.
pub async fn create(
    kafka: SocketAddr,
    prefixes: &[String],
    brokers: usize,
) -> Result<(), TopicError> {
    let started = Instant::now();
    let names = names(prefixes);
    loop {
        match try_create(kafka, &names, brokers).await {
            Err(TopicError::Kafka { .. }) if started.elapsed() < CREATE_LIMIT => {}
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    led(kafka, names, started).await
}

/// Deletes the topics below `prefixes`, each by its name; one that is not there is fine.
pub async fn delete(kafka: SocketAddr, prefixes: &[String]) -> Result<(), TopicError> {
    let names = names_and_dead_letters(prefixes);
    if names.is_empty() {
        return Ok(());
    }
    let failed = |source| TopicError::Kafka { kafka, source };
    let admin: AdminClient<DefaultClientContext> = client(kafka).create().map_err(failed)?;
    let topics: Vec<&str> = names.iter().map(String::as_str).collect();
    let options = AdminOptions::new().operation_timeout(Some(TRY_LIMIT));
    for deleted in admin.delete_topics(&topics, &options).await.map_err(failed)? {
        match deleted {
            Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
            Err((topic, code)) => return Err(TopicError::Undeleted { kafka, topic, code }),
        }
    }
    Ok(())
}

fn names(prefixes: &[String]) -> BTreeSet<String> {
    let of = |prefix: &String| TOPICS.map(|topic| format!("{prefix}{topic}"));
    prefixes.iter().flat_map(of).collect()
}

/// The same, and what the built-in reconciler makes beside them for messages that nobody can decode.
fn names_and_dead_letters(prefixes: &[String]) -> BTreeSet<String> {
    let mut names = names(prefixes);
    names.extend(names.clone().iter().map(|name| format!("{name}.dead-letter")));
    names
}

fn client(kafka: SocketAddr) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.to_string()).set("broker.address.family", "v4");
    config
}

async fn try_create(
    kafka: SocketAddr,
    names: &BTreeSet<String>,
    brokers: usize,
) -> Result<(), TopicError> {
    let failed = |source| TopicError::Kafka { kafka, source };
    let admin: AdminClient<DefaultClientContext> = client(kafka).create().map_err(failed)?;
    let replicas = i32::try_from(brokers).expect("invariant: a handful of brokers");
    let new = |name| NewTopic::new(name, 1, TopicReplication::Fixed(replicas));
    let topics: Vec<NewTopic> = names.iter().map(|name| new(name)).collect();
    let options =
        AdminOptions::new().operation_timeout(Some(TRY_LIMIT)).request_timeout(Some(TRY_LIMIT));
    for made in admin.create_topics(&topics, &options).await.map_err(failed)? {
        match made {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            // The controller lost sight of a starved broker for a moment: no replica to place.
            Err((
                _,
                code @ (RDKafkaErrorCode::RequestTimedOut
                | RDKafkaErrorCode::InvalidReplicationFactor),
            )) => {
                return Err(failed(KafkaError::AdminOp(code)));
            }
            Err((topic, code)) => return Err(TopicError::Refused { kafka, topic, code }),
        }
    }
    Ok(())
}

/// The controller has made them; clients may use them once the broker has heard of it.
async fn led(kafka: SocketAddr, names: BTreeSet<String>, since: Instant) -> Result<(), TopicError> {
    let looked = tokio::task::spawn_blocking(move || {
        let failed = |source| TopicError::Kafka { kafka, source };
        let consumer: BaseConsumer = client(kafka).create().map_err(failed)?;
        for topic in names {
            while !is_led(&consumer, &topic) {
                if since.elapsed() > CREATE_LIMIT {
                    return Err(TopicError::Unled { kafka, topic });
                }
                std::thread::sleep(LOOK_PAUSE);
            }
        }
        Ok(())
    });
    looked.await.expect("invariant: looking does not panic")
}

fn is_led(consumer: &BaseConsumer, topic: &str) -> bool {
    let Ok(metadata) = consumer.fetch_metadata(Some(topic), TRY_LIMIT) else { return false };
    metadata.topics().iter().any(|told| {
        let partitions = told.partitions();
        !partitions.is_empty() && partitions.iter().all(|p| p.leader() >= 0)
    })
}

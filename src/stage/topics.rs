//! The topics of cells, created ahead: the first message to a topic that must be created first costs a second.

use std::net::SocketAddr;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;

use super::cell::TOPICS;

/// The broker creates topics within 0.2 s; a loaded machine gets this much.
const CREATE_LIMIT: Duration = Duration::from_secs(20);

/// Why topics cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    #[error("create topics on {kafka}: {source}")]
    Kafka { kafka: SocketAddr, source: rdkafka::error::KafkaError },
    #[error("create topic {topic} on {kafka}: {code}")]
    Refused { kafka: SocketAddr, topic: String, code: RDKafkaErrorCode },
}

/// Creates the topics of `cells`; one that exists already is fine.
pub async fn create(kafka: SocketAddr, cells: &[String]) -> Result<(), TopicError> {
    let failed = |source| TopicError::Kafka { kafka, source };
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", kafka.to_string())
        .set("broker.address.family", "v4")
        .create()
        .map_err(failed)?;
    let names: Vec<String> =
        cells.iter().flat_map(|cell| TOPICS.map(|topic| format!("{cell}.{topic}"))).collect();
    let new = |name| NewTopic::new(name, 1, TopicReplication::Fixed(1));
    let topics: Vec<NewTopic> = names.iter().map(|name| new(name)).collect();
    let options = AdminOptions::new().operation_timeout(Some(CREATE_LIMIT));
    for made in admin.create_topics(&topics, &options).await.map_err(failed)? {
        match made {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(TopicError::Refused { kafka, topic, code }),
        }
    }
    Ok(())
}

//! What is to be seen inside a Kafka broker, by this test's own client: topics, where their records begin and end, their
//! configuration, groups and what they have committed.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, TopicPartitionList};

/// A broker that is up answers at once; a starved machine is slow.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

pub fn client(at: SocketAddr) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", at.to_string()).set("broker.address.family", "v4");
    config.set("log_level", "0");
    config
}

/// One line each.
pub async fn take(at: SocketAddr) -> Result<BTreeSet<String>, String> {
    let told = |error: KafkaError| format!("kafka {at}: {error}");
    let asked = tokio::task::spawn_blocking(move || topics_and_groups(at)).await;
    let (topics, mut lines) = asked.expect("asking does not panic").map_err(told)?;
    let admin: AdminClient<DefaultClientContext> = client(at).create().map_err(told)?;
    let options = AdminOptions::new().request_timeout(Some(ANSWER_LIMIT));
    let wanted: Vec<ResourceSpecifier<'_>> =
        topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
    if wanted.is_empty() {
        return Ok(lines);
    }
    for described in admin.describe_configs(&wanted, &options).await.map_err(told)? {
        let described = described.map_err(|code| format!("kafka {at}: {code}"))?;
        let set = described.entries.iter().filter(|entry| !entry.is_default);
        for entry in set {
            let value = entry.value.as_deref().unwrap_or_default();
            lines.insert(format!("config of {:?}: {}={value}", described.specifier, entry.name));
        }
    }
    Ok(lines)
}

fn topics_and_groups(at: SocketAddr) -> Result<(Vec<String>, BTreeSet<String>), KafkaError> {
    let consumer: BaseConsumer = client(at).create()?;
    let (mut names, mut lines) = (Vec::new(), BTreeSet::new());
    let mut partitions = TopicPartitionList::new();
    let told = consumer.fetch_metadata(None, ANSWER_LIMIT)?;
    // The broker's own, which committed offsets live in, is told by those.
    for topic in told.topics().iter().filter(|topic| !topic.name().starts_with("__")) {
        names.push(topic.name().to_owned());
        for partition in topic.partitions() {
            let (name, number) = (topic.name(), partition.id());
            partitions.add_partition(name, number);
            let (begin, end) = consumer.fetch_watermarks(name, number, ANSWER_LIMIT)?;
            lines.insert(format!("topic {name}/{number}: records {begin} to {end}"));
        }
    }
    for group in consumer.fetch_group_list(None, ANSWER_LIMIT)?.groups() {
        let (name, members) = (group.name(), group.members().len());
        lines.insert(format!("group {name}: {members} members"));
        let own: BaseConsumer = client(at).set("group.id", name).create()?;
        for offset in own.committed_offsets(partitions.clone(), ANSWER_LIMIT)?.elements() {
            if let Some(at) = offset.offset().to_raw().filter(|at| *at >= 0) {
                let (topic, number) = (offset.topic(), offset.partition());
                lines.insert(format!("group {name}: {topic}/{number} read up to {at}"));
            }
        }
    }
    Ok((names, lines))
}

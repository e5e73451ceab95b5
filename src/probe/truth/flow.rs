//! Reading the marks on every partition of the cell's topics. Messages are passed over: they are
//! claims, not truth.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::Headers;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use tokio::time::sleep;

use super::Reader;
use crate::probe::aside::Aside;
use crate::probe::topics::Partition;
use crate::probe::{ProbeError, Servers};
use crate::wire::{MARK_HEADER, Mark};

/// For the first question to the broker, connection included.
const ASK_LIMIT: Duration = Duration::from_secs(5);
/// After an error of the client (the broker is away): it tries again by itself.
const ERROR_PAUSE: Duration = Duration::from_millis(20);

/// A consumer of its own, without a group's protocol and without commits.
pub(super) struct Flow {
    consumer: Aside<StreamConsumer>,
    /// Physical topic and partition -> source.
    sources: BTreeMap<(String, i32), String>,
}

/// Assigns every partition's present end. The client's questions block, so they are asked aside.
fn assign(consumer: &StreamConsumer, partitions: &[Partition]) -> Result<(), ProbeError> {
    let kafka = |what| move |source| ProbeError::Kafka { what, source };
    let mut list = TopicPartitionList::new();
    for Partition { topic, number, .. } in partitions {
        let (_, end) = consumer
            .fetch_watermarks(topic, *number, ASK_LIMIT)
            .map_err(kafka("ask for the end of a topic"))?;
        list.add_partition_offset(topic, *number, Offset::Offset(end))
            .map_err(kafka("assign a partition"))?;
    }
    consumer.assign(&list).map_err(kafka("assign the cell's partitions"))
}

impl Flow {
    /// Assigned to the present end of every partition when this returns.
    pub async fn open(servers: &Servers) -> Result<Flow, ProbeError> {
        let kafka = |what| move |source| ProbeError::Kafka { what, source };
        let consumer: StreamConsumer = ClientConfig::new()
            .set("bootstrap.servers", &servers.bootstrap)
            .set("broker.address.family", "v4")
            // Needed for any assignment; nothing joins or commits under it.
            .set("group.id", "lossdrill-truth")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // A topic that was deleted and made anew: the mark that is waited for may be its first record.
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "500")
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "200")
            .set("retry.backoff.ms", "50")
            .create()
            .map_err(kafka("make a consumer for marks"))?;
        let consumer = Aside::new(consumer);
        let partitions: Vec<Partition> = servers.topics.partitions().collect();
        let sources =
            partitions.iter().map(|at| ((at.topic.clone(), at.number), at.source.clone()));
        let sources = sources.collect();
        let started = Instant::now();
        let mut consumer = consumer;
        loop {
            // The consumer goes along with the questions and comes back.
            let asked = partitions.clone();
            let answer = tokio::task::spawn_blocking(move || {
                let assigned = assign(&consumer, &asked);
                (consumer, assigned)
            });
            let (back, assigned) = answer.await.map_err(|panic| {
                ProbeError::Unreadable(format!("the question to kafka ended: {panic}"))
            })?;
            consumer = back;
            match assigned {
                Ok(()) => break,
                Err(error) if started.elapsed() > ASK_LIMIT => return Err(error),
                // A partition that was just made may have no leader yet.
                Err(_) => sleep(ERROR_PAUSE).await,
            }
        }
        Ok(Flow { consumer, sources })
    }

    /// Reads until the task is aborted.
    pub async fn run(self, reader: Reader) {
        loop {
            let message = match self.consumer.recv().await {
                Ok(message) => message,
                Err(error) => {
                    reader.trouble(error);
                    sleep(ERROR_PAUSE).await;
                    continue;
                }
            };
            let now = reader.now();
            let is_mark = message
                .headers()
                .is_some_and(|headers| headers.iter().any(|header| header.key == MARK_HEADER));
            let place = (message.topic().to_owned(), message.partition());
            let Some(source) = self.sources.get(&place).filter(|_| is_mark) else { continue };
            match serde_json::from_slice::<Mark>(message.payload().unwrap_or_default()) {
                Ok(mark) => reader.mark(now, source, mark.seq),
                Err(error) => reader.broken(now, format!("a mark on {source} is none: {error}")),
            }
        }
    }
}

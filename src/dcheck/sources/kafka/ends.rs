//! Questions to the broker beside the reading: where logs begin and end, and which topics they are of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use super::identity::{Asker, topic_ids};
use super::settings::KafkaSettings;
use crate::clock::Clock;
use crate::dcheck::sources::{FromSource, Position};

/// How often the ends of the partitions are asked for, real time.
const POLL_PERIOD: Duration = Duration::from_millis(500);
/// A question for a partition's end that takes longer is given up.
const POLL_LIMIT: Duration = Duration::from_millis(1_500);

/// Ids by the names of topics, as the broker calls them.
pub type TopicIds = BTreeMap<String, String>;

/// Where a partition's log begins and ends.
pub async fn watermarks(
    consumer: Arc<StreamConsumer>,
    topic: String,
    partition: i32,
) -> Result<(i64, i64), KafkaError> {
    let ask = move || consumer.fetch_watermarks(&topic, partition, POLL_LIMIT);
    tokio::task::spawn_blocking(ask).await.unwrap_or(Err(KafkaError::Canceled))
}

/// The ids of all topics that are read, of those that the broker knows; none where it does not answer in time.
pub async fn identities(asker: &Arc<Asker>, settings: &KafkaSettings) -> Option<TopicIds> {
    let names = settings.partitions.iter().map(|(topic, _)| settings.name(topic));
    let names: Vec<String> = names.collect::<BTreeSet<String>>().into_iter().collect();
    let asker = Arc::clone(asker);
    let ask = move || topic_ids(&asker, &names, POLL_LIMIT);
    tokio::task::spawn_blocking(ask).await.unwrap_or_default()
}

/// Tells the daemon of ends, and the reader when to look at its topics, until either is gone.
pub async fn poll(
    settings: KafkaSettings,
    consumer: Arc<StreamConsumer>,
    clock: Clock,
    inbox: mpsc::Sender<FromSource>,
    looks: mpsc::Sender<()>,
) {
    let mut period = tokio::time::interval(POLL_PERIOD);
    period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let names = settings.partitions.iter();
    let names: Vec<(String, i32)> = names.map(|(topic, at)| (settings.name(topic), *at)).collect();
    loop {
        period.tick().await;
        // First: an end must not be held against the place in a topic that is no more.
        if looks.send(()).await.is_err() {
            return;
        }
        let at = clock.now();
        let found = ends(&consumer, &names).await;
        for ((topic, partition), end) in settings.partitions.iter().zip(found) {
            let Some(end) = end.map(Position::Offset) else { continue };
            let source = KafkaSettings::source(topic, *partition);
            if inbox.send(FromSource::LogEnd { source, end, at }).await.is_err() {
                return;
            }
        }
    }
}

/// The ends of the partitions, in order; none where the broker does not say. All in one request; one by one where that
/// fails, for one topic that is gone fails it for all.
async fn ends(consumer: &Arc<StreamConsumer>, names: &[(String, i32)]) -> Vec<Option<i64>> {
    if let Ok(ends) = ends_at_once(consumer, names.to_vec()).await {
        return ends;
    }
    let each = names.iter().map(async |(topic, partition)| {
        let answer = watermarks(Arc::clone(consumer), topic.clone(), *partition).await;
        answer.ok().map(|(_, high)| high)
    });
    join_all(each).await
}

async fn ends_at_once(
    consumer: &Arc<StreamConsumer>,
    names: Vec<(String, i32)>,
) -> Result<Vec<Option<i64>>, KafkaError> {
    let consumer = Arc::clone(consumer);
    let ask = move || {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in &names {
            // As a time this offset means the end: the protocol's own word, which librdkafka hands on.
            list.add_partition_offset(topic, *partition, Offset::End)?;
        }
        let told = consumer.offsets_for_times(list, POLL_LIMIT)?;
        let end = |(topic, partition): &(String, i32)| {
            let found = told.find_partition(topic, *partition)?;
            match (found.error(), found.offset()) {
                (Ok(()), Offset::Offset(end)) => Some(end),
                _ => None,
            }
        };
        Ok(names.iter().map(end).collect())
    };
    tokio::task::spawn_blocking(ask).await.unwrap_or(Err(KafkaError::Canceled))
}

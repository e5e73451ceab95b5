//! A look into a topic's log, past every link: how often does a record stand there?

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use crate::proxy::Struck;

/// A record that was just sent stands in the log within milliseconds; this only bounds a starved machine.
const LIMIT: Duration = Duration::from_secs(5);
/// How far back from the end: what suffered last is among the last.
const BACK: i64 = 500;
/// Between two looks for what is not there yet.
const PAUSE: Duration = Duration::from_millis(20);

/// How many such records stand at the end of their log, as soon as there are `least`, or after the limit.
pub(super) async fn count(broker: &str, struck: Struck, least: usize) -> Result<usize, String> {
    let end = Instant::now() + LIMIT;
    loop {
        let (broker, about) = (broker.to_owned(), struck.clone());
        let looking = tokio::task::spawn_blocking(move || look(&broker, &about, end));
        let found = looking.await.map_err(|error| error.to_string())?;
        let found = found
            .map_err(|error| format!("the log of `{}` cannot be read: {error}", struck.topic))?;
        if found >= least || Instant::now() >= end {
            return Ok(found);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn look(broker: &str, struck: &Struck, end: Instant) -> Result<usize, KafkaError> {
    let mut found = 0;
    each_of(broker, (&struck.topic, struck.partition), end, |record| {
        found += usize::from(struck.is(record.key(), record.payload()));
    })?;
    Ok(found)
}

/// Shows the last records of a topic's only partition.
pub(super) fn each(
    broker: &str,
    topic: &str,
    end: Instant,
    show: impl FnMut(&BorrowedMessage<'_>),
) -> Result<(), KafkaError> {
    each_of(broker, (topic, 0), end, show)
}

fn each_of(
    broker: &str,
    (topic, partition): (&str, i32),
    end: Instant,
    mut show: impl FnMut(&BorrowedMessage<'_>),
) -> Result<(), KafkaError> {
    let left = || end.saturating_duration_since(Instant::now()).max(PAUSE);
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker)
        // Named because librdkafka assigns nothing without it; the group itself is never joined.
        .set("group.id", "lossdrill-log")
        .set("enable.auto.commit", "false")
        .set("broker.address.family", "v4")
        .set("fetch.wait.max.ms", "50")
        .create()?;
    let (low, high) = consumer.fetch_watermarks(topic, partition, left())?;
    let mut list = TopicPartitionList::new();
    let from = Offset::Offset((high - BACK).max(low));
    list.add_partition_offset(topic, partition, from)?;
    consumer.assign(&list)?;
    if low == high {
        return Ok(());
    }
    while Instant::now() < end {
        let Some(message) = consumer.poll(left()) else { continue };
        let message = message?;
        show(&message);
        if message.offset() + 1 >= high {
            break;
        }
    }
    Ok(())
}

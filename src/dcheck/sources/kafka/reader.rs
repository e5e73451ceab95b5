//! One consumer over all assigned partitions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::dcheck::event::{Event, Op};
use crate::dcheck::sources::json::row_from_json;
use crate::dcheck::sources::{Dating, Entry, FromSource, Position, RECONNECT_FIRST, backed_off};
use crate::wire::{MARK_HEADER, Mark};

/// How often the ends of the partitions are asked for, real time.
const POLL_PERIOD: Duration = Duration::from_millis(500);
/// A question for a partition's end that takes longer is given up.
const POLL_LIMIT: Duration = Duration::from_millis(1_500);

/// How long a fetch waits at the broker for news: an arriving record ends it at once. Questions for a partition's end wait
/// behind it.
const FETCH_WAIT_MS: &str = "100";

/// Undecodable messages that are printed; a poisoned topic must not fill the disk with log lines.
const COMPLAINTS: usize = 20;

/// Where a partition is read from when no checkpoint knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Start {
    Earliest,
    Latest,
}

/// Which partitions to read.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    pub brokers: String,
    pub group: String,
    pub prefix: String,
    /// Logical topic, partition.
    pub partitions: Vec<(String, i32)>,
    pub start: Start,
    /// By source name (`channel.flow/0`): the next offset, and the dating at that place.
    pub from: BTreeMap<String, (i64, Option<Dating>)>,
}

impl KafkaSettings {
    pub fn source(topic: &str, partition: i32) -> String {
        format!("{topic}/{partition}")
    }

    /// Source names, in order.
    pub fn sources(&self) -> Vec<String> {
        self.partitions.iter().map(|(topic, part)| Self::source(topic, *part)).collect()
    }
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("kafka: {0}")]
    Kafka(#[from] KafkaError),
    #[error("the daemon ends")]
    Closed,
}

/// Reads all partitions for ever.
pub struct KafkaReader {
    settings: KafkaSettings,
    clock: Clock,
    inbox: mpsc::Sender<FromSource>,
    datings: BTreeMap<String, Dating>,
    complaints: usize,
}

impl KafkaReader {
    pub fn new(
        settings: KafkaSettings,
        clock: Clock,
        inbox: mpsc::Sender<FromSource>,
    ) -> KafkaReader {
        let datings = settings
            .from
            .iter()
            .filter_map(|(source, (_, dating))| Some((source.clone(), (*dating)?)))
            .collect();
        KafkaReader { settings, clock, inbox, datings, complaints: 0 }
    }

    /// Until the receiver is gone.
    pub async fn run(mut self) {
        let consumer = match self.consumer() {
            Ok(consumer) => Arc::new(consumer),
            Err(error) => {
                self.lost(&error.to_string()).await;
                return;
            }
        };
        let Ok(()) = self.assign(&consumer).await else { return };
        let poll = tokio::spawn(poll_ends(
            self.settings.clone(),
            Arc::clone(&consumer),
            self.clock.clone(),
            self.inbox.clone(),
        ));
        let _: Result<(), ReadError> = self.read(&consumer).await;
        poll.abort();
    }

    fn consumer(&self) -> Result<StreamConsumer, KafkaError> {
        ClientConfig::new()
            .set("bootstrap.servers", &self.settings.brokers)
            .set("group.id", &self.settings.group)
            .set("client.id", "dcheck")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // A log that was cut under us is read from its beginning: twice is harmless, a gap is a
            // loss.
            .set("auto.offset.reset", "earliest")
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

    /// Explicit offsets for every partition; waits for the broker where the checkpoint does not
    /// know one.
    async fn assign(&mut self, consumer: &Arc<StreamConsumer>) -> Result<(), ReadError> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in self.settings.partitions.clone() {
            let source = KafkaSettings::source(&topic, partition);
            let offset = match self.settings.from.get(&source) {
                Some((offset, _)) => *offset,
                None => self.first_offset(consumer, &topic, partition).await?,
            };
            let name = format!("{}{topic}", self.settings.prefix);
            list.add_partition_offset(&name, partition, Offset::Offset(offset))?;
            let position = Position::Offset(offset);
            self.send(FromSource::Connected { source, position }).await?;
        }
        Ok(consumer.assign(&list)?)
    }

    async fn first_offset(
        &self,
        consumer: &Arc<StreamConsumer>,
        topic: &str,
        partition: i32,
    ) -> Result<i64, ReadError> {
        let mut pause = RECONNECT_FIRST;
        loop {
            let name = format!("{}{topic}", self.settings.prefix);
            match watermarks(Arc::clone(consumer), name, partition).await {
                Ok((low, high)) => {
                    return Ok(if self.settings.start == Start::Earliest { low } else { high });
                }
                Err(error) => self.lost(&format!("{topic}/{partition}: {error}")).await,
            }
            if self.inbox.is_closed() {
                return Err(ReadError::Closed);
            }
            tokio::time::sleep(pause).await;
            pause = backed_off(pause);
        }
    }

    async fn read(&mut self, consumer: &Arc<StreamConsumer>) -> Result<(), ReadError> {
        let mut pause = RECONNECT_FIRST;
        loop {
            let received = tokio::select! {
                received = consumer.recv() => received,
                () = self.inbox.closed() => return Err(ReadError::Closed),
            };
            match received {
                Ok(message) => {
                    pause = RECONNECT_FIRST;
                    let Some(news) = self.decode(&message) else { continue };
                    self.send(news).await?;
                }
                // While the broker is away librdkafka reconnects by itself and tells us now and
                // then.
                Err(error) => {
                    self.lost(&error.to_string()).await;
                    tokio::time::sleep(pause).await;
                    pause = backed_off(pause);
                }
            }
        }
    }

    fn decode(&mut self, message: &BorrowedMessage<'_>) -> Option<FromSource> {
        let topic = message.topic().strip_prefix(&self.settings.prefix)?.to_owned();
        let source = KafkaSettings::source(&topic, message.partition());
        let commit_us = message.timestamp().to_millis().unwrap_or(0).saturating_mul(1000);
        let payload = message.payload().unwrap_or_default();
        let (mut entries, mut undecodable) = (Vec::new(), 0);
        if is_mark(message) {
            match serde_json::from_slice::<Mark>(payload) {
                Ok(mark) => {
                    let dating = Dating { mark_at_ms: mark.at, mark_commit_us: commit_us };
                    self.datings.insert(source.clone(), dating);
                    entries.push(Entry::Mark(mark));
                }
                Err(_) => undecodable = 1,
            }
        } else {
            match row_from_json(payload) {
                Ok(row) => entries.push(Entry::Event(Event {
                    source: source.clone(),
                    stream: topic,
                    op: Op::Message,
                    before: None,
                    after: Some(row),
                    changed: Vec::new(),
                    txn: None,
                    position: message.offset().to_string(),
                    at: Dating::cell_time(self.datings.get(&source).copied(), commit_us),
                })),
                Err(error) => {
                    undecodable = 1;
                    self.complain(&format!("{source} offset {}: {error}", message.offset()));
                }
            }
        }
        let position = Some(Position::Offset(message.offset() + 1));
        let dating = self.datings.get(&source).copied();
        Some(FromSource::Read { source, entries, position, dating, undecodable })
    }

    fn complain(&mut self, what: &str) {
        self.complaints += 1;
        match self.complaints.cmp(&COMPLAINTS) {
            std::cmp::Ordering::Less => eprintln!("dcheck: {what}"),
            std::cmp::Ordering::Equal => eprintln!("dcheck: {what}; the rest is only counted"),
            std::cmp::Ordering::Greater => {}
        }
    }

    async fn lost(&self, why: &str) {
        for source in self.settings.sources() {
            let _ = self.inbox.send(FromSource::Lost { source, why: why.to_owned() }).await;
        }
    }

    async fn send(&self, news: FromSource) -> Result<(), ReadError> {
        self.inbox.send(news).await.map_err(|_| ReadError::Closed)
    }
}

fn is_mark(message: &BorrowedMessage<'_>) -> bool {
    message.headers().is_some_and(|headers| headers.iter().any(|header| header.key == MARK_HEADER))
}

async fn watermarks(
    consumer: Arc<StreamConsumer>,
    topic: String,
    partition: i32,
) -> Result<(i64, i64), KafkaError> {
    let ask = move || consumer.fetch_watermarks(&topic, partition, POLL_LIMIT);
    tokio::task::spawn_blocking(ask).await.unwrap_or(Err(KafkaError::Canceled))
}

async fn poll_ends(
    settings: KafkaSettings,
    consumer: Arc<StreamConsumer>,
    clock: Clock,
    inbox: mpsc::Sender<FromSource>,
) {
    let mut period = tokio::time::interval(POLL_PERIOD);
    period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        period.tick().await;
        let at = clock.now();
        let names = settings.partitions.iter();
        let names: Vec<(String, i32)> =
            names.map(|(topic, at)| (format!("{}{topic}", settings.prefix), *at)).collect();
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

//! One consumer over all assigned partitions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use super::dead_letters::DeadLetters;
use super::ends::{TopicIds, identities, poll, watermarks};
use super::identity::Asker;
use super::place::Place;
use super::settings::KafkaSettings;
use crate::clock::Clock;
use crate::dcheck::event::{Event, Op};
use crate::dcheck::log;
use crate::dcheck::sources::json::{JsonError, row_from_json};
use crate::dcheck::sources::{
    Dating, Entry, FromSource, Position, RECONNECT_FIRST, Start, Undecodable, backed_off,
};
use crate::wire::MARK_HEADER;

/// Undecodable messages that are printed; a poisoned topic must not fill the disk with log lines.
const COMPLAINTS: usize = 20;
const UNNAMED: &str = "the broker does not say which topics these are";
/// Looks at the topics that are asked for and not begun: one serves all.
const LOOKS: usize = 1;
/// Records that are taken at once: one question about their topics serves them all.
const BATCH_MAX: usize = 1_000;

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("kafka: {0}")]
    Kafka(#[from] KafkaError),
    /// Told already, where it is worth a word: reading goes on there.
    #[error("a topic is read on from another place")]
    Moved,
    #[error("the daemon ends")]
    Closed,
}

/// Reads all partitions for ever.
pub struct KafkaReader {
    settings: KafkaSettings,
    clock: Clock,
    inbox: mpsc::Sender<FromSource>,
    /// By source name, of every partition that is assigned.
    places: BTreeMap<String, Place>,
    asker: Arc<Asker>,
    dead_letters: DeadLetters,
    complaints: usize,
}

impl KafkaReader {
    pub fn new(
        settings: KafkaSettings,
        clock: Clock,
        inbox: mpsc::Sender<FromSource>,
    ) -> KafkaReader {
        let dead_letters = DeadLetters::new(&settings.brokers, &settings.dead_letters);
        let asker = Arc::new(Asker::new(&settings.brokers));
        let (places, complaints) = (BTreeMap::new(), 0);
        KafkaReader { settings, clock, inbox, places, asker, dead_letters, complaints }
    }

    pub async fn run(mut self) {
        let mut pause = RECONNECT_FIRST;
        loop {
            match self.read_once(&mut pause).await {
                Err(ReadError::Closed) => return,
                Err(ReadError::Kafka(error)) => self.lost(&error.to_string()).await,
                Ok(()) | Err(ReadError::Moved) => {}
            }
            if self.inbox.is_closed() {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = backed_off(pause);
        }
    }

    async fn read_once(&mut self, pause: &mut Duration) -> Result<(), ReadError> {
        let consumer = Arc::new(self.settings.consumer()?);
        let end = self.follow(&consumer, pause).await;
        // Its going waits for its threads: not ours to wait for.
        tokio::task::spawn_blocking(move || drop(consumer));
        end
    }

    /// Reads by one consumer, until a partition is to be read from another place. It is assigned once: the library ends the
    /// process where it is to stop a partition that it is stopping already (its #5573).
    async fn follow(
        &mut self,
        consumer: &Arc<StreamConsumer>,
        pause: &mut Duration,
    ) -> Result<(), ReadError> {
        if self.places.is_empty() {
            self.start(consumer).await?;
        }
        // Before anything of a topic made anew is taken for what follows in the old one.
        self.recognise(consumer).await?;
        self.assign(consumer)?;
        let (asks, looks) = mpsc::channel(LOOKS);
        let poll = tokio::spawn(poll(
            self.settings.clone(),
            Arc::clone(consumer),
            self.clock.clone(),
            self.inbox.clone(),
            asks,
        ));
        let end = self.read(consumer, looks, pause).await;
        poll.abort();
        let _ = poll.await;
        end
    }

    /// A place for every partition; waits for the broker where the checkpoint does not know one.
    async fn start(&mut self, consumer: &Arc<StreamConsumer>) -> Result<(), ReadError> {
        for (topic, partition) in self.settings.partitions.clone() {
            let source = KafkaSettings::source(&topic, partition);
            let place = match self.settings.from.get(&source) {
                Some(place) => place.clone(),
                None => {
                    let next = self.first_offset(consumer, &topic, partition).await?;
                    Place { next, ..Place::default() }
                }
            };
            let position = Position::Offset(place.next);
            self.places.insert(source.clone(), place);
            self.send(FromSource::Connected { source, position }).await?;
        }
        Ok(())
    }

    /// Reads on at every partition's place.
    fn assign(&self, consumer: &Arc<StreamConsumer>) -> Result<(), ReadError> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in &self.settings.partitions {
            let Some(place) = self.places.get(&KafkaSettings::source(topic, *partition)) else {
                continue;
            };
            let name = self.settings.name(topic);
            list.add_partition_offset(&name, *partition, Offset::Offset(place.next))?;
        }
        Ok(consumer.assign(&list)?)
    }

    fn nexts(&self) -> Vec<i64> {
        self.places.values().map(|place| place.next).collect()
    }

    async fn first_offset(
        &self,
        consumer: &Arc<StreamConsumer>,
        topic: &str,
        partition: i32,
    ) -> Result<i64, ReadError> {
        let mut pause = RECONNECT_FIRST;
        loop {
            match watermarks(Arc::clone(consumer), self.settings.name(topic), partition).await {
                Ok((low, high)) => {
                    return Ok(if self.settings.start == Start::Latest { high } else { low });
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

    async fn read(
        &mut self,
        consumer: &Arc<StreamConsumer>,
        mut looks: mpsc::Receiver<()>,
        pause: &mut Duration,
    ) -> Result<(), ReadError> {
        let mut ended = None;
        loop {
            let received = match ended.take() {
                Some(error) => Err(error),
                None => tokio::select! {
                    received = consumer.recv() => received,
                    Some(()) = looks.recv() => {
                        let before = self.nexts();
                        self.recognise(consumer).await?;
                        if self.nexts() != before {
                            return Err(ReadError::Moved);
                        }
                        continue;
                    }
                    () = self.inbox.closed() => return Err(ReadError::Closed),
                },
            };
            match received {
                Ok(first) => {
                    let batch;
                    (batch, ended) = ready(consumer, first);
                    self.take(consumer, &batch).await?;
                    *pause = RECONNECT_FIRST;
                    continue;
                }
                // One of the partitions has no record at its place, and the library does not say which.
                Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset)) => {
                    match identities(&self.asker, &self.settings).await {
                        Some(ids) => self.look_for_gaps(consumer, &ids).await?,
                        None => self.lost(UNNAMED).await,
                    }
                    return Err(ReadError::Moved);
                }
                // While the broker is away librdkafka reconnects by itself and tells us now and then.
                Err(error) => self.lost(&error.to_string()).await,
            }
            tokio::time::sleep(*pause).await;
            *pause = backed_off(*pause);
        }
    }

    /// Hands the records on, once the broker has said that their topics are still the ones that are read: an offset of the old
    /// topic is a place in one made anew as well, and the library reads on there. Moved where they will be read again.
    async fn take(
        &mut self,
        consumer: &Arc<StreamConsumer>,
        batch: &[BorrowedMessage<'_>],
    ) -> Result<(), ReadError> {
        if !self.recognise(consumer).await? {
            return Err(ReadError::Moved);
        }
        for message in batch {
            let Some(news) = self.decode(message).await else { continue };
            self.send(news).await?;
        }
        Ok(())
    }

    /// A topic that is met for the first time gets its id; one that was made anew is read from its beginning. True where all
    /// are the ones that were read.
    async fn recognise(&mut self, consumer: &Arc<StreamConsumer>) -> Result<bool, ReadError> {
        let Some(ids) = identities(&self.asker, &self.settings).await else {
            self.lost(UNNAMED).await;
            return Ok(false);
        };
        let mut has_other = false;
        for (topic, partition) in self.settings.partitions.clone() {
            let source = KafkaSettings::source(&topic, partition);
            let id = ids.get(&self.settings.name(&topic));
            let Some(place) = self.places.get_mut(&source) else { continue };
            has_other |= place.is_of_another(id);
            if place.topic_id.is_none()
                && let Some(id) = id.cloned()
            {
                place.topic_id = Some(id.clone());
                self.send(FromSource::Topic { source, id }).await?;
            }
        }
        if has_other {
            self.look_for_gaps(consumer, &ids).await?;
        }
        Ok(!has_other)
    }

    /// Holds every place against its log.
    async fn look_for_gaps(
        &mut self,
        consumer: &Arc<StreamConsumer>,
        ids: &TopicIds,
    ) -> Result<(), ReadError> {
        for (topic, partition) in self.settings.partitions.clone() {
            let (source, name) =
                (KafkaSettings::source(&topic, partition), self.settings.name(&topic));
            let id = ids.get(&name).cloned();
            let ends = watermarks(Arc::clone(consumer), name, partition).await;
            let (Some(place), Ok(ends)) = (self.places.get_mut(&source), ends) else { continue };
            let Some(missed) = place.missed(id.as_ref(), ends) else { continue };
            place.next = missed.next;
            let position = Position::Offset(missed.next);
            let (case, what) = (missed.case, missed.what);
            self.complain(&format!("{source}: {what}"));
            self.send(FromSource::Missed { source: source.clone(), position, case, what }).await?;
            if let Some(id) = id {
                self.places.entry(source.clone()).or_default().topic_id = Some(id.clone());
                self.send(FromSource::Topic { source, id }).await?;
            }
        }
        Ok(())
    }

    async fn decode(&mut self, message: &BorrowedMessage<'_>) -> Option<FromSource> {
        let topic = message.topic().strip_prefix(&self.settings.prefix)?.to_owned();
        let source = KafkaSettings::source(&topic, message.partition());
        let commit_us = message.timestamp().to_millis().unwrap_or(0).saturating_mul(1000);
        let payload = message.payload().unwrap_or_default();
        let place = self.places.entry(source.clone()).or_default();
        place.next = message.offset() + 1;
        let decoded = if is_mark(message) {
            serde_json::from_slice(payload).map(Entry::Mark).map_err(JsonError::from)
        } else {
            row_from_json(payload).map(|row| {
                Entry::Event(Event {
                    source: source.clone(),
                    stream: topic,
                    op: Op::Message,
                    before: None,
                    after: Some(row),
                    changed: Vec::new(),
                    txn: None,
                    position: message.offset().to_string(),
                    at: Dating::cell_time(place.dating, commit_us, self.clock.now()),
                })
            })
        };
        if let Ok(Entry::Mark(mark)) = &decoded {
            place.dating = Some(Dating { mark_at_ms: mark.at, mark_commit_us: commit_us });
        }
        let (position, dating) = (Some(Position::Offset(place.next)), place.dating);
        let (entries, undecodable) = match decoded {
            Ok(entry) => (vec![entry], None),
            Err(error) => {
                self.complain(&format!("{source} offset {}: {error}", message.offset()));
                let lost = self.dead_letters.put(message, &error).await.err();
                lost.iter().for_each(|why| self.complain(why));
                (Vec::new(), Some(Undecodable { reason: error.reason(), lost }))
            }
        };
        Some(FromSource::Read { source, entries, position, dating, undecodable })
    }

    fn complain(&mut self, what: &str) {
        self.complaints += 1;
        match self.complaints.cmp(&COMPLAINTS) {
            std::cmp::Ordering::Less => log::warn("kafka", what),
            std::cmp::Ordering::Equal => {
                log::warn("kafka", &format!("{what}; the rest is only counted"));
            }
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

/// The record with those that came with it, and what went wrong behind them.
fn ready<'c>(
    consumer: &'c StreamConsumer,
    first: BorrowedMessage<'c>,
) -> (Vec<BorrowedMessage<'c>>, Option<KafkaError>) {
    let mut batch = vec![first];
    while batch.len() < BATCH_MAX {
        match consumer.recv().now_or_never() {
            Some(Ok(message)) => batch.push(message),
            Some(Err(error)) => return (batch, Some(error)),
            None => break,
        }
    }
    (batch, None)
}

fn is_mark(message: &BorrowedMessage<'_>) -> bool {
    message.headers().is_some_and(|headers| headers.iter().any(|header| header.key == MARK_HEADER))
}

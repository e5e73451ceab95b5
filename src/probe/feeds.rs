//! Alerts and plan runs that nobody posts: polled over HTTP, queried from MySQL, read from Kafka.
//!
//! Whatever is there when a feed starts is old and passed over; every later message counts once, by its text. A source
//! that does not answer is asked again: whether a reconciler is deaf is decided elsewhere. Goes direct, past every link.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row};
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::aside::Aside;
use super::inbox::Shared;
use super::reading::Reading;

/// Between two questions: an alert is stamped at most this late.
const ASK_PAUSE: Duration = Duration::from_millis(50);
/// One question. A source that hangs longer is no answer, and is asked again.
const ASK_LIMIT: Duration = Duration::from_secs(2);

/// Where a feed comes from.
#[derive(Clone, Debug)]
pub enum FeedSource {
    /// `GET`: all messages so far, or the new ones.
    Poll { url: String },
    /// One row is one message, its columns by name, all as text.
    Sql { options: OptsBuilder, query: String },
    /// One record is one message.
    Kafka { bootstrap: String, topic: String },
}

/// A feed, and how its messages are read.
#[derive(Clone, Debug)]
pub struct FeedAt {
    pub source: FeedSource,
    pub reading: Reading,
}

impl FeedAt {
    /// Looks at what is there already; the future follows what comes, for ever.
    pub(super) async fn start(self, shared: Arc<Shared>) -> BoxFuture<'static, ()> {
        let taker = Taker { reading: self.reading, shared, seen: HashSet::new() };
        match self.source {
            FeedSource::Poll { url } => asked(Poll::new(url), taker).await,
            FeedSource::Sql { options, query } => {
                asked(Sql { options, query, conn: None }, taker).await
            }
            FeedSource::Kafka { bootstrap, topic } => {
                let present = ends(&bootstrap, &topic).await;
                record_by_record(bootstrap, topic, present, taker).boxed()
            }
        }
    }
}

/// Takes each message once.
struct Taker {
    reading: Reading,
    shared: Arc<Shared>,
    seen: HashSet<String>,
}

impl Taker {
    fn is_new(&mut self, item: &Value) -> bool {
        self.seen.insert(item.to_string())
    }

    fn take(&self, item: &Value) {
        let at = self.shared.now();
        let event = self.reading.event(item).map(|event| vec![event]);
        self.shared.take(at, self.reading.topic, item.to_string().as_bytes(), event);
    }
}

/// A source that answers with everything, again and again.
trait Ask: Send {
    fn ask(&mut self, reading: &Reading)
    -> impl Future<Output = Result<Vec<Value>, String>> + Send;
}

async fn asked(mut source: impl Ask + 'static, mut taker: Taker) -> BoxFuture<'static, ()> {
    // No answer yet is the usual case: the reconciler is just being started.
    for item in source.ask(&taker.reading).await.unwrap_or_default() {
        taker.is_new(&item);
    }
    let follow = async move {
        let mut trouble = String::new();
        loop {
            match source.ask(&taker.reading).await {
                Ok(items) => {
                    for item in items {
                        if taker.is_new(&item) {
                            taker.take(&item);
                        }
                    }
                }
                // Told once, for whoever wonders why nothing was heard.
                Err(error) if error != trouble => {
                    taker.shared.note(format!("feed of {}s: {error}", taker.reading.topic.one()));
                    trouble = error;
                }
                Err(_) => {}
            }
            sleep(ASK_PAUSE).await;
        }
    };
    follow.boxed()
}

struct Poll {
    url: String,
    http: reqwest::Client,
}

impl Poll {
    fn new(url: String) -> Poll {
        let http = reqwest::Client::builder().no_proxy().timeout(ASK_LIMIT).build();
        Poll { url, http: http.expect("invariant: a client without TLS settings is made") }
    }
}

impl Ask for Poll {
    async fn ask(&mut self, reading: &Reading) -> Result<Vec<Value>, String> {
        let told = |error: reqwest::Error| format!("GET {}: {error}", self.url);
        let answer = self.http.get(&self.url).send().await.map_err(told)?;
        let answer = answer.error_for_status().map_err(told)?;
        let body = answer.bytes().await.map_err(told)?;
        reading.items(&body).map_err(|error| format!("GET {}: {error}", self.url))
    }
}

struct Sql {
    options: OptsBuilder,
    query: String,
    conn: Option<Conn>,
}

impl Ask for Sql {
    async fn ask(&mut self, _: &Reading) -> Result<Vec<Value>, String> {
        let options = self.options.clone();
        let asked = async {
            let mut conn = match self.conn.take() {
                Some(conn) => conn,
                None => Conn::new(options).await?,
            };
            let rows: Vec<Row> = conn.query(&self.query).await?;
            self.conn = Some(conn);
            Ok(rows)
        };
        match timeout(ASK_LIMIT, asked).await {
            Ok(Ok(rows)) => Ok(rows.into_iter().map(row_json).collect()),
            Ok(Err(error)) => {
                let error: mysql_async::Error = error;
                Err(format!("query `{}`: {error}", self.query))
            }
            Err(_) => Err(format!("query `{}`: no answer within {ASK_LIMIT:?}", self.query)),
        }
    }
}

/// Every column as the server wrote it: a decimal stays exact.
fn row_json(row: Row) -> Value {
    let names: Vec<String> = row.columns_ref().iter().map(|c| c.name_str().into_owned()).collect();
    let texts = row.unwrap().into_iter().map(|value| match value {
        mysql_async::Value::NULL => Value::Null,
        mysql_async::Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
        other => other.as_sql(true).into(),
    });
    Value::Object(names.into_iter().zip(texts).collect())
}

/// The end of each partition, where the topic is there already.
async fn ends(bootstrap: &str, topic: &str) -> Option<Vec<(i32, Offset)>> {
    let (bootstrap, topic) = (bootstrap.to_owned(), topic.to_owned());
    let looked = tokio::task::spawn_blocking(move || {
        let consumer = consumer(&bootstrap).ok()?;
        let partitions = partitions(&consumer, &topic)?;
        let end = |partition| {
            let (_, end) = consumer.fetch_watermarks(&topic, partition, ASK_LIMIT).ok()?;
            Some((partition, Offset::Offset(end)))
        };
        partitions.into_iter().map(end).collect()
    });
    looked.await.unwrap_or_default()
}

fn consumer(bootstrap: &str) -> Result<StreamConsumer, rdkafka::error::KafkaError> {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("broker.address.family", "v4")
        // Needed for any assignment; nothing joins or commits under it.
        .set("group.id", "lossdrill-feed")
        .set("enable.auto.commit", "false")
        .set("allow.auto.create.topics", "false")
        .set("fetch.wait.max.ms", "100")
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "200")
        .create()
}

fn partitions(consumer: &StreamConsumer, topic: &str) -> Option<Vec<i32>> {
    let metadata = consumer.fetch_metadata(Some(topic), ASK_LIMIT).ok()?;
    let told = metadata.topics().iter().find(|told| told.name() == topic)?;
    let led: Vec<i32> =
        told.partitions().iter().filter(|p| p.leader() >= 0).map(|p| p.id()).collect();
    (!led.is_empty() && told.error().is_none()).then_some(led)
}

/// Waits for the topic where it is not there yet: all in it is new then.
async fn record_by_record(
    bootstrap: String,
    topic: String,
    present: Option<Vec<(i32, Offset)>>,
    taker: Taker,
) {
    let from = match present {
        Some(ends) => ends,
        None => appeared(&bootstrap, &topic).await,
    };
    let Ok(consumer) = consumer(&bootstrap) else {
        return taker.shared.note(format!("feed of topic {topic}: no client can be made"));
    };
    let consumer = Aside::new(consumer);
    let mut list = TopicPartitionList::new();
    for (partition, offset) in from {
        let _ = list.add_partition_offset(&topic, partition, offset);
    }
    if let Err(error) = consumer.assign(&list) {
        return taker.shared.note(format!("feed of topic {topic}: {error}"));
    }
    let mut records = consumer.stream();
    while let Some(record) = records.next().await {
        // The client comes back by itself after a broker's restart.
        let Ok(record) = record else { continue };
        let body = record.payload().unwrap_or_default();
        match taker.reading.items(body) {
            Ok(items) => items.iter().for_each(|item| taker.take(item)),
            Err(error) => {
                let at = taker.shared.now();
                taker.shared.take(at, taker.reading.topic, body, Err(error));
            }
        }
    }
}

async fn appeared(bootstrap: &str, topic: &str) -> Vec<(i32, Offset)> {
    loop {
        let (to, name) = (bootstrap.to_owned(), topic.to_owned());
        let looked = tokio::task::spawn_blocking(move || partitions(&consumer(&to).ok()?, &name));
        if let Ok(Some(partitions)) = looked.await {
            return partitions.into_iter().map(|one| (one, Offset::Beginning)).collect();
        }
        sleep(ASK_PAUSE).await;
    }
}

#[cfg(test)]
#[path = "feeds_tests.rs"]
mod tests;

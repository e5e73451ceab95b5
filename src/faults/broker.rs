//! Faults inside the Kafka broker, on the cell's own topics: deleted, or cut by retention.
//!
//! Neither brings records back: what is healed of a deleted topic is that it is there again, empty. The topics are
//! the cell's own and carry its prefix, so that no other cell feels it. Not covered: brokers that are given.

use std::net::SocketAddr;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::time::{Instant, sleep};

use super::params::{Param, Params, Scale};
use super::registry::TOPIC_SOURCES;
use super::{Blast, FaultError, FaultSpec, Ground, Late, Layer, Need};
use crate::stage::cell::TOPICS;
use crate::stage::topics;

/// One order to the broker, or one question: 0.2 s. This bounds a starved machine.
const ASK_LIMIT: Duration = Duration::from_secs(10);
/// The broker does it a moment after it said so.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// Each topic of a cell has this one.
const PARTITION: i32 = 0;

/// Where the broker is, and what there is the cell's own.
#[derive(Clone, Debug)]
pub struct Broker {
    pub at: SocketAddr,
    /// How many there are of it.
    pub brokers: usize,
    /// Stands before the logical names of its topics.
    pub topic_prefix: String,
    /// The consumer group that the reconciler is told to use.
    pub group: String,
}

pub(super) fn specs() -> [FaultSpec; 2] {
    let topic = || Param {
        name: "topic",
        doc: "by its logical name",
        scale: Scale::Word { default: TOPICS[0], among: &TOPICS },
    };
    let spec = |id: &str, doc: &str| FaultSpec {
        id: format!("kafka.{id}"),
        doc: doc.to_owned(),
        layer: Layer::Kafka,
        params: vec![topic()],
        needs: Need::Broker,
        blast: Blast::Cell,
        withholds: Vec::new(),
        raises: Vec::new(),
        waits_for_traffic: false,
        late: Late::default(),
    };
    let doc = "a topic is deleted with all that is in it; healing makes it anew, empty";
    let mut deleted = spec("topic.deleted", doc);
    deleted.raises = vec!["records-unread"];
    deleted.withholds = [&["shop", "channel"][..], TOPIC_SOURCES].concat();
    let doc = "all records of a topic are dropped as too old, read or not; they are gone for good";
    let mut cut = spec("retention.cut", doc);
    cut.raises = vec!["records-unread"];
    [deleted, cut]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Deleted,
    Cut,
}

pub(super) struct BrokerFault {
    spec: &'static FaultSpec,
    broker: Broker,
    what: What,
    /// As the broker calls it.
    topic: String,
    /// Where the records ended that were cut.
    end: Option<i64>,
    /// It was ordered to be deleted, and not made anew yet.
    doomed: bool,
}

impl BrokerFault {
    pub fn new(
        spec: &'static FaultSpec,
        params: &Params,
        ground: &Ground,
    ) -> Result<BrokerFault, FaultError> {
        let what = match spec.what_happened() {
            "deleted" => What::Deleted,
            "cut" => What::Cut,
            other => unreachable!("the registry has no `{other}` for topics"),
        };
        let broker = ground.broker(spec)?;
        let topic = format!("{}{}", broker.topic_prefix, params.word("topic"));
        Ok(BrokerFault { spec, broker, what, topic, end: None, doomed: false })
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.broker.at.to_string());
        config.set("broker.address.family", "v4").set("log_level", "0");
        config
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        let done = match self.what {
            What::Deleted => self.delete().await,
            What::Cut => self.cut().await,
        };
        done.map_err(|reason| FaultError::Inject { fault: self.spec.id.clone(), reason })
    }

    async fn delete(&mut self) -> Result<String, String> {
        self.doomed = true;
        let admin: AdminClient<DefaultClientContext> = self.client().create().map_err(said)?;
        let options = AdminOptions::new().operation_timeout(Some(ASK_LIMIT));
        let deleted = admin.delete_topics(&[&self.topic], &options).await.map_err(said)?;
        match deleted.into_iter().next() {
            None | Some(Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition))) => {
                Ok(format!("the broker was told to delete `{}`", self.topic))
            }
            Some(Err((_, code))) => Err(format!("the broker refuses to delete: {code}")),
        }
    }

    async fn cut(&mut self) -> Result<String, String> {
        let (begin, end) = self.ends().await?;
        if begin == end && self.end.is_none() {
            return Err(format!("`{}` has no record to lose", self.topic));
        }
        let end = *self.end.get_or_insert(end);
        let admin: AdminClient<DefaultClientContext> = self.client().create().map_err(said)?;
        let mut list = TopicPartitionList::new();
        let offset = Offset::Offset(end);
        list.add_partition_offset(&self.topic, PARTITION, offset).map_err(said)?;
        let options = AdminOptions::new().operation_timeout(Some(ASK_LIMIT));
        admin.delete_records(&list, &options).await.map_err(said)?;
        Ok(format!("`{}` was cut from {begin} to {end}", self.topic))
    }

    /// Where the topic's records begin and end.
    async fn ends(&self) -> Result<(i64, i64), String> {
        let (client, topic) = (self.client(), self.topic.clone());
        let asked = tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = client.create()?;
            consumer.fetch_watermarks(&topic, PARTITION, ASK_LIMIT)
        });
        asked.await.expect("invariant: asking does not panic").map_err(said)
    }

    /// Does the broker know the topic, with a leader?
    async fn is_there(&self) -> Result<bool, String> {
        let (client, topic) = (self.client(), self.topic.clone());
        let asked = tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = client.create()?;
            let told = consumer.fetch_metadata(Some(&topic), ASK_LIMIT)?;
            let led = |topic: &rdkafka::metadata::MetadataTopic| {
                topic.partitions().iter().any(|partition| partition.leader() >= 0)
            };
            Ok(told.topics().iter().any(led))
        });
        let asked: Result<bool, KafkaError> =
            asked.await.expect("invariant: asking does not panic");
        asked.map_err(said)
    }

    /// Asks until the topic is there, or is not, as wanted.
    async fn becomes(&self, there: bool) -> Result<String, String> {
        let start = Instant::now();
        while self.is_there().await? != there {
            if start.elapsed() > ASK_LIMIT {
                let still = if there { "is not there" } else { "is still there" };
                return Err(format!("`{}` {still} after {} s", self.topic, ASK_LIMIT.as_secs()));
            }
            sleep(LOOK_PAUSE).await;
        }
        let told = if there { "has a leader" } else { "is unknown to the broker" };
        Ok(format!("`{}` {told}", self.topic))
    }

    pub async fn bites(&mut self) -> Result<String, FaultError> {
        let seen = match (self.what, self.end) {
            (What::Deleted, _) => self.becomes(false).await,
            (What::Cut, end) => match self.ends().await {
                Ok((begin, _)) if end.is_some_and(|end| begin >= end) => {
                    Ok(format!("`{}` begins at {begin}", self.topic))
                }
                Ok((begin, end)) => Err(format!("`{}` still holds {begin} to {end}", self.topic)),
                Err(error) => Err(error),
            },
        };
        seen.map_err(|reason| FaultError::NoBite { fault: self.spec.id.clone(), reason })
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        if !self.doomed {
            return Ok(());
        }
        let id = self.spec.id.clone();
        let failed = |reason| FaultError::Heal { fault: id.clone(), reason };
        // What was deleted only half would be taken for still there, and an order that nobody awaits may still be carried
        // out: one that was obeyed tells that there is none left.
        self.delete().await.map_err(failed)?;
        self.becomes(false).await.map_err(failed)?;
        let prefix = [self.broker.topic_prefix.clone()];
        let made = topics::create(self.broker.at, &prefix, self.broker.brokers).await;
        made.map_err(|error| failed(error.to_string()))?;
        self.doomed = false;
        Ok(())
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let seen = self.becomes(true).await;
        seen.map_err(|reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason })
    }
}

fn said(error: KafkaError) -> String {
    format!("the broker: {error}")
}

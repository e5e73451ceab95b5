//! Leaders of the cell's topics moved to another broker, as a person moves them before a broker's maintenance.
//!
//! The order of each topic's replicas is turned, and the first of the new order elected: nothing is copied, and every
//! client must find the new leader. Proved, and proved healed, by what another client is told. Needs a cluster of the
//! cell's own. Not covered: a broker that dies.

use std::collections::BTreeMap;

use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, ElectLeadersRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use tokio::time::{Instant, sleep};

use super::broker::Broker;
use super::link::ASK_AGAIN;
use super::orders::{ASK_LIMIT, Asker, refused};
use super::{Blast, FaultError, FaultSpec, Ground, Late, Layer, Need};
use crate::stage::cell::TOPICS;

/// Each topic of a cell has this one.
const PARTITION: i32 = 0;
const REASSIGN: i16 = 0;
const ELECT: i16 = 2;
/// The first replica, and not whoever is left.
const PREFERRED: i8 = 0;
/// It leads already.
const NOT_NEEDED: i16 = 84;

pub(super) fn spec() -> FaultSpec {
    let doc = "another broker becomes the leader of the cell's topics; healing moves them back";
    FaultSpec {
        id: "kafka.leader.moved".to_owned(),
        doc: doc.to_owned(),
        layer: Layer::Kafka,
        params: Vec::new(),
        needs: Need::Cluster,
        blast: Blast::Cell,
        withholds: Vec::new(),
        raises: Vec::new(),
        waits_for_traffic: false,
        late: Late::default(),
    }
}

/// How one topic is led.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Led {
    leader: i32,
    /// The first is the one that should lead.
    replicas: Vec<i32>,
}

impl Led {
    /// The same replicas in an order that makes another one lead.
    fn turned(&self) -> Option<Led> {
        let place = self.replicas.iter().position(|node| *node != self.leader)?;
        let mut replicas = self.replicas.clone();
        replicas.rotate_left(place);
        Some(Led { leader: *replicas.first()?, replicas })
    }
}

pub(super) struct LeaderFault {
    spec: &'static FaultSpec,
    broker: Broker,
    /// Before they were touched.
    before: BTreeMap<String, Led>,
}

impl LeaderFault {
    pub fn new(spec: &'static FaultSpec, ground: &Ground) -> Result<LeaderFault, FaultError> {
        Ok(LeaderFault { spec, broker: ground.cluster(spec)?, before: BTreeMap::new() })
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        let failed = |reason| FaultError::Inject { fault: self.spec.id.clone(), reason };
        if self.before.is_empty() {
            self.before = self.led().await.map_err(failed)?;
        }
        let after = self.after().map_err(failed)?;
        self.order(&after).await.map_err(failed)?;
        Ok(format!("to lead: {}", told(&after)))
    }

    fn after(&self) -> Result<BTreeMap<String, Led>, String> {
        let turned = |(topic, led): (&String, &Led)| {
            let turned = led.turned().ok_or_else(|| format!("`{topic}` has one replica"))?;
            Ok((topic.clone(), turned))
        };
        self.before.iter().map(turned).collect()
    }

    /// Who leads the cell's topics, as any client is told.
    async fn led(&self) -> Result<BTreeMap<String, Led>, String> {
        let (at, prefix) = (self.broker.at.to_string(), self.broker.topic_prefix.clone());
        let ask = move || {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", at).set("broker.address.family", "v4");
            let consumer: BaseConsumer = config.set("log_level", "0").create()?;
            let mut all = BTreeMap::new();
            for topic in TOPICS {
                let name = format!("{prefix}{topic}");
                let told = consumer.fetch_metadata(Some(&name), ASK_LIMIT)?;
                let topics = told.topics().iter().filter(|topic| topic.name() == name);
                let partition = topics.flat_map(|topic| topic.partitions()).next();
                if let Some(found) = partition {
                    let replicas = found.replicas().to_vec();
                    all.insert(name, Led { leader: found.leader(), replicas });
                }
            }
            Ok::<_, KafkaError>(all)
        };
        let asked = tokio::task::spawn_blocking(ask).await.map_err(|error| error.to_string())?;
        let all = asked.map_err(|error| format!("the brokers: {error}"))?;
        match all.len() == TOPICS.len() {
            true => Ok(all),
            false => Err(format!("only {} are known", told(&all))),
        }
    }

    /// Turns the replicas' order, and lets the first of each lead.
    async fn order(&self, wanted: &BTreeMap<String, Led>) -> Result<(), String> {
        let mut asker = Asker::open(&self.broker.at.to_string()).await?;
        let topic = |(topic, led): (&String, &Led)| {
            let replicas = led.replicas.iter().copied().map(BrokerId::from).collect();
            let partition = ReassignablePartition::default()
                .with_partition_index(PARTITION)
                .with_replicas(Some(replicas));
            ReassignableTopic::default().with_name(name(topic)).with_partitions(vec![partition])
        };
        let limit_ms = ASK_LIMIT.as_millis() as i32;
        let request = AlterPartitionReassignmentsRequest::default()
            .with_timeout_ms(limit_ms)
            .with_topics(wanted.iter().map(topic).collect());
        let answer = asker.ask(&request, REASSIGN).await?;
        refused("turn the replicas", answer.error_code)?;
        for partition in answer.responses.iter().flat_map(|topic| &topic.partitions) {
            refused("turn the replicas", partition.error_code)?;
        }
        let start = Instant::now();
        loop {
            let topic = |topic: &String| {
                TopicPartitions::default().with_topic(name(topic)).with_partitions(vec![PARTITION])
            };
            let request = ElectLeadersRequest::default()
                .with_election_type(PREFERRED)
                .with_topic_partitions(Some(wanted.keys().map(topic).collect()))
                .with_timeout_ms(limit_ms);
            let answer = asker.ask(&request, ELECT).await?;
            refused("elect leaders", answer.error_code)?;
            let results = answer.replica_election_results.iter();
            let mut codes = results.flat_map(|topic| &topic.partition_result).map(|p| p.error_code);
            // A follower that is not at the end yet may lead in a moment.
            match codes.find(|code| ![0, NOT_NEEDED].contains(code)) {
                None => return Ok(()),
                Some(code) if start.elapsed() > ASK_LIMIT => {
                    return refused("elect the first replica", code);
                }
                Some(_) => sleep(ASK_AGAIN).await,
            }
        }
    }

    pub async fn bites(&mut self) -> Result<String, FaultError> {
        let seen = match self.after() {
            Ok(after) if !after.is_empty() => self.are_led(&after).await,
            Ok(_) => Err("nothing was moved".to_owned()),
            Err(error) => Err(error),
        };
        seen.map_err(|reason| FaultError::NoBite { fault: self.spec.id.clone(), reason })
    }

    async fn are_led(&self, wanted: &BTreeMap<String, Led>) -> Result<String, String> {
        let start = Instant::now();
        loop {
            let now = self.led().await?;
            if now == *wanted {
                return Ok(told(&now));
            }
            if start.elapsed() > ASK_LIMIT {
                return Err(format!("{}, and not {}", told(&now), told(wanted)));
            }
            sleep(ASK_AGAIN).await;
        }
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        if self.before.is_empty() {
            return Ok(());
        }
        let failed = |reason| FaultError::Heal { fault: self.spec.id.clone(), reason };
        self.order(&self.before).await.map_err(failed)
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let seen = match self.before.is_empty() {
            true => Ok("never touched".to_owned()),
            false => self.are_led(&self.before).await,
        };
        seen.map_err(|reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason })
    }
}

fn name(topic: &str) -> TopicName {
    StrBytes::from(topic.to_owned()).into()
}

fn told(all: &BTreeMap<String, Led>) -> String {
    let each = all.iter().map(|(topic, led)| format!("{} for `{topic}`", led.leader));
    each.collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_replica_is_put_first() {
        for (leader, replicas, turned) in [
            (1, vec![1, 2, 3], Some((2, vec![2, 3, 1]))),
            (3, vec![2, 3, 1], Some((2, vec![2, 3, 1]))),
            (2, vec![2, 1], Some((1, vec![1, 2]))),
            (1, vec![1], None),
            (1, vec![], None),
        ] {
            let led = Led { leader, replicas }.turned();
            assert_eq!(led.map(|led| (led.leader, led.replicas)), turned);
        }
    }
}

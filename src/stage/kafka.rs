//! What a drill's Kafka broker is, wherever it runs: its properties, its readiness, its first
//! topic.
//!
//! One JVM is broker and controller; where a cell needs a cluster, more brokers join the first one.
//! Clients are told the broker's real address (a link that stands before it rewrites answers); the
//! broker itself goes by a second listener, so that a fault before the first one never cuts it off
//! from itself. Creates no topics but `__consumer_offsets`, whose first use costs clients a second
//! otherwise.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use super::StageError;

/// One look at the broker's metadata; a broker that starts answers the next one.
const LOOK_LIMIT: Duration = Duration::from_millis(500);
/// Between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// Creating one topic on an idle broker takes 0.1 s.
const ADMIN_LIMIT: Duration = Duration::from_secs(20);

pub(super) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The node that is controller too; it alone decides, so that the others may come and go.
pub(super) const CONTROLLER_ID: usize = 1;

/// One broker, and where it listens.
pub(super) struct Node<'a> {
    pub id: usize,
    pub client: &'a str,
    /// What clients are told.
    pub advertised: &'a str,
    pub inner: &'a str,
    /// Of the whole cluster.
    pub controller: &'a str,
}

/// The broker's own properties.
pub(super) fn properties(node: &Node<'_>) -> Vec<(&'static str, String)> {
    let Node { id, client, advertised, inner, controller } = node;
    let (roles, more) = match *id {
        CONTROLLER_ID => ("broker,controller", format!(",CONTROLLER://{controller}")),
        _ => ("broker", String::new()),
    };
    let listeners = format!("PLAINTEXT://{client},INTERNAL://{inner}{more}");
    let protocols = "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT";
    let mut all = vec![
        ("process.roles", roles.to_owned()),
        ("node.id", id.to_string()),
        ("controller.quorum.voters", format!("{CONTROLLER_ID}@{controller}")),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("listeners", listeners),
        ("advertised.listeners", format!("PLAINTEXT://{advertised},INTERNAL://{inner}")),
        ("listener.security.protocol.map", protocols.to_owned()),
        ("inter.broker.listener.name", "INTERNAL".to_owned()),
    ];
    all.extend(TUNING.iter().map(|(key, value)| (*key, (*value).to_owned())));
    all
}

/// One small broker: replication of one, quick rebalances, a quiet idle. A broker that misses its
/// session is fenced, and its topics have no leader: a starving machine must not come to that. The
/// price is that a start after kill -9 waits for the session before it.
const TUNING: [(&str, &str); 19] = [
    ("auto.create.topics.enable", "false"),
    ("offsets.topic.replication.factor", "1"),
    ("offsets.topic.num.partitions", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("transaction.state.log.num.partitions", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
    ("share.coordinator.state.topic.num.partitions", "1"),
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.min.session.timeout.ms", "500"),
    ("log.cleaner.dedupe.buffer.size", "2097152"),
    ("log.cleaner.io.buffer.size", "65536"),
    ("metadata.max.idle.interval.ms", "0"),
    ("num.network.threads", "2"),
    ("num.io.threads", "2"),
    ("background.threads", "2"),
    ("broker.heartbeat.interval.ms", "250"),
    ("broker.session.timeout.ms", "6000"),
];

fn client(endpoint: SocketAddr) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", endpoint.to_string())
        .set("broker.address.family", "v4")
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "100")
        .set("log_level", "0");
    config
}

/// Returns when the broker is unfenced and, after its first start, leads its offsets topic.
/// Never by itself otherwise: the caller bounds it.
pub(super) async fn ready(endpoint: SocketAddr, offsets_topic: bool) {
    loop {
        let looked =
            tokio::task::spawn_blocking(move || looks_ready(endpoint, offsets_topic)).await;
        if matches!(looked, Ok(true)) {
            return;
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

fn looks_ready(endpoint: SocketAddr, offsets_topic: bool) -> bool {
    let Ok(consumer) = client(endpoint).create::<BaseConsumer>() else { return false };
    let Ok(metadata) = consumer.fetch_metadata(None, LOOK_LIMIT) else { return false };
    let led = metadata.topics().iter().filter(|topic| topic.name() == OFFSETS_TOPIC).any(|topic| {
        !topic.partitions().is_empty() && topic.partitions().iter().all(|p| p.leader() >= 0)
    });
    !metadata.brokers().is_empty() && (led || !offsets_topic)
}

/// Makes formatted data those of a node that is no controller.
pub(super) fn settle(data: &Path, id: usize) -> Result<(), StageError> {
    let log = data.join("__cluster_metadata-0");
    std::fs::remove_dir_all(&log).map_err(StageError::io("remove", &log))?;
    let file = data.join("meta.properties");
    let text = std::fs::read_to_string(&file).map_err(StageError::io("read", &file))?;
    // It gives itself a directory id at its first start.
    let kept = text.lines().filter(|line| !line.starts_with("directory.id="));
    let line = |line: &str| match line.starts_with("node.id=") {
        true => format!("node.id={id}\n"),
        false => format!("{line}\n"),
    };
    let text: String = kept.map(line).collect();
    std::fs::write(&file, text).map_err(StageError::io("write", &file))
}

/// Returns when the cluster at `endpoint` has `count` brokers. Never by itself otherwise: the caller bounds it.
pub(super) async fn whole(endpoint: SocketAddr, count: usize) {
    while brokers(endpoint).await.ok() != Some(count) {
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// How many brokers the cluster at `endpoint` has.
pub(super) async fn brokers(endpoint: SocketAddr) -> Result<usize, StageError> {
    let asked = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = client(endpoint).create()?;
        consumer.fetch_metadata(None, ADMIN_LIMIT).map(|metadata| metadata.brokers().len())
    });
    let failed = |error: String| StageError::Engine {
        what: "ask for the brokers",
        service: endpoint.to_string(),
        error,
    };
    let asked = asked.await.map_err(|error| failed(error.to_string()))?;
    asked.map_err(|error: KafkaError| failed(error.to_string()))
}

/// Creates the topic that committed offsets live in, as the broker itself would at the first
/// commit.
pub(super) async fn create_offsets_topic(
    service: &str,
    endpoint: SocketAddr,
) -> Result<(), StageError> {
    let failed = |error: String| StageError::Engine {
        what: "create topic __consumer_offsets",
        service: service.to_owned(),
        error,
    };
    let admin: AdminClient<DefaultClientContext> =
        client(endpoint).create().map_err(|error| failed(error.to_string()))?;
    let topic = NewTopic::new(OFFSETS_TOPIC, 1, TopicReplication::Fixed(1))
        .set("cleanup.policy", "compact")
        .set("compression.type", "producer")
        .set("segment.bytes", "104857600");
    let options = AdminOptions::new().operation_timeout(Some(ADMIN_LIMIT));
    let results = admin.create_topics(&[topic], &options).await;
    for result in results.map_err(|error| failed(error.to_string()))? {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(failed(code.to_string())),
        }
    }
    Ok(())
}

/// Deletes all topics but the broker's own.
pub(super) async fn delete_topics(endpoint: SocketAddr) -> Result<(), StageError> {
    let failed = |error: String| StageError::Engine {
        what: "delete topics",
        service: endpoint.to_string(),
        error,
    };
    let listed = tokio::task::spawn_blocking(move || {
        let consumer = client(endpoint).create::<BaseConsumer>()?;
        let metadata = consumer.fetch_metadata(None, ADMIN_LIMIT)?;
        let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
        Ok::<_, KafkaError>(names.filter(|name| !name.starts_with("__")).collect::<Vec<_>>())
    });
    let names = listed.await.map_err(|error| failed(error.to_string()))?;
    let names = names.map_err(|error| failed(error.to_string()))?;
    if names.is_empty() {
        return Ok(());
    }
    let admin: AdminClient<DefaultClientContext> =
        client(endpoint).create().map_err(|error| failed(error.to_string()))?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let deleted = admin.delete_topics(&names, &AdminOptions::new()).await;
    deleted.map(drop).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broker_reaches_itself_by_a_listener_of_its_own() {
        let node = Node {
            id: CONTROLLER_ID,
            client: "0.0.0.0:9092",
            advertised: "127.0.0.1:20001",
            inner: "127.0.0.1:2",
            controller: "127.0.0.1:3",
        };
        let all = properties(&node);
        let value = |key: &str| all.iter().find(|(k, _)| *k == key).map(|(_, v)| v.as_str());
        assert_eq!(value("inter.broker.listener.name"), Some("INTERNAL"));
        assert_eq!(
            value("advertised.listeners"),
            Some("PLAINTEXT://127.0.0.1:20001,INTERNAL://127.0.0.1:2")
        );
        assert_eq!(value("controller.quorum.voters"), Some("1@127.0.0.1:3"));
        assert!(value("listeners").unwrap().ends_with("CONTROLLER://127.0.0.1:3"));
        let second = properties(&Node { id: 2, ..node });
        let value = |key: &str| second.iter().find(|(k, _)| *k == key).map(|(_, v)| v.as_str());
        assert_eq!((value("node.id"), value("process.roles")), (Some("2"), Some("broker")));
        assert_eq!(value("controller.quorum.voters"), Some("1@127.0.0.1:3"));
        assert!(!value("listeners").unwrap().contains("CONTROLLER"));
    }

    #[test]
    fn a_second_nodes_data_are_its_own() {
        let data = tempfile::tempdir().unwrap();
        std::fs::create_dir(data.path().join("__cluster_metadata-0")).unwrap();
        let file = data.path().join("meta.properties");
        std::fs::write(&file, "#\nnode.id=1\ndirectory.id=x\ncluster.id=c\n").unwrap();
        settle(data.path(), 2).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "#\nnode.id=2\ncluster.id=c\n");
        assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 1);
    }
}

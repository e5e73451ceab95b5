//! A Kafka link before a real broker that tells its clients a port nobody listens on: who gets past
//! the link fails.
//!
//! The broker is a process of its own below a guardian, from what `ci/setup --local` prepared
//! (`servers/mod.rs` says what happens without): the stage's own broker tells the truth.
#![cfg(all(feature = "harness", feature = "shop"))]

mod servers;

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use lossdrill::clock::Clock;
use lossdrill::faults::{Ground, Nemesis, Struck};
use lossdrill::journal::{Journal, Phase};
use lossdrill::proxy::{Direction, Kind, Link, LinkSpec, Nodes, Toxic};
use lossdrill::stage::{Guardian, ProcSpec, Provider};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, StreamConsumer};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};

/// Start of a broker, or a round of a client, on a loaded machine.
const LIMIT: Duration = Duration::from_secs(60);
const MESSAGES: usize = 500;

struct Broker {
    port: u16,
    /// Told to clients, and closed.
    advertised: u16,
    /// Ends the broker when dropped.
    _guardian: Guardian,
}

/// `java`, `classpath` and the like, as `ci/setup` wrote them down.
fn prepared(key: &str) -> String {
    let file = servers::cache().join("kafka/prepared");
    let text = std::fs::read_to_string(file).expect("servers::have looked");
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.expect("the key is prepared").to_owned()
}

fn free_ports() -> [u16; 3] {
    let taken = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    taken.map(|listener| listener.local_addr().unwrap().port())
}

fn java_args(class: &str, more: &[&str]) -> Vec<String> {
    let classpath = prepared("classpath");
    let args = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", &classpath];
    args.iter().chain(&[class]).chain(more).map(|arg| (*arg).to_owned()).collect()
}

async fn broker() -> Broker {
    let guardian = servers::guardian("proxy-kafka").await;
    let dir = guardian.state_dir();
    let [port, controller, advertised] = free_ports();
    let properties = dir.join("server.properties");
    let text = format!(
        "process.roles=broker,controller\nnode.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\ncontroller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}\nlog.dirs={}\n\
         offsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n\
         group.initial.rebalance.delay.ms=0\n",
        dir.join("data").display()
    );
    std::fs::write(&properties, text).unwrap();
    let properties = properties.display().to_string();
    let format = ["format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", &properties];
    let format = Command::new(prepared("java"))
        .args(java_args("kafka.tools.StorageTool", &format))
        .output()
        .expect("java can be executed");
    assert!(format.status.success(), "{}", String::from_utf8_lossy(&format.stderr));
    let spec = ProcSpec {
        name: "kafka".to_owned(),
        program: prepared("java").into(),
        args: java_args("kafka.Kafka", &[&properties]),
        log: dir.join("kafka.log"),
        ..ProcSpec::default()
    };
    guardian.spawn(spec).await.unwrap();
    Broker { port, advertised, _guardian: guardian }
}

fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("socket.timeout.ms", "5000");
    config.set("reconnect.backoff.max.ms", "200");
    config
}

fn metadata_brokers(bootstrap: &str) -> Option<Vec<(String, i32)>> {
    let consumer: BaseConsumer = config(bootstrap).create().unwrap();
    let metadata = consumer.fetch_metadata(None, Duration::from_secs(2)).ok()?;
    Some(metadata.brokers().iter().map(|b| (b.host().to_owned(), b.port())).collect())
}

async fn until_up(bootstrap: &str) -> Vec<(String, i32)> {
    let start = Instant::now();
    loop {
        let bootstrap = bootstrap.to_owned();
        let asked = tokio::task::spawn_blocking(move || metadata_brokers(&bootstrap));
        if let Some(brokers) = asked.await.unwrap().filter(|brokers| !brokers.is_empty()) {
            return brokers;
        }
        assert!(start.elapsed() < LIMIT, "the broker never came up");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn create_topic(admin: &AdminClient<DefaultClientContext>, topic: &str) {
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
    let made = admin.create_topics([&new], &AdminOptions::new()).await.unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

async fn produce(producer: &FutureProducer, topic: &str, from: usize, count: usize) {
    for number in from..from + count {
        let payload = number.to_string();
        let record = FutureRecord::to(topic).key("k").payload(&payload);
        producer.send(record, LIMIT).await.map_err(|(error, _)| error).unwrap();
    }
}

async fn consume(consumer: &StreamConsumer, from: usize, count: usize) {
    let reading = async {
        let mut expected = from;
        while expected < from + count {
            // Transient errors while a link is cut are not the end.
            let Ok(message) = consumer.recv().await else { continue };
            let number: usize = message.payload_view::<str>().unwrap().unwrap().parse().unwrap();
            assert_eq!(number, expected, "in order, none lost, none twice");
            consumer.commit_message(&message, CommitMode::Async).unwrap();
            expected += 1;
        }
    };
    tokio::time::timeout(LIMIT, reading).await.expect("all messages in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_stay_behind_the_link_and_its_faults_heal() {
    if !servers::have(Provider::Local) {
        return;
    }
    let broker = broker().await;
    let upstream = format!("127.0.0.1:{}", broker.port);
    let kind = Kind::Kafka(Nodes::One);
    let spec = LinkSpec::new("kafka", &upstream, kind, Clock::starting_at(0));
    let link = Link::open(spec).await.unwrap();
    let bootstrap = link.addr().to_string();
    let brokers = until_up(&bootstrap).await;
    assert_eq!(brokers, [("127.0.0.1".to_owned(), i32::from(link.addr().port()))]);
    let direct = until_up(&upstream).await;
    assert_eq!(direct[0].1, i32::from(broker.advertised), "the broker sends clients elsewhere");

    let topic = "c3.orders.events";
    let admin: AdminClient<_> = config(&bootstrap).create().unwrap();
    create_topic(&admin, topic).await;
    let producer: FutureProducer =
        config(&bootstrap).set("enable.idempotence", "true").create().unwrap();
    let consumer: StreamConsumer = config(&bootstrap)
        .set("group.id", "g")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "50")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let both =
        tokio::join!(produce(&producer, topic, 0, MESSAGES), consume(&consumer, 0, MESSAGES));
    let ((), ()) = both;

    // A stall holds; healed, nothing is lost or doubled.
    let id = link.arm(Toxic::stall(Direction::Both)).unwrap();
    let held = tokio::spawn({
        let producer = producer.clone();
        async move { produce(&producer, topic, MESSAGES, 1).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!held.is_finished() && link.held_bytes() > 0, "the stall bites");
    link.disarm(id);
    held.await.unwrap();
    consume(&consumer, MESSAGES, 1).await;

    // A reset cuts; healed, the clients come back by themselves, through the link.
    let id = link.arm(Toxic::reset(0)).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(link.toxics()[0].hits > 0, "the reset bites");
    link.disarm(id);
    produce(&producer, topic, MESSAGES + 1, MESSAGES).await;
    consume(&consumer, MESSAGES + 1, MESSAGES).await;

    // The same through the faults that scenarios name, with their own proofs.
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::create(&dir.path().join("journal.ndjson")).unwrap();
    let scribe = journal.scribe("s", Clock::starting_at(0));
    let links = [("kafka".to_owned(), link.clone())].into();
    let mut nemesis = Nemesis::new(Ground { links, ..Ground::default() });
    for id in ["link.kafka.stalled", "link.kafka.slow", "link.kafka.reset"] {
        let struck = nemesis.strike(id, Default::default(), &scribe, Phase::When).await;
        assert!(matches!(struck, Ok(Struck::Bites(_))), "{id}: {struck:?}");
        let healed = nemesis.heal_all(&scribe, Phase::Heal, LIMIT).await;
        assert!(healed.iter().all(|healed| healed.result.is_ok()), "{healed:?}");
    }
    produce(&producer, topic, 2 * MESSAGES + 1, 1).await;
    consume(&consumer, 2 * MESSAGES + 1, 1).await;

    admin.delete_topics(&[topic], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    let unread: Vec<_> =
        link.notes().into_iter().filter(|note| !note.contains("cannot dial")).collect();
    assert!(unread.is_empty(), "the link read every frame: {unread:?}");
    // librdkafka's close waits for ever for a broker that is cut off: the clients go first.
    drop((consumer, producer, admin));
    link.close().await.unwrap();
}

//! Kafka's console tools through a Kafka link, of the 4.x and the 3.x generation.

use std::path::Path;

use lossdrill::clock::Clock;
use lossdrill::proxy::{
    AnswerHarm, Api, KafkaError, KafkaRule, Kind, Link, LinkSpec, Nodes, RecordHarm, Records,
    Target, ToxicId,
};

use super::{Said, jvm, prepared, run, servers};

const RECORDS: usize = 10;

struct Rig {
    link: Link,
    libs: std::path::PathBuf,
    topic: String,
}

/// A link before the broker, and a topic made behind it by the tools of `libs`.
async fn rig(libs: &str, topic: &str) -> Option<Rig> {
    let direct = servers::up()?.kafka().endpoint.to_string();
    let libs = prepared(libs)?;
    let spec = LinkSpec::new("shop-kafka", &direct, Kind::Kafka(Nodes::One), Clock::starting_at(0));
    let link = Link::open(spec).await.unwrap();
    let rig = Rig { link, libs, topic: format!("t1.{topic}") };
    let topic = rig.topic.clone();
    let words = ["--create", "--topic", &topic, "--partitions", "1", "--replication-factor", "1"];
    let made = rig.tool("TopicCommand", &words, "").await.good();
    assert!(made.contains("Created topic"), "{made}");
    Some(rig)
}

fn numbered(n: usize) -> String {
    format!("{{\"n\":{n},\"amount\":\"199.00 CNY\"}}")
}

fn lines(of: impl IntoIterator<Item = usize>) -> String {
    of.into_iter().map(|n| numbered(n) + "\n").collect()
}

impl Rig {
    async fn tool(&self, class: &str, words: &[&str], input: &str) -> Said {
        let mut command = jvm(Path::new(&self.libs));
        command.arg(format!("org.apache.kafka.tools.{class}"));
        command.arg("--bootstrap-server").arg(self.link.addr().to_string()).args(words);
        run(command, input).await
    }

    /// The values of the first `count` records.
    async fn read(&self, count: usize) -> String {
        let count = count.to_string();
        let words = ["--topic", &self.topic, "--from-beginning", "--max-messages", &count];
        let words = [&words[..], &["--timeout-ms", "60000", "--group", "readers"]].concat();
        self.tool("consumer.ConsoleConsumer", &words, "").await.good()
    }

    fn arm(&self, target: Target) -> ToxicId {
        self.link.arm_kafka_rule(KafkaRule::once(target)).unwrap()
    }

    /// The record of this number suffers.
    fn strike(&self, n: usize, harm: RecordHarm) -> ToxicId {
        let content = Some(("n".parse().unwrap(), n.to_string()));
        self.arm(Target::Records { of: Records { content, ..Records::default() }, harm })
    }

    fn hits(&self, id: ToxicId) -> u64 {
        self.link.kafka_rules().iter().find(|rule| rule.id == id).expect("armed").hits
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_tools_of_kafka_4_work_unchanged_and_feel_each_fault() {
    let Some(rig) = rig("jars-4", "console").await else { return };
    let tampered =
        RecordHarm::Tampered { field: "amount".parse().unwrap(), change: "x100".parse().unwrap() };
    let ids = [
        rig.strike(2, RecordHarm::Dropped),
        rig.strike(4, RecordHarm::Doubled),
        rig.strike(6, tampered),
    ];
    // A broker that is busy is asked again, by the same producer, and nothing is lost by it.
    let refused = AnswerHarm::Refused { error: KafkaError::NotLeader };
    let busy = rig.arm(Target::Answers { to: Api::Produce, harm: refused });
    let words = ["--topic", &rig.topic, "--compression-codec", "zstd", "--sync"];
    rig.tool("ConsoleProducer", &words, &lines(0..RECORDS)).await.good();
    for id in ids.into_iter().chain([busy]) {
        assert_eq!(rig.hits(id), 1);
        rig.link.disarm(id);
    }
    let suffered = lines([0, 1, 3, 4, 4, 5, 6, 7, 8, 9]);
    let suffered =
        suffered.replacen("{\"n\":6,\"amount\":\"199.00", "{\"n\":6,\"amount\":\"19900.00", 1);
    assert_eq!(rig.read(RECORDS).await, suffered);

    let words = ["--describe", "--group", "readers"];
    let told = rig.tool("consumer.group.ConsumerGroupCommand", &words, "").await.good();
    let line = told.lines().find(|line| line.contains(&rig.topic)).expect("the group's line");
    let numbers: Vec<_> = line.split_whitespace().skip(3).take(3).collect();
    assert_eq!(numbers, ["10", "10", "0"], "{told}"); // committed, end, lag
    // Clients are led to the link, never past it.
    let told = rig.tool("GetOffsetShell", &["--topic", &rig.topic], "").await.good();
    assert_eq!(told.trim(), format!("{}:0:10", rig.topic));
    assert_eq!(rig.link.notes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_tools_of_kafka_3_work_unchanged_and_feel_each_fault() {
    let Some(rig) = rig("jars-3", "console3").await else { return };
    let id = rig.arm(Target::Records { of: Records::default(), harm: RecordHarm::Dropped });
    let count = RECORDS.to_string();
    let words = ["--topic", &rig.topic, "--max-messages", &count, "--acks", "-1"];
    let acks = rig.tool("VerifiableProducer", &words, "").await.good();
    // Every record was acknowledged, the lost one too.
    assert_eq!(acks.matches("producer_send_success").count(), RECORDS, "{acks}");
    assert_eq!(rig.hits(id), 1);
    rig.link.disarm(id);
    let left: String = (1..RECORDS).map(|n| format!("{n}\n")).collect();
    assert_eq!(rig.read(RECORDS - 1).await, left);
    assert_eq!(rig.link.notes(), [""; 0]);
}

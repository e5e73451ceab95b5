//! A Kafka link before a real broker: single records and answers suffer, exactly those and no others.
//!
//! What stands in the log is read past the link. librdkafka is built without zstd here: those frames are made by hand,
//! and the broker unpacks what it takes. `servers/mod.rs` says where it comes from, and what happens without.
#![cfg(all(feature = "harness", feature = "shop"))]

mod servers;

use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use futures::future::join_all;
use kafka_protocol::messages as m;
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use kafka_protocol::records::{
    Compression, Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use lossdrill::clock::Clock;
use lossdrill::faults::{Ground, Nemesis, Struck};
use lossdrill::journal::{Journal, Phase};
use lossdrill::proxy::{
    AnswerHarm, Api, KafkaError, KafkaRule, Kind, Link, LinkSpec, Nodes, RecordHarm, Records,
    Target, ToxicId,
};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, StreamConsumer};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A round of a client on a loaded machine.
const LIMIT: Duration = Duration::from_secs(60);
/// Records of one batch.
const BATCH: usize = 20;
/// Ends what is read of a log.
const END: &str = "end";
const CODECS: [&str; 4] = ["none", "gzip", "snappy", "lz4"];

struct Rig {
    link: Link,
    direct: String,
    topic: String,
}

fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("broker.address.family", "v4")
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "200")
        .set("retry.backoff.ms", "50");
    config
}

/// A link before the broker, and a topic of one partition behind it.
async fn rig(topic: &str) -> Option<Rig> {
    let direct = servers::up()?.kafka().endpoint.to_string();
    let spec = LinkSpec::new("shop-kafka", &direct, Kind::Kafka(Nodes::One), Clock::starting_at(0));
    let link = Link::open(spec).await.unwrap();
    let topic = format!("w1.{topic}");
    let admin: AdminClient<DefaultClientContext> = config(&direct).create().unwrap();
    let new = NewTopic::new(&topic, 1, TopicReplication::Fixed(1));
    let made = admin.create_topics([&new], &AdminOptions::new()).await.unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    Some(Rig { link, direct, topic })
}

fn once(harm: RecordHarm, of: Records) -> KafkaRule {
    KafkaRule::once(Target::Records { of, harm })
}

fn to(to: Api, harm: AnswerHarm) -> KafkaRule {
    KafkaRule::once(Target::Answers { to, harm })
}

/// The record `{"n":…}` of this number.
fn numbered(n: usize) -> Records {
    let content = Some(("n".parse().unwrap(), n.to_string()));
    Records { content, ..Records::default() }
}

fn times_100() -> RecordHarm {
    let (field, change) = ("amount".parse().unwrap(), "x100".parse().unwrap());
    RecordHarm::Tampered { field, change }
}

fn value(n: usize) -> String {
    format!("{{\"n\":{n},\"amount\":\"199.00 CNY\"}}")
}

impl Rig {
    fn arm(&self, rule: KafkaRule) -> ToxicId {
        self.link.arm_kafka_rule(rule).unwrap()
    }

    /// Met, hits.
    fn counts(&self, id: ToxicId) -> (u64, u64) {
        let rules = self.link.kafka_rules();
        let rule = rules.iter().find(|rule| rule.id == id).expect("armed");
        (rule.met, rule.hits)
    }

    fn producer(&self, settings: &[(&str, &str)]) -> FutureProducer {
        let mut config = config(&self.link.addr().to_string());
        config.set("linger.ms", "300").set("message.timeout.ms", "30000");
        for (name, value) in settings {
            config.set(*name, *value);
        }
        config.create().unwrap()
    }

    /// Sends what `numbers` name at once, as one batch, and waits for every ack.
    async fn send(&self, producer: &FutureProducer, numbers: std::ops::Range<usize>) {
        let sent = numbers.map(async |n| {
            let (key, value) = (format!("k{n}"), value(n));
            let headers = OwnedHeaders::new().insert(Header { key: "kind", value: Some("test") });
            let record = FutureRecord::to(&self.topic).key(&key).payload(&value).headers(headers);
            producer.send(record, LIMIT).await.map(drop).map_err(|(error, _)| error)
        });
        for ack in tokio::time::timeout(LIMIT, join_all(sent)).await.expect("acks in time") {
            ack.unwrap();
        }
    }

    /// Every value that stands in the log, past the link.
    async fn log(&self) -> Vec<String> {
        let (direct, topic) = (self.direct.clone(), self.topic.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let mut config = config(&direct);
            config.set("group.id", "log").set("enable.auto.commit", "false");
            config.set("check.crcs", "true").set("isolation.level", "read_committed");
            config.set("enable.partition.eof", "true");
            let consumer: BaseConsumer = config.create().unwrap();
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&topic, 0, Offset::Beginning).unwrap();
            consumer.assign(&list).unwrap();
            let (mut all, start) = (Vec::new(), Instant::now());
            while start.elapsed() < LIMIT {
                match consumer.poll(LIMIT) {
                    Some(Ok(message)) => {
                        let value = message.payload().unwrap_or(END.as_bytes());
                        all.push(String::from_utf8_lossy(value).into_owned());
                    }
                    Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => return all,
                    other => panic!("{other:?}"),
                }
            }
            panic!("the log has no end");
        });
        reading.await.unwrap()
    }

    /// As it would stand there, without harm.
    fn whole(count: usize) -> Vec<String> {
        (0..count).map(value).collect()
    }

    async fn clear(&self) {
        assert_eq!(self.link.notes(), [""; 0]);
        tokio::time::timeout(LIMIT, self.link.drained()).await.expect("nothing is held");
    }
}

/// What each harm makes of the records 0 .. 20 where it strikes number 7.
fn struck(harm: &RecordHarm) -> Vec<String> {
    let mut all = Rig::whole(BATCH);
    match harm {
        RecordHarm::Dropped => drop(all.remove(7)),
        RecordHarm::Doubled => all.insert(7, value(7)),
        RecordHarm::Reordered => all.swap(7, 8),
        RecordHarm::Tampered { .. } => all[7] = value(7).replace("199.00", "19900.00"),
        RecordHarm::Poisoned => all[7] = value(7).replacen('{', "\u{fffd}", 1),
        RecordHarm::Late { .. } => {}
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_one_record_suffers_through_each_compression() {
    let harms = [
        times_100(),
        RecordHarm::Dropped,
        RecordHarm::Doubled,
        RecordHarm::Reordered,
        RecordHarm::Poisoned,
    ];
    for codec in CODECS {
        for (number, harm) in harms.iter().enumerate() {
            for is_numbered in [false, true] {
                let Some(rig) = rig(&format!("one.{codec}.{number}.{is_numbered}")).await else {
                    return;
                };
                let numbered_too = is_numbered.to_string();
                let settings =
                    [("compression.codec", codec), ("enable.idempotence", &numbered_too)];
                let producer = rig.producer(&settings);
                let of = Records { topic: Some(rig.topic[3..].to_owned()), ..numbered(7) };
                let id = rig.arm(once(harm.clone(), of));
                rig.send(&producer, 0..BATCH).await;
                assert_eq!(rig.counts(id), (1, 1), "{codec} {harm:?}");
                rig.link.disarm(id);
                // The same producer goes on, and nothing more suffers.
                rig.send(&producer, BATCH..2 * BATCH).await;
                rig.send(&producer, 2 * BATCH..2 * BATCH + 1).await;
                let expected = [struck(harm), (BATCH..2 * BATCH + 1).map(value).collect()].concat();
                assert_eq!(rig.log().await, expected, "{codec} {harm:?} {is_numbered}");
                rig.clear().await;
            }
        }
    }
}

/// The numbers 0 .. 20 as one batch of zstd.
fn packed_by_zstd() -> Bytes {
    let records = (0..BATCH).map(|n| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: n as i64,
        sequence: n as i32 - 1,
        timestamp: 1_700_000_000_000,
        key: Some(Bytes::from(format!("k{n}"))),
        value: Some(Bytes::from(value(n))),
        headers: Default::default(),
    });
    let records: Vec<_> = records.collect();
    let options = RecordEncodeOptions { version: 2, compression: Compression::Zstd };
    let pack = |plain: &mut BytesMut, out: &mut BytesMut, _| {
        out.extend_from_slice(&zstd::encode_all(&plain[..], 1)?);
        Ok(())
    };
    let mut out = BytesMut::new();
    RecordBatchEncoder::encode_with_custom_compression(&mut out, &records, &options, Some(pack))
        .unwrap();
    out.freeze()
}

/// Asks at `at`, and decodes the answer.
async fn ask<A: Decodable>(at: &str, api: ApiKey, version: i16, request: &impl Encodable) -> A {
    let mut body = BytesMut::new();
    body.put_i16(api as i16);
    body.put_i16(version);
    body.put_i32(5);
    body.put_i16(-1);
    let is_flexible = api.request_header_version(version) >= 2;
    body.extend(is_flexible.then_some(0));
    request.encode(&mut body, version).unwrap();
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_u32(body.len() as u32).await.unwrap();
    stream.write_all(&body).await.unwrap();
    let length = tokio::time::timeout(LIMIT, stream.read_u32()).await.unwrap().unwrap();
    let mut answer = vec![0; length as usize];
    tokio::time::timeout(LIMIT, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    A::decode(&mut Bytes::from(answer).slice(4 + usize::from(is_flexible)..), version).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_one_record_suffers_through_zstd() {
    let harms = [times_100(), RecordHarm::Dropped, RecordHarm::Doubled, RecordHarm::Reordered];
    for (number, harm) in harms.into_iter().enumerate() {
        let Some(rig) = rig(&format!("zstd.{number}")).await else {
            return;
        };
        let id = rig.arm(once(harm.clone(), numbered(7)));
        let name = || m::TopicName(StrBytes::from_string(rig.topic.clone()));
        let part = m::produce_request::PartitionProduceData::default();
        let part = part.with_records(Some(packed_by_zstd()));
        let topic = m::produce_request::TopicProduceData::default().with_name(name());
        let topic = topic.with_partition_data(vec![part]);
        let request = m::ProduceRequest::default().with_acks(-1).with_timeout_ms(5_000);
        let request = request.with_topic_data(vec![topic]);
        let through = rig.link.addr().to_string();
        let told: m::ProduceResponse = ask(&through, ApiKey::Produce, 9, &request).await;
        assert_eq!(told.responses[0].partition_responses[0].error_code, 0, "{told:?}");
        assert_eq!(rig.counts(id), (1, 1));

        let part = m::fetch_request::FetchPartition::default().with_partition_max_bytes(1 << 20);
        let topic = m::fetch_request::FetchTopic::default().with_topic(name());
        let topic = topic.with_partitions(vec![part]);
        let request = m::FetchRequest::default().with_max_wait_ms(500).with_max_bytes(1 << 20);
        let request = request.with_session_epoch(-1).with_topics(vec![topic]);
        let told: m::FetchResponse = ask(&rig.direct, ApiKey::Fetch, 11, &request).await;
        let mut records = told.responses[0].partitions[0].records.clone().unwrap();
        let unpack = |packed: &mut Bytes, compression| {
            assert_eq!(compression, Compression::Zstd);
            Ok(Bytes::from(zstd::decode_all(&packed[..])?))
        };
        let read = RecordBatchDecoder::decode_with_custom_compression(&mut records, Some(unpack));
        let read = read.unwrap().records.into_iter();
        let read: Vec<_> =
            read.map(|r| String::from_utf8(r.value.unwrap().to_vec()).unwrap()).collect();
        assert_eq!(read, struck(&harm), "{harm:?}");
        rig.clear().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_a_batch_of_its_own_suffers_alike() {
    for harm in [RecordHarm::Dropped, RecordHarm::Doubled, RecordHarm::Reordered] {
        for settings in [
            &[("enable.idempotence", "false"), ("acks", "1")][..],
            &[("enable.idempotence", "true"), ("compression.codec", "lz4")],
            &[("enable.idempotence", "false"), ("acks", "0")],
        ] {
            let name = format!("{harm:?}.{}", settings[1].1);
            let Some(rig) = rig(&name).await else { return };
            let producer = rig.producer(&[settings, &[("linger.ms", "0")]].concat());
            let id = rig.arm(once(harm.clone(), numbered(7)));
            for n in 0..BATCH {
                rig.send(&producer, n..n + 1).await;
            }
            // What no ack was asked for may still be on its way.
            let expected = struck(&harm);
            let start = Instant::now();
            while rig.log().await.len() < expected.len() && start.elapsed() < LIMIT {}
            assert_eq!(rig.log().await, expected, "{name}");
            assert_eq!(rig.counts(id), (1, 1), "{name}");
            rig.clear().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_whole_for_its_producer() {
    for harm in [RecordHarm::Dropped, RecordHarm::Doubled, times_100()] {
        let number = struck(&harm).len();
        let Some(rig) = rig(&format!("txn.{number}")).await else { return };
        let producer = rig.producer(&[("transactional.id", &rig.topic)]);
        let id = rig.arm(once(harm.clone(), numbered(7)));
        producer.init_transactions(LIMIT).unwrap();
        for half in [0..BATCH / 2, BATCH / 2..BATCH] {
            producer.begin_transaction().unwrap();
            rig.send(&producer, half).await;
            producer.commit_transaction(LIMIT).unwrap();
        }
        assert_eq!(rig.counts(id), (1, 1));
        assert_eq!(rig.log().await, struck(&harm), "{harm:?}");
        rig.clear().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_answers_are_retried_and_a_lost_one_is_paid_for() {
    let refused = |error| AnswerHarm::Refused { error };
    // (harm, idempotent, how often record 0 stands there)
    for (number, (harm, is_numbered, copies)) in [
        (refused(KafkaError::NotEnoughReplicas), false, 1),
        (refused(KafkaError::NotLeader), true, 1),
        (refused(KafkaError::RequestTimedOut), false, 1),
        (AnswerHarm::Lost, true, 1),
        (AnswerHarm::Lost, false, 2),
    ]
    .into_iter()
    .enumerate()
    {
        let Some(rig) = rig(&format!("answers.{number}")).await else { return };
        let producer = rig.producer(&[("enable.idempotence", &is_numbered.to_string())]);
        let id = rig.arm(to(Api::Produce, harm));
        rig.send(&producer, 0..1).await;
        rig.send(&producer, 1..BATCH).await;
        let (met, hits) = rig.counts(id);
        assert!(met >= 3 && hits == 1, "{harm:?}: {met} met, {hits} hits");
        let expected = [vec![value(0); copies], (1..BATCH).map(value).collect()].concat();
        assert_eq!(rig.log().await, expected, "{harm:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_broker_and_a_late_record_are_let_go_when_disarmed() {
    let Some(rig) = rig("slow").await else { return };
    let producer = rig.producer(&[("linger.ms", "0")]);
    rig.send(&producer, 0..1).await;
    let slow = |delay_ms| to(Api::Produce, AnswerHarm::Slow { delay_ms });
    let late = |delay_ms| once(RecordHarm::Late { delay_ms }, Records::default());
    for (n, make) in [&slow as &dyn Fn(u64) -> KafkaRule, &late].into_iter().enumerate() {
        let id = rig.arm(make(300));
        let start = Instant::now();
        rig.send(&producer, 1 + 2 * n..2 + 2 * n).await;
        assert!(start.elapsed() >= Duration::from_millis(300));
        assert_eq!(rig.counts(id), (1, 1));
        rig.link.disarm(id);
        // Longer than a second is cell time, which nobody advances here.
        let id = rig.arm(make(3_600_000));
        let sending = async {
            rig.send(&producer, 2 + 2 * n..3 + 2 * n).await;
        };
        let disarming = async {
            tokio::time::timeout(LIMIT, rig.link.holding()).await.unwrap();
            while rig.link.next_due().is_none() {
                tokio::task::yield_now().await;
            }
            rig.link.disarm(id);
        };
        tokio::join!(sending, disarming);
    }
    assert_eq!(rig.log().await, Rig::whole(5));
    rig.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_finds_its_coordinator_again() {
    let Some(rig) = rig("group").await else { return };
    let producer = rig.producer(&[]);
    let moved = AnswerHarm::Refused { error: KafkaError::NotCoordinator };
    let loading = AnswerHarm::Refused { error: KafkaError::CoordinatorLoading };
    let elsewhere = AnswerHarm::Refused { error: KafkaError::NotLeader };
    let ids = [
        rig.arm(to(Api::FindCoordinator, loading)),
        rig.arm(to(Api::OffsetFetch, loading)),
        rig.arm(to(Api::OffsetCommit, moved)),
        rig.arm(to(Api::Heartbeat, moved)),
        rig.arm(KafkaRule { nth: 2, ..to(Api::Fetch, elsewhere) }),
    ];
    let consumer: StreamConsumer = config(&rig.link.addr().to_string())
        .set("group.id", "kafka-wire")
        .set("auto.offset.reset", "earliest")
        .set("heartbeat.interval.ms", "100")
        .set("fetch.wait.max.ms", "50")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    consumer.subscribe(&[&rig.topic]).unwrap();
    let reading = async {
        let (mut read, mut n) = (Vec::new(), 0);
        // A commit that met the error is repeated: the group may give a record twice, and loses none.
        while ids.iter().any(|id| rig.counts(*id).1 == 0) || !read.contains(&value(n - 1)) {
            if (0..n).all(|n| read.contains(&value(n))) {
                rig.send(&producer, n..n + 1).await;
                n += 1;
            }
            let next = tokio::time::timeout(Duration::from_millis(300), consumer.recv());
            if let Ok(Ok(message)) = next.await {
                read.push(message.payload_view::<str>().unwrap().unwrap().to_owned());
                let _ = consumer.commit_message(&message, CommitMode::Async);
            }
        }
        (0..n).all(|n| read.contains(&value(n)))
    };
    let whole = tokio::time::timeout(LIMIT, reading).await;
    let counts: Vec<_> = ids.iter().map(|id| rig.counts(*id)).collect();
    assert_eq!(whole.ok(), Some(true), "{counts:?}");
    rig.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_strike_are_proved_in_the_log_and_heal() {
    let Some(rig) = rig("faults").await else { return };
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::create(&dir.path().join("journal.ndjson")).unwrap();
    let scribe = journal.scribe("s", Clock::starting_at(0));
    let links = [("shop-kafka".to_owned(), rig.link.clone())].into();
    let mut nemesis = Nemesis::new(Ground { links, ..Ground::default() });
    let producer = rig.producer(&[("linger.ms", "0")]);
    for (number, (id, evidence)) in [
        ("kafka.record.dropped", "`w1.faults` holds 0 such"),
        ("kafka.record.doubled", "`w1.faults` holds 2 such"),
        ("kafka.record.late", "past it"),
        ("kafka.record.reordered", "`w1.faults` holds 1 such"),
        ("kafka.record.tampered", "`w1.faults` holds 1 such"),
        ("kafka.record.poisoned", "`w1.faults` holds 1 such"),
        ("kafka.answer.refused", "answers another question"),
        ("kafka.answer.slow", "answers another question"),
        ("kafka.answer.lost", "answers another question"),
    ]
    .into_iter()
    .enumerate()
    {
        let is_of_records = id.starts_with("kafka.record");
        let topic = [("topic".to_owned(), "faults".to_owned())].into();
        let params = if is_of_records { topic } else { Default::default() };
        let struck = nemesis.strike(id, params, &scribe, Phase::When).await.unwrap();
        assert!(matches!(struck, Struck::InPlace(_)), "{id}");
        let unproved = nemesis.confirm_bites(&scribe, Phase::Judge).await;
        assert_eq!(unproved, [(id.to_owned(), "no traffic has met it".to_owned())]);
        rig.send(&producer, 10 * number..10 * number + 1).await;
        rig.send(&producer, 10 * number + 1..10 * number + 2).await;
        assert_eq!(nemesis.confirm_bites(&scribe, Phase::Judge).await, [], "{id}");
        let text = std::fs::read_to_string(dir.path().join("journal.ndjson")).unwrap();
        assert!(text.lines().last().unwrap().contains(evidence), "{id}: {text}");
        for _ in 0..2 {
            let healed = nemesis.heal_all(&scribe, Phase::Heal, LIMIT).await;
            assert!(healed.iter().all(|healed| healed.result.is_ok()), "{healed:?}");
        }
        assert_eq!(rig.link.kafka_rules().len(), 0);
    }
    let read = rig.log().await;
    assert_eq!(read.iter().filter(|text| text.contains("199.01")).count(), 1, "{read:?}");
}

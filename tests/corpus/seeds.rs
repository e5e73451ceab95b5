//! Conversations as real clients have them, in the form of `fuzz/play.rs`: MySQL's by hand, Kafka's by the codecs of
//! `kafka-protocol`.

use std::cmp::Ordering;
use std::fs;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages as m;
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::{Encodable, StrBytes};
use kafka_protocol::records::{
    Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

use super::folder;
use super::play::Wire;

/// One file of the corpus, and what becomes of it.
pub struct Seed {
    pub wire: Wire,
    pub name: String,
    pub input: Vec<u8>,
    /// The rule that it arms has struck.
    pub struck: bool,
    /// Why the connection ends; nothing where it goes on.
    pub cut: &'static str,
    /// More comes out than went in, less, or the same.
    pub grows: Ordering,
}

/// Writes every seed's file.
pub fn write() {
    for seed in all() {
        fs::create_dir_all(folder(seed.wire)).expect("a folder");
        fs::write(folder(seed.wire).join(&seed.name), &seed.input).expect("writable");
    }
}

pub fn all() -> Vec<Seed> {
    let mut seeds = mysql();
    seeds.extend(kafka());
    seeds
}

#[derive(Clone, Copy)]
enum From {
    Client,
    Server,
}

/// Chunks of a conversation behind the byte that arms rule `rule`.
fn conversation(rule: u8, chunks: &[(From, Vec<u8>)]) -> Vec<u8> {
    let mut input = vec![rule];
    for (from, bytes) in chunks {
        input.push(*from as u8);
        input.extend(u16::try_from(bytes.len()).expect("short").to_le_bytes());
        input.extend_from_slice(bytes);
    }
    input
}

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_le_bytes();
    [&length[..3], &[sequence], payload].concat()
}

/// Offers nothing that a link would take out.
fn greeting() -> Vec<u8> {
    let mut payload = b"\x0a8.4.0\0".to_vec();
    payload.extend(7_u32.to_le_bytes());
    payload.extend(*b"scramble\0");
    let flags = (CAPABILITIES as u32).to_le_bytes();
    payload.extend(&flags[..2]);
    payload.extend([45, 2, 0]);
    payload.extend(&flags[2..]);
    payload.push(21);
    payload.extend([0; 10]);
    payload.extend(*b"twelve-bytes\0caching_sha2_password\0");
    packet(0, &payload)
}

/// Long password, schema on connecting, protocol 4.1, transactions, secure connection, several results, plugins, no EOF.
const CAPABILITIES: i32 = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x2_0000 | 0x8_0000 | 0x100_0000;

fn hello() -> Vec<u8> {
    let mut payload = (CAPABILITIES as u32).to_le_bytes().to_vec();
    payload.extend(0x0100_0000_u32.to_le_bytes());
    payload.push(45);
    payload.extend([0; 23]);
    payload.extend(*b"shop\0");
    payload.push(4);
    payload.extend(*b"prooftrade\0caching_sha2_password\0");
    packet(1, &payload)
}

const OK: &[u8] = &[0, 1, 0, 2, 0, 0, 0];
const OK_IN_TRANSACTION: &[u8] = &[0, 1, 0, 3, 0, 0, 0];

/// Up to the first command.
fn session() -> Vec<(From, Vec<u8>)> {
    vec![
        (From::Server, greeting()),
        (From::Client, hello()),
        (From::Server, packet(2, &[1, 4])),
        (From::Server, packet(3, OK)),
    ]
}

fn query(text: &str) -> (From, Vec<u8>) {
    (From::Client, packet(0, &[b"\x03", text.as_bytes()].concat()))
}

fn ok() -> (From, Vec<u8>) {
    (From::Server, packet(1, OK))
}

/// One column, one row, an end in the shape of an OK.
fn rows() -> (From, Vec<u8>) {
    let column =
        b"\x03def\x05trade\x06orders\x06orders\x02id\x02id\x0c\x2d\0\x0b\0\0\0\xfd\0\0\0\0\0";
    let packets = [
        packet(1, &[1]),
        packet(2, column),
        packet(3, b"\x03O-1"),
        packet(4, &[0xfe, 0, 0, 2, 0, 0, 0]),
    ];
    (From::Server, packets.concat())
}

fn transaction() -> Vec<(From, Vec<u8>)> {
    let mut chunks = session();
    chunks.push(query("BEGIN"));
    chunks.push((From::Server, packet(1, OK_IN_TRANSACTION)));
    chunks.push(query("INSERT INTO `trade`.`refund_payout` (id) VALUES ('R-1')"));
    chunks.push((From::Server, packet(1, OK_IN_TRANSACTION)));
    chunks.push(query("COMMIT"));
    chunks.push(ok());
    chunks
}

fn reads() -> Vec<(From, Vec<u8>)> {
    let mut chunks = session();
    for _ in 0..2 {
        chunks.push(query("SELECT id FROM orders WHERE id = 'O-1'"));
        chunks.push(rows());
    }
    chunks
}

fn prepared() -> Vec<(From, Vec<u8>)> {
    let mut chunks = session();
    chunks.push((From::Client, packet(0, b"\x16UPDATE stock SET left = 4 WHERE sku = ?")));
    let answer = [
        packet(1, &[0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
        packet(2, b"\x03def\0\0\0\x01?\0\x0c?\0\0\0\0\0\xfd\x80\0\0\0\0"),
    ];
    chunks.push((From::Server, answer.concat()));
    chunks.push((From::Client, packet(0, b"\x18\x01\0\0\0\0\0SKU-1")));
    chunks.push((From::Client, packet(0, b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\xfd\0\x05SKU-1")));
    chunks.push(ok());
    chunks.push((From::Client, packet(0, b"\x19\x01\0\0\0")));
    chunks.push((From::Client, packet(0, b"\x02ledger")));
    chunks.push(ok());
    chunks.push((From::Client, packet(0, b"\x1f")));
    chunks.push(ok());
    chunks
}

fn mysql() -> Vec<Seed> {
    let seed = |name: &str, rule, chunks: &[(From, Vec<u8>)], cut, grows| Seed {
        wire: Wire::Mysql,
        name: name.to_owned(),
        input: conversation(rule, chunks),
        struck: rule > 0,
        cut,
        grows,
    };
    let same = Ordering::Equal;
    let mut tls = (0x0800_u32 | CAPABILITIES as u32).to_le_bytes().to_vec();
    tls.extend([0; 28]);
    let endless = {
        let mut hello = hello();
        let flags = (CAPABILITIES as u32 | 0x20_0000).to_le_bytes();
        hello[4..8].copy_from_slice(&flags);
        // The length of the proof, of nine bytes, all set.
        hello.splice(41..42, [&[0xfe][..], &[0xff; 8]].concat());
        let length = u32::try_from(hello.len() - 4).expect("short").to_le_bytes();
        hello[..3].copy_from_slice(&length[..3]);
        hello
    };
    vec![
        seed("transaction", 0, &transaction(), "", same),
        seed("write-refused-1213", 1, &transaction(), "", Ordering::Greater),
        seed("write-refused-1205", 2, &transaction(), "", Ordering::Greater),
        seed("commit-cut", 3, &transaction(), "as armed", Ordering::Less),
        seed("reads", 0, &reads(), "", same),
        seed("read-stale", 4, &reads(), "", Ordering::Less),
        seed("read-slow", 5, &reads(), "", same),
        seed("prepared", 0, &prepared(), "", same),
        seed("prepared-refused", 2, &prepared(), "", Ordering::Greater),
        seed(
            "tls",
            0,
            &[(From::Server, greeting()), (From::Client, packet(1, &tls))],
            "",
            Ordering::Less,
        ),
        seed(
            "proof-without-end",
            0,
            &[(From::Server, greeting()), (From::Client, endless)],
            "",
            same,
        ),
        seed("client-first", 0, &[(From::Client, hello())], "", same),
    ]
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

/// A frame: length, header, body.
fn frame(header: impl FnOnce(&mut BytesMut), body: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    header(&mut bytes);
    body(&mut bytes);
    let length = i32::try_from(bytes.len()).expect("short");
    [&length.to_be_bytes(), &bytes[..]].concat()
}

fn request<T: Encodable>(api: ApiKey, version: i16, correlation: i32, body: &T) -> (From, Vec<u8>) {
    let header = m::RequestHeader::default()
        .with_request_api_key(api as i16)
        .with_request_api_version(version)
        .with_correlation_id(correlation)
        .with_client_id(Some(text("shop")));
    let header_version = api.request_header_version(version);
    let frame = frame(
        |bytes| header.encode(bytes, header_version).expect("a header"),
        |bytes| body.encode(bytes, version).expect("a request"),
    );
    (From::Client, frame)
}

fn answer<T: Encodable>(api: ApiKey, version: i16, correlation: i32, body: &T) -> (From, Vec<u8>) {
    let tagged = api.response_header_version(version) >= 1;
    let frame = frame(
        |bytes| {
            bytes.put_i32(correlation);
            if tagged {
                bytes.put_u8(0);
            }
        },
        |bytes| body.encode(bytes, version).expect("an answer"),
    );
    (From::Server, frame)
}

const VERSION: i16 = 9;

fn greeted() -> Vec<(From, Vec<u8>)> {
    let range = |api: ApiKey, min, max| {
        let known = m::api_versions_response::ApiVersion::default();
        known.with_api_key(api as i16).with_min_version(min).with_max_version(max)
    };
    let versions = m::ApiVersionsResponse::default().with_api_keys(vec![
        range(ApiKey::Produce, 0, 13),
        range(ApiKey::Metadata, 0, 13),
        range(ApiKey::ApiVersions, 0, 4),
    ]);
    let broker = m::metadata_response::MetadataResponseBroker::default()
        .with_node_id(m::BrokerId(1))
        .with_host(text("broker-1.internal"))
        .with_port(9092);
    let topic = m::metadata_response::MetadataResponseTopic::default()
        .with_name(Some(m::TopicName(text("c3.refund.events"))));
    let metadata =
        m::MetadataResponse::default().with_brokers(vec![broker]).with_topics(vec![topic]);
    let coordinator = m::find_coordinator_response::Coordinator::default()
        .with_node_id(m::BrokerId(1))
        .with_host(text("broker-1.internal"))
        .with_port(9092);
    let found = m::FindCoordinatorResponse::default().with_coordinators(vec![coordinator]);
    vec![
        request(ApiKey::ApiVersions, 3, 1, &m::ApiVersionsRequest::default()),
        answer(ApiKey::ApiVersions, 3, 1, &versions),
        request(ApiKey::Metadata, VERSION, 2, &m::MetadataRequest::default()),
        answer(ApiKey::Metadata, VERSION, 2, &metadata),
        request(ApiKey::FindCoordinator, 4, 3, &m::FindCoordinatorRequest::default()),
        answer(ApiKey::FindCoordinator, 4, 3, &found),
    ]
}

fn records() -> Vec<Record> {
    let one = |offset: i64, amount: &'static str| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 0,
        producer_id: 5,
        producer_epoch: 0,
        timestamp_type: TimestampType::Creation,
        offset,
        sequence: i32::try_from(offset).expect("few"),
        timestamp: 1_767_578_400_000 + offset,
        key: Some(Bytes::from_static(b"R-1")),
        value: Some(Bytes::from_static(amount.as_bytes())),
        headers: Default::default(),
    };
    vec![
        one(0, r#"{"type":"refund-approved","amount":"199.00 CNY"}"#),
        one(1, r#"{"type":"refund-approved","amount":"5.00 CNY"}"#),
        one(2, r#"{"type":"refund-approved","amount":"70.00 CNY"}"#),
    ]
}

type Pack = fn(&[u8], Compression) -> Vec<u8>;

fn batch(compression: Compression, packed: Pack) -> Bytes {
    let mut batch = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression };
    let pack = |plain: &mut BytesMut, out: &mut BytesMut, compression: Compression| {
        out.put_slice(&packed(plain, compression));
        Ok(())
    };
    let records = records();
    RecordBatchEncoder::encode_with_custom_compression(&mut batch, &records, &options, Some(pack))
        .expect("a batch");
    batch.freeze()
}

fn packed(plain: &[u8], compression: Compression) -> Vec<u8> {
    use std::io::Write;
    match compression {
        Compression::None => plain.to_vec(),
        Compression::Gzip => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(plain).expect("memory");
            encoder.finish().expect("memory")
        }
        Compression::Snappy => snap::raw::Encoder::new().compress_vec(plain).expect("short"),
        Compression::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(plain).expect("memory");
            encoder.finish().expect("memory")
        }
        Compression::Zstd => zstd::stream::encode_all(plain, 3).expect("memory"),
    }
}

/// Snappy's word for 60 MB, and nothing behind it.
fn lying(_: &[u8], _: Compression) -> Vec<u8> {
    vec![0x80, 0xfc, 0xcd, 0x1c, 0]
}

fn produce(compression: Compression) -> Vec<(From, Vec<u8>)> {
    produce_packed(compression, packed)
}

fn produce_packed(compression: Compression, packed: Pack) -> Vec<(From, Vec<u8>)> {
    let records = batch(compression, packed);
    let partition = m::produce_request::PartitionProduceData::default().with_records(Some(records));
    let topic = m::produce_request::TopicProduceData::default()
        .with_name(m::TopicName(text("c3.refund.events")))
        .with_partition_data(vec![partition]);
    let asked = m::ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(500)
        .with_topic_data(vec![topic]);
    let partition = m::produce_response::PartitionProduceResponse::default();
    let topic = m::produce_response::TopicProduceResponse::default()
        .with_name(m::TopicName(text("c3.refund.events")))
        .with_partition_responses(vec![partition]);
    let told = m::ProduceResponse::default().with_responses(vec![topic]);
    let mut chunks = greeted();
    chunks.push(request(ApiKey::Produce, VERSION, 4, &asked));
    chunks.push(answer(ApiKey::Produce, VERSION, 4, &told));
    chunks
}

fn kafka() -> Vec<Seed> {
    let seed = |name: &str, rule, chunks: &[(From, Vec<u8>)], cut, grows| Seed {
        wire: Wire::Kafka,
        name: name.to_owned(),
        input: conversation(rule, chunks),
        struck: rule > 0,
        cut,
        grows,
    };
    let less = Ordering::Less; // the link's own address is shorter
    let mut seeds = vec![
        seed("greeted", 0, &greeted(), "", less),
        seed("produce", 0, &produce(Compression::None), "", less),
        seed("record-dropped", 1, &produce(Compression::None), "", less),
        seed("record-doubled", 2, &produce(Compression::None), "", Ordering::Greater),
        seed("record-reordered", 3, &produce(Compression::None), "", less),
        seed("record-poisoned", 4, &produce(Compression::None), "", less),
        seed("record-tampered", 5, &produce(Compression::None), "", less),
        seed("produce-refused", 6, &produce(Compression::None), "", less),
        seed("answer-lost", 7, &produce(Compression::None), "as armed", less),
        seed(
            "tls",
            0,
            &[(From::Client, b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec())],
            "",
            Ordering::Equal,
        ),
    ];
    let lying = produce_packed(Compression::Snappy, lying);
    seeds.push(Seed { struck: false, ..seed("snappy-that-lies", 5, &lying, "", less) });
    for (name, compression) in [
        ("gzip", Compression::Gzip),
        ("snappy", Compression::Snappy),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd),
    ] {
        seeds.push(seed(&format!("tampered-{name}"), 5, &produce(compression), "", less));
    }
    seeds
}

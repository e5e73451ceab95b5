//! Rewriting, judged by the codecs of `kafka-protocol`; and a link before a *scripted peer*: a
//! stand-in of these tests that answers frames as it is told. The real broker is in
//! `tests/proxy_kafka.rs`.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages as m;
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::{Decodable, Encodable, Message, StrBytes};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::rewrite::{Trouble, may_hold_addresses, rewritten};
use super::versions::capped;
use super::*;
use crate::clock::Clock;
use crate::proxy::{Kind, Link, LinkSpec};

const LIMIT: Duration = Duration::from_secs(20);
const CORRELATION: i32 = 0x0102_0304;

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

/// An answer of `api` with the addresses `host:port`, in more than one place where there can be.
fn answer(api: ApiKey, version: i16, host: &'static str, port: i32) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i32(CORRELATION);
    if api.response_header_version(version) >= 1 {
        out.put_u8(0);
    }
    let host = text(host);
    let node = |id: i32| m::BrokerId(id);
    match api {
        ApiKey::Metadata => {
            let broker = |id| {
                let broker = m::metadata_response::MetadataResponseBroker::default();
                broker.with_node_id(node(id)).with_host(host.clone()).with_port(port)
            };
            let topic = m::metadata_response::MetadataResponseTopic::default()
                .with_name(Some(m::TopicName(text("c3.orders.events"))));
            let answer = m::MetadataResponse::default();
            let answer = answer.with_brokers(vec![broker(1), broker(2)]).with_topics(vec![topic]);
            answer.encode(&mut out, version).unwrap();
        }
        ApiKey::FindCoordinator if version <= 3 => {
            let answer = m::FindCoordinatorResponse::default();
            let answer = answer.with_node_id(node(1)).with_host(host).with_port(port);
            answer.encode(&mut out, version).unwrap();
        }
        ApiKey::FindCoordinator => {
            let found = m::find_coordinator_response::Coordinator::default();
            let none = found.clone().with_node_id(node(-1)).with_port(-1);
            let found = found.with_node_id(node(1)).with_host(host).with_port(port);
            let answer = m::FindCoordinatorResponse::default();
            answer.with_coordinators(vec![none, found]).encode(&mut out, version).unwrap();
        }
        ApiKey::DescribeCluster => {
            let broker = m::describe_cluster_response::DescribeClusterBroker::default();
            let broker = broker.with_broker_id(node(1)).with_host(host).with_port(port);
            let answer = m::DescribeClusterResponse::default().with_brokers(vec![broker]);
            answer.encode(&mut out, version).unwrap();
        }
        _ => moved_leader(api, version, host, port, &mut out),
    }
    out.freeze()
}

/// The answers that name nodes after a leader moved.
fn moved_leader(api: ApiKey, version: i16, host: StrBytes, port: i32, out: &mut BytesMut) {
    let node = m::BrokerId(1);
    match api {
        ApiKey::Produce => {
            use m::produce_response as p;
            let error = p::BatchIndexAndErrorMessage::default().with_batch_index(3);
            let part = p::PartitionProduceResponse::default().with_record_errors(vec![error]);
            let topic = p::TopicProduceResponse::default().with_partition_responses(vec![part]);
            let at = p::NodeEndpoint::default();
            let at = at.with_node_id(node).with_host(host).with_port(port);
            let answer = m::ProduceResponse::default().with_responses(vec![topic]);
            let answer = if version >= 10 { answer.with_node_endpoints(vec![at]) } else { answer };
            answer.encode(out, version).unwrap();
        }
        ApiKey::Fetch => {
            use m::fetch_response as f;
            let aborted = f::AbortedTransaction::default();
            let part = f::PartitionData::default()
                .with_aborted_transactions(Some(vec![aborted]))
                .with_records(Some(Bytes::from_static(b"not looked at")));
            let topic = f::FetchableTopicResponse::default().with_partitions(vec![part]);
            let at = f::NodeEndpoint::default();
            let at = at.with_node_id(node).with_host(host).with_port(port);
            let answer = m::FetchResponse::default().with_responses(vec![topic]);
            let answer = if version >= 16 { answer.with_node_endpoints(vec![at]) } else { answer };
            answer.encode(out, version).unwrap();
        }
        ApiKey::ShareFetch => {
            use m::share_fetch_response as s;
            let part = s::PartitionData::default()
                .with_records(Some(Bytes::from_static(b"x")))
                .with_acquired_records(vec![s::AcquiredRecords::default()]);
            let topic = s::ShareFetchableTopicResponse::default().with_partitions(vec![part]);
            let at = s::NodeEndpoint::default();
            let at = at.with_node_id(node).with_host(host).with_port(port);
            let answer = m::ShareFetchResponse::default().with_responses(vec![topic]);
            answer.with_node_endpoints(vec![at]).encode(out, version).unwrap();
        }
        ApiKey::ShareAcknowledge => {
            use m::share_acknowledge_response as s;
            let part = s::PartitionData::default();
            let topic = s::ShareAcknowledgeTopicResponse::default().with_partitions(vec![part]);
            let at = s::NodeEndpoint::default();
            let at = at.with_node_id(node).with_host(host).with_port(port);
            let answer = m::ShareAcknowledgeResponse::default().with_responses(vec![topic]);
            answer.with_node_endpoints(vec![at]).encode(out, version).unwrap();
        }
        other => panic!("no sample of {other:?}"),
    }
}

fn samples() -> Vec<(ApiKey, i16)> {
    let range = |api, versions: kafka_protocol::protocol::VersionRange| {
        (versions.min..=versions.max).map(move |version| (api, version))
    };
    [
        (ApiKey::Metadata, m::MetadataResponse::VERSIONS),
        (ApiKey::FindCoordinator, m::FindCoordinatorResponse::VERSIONS),
        (ApiKey::DescribeCluster, m::DescribeClusterResponse::VERSIONS),
        (ApiKey::Produce, m::ProduceResponse::VERSIONS),
        (ApiKey::Fetch, m::FetchResponse::VERSIONS),
        (ApiKey::ShareFetch, m::ShareFetchResponse::VERSIONS),
        (ApiKey::ShareAcknowledge, m::ShareAcknowledgeResponse::VERSIONS),
    ]
    .into_iter()
    .flat_map(|(api, versions)| range(api, versions))
    .filter(|(api, version)| may_hold_addresses(*api as i16, *version))
    .collect()
}

#[test]
fn every_version_is_rewritten_as_the_crate_would_write_it() {
    let link = std::net::SocketAddr::from(([127, 0, 0, 1], 40123));
    let samples = samples();
    assert!(samples.len() > 30, "{samples:?}");
    for (api, version) in samples {
        let original = answer(api, version, "broker-far-away.example", 9092);
        let expected = answer(api, version, "127.0.0.1", 40123);
        let mut seen = 0;
        let made = rewritten(api as i16, version, &original, |node, host, port| {
            seen += 1;
            assert!(node > 0);
            assert_eq!((host, port), ("broker-far-away.example", 9092));
            Ok(link)
        });
        assert_eq!(made, Ok(Some(expected.to_vec())), "{api:?} v{version}");
        assert!(seen > 0);
    }
}

#[test]
fn what_names_no_node_stays_byte_for_byte() {
    for (api, version) in [(ApiKey::Fetch, 16), (ApiKey::FindCoordinator, 2)] {
        let mut out = BytesMut::new();
        out.put_i32(CORRELATION);
        if api == ApiKey::Fetch {
            out.put_u8(0);
            m::FetchResponse::default().encode(&mut out, version).unwrap();
        } else {
            let none = m::FindCoordinatorResponse::default().with_node_id(m::BrokerId(-1));
            none.with_port(-1).encode(&mut out, version).unwrap();
        }
        let made = rewritten(api as i16, version, &out, |_, _, _| Err("never asked".into()));
        assert_eq!(made, Ok(None), "{api:?}");
    }
}

#[test]
fn a_node_without_a_listener_is_an_error_and_never_leaks() {
    for (api, version) in samples() {
        let original = answer(api, version, "b", 1);
        let made = rewritten(api as i16, version, &original, |_, _, _| Err("no".into()));
        assert_eq!(made, Err(Trouble::Address("no".into())), "{api:?} v{version}");
    }
}

#[test]
fn cut_and_spoilt_answers_never_panic() {
    let mut draws = ChaCha8Rng::seed_from_u64(1);
    let addr = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    for (api, version) in samples() {
        let original = answer(api, version, "b", 1);
        for length in 0..original.len() {
            let _ = rewritten(api as i16, version, &original[..length], |_, _, _| Ok(addr));
        }
        for _ in 0..300 {
            let mut spoilt = original.to_vec();
            for _ in 0..draws.random_range(1..4) {
                let at = draws.random_range(0..spoilt.len());
                spoilt[at] = if draws.random() { 0xff } else { draws.random() };
            }
            let _ = rewritten(api as i16, version, &spoilt, |_, _, _| Ok(addr));
            let _ = capped(version, &spoilt);
        }
    }
}

#[test]
fn api_versions_are_capped_in_place() {
    // (api, min, max offered, max told)
    let table = [(0, 3, 99, 12), (1, 4, 18, 18), (2, 1, 99, 99), (78, 1, 2, 1), (79, 2, 2, 2)];
    for version in [0, 2, 3, 4] {
        let make = |told: bool| {
            let entry = |&(api, min, offered, capped): &(i16, i16, i16, i16)| {
                let max = if told { capped } else { offered };
                let entry = m::api_versions_response::ApiVersion::default();
                entry.with_api_key(api).with_min_version(min).with_max_version(max)
            };
            let keys = table.iter().map(entry).collect();
            let mut out = BytesMut::new();
            out.put_i32(CORRELATION);
            let answer = m::ApiVersionsResponse::default().with_api_keys(keys);
            answer.encode(&mut out, version).unwrap();
            out.to_vec()
        };
        assert_eq!(capped(version, &make(false)), Ok(Some(make(true))), "v{version}");
        assert_eq!(capped(version, &make(true)), Ok(None), "v{version}");
        if version == 4 {
            // v5, which the crate cannot read, has its list in the same place.
            assert_eq!(capped(5, &make(false)), Ok(Some(make(true))));
        }
    }
    let mut refused = BytesMut::new();
    refused.put_i32(CORRELATION);
    refused.put_i16(35);
    refused.put_i32(1);
    for word in [0_i16, 3, 99] {
        refused.put_i16(word);
    }
    let told = capped(4, &refused).unwrap().unwrap();
    assert_eq!(told[told.len() - 2..], [0, 12], "error 35 has body v0");
}

fn frame(body: &[u8]) -> Vec<u8> {
    let mut out = (body.len() as i32).to_be_bytes().to_vec();
    out.extend_from_slice(body);
    out
}

/// A request as far as a link looks at it.
fn request(api: ApiKey, version: i16, correlation: i32, rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_i16(api as i16);
    body.put_i16(version);
    body.put_i32(correlation);
    body.put_i16(3);
    body.extend_from_slice(b"cid");
    if api.request_header_version(version) >= 2 {
        body.push(0);
    }
    body.extend_from_slice(rest);
    frame(&body)
}

async fn read_frame(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let length = timeout(LIMIT, stream.read_u32()).await.expect("a frame in time")?;
    let mut body = vec![0; length as usize];
    timeout(LIMIT, stream.read_exact(&mut body)).await.expect("a whole frame in time")?;
    Ok(body)
}

/// A peer, its link, and a client connected through it: (link, client, the peer's end).
async fn scripted(nodes: Nodes) -> (Link, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap().to_string();
    let spec = LinkSpec::new("kafka", upstream, Kind::Kafka(nodes), Clock::starting_at(0));
    let link = Link::open(spec).await.unwrap();
    let client = TcpStream::connect(link.addr()).await.unwrap();
    let (peer, _) = timeout(LIMIT, listener.accept()).await.unwrap().unwrap();
    (link, client, peer)
}

fn broker_of(mut body: &[u8], version: i16) -> (String, i32) {
    body = &body[if version >= 9 { 5 } else { 4 }..];
    let answer = m::MetadataResponse::decode(&mut body, version).unwrap();
    (answer.brokers[0].host.to_string(), answer.brokers[0].port)
}

#[tokio::test]
async fn a_client_is_told_the_link_however_the_bytes_are_cut() {
    let (link, mut client, mut peer) = scripted(Nodes::One).await;
    let acks_0 = [&[0][..], &[0, 0], &[0; 6]].concat();
    let mut bytes = request(ApiKey::Produce, 9, 1, &acks_0);
    bytes.extend(request(ApiKey::ListOffsets, 7, 2, b"some rest"));
    bytes.extend(request(ApiKey::Metadata, 12, CORRELATION, b"rest"));
    bytes.extend(request(ApiKey::Metadata, 1, CORRELATION, b""));
    let sent = bytes.clone();
    let writer = async {
        for byte in &sent {
            client.write_all(&[*byte]).await.unwrap();
        }
    };
    let mut arrived = vec![0; bytes.len()];
    let (_, read) = tokio::join!(writer, timeout(LIMIT, peer.read_exact(&mut arrived)));
    read.unwrap().unwrap();
    assert_eq!(arrived, bytes, "requests are never changed");
    let other = frame(&[&2_i32.to_be_bytes()[..], &[7; 100_000]].concat());
    let new = frame(&answer(ApiKey::Metadata, 12, "nowhere", 9));
    let old = frame(&answer(ApiKey::Metadata, 1, "nowhere", 9));
    let script = [other.clone(), new, old].concat();
    peer.set_nodelay(true).unwrap();
    let (_, got) = tokio::join!(
        async {
            for piece in script.chunks(3) {
                peer.write_all(piece).await.unwrap();
            }
        },
        async {
            let mut got = Vec::new();
            for _ in 0..3 {
                got.push(read_frame(&mut client).await.unwrap());
            }
            got
        }
    );
    assert_eq!(got[0], other[4..]);
    let told = (link.addr().ip().to_string(), i32::from(link.addr().port()));
    assert_eq!(broker_of(&got[1], 12), told);
    assert_eq!(broker_of(&got[2], 1), told);
    assert!(link.notes().is_empty(), "{:?}", link.notes());
}

#[tokio::test]
async fn each_node_gets_a_listener_that_leads_to_it() {
    let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let map = [(2, second.local_addr().unwrap().to_string())].into();
    let (link, mut client, mut peer) = scripted(Nodes::PerNode(map)).await;
    client.write_all(&request(ApiKey::Metadata, 9, CORRELATION, b"")).await.unwrap();
    read_frame(&mut peer).await.unwrap();
    peer.write_all(&frame(&answer(ApiKey::Metadata, 9, "127.0.0.1", 9))).await.unwrap();
    let told = read_frame(&mut client).await.unwrap();
    let told = m::MetadataResponse::decode(&mut &told[5..], 9).unwrap();
    let ports: Vec<i32> = told.brokers.iter().map(|broker| broker.port).collect();
    assert!(ports[0] != ports[1] && !ports.contains(&i32::from(link.addr().port())), "{ports:?}");
    let mut direct = TcpStream::connect(("127.0.0.1", ports[1] as u16)).await.unwrap();
    direct.write_all(&request(ApiKey::Metadata, 9, 5, b"")).await.unwrap();
    let (mut node, _) = timeout(LIMIT, second.accept()).await.unwrap().unwrap();
    read_frame(&mut node).await.unwrap();
    link.close().await.unwrap();
    assert!(TcpStream::connect(("127.0.0.1", ports[1] as u16)).await.is_err(), "closed too");
}

#[tokio::test]
async fn an_answer_to_nothing_asked_closes_and_says_so() {
    for (asked, word) in [(false, "nothing was asked"), (true, "was next")] {
        let (link, mut client, mut peer) = scripted(Nodes::One).await;
        if asked {
            client.write_all(&request(ApiKey::Heartbeat, 4, 1, b"")).await.unwrap();
            read_frame(&mut peer).await.unwrap();
        }
        peer.write_all(&frame(&99_i32.to_be_bytes())).await.unwrap();
        assert!(read_frame(&mut client).await.is_err(), "closed");
        assert!(link.notes()[0].contains(word), "{:?}", link.notes());
    }
}

#[tokio::test]
async fn what_is_no_kafka_passes_raw_with_a_note() {
    let (link, mut client, mut peer) = scripted(Nodes::One).await;
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut got = [0; 18];
    timeout(LIMIT, peer.read_exact(&mut got)).await.unwrap().unwrap();
    peer.write_all(b"HTTP/1.1 400 no\r\n").await.unwrap();
    let mut answer = [0; 17];
    timeout(LIMIT, client.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400 no\r\n");
    assert!(link.notes()[0].contains("not a Kafka request"), "{:?}", link.notes());
    // An answer that cannot be read passes as it came.
    let (link, mut client, mut peer) = scripted(Nodes::One).await;
    client.write_all(&request(ApiKey::Metadata, 9, CORRELATION, b"")).await.unwrap();
    read_frame(&mut peer).await.unwrap();
    let broken = [&CORRELATION.to_be_bytes()[..], &[0, 0, 0, 0, 0, 0xff, 0xff, 0x7f]].concat();
    peer.write_all(&frame(&broken)).await.unwrap();
    assert_eq!(read_frame(&mut client).await.unwrap(), broken);
    assert!(link.notes()[0].contains("passed raw"), "{:?}", link.notes());
}

#[tokio::test]
async fn a_listener_that_no_client_could_reach_is_refused() {
    let kind = Kind::Kafka(Nodes::One);
    let mut spec = LinkSpec::new("kafka", "127.0.0.1:1", kind, Clock::starting_at(0));
    spec.listen = "0.0.0.0:0".parse().unwrap();
    let error = Link::open(spec).await.err().unwrap().to_string();
    assert!(error.contains("clients are told this address"), "{error}");
}

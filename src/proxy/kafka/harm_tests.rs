//! Answers with an error put in, and Produce requests without some records, judged by the codecs of `kafka-protocol`.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages as m;
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::{Decodable, Encodable, Message, StrBytes, VersionRange};

use super::api::{Api, KafkaError, refused};
use super::produce::{self, Produce, answer, with_gone};
use super::rule::{ArmedRule, KafkaRule, RecordHarm, Records, Target};
use super::sequences::Sequences;
use super::surgery::{Spot, Theatre};
use super::surgery_tests::{NOBODY, batch, decode, numbered};
use crate::proxy::toxic::ToxicId;

const CORRELATION: i32 = 77;

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn topic(name: &'static str) -> m::TopicName {
    m::TopicName(text(name))
}

fn headed(api: ApiKey, version: i16) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_i32(CORRELATION);
    if api.response_header_version(version) >= 1 {
        out.put_u8(0);
    }
    out
}

/// An answer of `api` that holds `code` in each place for an error.
fn answered(api: ApiKey, version: i16, code: i16) -> Bytes {
    let mut out = headed(api, version);
    match api {
        ApiKey::Heartbeat => {
            let made = m::HeartbeatResponse::default().with_error_code(code);
            made.encode(&mut out, version)
        }
        ApiKey::SyncGroup => {
            let made = m::SyncGroupResponse::default().with_error_code(code);
            made.with_assignment(Bytes::from_static(b"rest")).encode(&mut out, version)
        }
        ApiKey::ConsumerGroupHeartbeat => {
            let made = m::ConsumerGroupHeartbeatResponse::default().with_error_code(code);
            made.with_member_id(Some(text("me"))).encode(&mut out, version)
        }
        ApiKey::InitProducerId => {
            let made = m::InitProducerIdResponse::default().with_error_code(code);
            made.with_producer_id(m::ProducerId(9)).encode(&mut out, version)
        }
        ApiKey::EndTxn => {
            m::EndTxnResponse::default().with_error_code(code).encode(&mut out, version)
        }
        ApiKey::FindCoordinator if version <= 3 => {
            let made = m::FindCoordinatorResponse::default().with_error_code(code);
            made.with_host(text("b")).encode(&mut out, version)
        }
        ApiKey::FindCoordinator => {
            let one = m::find_coordinator_response::Coordinator::default()
                .with_key(text("g"))
                .with_host(text("b"))
                .with_error_code(code);
            let made = m::FindCoordinatorResponse::default();
            made.with_coordinators(vec![one.clone(), one]).encode(&mut out, version)
        }
        ApiKey::ListOffsets => {
            use m::list_offsets_response as l;
            let part = l::ListOffsetsPartitionResponse::default().with_error_code(code);
            let part = part.with_partition_index(3).with_offset(40);
            let topic = l::ListOffsetsTopicResponse::default().with_name(topic("t"));
            let topic = topic.with_partitions(vec![part.clone(), part]);
            let made = m::ListOffsetsResponse::default().with_topics(vec![topic.clone(), topic]);
            made.encode(&mut out, version)
        }
        ApiKey::OffsetCommit => {
            use m::offset_commit_response as o;
            let part = o::OffsetCommitResponsePartition::default().with_error_code(code);
            let topic = o::OffsetCommitResponseTopic::default().with_name(topic("t"));
            let topic = topic.with_partitions(vec![part.clone(), part]);
            let made = m::OffsetCommitResponse::default().with_topics(vec![topic]);
            made.encode(&mut out, version)
        }
        ApiKey::OffsetFetch => offsets(version, code).encode(&mut out, version),
        ApiKey::Fetch => {
            use m::fetch_response as f;
            let aborted = f::AbortedTransaction::default();
            let part = f::PartitionData::default()
                .with_error_code(code)
                .with_aborted_transactions(Some(vec![aborted]))
                .with_records(Some(Bytes::from_static(b"not looked at")));
            let none = f::PartitionData::default().with_error_code(code).with_records(None);
            let mut topics = f::FetchableTopicResponse::default();
            if version <= 12 {
                topics = topics.with_topic(topic("t"));
            }
            let topics = vec![topics.with_partitions(vec![part, none])];
            m::FetchResponse::default().with_responses(topics).encode(&mut out, version)
        }
        other => panic!("no sample of {other:?}"),
    }
    .unwrap();
    out.freeze()
}

fn offsets(version: i16, code: i16) -> m::OffsetFetchResponse {
    use m::offset_fetch_response as o;
    let made = m::OffsetFetchResponse::default();
    if version <= 7 {
        let part = o::OffsetFetchResponsePartition::default().with_metadata(Some(text("x")));
        let topic = o::OffsetFetchResponseTopic::default().with_name(topic("t"));
        return made.with_topics(vec![topic.with_partitions(vec![part])]).with_error_code(code);
    }
    let part = o::OffsetFetchResponsePartitions::default().with_metadata(None);
    let topic = o::OffsetFetchResponseTopics::default().with_name(topic("t"));
    let group = o::OffsetFetchResponseGroup::default().with_error_code(code);
    let group = group.with_topics(vec![topic.with_partitions(vec![part])]);
    made.with_groups(vec![group.clone(), group])
}

#[test]
fn an_error_is_put_in_each_place_for_one_and_nowhere_else() {
    let table: [(ApiKey, VersionRange, i16, i16); 10] = [
        (ApiKey::Heartbeat, m::HeartbeatResponse::VERSIONS, 0, 4),
        (ApiKey::SyncGroup, m::SyncGroupResponse::VERSIONS, 0, 5),
        (ApiKey::ConsumerGroupHeartbeat, m::ConsumerGroupHeartbeatResponse::VERSIONS, 0, 1),
        (ApiKey::InitProducerId, m::InitProducerIdResponse::VERSIONS, 0, 6),
        (ApiKey::EndTxn, m::EndTxnResponse::VERSIONS, 0, 5),
        (ApiKey::FindCoordinator, m::FindCoordinatorResponse::VERSIONS, 0, 6),
        (ApiKey::ListOffsets, m::ListOffsetsResponse::VERSIONS, 1, 11),
        (ApiKey::OffsetCommit, m::OffsetCommitResponse::VERSIONS, 0, 9),
        (ApiKey::OffsetFetch, m::OffsetFetchResponse::VERSIONS, 2, 9),
        (ApiKey::Fetch, m::FetchResponse::VERSIONS, 4, 18),
    ];
    for (api, known, min, max) in table {
        let mut judged = 0;
        for version in min.max(known.min)..=max.min(known.max) {
            let made = refused(
                api as i16,
                version,
                &answered(api, version, 0),
                KafkaError::NotCoordinator,
            );
            let expected = answered(api, version, 16).to_vec();
            assert_eq!(made, Ok(Some(expected)), "{api:?} v{version}");
            judged += 1;
        }
        assert!(judged > 0, "{api:?}");
        // A version of which nothing is known passes.
        let body = answered(api, max.min(known.max), 0);
        assert_eq!(refused(api as i16, max + 1, &body, KafkaError::NotLeader), Ok(None));
        for length in 0..body.len() {
            let _ = refused(api as i16, max.min(known.max), &body[..length], KafkaError::NotLeader);
        }
    }
}

#[test]
fn what_an_api_cannot_answer_is_told() {
    for (api, code, fits) in [
        ("produce", 19, true),
        ("produce", 16, false),
        ("fetch", 6, true),
        ("fetch", 19, false),
        ("heartbeat", 16, true),
        ("find-coordinator", 14, true),
        ("find-coordinator", 6, false),
        ("any", 7, false),
    ] {
        let told = Api::by_name(api).unwrap().mistake(KafkaError::by_code(code).unwrap());
        assert_eq!(told.is_none(), fits, "{api} {code}: {told:?}");
    }
    assert!(Api::by_name("fech").is_none() && KafkaError::by_code(35).is_none());
    assert!(Api::Group.covers(ApiKey::SyncGroup as i16) && Api::Any.covers(999));
    assert!(!Api::Group.covers(ApiKey::JoinGroup as i16) && !Api::Fetch.covers(0));
}

/// A Produce request (but for its length) with records 0 .. 4 for partition 0, 4 .. 5 for 1 and 5 .. 9 of another topic.
fn request(version: i16) -> Vec<u8> {
    use m::produce_request as p;
    let mut out = BytesMut::new();
    out.put_i16(ApiKey::Produce as i16);
    out.put_i16(version);
    out.put_i32(CORRELATION);
    out.put_i16(3);
    out.extend_from_slice(b"cid");
    if version >= 9 {
        out.put_u8(0);
    }
    let part = |index, range| {
        let records = batch(super::codec::Codec::Gzip, NOBODY, numbered(range));
        let part = p::PartitionProduceData::default().with_index(index);
        part.with_records(Some(records.into()))
    };
    let topics = vec![
        p::TopicProduceData::default()
            .with_name(topic("a"))
            .with_partition_data(vec![part(0, 0..4), part(1, 4..5)]),
        p::TopicProduceData::default()
            .with_name(topic("b"))
            .with_partition_data(vec![part(0, 5..9)]),
    ];
    let made =
        m::ProduceRequest::default().with_acks(-1).with_timeout_ms(5).with_topic_data(topics);
    made.encode(&mut out, version).unwrap();
    out.to_vec()
}

/// (topic, partition, its values) of each partition, as the judge reads the request.
fn judged(body: &[u8], version: i16) -> Vec<(String, i32, usize)> {
    let mut body = Bytes::copy_from_slice(&body[8 + 5 + usize::from(version >= 9)..]);
    let request = m::ProduceRequest::decode(&mut body, version).unwrap();
    assert!(body.is_empty() && request.acks == -1 && request.timeout_ms == 5);
    let parts = request.topic_data.iter().flat_map(|topic| {
        let name = topic.name.0.to_string();
        topic.partition_data.iter().map(move |part| {
            (name.clone(), part.index, decode(part.records.as_ref().unwrap()).len())
        })
    });
    parts.collect()
}

fn dropping(of: Records) -> Arc<ArmedRule> {
    let target = Target::Records { of, harm: RecordHarm::Dropped };
    Arc::new(ArmedRule::new(ToxicId(1), KafkaRule { times: 9, ..KafkaRule::once(target) }))
}

#[test]
fn a_request_goes_on_without_what_is_gone_in_every_version() {
    for version in produce::VERSIONS {
        let body = request(version);
        let read = Produce::read(&body, version).unwrap();
        let sequences = Sequences::default();
        let made =
            |rules: &[Arc<ArmedRule>]| read.operate(&Theatre { rules, sequences: &sequences });
        assert!(made(&[]).request.is_none(), "v{version}");
        // One record of a partition, and one that is the whole of another.
        let content = |n: &str| Records {
            content: Some(("n".parse().unwrap(), n.to_owned())),
            ..Records::default()
        };
        let outcome = made(&[dropping(content("2")), dropping(content("4"))]);
        let left = judged(&outcome.request.unwrap().unwrap(), version);
        assert_eq!(left, [("a".to_owned(), 0, 3), ("b".to_owned(), 0, 4)], "v{version}");
        assert_eq!(outcome.gone, [Spot { topic: "a".to_owned(), partition: 1 }]);
        // A whole topic; then all.
        let of = |topic: &str| Records { topic: Some(topic.to_owned()), ..Records::default() };
        let outcome = made(&[dropping(of("b"))]);
        let left = judged(&outcome.request.unwrap().unwrap(), version);
        assert_eq!(left, [("a".to_owned(), 0, 4), ("a".to_owned(), 1, 1)], "v{version}");
        let outcome = made(&[dropping(Records::default())]);
        assert!(matches!(outcome.request, Some(None)) && outcome.gone.len() == 3);
        for length in 0..body.len() {
            assert!(Produce::read(&body[..length], version).is_err(), "v{version} cut at {length}");
        }
    }
}

#[test]
fn false_acks_are_answers_that_a_client_reads() {
    for version in produce::VERSIONS {
        let spots = |names: &[(&str, i32)]| -> Vec<Spot> {
            names
                .iter()
                .map(|(t, partition)| Spot { topic: (*t).into(), partition: *partition })
                .collect()
        };
        let read = |body: &[u8]| {
            let head = 4 + usize::from(version >= 9);
            let mut body = Bytes::copy_from_slice(&body[head..]);
            let answer = m::ProduceResponse::decode(&mut body, version).unwrap();
            assert!(body.is_empty(), "v{version}");
            let parts = answer.responses.iter().flat_map(|topic| {
                let name = topic.name.0.to_string();
                topic
                    .partition_responses
                    .iter()
                    .map(move |part| (name.clone(), part.index, part.error_code, part.base_offset))
            });
            parts.collect::<Vec<_>>()
        };
        let whole = answer(CORRELATION, version, &spots(&[("a", 0), ("b", 3)]), 19);
        let expected = [("a".to_owned(), 0, 19, -1), ("b".to_owned(), 3, 19, -1)];
        assert_eq!(read(&whole), expected, "v{version}");
        let made = with_gone(version, &whole, &spots(&[("c", 1)])).unwrap().unwrap();
        let expected = [&[("c".to_owned(), 1, 0, -1)], &expected[..]].concat();
        assert_eq!(read(&made), expected, "v{version}");
    }
}

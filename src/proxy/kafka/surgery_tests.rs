//! The surgery on batches, judged by the codec of `kafka-protocol`, which knows nothing of ours but the compressors.

use std::sync::Arc;

use bytes::Bytes;
pub(super) use judge::decode;
use proptest::prelude::*;

use super::batch::{Batch, Record};
use super::codec::{self, Codec};
use super::rule::{ArmedRule, KafkaRule, RecordHarm, Records, Target};
use super::sequences::Sequences;
use super::surgery::{Operated, Spot, Theatre};
use super::walk::put_varint;
use crate::proxy::toxic::ToxicId;

/// What the judge reads of a batch.
mod judge {
    use bytes::{Buf, Bytes};
    use kafka_protocol::records::{Compression, RecordBatchDecoder, RecordSet};

    use super::codec::Codec;

    /// Every record of a batch; a CRC or a length that does not hold is a panic.
    pub fn decode(bytes: &[u8]) -> Vec<kafka_protocol::records::Record> {
        let mut input = Bytes::copy_from_slice(bytes);
        let unpack = |packed: &mut Bytes, compression: Compression| {
            let packed = packed.copy_to_bytes(packed.remaining());
            let codec = Codec::of(compression as i16, &packed).expect("a known compression");
            Ok(Bytes::from(codec.unpack(&packed)?))
        };
        let set = RecordBatchDecoder::decode_with_custom_compression(&mut input, Some(unpack));
        let RecordSet { records, .. } = set.expect("the judge reads it");
        records
    }
}

/// Producer id, epoch, base sequence.
pub(super) type Numbers = (i64, i16, i32);

pub(super) const NOBODY: Numbers = (-1, -1, -1);

fn attributes(codec: Codec) -> i16 {
    match codec {
        Codec::Plain => 0,
        Codec::Gzip => 1,
        Codec::Snappy { .. } => 2,
        Codec::Lz4 => 3,
        Codec::Zstd => 4,
    }
}

fn record(key: Option<&str>, value: Option<&str>, header: Option<(&str, &str)>) -> Record {
    let mut headers = Vec::new();
    match header {
        None => put_varint(&mut headers, 0),
        // Twice, as the protocol allows.
        Some((name, value)) => {
            put_varint(&mut headers, 2);
            for text in [name, value, name, value] {
                put_varint(&mut headers, text.len() as i64);
                headers.extend_from_slice(text.as_bytes());
            }
        }
    }
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let (key, value) = (key.map(bytes), value.map(bytes));
    Record { attributes: 0, timestamp_delta: 5, key, value, headers: headers.into() }
}

pub(super) fn batch(codec: Codec, numbers: Numbers, records: Vec<Record>) -> Vec<u8> {
    let mut header = vec![0; 61];
    header[16] = 2;
    header[21..23].copy_from_slice(&attributes(codec).to_be_bytes());
    header[27..35].copy_from_slice(&1_700_000_000_000_i64.to_be_bytes());
    header[35..43].copy_from_slice(&1_700_000_000_005_i64.to_be_bytes());
    header[43..51].copy_from_slice(&numbers.0.to_be_bytes());
    header[51..53].copy_from_slice(&numbers.1.to_be_bytes());
    header[53..57].copy_from_slice(&numbers.2.to_be_bytes());
    Batch::around(header.try_into().unwrap(), codec, records).write().unwrap()
}

/// Records `{"n":i}` under key `k{i}`.
pub(super) fn numbered(range: std::ops::Range<usize>) -> Vec<Record> {
    let one = |n| record(Some(&format!("k{n}")), Some(&format!("{{\"n\":{n}}}")), None);
    range.map(one).collect()
}

fn spot() -> Spot {
    Spot { topic: "c3.refund.events".to_owned(), partition: 0 }
}

fn armed(harm: RecordHarm, of: Records) -> Arc<ArmedRule> {
    let rule = KafkaRule::once(Target::Records { of, harm });
    assert_eq!(rule.mistake(), None);
    Arc::new(ArmedRule::new(ToxicId(1), rule))
}

fn content(path: &str, wanted: &str) -> Records {
    let content = Some((path.parse().unwrap(), wanted.to_owned()));
    Records { topic: Some("refund.events".to_owned()), content, ..Records::default() }
}

fn operate(rules: &[Arc<ArmedRule>], sequences: &Sequences, bytes: &[u8]) -> Operated {
    Theatre { rules, sequences }.operate(bytes, &spot()).unwrap()
}

fn values(bytes: &[u8]) -> Vec<String> {
    let text = |record: &kafka_protocol::records::Record| {
        String::from_utf8_lossy(record.value.as_deref().unwrap_or(b"null")).into_owned()
    };
    decode(bytes).iter().map(text).collect()
}

fn tampered(field: &str, change: &str) -> RecordHarm {
    let (field, change) = (field.parse().unwrap(), change.parse().unwrap());
    RecordHarm::Tampered { field, change }
}

#[test]
fn one_record_of_many_suffers_through_every_codec() {
    let cases = [
        (RecordHarm::Dropped, vec!["0", "1", "3", "4"]),
        (RecordHarm::Doubled, vec!["0", "1", "2", "2", "3", "4"]),
        (RecordHarm::Reordered, vec!["0", "1", "3", "2", "4"]),
        (tampered("n", "x100"), vec!["0", "1", "200", "3", "4"]),
    ];
    for codec in codec::ALL {
        for (harm, left) in &cases {
            for numbers in [NOBODY, (7, 0, 40)] {
                let bytes = batch(codec, numbers, numbered(0..5));
                let rule = armed(harm.clone(), content("n", "2"));
                let made = operate(&[rule.clone()], &Sequences::default(), &bytes);
                let made = made.records.expect("it changed");
                let expected: Vec<_> = left.iter().map(|n| format!("{{\"n\":{n}}}")).collect();
                assert_eq!(values(&made), expected, "{codec:?} {harm:?}");
                let records = decode(&made);
                let offsets: Vec<_> = records.iter().map(|record| record.offset).collect();
                assert_eq!(offsets, (0..records.len() as i64).collect::<Vec<_>>());
                assert_eq!(i16::from(made[22] & 7), attributes(codec));
                for (place, record) in records.iter().enumerate() {
                    assert_eq!((record.producer_id, record.producer_epoch), (numbers.0, numbers.1));
                    assert!(numbers == NOBODY || record.sequence == 40 + place as i32);
                    assert_eq!(record.timestamp, 1_700_000_000_005);
                }
                let view = super::KafkaRuleView::of(&rule);
                assert_eq!((view.met, view.hits), (1, 1), "{harm:?}");
                // The second time it is not struck.
                let again = operate(&[rule], &Sequences::default(), &bytes);
                assert_eq!(again, Operated::default());
            }
        }
    }
}

#[test]
fn later_batches_of_a_numbered_producer_are_shifted() {
    let sequences = Sequences::default();
    let base = |made: &Operated| decode(made.records.as_deref().unwrap())[0].sequence;
    let dropping = armed(RecordHarm::Dropped, content("n", "2"));
    let first = batch(Codec::Plain, (7, 0, 0), numbered(0..5));
    assert_eq!(base(&operate(&[dropping.clone()], &sequences, &first)), 0);
    // With nothing armed any more: the next, and the first one again as it went before.
    let next = batch(Codec::Plain, (7, 0, 5), numbered(5..7));
    let made = operate(&[], &sequences, &next);
    assert_eq!((base(&made), values(made.records.as_deref().unwrap()).len()), (4, 2));
    let again = operate(&[], &sequences, &first);
    assert_eq!(values(again.records.as_deref().unwrap()).len(), 4);
    // A doubled one makes up for it.
    let doubling = armed(RecordHarm::Doubled, content("n", "6"));
    assert_eq!(base(&operate(&[doubling], &sequences, &next)), 4);
    let last = batch(Codec::Plain, (7, 0, 7), numbered(7..8));
    assert_eq!(operate(&[], &sequences, &last), Operated::default());
    // Another life, another producer, another partition: not shifted.
    for numbers in [(7, 1, 5), (8, 0, 5), NOBODY] {
        let other = batch(Codec::Plain, numbers, numbered(5..7));
        assert_eq!(operate(&[], &sequences, &other), Operated::default());
    }
    let there = Spot { partition: 1, ..spot() };
    let made = Theatre { rules: &[], sequences: &sequences }.operate(&next, &there);
    assert_eq!(made, Ok(Operated::default()));
}

#[test]
fn a_batch_of_one_is_emptied_or_waits_for_its_successor() {
    for numbers in [NOBODY, (7, 0, 0)] {
        let one = |n: usize| {
            let (id, epoch, base) = numbers;
            let base = if base < 0 { base } else { base + n as i32 };
            batch(Codec::Zstd, (id, epoch, base), numbered(n..n + 1))
        };
        let sequences = Sequences::default();
        let rule = armed(RecordHarm::Reordered, content("n", "0"));
        let rules = [rule.clone()];
        assert_eq!(operate(&rules, &sequences, &one(0)).records, Some(Vec::new()));
        let view = super::KafkaRuleView::of(&rule);
        assert_eq!((view.hits, view.withheld), (0, 1), "nobody overtook it yet");
        let made = operate(&rules, &sequences, &one(1)).records.unwrap();
        assert_eq!(values(&made), [r#"{"n":1}"#, r#"{"n":0}"#]);
        let view = super::KafkaRuleView::of(&rule);
        assert_eq!((view.hits, view.withheld), (1, 0));
        assert!(view.struck.unwrap().is(Some(b"k0"), Some(br#"{"n":0}"#)));
        assert_eq!(operate(&rules, &sequences, &one(2)), Operated::default());
    }
}

#[test]
fn records_are_selected_by_topic_key_header_and_content_and_never_marks() {
    let mark = Some((crate::wire::MARK_HEADER, "1"));
    let money = Some(r#"{"amount":"199.00 CNY"}"#);
    let all = vec![
        record(Some("a"), money, mark),
        record(Some("a"), money, None),
        record(Some("b"), Some("no json"), Some(("kind", "refund"))),
        record(None, None, None),
    ];
    let any = Records::default;
    let topic = |topic: &str| Records { topic: Some(topic.to_owned()), ..any() };
    let header = |value: &str| Some(("kind".to_owned(), value.to_owned()));
    for (of, met) in [
        (any(), 3),
        (topic("refund.events"), 3),
        (topic("events"), 3),
        (topic("c3.refund.events"), 3),
        (topic("fund.events"), 0),
        (topic("orders.events"), 0),
        (Records { key: Some("a".to_owned()), ..any() }, 1),
        (Records { key: Some("c".to_owned()), ..any() }, 0),
        (Records { header: header("refund"), ..any() }, 1),
        (Records { header: header("order"), ..any() }, 0),
        (content("amount", "199.00 CNY"), 1),
        (content("amount", "199.0 CNY"), 0),
    ] {
        let rule = armed(RecordHarm::Late { delay_ms: 1 }, of.clone());
        let bytes = batch(Codec::Gzip, NOBODY, all.clone());
        let made = operate(&[rule.clone()], &Sequences::default(), &bytes);
        assert_eq!((made.records, made.late.is_some()), (None, met > 0), "{of:?}");
        assert_eq!(super::KafkaRuleView::of(&rule).met, met, "{of:?}");
    }
}

#[test]
fn a_schedule_is_exact() {
    let target = Target::Records { of: Records::default(), harm: RecordHarm::Dropped };
    let rule = KafkaRule { target, nth: 2, every: 3, times: 2 };
    let rule = Arc::new(ArmedRule::new(ToxicId(1), rule));
    let bytes = batch(Codec::Plain, NOBODY, numbered(0..12));
    let made = operate(&[rule], &Sequences::default(), &bytes).records.unwrap();
    let left: Vec<_> = [0, 2, 3, 5, 6, 7, 8, 9, 10, 11].map(|n| format!("{{\"n\":{n}}}")).into();
    assert_eq!(values(&made), left);
}

#[test]
fn poison_is_no_text_and_control_batches_are_left_alone() {
    for (value, spoilt) in
        [(Some(r#"{"n":1}"#), &b"\xc0\"n\":1}"[..]), (Some(""), b"\xc0"), (None, b"\xc0")]
    {
        let bytes = batch(Codec::Lz4, NOBODY, vec![record(None, value, None)]);
        let rule = armed(RecordHarm::Poisoned, Records::default());
        let made = operate(&[rule], &Sequences::default(), &bytes).records.unwrap();
        assert_eq!(decode(&made)[0].value.as_deref(), Some(spoilt));
        assert!(std::str::from_utf8(spoilt).is_err());
    }
    let rule = armed(RecordHarm::Dropped, Records::default());
    let mut control = batch(Codec::Plain, (7, 0, 0), numbered(0..1));
    control[22] |= 0x20;
    assert_eq!(operate(&[rule.clone()], &Sequences::default(), &control), Operated::default());
    // What does not hold is not made to hold.
    let mut broken = batch(Codec::Plain, NOBODY, numbered(0..1));
    *broken.last_mut().unwrap() ^= 1;
    let theatre = Theatre { rules: &[rule], sequences: &Sequences::default() };
    assert_eq!(theatre.operate(&broken, &spot()).unwrap_err().expected, "a CRC that holds");
}

fn drawn() -> impl Strategy<Value = Record> {
    let text = proptest::option::of("[a-z{}\"]{0,40}");
    let header = proptest::option::of(("[a-z]{1,8}", "[a-z]{0,8}"));
    (text.clone(), text, header, any::<i64>()).prop_map(|(key, value, header, time)| {
        let header = header.as_ref().map(|(name, value)| (name.as_str(), value.as_str()));
        let one = record(key.as_deref(), value.as_deref(), header);
        Record { timestamp_delta: time >> 24, ..one }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_what_was_read(
        records in proptest::collection::vec(drawn(), 1..40),
        codec in proptest::sample::select(&codec::ALL[..]),
        producer in any::<bool>(),
    ) {
        let numbers = if producer { (9, 3, 77) } else { NOBODY };
        let bytes = batch(codec, numbers, records.clone());
        let read = Batch::read(&bytes).unwrap();
        prop_assert_eq!(&read.records, &records);
        prop_assert_eq!(read.write().unwrap(), bytes.clone());
        let judged = decode(&bytes);
        prop_assert_eq!(judged.len(), records.len());
        for (judged, record) in judged.iter().zip(&records) {
            prop_assert_eq!(&judged.key, &record.key);
            prop_assert_eq!(&judged.value, &record.value);
        }
    }

    #[test]
    fn any_harm_leaves_what_a_broker_takes(
        records in proptest::collection::vec(drawn(), 1..30),
        codec in proptest::sample::select(&codec::ALL[..]),
        (nth, every, times) in (1_u64..6, 1_u64..4, 1_u64..6),
        which in 0_usize..4,
    ) {
        let harm = [
            RecordHarm::Dropped, RecordHarm::Doubled, RecordHarm::Reordered, RecordHarm::Poisoned,
        ][which].clone();
        let target = Target::Records { of: Records::default(), harm };
        let rule = KafkaRule { target, nth, every, times };
        let rule = Arc::new(ArmedRule::new(ToxicId(1), rule));
        let bytes = batch(codec, (9, 3, 77), records.clone());
        let made = operate(&[rule.clone()], &Sequences::default(), &bytes);
        let view = super::KafkaRuleView::of(&rule);
        let changed = view.hits as usize + view.withheld;
        let out = made.records.unwrap_or(bytes);
        let left = if out.is_empty() { 0 } else { decode(&out).len() };
        let expected = match which {
            0 => records.len() - changed,
            1 => records.len() + changed,
            2 => records.len() - view.withheld,
            _ => records.len(),
        };
        prop_assert_eq!(left, expected);
    }

    #[test]
    fn spoilt_batches_never_panic(
        at in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        codec in proptest::sample::select(&codec::ALL[..]),
        sound in any::<bool>(),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut bytes = batch(codec, (9, 3, 77), numbered(0..6));
        for (place, byte) in at {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if sound {
            let crc = crc32c::crc32c(&bytes[21..]);
            bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        }
        let rule = armed(RecordHarm::Doubled, Records::default());
        let theatre = Theatre { rules: &[rule], sequences: &Sequences::default() };
        let _ = theatre.operate(&bytes, &spot());
        let _ = theatre.operate(&bytes[..cut.index(bytes.len())], &spot());
    }
}

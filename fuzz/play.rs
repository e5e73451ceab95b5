//! One input of a fuzz target, played through the readers of a link: shared by the targets and by `tests/corpus.rs`.
//!
//! An input is a byte that says which rules are armed, then chunks: a byte for the direction (even: the client sends),
//! two for the length (little end first), and the bytes themselves; a last chunk may be cut. Whatever comes, a reader
//! passes it, changes it or ends the connection: it never panics, and makes no room for lengths that are only said.

use std::net::SocketAddr;

use lossdrill::clock::Clock;
use lossdrill::proxy::{
    AnswerHarm, Api, Dry, Harm, KafkaError, KafkaRule, Kind, Link, LinkSpec, Nodes, Point,
    RecordHarm, Records, SqlError, StatementRule, Target,
};

/// What an input is of.
#[allow(dead_code, reason = "each target plays one")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Mysql,
    Kafka,
}

/// What became of an input.
#[derive(Debug, Default)]
pub struct Played {
    pub taken: usize,
    pub given: usize,
    /// How often the armed rule struck.
    pub hits: u64,
    /// Why the link ended the connection, where it did.
    pub cut: Option<String>,
}

/// Runs `input` on a connection of a link of its own.
pub async fn play(wire: Wire, input: &[u8]) -> Played {
    let (rules, chunks) = input.split_first().unwrap_or((&0, &[]));
    let kind = match wire {
        Wire::Mysql => Kind::Mysql,
        Wire::Kafka => Kind::Kafka(Nodes::One),
    };
    let spec = LinkSpec::new("fuzz", "127.0.0.1:9", kind, Clock::starting_at(0));
    let spec = LinkSpec { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..spec };
    let link = Link::open_now(spec).expect("a free port");
    match wire {
        Wire::Mysql => arm_mysql(&link, *rules),
        Wire::Kafka => arm_kafka(&link, *rules),
    }
    let mut played = Played::default();
    let mut dry = link.dry();
    feed(&mut dry, chunks, &mut played);
    let (up, down) = dry.finish();
    played.given += up.len() + down.len();
    assert_eq!(dry.pending(), 0, "what was gathered is given out at the end");
    played.hits = link.rules().iter().map(|rule| rule.hits).sum();
    played.hits += link.kafka_rules().iter().map(|rule| rule.hits).sum::<u64>();
    link.close().await.expect("nobody is connected");
    played
}

fn feed(dry: &mut Dry, mut chunks: &[u8], played: &mut Played) {
    while let [direction, low, high, rest @ ..] = chunks {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (bytes, after) = rest.split_at(length);
        chunks = after;
        let given = match direction % 2 {
            0 => dry.request(bytes),
            _ => dry.answer(bytes),
        };
        played.taken += length;
        match given {
            Ok(given) => played.given += given.len(),
            Err(why) => {
                played.cut = Some(why);
                return;
            }
        }
        if dry.is_over() {
            return;
        }
    }
}

/// One of these, by the input's first byte; the first is none.
fn arm_mysql(link: &Link, which: u8) {
    let rule = |on, harm| StatementRule { times: u64::MAX, ..StatementRule::once(on, None, harm) };
    let on = |name| Point::by_name(name).expect("a kind");
    let rules = [
        None,
        Some(rule(Point::Write, Harm::Refused { error: SqlError::Deadlock })),
        Some(rule(Point::Write, Harm::Refused { error: SqlError::LockWait })),
        Some(rule(on("commit"), Harm::Ambiguous)),
        Some(rule(on("select"), Harm::Stale)),
        Some(rule(on("select"), Harm::Slow { delay_ms: 5 })),
    ];
    if let Some(rule) = rules[usize::from(which) % rules.len()].clone() {
        link.arm_rule(rule).expect("a sound rule");
    }
}

fn arm_kafka(link: &Link, which: u8) {
    let topic = Some("refund.events".to_owned());
    let of = || Records { topic: topic.clone(), ..Records::default() };
    let records = |harm| Some(Target::Records { of: of(), harm });
    let answers = |harm| Some(Target::Answers { to: Api::Produce, harm });
    let field = "$.amount".parse().expect("a path");
    let change = "x100".parse().expect("a change");
    let targets = [
        None,
        records(RecordHarm::Dropped),
        records(RecordHarm::Doubled),
        records(RecordHarm::Reordered),
        records(RecordHarm::Poisoned),
        records(RecordHarm::Tampered { field, change }),
        answers(AnswerHarm::Refused { error: KafkaError::NotLeader }),
        answers(AnswerHarm::Lost),
    ];
    if let Some(target) = targets[usize::from(which) % targets.len()].clone() {
        let rule = KafkaRule { times: u64::MAX, ..KafkaRule::once(target) };
        link.arm_kafka_rule(rule).expect("a sound rule");
    }
}

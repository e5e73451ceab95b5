//! The faults on single records and answers of Kafka as data: a row for each, with its parameters.

use super::params::{Param, Scale};
use super::registry::{DAY_MS, TOPIC_SOURCES};
use super::spec::DELAY;
use super::{Blast, FaultSpec, Late, Layer, Need};

/// As many as a scenario can mean.
const COUNT_MAX: u64 = 1_000_000;
/// Every topic, key, header or content.
pub(super) const ANY: &str = "any";

const APIS: &[&str] = &[
    "produce",
    "fetch",
    "list-offsets",
    "find-coordinator",
    "heartbeat",
    "offset-commit",
    "offset-fetch",
    "init-producer-id",
    "end-txn",
    "group",
];
const SLOWED: &[&str] = &[
    "any",
    "produce",
    "fetch",
    "list-offsets",
    "find-coordinator",
    "heartbeat",
    "offset-commit",
    "offset-fetch",
    "init-producer-id",
    "end-txn",
    "group",
];
const CODES: &[&str] = &["5", "6", "7", "14", "15", "16", "19"];

/// (prefix of the thing, whose, link, API that a rule meets first, what a delay on cell time withholds)
type LinkRow = (
    &'static str,
    &'static str,
    &'static str,
    (&'static str, &'static str),
    &'static [&'static str],
);

/// Records suffer on their way to the broker: only the shop and its channel write any.
const WRITERS: LinkRow = (
    "",
    "the shop or its channel",
    "shop-kafka",
    ("produce", "19"),
    &["shop", "channel", "shop-kafka"],
);
const READER: LinkRow = ("dcheck-", "the reconciler", "kafka", ("fetch", "6"), TOPIC_SOURCES);

pub(super) fn specs() -> Vec<FaultSpec> {
    let mut specs = records();
    specs.extend([WRITERS, READER].iter().flat_map(answers));
    specs
}

fn spec(row: &LinkRow, what: &str, doc: String, params: Vec<Param>) -> FaultSpec {
    let (prefix, _, link, ..) = *row;
    FaultSpec {
        id: format!("kafka.{prefix}{what}"),
        doc,
        layer: Layer::Kafka,
        params,
        needs: Need::Records(link),
        blast: Blast::Link,
        withholds: Vec::new(),
        raises: Vec::new(),
        waits_for_traffic: true,
        late: Late::default(),
    }
}

fn text(name: &'static str, doc: &'static str, default: &'static str) -> Param {
    Param { name, doc, scale: Scale::Text { default } }
}

fn delay(doc: &'static str) -> Param {
    let scale = Scale::Span { default_ms: 100, min_ms: 1, max_ms: DAY_MS };
    Param { name: DELAY, doc, scale }
}

/// Which of those that are met.
fn counts() -> Vec<Param> {
    let count = |name, doc| Param { name, doc, scale: Scale::Count { default: 1, max: COUNT_MAX } };
    vec![
        count("nth", "the first to suffer, counted from the strike"),
        count("every", "from there on each one, or each second, third …"),
        count("times", "how many suffer in all"),
    ]
}

fn records() -> Vec<FaultSpec> {
    let row = WRITERS;
    let with = |own: Vec<Param>| {
        let which = vec![
            text(
                "topic",
                "its name, with or without what stands before a dot; `any` for each",
                ANY,
            ),
            text("key", "of the record; `any` for each", ANY),
            text("header", "NAME=VALUE; `any` for each record", ANY),
            text(
                "content",
                "PATH=VALUE in its JSON, as `type=refund-approved`; `any` for each",
                ANY,
            ),
        ];
        [own, which, counts()].concat()
    };
    let one = |what: &str, doc: &str, own| {
        spec(&row, &format!("record.{what}"), doc.to_owned(), with(own))
    };
    let held =
        vec![delay("it reaches the broker so much later, with what its connection sends next")];
    let mut late = one("late", "a message is late, its sender waits for it", held);
    late.late = Late { withholds: row.4, raises: &[] };
    let mut poisoned = one("poisoned", "a message arrives as nobody can decode it", vec![]);
    poisoned.raises = vec!["messages-undecodable"];
    let change = vec![
        text(
            "field",
            "its place in the JSON: `amount`, `payment.amount`, `lines[0].price`",
            "amount",
        ),
        text("change", "`+0.01`, `-0.01`, `x100`, `/10`, or `=VALUE`", "+0.01"),
    ];
    vec![
        one("dropped", "a message is lost on its way, its sender is told that it arrived", vec![]),
        one("doubled", "a message arrives twice", vec![]),
        late,
        one(
            "reordered",
            "a message arrives behind its successor; is lost where none comes",
            vec![],
        ),
        one("tampered", "a message arrives with another value, and nothing tells", change),
        poisoned,
    ]
}

fn answers(row: &LinkRow) -> [FaultSpec; 4] {
    let (_, whose, _, (api, code), withholds) = *row;
    let asked = |among| Param {
        name: "api",
        doc: "what is asked of the broker",
        scale: Scale::Word { default: api, among },
    };
    let error = Param {
        name: "code",
        doc: "no leader 5, other leader 6, timed out 7, loading 14, no coordinator 15, other one 16, replicas 19",
        scale: Scale::Word { default: code, among: CODES },
    };
    let one =
        |what: &str, doc: String, own: Vec<Param>| spec(row, what, doc, [own, counts()].concat());
    let refused = vec![asked(APIS), error];
    let slowed = vec![asked(SLOWED), delay("its answer comes so much later")];
    let mut slow = one("answer.slow", format!("the broker answers {whose} late"), slowed);
    slow.late = Late { withholds, raises: &[] };
    let moved = format!("{whose} must look for the coordinator of its group again");
    [
        one("answer.refused", format!("the broker refuses what {whose} asks"), refused),
        slow,
        one(
            "answer.lost",
            format!("the broker does what {whose} asks, and its answer is lost"),
            vec![asked(SLOWED)],
        ),
        one("coordinator.moved", moved, vec![]),
    ]
}

//! The links of a cell by the names that ids have for them, and what can be done to each.

use super::super::registry::{BLIND, DATABASE_AWAY, DAY_MS, TOPIC_SOURCES};
use super::super::spec::DELAY;
use super::super::{Blast, FaultSpec, Late, Layer, Need, Param, Scale};
use super::share::SHARE;
use super::{limited, sliced, slow, throttled};

/// (name in the id, name of the link, what it carries, what a stall withholds, what a stall may
/// raise)
type LinkRow =
    (&'static str, &'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const CHANNEL_DEAD: &[&str] = &["alert-channel-dead"];
const EXECUTOR_DEAD: &[&str] = &["plan-executor-dead"];
const LAGGING: &[&str] = &["change-capture-stalled", "reconciler-lagging"];
const ASKING_LATE: &[&str] = &["change-capture-stalled", "reconciler-lagging", "lookup-down"];

const LINKS: &[LinkRow] = &[
    (
        "binlog",
        "cdc",
        "change capture: MySQL's binlog to the reconciler",
        &["binlog", "cdc"],
        BLIND,
    ),
    ("kafka", "kafka", "Kafka to the reconciler", TOPIC_SOURCES, &[]),
    (
        "shop-kafka",
        "shop-kafka",
        "Kafka to the shop and the payment channel",
        &["shop", "channel", "shop-kafka"],
        &[],
    ),
    ("alerts", "alerts", "alerts and plan events to the inbox", &["alerts"], CHANNEL_DEAD),
    ("pager", "pager", "alerts by the second channel", &["pager"], &[]),
    ("plans", "plans", "plan actions from the reconciler to the shop", &["plans"], EXECUTOR_DEAD),
    ("sql", "sql", "the reconciler's look-ups and results", &["dcheck", "sql"], DATABASE_AWAY),
    (
        "shop-channel",
        "shop-channel",
        "the shop's calls of the payment channel",
        &["shop", "shop-channel"],
        &[],
    ),
    (
        "channel-shop",
        "channel-shop",
        "the payment channel's callbacks",
        &["channel", "channel-shop"],
        &[],
    ),
];

/// So long after, or later: what is longer is a stall, and nothing of it could be seen in time.
pub(super) const AFTER: &str = "after";
const AFTER_MAX_MS: u64 = 1_000;

/// Nothing gets through, or not for long: what needs the link is excused.
const CUTTING: [&str; 7] =
    ["stalled", "unanswered", "unheard", "swallowed", "limited", "reset", "refused"];

/// (what happens, its doc before what the link carries)
const HARMS: [(&str, &str); 12] = [
    ("stalled", "nothing passes, nothing is lost"),
    ("unanswered", "questions pass, answers wait, nothing is lost"),
    ("unheard", "answers pass, questions wait, nothing is lost"),
    ("swallowed", "what is said is lost, and the connection ends"),
    ("slow", "late, in order"),
    ("throttled", "so many bytes a second"),
    ("sliced", "in small pieces, each by itself"),
    ("limited", "each connection ends after so many bytes of its answers"),
    ("slow-to-connect", "new connections come late"),
    ("slow-to-close", "the end of a connection comes late"),
    ("reset", "cut by RST, again and again"),
    ("refused", "new connections are refused, open ones go on"),
];

fn span(name: &'static str, doc: &'static str, default_ms: u64, min_ms: u64, max_ms: u64) -> Param {
    Param { name, doc, scale: Scale::Span { default_ms, min_ms, max_ms } }
}

fn params(what: &str) -> Vec<Param> {
    let count = |name, doc, default, max| Param { name, doc, scale: Scale::Count { default, max } };
    let share = count(SHARE, "percent of the connections, drawn by the seed", 100, 100);
    match what {
        "slow" => {
            let doc = "each byte arrives so much later, in each direction";
            let jitter = "and so much more or less, never more than the delay";
            let scale = Scale::Word { default: slow::UNIFORM, among: slow::SPREADS };
            let doc_spread = "evenly within the jitter, around it as a deviation, or above it";
            let spread = Param { name: slow::SPREAD, doc: doc_spread, scale };
            let delay = span(DELAY, doc, 100, 1, DAY_MS);
            vec![delay, span(slow::JITTER, jitter, 0, 0, DAY_MS), spread, share]
        }
        "throttled" => {
            let doc = "KB a second, of 1000 bytes, in each direction of each connection";
            vec![count(throttled::RATE, doc, 100, throttled::RATE_MAX), share]
        }
        "sliced" => {
            let size = count(sliced::SIZE, "bytes a piece", 1_000, sliced::SIZE_MAX);
            vec![size, span(sliced::PAUSE, "between two pieces", 1, 1, 100), share]
        }
        "limited" => vec![count(limited::BYTES, "bytes", 1_000, limited::BYTES_MAX), share],
        "swallowed" => {
            vec![span(AFTER, "it ends so long after it began", 200, 10, AFTER_MAX_MS), share]
        }
        "slow-to-connect" => {
            vec![span(DELAY, "between a client's call and the server's", 100, 1, AFTER_MAX_MS)]
        }
        "slow-to-close" => vec![span(DELAY, "in each direction", 100, 1, AFTER_MAX_MS)],
        "reset" => {
            let doc = "cut so long after arming, or after connecting";
            vec![span(AFTER, doc, 0, 0, AFTER_MAX_MS), share]
        }
        _ => Vec::new(),
    }
}

fn of_link(row: &LinkRow) -> impl Iterator<Item = FaultSpec> {
    let (name, link, carries, withholds, raises) = *row;
    HARMS.iter().map(move |&(what, how)| {
        let cuts = CUTTING.contains(&what);
        let late = match what {
            "slow" if raises == BLIND => Late { withholds, raises: LAGGING },
            "slow" if raises == DATABASE_AWAY => Late { withholds, raises: ASKING_LATE },
            "slow" => Late { withholds, raises: &[] },
            _ => Late::default(),
        };
        FaultSpec {
            id: format!("link.{name}.{what}"),
            doc: format!("{how}: {carries}"),
            layer: Layer::Link,
            params: params(what),
            needs: Need::Link(link),
            blast: Blast::Link,
            withholds: if cuts { withholds.to_vec() } else { Vec::new() },
            raises: if cuts { raises.to_vec() } else { Vec::new() },
            waits_for_traffic: false,
            late,
        }
    })
}

pub(in crate::faults) fn specs() -> impl Iterator<Item = FaultSpec> {
    LINKS.iter().flat_map(of_link)
}

//! The types of toxics as clients name them, with their attributes: one row each.

use serde_json::{Map, Value};

use super::fields::{Fields, nearest};
use crate::proxy::toxic::{
    Bandwidth, Direction, Distribution, Latency, LimitData, Refuse, Reset, Slicer, SlowClose,
    SlowConnect, Stall, Timeout, ToxicKind,
};

/// What an attribute may be; `latency` of Toxiproxy has only the whole numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Whole,
    Distribution,
}

type Attribute = (&'static str, Takes);

/// A type of toxic.
pub(super) struct Kind {
    pub name: &'static str,
    attributes: &'static [Attribute],
    /// Nothing is armed where the attributes ask for nothing.
    build: fn(&Attributes) -> Option<ToxicKind>,
    /// Works on the connection, whatever stream it is given.
    pub whole_connection: bool,
}

/// Checked attributes of one toxic, all of its type's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    whole: Vec<(&'static str, u64)>,
    distribution: Distribution,
}

impl Attributes {
    fn whole(&self, name: &str) -> u64 {
        self.whole.iter().find(|(known, _)| *known == name).map_or(0, |(_, value)| *value)
    }

    /// As Toxiproxy writes them; a distribution other than its own is added.
    pub fn json(&self) -> Value {
        let mut map: Map<String, Value> =
            self.whole.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let named = Distribution::ALL.iter().find(|(_, known)| *known == self.distribution);
        if let Some((name, _)) = named.filter(|_| self.distribution != Distribution::default()) {
            map.insert("distribution".to_owned(), (*name).into());
        }
        Value::Object(map)
    }
}

const fn row(
    name: &'static str,
    attributes: &'static [Attribute],
    build: fn(&Attributes) -> Option<ToxicKind>,
) -> Kind {
    Kind { name, attributes, build, whole_connection: false }
}

const fn of_connections(kind: Kind) -> Kind {
    Kind { whole_connection: true, ..kind }
}

use Takes::Whole;

const KINDS: &[Kind] = &[
    row(
        "latency",
        &[("latency", Whole), ("jitter", Whole), ("distribution", Takes::Distribution)],
        |given| {
            let (delay_ms, jitter_ms) = (given.whole("latency"), given.whole("jitter"));
            let distribution = given.distribution;
            (delay_ms + jitter_ms > 0).then_some(ToxicKind::Latency(Latency {
                delay_ms,
                jitter_ms,
                distribution,
            }))
        },
    ),
    row("bandwidth", &[("rate", Whole)], |given| {
        Some(ToxicKind::Bandwidth(Bandwidth { rate: given.whole("rate") }))
    }),
    row("slow_close", &[("delay", Whole)], |given| {
        Some(ToxicKind::SlowClose(SlowClose { delay_ms: given.whole("delay") }))
    }),
    row("timeout", &[("timeout", Whole)], |given| {
        Some(ToxicKind::Timeout(Timeout { after_ms: given.whole("timeout") }))
    }),
    of_connections(row("reset_peer", &[("timeout", Whole)], |given| {
        Some(ToxicKind::Reset(Reset { after_ms: given.whole("timeout") }))
    })),
    row(
        "slicer",
        &[("average_size", Whole), ("size_variation", Whole), ("delay", Whole)],
        |given| {
            Some(ToxicKind::Slicer(Slicer {
                average_size: given.whole("average_size"),
                size_variation: given.whole("size_variation"),
                delay_us: given.whole("delay"),
            }))
        },
    ),
    row("limit_data", &[("bytes", Whole)], |given| {
        Some(ToxicKind::LimitData(LimitData { bytes: given.whole("bytes") }))
    }),
    row("noop", &[], |_| None),
    row("partition", &[], |_| Some(ToxicKind::Stall(Stall {}))),
    of_connections(row("connect_refused", &[], |_| Some(ToxicKind::Refuse(Refuse {})))),
    of_connections(row("connect_delay", &[("delay", Whole)], |given| {
        Some(ToxicKind::SlowConnect(SlowConnect { delay_ms: given.whole("delay") }))
    })),
];

/// The type of this name, or the nearest name there is.
pub(super) fn find(name: &str) -> Result<&'static Kind, String> {
    KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| {
        let names = || KINDS.iter().map(|kind| kind.name);
        match nearest(name, names()) {
            Some(near) => format!("`{name}`; did you mean `{near}`?"),
            None => format!("`{name}`; there are {}", names().collect::<Vec<_>>().join(", ")),
        }
    })
}

impl Kind {
    /// Reads `given` over `before`; mistakes go to `into`.
    pub fn read(
        &self,
        given: Option<&Value>,
        before: &Attributes,
        into: &mut Fields,
    ) -> Attributes {
        let mut read = before.clone();
        if read.whole.is_empty() {
            let whole = self.attributes.iter().filter(|(_, takes)| *takes == Whole);
            read.whole = whole.map(|(name, _)| (*name, 0)).collect();
        }
        let Some(given) = given else { return read };
        let names: Vec<_> = self.attributes.iter().map(|(name, _)| *name).collect();
        let mut fields = match Fields::of(given, "", &names) {
            Ok(fields) => fields,
            Err(mistake) => {
                into.wrong(format!("`attributes`: {}", mistake.text));
                return read;
            }
        };
        for (name, value) in &mut read.whole {
            *value = fields.whole(name).unwrap_or(*value);
        }
        if names.contains(&"distribution")
            && let Some(name) = fields.text("distribution")
        {
            match Distribution::ALL.iter().find(|(known, _)| *known == name) {
                Some((_, distribution)) => read.distribution = *distribution,
                None => {
                    let known: Vec<_> = Distribution::ALL.iter().map(|(known, _)| *known).collect();
                    let known = known.join(", ");
                    fields.wrong(format!("`distribution` `{name}` is none of {known}"));
                }
            }
        }
        for mistake in fields.mistakes {
            into.push(mistake.title, mistake.text);
        }
        read
    }

    pub fn build(&self, attributes: &Attributes) -> Option<ToxicKind> {
        (self.build)(attributes)
    }

    /// The direction in which it works, of the stream that it was given.
    pub fn direction(&self, stream: Direction) -> Direction {
        if self.whole_connection { Direction::Both } else { stream }
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

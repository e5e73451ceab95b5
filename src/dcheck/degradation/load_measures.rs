//! Where the calls of a service are read and what is too much, from YAML.
//!
//! Owns the bounds' words. Must not know dependencies, which `load` reads.

use super::spec::{
    Calls, HOLD_MIN_MS, HOLD_WINDOWS, LATENCY_MAX_MS, Limits, MEASURED, MIN_CALLS, Measures,
    Quantile, WINDOW_MS,
};
use crate::dcheck::alerts::reading::{Node, parse_duration_ms};
use crate::dcheck::engine::expr::{Allowed, Expr, Kind};
use crate::dcheck::engine::rules::named_in;
use crate::dcheck::engine::window::Stream;
use crate::dcheck::event::Op;

type Out = Vec<String>;

/// What an expression about a call may use.
const CALL: Allowed<'static> = Allowed { roots: &["before", "after", "event"], found: &[] };
const OPS: [(&str, Op); 3] =
    [("insert", Op::Insert), ("update", Op::Update), ("delete", Op::Delete)];
/// Keys that mean nothing without `measured`.
const OF_MEASURES: [&str; 6] = ["window", "min_calls", "latency", "errors", "hold", "when_silent"];

/// None where it is not measured, or has mistakes.
pub fn read_measures(node: &Node<'_>, out: &mut Out) -> Option<Measures> {
    let items = node.items("measured", out);
    if items.is_empty() {
        for key in OF_MEASURES.into_iter().filter(|key| node.optional(key).is_some()) {
            out.push(node.says(&format!("`{key}` is of what is `measured`, and nothing is")));
        }
        return None;
    }
    if items.len() > MEASURED {
        out.push(
            node.says(&format!("{} places under `measured`: at most {MEASURED}", items.len())),
        );
    }
    let window_ms = duration(node, "window", out).filter(|ms| within("window", *ms, node, out));
    let hold_ms = duration(node, "hold", out).filter(|hold_ms| {
        let longest = window_ms.map_or(*hold_ms, |window_ms| window_ms * HOLD_WINDOWS);
        let fits = (HOLD_MIN_MS..=longest).contains(hold_ms);
        if !fits {
            let message =
                format!("`hold` is from 1 s to {HOLD_WINDOWS} windows ({} s)", longest / 1000);
            out.push(node.says(&message));
        }
        fits
    });
    let min_calls = node.text("min_calls", out).and_then(|text| {
        let (least, most) = MIN_CALLS;
        let calls = text.parse().ok().filter(|calls| (least..=most).contains(calls));
        if calls.is_none() {
            let message = format!("`min_calls: {text}` is no number from {least} to {most}: fewer calls are no evidence");
            out.extend(node.optional("min_calls").map(|node| node.says(&message)));
        }
        calls
    });
    let latency = node.optional("latency").map(|latency| read_latency(&latency, out));
    let errors = node.optional("errors").map(|errors| {
        errors.keys(&["ill", "well", "worse"], out);
        limits(&errors, per_mille, "per mille of the calls, like `200`, from 1 to 1000", out)
    });
    if latency.is_none() && errors.is_none() {
        out.push(node.says("a measured service has limits: give `latency`, `errors` or both"));
    }
    let (slow, fails) = (latency.is_some(), errors.is_some());
    let calls: Vec<_> = items.iter().map(|item| read_calls(item, slow, fails, out)).collect();
    let silence_recovers = match node.optional_text("when_silent", out).as_deref() {
        None | Some("recover") => true,
        Some("stay") => false,
        Some(other) => {
            out.push(node.unknown("word in `when_silent`", other, &["recover", "stay"]));
            return None;
        }
    };
    Some(Measures {
        calls: calls.into_iter().collect::<Option<_>>()?,
        window_ms: window_ms?,
        min_calls: min_calls?,
        latency: latency.map_or(Some(None), |latency| latency.map(Some))?,
        errors: errors.map_or(Some(None), |errors| errors.map(Some))?,
        hold_ms: hold_ms?,
        silence_recovers,
    })
}

fn duration(node: &Node<'_>, key: &str, out: &mut Out) -> Option<i64> {
    let text = node.text(key, out)?;
    let ms = parse_duration_ms(&text);
    if ms.is_none() {
        let message = format!("`{key}: {text}` is no duration: write one like `30 s`");
        out.extend(node.optional(key).map(|node| node.says(&message)));
    }
    ms
}

fn within(key: &str, ms: i64, node: &Node<'_>, out: &mut Out) -> bool {
    let (least, most) = WINDOW_MS;
    // A part of it is a whole number of milliseconds, and of seconds for people.
    let fits = (least..=most).contains(&ms) && ms % 1000 == 0;
    if !fits {
        out.push(
            node.says(&format!("`{key}` is from {} s to 1 h, in whole seconds", least / 1000)),
        );
    }
    fits
}

fn read_latency(node: &Node<'_>, out: &mut Out) -> Option<(Quantile, Limits)> {
    node.keys(&["of", "ill", "well", "worse"], out);
    let of = node.text("of", out).and_then(|name| {
        let found = Quantile::NAMES.iter().find(|(known, _)| *known == name);
        if found.is_none() {
            let names = Quantile::NAMES.map(|(known, _)| known);
            out.push(node.unknown("latency in `of`", &name, &names));
        }
        found.map(|(_, quantile)| *quantile)
    });
    let ms = |text: &str| {
        let ms = u64::try_from(parse_duration_ms(text)?).ok()?;
        (1..=LATENCY_MAX_MS).contains(&ms).then_some(ms)
    };
    let limits = limits(node, ms, "a duration like `800 ms`, up to 1 d", out);
    Some((of?, limits?))
}

/// `well` below `ill` below `worse`: without a gap it would flap.
fn limits(
    node: &Node<'_>,
    read: impl Fn(&str) -> Option<u64>,
    wanted: &str,
    out: &mut Out,
) -> Option<Limits> {
    let mut one = |text: Option<String>, key: &str| {
        let text = text?;
        let value = read(&text);
        if value.is_none() {
            out.push(node.says(&format!("`{key}: {text}` is not {wanted}")));
        }
        Some(value)
    };
    let mut lacks = Vec::new();
    let ill = one(node.text("ill", &mut lacks), "ill");
    let well = one(node.text("well", &mut lacks), "well");
    let worse = one(node.optional_text("worse", &mut lacks), "worse");
    out.append(&mut lacks);
    let limits =
        Limits { ill: ill??, well: well??, worse: worse.map_or(Some(None), |w| w.map(Some))? };
    if limits.well >= limits.ill || limits.worse.is_some_and(|worse| worse <= limits.ill) {
        out.push(
            node.says(
                "`well` is below `ill`, and `ill` below `worse`: in the gap it does not flap",
            ),
        );
        return None;
    }
    Some(limits)
}

fn per_mille(text: &str) -> Option<u64> {
    text.parse().ok().filter(|share| (1..=1000).contains(share))
}

/// `50%`
pub fn per_cent(text: &str) -> Option<u8> {
    let share = text.strip_suffix('%')?.trim().parse().ok()?;
    (1..=99).contains(&share).then_some(share)
}

fn read_calls(node: &Node<'_>, slow: bool, fails: bool, out: &mut Out) -> Option<Calls> {
    node.keys(&["table", "topic", "ops", "where", "latency_ms", "ok"], out);
    let stream = match (node.optional_text("table", out), node.optional_text("topic", out)) {
        (Some(table), None) => Some(Stream::Table(table)),
        (None, Some(topic)) => Some(Stream::Topic(topic)),
        _ => {
            out.push(node.says("name either a `table` or a `topic`"));
            None
        }
    };
    let ops = read_ops(node, matches!(stream, Some(Stream::Topic(_))), out);
    let filter = expr(node, "where", Kind::Bool, out);
    let latency_ms = expr(node, "latency_ms", Kind::Num, out);
    let ok = expr(node, "ok", Kind::Bool, out);
    for (key, is_needed, of) in [("latency_ms", slow, "latency"), ("ok", fails, "errors")] {
        if is_needed && node.optional(key).is_none() {
            out.push(node.says(&format!("`{key}` is missing: the limits under `{of}` need it")));
        }
    }
    // A call that failed may have no latency: without a limit on failures it would count for nothing, and read as well.
    if slow && !fails && node.optional("ok").is_some() {
        out.push(node.says("`ok` without `errors`: calls that fail would go unseen; give the service `errors`, or leave `ok` out"));
    }
    let texts = ["where", "latency_ms", "ok"].map(|key| node.optional_text(key, &mut Vec::new()));
    let columns = texts.iter().flatten().flat_map(|text| named_in(text)).collect();
    Some(Calls { stream: stream?, ops, filter, latency_ms, ok, columns })
}

/// A call is a row that is written once it is over, unless the file says otherwise.
fn read_ops(node: &Node<'_>, is_topic: bool, out: &mut Out) -> Vec<Op> {
    let words = node.texts("ops", out);
    if is_topic {
        if !words.is_empty() {
            out.push(node.says("`ops` are of tables: a message is a call"));
        }
        return vec![Op::Message];
    }
    let mut ops = Vec::new();
    for word in &words {
        match OPS.iter().find(|(name, _)| name == word) {
            Some((_, op)) => ops.push(*op),
            None => out.push(node.unknown("operation", word, &OPS.map(|(name, _)| name))),
        }
    }
    if words.is_empty() { vec![Op::Insert] } else { ops }
}

fn expr(node: &Node<'_>, key: &str, kind: Kind, out: &mut Out) -> Option<Expr> {
    let text = node.optional_text(key, out)?;
    match Expr::compile(&text, kind, CALL) {
        Ok(expr) => {
            let is_condition = kind == Kind::Bool;
            for doubt in expr.doubts().iter().filter(|_| is_condition) {
                out.push(node.says(&format!("`{key}` {doubt}")));
            }
            Some(expr)
        }
        Err(error) => {
            out.push(node.says(&format!("in `{key}`: {error}")));
            None
        }
    }
}

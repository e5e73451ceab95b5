//! When each fault of a scenario was in place: a lane for each fault, a bar for each stay, on one line of real time.
//!
//! Linear, beside the logarithmic timeline of the defence: a fault that comes and goes does so within a second or two.

use std::fmt::Write;

use super::super::{FaultSpan, ScenarioView};
use super::labels::both_drawn;
use super::text;
use crate::expect::span_text;

const WIDTH: i64 = 760;
/// Room for half of the first tick's words, and of the last's.
const MARGIN: i64 = 60;
const TOP: i64 = 8;
/// A fault's name stands above its bars: on a phone no room is left beside them.
const LANE: i64 = 48;
const NAME: i64 = 22;
const BAR: i64 = 12;
/// More faults than these in one scenario are listed, not drawn.
const LANES_MAX: usize = 12;

/// The strip as inline SVG; nothing where no fault was in place.
pub(super) fn svg(scenario: &ScenarioView) -> String {
    let mut faults: Vec<&str> = Vec::new();
    for span in &scenario.spans {
        if !faults.contains(&span.fault.as_str()) {
            faults.push(&span.fault);
        }
    }
    faults.truncate(LANES_MAX);
    let Some(axis) = Axis::of(&scenario.spans) else { return String::new() };
    let bottom = TOP + LANE * faults.len() as i64 + 4;
    let told: Vec<String> = scenario.spans.iter().map(told).collect();
    let mut svg = format!(
        "<svg class=\"strip\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{}\">",
        bottom + 26,
        text(&told.join("; "))
    );
    for (lane, fault) in faults.iter().enumerate() {
        let top = TOP + LANE * lane as i64;
        let (name, bar) = (top + NAME, top + NAME + 8);
        let _ = write!(
            svg,
            "<text class=\"quiet\" x=\"{MARGIN}\" y=\"{name}\">{}</text>\
             <path class=\"grid\" d=\"M{MARGIN} {}H{}\"/>",
            text(fault),
            bar + BAR / 2,
            WIDTH - MARGIN
        );
        for span in scenario.spans.iter().filter(|span| span.fault == *fault) {
            let (from, to) = (axis.x(span.struck.real_ms), axis.x(axis.end_of(span)));
            let _ = write!(
                svg,
                "<rect class=\"late\" x=\"{from}\" y=\"{bar}\" width=\"{}\" height=\"{BAR}\" rx=\"3\">\
                 <title>{}</title></rect>",
                (to - from).max(2),
                text(&told_of(span))
            );
        }
    }
    for (at, name) in axis.ticks() {
        let x = axis.x(at);
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{x} {TOP}V{bottom}\"/>\
             <text class=\"tick\" x=\"{x}\" y=\"{}\">{name}</text>",
            bottom + 18
        );
    }
    svg.push_str("</svg>");
    svg
}

fn told(span: &FaultSpan) -> String {
    format!("{} {}", span.fault, told_of(span))
}

/// `from -320 ms to +45 ms`, in real time from the scenario's origin.
pub(super) fn told_of(span: &FaultSpan) -> String {
    let healed = span.healed.map_or("no proved end".to_owned(), |at| signed(at.real_ms));
    format!("from {} to {healed}", signed(span.struck.real_ms))
}

fn signed(ms: i64) -> String {
    format!("{}{}", if ms < 0 { "-" } else { "+" }, span_text(ms.abs()))
}

struct Axis {
    from_ms: i64,
    to_ms: i64,
}

impl Axis {
    /// From the first strike to the last heal, the origin in view.
    fn of(spans: &[FaultSpan]) -> Option<Axis> {
        let from_ms = spans.iter().map(|span| span.struck.real_ms).min()?.min(0);
        let ends = spans.iter().map(|span| span.healed.unwrap_or(span.struck).real_ms);
        Some(Axis { from_ms, to_ms: ends.max()?.max(from_ms + 1) })
    }

    fn x(&self, real_ms: i64) -> i64 {
        let room = i128::from(WIDTH - 2 * MARGIN);
        let share =
            room * i128::from(real_ms - self.from_ms) / i128::from(self.to_ms - self.from_ms);
        MARGIN + i64::try_from(share).unwrap_or_default()
    }

    /// Where its bar ends: what was not healed stays to the end.
    fn end_of(&self, span: &FaultSpan) -> i64 {
        span.healed.map_or(self.to_ms, |at| at.real_ms)
    }

    fn ticks(&self) -> Vec<(i64, String)> {
        let mut ticks =
            vec![(self.from_ms, signed(self.from_ms)), (self.to_ms, signed(self.to_ms))];
        // The origin's own name needs room beside the others.
        let tenth = (self.to_ms - self.from_ms) / 10;
        if (self.from_ms + tenth..self.to_ms - tenth).contains(&0) {
            ticks.push((0, both_drawn("origin", "起点")));
        }
        ticks
    }
}

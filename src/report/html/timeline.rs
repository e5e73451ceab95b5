//! One scenario's picture: alert, plan and containment against their deadlines, and the loss in
//! money below.
//!
//! The time axis is logarithmic beyond its first half second: a deadline of ten minutes and an
//! alert of 80 ms both show. Floats place marks on the screen and never touch an amount: heights
//! are integer ratios.

use std::fmt::Write;

use super::super::deadline::Owed;
use super::super::view::{Milestone, ScenarioView};
use super::labels::{both_drawn, owed_zh};
use super::text;
use crate::clock::CellTime;
use crate::expect::span_text;
use crate::money::Money;

const WIDTH: i64 = 760;
const LEFT: i64 = 124;
const RIGHT: i64 = 20;
const TOP: i64 = 12;
const LANE: i64 = 30;
const CURVE_TOP: i64 = TOP + 3 * LANE + 26;
const CURVE_HEIGHT: i64 = 84;
const HEIGHT: i64 = CURVE_TOP + CURVE_HEIGHT + 28;
/// Below this the axis is linear.
const LINEAR_MS: f64 = 500.0;
/// Steps drawn of one curve: more could not be told apart.
const STEPS_MAX: usize = 240;

struct Axis {
    longest_ms: i64,
}

impl Axis {
    /// Horizontal place of an instant after the origin; instants before it stand at the axis.
    fn x(&self, after_ms: i64) -> i64 {
        let scale = |ms: i64| (ms.max(0) as f64 / LINEAR_MS).ln_1p();
        let share = scale(after_ms.min(self.longest_ms)) / scale(self.longest_ms).max(1e-9);
        LEFT + ((WIDTH - LEFT - RIGHT) as f64 * share).round() as i64
    }
}

/// The picture as inline SVG.
pub(super) fn svg(scenario: &ScenarioView) -> String {
    let point = &scenario.facts.loss_point;
    let lanes = [
        (Owed::Alert, scenario.alert, point.detect_ms),
        (Owed::Plan, scenario.plan, point.respond_ms),
        (Owed::Contained, scenario.contained, point.contain_ms),
    ];
    let reached = lanes.iter().filter_map(|(_, at, _)| at.map(|at| at.after_ms));
    let longest_ms = lanes.iter().map(|(.., line)| *line).chain(reached).max().unwrap_or(1);
    let axis = Axis { longest_ms: longest_ms.saturating_add(longest_ms / 8).max(1) };
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        text(&told(&lanes, scenario))
    );
    let watcher = scenario.facts.loss_point.watcher;
    let zero =
        if watcher { both_drawn("bite", "故障生效") } else { both_drawn("bad row", "坏账") };
    grid(&mut svg, &axis, &zero);
    for (index, lane_of) in lanes.into_iter().enumerate() {
        lane(&mut svg, &axis, index as i64, lane_of);
    }
    curves(&mut svg, &axis, scenario);
    svg.push_str("</svg>");
    svg
}

fn told(lanes: &[(Owed, Option<Milestone>, i64)], scenario: &ScenarioView) -> String {
    let lanes = lanes.iter().map(|(owed, at, line_ms)| {
        let name = owed.en();
        let at = at.map_or("never".to_owned(), |at| format!("after {}", span_text(at.after_ms)));
        format!("{name} {at} of {}", span_text(*line_ms))
    });
    let lanes: Vec<String> = lanes.collect();
    format!("{}; {} lost at most", lanes.join(", "), scenario.loss_peak)
}

fn grid(svg: &mut String, axis: &Axis, zero: &str) {
    let ticks = [
        (0, zero),
        (1_000, "1 s"),
        (10_000, "10 s"),
        (60_000, "1 min"),
        (300_000, "5 min"),
        (600_000, "10 min"),
        (3_600_000, "1 h"),
    ];
    for (ms, name) in ticks.into_iter().filter(|(ms, _)| *ms <= axis.longest_ms) {
        let (x, bottom) = (axis.x(ms), CURVE_TOP + CURVE_HEIGHT);
        // On a phone every second name gives way.
        let rare = if ms == 300_000 || ms == 1_000 { " rare" } else { "" };
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{x} {TOP}V{bottom}\"/>\
             <text class=\"tick{rare}\" x=\"{x}\" y=\"{}\">{name}</text>",
            bottom + 18
        );
    }
}

/// A lane: how long the defence may take, and how long it took.
fn lane(
    svg: &mut String,
    axis: &Axis,
    index: i64,
    (owed, at, line_ms): (Owed, Option<Milestone>, i64),
) {
    let name = both_drawn(owed.en(), owed_zh(owed));
    let middle = TOP + index * LANE + LANE / 2;
    let (zero, line) = (axis.x(0), axis.x(line_ms));
    let _ = write!(
        svg,
        "<text class=\"lane\" x=\"{}\" y=\"{}\">{name}</text>\
         <rect class=\"allowed\" x=\"{zero}\" y=\"{}\" width=\"{}\" height=\"16\" rx=\"3\"/>\
         <path class=\"deadline\" d=\"M{line} {}v24\"/>",
        LEFT - 12,
        middle + 5,
        middle - 8,
        (line - zero).max(1),
        middle - 12
    );
    let Some(at) = at else {
        let _ = write!(
            svg,
            "<text class=\"never\" x=\"{}\" y=\"{}\">{}</text>",
            zero + 10,
            middle + 5,
            both_drawn("none", "无")
        );
        return;
    };
    let x = axis.x(at.after_ms);
    let class = if at.after_ms <= line_ms { "in-time" } else { "late" };
    let (anchor, place) = if x > WIDTH - 150 { ("end", x - 12) } else { ("start", x + 12) };
    let _ = write!(
        svg,
        "<rect class=\"took {class}\" x=\"{zero}\" y=\"{}\" width=\"{}\" height=\"6\" rx=\"3\"/>\
         <circle class=\"{class}\" cx=\"{x}\" cy=\"{middle}\" r=\"7\"/>\
         <text class=\"when\" text-anchor=\"{anchor}\" x=\"{place}\" y=\"{}\">{}</text>",
        middle - 3,
        (x - zero).max(1),
        middle + 5,
        span_text(at.after_ms)
    );
}

fn curves(svg: &mut String, axis: &Axis, scenario: &ScenarioView) {
    let bottom = CURVE_TOP + CURVE_HEIGHT;
    let top = scenario.loss_peak.minor.max(scenario.exposure_peak.minor);
    let _ = write!(
        svg,
        "<path class=\"axis\" d=\"M{LEFT} {bottom}H{}\"/>\
         <text class=\"lane\" x=\"{}\" y=\"{}\">{}</text>",
        WIDTH - RIGHT,
        LEFT - 12,
        CURVE_TOP + 12,
        both_drawn("money", "金额")
    );
    let Some(origin) = scenario.origin.filter(|_| top > 0) else {
        let _ = write!(
            svg,
            "<text class=\"quiet\" x=\"{}\" y=\"{}\">{}</text>",
            LEFT + 10,
            bottom - 10,
            both_drawn("nothing lost, nothing exposed", "没有损失，也没有敞口")
        );
        return;
    };
    for (class, curve, name, peak) in [
        ("exposure", &scenario.exposure, ("exposed", "敞口"), scenario.exposure_peak),
        ("loss", &scenario.loss, ("lost", "损失"), scenario.loss_peak),
    ] {
        if peak.minor == 0 {
            continue;
        }
        let name = both_drawn(name.0, name.1);
        let path = steps(axis, origin, curve, top);
        let _ = write!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
        let y = height(peak.minor, top).clamp(CURVE_TOP + 2, bottom - 4) + 12;
        let (anchor, x) =
            if class == "loss" { ("end", WIDTH - RIGHT - 4) } else { ("start", LEFT + 8) };
        let _ = write!(
            svg,
            "<text class=\"{class}-name\" text-anchor=\"{anchor}\" x=\"{x}\" y=\"{y}\">\
             {peak} {name}</text>"
        );
    }
}

fn height(minor: i64, top: i64) -> i64 {
    let share = i128::from(CURVE_HEIGHT) * i128::from(minor.max(0)) / i128::from(top.max(1));
    CURVE_TOP + CURVE_HEIGHT - i64::try_from(share).unwrap_or(CURVE_HEIGHT)
}

fn steps(axis: &Axis, origin: CellTime, curve: &[(CellTime, Money)], top: i64) -> String {
    let bottom = CURVE_TOP + CURVE_HEIGHT;
    let mut path = format!("M{LEFT} {bottom}");
    let stride = curve.len().div_ceil(STEPS_MAX).max(1);
    let last = curve.len().saturating_sub(1);
    let drawn = curve.iter().enumerate();
    for (_, (at, value)) in drawn.filter(|(index, _)| index % stride == 0 || *index == last) {
        let _ = write!(path, "H{}V{}", axis.x(at.since_ms(origin)), height(value.minor, top));
    }
    let _ = write!(path, "H{}V{bottom}Z", WIDTH - RIGHT);
    path
}

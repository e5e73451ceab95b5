//! What a decision says to people: limits and numbers, all of them whole.

use super::calls::Reading;
use super::spec::{Limits, Measures, Quantile};
use crate::dcheck::engine::Step;

/// What would have been well.
pub fn expected(measures: &Measures) -> String {
    let latency =
        measures.latency.map(|(of, limits)| format!("{} below {} ms", of.name(), limits.ill));
    let errors = measures.errors.map(|limits| format!("below {} of 1000 calls failed", limits.ill));
    let parts: Vec<String> = latency.into_iter().chain(errors).collect();
    format!("{} within {} s", parts.join(", "), measures.window_ms / 1000)
}

/// What was decided, and by which numbers.
pub fn actual(step: Step, per_cent: Option<u8>, reading: &Reading, measures: &Measures) -> String {
    let share = per_cent.map_or(String::new(), |share| format!(" to {share}%"));
    let mut text = format!("{}{share}: {} calls", step.name(), reading.calls);
    if measures.errors.is_some() {
        let (failed, of) = (reading.errors, reading.errors_per_mille());
        text.push_str(&format!(", {failed} failed ({of} of 1000)"));
    }
    match (measures.latency, reading.latency_ms) {
        (Some((Quantile::Max, _)), Some(ms)) => text.push_str(&format!(", max {ms} ms")),
        (Some((of, _)), Some(ms)) => text.push_str(&format!(", {} {ms} ms or more", of.name())),
        _ => {}
    }
    text
}

/// All limits.
pub fn limits(measures: &Measures) -> String {
    let told = |what: &str, unit: &str, limits: Limits| {
        let worse = limits.worse.map_or(String::new(), |worse| format!(", worse {worse}{unit}"));
        format!("{what} ill {}{unit}, well {}{unit}{worse}", limits.ill, limits.well)
    };
    let latency = measures.latency.map(|(of, limits)| told(of.name(), " ms", limits));
    let errors = measures.errors.map(|limits| told("errors", " of 1000", limits));
    let least = format!("at least {} calls in {} s", measures.min_calls, measures.window_ms / 1000);
    let hold = format!("hold {} s", measures.hold_ms / 1000);
    let parts = latency.into_iter().chain(errors).chain([least, hold]);
    parts.collect::<Vec<_>>().join("; ")
}

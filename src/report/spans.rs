//! When each fault was in place: every strike and every heal on one line of time.

use super::view::Milestone;
use crate::journal::{Entry, Event, History, Phase};

/// One stay of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultSpan {
    pub fault: String,
    pub struck: Milestone,
    /// None where no healing was proved.
    pub healed: Option<Milestone>,
}

impl Milestone {
    /// From one entry to a later one.
    fn between(from: &Entry, to: &Entry) -> Milestone {
        let real_us = to.mono_us.saturating_sub(from.mono_us);
        let after_ms = to.cell_ms.zip(from.cell_ms).map_or(0, |(to, from)| to - from);
        Milestone { after_ms, real_ms: i64::try_from(real_us / 1000).unwrap_or(i64::MAX) }
    }
}

/// The stays of the scenario's own faults, a canary's left out, in order of their strikes.
pub(super) fn fault_spans(
    history: &History,
    since: impl Fn(&Entry) -> Option<Milestone>,
) -> Vec<FaultSpan> {
    let Some(first) = history.entries().first() else { return Vec::new() };
    // Where nothing bad was seen there is no origin: then from the scenario's first entry.
    let at = |entry: &Entry| since(entry).unwrap_or_else(|| Milestone::between(first, entry));
    let mut spans: Vec<FaultSpan> = Vec::new();
    for entry in history.entries() {
        match &entry.event {
            Event::FaultInPlace { fault, .. } if entry.phase != Phase::Canary => {
                let (fault, struck) = (fault.clone(), at(entry));
                spans.push(FaultSpan { fault, struck, healed: None });
            }
            Event::FaultHealed { fault, .. } => {
                let open = |span: &&mut FaultSpan| span.fault == *fault && span.healed.is_none();
                if let Some(span) = spans.iter_mut().find(open) {
                    span.healed = Some(at(entry));
                }
            }
            _ => {}
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::story::{Story, fault_use, loss_point};

    #[test]
    fn a_fault_that_comes_again_has_a_span_each_time() {
        let struck = |story: Story, fault: &str| {
            let (fault, evidence) = (fault.to_owned(), String::new());
            story
                .event(Event::FaultIntent { fault: fault_use(&fault) })
                .event(Event::FaultInPlace { fault, evidence })
        };
        let healed = |story: Story, fault: &str| {
            story.event(Event::FaultHealed { fault: fault.to_owned(), evidence: String::new() })
        };
        let mut story = Story::new("s", false, loss_point("p", None)).at(1_000);
        story = struck(story, "a").at(2_000);
        story = struck(story, "b").at(3_000);
        story = healed(story, "a").at(4_000);
        story = struck(story, "a").at(5_000);
        story = healed(story, "b").at(6_000);
        let spans = fault_spans(&story.history(), |_| None);
        let told: Vec<(&str, i64, Option<i64>)> = spans
            .iter()
            .map(|span| {
                (span.fault.as_str(), span.struck.after_ms, span.healed.map(|at| at.after_ms))
            })
            .collect();
        assert_eq!(
            told,
            [("a", 1_000, Some(3_000)), ("b", 2_000, Some(5_000)), ("a", 4_000, None)]
        );
    }
}

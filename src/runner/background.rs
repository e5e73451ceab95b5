//! Healthy traffic around a scenario.

use std::collections::VecDeque;

use crate::forge;
use crate::journal::Act;
use crate::steps::Scenario;

/// Healthy traffic that keeps away from the scenario's own channels: a breaker on one of them must not decide, by
/// the order of two threads, what becomes of an honest refund.
pub(super) fn background(scenario: &Scenario, seed: &forge::Seed, count: usize) -> VecDeque<Act> {
    let named = |channel: &&&str| {
        let quoted = |text: &str| text.contains(**channel);
        !scenario.steps.iter().any(|step| quoted(&step.text))
    };
    let free: Vec<&str> = forge::CHANNELS.iter().filter(named).copied().collect();
    let mut acts = forge::healthy(seed.derive("background"), count);
    if let Some(first) = free.first() {
        for act in &mut acts {
            redirect(act, |channel| {
                if !free.contains(&channel.as_str()) {
                    *channel = (*first).to_owned();
                }
            });
        }
    }
    acts.into()
}

fn redirect(act: &mut Act, mut to: impl FnMut(&mut String)) {
    match act {
        Act::Buy { channel, .. }
        | Act::PlaceOrder { channel, .. }
        | Act::PayOrder { channel, .. }
        | Act::Refund { channel, .. } => to(channel),
        _ => {}
    }
}

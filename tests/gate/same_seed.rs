//! What a seed decides: every act of every role, and nothing but the seed decides it.

use std::collections::BTreeMap;

use lossdrill::journal::{Act, Entry, Event, Phase, Role};
use lossdrill::money::Money;
use lossdrill::stage::Provider;

use crate::{DRAWN, Run, first, id_of, said, servers};

/// An attack under a plan of faults.
const COMING_AND_GOING: &str = "redeem one coupon while faults come and go";

/// Each scenario's acts with their roles, in the order of their ids.
fn deeds(entries: &[Entry]) -> BTreeMap<String, Vec<(Role, Act)>> {
    let mut all: BTreeMap<String, BTreeMap<u64, (Role, Act)>> = BTreeMap::new();
    for entry in entries {
        if let (Some(scenario), Event::Intent { id, role, act }) = (&entry.scenario, &entry.event) {
            let before = all.entry(scenario.clone()).or_default().insert(*id, (*role, act.clone()));
            assert!(before.is_none(), "an intent has a number of its own: {before:?}");
        }
    }
    all.into_iter().map(|(scenario, acts)| (scenario, acts.into_values().collect())).collect()
}

/// The price that the attacking seller typed in the scenario that draws it.
fn drawn_price(entries: &[Entry]) -> Money {
    let drawn = id_of(entries, DRAWN);
    let typed = deeds(entries)[&drawn].iter().find_map(|(role, act)| match act {
        Act::PlaceBid { price, meant, .. } if *role == Role::Scripted => {
            assert_ne!(price, meant, "a digit is lost");
            Some(*price)
        }
        _ => None,
    });
    typed.expect("a scripted bid")
}

#[test]
fn the_same_seed_gives_the_same_deeds_and_another_seed_other_bids() {
    let Some(first) = first() else { return };
    let (again, other) = (Run::of_seed("7"), Run::of_seed("8"));
    let (first, again, other) = (first.entries(), again.entries(), other.entries());
    let (one, two) = (deeds(&first), deeds(&again));
    assert_eq!(one.keys().collect::<Vec<_>>(), two.keys().collect::<Vec<_>>());
    for (scenario, acts) in &one {
        assert!(acts.len() > 20, "{scenario}: healthy traffic is there");
        for (index, (left, right)) in acts.iter().zip(&two[scenario]).enumerate() {
            assert_eq!(left, right, "{scenario}: act {index}");
        }
        assert_eq!(acts.len(), two[scenario].len(), "{scenario}");
    }
    assert_eq!(drawn_price(&first), drawn_price(&again));
    assert_ne!(drawn_price(&first), drawn_price(&other), "another seed, another slip");
    assert_ne!(one, deeds(&other));
}

/// Each strike and heal of a scenario's own faults: after how many acts, and of which.
fn strokes(entries: &[Entry]) -> Vec<(usize, String)> {
    let (mut acts, mut strokes) = (0, Vec::new());
    // What is healed at the end is no stroke of a plan.
    for entry in entries.iter().filter(|entry| entry.phase != Phase::Heal) {
        match &entry.event {
            Event::Intent { .. } => acts += 1,
            Event::FaultInPlace { fault, .. } => strokes.push((acts, format!("{fault} strikes"))),
            Event::FaultHealed { fault, .. } => strokes.push((acts, format!("{fault} heals"))),
            _ => {}
        }
    }
    strokes
}

#[test]
fn the_same_seed_strikes_at_the_same_acts_and_another_seed_at_others() {
    if !servers::have(Provider::Local) {
        return;
    }
    let run = |seed| {
        let run = Run::of(&["run", "--seed", seed, "--name", COMING_AND_GOING]);
        assert_eq!(run.output.status.code(), Some(0), "{}", said(&run.output));
        strokes(&run.entries())
    };
    let first = run("7");
    let again = first.iter().filter(|(_, told)| told == "link.binlog.stalled strikes").count();
    assert!(again > 1, "it comes again: {first:?}");
    assert_eq!(first, run("7"));
    assert_ne!(first, run("8"));
}

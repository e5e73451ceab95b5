//! Half an inject: cut short at an instant drawn from the seed, healed, seen healed, and healed once more.

use std::time::Duration;

use lossdrill::faults::{FaultSpec, Nemesis};
use lossdrill::forge::Seed;
use lossdrill::journal::{Phase, Scribe};

use crate::scene::{HEAL_LIMIT, arm, heal};

/// The instants are drawn within each of these in turn, from the one before: a switch takes milliseconds, a restarted
/// server seconds.
const WITHIN_US: [u64; 3] = [0, 3_000, 300_000];
/// Another seed draws other instants.
const SEED_ENV: &str = "LOSSDRILL_FAULT_SEED";

/// When the injects of this fault are cut short. The first is cut at its first wait for anybody.
pub fn cuts(spec: &FaultSpec) -> Vec<Duration> {
    let run = std::env::var(SEED_ENV).ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let seed = Seed::of_scenario(run, &spec.id);
    let mut from = 0;
    let draw = |within: &u64| {
        let (begin, span) = (from, (within - from).max(1));
        from = *within;
        Duration::from_micros(begin + seed.derive(&within.to_string()).number() % span)
    };
    WITHIN_US.iter().map(draw).collect()
}

/// Cuts an inject short after `cut`; the error says what was not undone.
pub async fn holds(
    spec: &FaultSpec,
    cut: Duration,
    mut nemesis: Nemesis,
    scribe: &Scribe,
) -> Result<(), String> {
    arm(spec, &mut nemesis, scribe).map_err(|why| format!("{why:?}"))?;
    // Whether it came to its end before, and how, is of no interest here.
    let _ = tokio::time::timeout(cut, nemesis.inject_all(scribe, Phase::Inject)).await;
    heal(nemesis.heal_all(scribe, Phase::Heal, HEAL_LIMIT).await)?;
    nemesis.heal_again(scribe, Phase::Heal, HEAL_LIMIT).await;
    heal(nemesis.results()).map(drop).map_err(|why| format!("healed twice: {why}"))
}

#[test]
fn the_instants_of_a_fault_grow_and_are_its_own() {
    let of = |id: &str| cuts(lossdrill::faults::registry::find(id).unwrap());
    let shop = of("process.shop.killed");
    assert_eq!(shop, of("process.shop.killed"), "the same seed draws the same");
    assert_ne!(shop, of("process.dcheck.killed"));
    assert!(shop.is_sorted() && shop.len() == WITHIN_US.len(), "{shop:?}");
    assert!(shop[0] < Duration::from_micros(1));
}

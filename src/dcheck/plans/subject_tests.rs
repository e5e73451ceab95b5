//! Several runs on one subject, and runs that may not begin: the executor as it is, against a mock target.

use std::time::{Duration, Instant};

use super::super::halts::{ALL, Halt};
use super::super::mock::{self, World, armed, runtime, serve};
use super::*;
use crate::wire::Effect;

/// Far above what a run takes.
const LIMIT: Duration = Duration::from_secs(20);

fn plan(id: &str, effect: &str) -> String {
    format!(
        "
id: {id}
trigger: {{rules: [r]}}
scope: {{kind: item, field: sku}}
effect: {effect}
actions:
  - {{step: {id}-1, http: {{target: mock, method: PUT, path: /breaker}}}}
  - {{step: {id}-2, http: {{target: mock, method: POST, path: /page}}}}
  - {{step: {id}-3, http: {{target: mock, method: POST, path: /page}}}}
proof:
  - http: {{target: mock, path: /breaker, expect: {{active: true}}}}
ttl: 10 min
revert:
  - {{step: {id}-4, http: {{target: mock, method: DELETE, path: /breaker}}}}
"
    )
}

fn stops(act: &str) -> Effect {
    Effect::Stops(act.to_owned())
}

/// Runs by plan, effect and subject, started one after another, until each is effective or has ended; then their states and notes,
/// and the steps in the order in which the target was asked.
fn play(runs: &[(&str, Effect, &str)], halt: Option<&str>) -> (Vec<PlanRun>, Vec<String>) {
    let (outside, process) = (runtime(), runtime());
    let world = Arc::new(World { left: AtomicU64::new(u64::MAX), ..World::default() });
    let address = outside.block_on(serve(Arc::clone(&world)));
    let clock = Clock::starting_at(1_767_578_400_000);
    let texts: Vec<String> = runs
        .iter()
        .map(|(id, effect, _)| match effect {
            Effect::Stops(act) => plan(id, &format!("{{stops: {act}}}")),
            _ => plan(id, "repairs"),
        })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let ended = process.block_on(async {
        let (shared, _ends) = mock::shared(&world, address, &clock, &texts);
        if let Some(plan) = halt {
            let (who, why) = ("anna".to_owned(), "a wrong rule".to_owned());
            shared.halts.throw(Halt { plan: plan.to_owned(), who, why, since: clock.now() });
        }
        let state = Arc::clone(&shared.state);
        let mut executor = Executor::new(shared);
        for (plan, effect, sku) in runs {
            let mut run = armed(plan, effect.clone(), clock.now());
            run.scope[0].id = (*sku).to_owned();
            executor.take_on(run);
        }
        let from = Instant::now();
        loop {
            let now = state.list();
            let is_over =
                |run: &PlanRun| matches!(run.state, PlanState::Effective | PlanState::Failed);
            if now.iter().all(is_over) && state.busy() == 0 {
                return now;
            }
            assert!(from.elapsed() < LIMIT, "{now:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    process.shutdown_background();
    let asked = lock(&world.asked).iter().map(|(key, _)| key.clone()).collect();
    (ended, asked)
}

/// The plans in the order of their steps, each named once for each time it had the target to itself.
fn strokes(asked: &[String]) -> Vec<&str> {
    let mut plans: Vec<&str> =
        asked.iter().map(|step| step.rsplit_once('-').expect("PLAN-N").0).collect();
    plans.dedup();
    plans
}

#[test]
fn two_plans_on_one_subject_take_turns() {
    for _ in 0..10 {
        let both = [("a", stops("buy"), "S-1"), ("b", stops("refund"), "S-1")];
        let (runs, asked) = play(&both, None);
        assert!(runs.iter().all(|run| run.state == PlanState::Effective), "{runs:?}");
        assert_eq!((strokes(&asked).len(), asked.len()), (2, 6), "{asked:?}");
    }
}

#[test]
fn a_kill_switch_stops_a_run_that_has_not_begun() {
    for (halt, state) in [
        (None, PlanState::Effective),
        (Some(ALL), PlanState::Failed),
        (Some("a"), PlanState::Failed),
        (Some("b"), PlanState::Effective),
    ] {
        let (runs, asked) = play(&[("a", stops("buy"), "S-1")], halt);
        assert_eq!(runs[0].state, state, "{halt:?}: {runs:?}");
        assert_eq!(asked.is_empty(), state == PlanState::Failed, "{asked:?}");
    }
}

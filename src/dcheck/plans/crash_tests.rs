//! A crash at every instant of a run: the executor as it is, against a mock target and a mock results database.
//!
//! A point is where something happens elsewhere: a request before it has its effect and before it is answered, a commit before it is
//! durable and before it is acknowledged. The process dies at one point, another one takes the run on from what was stored.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::super::halts::Halt;
use super::super::mock::{self, World, armed, runtime, serve};
use super::*;
use crate::wire::Effect;

const PLAN: &str = "
id: take-off-sale
trigger: {rules: [bid-below-market]}
scope: {kind: item, field: sku}
effect: {stops: buy}
actions:
  - {step: stop, http: {target: mock, method: PUT, path: '/breaker'}}
  - {step: page, http: {target: mock, method: POST, path: '/page'}}
  - {step: log, http: {target: mock, method: POST, path: '/log'}}
proof:
  - http: {target: mock, path: /breaker, expect: {active: true}}
ttl: 10 min
revert:
  - {step: go, http: {target: mock, method: DELETE, path: '/breaker'}}
  - {step: unpage, http: {target: mock, method: POST, path: '/page'}}
";
const PLAN_ID: &str = "take-off-sale";
const STEPS: [&str; 5] = ["stop", "page", "log", "go", "unpage"];
/// Far above what a run takes.
const LIMIT: Duration = Duration::from_secs(20);
/// More points than a run has.
const POINTS: usize = 200;

/// One process: until the run has ended (true), or it died.
fn live(
    world: &Arc<World>,
    address: SocketAddr,
    clock: &Clock,
    by_hand: bool,
    first: &PlanRun,
    is_halted: bool,
) -> bool {
    let run = world.stored(&first.run_id).unwrap_or_else(|| first.clone());
    if matches!(run.state, PlanState::Reverted | PlanState::Failed) {
        return true;
    }
    let process = runtime();
    let ended = process.block_on(async {
        let (shared, mut ends) = mock::shared(world, address, clock, &[PLAN]);
        if is_halted {
            let (plan, who, why) = (PLAN_ID.to_owned(), "anna".to_owned(), "stop it".to_owned());
            shared.halts.throw(Halt { plan, who, why, since: clock.now() });
        }
        let (state, run_id) = (Arc::clone(&shared.state), run.run_id.clone());
        let mut executor = Executor::new(shared);
        executor.take_on(run);
        let from = Instant::now();
        loop {
            assert!(from.elapsed() < LIMIT, "{:?}", state.list());
            if ends.try_recv().is_ok() {
                return true;
            }
            if world.dead.load(Ordering::Acquire) {
                return false;
            }
            if state.find(&run_id).is_some_and(|run| run.state == PlanState::Effective) {
                let why = "the bid is mended".to_owned();
                let _ = match by_hand {
                    true => {
                        executor.nudge(&run_id, Nudge::Revert(Word { who: "anna".into(), why }))
                    }
                    false => {
                        clock.advance(clock.seq() + 1, 660_000);
                        Ok(())
                    }
                };
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    process.shutdown_background();
    ended
}

/// The world after a crash at each point of a run; what is wrong in it.
fn crash_everywhere(by_hand: bool, loses_receipts: bool) -> (usize, Vec<String>) {
    let outside = runtime();
    let mut wrong = Vec::new();
    for point in 0..POINTS {
        let left = AtomicU64::new(point as u64);
        let world = Arc::new(World { left, loses_receipts, ..World::default() });
        let address = outside.block_on(serve(Arc::clone(&world)));
        let clock = Clock::starting_at(1_767_578_400_000);
        let first = armed("take-off-sale", Effect::Stops("buy".into()), clock.now());
        let survived = live(&world, address, &clock, by_hand, &first, false);
        let receipts = world.receipts();
        let before: Vec<String> = lock(&world.asked).iter().map(|(key, _)| key.clone()).collect();
        if !survived {
            world.left.store(u64::MAX, Ordering::Release);
            world.dead.store(false, Ordering::Release);
            // As after a crash: what was with the dead process is gone, the mock's answers to it too.
            assert!(live(&world, address, &clock, by_hand, &first, false), "point {point}");
        }
        wrong.extend(
            look(&world)
                .map(|what| format!("point {point}, {receipts} receipts, {before:?}: {what}")),
        );
        if survived {
            return (point, wrong);
        }
    }
    panic!("a run has more than {POINTS} points");
}

fn look(world: &World) -> Option<String> {
    let run = world.stored("take-off-sale-1").expect("stored");
    let (asked, done) = (lock(&world.asked).clone(), lock(&world.done).clone());
    let receipts: Vec<&str> = run.steps.iter().map(|step| step.step.as_str()).collect();
    let again = asked.iter().find(|(key, stored)| {
        // Receipts come in the order of the steps: this one was stored when it was asked again.
        STEPS.iter().position(|step| step == key).is_some_and(|nth| nth < *stored)
    });
    match () {
        () if run.state != PlanState::Reverted => {
            Some(format!("it ends {:?}: {}", run.state, run.note))
        }
        () if done != STEPS => Some(format!("effects {done:?}")),
        () if world.active.load(Ordering::Acquire) => Some("the breaker stays".to_owned()),
        () if receipts != STEPS => Some(format!("receipts {receipts:?}")),
        () => again.map(|(key, _)| format!("{key} was asked again with a receipt")),
    }
}

#[test]
fn each_step_is_done_once_wherever_the_crash_comes() {
    for by_hand in [false, true] {
        let (points, wrong) = crash_everywhere(by_hand, false);
        assert!(points > 25, "a run has more points than {points}");
        assert_eq!(wrong, Vec::<String>::new(), "by hand: {by_hand}");
    }
}

/// A kill switch that is thrown while nobody lives, after a crash at each point: what has begun goes on to where it can be reverted,
/// what has not touches nothing, and nothing that had an effect is given up.
#[test]
fn a_kill_switch_stops_what_has_not_begun_wherever_the_crash_comes() {
    let outside = runtime();
    let (mut stopped, mut resumed) = (0, 0);
    for point in 0..POINTS {
        let world = Arc::new(World { left: AtomicU64::new(point as u64), ..World::default() });
        let address = outside.block_on(serve(Arc::clone(&world)));
        let clock = Clock::starting_at(1_767_578_400_000);
        let first = armed(PLAN_ID, Effect::Stops("buy".into()), clock.now());
        if live(&world, address, &clock, false, &first, false) {
            break;
        }
        let (asked, receipts) = (lock(&world.asked).len(), world.receipts());
        world.left.store(u64::MAX, Ordering::Release);
        world.dead.store(false, Ordering::Release);
        assert!(live(&world, address, &clock, false, &first, true), "point {point}");
        let run = world.stored("take-off-sale-1").expect("stored");
        let done = lock(&world.done).clone();
        if run.state == PlanState::Failed {
            assert!(run.note.starts_with("kill switch: "), "point {point}: {}", run.note);
            assert_eq!((asked, done), (0, vec![]), "point {point}: given up with its effect");
            stopped += 1;
        } else {
            assert_eq!(look(&world), None, "point {point}");
            resumed += u64::from(asked > 0 && receipts == 0);
        }
    }
    assert!(stopped > 2 && resumed > 1, "{stopped} {resumed}");
}

#[test]
fn a_database_that_loses_receipts_is_seen() {
    let (_, wrong) = crash_everywhere(false, true);
    assert!(!wrong.is_empty());
}

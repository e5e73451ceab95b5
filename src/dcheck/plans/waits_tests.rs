//! Runs that wait for each other, for people, or no more: the executor as it is, against a mock target.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::super::executor::{Ended, Executor, Nudge, Word, lock};
use super::super::halts::{Halt, Halts};
use super::super::mock::{self, World, armed, runtime, serve};
use super::super::planner::Finding;
use super::*;
use crate::clock::{CellTime, Clock};
use crate::wire::StepReceipt;

/// Far above what a run takes.
const LIMIT: Duration = Duration::from_secs(20);

/// `proved` is what the mock's breaker is to say: `true` comes at once, anything else never.
fn plan(id: &str, act: &str, proved: &str, approval: &str) -> String {
    format!(
        "
id: {id}
trigger: {{rules: [r]}}
scope: {{kind: item, field: sku}}
effect: {{stops: {act}}}
actions:
  - {{step: {id}-1, http: {{target: mock, method: PUT, path: /breaker}}}}
proof:
  - http: {{target: mock, path: /breaker, expect: {{active: {proved}}}}}
ttl: 10 min
revert:
  - {{step: {id}-2, http: {{target: mock, method: DELETE, path: /breaker}}}}
revert_proof:
  - http: {{target: mock, path: /breaker, expect: {{active: false}}}}
approval: {approval}
"
    )
}

/// What outlives a process: the world, and the instant.
struct Stage {
    outside: Runtime,
    world: Arc<World>,
    address: SocketAddr,
    clock: Clock,
}

/// One process.
struct Process {
    runtime: Option<Runtime>,
    executor: Executor,
    state: Arc<crate::dcheck::plans::RunsState>,
    halts: Arc<Halts>,
    ends: mpsc::Receiver<Ended>,
}

impl Stage {
    fn new() -> Stage {
        let outside = runtime();
        let world = Arc::new(World { left: AtomicU64::new(u64::MAX), ..World::default() });
        let address = outside.block_on(serve(Arc::clone(&world)));
        Stage { outside, world, address, clock: Clock::starting_at(1_767_578_400_000) }
    }

    fn process(&self, plans: &[String]) -> Process {
        let runtime = runtime();
        let plans: Vec<&str> = plans.iter().map(String::as_str).collect();
        let (shared, ends) = runtime
            .block_on(async { mock::shared(&self.world, self.address, &self.clock, &plans) });
        let (state, halts) = (Arc::clone(&shared.state), Arc::clone(&shared.halts));
        Process { runtime: Some(runtime), executor: Executor::new(shared), state, halts, ends }
    }

    fn run(&self, plan: &str, act: &str, state: PlanState) -> PlanRun {
        PlanRun { state, ..armed(plan, Effect::Stops(act.to_owned()), self.clock.now()) }
    }

    fn asked(&self) -> Vec<String> {
        lock(&self.world.asked).iter().map(|(key, _)| key.clone()).collect()
    }
}

impl Process {
    fn take_on(&mut self, run: PlanRun) {
        let _inside = self.runtime.as_ref().unwrap().enter();
        self.executor.take_on(run);
    }

    fn restore(&mut self, stage: &Stage) {
        let runs: Vec<PlanRun> = lock(&stage.world.runs).values().cloned().collect();
        let _inside = self.runtime.as_ref().unwrap().enter();
        self.executor.restore(&runs);
    }

    fn nudge(&mut self, plan: &str, nudge: Nudge) -> bool {
        let _inside = self.runtime.as_ref().unwrap().enter();
        self.executor.nudge(&format!("{plan}-1"), nudge).is_ok()
    }

    fn of(&self, plan: &str) -> PlanRun {
        self.state.find(&format!("{plan}-1")).expect("it was taken on")
    }

    /// The run of a plan once it is so, and what was written of it.
    fn until(&self, plan: &str, is_so: impl Fn(&PlanRun) -> bool) -> PlanRun {
        let from = Instant::now();
        self.runtime.as_ref().unwrap().block_on(async {
            loop {
                let run = self.of(plan);
                if is_so(&run) {
                    return run;
                }
                assert!(from.elapsed() < LIMIT, "{:?}", self.state.list());
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    }

    fn in_state(&self, plan: &str, state: PlanState) -> PlanRun {
        self.until(plan, |run| run.state == state)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

fn word(who: &str) -> Word {
    Word { who: who.to_owned(), why: "seen".to_owned() }
}

fn halt(plan: &str) -> Halt {
    let (who, why) = ("anna".to_owned(), "a wrong rule".to_owned());
    Halt { plan: plan.to_owned(), who, why, since: CellTime(0) }
}

fn waits(run: &PlanRun) -> bool {
    run.note.contains(WAITS)
}

#[test]
fn one_effect_on_one_subject_is_in_force_once_and_the_other_plan_follows() {
    let stage = Stage::new();
    let plans = [("a", "buy"), ("b", "buy"), ("c", "refund")]
        .map(|(id, act)| plan(id, act, "true", "automatic"));
    let mut process = stage.process(&plans);
    process.take_on(stage.run("a", "buy", PlanState::Armed));
    process.in_state("a", PlanState::Effective);
    process.take_on(stage.run("b", "buy", PlanState::Armed));
    let told = process.until("b", waits).note;
    assert_eq!(told, "waits for run a-1, which has this effect in force here");
    process.take_on(stage.run("c", "refund", PlanState::Armed));
    process.in_state("c", PlanState::Effective);
    assert_eq!(stage.asked(), ["a-1", "c-1"], "it touches nothing while it waits");
    assert!(process.nudge("a", Nudge::Revert(word("anna"))));
    process.in_state("a", PlanState::Reverted);
    let run = process.in_state("b", PlanState::Effective);
    assert_eq!(run.note, "", "it waits no more");
    assert_eq!(stage.asked(), ["a-1", "c-1", "a-2", "b-1"]);
}

#[test]
fn what_waits_for_an_effect_waits_after_a_restart_too() {
    let stage = Stage::new();
    let plans = ["a", "b"].map(|id| plan(id, "buy", "true", "automatic"));
    // The names and the order of what is stored must not matter: b holds it, a waits.
    let mut first = stage.process(&plans);
    first.take_on(stage.run("b", "buy", PlanState::Armed));
    first.in_state("b", PlanState::Effective);
    first.take_on(stage.run("a", "buy", PlanState::Armed));
    first.until("a", waits);
    drop(first);
    let mut again = stage.process(&plans);
    again.restore(&stage);
    assert!(again.state.list().len() == 2, "all are shown at once");
    assert!(again.nudge("b", Nudge::Revert(word("anna"))));
    again.in_state("b", PlanState::Reverted);
    again.in_state("a", PlanState::Effective);
    assert_eq!(stage.asked(), ["b-1", "b-2", "a-1"]);
}

#[test]
fn a_halt_stops_a_run_that_has_touched_nothing() {
    for (halted, note) in [("a", "kill switch"), ("b", "")] {
        for state in [PlanState::Armed, PlanState::Running] {
            let stage = Stage::new();
            let mut process = stage.process(&[plan("a", "buy", "true", "automatic")]);
            process.halts.throw(halt(halted));
            process.take_on(stage.run("a", "buy", state));
            let over =
                |run: &PlanRun| matches!(run.state, PlanState::Failed | PlanState::Effective);
            let run = process.until("a", over);
            assert_eq!(run.state == PlanState::Failed, !note.is_empty(), "{halted:?} {run:?}");
            assert!(run.note.contains(note), "{run:?}");
            assert_eq!(stage.asked().is_empty(), !note.is_empty(), "{run:?}");
        }
    }
}

#[test]
fn a_halt_does_not_stop_half_a_plan() {
    let stage = Stage::new();
    let mut process = stage.process(&[plan("a", "buy", "true", "automatic")]);
    process.halts.throw(halt("a"));
    let mut run = stage.run("a", "buy", PlanState::Running);
    let (step, at) = ("before".to_owned(), String::new());
    run.steps.push(StepReceipt { step, receipt: "http 200".to_owned(), at });
    process.take_on(run);
    process.in_state("a", PlanState::Effective);
}

#[test]
fn who_waits_in_a_line_is_refused_at_once() {
    let stage = Stage::new();
    let plans = ["a", "b"].map(|id| plan(id, "buy", "true", "automatic"));
    let mut process = stage.process(&plans);
    process.take_on(stage.run("a", "buy", PlanState::Armed));
    process.in_state("a", PlanState::Effective);
    process.take_on(stage.run("b", "buy", PlanState::Armed));
    process.until("b", waits);
    assert!(process.nudge("b", Nudge::Refuse(word("anna"))));
    assert_eq!(process.in_state("b", PlanState::Failed).note, "refused by anna: seen");
}

#[test]
fn what_a_person_said_outlives_a_crash_while_the_run_waits_for_its_turn() {
    let stage = Stage::new();
    // The one that is never proved holds the subject.
    let mut plans = vec![
        plan("going-back", "buy", "true", "automatic"),
        plan("approved", "send", "true", "manual"),
        plan("hangs", "refund", "never", "automatic"),
    ];
    let mut first = stage.process(&plans);
    first.take_on(stage.run("going-back", "buy", PlanState::Armed));
    first.in_state("going-back", PlanState::Effective);
    first.take_on(stage.run("hangs", "refund", PlanState::Armed));
    first.until("hangs", |run| !run.steps.is_empty());
    first.take_on(stage.run("approved", "send", PlanState::WaitingApproval));
    assert!(first.nudge("going-back", Nudge::Revert(word("anna"))));
    assert!(first.nudge("approved", Nudge::Approve(word("ben"))));
    first.until("going-back", waits);
    first.until("approved", waits);
    drop(first);
    let stored = stage.world.stored("going-back-1").unwrap();
    assert!(stored.note.starts_with("reverting: by anna: seen; waits"), "{stored:?}");
    // In the next process nothing hangs.
    plans[2] = plan("hangs", "refund", "true", "automatic");
    let mut again = stage.process(&plans);
    again.restore(&stage);
    assert_eq!(again.in_state("going-back", PlanState::Reverted).note, "by anna: seen");
    assert_eq!(again.in_state("approved", PlanState::Effective).note, "approved by ben: seen");
}

#[test]
fn a_wait_for_a_turn_has_an_end_that_names_the_holder() {
    let stage = Stage::new();
    let plans = [("a", "buy"), ("hangs", "refund")]
        .map(|(id, act)| plan(id, act, if id == "a" { "true" } else { "never" }, "automatic"));
    let mut process = stage.process(&plans);
    let subject = Subject::new("item", "S-1");
    let turns = Arc::clone(process.executor.turns());
    let Asked::Now(_held) = turns.ask(&process.state, &subject, "hangs-1") else {
        panic!("nobody is there")
    };
    process.take_on(stage.run("a", "buy", PlanState::Armed));
    process.until("a", waits);
    stage.clock.advance(1, TURN_LIMIT_MS);
    let run = process.in_state("a", PlanState::Failed);
    assert_eq!(run.note, r#"waited 15 min for run hangs-1, which works on item "S-1""#);
    assert!(stage.asked().is_empty());
}

#[test]
fn a_persons_word_comes_through_however_many_findings_wait() {
    let stage = Stage::new();
    let plans =
        [plan("a", "buy", "true", "automatic"), plan("hangs", "refund", "never", "automatic")];
    let mut process = stage.process(&plans);
    process.take_on(stage.run("hangs", "refund", PlanState::Armed));
    process.until("hangs", |run| !run.steps.is_empty());
    process.take_on(stage.run("a", "buy", PlanState::Armed));
    process.until("a", waits);
    let finding = Finding {
        rule: "r".into(),
        severity: "P1".into(),
        fingerprint: "f".into(),
        starts_at: CellTime(0),
        subject: Subject::new("item", "S-1"),
        occurrence: "o".into(),
        at_risk: None,
        fields: std::collections::BTreeMap::new(),
    };
    for nth in 0..1_000 {
        let is_taken = process.nudge("a", Nudge::Join(Box::new(finding.clone())));
        assert!(is_taken, "join {nth} is not given back, to be planned again and again");
    }
    assert!(process.nudge("a", Nudge::Refuse(word("anna"))));
    process.in_state("a", PlanState::Failed);
    let ended = process.ends.try_recv();
    let ended = ended.ok().or_else(|| stage.outside.block_on(process.ends.recv())).unwrap();
    assert!(!ended.left_over.is_empty(), "one of them at least is planned again");
}

#[test]
fn what_failed_half_way_goes_back_by_hand() {
    let stage = Stage::new();
    let mut process = stage.process(&[plan("a", "buy", "never", "automatic")]);
    process.take_on(stage.run("a", "buy", PlanState::Armed));
    process.until("a", |run| !run.steps.is_empty());
    process.until("a", |run| {
        stage.clock.advance(stage.clock.seq() + 1, stage.clock.offset_ms() + 10_000);
        run.state == PlanState::Failed
    });
    stage.outside.block_on(process.ends.recv()).unwrap();
    assert!(process.nudge("a", Nudge::Revert(word("anna"))));
    let run = process.in_state("a", PlanState::Reverted);
    assert_eq!(run.note, "by anna: seen");
    assert_eq!(stage.asked().last().unwrap(), "a-2");
}

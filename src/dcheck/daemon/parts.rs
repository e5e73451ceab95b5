//! What parts of the daemon say of their own health, on the way to the engine.
//!
//! Owns the check-up: every [`CHECK_MS`] of cell time the first alert channel gets a heartbeat, the
//! targets of plan actions are asked for a sign of life, and the runs are looked through for one
//! that does not get on. Must not judge: whether an ailment is an alert is a rule's
//! (`strategy: self-watch`). What is due or not heard yet counts as busy.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::{CellTime, Clock, parse_rfc3339};
use crate::dcheck::alerts::Routes;
use crate::dcheck::engine::{Input, Ward};
use crate::dcheck::plans::{RunsState, Targets};
use crate::wire::{PlanRun, PlanState};

/// Between two check-ups, cell time: three of them fit into a minute.
const CHECK_MS: i64 = 20_000;
/// A run under way that has not moved for so long is stuck.
const STUCK_MS: i64 = 30_000;
/// Questions to a target without answer after which it counts as gone: one lost question is a blip.
const ASKS: usize = 3;
/// Between them.
const ASK_PAUSE: Duration = Duration::from_millis(50);
/// Signs on their way to the engine: a handful at most.
const SIGNS: usize = 64;
/// Ids of the parts, as alerts name them.
pub const ALERT_CHANNEL: &str = "alert-channel";
pub const SECOND_ALERT_CHANNEL: &str = "second-alert-channel";
pub const RULES: &str = "rules";
pub const PLAN_EXECUTOR: &str = "plan-executor";

/// The way of a part to the engine; clones share it.
#[derive(Clone)]
pub struct Parts {
    clock: Clock,
    signs: mpsc::Sender<Input>,
    untold: Arc<AtomicU64>,
    next_check: Arc<AtomicI64>,
    /// Parts that ailed when the process before this one ended.
    doubted: Arc<Mutex<BTreeSet<String>>>,
}

impl Parts {
    pub fn new(clock: Clock) -> (Parts, mpsc::Receiver<Input>) {
        let (signs, inbox) = mpsc::channel(SIGNS);
        let next_check = Arc::new(AtomicI64::new(clock.now().plus_ms(CHECK_MS).0));
        let (untold, doubted) = Default::default();
        (Parts { clock, signs, untold, next_check, doubted }, inbox)
    }

    /// `why`: the part ails; none: it is well.
    pub fn tell(&self, ward: Ward, id: &str, why: Option<&str>) {
        let id = id.to_owned();
        let sign = match why {
            Some(why) => Input::Ails { ward, id, since: self.clock.now(), why: why.to_owned() },
            None => Input::Recovered { ward, id },
        };
        self.untold.fetch_add(1, Ordering::AcqRel);
        if self.signs.try_send(sign).is_err() {
            self.heard();
        }
    }

    /// `id` ailed before this process: the next check-up says whether it still does.
    pub fn doubt(&self, id: String) {
        self.doubted().insert(id);
    }

    fn doubted(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.doubted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the check-up of the channels has shown of those in doubt: a dead one is told by its way.
    fn clear_channels(&self, routes: &Routes) {
        for (id, is_dead) in [
            (ALERT_CHANNEL, routes.is_first_dead()),
            (SECOND_ALERT_CHANNEL, routes.is_second_dead()),
        ] {
            let was_in_doubt = self.doubted().remove(id);
            if was_in_doubt && !is_dead {
                self.tell(Ward::AlertChannel, id, None);
            }
        }
    }

    /// The engine has taken one sign.
    pub fn heard(&self) {
        self.untold.fetch_sub(1, Ordering::AcqRel);
    }

    /// Signs not heard yet, and a check-up that is due.
    pub fn due(&self) -> u64 {
        let is_due = self.next_check.load(Ordering::Acquire) <= self.clock.now().0;
        self.untold.load(Ordering::Acquire) + u64::from(is_due)
    }

    /// Checks up on `routes`, `targets` and `runs` for as long as the process lives.
    pub async fn check(self, routes: Arc<Routes>, targets: Arc<Targets>, runs: Arc<RunsState>) {
        let mut ails = false;
        loop {
            let at = CellTime(self.next_check.load(Ordering::Acquire));
            self.clock.sleep_until(at).await;
            let ((), silent) = tokio::join!(routes.beat(), silent_target(&targets));
            let why = trouble(silent, &waiting(&runs.list()), self.clock.now());
            self.clear_channels(&routes);
            let was_in_doubt = self.doubted().remove(PLAN_EXECUTOR);
            if why.is_some() || ails || was_in_doubt {
                self.tell(Ward::PlanExecutor, PLAN_EXECUTOR, why.as_deref());
            }
            ails = why.is_some();
            // Only now: until here the check-up counts as due.
            self.next_check.store(self.clock.now().plus_ms(CHECK_MS).0, Ordering::Release);
        }
    }
}

/// The first target that gives no sign of life.
async fn silent_target(targets: &Targets) -> Option<String> {
    for name in targets.urls.keys() {
        let mut asks = 0;
        while let Err(why) = targets.sign_of_life(name).await {
            asks += 1;
            if asks == ASKS {
                return Some(format!("target {name} gives no sign of life: {why}"));
            }
            tokio::time::sleep(ASK_PAUSE).await;
        }
    }
    None
}

fn waiting(runs: &[PlanRun]) -> Vec<&PlanRun> {
    let is_waiting = |run: &&PlanRun| matches!(run.state, PlanState::Armed | PlanState::Running);
    runs.iter().filter(is_waiting).collect()
}

/// Why plans cannot act, and which findings wait.
fn trouble(silent: Option<String>, waiting: &[&PlanRun], now: CellTime) -> Option<String> {
    let moved = |run: &PlanRun| CellTime(parse_rfc3339(&run.updated_at).unwrap_or(now.0));
    let stuck = waiting.iter().find(|run| now.since_ms(moved(run)) >= STUCK_MS);
    let stuck =
        stuck.map(|run| format!("run {} has not moved for {} s", run.run_id, STUCK_MS / 1000));
    let why = silent.or(stuck)?;
    let findings: Vec<String> = waiting
        .iter()
        .map(|run| {
            let scope: Vec<String> = run.scope.iter().map(ToString::to_string).collect();
            format!("{} for {} ({})", run.plan, scope.join(", "), run.rule)
        })
        .collect();
    match findings.is_empty() {
        true => Some(format!("{why}; no finding waits yet")),
        false => Some(format!("{why}; waiting: {}", findings.join("; "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::rfc3339;
    use crate::wire::{Effect, Subject};

    fn run(state: PlanState, updated_ms: i64) -> PlanRun {
        PlanRun {
            plan: "take-off-sale".into(),
            run_id: "take-off-sale-1".into(),
            alert: "f".into(),
            rule: "bid-below-market".into(),
            scope: vec![Subject::new("item", "SKU-1")],
            effect: Effect::Stops("buy".into()),
            steps: Vec::new(),
            state,
            started_at: rfc3339(0),
            updated_at: rfc3339(updated_ms),
            reverts_at: None,
            note: String::new(),
        }
    }

    /// A channel that was dead before this process: well by its first check-up, or dead still, which its way tells.
    #[tokio::test]
    async fn what_is_in_doubt_after_a_start_is_told_well_where_it_is() {
        use crate::dcheck::alerts::{Channel, ChannelSpec, Ladder, Way};
        for (ids, beats, told) in [
            (&[ALERT_CHANNEL, SECOND_ALERT_CHANNEL][..], false, 2),
            (&[ALERT_CHANNEL, SECOND_ALERT_CHANNEL], true, 1),
            (&[ALERT_CHANNEL], true, 0),
            (&[], false, 0),
        ] {
            let (parts, mut inbox) = Parts::new(Clock::system());
            let nobody = ChannelSpec::WebhookV4 { url: "http://127.0.0.1:1/".to_owned() };
            let channel = Channel::new(nobody, reqwest::Client::new());
            let routes = Routes::new(Way::new(channel, None), None, Ladder::Steady);
            if beats {
                routes.beat().await;
            }
            ids.iter().for_each(|id| parts.doubt((*id).to_owned()));
            parts.clear_channels(&routes);
            let mut heard = 0;
            while let Ok(sign) = inbox.try_recv() {
                assert!(matches!(sign, Input::Recovered { ward: Ward::AlertChannel, .. }));
                heard += 1;
            }
            parts.clear_channels(&routes);
            assert_eq!((heard, inbox.try_recv().is_err()), (told, true), "{ids:?} {beats}");
        }
    }

    #[test]
    fn trouble_names_the_findings_that_wait() {
        let gone = || Some("target shop gives no sign of life".to_owned());
        for (silent, state, now, part) in [
            (None, PlanState::Running, STUCK_MS - 1, None),
            (None, PlanState::Effective, STUCK_MS, None),
            (None, PlanState::WaitingApproval, STUCK_MS, None),
            (None, PlanState::Running, STUCK_MS, Some("take-off-sale-1 has not moved for 30 s")),
            (gone(), PlanState::Effective, 0, Some("no finding waits yet")),
            (
                gone(),
                PlanState::Armed,
                0,
                Some("waiting: take-off-sale for item \"SKU-1\" (bid-below-market)"),
            ),
        ] {
            let runs = [run(state, 0)];
            let told = trouble(silent, &waiting(&runs), CellTime(now));
            match part {
                None => assert_eq!(told, None, "{state:?}"),
                Some(part) => assert!(told.as_deref().unwrap_or("").contains(part), "{told:?}"),
            }
        }
    }
}

//! One scenario in its cell, step by step: Givens, steady state, faults, Whens. Judging is in `judge`.
//!
//! Knows sentences only as moves (`script`). The first trouble ends the doing: later steps are skipped, the verdict says why.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::background::background;
use super::clockwork::Clockwork;
use super::feed::Feed;
use super::play::Play;
use super::unrest::{Unrest, WATCHDOG};
use crate::faults::Nemesis;
use crate::forge;
use crate::journal::{
    Act, Event, Expectation, Outcome, Phase, Role, ScenarioFacts, Scribe, Verdict, Word,
};
use crate::oracle::Oracle;
use crate::platform::{ClockPeer, Platform};
use crate::stage::Service;
use crate::stage::cell::Cell;
use crate::steps::{self, Kind, Move, Scenario, Script, Step};

/// Healthy acts around a scenario: half of them before its Whens. A plan of faults may need more.
pub const HEALTHY_ACTS: usize = 20;

/// A watchdog has no store and no history: it is there in a moment.
const WATCHDOG_READY_LIMIT: Duration = Duration::from_secs(10);
const READY_PAUSE: Duration = Duration::from_millis(15);

/// What ends a scenario before its expectations could be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub verdict: Verdict,
    pub word: Word,
    pub evidence: String,
}

impl Trouble {
    pub fn inconclusive(word: Word, evidence: impl Into<String>) -> Trouble {
        Trouble { verdict: Verdict::Inconclusive, word, evidence: evidence.into() }
    }

    pub fn fail(word: Word, evidence: impl Into<String>) -> Trouble {
        Trouble { verdict: Verdict::Fail, word, evidence: evidence.into() }
    }
}

impl From<Unrest> for Trouble {
    fn from(unrest: Unrest) -> Trouble {
        match unrest {
            Unrest::Reconciler(why) => Trouble::fail(Word::Deaf, why),
            Unrest::House(why) => Trouble::inconclusive(Word::StageDown, why),
            Unrest::Stopped => Trouble::inconclusive(Word::NotJudged, super::desk::RUN_ENDED),
        }
    }
}

/// Where a scenario lives, and since when (for its real time).
pub struct Home {
    pub cell: Cell,
    pub mysql: Service,
    pub beside: Vec<Service>,
    pub started: Instant,
}

/// An expectation that a Then registered.
#[derive(Clone, Debug)]
pub struct Registered {
    pub expectation: Expectation,
    pub decided: bool,
}

/// A scenario while it runs.
pub struct Conduct {
    pub facts: ScenarioFacts,
    pub home: Home,
    /// The attack that proves a control's silence.
    pub canary: Option<Arc<Scenario>>,
    pub works: Clockwork,
    pub platform: Platform,
    pub nemesis: Nemesis,
    pub scribe: Scribe,
    pub feed: Feed,
    pub script: Script,
    pub seed: forge::Seed,
    pub phase: Phase,
    pub registered: Vec<Registered>,
    pub trouble: Option<Trouble>,
    pub(super) scenario: Arc<Scenario>,
    pub(super) background: VecDeque<Act>,
    /// The plan of faults that goes on.
    pub(super) play: Option<Play>,
    pub(super) next_act: u64,
    pub(super) canary_sent: bool,
    /// The kinds of the subjects for which plans are to take effect.
    pub(super) plan_scopes: BTreeSet<String>,
    /// By the act that a plan stops: a place that it does not mean.
    pub(super) elsewhere: BTreeMap<&'static str, String>,
    /// Somebody answers the plans that ask.
    pub(super) approver_on_duty: bool,
    /// How often each run was given its answer.
    pub(super) answered: BTreeMap<String, u32>,
    begun: bool,
    /// Panics of this process before it began.
    pub panics: usize,
}

/// What a conduct is made of.
pub struct Parts {
    pub scenario: Arc<Scenario>,
    pub facts: ScenarioFacts,
    pub home: Home,
    pub canary: Option<Arc<Scenario>>,
    pub works: Clockwork,
    pub platform: Platform,
    pub nemesis: Nemesis,
    pub feed: Feed,
    pub script: Script,
    pub seed: forge::Seed,
}

impl Conduct {
    pub fn new(parts: Parts) -> Conduct {
        let background = background(&parts.scenario, &parts.seed, HEALTHY_ACTS);
        let healthy_item = background.iter().find_map(|act| match act {
            Act::ListItem { sku, median, .. } => Some((sku.clone(), *median)),
            _ => None,
        });
        let mut script = parts.script;
        script.healthy_item = healthy_item;
        Conduct {
            scribe: parts.works.scribe.clone(),
            facts: parts.facts,
            home: parts.home,
            canary: parts.canary,
            works: parts.works,
            platform: parts.platform,
            nemesis: parts.nemesis,
            feed: parts.feed,
            script,
            seed: parts.seed,
            phase: Phase::Given,
            registered: Vec::new(),
            trouble: None,
            background,
            play: None,
            next_act: 0,
            canary_sent: false,
            plan_scopes: steps::plan_scopes(&parts.scenario)
                .into_iter()
                .map(str::to_owned)
                .collect(),
            scenario: parts.scenario,
            elsewhere: BTreeMap::new(),
            approver_on_duty: false,
            answered: BTreeMap::new(),
            begun: false,
            panics: super::panics::mark(),
        }
    }

    /// Sets the phase for the runner's and the inbox's entries alike.
    pub fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.works.instruments.recorder.set_phase(phase);
    }

    /// Carries out one step, the scenario's `place`th; after trouble nothing is done any more.
    pub async fn step(&mut self, place: usize, step: &Step) {
        if self.trouble.is_none() && self.works.is_stopped() {
            self.trouble = Some(Unrest::Stopped.into());
        }
        if self.trouble.is_some() {
            return;
        }
        let done = self.try_step(step).await;
        self.scribe.write(self.phase, Event::Stepped { step: place, ok: done.is_ok() });
        self.trouble = done.err();
    }

    async fn try_step(&mut self, step: &Step) -> Result<(), Trouble> {
        self.go_elsewhere().await?;
        if step.kind != Kind::Given && !self.begun {
            self.begin().await?;
        }
        let moves = self.script.moves(step);
        let moves = moves.map_err(|e| Trouble::inconclusive(Word::NotJudged, e.to_string()))?;
        let role = if step.kind == Kind::Given { Role::Setup } else { Role::Scripted };
        for one in moves {
            match one {
                Move::Act(act) => {
                    self.act(role, act).await?;
                }
                Move::AtOnce(acts) => self.at_once(role, acts).await?,
                Move::Arm(fault, params) => self.arm(&fault, params)?,
                Move::Strike(fault, params) => self.strike(&fault, params).await?,
                Move::Expect(expectation) => self.register(expectation, step),
                Move::Watchdog => self.watchdog().await?,
                Move::Approver => self.approver_on_duty = true,
                Move::Sweep => self.sweep().await?,
            }
        }
        Ok(())
    }

    fn register(&mut self, expectation: Expectation, step: &Step) {
        let sentence = format!("{} {}", step.keyword, step.text);
        let index = self.registered.len();
        let event = Event::Registered { index, expectation: expectation.clone(), sentence };
        self.scribe.write(self.phase, event);
        self.registered.push(Registered { expectation, decided: false });
    }

    pub(super) fn arm(
        &mut self,
        fault: &str,
        params: BTreeMap<String, String>,
    ) -> Result<(), Trouble> {
        let armed = self.nemesis.arm(fault, params, &self.scribe, self.phase);
        armed.map_err(|e| Trouble::inconclusive(Word::FaultDidNotBite, e.to_string()))
    }

    pub(super) async fn strike(
        &mut self,
        fault: &str,
        params: BTreeMap<String, String>,
    ) -> Result<(), Trouble> {
        let struck = self.nemesis.strike(fault, params, &self.scribe, self.phase).await;
        struck.map_err(|e| Trouble::inconclusive(Word::FaultDidNotBite, e.to_string()))?;
        Ok(())
    }

    /// Intent, act, outcome. A Given that is refused leaves the books in no known state.
    pub async fn act(&mut self, role: Role, act: Act) -> Result<Outcome, Trouble> {
        self.strokes(1).await?;
        let id = self.next_act;
        self.next_act += 1;
        self.scribe.write(self.phase, Event::Intent { id, role, act: act.clone() });
        let outcome = self.platform.apply(&act, self.works.clock.now()).await;
        self.scribe.write(self.phase, Event::Done { id, outcome: outcome.clone() });
        if role == Role::Setup && outcome != Outcome::Ok {
            let what = format!("a Given could not be set: {act:?}: {outcome:?}");
            return Err(Trouble::inconclusive(Word::BooksOffBalance, what));
        }
        Ok(outcome)
    }

    /// Every intent, then all acts side by side, each with its outcome as it comes.
    pub(super) async fn at_once(&mut self, role: Role, acts: Vec<Act>) -> Result<(), Trouble> {
        self.strokes(acts.len()).await?;
        let first = self.next_act;
        for act in &acts {
            self.scribe
                .write(self.phase, Event::Intent { id: self.next_act, role, act: act.clone() });
            self.next_act += 1;
        }
        let now = self.works.clock.now();
        let (platform, scribe, phase) = (&self.platform, &self.scribe, self.phase);
        let apply = async |id: u64, act: &Act| {
            let outcome = platform.apply(act, now).await;
            scribe.write(phase, Event::Done { id, outcome });
        };
        futures::future::join_all((first..).zip(&acts).map(|(id, act)| apply(id, act))).await;
        Ok(())
    }

    /// After the Givens: healthy traffic, rest, books balanced, no alert; then the armed faults strike.
    async fn begin(&mut self) -> Result<(), Trouble> {
        self.begun = true;
        self.enter(Phase::Steady);
        self.traffic(HEALTHY_ACTS / 2).await?;
        self.rest().await?;
        self.steady()?;
        self.enter(Phase::Inject);
        let scenario = self.scenario.clone();
        self.begin_plan(scenario.plan(), "plan of faults").await?;
        // After a plan's healthy traffic: what strikes the next of something is meant for the scenario's own acts.
        self.inject().await?;
        self.enter(Phase::When);
        Ok(())
    }

    fn steady(&mut self) -> Result<(), Trouble> {
        let now = self.works.clock.now();
        let history = self.feed.history();
        if let Some(alert) = history.entries().iter().find_map(|entry| match &entry.event {
            Event::Alerted { alert } => Some(alert),
            _ => None,
        }) {
            let what =
                format!("alert {} for {} before anything went wrong", alert.rule, alert.subject);
            return Err(Trouble::fail(Word::AlreadyAlerting, what));
        }
        if let Some(run) = history.entries().iter().find_map(|entry| match &entry.event {
            Event::PlanRan { run } => Some(run),
            _ => None,
        }) {
            let what = format!("plan {} ran before anything went wrong", run.plan);
            return Err(Trouble::fail(Word::PlanWithoutCause, what));
        }
        let books = Oracle::of(history);
        if !books.balanced(now) {
            let rows: Vec<String> = books.bad_rows_at(now).map(|row| format!("{row:?}")).collect();
            return Err(Trouble::inconclusive(Word::BooksOffBalance, rows.join("; ")));
        }
        self.scribe.write(self.phase, Event::Steady);
        Ok(())
    }

    pub(super) async fn inject(&mut self) -> Result<(), Trouble> {
        let injected = self.nemesis.inject_all(&self.scribe, self.phase).await;
        injected.map_err(|e| Trouble::inconclusive(Word::FaultDidNotBite, e.to_string()))?;
        Ok(())
    }

    /// Starts the process that watches the reconciler, where it does not run yet.
    pub(super) async fn watchdog(&mut self) -> Result<(), Trouble> {
        let down = |why: String| Trouble::inconclusive(Word::StageDown, why);
        let member = self.home.cell.watchdog().await.map_err(|e| down(e.to_string()))?;
        let peer = ClockPeer::new(WATCHDOG, member.base_url()).map_err(|e| down(e.to_string()))?;
        let started = Instant::now();
        while let Err(error) = peer.clock().await {
            if let Some(obituary) = member.obituary().await {
                return Err(Trouble::fail(Word::Deaf, obituary.to_string()));
            }
            if started.elapsed() > WATCHDOG_READY_LIMIT {
                return Err(Trouble::fail(Word::Deaf, error.to_string()));
            }
            tokio::time::sleep(READY_PAUSE).await;
        }
        self.works.watchdog = Some(peer);
        Ok(())
    }

    /// The next `count` healthy acts.
    pub(super) async fn traffic(&mut self, count: usize) -> Result<(), Trouble> {
        for _ in 0..count {
            let Some(act) = self.background.pop_front() else { break };
            self.act(Role::Background, act).await?;
        }
        Ok(())
    }
}

//! The proofs that a verdict waits for: a stop plan that really stops, and only in scope; a silence that was no deafness.

use super::conduct::{Conduct, Trouble};
use crate::clock::CellTime;
use crate::expect::{self, ProofStep};
use crate::journal::{Act, Event, Expectation, Phase, Role, Word};
use crate::oracle::Oracle;
use crate::steps::{self, Kind, Move, Names, Probe, ProbeActs, Script, Step};
use crate::wire::Effect;

/// What `prove` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proving {
    /// An act: look again after the next rest.
    Acted,
    /// Nothing before this instant.
    Await(CellTime),
    Nothing,
}

impl Conduct {
    /// Does the next proof that an open expectation waits for.
    pub(super) async fn prove(&mut self) -> Result<Proving, Trouble> {
        let open: Vec<Expectation> = self
            .registered
            .iter()
            .filter(|registered| !registered.decided)
            .map(|registered| registered.expectation.clone())
            .collect();
        let now = self.works.clock.now();
        for expectation in &open {
            let history = self.feed.history();
            let books = Oracle::of(history);
            if let Some(step) = expect::next_proof(expectation, history, &books, now) {
                return self.prove_plan(expectation, step).await;
            }
        }
        let history = self.feed.history();
        if !self.canary_sent && expect::canary_due(history, &Oracle::of(history), now) {
            self.canary_sent = true;
            if self.send_canary().await? {
                return Ok(Proving::Acted);
            }
        }
        Ok(Proving::Nothing)
    }

    async fn prove_plan(
        &mut self,
        expectation: &Expectation,
        step: ProofStep,
    ) -> Result<Proving, Trouble> {
        let (Expectation::PlanEffective { plan, scope, .. }
        | Expectation::PlanWaits { plan, scope, .. }) = expectation
        else {
            return Ok(Proving::Nothing);
        };
        if let ProofStep::Await { until } = step {
            return Ok(Proving::Await(until));
        }
        let stopped = self.stopped_act(plan);
        let Some(probe) = steps::probe(&stopped) else {
            let why = format!("plan \"{plan}\" stops `{stopped}`, which no probe can do");
            return Err(Trouble::inconclusive(Word::NotJudged, why));
        };
        self.enter(Phase::Proof);
        match step {
            ProofStep::TryInside => self.probe(Role::ProbeInside, probe, &scope.id, "in").await?,
            ProofStep::TryOutside => {
                let outside = match self.elsewhere.get(probe.stops) {
                    Some(made) => made.clone(),
                    None => self.make_elsewhere(probe, &scope.id).await?,
                };
                self.probe(Role::ProbeOutside, probe, &outside, "out").await?;
            }
            ProofStep::Correct => self.correct().await?,
            ProofStep::TryAfter => self.probe(Role::ProbeAfter, probe, &scope.id, "after").await?,
            ProofStep::TryStill => self.probe(Role::ProbeStill, probe, &scope.id, "still").await?,
            ProofStep::Await { .. } => {}
        }
        self.enter(Phase::Judge);
        Ok(Proving::Acted)
    }

    /// The act that `plan` declares to stop, by its last report.
    fn stopped_act(&mut self, plan: &str) -> String {
        let entries = self.feed.history().entries();
        let effect = entries.iter().rev().find_map(|entry| match &entry.event {
            Event::PlanRan { run } if run.plan == plan => Some(run.effect.clone()),
            _ => None,
        });
        match effect {
            Some(Effect::Stops(act)) => act,
            _ => String::new(),
        }
    }

    /// The sellers mend their prices; what a business act left open is closed, and what was edited by hand taken back.
    async fn correct(&mut self) -> Result<(), Trouble> {
        self.take_back_edits().await;
        let mistaken = self.script.mistaken_bids();
        let mend = |(bid, price): (&str, _)| {
            let bid = bid.to_owned();
            Act::CorrectBid { bid, price, meant: None }
        };
        let mut mended: Vec<Act> = mistaken.map(mend).collect();
        let scripted = self.feed.history().pick(|event| match event {
            Event::Intent { role: Role::Scripted, act: Act::Business(business), .. } => {
                business.correction.as_deref()
            }
            _ => None,
        });
        mended.extend(scripted.map(|(_, correction)| Act::Business(correction.clone())));
        for act in mended {
            self.act(Role::Correction, act).await?;
        }
        Ok(())
    }

    /// Those whom the expected plans do not mean, doing what the plans may stop, before anything else: a plan that is
    /// too wide can only reach what is there.
    pub(super) async fn go_elsewhere(&mut self) -> Result<(), Trouble> {
        let mut acts = Vec::new();
        for kind in std::mem::take(&mut self.plan_scopes) {
            for probe in steps::probes_made(&kind) {
                let place = self.make_elsewhere(probe, "").await?;
                let ProbeActs { setup, act } = (probe.act)(&mut self.script, &place, "before");
                for act in setup {
                    self.act(Role::Setup, act).await?;
                }
                acts.push(act);
                self.elsewhere.insert(probe.stops, place);
            }
        }
        if !acts.is_empty() {
            self.rest().await?;
        }
        for act in acts {
            self.act(Role::Setup, act).await?;
        }
        Ok(())
    }

    async fn make_elsewhere(&mut self, probe: &Probe, scope: &str) -> Result<String, Trouble> {
        let (setup, place) = (probe.elsewhere)(&mut self.script, scope);
        for act in setup {
            self.act(Role::Setup, act).await?;
        }
        Ok(place)
    }

    /// The act that the plan stops, at `place`, by a party of its own.
    async fn probe(
        &mut self,
        role: Role,
        probe: &Probe,
        place: &str,
        tag: &str,
    ) -> Result<(), Trouble> {
        let ProbeActs { setup, act } = (probe.act)(&mut self.script, place, tag);
        if !setup.is_empty() {
            for act in setup {
                self.act(Role::Setup, act).await?;
            }
            self.rest().await?;
        }
        self.act(role, act).await?;
        Ok(())
    }

    /// The attack of this control, in the same cell and the same processes, with fresh ids: it must be heard.
    async fn send_canary(&mut self) -> Result<bool, Trouble> {
        let Some(attack) = self.canary.clone() else { return Ok(false) };
        self.enter(Phase::Canary);
        self.heal().await;
        let names = Names::new(format!("{}c", self.seed.suffix()));
        let seed = self.seed.derive("canary");
        let mut script = Script::new(names, seed, self.facts.loss_point.clone());
        for step in attack.steps.iter().filter(|step| step.kind == Kind::Given) {
            self.canary_step(&mut script, step).await?;
        }
        for step in attack.steps.iter().filter(|step| step.kind == Kind::Then) {
            self.canary_expects(&mut script, step)?;
        }
        self.rest().await?;
        self.begin_plan(attack.plan(), "canary's plan of faults").await?;
        self.inject().await?;
        for step in attack.steps.iter().filter(|step| step.kind == Kind::When) {
            self.canary_step(&mut script, step).await?;
        }
        self.play_out().await?;
        Ok(true)
    }

    /// What must be heard: the alerts that the attack's own sentences name, about the canary's subjects.
    fn canary_expects(&mut self, script: &mut Script, step: &Step) -> Result<(), Trouble> {
        for one in script.moves(step).map_err(unclear)? {
            if let Move::Expect(Expectation::AlertRaised { rule, subject, .. }) = one {
                self.scribe.write(self.phase, Event::CanaryExpects { rule, subject });
            }
        }
        Ok(())
    }

    async fn canary_step(&mut self, script: &mut Script, step: &Step) -> Result<(), Trouble> {
        for one in script.moves(step).map_err(unclear)? {
            match one {
                Move::Act(act) => {
                    self.act(Role::Canary, act).await?;
                }
                Move::AtOnce(acts) => self.at_once(Role::Canary, acts).await?,
                Move::Arm(fault, params) => self.arm(&fault, params)?,
                Move::Strike(fault, params) => self.strike(&fault, params).await?,
                Move::Expect(_) => {}
                Move::Watchdog => self.watchdog().await?,
                Move::Approver => self.approver_on_duty = true,
                Move::Sweep => self.sweep().await?,
            }
        }
        Ok(())
    }
}

fn unclear(error: steps::ScriptError) -> Trouble {
    Trouble::inconclusive(Word::NotJudged, error.to_string())
}

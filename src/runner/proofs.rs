//! The proofs that a verdict waits for: a stop plan that really stops, and only in scope; a silence that was no deafness.

use super::conduct::{Conduct, Trouble};
use super::names::Names;
use super::script::{Move, Script};
use crate::clock::CellTime;
use crate::expect::{self, ProofStep};
use crate::forge;
use crate::journal::{Act, Event, Expectation, Phase, Role};
use crate::money::Money;
use crate::oracle::Oracle;
use crate::steps::Kind;
use crate::wire::Effect;

/// What a probing party pays, or is owed.
const PROBE_AMOUNT: Money = Money::cny(9_900);

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
        let Expectation::PlanEffective { plan, scope, .. } = expectation else {
            return Ok(Proving::Nothing);
        };
        if let ProofStep::AwaitEnd { until } = step {
            return Ok(Proving::Await(until));
        }
        let act = self.stopped_act(plan);
        self.enter(Phase::Proof);
        match step {
            ProofStep::TryInside => self.probe(Role::ProbeInside, &act, &scope.id, "in").await?,
            ProofStep::TryOutside => {
                let outside = match act.as_str() {
                    "refund" => other_channel(&scope.id),
                    _ => self.other_item().await?,
                };
                self.probe(Role::ProbeOutside, &act, &outside, "out").await?;
            }
            ProofStep::Correct => self.correct().await?,
            ProofStep::TryAfter => self.probe(Role::ProbeAfter, &act, &scope.id, "after").await?,
            ProofStep::AwaitEnd { .. } => {}
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

    /// The sellers mend their prices.
    async fn correct(&mut self) -> Result<(), Trouble> {
        let mistaken: Vec<(String, Money)> =
            self.script.mistaken_bids().map(|(bid, meant)| (bid.to_owned(), meant)).collect();
        for (bid, price) in mistaken {
            self.act(Role::Correction, Act::CorrectBid { bid, price }).await?;
        }
        Ok(())
    }

    /// One act of the kind that the plan stops, by a party of its own.
    async fn probe(
        &mut self,
        role: Role,
        act: &str,
        place: &str,
        tag: &str,
    ) -> Result<(), Trouble> {
        let buyer = self.script.id(&format!("probe-buyer-{tag}"));
        let order = self.script.id(&format!("probe-order-{tag}"));
        if act == "refund" {
            let channel = place.to_owned();
            let (payable, amount) = (PROBE_AMOUNT, PROBE_AMOUNT);
            let place_order =
                Act::PlaceOrder { order: order.clone(), buyer, channel: channel.clone(), payable };
            let pay = Act::PayOrder { order: order.clone(), channel: channel.clone(), amount };
            self.act(Role::Setup, place_order).await?;
            self.act(Role::Setup, pay).await?;
            self.rest().await?;
            let refund = self.script.id(&format!("probe-refund-{tag}"));
            let due = PROBE_AMOUNT;
            self.act(role, Act::Refund { refund, order, channel, due, amount: due, hold: false })
                .await?;
        } else {
            let due = self.script.due_of(place).unwrap_or(PROBE_AMOUNT);
            let channel = forge::CHANNELS[0].to_owned();
            self.act(role, Act::Buy { order, buyer, sku: place.to_owned(), channel, due }).await?;
        }
        Ok(())
    }

    /// An item outside any scope, with an honest bid: one of the healthy traffic's where there is one, since a plan
    /// that is too wide can only reach what was there before it.
    async fn other_item(&mut self) -> Result<String, Trouble> {
        let (bid, seller) = (self.script.id("probe-bid"), self.script.id("probe-seller"));
        let price = PROBE_AMOUNT;
        let sku = match self.healthy_item.clone() {
            Some((sku, median)) => return self.offer(bid, seller, sku, median).await,
            None => self.script.id("probe-item"),
        };
        let (category, stock) = ("shoes".to_owned(), 1);
        self.act(Role::Setup, Act::ListItem { sku: sku.clone(), category, median: price, stock })
            .await?;
        self.offer(bid, seller, sku, price).await
    }

    async fn offer(
        &mut self,
        bid: String,
        seller: String,
        sku: String,
        price: Money,
    ) -> Result<String, Trouble> {
        let offer = Act::PlaceBid {
            bid,
            seller,
            sku: sku.clone(),
            qty: 1,
            meant: price,
            price,
            clearance: None,
        };
        self.act(Role::Setup, offer).await?;
        Ok(sku)
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
        self.inject().await?;
        for step in attack.steps.iter().filter(|step| step.kind == Kind::When) {
            self.canary_step(&mut script, step).await?;
        }
        Ok(true)
    }

    /// What must be heard: the alerts that the attack's own sentences name, about the canary's subjects.
    fn canary_expects(
        &mut self,
        script: &mut Script,
        step: &crate::steps::Step,
    ) -> Result<(), Trouble> {
        for one in script.moves(step).map_err(unclear)? {
            if let Move::Expect(Expectation::AlertRaised { rule, subject, .. }) = one {
                self.scribe.write(self.phase, Event::CanaryExpects { rule, subject });
            }
        }
        Ok(())
    }

    async fn canary_step(
        &mut self,
        script: &mut Script,
        step: &crate::steps::Step,
    ) -> Result<(), Trouble> {
        for one in script.moves(step).map_err(unclear)? {
            match one {
                Move::Act(act) => {
                    self.act(Role::Canary, act).await?;
                }
                Move::Arm(fault, params) => self.arm(&fault, params)?,
                Move::Strike(fault, params) => self.strike(&fault, params).await?,
                Move::Expect(_) => {}
                Move::Watchdog => self.watchdog().await?,
            }
        }
        Ok(())
    }
}

fn unclear(error: super::script::ScriptError) -> Trouble {
    Trouble::inconclusive(crate::journal::Word::NotJudged, error.to_string())
}

fn other_channel(channel: &str) -> String {
    let other = forge::CHANNELS.iter().find(|other| **other != channel);
    (*other.unwrap_or(&forge::CHANNELS[0])).to_owned()
}

//! The run's desk: opens a scenario on a cell, closes it with its verdict, keeps the count.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::bench::{Bench, Ground};
use super::clockwork::{Clockwork, Instruments, Timing};
use super::conduct::{Conduct, Home, Parts, Trouble};
use super::feed::Feed;
use super::more::More;
use super::run::REAL_TIME;
use super::unrest::WATCHDOG;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::expect;
use crate::forge;
use crate::journal::{Event, Journal, Phase, ScenarioFacts, Scribe, Verdict, Word};
use crate::oracle::Oracle;
use crate::steps::{Names, Scenario, Script};

/// How one scenario came out.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its stable id.
    pub scenario: String,
    pub verdict: Verdict,
    pub clean: bool,
}

/// What is known of scenarios before there is any cell.
pub struct Register {
    pub journal: Journal,
    pub catalog: Arc<Catalog>,
    pub run_seed: u64,
    pub epoch_ms: i64,
    /// The system under test reports single judgements.
    pub judged: bool,
    /// It tells how far it has read.
    pub watermark: bool,
}

/// Everything a run's scenarios share.
pub struct Desk {
    pub register: Register,
    pub scenarios: BTreeMap<String, Arc<Scenario>>,
    pub ground: Arc<Ground>,
    /// Ends the run when a defence fails.
    pub fail_fast: bool,
    pub stop: Arc<watch::Sender<bool>>,
    pub outcomes: RefCell<Vec<Outcome>>,
}

/// Why a scenario of an ended run has no verdict of its own.
pub const RUN_ENDED: &str = "the run was ended";

impl Register {
    fn facts(&self, scenario: &Scenario, seed: &forge::Seed) -> ScenarioFacts {
        ScenarioFacts {
            name: scenario.name.clone(),
            feature: scenario.feature.clone(),
            location: scenario.location(),
            control: scenario.control,
            canary: scenario.canary.clone(),
            loss_point: self
                .catalog
                .facts(&scenario.loss_point)
                .expect("invariant: features are bound to loss points of this catalogue"),
            seed: seed.number(),
            steps: scenario.lines(),
            judged: self.judged,
            watermark: self.watermark,
        }
    }

    /// A scenario that got no cell: its facts and its verdict are in the journal all the same.
    pub fn unopened(&self, scenario: &Scenario, trouble: Trouble) -> Outcome {
        let mut feed = Feed::new(&self.journal, &scenario.id);
        let scribe = self.journal.scribe(&scenario.id, Clock::starting_at(self.epoch_ms));
        let seed = forge::Seed::of_scenario(self.run_seed, &scenario.id);
        let facts = Box::new(self.facts(scenario, &seed));
        scribe.write(Phase::Start, Event::ScenarioStarted { cell: String::new(), facts });
        let Trouble { word, evidence, .. } = trouble;
        scribe.write(Phase::Start, Event::Premise { word, evidence });
        let (verdict, word, evidence) = expect::scenario_verdict(feed.history(), Oracle::of);
        scribe.write(Phase::Start, Event::ScenarioVerdict { verdict, word, evidence, real_ms: 0 });
        self.kept(Outcome { scenario: scenario.id.clone(), verdict, clean: true })
    }

    /// A verdict that the journal could not keep is none.
    fn kept(&self, outcome: Outcome) -> Outcome {
        match self.journal.broken() {
            Some(_) => Outcome { verdict: Verdict::Inconclusive, ..outcome },
            None => outcome,
        }
    }
}

impl Desk {
    pub fn scenario(&self, id: &str) -> Option<Arc<Scenario>> {
        self.scenarios.get(id).cloned()
    }

    pub fn note(&self, text: String) {
        self.register.journal.run_scribe().write(Phase::Start, Event::Note { text });
    }

    /// A conduct for `scenario` on a cell of its own; none when there is no cell, which is a verdict already.
    pub async fn open(&self, scenario: &Arc<Scenario>) -> Option<Conduct> {
        let mut stopped = self.stop.subscribe();
        let more = More::of_scenario(scenario, &self.scenarios);
        let ended = || Err(Trouble::inconclusive(Word::NotJudged, RUN_ENDED));
        let bench = tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => ended(),
            bench = self.ground.take(more) => bench,
        };
        let bench = match bench {
            Ok(bench) => bench,
            Err(trouble) => {
                self.outcomes.borrow_mut().push(self.register.unopened(scenario, trouble));
                return None;
            }
        };
        let started = Instant::now();
        let readiness = bench.readiness.clone();
        let mut conduct = self.conduct(scenario, bench, started);
        conduct.trouble = match readiness {
            Ok(()) => conduct.works.first_mark().await.err().map(Trouble::from),
            Err(trouble) => Some(trouble),
        };
        Some(conduct)
    }

    fn conduct(&self, scenario: &Arc<Scenario>, bench: Bench, started: Instant) -> Conduct {
        let Bench {
            cell, mysql, beside, platform, recorder, inbox, truth, marks, reconciler, ..
        } = bench;
        let feed = Feed::new(&self.register.journal, &scenario.id);
        let scribe = self.register.journal.scribe(&scenario.id, cell.clock.clone());
        let seed = forge::Seed::of_scenario(self.register.run_seed, &scenario.id);
        let facts = self.register.facts(scenario, &seed);
        let started_event =
            Event::ScenarioStarted { cell: cell.spec.name.clone(), facts: Box::new(facts.clone()) };
        scribe.write(Phase::Given, started_event);
        if !self.ground.programs.hearing.advances() {
            scribe.write(Phase::Given, Event::Note { text: REAL_TIME.to_owned() });
        }
        recorder.set_scribe(Some(scribe.clone()));
        recorder.set_phase(Phase::Given);
        let nemesis = super::ground::nemesis(&cell, &mysql, &beside, seed.number());
        let links = cell.links.values().cloned().collect();
        let instruments = Instruments { recorder, reconciler, marks, truth, inbox };
        let hearing = &self.ground.programs.hearing;
        let timing = Timing {
            deaf_limit: self.ground.deaf_limit,
            advances: hearing.advances(),
            unobserved: !hearing.has_watermark(),
            stopped: self.stop.subscribe(),
        };
        let clocks = [&cell.clock, &cell.told];
        let works = Clockwork::new(clocks, &platform, instruments, scribe, links, timing);
        let script = Script::new(Names::new(seed.suffix()), seed.clone(), facts.loss_point.clone());
        let canary = scenario.canary.as_ref().and_then(|id| self.scenario(id));
        Conduct::new(Parts {
            scenario: scenario.clone(),
            facts,
            canary,
            home: Home { cell, mysql, beside, started },
            works,
            platform,
            nemesis,
            feed,
            script,
            seed,
        })
    }

    /// Judges, heals, keeps the logs of what is red, and gives the cell back.
    pub async fn close(&self, conduct: Conduct) {
        let (ended, conduct) = conduct.finish().await;
        if ended.verdict != Verdict::Pass {
            self.keep_logs(&conduct);
        }
        let scenario = conduct.scribe.scenario().unwrap_or_default().to_owned();
        let outcome = Outcome { scenario, verdict: ended.verdict, clean: ended.clean };
        self.outcomes.borrow_mut().push(self.register.kept(outcome));
        if self.fail_fast && ended.verdict == Verdict::Fail {
            self.stop.send_replace(true);
        }
        let Home { cell, mysql, beside, .. } = conduct.home;
        drop(conduct.works);
        self.ground.give_back(cell, mysql, beside, ended.clean).await;
    }

    /// Copies the processes' logs beside the journal, under `evidence/`.
    fn keep_logs(&self, conduct: &Conduct) {
        let Some(run_dir) = self.register.journal.path().parent() else { return };
        let cell = &conduct.home.cell;
        for (_, member) in cell.members() {
            keep_log(&conduct.scribe, run_dir, member.log(), member.name());
        }
        if conduct.works.watchdog.is_some() {
            keep_log(&conduct.scribe, run_dir, &cell.watchdog_log(), WATCHDOG);
        }
    }
}

fn keep_log(scribe: &Scribe, run_dir: &std::path::Path, log: &std::path::Path, name: &str) {
    use sha2::Digest;
    let Ok(bytes) = std::fs::read(log) else { return };
    let file = format!("evidence/{}", hex::encode(sha2::Sha256::digest(&bytes)));
    let target = run_dir.join(&file);
    let kept = std::fs::create_dir_all(run_dir.join("evidence"))
        .and_then(|()| std::fs::write(&target, &bytes));
    let event = match kept {
        Ok(()) => Event::Evidence { what: format!("log of {name}"), file, subject: None },
        Err(error) => Event::Note { text: format!("cannot keep the log of {name}: {error}") },
    };
    scribe.write(Phase::Teardown, event);
}

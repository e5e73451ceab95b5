//! The one judging loop: rest, look, advance, until every expectation is decided.
//!
//! It alone owns rest, advance, deadline and grace. Judging itself is pure and lives in `expect`; the proofs that a
//! verdict waits for (a plan's probes, a control's canary) are done in `proofs`.

use std::time::Duration;

use super::conduct::{Conduct, Trouble};
use super::proofs::Proving;
use super::rest::next_stop;
use crate::clock::CellTime;
use crate::expect::{self, Ruling};
use crate::journal::{Event, Phase, Verdict, Word, peak};
use crate::oracle::Oracle;

/// Stops of one scenario: deadlines, windows, retries and TTLs of a day of cell time stay far below.
const STOPS_MAX: usize = 400;

/// Healing all faults of a scenario takes milliseconds; beyond this they count as not healed.
const HEAL_LIMIT: Duration = Duration::from_secs(20);

/// How a scenario ended.
#[derive(Clone, Debug)]
pub struct Ended {
    pub verdict: Verdict,
    /// Everything was healed and proved so.
    pub clean: bool,
}

impl Conduct {
    /// Judges, writes the verdict, then heals: in this order, whatever happens.
    pub async fn finish(mut self) -> (Ended, Conduct) {
        if self.trouble.is_none()
            && let Err(trouble) = self.judge().await
        {
            self.trouble = Some(trouble);
        }
        if let Some(panic) = super::panics::since(self.panics) {
            let why = format!("the harness itself panicked: {panic}");
            self.trouble = Some(Trouble::inconclusive(Word::NotJudged, why));
        }
        if let Some(trouble) = self.trouble.take() {
            self.record(trouble);
        }
        let (verdict, word, evidence) = expect::scenario_verdict(self.feed.history(), Oracle::of);
        self.meter();
        let took = self.home.started.elapsed().as_millis();
        let real_ms = u64::try_from(took).unwrap_or(u64::MAX);
        let event = Event::ScenarioVerdict { verdict, word, evidence, real_ms };
        self.scribe.write(self.phase, event);
        self.enter(Phase::Heal);
        let clean = self.heal().await;
        (Ended { verdict, clean }, self)
    }

    /// Heals every live fault; false where one could not be proved healed.
    pub(super) async fn heal(&mut self) -> bool {
        let healed = self.nemesis.heal_all(&self.scribe, self.phase, HEAL_LIMIT).await;
        healed.iter().all(|one| one.result.is_ok())
    }

    /// Takes back what was changed by hand; whether that is proved, the healing at the end says.
    pub(super) async fn take_back_edits(&mut self) {
        self.nemesis.take_back_edits(&self.scribe, self.phase, HEAL_LIMIT).await;
    }

    fn record(&mut self, trouble: Trouble) {
        let event = match trouble.word {
            Word::Deaf => Event::Deaf { evidence: trouble.evidence },
            word => Event::Premise { word, evidence: trouble.evidence },
        };
        self.scribe.write(self.phase, event);
    }

    fn meter(&mut self) {
        let now = self.works.clock.now();
        let books = Oracle::of(self.feed.history());
        let at_most = peak(&books.curve(), books.currency);
        let event = Event::LossMeter { at_most, exposure: books.exposure_at(now) };
        self.scribe.write(self.phase, event);
    }

    async fn judge(&mut self) -> Result<(), Trouble> {
        self.play_out().await?;
        let rest_of_it = self.background.len();
        self.traffic(rest_of_it).await?;
        self.enter(Phase::Judge);
        for _ in 0..STOPS_MAX {
            self.rest().await?;
            self.nemesis.confirm_bites(&self.scribe, self.phase).await;
            let mut looks = match self.look().await? {
                Look::Decided => return Ok(()),
                Look::Waiting(looks) => looks,
            };
            match self.prove().await? {
                Proving::Acted => continue,
                Proving::Await(until) => looks.push(until.plus_ms(1)),
                Proving::Nothing => {}
            }
            let now = self.works.clock.now();
            let Some(stop) = next_stop(now, self.works.next_due(), &looks) else {
                return Ok(()); // nothing more will happen: `scenario_verdict` says what was left open
            };
            self.works.advance(self.phase, stop).await?;
        }
        let why = format!("not decided after {STOPS_MAX} stops of the clock");
        Err(Trouble::inconclusive(Word::NotJudged, why))
    }

    /// Judges all that is open, as of one tick.
    async fn look(&mut self) -> Result<Look, Trouble> {
        if !self.works.reconciler_is_away {
            let fetched = self.works.instruments.reconciler.read_judged().await;
            fetched.map_err(|e| Trouble::fail(Word::Deaf, format!("GET judged: {e}")))?;
        }
        let tick = self.scribe.write(self.phase, Event::Tick);
        let now = CellTime(tick.cell_ms.unwrap_or_default());
        let (mut looks, mut open, mut decisions) = (Vec::new(), false, Vec::new());
        let history = self.feed.history();
        let books = Oracle::of(history);
        for (index, registered) in self.registered.iter_mut().enumerate() {
            if registered.decided {
                continue;
            }
            match expect::judge(&registered.expectation, history, &books, now) {
                Ruling::Done { verdict, word, evidence } => {
                    registered.decided = true;
                    decisions.push(Event::Decided { index, verdict, word, evidence });
                }
                Ruling::Waiting { until } => {
                    open = true;
                    looks.extend(until);
                }
            }
        }
        for event in decisions {
            self.scribe.write(self.phase, event);
        }
        Ok(if open { Look::Waiting(looks) } else { Look::Decided })
    }
}

enum Look {
    Decided,
    /// The instants at which to look again.
    Waiting(Vec<CellTime>),
}

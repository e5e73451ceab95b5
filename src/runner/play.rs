//! A plan of faults, played along with the acts of a scenario: strikes and heals fall between two acts.
//!
//! Drawn once for the scenario and once for a control's canary, from streams of their own. Counts acts, and never
//! looks at a clock.

use std::time::Duration;

use super::background::background;
use super::conduct::{Conduct, Trouble};
use crate::faults::{Deed, PlanRow, Schedule, Stroke};
use crate::journal::Event;

/// Healing one fault takes milliseconds, a restart of a loaded server some seconds.
const HEAL_LIMIT: Duration = Duration::from_secs(20);

/// A plan that has begun.
pub(super) struct Play {
    schedule: Schedule,
    /// Acts since it began.
    acts: u32,
    /// Strokes that are done.
    done: usize,
}

impl Play {
    /// What is due before the next act.
    fn due(&mut self) -> Vec<Stroke> {
        let left = &self.schedule.strokes[self.done..];
        let due: Vec<Stroke> =
            left.iter().take_while(|stroke| stroke.after <= self.acts).copied().collect();
        self.done += due.len();
        due
    }
}

impl Conduct {
    /// Draws the plan by the stream of that name, and lets its first strokes fall: healthy traffic leads up to the
    /// scenario's own acts.
    pub(super) async fn begin_plan(
        &mut self,
        rows: &[PlanRow],
        stream: &str,
    ) -> Result<(), Trouble> {
        if rows.is_empty() {
            return Ok(());
        }
        let seed = self.seed.derive(stream);
        let schedule = Schedule::draw(rows, seed);
        let text = format!("plan of faults, in acts: {schedule}");
        self.scribe.write(self.phase, Event::Note { text });
        let (lead, acts) = (schedule.lead as usize, schedule.acts() as usize);
        let missing = acts.saturating_sub(self.background.len());
        if missing > 0 {
            let more = background(&self.scenario, &seed, missing);
            self.background.extend(more.into_iter().take(missing));
        }
        self.play = Some(Play { schedule, acts: 0, done: 0 });
        self.traffic(lead).await
    }

    /// Healthy traffic until the plan is over and all its faults are healed.
    pub(super) async fn play_out(&mut self) -> Result<(), Trouble> {
        let left = |play: &Play| play.schedule.acts().saturating_sub(play.acts) as usize;
        self.traffic(self.play.as_ref().map_or(0, left)).await?;
        self.strokes(0).await?;
        self.play = None;
        Ok(())
    }

    /// What the plan has due before the next `acts` acts.
    pub(super) async fn strokes(&mut self, acts: usize) -> Result<(), Trouble> {
        let Some(play) = &mut self.play else { return Ok(()) };
        let due = play.due();
        play.acts += u32::try_from(acts).unwrap_or(u32::MAX);
        for stroke in due {
            let Some(play) = &self.play else { break };
            let PlanRow { fault, params, .. } = play.schedule.rows[stroke.row].clone();
            match stroke.deed {
                Deed::Strike => self.strike(&fault, params).await?,
                Deed::Heal => {
                    self.nemesis.heal_one(&fault, &self.scribe, self.phase, HEAL_LIMIT).await;
                }
            }
        }
        Ok(())
    }
}

//! Rest of a scenario, and what people do between: a plan that asks is answered before the clock goes on, the day's books are
//! swept.
//!
//! Not covered: a person who says no, or answers late.

use super::conduct::{Conduct, Trouble};
use crate::clock::rfc3339;
use crate::journal::{Event, Word};
use crate::stage::cell::CellError;
use crate::stage::guardian::Exit;
use crate::wire::PlanState;

/// Answers at one stop of the clock: more runs than these ask for no money's sake.
const ANSWERS_MAX: usize = 50;

/// A reconciler that is just starting is told once more.
const TRIES: u32 = 3;

impl Conduct {
    /// Waits for rest; what a live fault withholds is excused, and whoever asks a person is answered.
    pub(super) async fn rest(&mut self) -> Result<(), Trouble> {
        for _ in 0..ANSWERS_MAX {
            self.rest_once().await?;
            if !self.answer().await? {
                return Ok(());
            }
        }
        let why = format!("plans still ask after {ANSWERS_MAX} answers");
        Err(Trouble::inconclusive(Word::NotJudged, why))
    }

    /// Says yes to the first run that asks; false where none does, or nobody is on duty.
    async fn answer(&mut self) -> Result<bool, Trouble> {
        if !self.approver_on_duty || self.works.reconciler_is_away {
            return Ok(false);
        }
        let entries = self.feed.history().entries();
        let last = |run_id: &str| {
            entries.iter().rev().find_map(|entry| match &entry.event {
                Event::PlanRan { run } if run.run_id == run_id => Some(run.state),
                _ => None,
            })
        };
        let asks = entries.iter().find_map(|entry| match &entry.event {
            Event::PlanRan { run }
                if run.state == PlanState::WaitingApproval
                    && self.answered.get(&run.run_id).is_none_or(|tries| *tries < TRIES)
                    && last(&run.run_id) == Some(PlanState::WaitingApproval) =>
            {
                Some((run.run_id.clone(), run.plan.clone()))
            }
            _ => None,
        });
        let Some((run_id, plan)) = asks else { return Ok(false) };
        let tries = self.answered.entry(run_id.clone()).or_default();
        *tries += 1;
        let is_last = *tries == TRIES;
        let text = match self.works.instruments.reconciler.approve(&run_id).await {
            Ok(true) => {
                self.answered.insert(run_id.clone(), TRIES);
                format!("the person on duty approves run {run_id} of plan \"{plan}\"")
            }
            Ok(false) => {
                let why = format!(
                    "plan \"{plan}\" asks a person, and this reconciler takes no answer from here"
                );
                return Err(Trouble::inconclusive(Word::NotJudged, why));
            }
            // What comes of an answer that is not taken at last is the plan's to show.
            Err(error) if is_last => format!("the person on duty is not heard: {error}"),
            Err(error) => format!("the person on duty is not heard, and says it again: {error}"),
        };
        self.scribe.write(self.phase, Event::Note { text });
        Ok(true)
    }

    /// The books of the cell's day, when all that came before is in them.
    pub(super) async fn sweep(&mut self) -> Result<(), Trouble> {
        self.rest().await?;
        let now = rfc3339(self.works.clock.now().0);
        let day = now.split('T').next().unwrap_or_default();
        let swept = self.home.cell.sweep(day).await;
        let (exit, said) = match swept {
            Ok(swept) => swept,
            Err(error @ CellError::NoSweep) => {
                return Err(Trouble::inconclusive(Word::NotJudged, error.to_string()));
            }
            Err(error @ CellError::SlowSweep(_)) => {
                return Err(Trouble::fail(Word::Deaf, error.to_string()));
            }
            // It never ran: that is the stage's.
            Err(error) => return Err(Trouble::inconclusive(Word::StageDown, error.to_string())),
        };
        match exit {
            Exit::Code(0 | 1) => {
                let text = format!("the books of {day} are swept: {said}");
                self.scribe.write(self.phase, Event::Note { text });
                Ok(())
            }
            other => {
                let why = format!("the sweep of the books ended with {other:?}: {said}");
                Err(Trouble::fail(Word::Deaf, why))
            }
        }
    }

    async fn rest_once(&mut self) -> Result<(), Trouble> {
        self.works.reconciler_is_away = self.nemesis.absent().contains("dcheck");
        let mut excused: Vec<String> = self.nemesis.withheld().into_iter().collect();
        if excused.iter().any(|name| name == "dcheck") {
            // Faults call the system under test by its default's name.
            excused.push("reconciler".to_owned());
        }
        let raises = self.nemesis.raises();
        let told = |event: &Event| match event {
            Event::Alerted { alert } => raises.contains(&alert.rule),
            _ => false,
        };
        let noticed = self.feed.history().entries().iter().any(|entry| told(&entry.event));
        // Of a source; a process that is missing is noticed by those who ask it.
        let source = excused.iter().any(|name| name == "binlog" || name.contains('/'));
        let unnoticed = source && !raises.is_empty() && !noticed;
        Ok(self.works.rest(self.phase, &excused, unnoticed).await?)
    }
}

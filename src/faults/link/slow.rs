//! Late, in order; with jitter each chunk by a draw of its own.

use std::time::Duration;

use super::super::Params;
use super::super::sounding::{Sounding, sound};
use super::super::spec::{DELAY, REAL_DELAY_MAX};
use super::stalled::held_question;
use super::{ANSWER_LIMIT, Site, ms};
use crate::proxy::{Direction, Distribution, Latency, Toxic, ToxicKind};

pub(super) const JITTER: &str = "jitter";
pub(super) const SPREAD: &str = "spread";
pub(super) const UNIFORM: &str = "uniform";
pub(super) const SPREADS: &[&str] = &[UNIFORM, "normal", "pareto"];

/// So many answers in a row differ, or the jitter does not work: two do with three chances in four.
const ASKED_MAX: usize = 12;
/// Answers differ where they are this part of the jitter apart.
const APART: u32 = 4;
/// A normal jitter is drawn so many deviations out at most.
const DEVIATIONS_MAX: u32 = 4;

#[derive(Clone, Copy, Debug)]
pub(super) struct Slow {
    delay: Duration,
    jitter: Duration,
    spread: Distribution,
}

impl Slow {
    pub fn of(params: &Params) -> Slow {
        let word = params.word(SPREAD);
        let spread = Distribution::ALL.iter().find(|(name, _)| *name == word);
        let spread = spread.expect("invariant: one of the words").1;
        Slow { delay: params.duration(DELAY), jitter: params.duration(JITTER), spread }
    }

    pub fn toxic(self) -> Toxic {
        let Slow { delay, jitter, spread: distribution } = self;
        let latency = Latency { delay_ms: ms(delay), jitter_ms: ms(jitter), distribution };
        Toxic::new(ToxicKind::Latency(latency), Direction::Both)
    }

    pub fn has_jitter(self) -> bool {
        !self.jitter.is_zero()
    }

    /// What no chunk is earlier than.
    fn least(self) -> Duration {
        match self.spread {
            Distribution::Uniform => self.delay.saturating_sub(self.jitter),
            Distribution::Normal => self.delay.saturating_sub(self.jitter * DEVIATIONS_MAX),
            Distribution::Pareto => self.delay,
        }
    }

    pub async fn bites(self, site: &Site) -> Result<String, String> {
        if self.least() > REAL_DELAY_MAX {
            return late(site).await;
        }
        let mut answers: Vec<Duration> = Vec::new();
        while answers.len() < ASKED_MAX {
            let limit = ANSWER_LIMIT + 2 * self.delay + 2 * self.jitter;
            match sound(site.link.addr(), site.speech, limit).await {
                Sounding::Answer(took) if took >= self.least() => answers.push(took),
                // A draw beyond a second waits for the cell's clock.
                Sounding::Silence if site.link.next_due().is_some() => return late(site).await,
                other => return Err(format!("a question got {}", other.describe())),
            }
            let first = answers[0];
            let apart = answers.iter().any(|took| took.abs_diff(first) * APART > self.jitter);
            if self.jitter.is_zero() || apart {
                let each: Vec<_> = answers.iter().map(|took| ms(*took).to_string()).collect();
                return Ok(format!("an answer after {} ms", each.join(", then ")));
            }
        }
        Err(format!("{ASKED_MAX} answers came alike, after {} ms", ms(answers[0])))
    }
}

async fn late(site: &Site) -> Result<String, String> {
    let held = held_question(site).await?;
    let due = site.link.next_due().ok_or("what is held has no due time")?;
    Ok(format!("{held}, due at cell time {} ms", due.0))
}

//! Faults on a process: killed, paused, restarted, paused briefly.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::sounding::{Sounding, sound};
use super::{FaultError, FaultSpec, Ground, Process};

/// A paused process must stay silent this long; a healthy one answers in a few milliseconds.
const SILENCE: Duration = Duration::from_millis(300);
/// A process that still answers so long after the order to pause is not paused.
const PAUSE_LIMIT: Duration = Duration::from_secs(1);
/// MySQL is up 1 to 2 s after a kill, 5 s when eight start at once, 15 s in an official image.
const START_LIMIT: Duration = Duration::from_secs(40);
/// A port that refuses cannot be awaited, only asked again.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// One question to a process that may be starting.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Killed,
    Paused,
    Restarted,
    PausedBriefly,
}

pub(super) struct ProcessFault {
    spec: &'static FaultSpec,
    process: Arc<dyn Process>,
    what: What,
    /// The life that was hurt; none before the first touch.
    hurt: Option<u64>,
    done: bool,
}

impl ProcessFault {
    pub fn new(
        spec: &'static FaultSpec,
        ground: &Ground,
        name: &str,
    ) -> Result<ProcessFault, FaultError> {
        let what = match spec.what_happened() {
            "killed" => What::Killed,
            "paused" => What::Paused,
            "restarted" => What::Restarted,
            "paused-briefly" => What::PausedBriefly,
            other => unreachable!("the registry has no `{other}` for processes"),
        };
        let process = ground.process(spec, name)?;
        Ok(ProcessFault { spec, process, what, hurt: None, done: false })
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        if !self.done {
            let life = self.process.life();
            self.hurt.get_or_insert(life);
            let struck = match self.what {
                What::Killed => self.process.kill().await,
                What::Paused | What::PausedBriefly => self.process.pause().await,
                What::Restarted => self.process.restart().await,
            };
            let failed = |reason| FaultError::Inject { fault: self.spec.id.clone(), reason };
            struck.map_err(failed)?;
            self.done = true;
        }
        Ok(format!("life {} was struck", self.hurt.unwrap_or_default()))
    }

    pub async fn bites(&mut self) -> Result<String, FaultError> {
        let running = self.process.is_running().await;
        let (addr, speech) = (self.process.address(), self.process.speech());
        let seen = match self.what {
            What::Killed if running => Err("it still runs".to_owned()),
            What::Killed => match sound(addr, speech, ANSWER_LIMIT).await {
                Sounding::Cut(kind) => Ok(format!("it is gone, and {addr} gives: {kind}")),
                other => Err(format!("it is gone, but {addr} gives {}", other.describe())),
            },
            What::Paused => self.silent(running).await,
            What::PausedBriefly => match self.silent(running).await {
                Ok(silent) => match self.process.resume().await {
                    Ok(()) => self.answers().await.map(|again| format!("{silent}; then {again}")),
                    failed => failed.map(|()| silent),
                },
                not_paused => not_paused,
            },
            What::Restarted => match self.answers().await {
                Ok(_) if Some(self.process.life()) == self.hurt => {
                    Err("it is the same life as before".to_owned())
                }
                other => other,
            },
        };
        seen.map_err(|reason| FaultError::NoBite { fault: self.spec.id.clone(), reason })
    }

    /// A pause is ordered, not awaited: what answers is asked again for a moment.
    async fn silent(&self, running: bool) -> Result<String, String> {
        let (addr, start) = (self.process.address(), Instant::now());
        loop {
            match sound(addr, self.process.speech(), SILENCE).await {
                Sounding::Silence if running => {
                    return Ok(format!("it exists, and {addr} is silent"));
                }
                Sounding::Silence => return Err("it is not paused but gone".to_owned()),
                Sounding::Answer(_) if start.elapsed() < PAUSE_LIMIT => sleep(ASK_EVERY).await,
                other => return Err(format!("{addr} gives {}", other.describe())),
            }
        }
    }

    /// Asks until it answers.
    async fn answers(&self) -> Result<String, String> {
        let start = Instant::now();
        loop {
            let addr = self.process.address();
            let sounding = sound(addr, self.process.speech(), ANSWER_LIMIT).await;
            if let Sounding::Answer(_) = sounding {
                let (life, took_ms) = (self.process.life(), start.elapsed().as_millis());
                return Ok(format!("life {life} answers at {addr} after {took_ms} ms"));
            }
            if start.elapsed() > START_LIMIT {
                let limit_s = START_LIMIT.as_secs();
                return Err(format!("{addr} gives {} for {limit_s} s", sounding.describe()));
            }
            sleep(ASK_EVERY).await;
        }
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        if self.hurt.is_none() {
            return Ok(());
        }
        let running = self.process.is_running().await;
        let mended = match self.what {
            _ if !running => self.process.restart().await,
            What::Paused | What::PausedBriefly => self.process.resume().await,
            What::Killed | What::Restarted => Ok(()),
        };
        mended.map_err(|reason| FaultError::Heal { fault: self.spec.id.clone(), reason })
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let unproved = |reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason };
        self.answers().await.map_err(unproved)
    }
}

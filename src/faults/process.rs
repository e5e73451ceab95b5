//! Faults on a process: killed, paused, restarted, paused briefly, killed again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::params::{Param, Params, Scale};
use super::sounding::{Sounding, sound};
use super::{FaultError, FaultSpec, Ground, Process};

/// A paused process must stay silent this long; a healthy one answers in a few milliseconds.
const SILENCE: Duration = Duration::from_millis(300);
/// A process that still answers so long after the order to pause is not paused.
const PAUSE_LIMIT: Duration = Duration::from_secs(1);
/// MySQL is up 1 to 2 s after a kill, 5 s when eight start at once, 15 s in an official image.
const START_LIMIT: Duration = Duration::from_secs(40);
/// A port that refuses cannot be awaited, only asked again.
pub(super) const ASK_EVERY: Duration = Duration::from_millis(20);
/// A crash loop was seen when its process was gone so often, in a life of its own each time.
const CRASHES_SEEN: usize = 2;
/// One question to a process that may be starting.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Killed,
    Paused,
    Restarted,
    PausedBriefly,
    CrashLooping,
}

/// Of a crash loop.
const UPTIME: &str = "uptime";

pub(super) fn params(what: &str) -> Vec<Param> {
    match what {
        "crash-looping" => vec![Param {
            name: UPTIME,
            doc: "it lives so long after each start",
            scale: Scale::Span { default_ms: 200, min_ms: 10, max_ms: 60_000 },
        }],
        _ => Vec::new(),
    }
}

pub(super) struct ProcessFault {
    spec: &'static FaultSpec,
    process: Arc<dyn Process>,
    what: What,
    /// The life that was hurt; none before the first touch.
    hurt: Option<u64>,
    done: bool,
    uptime: Option<Duration>,
    /// Kills it again and again.
    crashes: Option<Loop>,
}

/// A loop that ends when it is told to, after the start it is at.
struct Loop {
    over: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Loop {
    fn of(process: Arc<dyn Process>, uptime: Duration) -> Loop {
        let over = Arc::new(AtomicBool::new(false));
        let told = over.clone();
        let task = tokio::spawn(async move {
            while !told.load(Ordering::Acquire) {
                // What fails is tried again, and what never works is seen by the proofs.
                let _ = process.kill().await;
                sleep(uptime).await;
                let _ = process.restart().await;
                sleep(uptime).await;
            }
        });
        Loop { over, task }
    }

    async fn end(&mut self) {
        self.over.store(true, Ordering::Release);
        let _ = (&mut self.task).await;
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
    }
}

impl ProcessFault {
    pub fn new(
        spec: &'static FaultSpec,
        params: &Params,
        ground: &Ground,
        name: &str,
    ) -> Result<ProcessFault, FaultError> {
        let what = match spec.what_happened() {
            "killed" => What::Killed,
            "paused" => What::Paused,
            "restarted" => What::Restarted,
            "paused-briefly" => What::PausedBriefly,
            "crash-looping" => What::CrashLooping,
            other => unreachable!("the registry has no `{other}` for processes"),
        };
        let process = ground.process(spec, name)?;
        let uptime = (what == What::CrashLooping).then(|| params.duration(UPTIME));
        Ok(ProcessFault { spec, process, what, hurt: None, done: false, uptime, crashes: None })
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        if !self.done {
            let life = self.process.life();
            self.hurt.get_or_insert(life);
            let struck = match self.what {
                What::Killed | What::CrashLooping => self.process.kill().await,
                What::Paused | What::PausedBriefly => self.process.pause().await,
                What::Restarted => self.process.restart().await,
            };
            let failed = |reason| FaultError::Inject { fault: self.spec.id.clone(), reason };
            struck.map_err(failed)?;
            self.crashes = self.uptime.map(|uptime| Loop::of(self.process.clone(), uptime));
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
                    Ok(()) => {
                        answers(&*self.process).await.map(|again| format!("{silent}; then {again}"))
                    }
                    failed => failed.map(|()| silent),
                },
                not_paused => not_paused,
            },
            What::CrashLooping => self.crashes_again(START_LIMIT).await,
            What::Restarted => match answers(&*self.process).await {
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

    /// Seen gone, in another life, and gone again.
    async fn crashes_again(&self, limit: Duration) -> Result<String, String> {
        let start = Instant::now();
        let (mut gone, mut lives) = (0, vec![self.hurt.unwrap_or_default()]);
        while gone < CRASHES_SEEN {
            if start.elapsed() > limit {
                return Err(format!("it was seen gone {gone} times within {limit:?}"));
            }
            let life = self.process.life();
            if !self.process.is_running().await {
                gone += usize::from(lives.len() > gone);
            } else if gone == lives.len() && lives.last() != Some(&life) {
                lives.push(life);
            }
            sleep(ASK_EVERY / 4).await;
        }
        Ok(format!("lives {lives:?} ended one after another"))
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        if self.hurt.is_none() {
            return Ok(());
        }
        if let Some(crashes) = &mut self.crashes {
            crashes.end().await;
        }
        self.crashes = None;
        let running = self.process.is_running().await;
        let mended = match self.what {
            _ if !running => self.process.restart().await,
            // The order may have been given, and be carried out later: a new life knows nothing of it.
            What::Killed | What::Restarted | What::CrashLooping if !self.done => {
                self.process.restart().await
            }
            What::Paused | What::PausedBriefly => self.process.resume().await,
            What::Killed | What::Restarted | What::CrashLooping => Ok(()),
        };
        mended.map_err(|reason| FaultError::Heal { fault: self.spec.id.clone(), reason })
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let unproved = |reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason };
        answers(&*self.process).await.map_err(unproved)
    }
}

/// Asks until it answers.
pub(super) async fn answers(process: &dyn Process) -> Result<String, String> {
    let start = Instant::now();
    loop {
        let addr = process.address();
        let sounding = sound(addr, process.speech(), ANSWER_LIMIT).await;
        if let Sounding::Answer(_) = sounding {
            let (life, took_ms) = (process.life(), start.elapsed().as_millis());
            return Ok(format!("life {life} answers at {addr} after {took_ms} ms"));
        }
        if start.elapsed() > START_LIMIT {
            let limit_s = START_LIMIT.as_secs();
            return Err(format!("{addr} gives {} for {limit_s} s", sounding.describe()));
        }
        sleep(ASK_EVERY).await;
    }
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;

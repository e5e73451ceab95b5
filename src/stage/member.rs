//! A process of a cell: killed, paused, resumed, started again as it was and with the cell's clock.
//!
//! Must not know what the process does, nor its siblings.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::cell::CellError;
use super::container::Container;
use super::guardian::{Exit, Guardian, GuardianError, ProcSpec, Process, Signal};
use crate::clock::{Clock, ORIGIN_ENV};

/// A process that was asked to end may take this long before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(2);
/// Log lines shown when a process of the cell dies.
const TAIL_LINES: usize = 12;

/// A process of the cell that can be killed, paused, resumed and started again as it was.
pub struct Member {
    guardian: Guardian,
    spec: ProcSpec,
    clock: Clock,
    process: Mutex<Process>,
    /// Where it lives in one: a signal to the engine's client does not reach it.
    container: Option<Container>,
    /// How often it was started.
    life: AtomicU64,
    pub address: SocketAddr,
}

impl Member {
    pub(super) async fn start(
        guardian: &Guardian,
        clock: &Clock,
        spec: ProcSpec,
        address: SocketAddr,
    ) -> Result<Member, CellError> {
        let process = spawn(guardian, clock, &spec).await?;
        Ok(Member {
            guardian: guardian.clone(),
            spec,
            clock: clock.clone(),
            process: Mutex::new(process),
            container: None,
            life: AtomicU64::new(1),
            address,
        })
    }

    pub(super) fn in_container(mut self, container: Container) -> Member {
        self.container = Some(container);
        self
    }

    pub fn name(&self) -> &str {
        &self.spec.name
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub async fn kill(&self) -> Result<(), GuardianError> {
        if let Some(container) = &self.container {
            container.kill().await;
        }
        self.process.lock().await.kill_and_wait().await.map(|_| ())
    }

    pub async fn pause(&self) -> Result<(), GuardianError> {
        if let Some(container) = &self.container {
            container.pause().await;
        }
        self.process.lock().await.signal(Signal::Stop).await
    }

    pub async fn resume(&self) -> Result<(), GuardianError> {
        if let Some(container) = &self.container {
            container.resume().await;
        }
        self.process.lock().await.signal(Signal::Continue).await
    }

    /// Starts it again where it has ended, on the same port and with the clock as it is now.
    pub async fn restart(&self) -> Result<(), CellError> {
        if let Some(container) = &self.container {
            container.kill().await;
        }
        let mut process = self.process.lock().await;
        if process.exit().is_none() {
            let failed = |source| CellError::Start { name: self.spec.name.clone(), source };
            process.stop(STOP_LIMIT).await.map_err(failed)?;
        }
        *process = spawn(&self.guardian, &self.clock, &self.spec).await?;
        self.life.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Tells this life of the process from the one before.
    pub fn life(&self) -> u64 {
        self.life.load(Ordering::Relaxed)
    }

    /// Its process is one of this machine, and not the engine's client.
    pub fn is_on_this_machine(&self) -> bool {
        self.container.is_none()
    }

    /// Its process, where that is one of this machine.
    pub async fn pid(&self) -> Option<u32> {
        if !self.is_on_this_machine() {
            return None;
        }
        Some(self.process.lock().await.pid())
    }

    pub async fn is_running(&self) -> bool {
        self.process.lock().await.exit().is_none()
    }

    /// Why it ended, where it has.
    pub async fn obituary(&self) -> Option<CellError> {
        let process = self.process.lock().await;
        let exit = format!("{:?}", process.exit()?);
        let tail = process.log_tail(TAIL_LINES).await;
        Some(CellError::Died { name: self.spec.name.clone(), exit, tail })
    }

    /// Returns when it has ended by itself, with what it printed last.
    pub async fn ended(&self) -> (Exit, String) {
        let process = self.process.lock().await;
        let exit = process.exited().await;
        (exit, process.log_tail(TAIL_LINES).await)
    }

    pub fn log(&self) -> &std::path::Path {
        &self.spec.log
    }

    pub(super) async fn stop(&self) {
        if let Some(container) = &self.container {
            container.kill().await;
        }
        // A process that will not end is killed by the guardian at the latest.
        let _ = self.process.lock().await.kill_and_wait().await;
    }
}

async fn spawn(guardian: &Guardian, clock: &Clock, spec: &ProcSpec) -> Result<Process, CellError> {
    let mut spec = spec.clone();
    spec.env.insert(ORIGIN_ENV.to_owned(), clock.origin().to_string());
    let name = spec.name.clone();
    guardian.spawn(spec).await.map_err(|source| CellError::Start { name, source })
}

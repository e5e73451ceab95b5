//! Faults of a process's resources: starved of the processor, killed by the kernel for want of memory.
//!
//! By a control group of its own, which the guardian knows of before it is made. Proved by the kernel's own count
//! while the process is asked for a sign of life by many at once. Not covered: processes that are not ours (in
//! containers, or leased).

use std::sync::Arc;

use futures::future::join_all;
use tokio::time::{Instant, timeout};

use super::params::{Param, Params, Scale};
use super::process::{ANSWER_LIMIT, answers};
use super::sounding::ask;
use super::{FaultError, FaultSpec, Ground, Process};
use crate::stage::Guardian;
use crate::stage::groups::{Group, Limit};

/// Who asks at once, each on a connection of its own: the work, and the memory, that the limit is felt by.
const CROWD: usize = 400;
/// The limit is felt in the first crowds, or never.
const FELT_LIMIT: std::time::Duration = std::time::Duration::from_secs(20);

/// What a limit takes from a process, by the last part of the fault's id.
pub(super) const LIMITS: [(&str, &str); 2] = [
    ("starved", "gets a small share of one processor"),
    ("out-of-memory", "outgrows its memory limit, and the kernel kills it"),
];

pub(super) fn params(what: &str) -> Vec<Param> {
    let count =
        |name, doc, default, max| vec![Param { name, doc, scale: Scale::Count { default, max } }];
    match what {
        "starved" => count("percent", "of one processor", 2, 100),
        _ => count("mib", "so much memory may be added to what it has", 1, 65_536),
    }
}

/// What must be possible on this machine.
pub(super) fn limit(spec: &FaultSpec, params: &Params) -> Limit {
    match spec.what_happened() {
        "starved" => Limit::CpuPercent(params.count("percent")),
        "out-of-memory" => Limit::MemoryMib(params.count("mib")),
        other => unreachable!("the registry has no `{other}` for limits"),
    }
}

pub(super) struct LimitFault {
    spec: &'static FaultSpec,
    process: Arc<dyn Process>,
    guardian: Guardian,
    limit: Limit,
    group: Option<Group>,
    touched: bool,
}

impl LimitFault {
    pub fn new(
        spec: &'static FaultSpec,
        params: &Params,
        ground: &Ground,
        name: &str,
    ) -> Result<LimitFault, FaultError> {
        let (process, guardian) = (ground.process(spec, name)?, ground.limits(spec, name)?);
        let limit = limit(spec, params);
        Ok(LimitFault { spec, process, guardian, limit, group: None, touched: false })
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        let failed = |reason| FaultError::Inject { fault: self.spec.id.clone(), reason };
        if self.group.is_none() {
            let pid = self.process.pid().await.map_err(failed)?;
            self.touched = true;
            let group = Group::confine(&self.guardian, pid, self.limit).await;
            self.group = Some(group.map_err(failed)?);
        }
        Ok(format!("it is in a control group with {:?}", self.limit))
    }

    pub async fn bites(&mut self) -> Result<String, FaultError> {
        let no_bite = |reason| FaultError::NoBite { fault: self.spec.id.clone(), reason };
        let Some(group) = &self.group else { return Err(no_bite("there is no group".to_owned())) };
        let start = Instant::now();
        while group.felt() == 0 {
            if start.elapsed() > FELT_LIMIT {
                let held = if group.holds() { "in" } else { "no longer in" };
                return Err(no_bite(format!("the limit was never felt; it is {held} its group")));
            }
            self.crowd().await;
        }
        let felt = group.felt();
        match self.limit {
            Limit::CpuPercent(_) => Ok(format!("the kernel held it back {felt} times")),
            Limit::MemoryMib(_) => match self.gone().await {
                true => Ok("the kernel killed it for want of memory".to_owned()),
                false => Err(no_bite(format!("the kernel killed {felt}, and it still runs"))),
            },
        }
    }

    /// Many ask, and keep their connections until all are answered or given up.
    async fn crowd(&self) {
        let (addr, speech) = (self.process.address(), self.process.speech());
        let asked = (0..CROWD).map(|_| timeout(ANSWER_LIMIT, ask(addr, speech)));
        for asked in join_all(asked).await.into_iter().flatten().flatten() {
            let mut asked = asked;
            let _ = asked.answer(ANSWER_LIMIT).await;
        }
    }

    /// Its end is told a moment after the kernel's deed.
    async fn gone(&self) -> bool {
        let start = Instant::now();
        while self.process.is_running().await && start.elapsed() < ANSWER_LIMIT {
            tokio::time::sleep(super::process::ASK_EVERY).await;
        }
        !self.process.is_running().await
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        let failed = |reason| FaultError::Heal { fault: self.spec.id.clone(), reason };
        if let Some(group) = &self.group {
            group.lift().await.map_err(failed)?;
        }
        if self.touched && !self.process.is_running().await {
            self.process.restart().await.map_err(failed)?;
        }
        Ok(())
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let unproved = |reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason };
        if self.group.as_ref().is_some_and(Group::is_there) {
            return Err(unproved("its control group is still there".to_owned()));
        }
        answers(&*self.process).await.map_err(unproved)
    }
}

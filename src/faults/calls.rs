//! Faults of what a server asks of the kernel: a disk that is full, slow or read-only, a clock that is off.
//!
//! By the library before the server's C library (`stage::calls`): the server itself meets the error, late or wrong answer.
//! Proved by what another connection sees of the server, and by the count of the calls that suffered. The orders end with
//! the server, so that nothing outlives a kill of the harness. A broker whose log takes no write halts itself, which is
//! then the fault's bite; its record is answered by nobody. Not covered: what is written through a mapping (a broker's
//! indexes); servers that are not our own processes on this machine.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::params::{Param, Params, Scale};
use super::process::{ASK_EVERY, answers};
use super::registry::{DAY_MS, NO_BROKER};
use super::sufferer::Sufferer;
use super::{Blast, FaultError, FaultSpec, Ground, Late, Layer, Need, Process};
use crate::stage::{Calls, Order};

const EACH: &str = "each";
const BY: &str = "by";
/// An hour's wrong summer time.
const BY_DEFAULT_MS: u64 = 3_600_000;
/// A clock is read twice, with a busy machine between: what may lie between the two.
const CLOCK_TOLERANCE_MS: i64 = 20_000;
/// A server that cannot write ends itself within this, or answers.
const END_LIMIT: Duration = Duration::from_secs(20);
/// What a program of the cell's own lacks: it lives by cell time, which is counted on the monotonic clock that its timers go
/// by, too. Another time of day is nothing to it, and another monotonic clock would keep its timers after the heal.
pub(super) const NO_TIME_OF_DAY: &str = "a time of day of its own: it lives by the cell's time";
/// (id, doc, what it withholds, what it may raise)
type Row = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const AWAY: &[&str] = &["mysql", "binlog", "shop", "dcheck"];
const DATABASE_AWAY: &[&str] = &["change-capture-stalled", "lookup-down"];
const ROWS: &[Row] = &[
    (
        "disk.mysql.full",
        "no file of the database can grow: commits wait for room",
        AWAY,
        DATABASE_AWAY,
    ),
    ("disk.mysql.slow", "each write and each sync of the database comes late", &[], &[]),
    (
        "disk.mysql.read-only",
        "the database's disk takes no write: it ends itself",
        AWAY,
        DATABASE_AWAY,
    ),
    ("process.mysql.clock-ahead", "the database's time of day is ahead", &[], &[]),
    ("process.mysql.clock-behind", "the database's time of day is behind", &[], &[]),
    (
        "disk.kafka.full",
        "no file of the broker can grow: it halts at the next record",
        NO_BROKER,
        &[],
    ),
    ("disk.kafka.slow", "each write and each sync of the broker comes late", &[], &[]),
    ("disk.kafka.read-only", "the broker's disk takes no write: it halts", NO_BROKER, &[]),
    ("process.kafka.clock-ahead", "the broker's time of day is ahead", &[], &[]),
    (
        "process.kafka.clock-behind",
        "the broker's time of day is behind; beyond an hour it refuses records as written in the future",
        &[],
        &[],
    ),
    ("process.shop.clock-ahead", "the shop's time of day is ahead", &[], &[]),
    ("process.shop.clock-behind", "the shop's time of day is behind", &[], &[]),
    ("process.channel.clock-ahead", "the payment channel's time of day is ahead", &[], &[]),
    ("process.channel.clock-behind", "the payment channel's time of day is behind", &[], &[]),
    ("process.dcheck.clock-ahead", "the reconciler's time of day is ahead", &[], &[]),
    ("process.dcheck.clock-behind", "the reconciler's time of day is behind", &[], &[]),
];

/// Programs of the cell's own.
pub(super) const OWN: [&str; 3] = ["shop", "channel", "dcheck"];

fn process_of(id: &str) -> &'static str {
    let name = id.split('.').nth(1);
    let known = ["mysql", "kafka"].into_iter().chain(OWN).find(|known| Some(*known) == name);
    known.expect("invariant: the table names what there is")
}

pub(super) fn specs() -> impl Iterator<Item = FaultSpec> {
    ROWS.iter().map(|(id, doc, withholds, raises)| FaultSpec {
        id: (*id).to_owned(),
        doc: (*doc).to_owned(),
        layer: if id.starts_with("disk.") { Layer::Disk } else { Layer::Process },
        params: match id.rsplit('.').next() {
            Some("slow") => vec![span(EACH, "so much later", 20, 1, 1_000)],
            Some("clock-ahead" | "clock-behind") => {
                vec![span(BY, "so much", BY_DEFAULT_MS, 1_000, DAY_MS)]
            }
            _ => Vec::new(),
        },
        needs: Need::Calls(process_of(id)),
        blast: Blast::Cell,
        withholds: withholds.to_vec(),
        raises: raises.to_vec(),
        waits_for_traffic: false,
        late: Late::default(),
    })
}

fn span(name: &'static str, doc: &'static str, default_ms: u64, min_ms: u64, max_ms: u64) -> Param {
    Param { name, doc, scale: Scale::Span { default_ms, min_ms, max_ms } }
}

/// How it was before it was touched.
struct Before {
    calls: Calls,
    suffered: u64,
    /// The server's time of day in milliseconds, and when it was read.
    clock: (i64, Instant),
}

pub(super) struct CallsFault {
    spec: &'static FaultSpec,
    process: Arc<dyn Process>,
    server: Sufferer,
    order: Order,
    before: Option<Before>,
    /// The order was given, and not taken back yet.
    struck: bool,
}

impl CallsFault {
    pub fn new(
        spec: &'static FaultSpec,
        params: &Params,
        ground: &Ground,
        name: &str,
    ) -> Result<CallsFault, FaultError> {
        if OWN.contains(&name) {
            let need = NO_TIME_OF_DAY.to_owned();
            return Err(FaultError::Missing { fault: spec.id.clone(), need });
        }
        // Of this machine, as for limits.
        ground.limits(spec, name)?;
        let skew = || i64::try_from(params.duration(BY).as_millis()).expect("bounded");
        let order = match spec.what_happened() {
            "full" => Order::Full,
            "read-only" => Order::ReadOnly,
            "slow" => Order::Slow(params.duration(EACH)),
            "clock-ahead" => Order::Skewed(skew()),
            "clock-behind" => Order::Skewed(-skew()),
            other => unreachable!("the table has no `{other}`"),
        };
        let server = Sufferer::of(name, spec, ground)?;
        let process = ground.process(spec, name)?;
        Ok(CallsFault { spec, process, server, order, before: None, struck: false })
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        let failed = |reason| FaultError::Inject { fault: self.spec.id.clone(), reason };
        if self.before.is_none() {
            let pid = self.process.pid().await.map_err(failed)?;
            let calls = Calls::of(pid).map_err(failed)?;
            let suffered = calls.suffered().map_err(failed)?;
            self.server.prepare().await.map_err(failed)?;
            let clock = self.server.clock().await.map_err(failed)?;
            self.before = Some(Before { calls, suffered, clock });
        }
        let before = self.before.as_ref().expect("invariant: just kept");
        self.struck = true;
        before.calls.order(self.order).map_err(failed)?;
        Ok(format!("the server's calls suffer from now on: {:?}", self.order))
    }

    pub async fn bites(&mut self) -> Result<String, FaultError> {
        let seen = match (&self.before, self.order) {
            (None, _) => Err("nothing was ordered".to_owned()),
            (Some(before), Order::Skewed(ms)) => self.is_off(before, ms, ms).await,
            (Some(before), order) => self.suffers(before, order).await,
        };
        seen.map_err(|reason| FaultError::NoBite { fault: self.spec.id.clone(), reason })
    }

    /// Is the server's clock `wanted` milliseconds off from where it would be by now, the order being `ordered`?
    async fn is_off(&self, before: &Before, ordered: i64, wanted: i64) -> Result<String, String> {
        let (now, read) = self.server.clock().await?;
        let (then, read_then) = before.clock;
        let passed = i64::try_from((read - read_then).as_millis()).unwrap_or(i64::MAX);
        let off = now - then - passed;
        let told = format!("its clock is {off} ms from where it would be");
        let is_off = (off - wanted).abs() <= CLOCK_TOLERANCE_MS.min(ordered.abs() / 2);
        if is_off { Ok(told) } else { Err(told) }
    }

    /// Somebody writes more than fits into memory.
    async fn suffers(&self, before: &Before, order: Order) -> Result<String, String> {
        let wrote = self.server.write().await;
        let suffered = before.calls.suffered()? - before.suffered;
        let told = match &wrote {
            Ok(()) => "it was taken".to_owned(),
            Err(error) => error.clone(),
        };
        let bites = match order {
            Order::Slow(_) => wrote.is_ok(),
            _ => wrote.is_err(),
        };
        if suffered == 0 || !bites {
            return Err(format!("{suffered} calls suffered; who wrote was told: {told}"));
        }
        let ends = self.halts() && self.ends().await;
        let end = if ends { ", and the server ended itself" } else { "" };
        Ok(format!("{suffered} calls suffered, and who wrote was told: {told}{end}"))
    }

    /// Does such an order end the server?
    fn halts(&self) -> bool {
        match self.order {
            Order::ReadOnly => true,
            Order::Full => self.server.halts_when_full(),
            _ => false,
        }
    }

    async fn ends(&self) -> bool {
        let start = Instant::now();
        while self.process.is_running().await && start.elapsed() < END_LIMIT {
            sleep(ASK_EVERY).await;
        }
        !self.process.is_running().await
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        let failed = |reason| FaultError::Heal { fault: self.spec.id.clone(), reason };
        let Some(before) = &self.before else { return Ok(()) };
        before.calls.order(Order::Nothing).map_err(failed)?;
        // One that was told to halt may be at it still.
        let halting = std::mem::take(&mut self.struck) && self.halts();
        if halting || !self.process.is_running().await {
            self.process.restart().await.map_err(failed)?;
        }
        Ok(())
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let unproved = |reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason };
        let answer = answers(&*self.process).await.map_err(unproved)?;
        let Some(before) = &self.before else { return Ok(answer) };
        if let Order::Skewed(ms) = self.order {
            return self.is_off(before, ms, 0).await.map_err(unproved);
        }
        let suffered = before.calls.suffered().map_err(unproved)?;
        self.server.write().await.map_err(unproved)?;
        match before.calls.suffered().map_err(unproved)? - suffered {
            0 => Ok(format!("{answer}, and what is written is taken")),
            more => Err(unproved(format!("{more} more calls suffered"))),
        }
    }
}

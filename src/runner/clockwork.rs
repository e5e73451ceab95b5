//! Rest and advance in a cell: the only place that moves cell time.
//!
//! Asks shop, channel, reconciler, inbox and links how busy they are, round by round, until all rest; orders advances in the
//! one order that leaves no row undated. The decisions are pure (`rest`); the waits here have named limits.

use std::time::{Duration, Instant};

use super::rest::{Round, Sounding};
use super::unrest::{HOUSE_LIMIT, Unrest, blame, endless, strays};
use crate::clock::{CellTime, Clock, parse_rfc3339};
use crate::journal::{Event, Phase, Scribe};
use crate::platform::{ClockPeer, Platform};
use crate::probe::{Inbox, Marks, Reconciler, Recorder, Truth};
use crate::proxy::Link;
use crate::wire::{Advance, ClockReport, MarkKind, Watermark};

/// Those whose doings reach the reconciler by its sources: a mark that is to be read must stand behind all of them.
const HOUSE: &[&str] = &["shop", "channel"];
/// Between two rounds: long enough for a message to cross a link, short beside a scenario.
const ROUND_PAUSE: Duration = Duration::from_millis(4);
/// While the reconciler alone is at work, the others are asked again only after so long: a question costs shop, books and
/// broker more than an answer of the reconciler's. Rest itself is two rounds of all, as ever.
const OTHERS_PAUSE: Duration = Duration::from_millis(40);
/// A withheld source is told apart from a slow one only when its mark is overdue by a limit of the reconciler's own
/// (a second in ours). Its watermark then says so; one that tells no such thing is given this, real time.
const OVERDUE_LIMIT: Duration = Duration::from_secs(4);

/// A reconciler without a watermark may still be at work on what all others have done with: this long, real time, it must
/// have said nothing. It gets as much again before each deadline and after it.
const UNOBSERVED_QUIET: Duration = Duration::from_secs(1);
/// In real time: between two looks whether something was heard.
const REAL_PAUSE: Duration = Duration::from_millis(20);

/// The limits of a cell's waits.
pub struct Timing {
    /// How long the reconciler may be all that is restless, real time.
    pub deaf_limit: Duration,
    /// The system under test can be advanced; else nothing in the cell is.
    pub advances: bool,
    /// It does not tell how far it has read: rest is that nothing is heard for [`UNOBSERVED_QUIET`].
    pub unobserved: bool,
    /// True once the run is aborted or its deadline has passed.
    pub stopped: tokio::sync::watch::Receiver<bool>,
}

/// The probes of a cell.
pub struct Instruments {
    pub recorder: Recorder,
    pub reconciler: Reconciler,
    pub marks: Marks,
    pub truth: Truth,
    pub inbox: Inbox,
}

/// The moving parts of a cell as the runner holds them.
pub struct Clockwork {
    pub clock: Clock,
    pub shop: ClockPeer,
    pub channel: ClockPeer,
    pub instruments: Instruments,
    pub scribe: Scribe,
    /// The process that watches the reconciler, where the scenario has one.
    pub watchdog: Option<ClockPeer>,
    /// A fault keeps the reconciler from answering: it is not asked, and told the offset when it is back.
    pub reconciler_is_away: bool,
    owed: Option<Advance>,
    /// Bytes on the way are work; those that wait for a later cell time are a timer.
    links: Vec<Link>,
    /// `clock` as the reconciler was told.
    told: Clock,
    timing: Timing,
    last_round: Round,
    seq: u64,
}

impl Clockwork {
    pub fn new(
        [clock, told]: [&Clock; 2],
        platform: &Platform,
        instruments: Instruments,
        scribe: Scribe,
        links: Vec<Link>,
        timing: Timing,
    ) -> Clockwork {
        Clockwork {
            clock: clock.clone(),
            shop: platform.shop().clone(),
            channel: platform.channel().clone(),
            instruments,
            scribe,
            watchdog: None,
            reconciler_is_away: false,
            owed: None,
            links,
            told: told.clone(),
            timing,
            last_round: Round::default(),
            seq: 0,
        }
    }

    /// The run is aborted, or its deadline has passed.
    pub fn is_stopped(&self) -> bool {
        *self.timing.stopped.borrow()
    }

    /// The earliest instant at which some process has something to do, as of the last rest.
    pub fn next_due(&self) -> Option<CellTime> {
        self.last_round.next_due()
    }

    /// Waits until everything rests and the last mark was read on every source not in `excused`. `unnoticed` says that
    /// a source is withheld and the reconciler has not told so yet: it may need real time to notice.
    pub async fn rest(
        &mut self,
        phase: Phase,
        excused: &[String],
        unnoticed: bool,
    ) -> Result<(), Unrest> {
        let started = Instant::now();
        self.pay_owed().await?;
        let posts = self.instruments.inbox.activity();
        // Written once the house is idle, and again where the house has worked since.
        let (mut mark, mut marked) = (0, None);
        // A link that delivers later must still deliver what is due.
        let is_link = |name: &String| self.links.iter().any(|link| link.name() == name);
        let sources: Vec<String> = excused.iter().filter(|n| !is_link(n)).cloned().collect();
        let mut before: Option<Round> = None;
        // Since when nothing but the reconciler is restless, and since when nothing happened.
        let mut alone: Option<Instant> = None;
        let mut still = Instant::now();
        let quiet = if self.timing.unobserved { UNOBSERVED_QUIET } else { Duration::ZERO };
        loop {
            if self.is_stopped() {
                return Err(Unrest::Stopped);
            }
            let (mut round, settled, silent) = self.round().await;
            let late = self.links_are_late(excused);
            let excused = if late { &sources } else { excused };
            if late {
                round.forgive(mark, excused);
            }
            if marked.is_none() && round.idle(HOUSE, self.clock.now()) {
                mark = self.mark(MarkKind::Beat).await?;
                marked = Some(round.done_by(HOUSE));
            }
            let unrest = silent.or_else(|| {
                let reason = round.unrest(mark, excused, self.clock.now())?;
                Some(blame(&round, reason, mark, excused, self.clock.now()))
            });
            let overdue = !unnoticed
                || late
                || round.knows_it_is_blind()
                || self.instruments.inbox.activity() > posts
                || started.elapsed() >= OVERDUE_LIMIT;
            let rests = before.as_ref().is_some_and(|b| round.rests_after(b));
            if unrest.is_some() || !rests {
                still = Instant::now();
            }
            let stands = marked.as_ref() == Some(&round.done_by(HOUSE));
            match unrest {
                None if stands && overdue && rests && still.elapsed() >= quiet => {
                    self.settle_truth(mark).await?;
                    let real_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                    let excused = excused.to_vec();
                    self.scribe.write(phase, Event::Rest { excused, settled, real_ms });
                    self.last_round = round;
                    return Ok(());
                }
                None => {
                    if started.elapsed() > HOUSE_LIMIT + self.timing.deaf_limit {
                        return Err(endless(before.as_ref().unwrap_or(&round), &round));
                    }
                    if !stands {
                        mark = self.mark(MarkKind::Beat).await?;
                        marked = Some(round.done_by(HOUSE));
                    }
                    (before, alone) = (Some(round), None);
                }
                Some(Unrest::Reconciler(why)) => {
                    let since = *alone.get_or_insert_with(Instant::now);
                    if since.elapsed() > self.timing.deaf_limit {
                        return Err(Unrest::Reconciler(why));
                    }
                    before = None;
                    self.await_reconciler(mark, excused).await;
                }
                Some(unrest) if started.elapsed() > HOUSE_LIMIT => return Err(unrest),
                Some(_) => (before, alone) = (None, None),
            }
            tokio::time::sleep(ROUND_PAUSE).await;
        }
    }

    /// Advances to `target`: mark A; shop and channel, and their rest; mark B; the reconciler.
    pub async fn advance(&mut self, phase: Phase, target: CellTime) -> Result<(), Unrest> {
        let ahead_ms = target.since_ms(self.clock.now());
        if ahead_ms <= 0 {
            return Ok(());
        }
        if !self.timing.advances {
            return self.live_until(target).await;
        }
        self.seq += 1;
        let offset_ms = self.clock.offset_ms() + ahead_ms;
        let towards = crate::clock::rfc3339(target.0);
        self.scribe.write(phase, Event::Advanced { seq: self.seq, offset_ms, towards });
        self.clock.advance(self.seq, offset_ms);
        self.mark(MarkKind::A).await?;
        let order = Advance { seq: self.seq, offset_ms };
        for peer in [&self.shop, &self.channel] {
            // A process that is down gets the offset in its environment when it is back.
            let _ = peer.advance(order).await;
        }
        self.peers_rest().await?;
        let mark = self.mark(MarkKind::B).await?;
        let order = Advance { seq: mark, offset_ms };
        if let Some(watchdog) = &self.watchdog
            && let Err(error) = watchdog.advance(order).await
        {
            return Err(Unrest::Reconciler(error.to_string()));
        }
        self.owed = Some(order);
        self.pay_owed().await?;
        self.told.advance(self.seq, offset_ms);
        Ok(())
    }

    /// Tells the reconciler the last offset, once it can hear it.
    async fn pay_owed(&mut self) -> Result<(), Unrest> {
        let Some(order) = self.owed.filter(|_| !self.reconciler_is_away) else { return Ok(()) };
        let told = self.instruments.reconciler.advance(order).await;
        told.map_err(|error| Unrest::Reconciler(format!("POST clock/advance: {error}")))?;
        self.owed = None;
        Ok(())
    }

    /// In real time: until `target`, or until something is heard.
    async fn live_until(&self, target: CellTime) -> Result<(), Unrest> {
        let heard = || self.instruments.inbox.activity() + self.instruments.truth.activity();
        let before = heard();
        while self.clock.now() < target && heard() == before {
            if self.is_stopped() {
                return Err(Unrest::Stopped);
            }
            tokio::time::sleep(REAL_PAUSE).await;
        }
        Ok(())
    }

    /// What a withheld link holds is due at an instant of cell time: then nothing is to be noticed first.
    fn links_are_late(&self, excused: &[String]) -> bool {
        let withheld = |link: &&Link| excused.iter().any(|name| name == link.name());
        self.links.iter().filter(withheld).any(|link| link.next_due().is_some())
    }

    /// Before anything is written: a row or message without a mark before it could be dated only by wall time, and
    /// one source may come to its first mark sooner than another.
    pub async fn first_mark(&self) -> Result<(), Unrest> {
        self.mark(MarkKind::Beat).await.map(drop)
    }

    async fn mark(&self, kind: MarkKind) -> Result<u64, Unrest> {
        let written = self.instruments.marks.write(kind, self.clock.offset_ms()).await;
        let mark = written.map_err(|error| Unrest::House(format!("write a mark: {error}")))?;
        Ok(mark.seq)
    }

    async fn settle_truth(&self, mark: u64) -> Result<(), Unrest> {
        let read = self.instruments.truth.read_to(mark, HOUSE_LIMIT).await;
        read.map_err(|error| Unrest::House(format!("the harness's own reader: {error}")))
    }

    async fn peers_rest(&mut self) -> Result<(), Unrest> {
        let started = Instant::now();
        let mut before: Option<Round> = None;
        loop {
            let mut round = Round::default();
            let mut silent = None;
            for peer in [&self.shop, &self.channel] {
                match peer.clock().await {
                    Ok(report) => round.soundings.push(sounding(&peer.name, &report)),
                    Err(error) => silent = Some(format!("{}: {error}", &peer.name)),
                }
            }
            let unrest = silent.or_else(|| round.unrest(0, &[], self.clock.now()));
            match unrest {
                None if before.as_ref().is_some_and(|b| round.rests_after(b)) => return Ok(()),
                Some(reason) if started.elapsed() > HOUSE_LIMIT => {
                    return Err(Unrest::House(reason));
                }
                None => before = Some(round),
                Some(_) => before = None,
            }
            tokio::time::sleep(ROUND_PAUSE).await;
        }
    }

    /// Returns once the reconciler says that it rests, or [`OTHERS_PAUSE`] is over.
    async fn await_reconciler(&self, mark: u64, excused: &[String]) {
        let started = Instant::now();
        while !self.reconciler_is_away && started.elapsed() < OTHERS_PAUSE {
            tokio::time::sleep(ROUND_PAUSE).await;
            let Ok(Some(watermark)) = self.instruments.reconciler.watermark().await else { return };
            let round = Round { soundings: vec![reconcilers(watermark)] };
            if round.unrest(mark, excused, self.clock.now()).is_none() {
                return;
            }
        }
    }

    /// One round of questions: (answers, the reconciler's settled mark, who did not answer).
    async fn round(&self) -> (Round, Option<u64>, Option<Unrest>) {
        let watermark = async {
            match self.reconciler_is_away {
                true => Ok(None),
                false => self.instruments.reconciler.watermark().await,
            }
        };
        let (shop, channel, watermark) =
            tokio::join!(self.shop.clock(), self.channel.clock(), watermark);
        let mut round = Round::default();
        let (mut settled, mut silent) = (None, None);
        for (peer, report) in [(&self.shop, shop), (&self.channel, channel)] {
            match report {
                Ok(report) => round.soundings.push(sounding(&peer.name, &report)),
                Err(error) => silent = Some(Unrest::House(format!("{}: {error}", &peer.name))),
            }
        }
        match watermark {
            Ok(Some(watermark)) => {
                settled = Some(watermark.settled);
                silent = silent.or_else(|| strays(&watermark.clock, self.clock.offset_ms()));
                round.soundings.push(reconcilers(watermark));
            }
            Ok(None) => {}
            Err(error) => {
                silent = Some(Unrest::Reconciler(format!("GET watermark: {error}")));
            }
        }
        if let Some(watchdog) = &self.watchdog {
            match watchdog.clock().await {
                Ok(report) => round.soundings.push(sounding(&watchdog.name, &report)),
                Err(error) => silent = Some(Unrest::Reconciler(error.to_string())),
            }
        }
        round.soundings.push(Sounding {
            name: "inbox".to_owned(),
            activity: self.instruments.inbox.activity() + self.instruments.truth.activity(),
            ..Sounding::default()
        });
        round.soundings.extend(self.links.iter().map(|link| Sounding {
            name: link.name().to_owned(),
            busy: link.busy_bytes(),
            next_due: link.next_due(),
            ..Sounding::default()
        }));
        (round, settled, silent)
    }
}

fn reconcilers(watermark: Watermark) -> Sounding {
    let clock = sounding("reconciler", &watermark.clock);
    Sounding { read: watermark.read, blind: watermark.behind, ..clock }
}

fn sounding(name: &str, report: &ClockReport) -> Sounding {
    Sounding {
        name: name.to_owned(),
        busy: report.busy,
        activity: report.activity,
        next_due: report.next_due.as_deref().and_then(parse_rfc3339).map(CellTime),
        ..Sounding::default()
    }
}

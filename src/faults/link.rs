//! Faults on a link: one small file for each way to hurt one, over a toxic of the proxy.
//!
//! Each is proved by a client of its own that comes by the link as everybody does: it measures, counts or waits, and the
//! proof holds whatever else is slow. Not covered: ends and dials that are late by more than a second (the proxy has them).

mod limited;
mod refused;
mod reset;
mod rows;
mod share;
mod sliced;
mod slow;
mod slow_to_close;
mod slow_to_connect;
mod stalled;
mod swallowed;
mod throttled;

use std::time::Duration;

use sqlx::mysql::MySqlConnectOptions;
use tokio::time::timeout;

use self::limited::Limited;
use self::reset::Reset;
use self::sliced::Sliced;
use self::slow::Slow;
use self::slow_to_close::SlowToClose;
use self::slow_to_connect::SlowToConnect;
use self::stalled::Stalled;
use self::swallowed::Swallowed;
use self::throttled::Throttled;
use super::haul::{Haul, haul};
use super::sounding::{Sounding, Speech, sound};
use super::{FaultError, FaultSpec, Ground, Params};
use crate::proxy::{Direction, Link, Toxic, ToxicId, Toxicity};

pub(super) use self::rows::specs;

/// A healthy link answers in a millisecond; this only bounds a starved machine.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// A listener closes and opens a moment after it was told to: it is asked again so long after.
pub(super) const ASK_AGAIN: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug)]
enum What {
    Stalled(Stalled),
    Swallowed(Swallowed),
    Slow(Slow),
    Throttled(Throttled),
    Sliced(Sliced),
    Limited(Limited),
    SlowToConnect(SlowToConnect),
    SlowToClose(SlowToClose),
    Reset(Reset),
    Refused,
}

impl What {
    fn of(spec: &FaultSpec, params: &Params) -> What {
        match spec.what_happened() {
            "stalled" => What::Stalled(Stalled(Direction::Both)),
            // One way: questions pass, answers do not; and the other way round.
            "unanswered" => What::Stalled(Stalled(Direction::ToClient)),
            "unheard" => What::Stalled(Stalled(Direction::ToUpstream)),
            "swallowed" => What::Swallowed(Swallowed::of(params)),
            "slow" => What::Slow(Slow::of(params)),
            "throttled" => What::Throttled(Throttled::of(params)),
            "sliced" => What::Sliced(Sliced::of(params)),
            "limited" => What::Limited(Limited::of(params)),
            "slow-to-connect" => What::SlowToConnect(SlowToConnect::of(params)),
            "slow-to-close" => What::SlowToClose(SlowToClose::of(params)),
            "reset" => What::Reset(Reset::of(params)),
            "refused" => What::Refused,
            other => unreachable!("the table has no `{other}` for links"),
        }
    }

    fn toxic(self) -> Toxic {
        match self {
            What::Stalled(stalled) => stalled.toxic(),
            What::Swallowed(swallowed) => swallowed.toxic(),
            What::Slow(slow) => slow.toxic(),
            What::Throttled(throttled) => throttled.toxic(),
            What::Sliced(sliced) => sliced.toxic(),
            What::Limited(limited) => limited.toxic(),
            What::SlowToConnect(slow) => slow.toxic(),
            What::SlowToClose(slow) => slow.toxic(),
            What::Reset(reset) => reset.toxic(),
            What::Refused => refused::toxic(),
        }
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Percent; all where the fault has no such parameter.
fn share_of(spec: &FaultSpec, params: &Params) -> u64 {
    let has_share = spec.params.iter().any(|param| param.name == share::SHARE);
    if has_share { params.count(share::SHARE) } else { share::ALL }
}

/// What no scale says alone: a jitter above its delay, or one that could not be seen.
pub(super) fn check(spec: &FaultSpec, params: &Params) -> Result<(), FaultError> {
    let what = What::of(spec, params);
    // A jitter is seen by several questions, a share by one for each connection.
    let is_unseen = matches!(what, What::Slow(slow) if slow.has_jitter())
        && share_of(spec, params) < share::ALL;
    let unseen =
        is_unseen.then(|| "`jitter` and a `share` cannot both be seen: leave one out".to_owned());
    let Some(reason) = what.toxic().mistake().or(unseen) else { return Ok(()) };
    Err(FaultError::BadParams { fault: spec.id.clone(), reason })
}

/// Where a link is met, and as whom.
struct Site {
    link: Link,
    speech: Speech,
    /// Whom a database behind it lets in, so that it answers at length.
    login: Option<MySqlConnectOptions>,
    /// How long a harm that may not come is waited for.
    patience: Duration,
}

impl Site {
    /// Draws so many bytes of answers through the link.
    async fn haul(&self, want: u64) -> Result<Haul, String> {
        let login = self.login.clone().filter(|_| self.speech == Speech::Mysql);
        haul(self.link.addr(), self.speech, login, want, ANSWER_LIMIT).await
    }
}

pub(super) struct LinkFault {
    spec: &'static FaultSpec,
    site: Site,
    what: What,
    share: u64,
    seed: u64,
    armed: Option<ToxicId>,
    before: Option<Sounding>,
}

/// What can be asked behind a link of this name.
fn speech(link: &str) -> Speech {
    match link {
        "cdc" | "sql" | "shop-sql" => Speech::Mysql,
        "kafka" | "shop-kafka" => Speech::Kafka,
        _ => Speech::Http,
    }
}

impl LinkFault {
    pub fn new(
        spec: &'static FaultSpec,
        params: &Params,
        ground: &Ground,
        name: &str,
    ) -> Result<LinkFault, FaultError> {
        let (what, share) = (What::of(spec, params), share_of(spec, params));
        let patience = if share == share::ALL { ANSWER_LIMIT } else { share::SPARED };
        let (link, login) = (ground.link(spec, name)?, ground.books.clone());
        let site = Site { link, speech: speech(name), login, patience };
        Ok(LinkFault { spec, site, what, share, seed: ground.seed, armed: None, before: None })
    }

    fn toxic(&self) -> Toxic {
        let share = Toxicity::of(self.share as f64 / share::ALL as f64);
        let toxicity = share.expect("invariant: a percentage within its bounds");
        Toxic { toxicity, salt: self.seed, ..self.what.toxic() }
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        if self.armed.is_none() {
            self.before = Some(sound(self.site.link.addr(), self.site.speech, ANSWER_LIMIT).await);
            self.armed = Some(self.site.link.arm(self.toxic())?);
        }
        let listed = self.site.link.toxics().iter().any(|toxic| Some(toxic.id) == self.armed);
        let name = self.site.link.name();
        if !listed {
            let reason = format!("link `{name}` does not list it after arming");
            return Err(FaultError::Inject { fault: self.spec.id.clone(), reason });
        }
        Ok(format!("link `{name}` lists the toxic"))
    }

    pub async fn bites(&mut self) -> Result<String, FaultError> {
        let seen = match self.share {
            share::ALL => self.one_bites().await,
            _ => share::bites(self).await,
        };
        let no_bite = |reason| FaultError::NoBite { fault: self.spec.id.clone(), reason };
        let now = seen.map_err(no_bite)?;
        let before = self.before.as_ref().map_or("not asked".to_owned(), Sounding::describe);
        Ok(format!("through link `{}`: {now}; before: {before}", self.site.link.name()))
    }

    /// One new connection: how it suffers, or what it got instead.
    async fn one_bites(&self) -> Result<String, String> {
        let site = &self.site;
        match self.what {
            What::Stalled(stalled) => stalled.bites(site).await,
            What::Swallowed(swallowed) => swallowed.bites(site).await,
            What::Slow(slow) => slow.bites(site).await,
            What::Throttled(throttled) => throttled.bites(site).await,
            What::Sliced(sliced) => sliced.bites(site).await,
            What::Limited(limited) => limited.bites(site).await,
            What::SlowToConnect(slow) => slow.bites(site).await,
            What::SlowToClose(slow) => slow.bites(site).await,
            What::Reset(reset) => reset.bites(site, self.armed).await,
            What::Refused => refused::bites(site).await,
        }
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        if let Some(id) = self.armed {
            self.site.link.disarm(id);
        }
        Ok(())
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let name = self.site.link.name();
        let unproved = |reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason };
        if self.site.link.toxics().iter().any(|toxic| Some(toxic.id) == self.armed) {
            return Err(unproved(format!("link `{name}` still lists the toxic")));
        }
        clear(&self.site.link, self.site.speech).await.map_err(unproved)
    }
}

/// Asks until the answer is as wanted, or the limit is over; the last answer.
async fn sound_until(link: &Link, speech: Speech, wanted: impl Fn(&Sounding) -> bool) -> Sounding {
    let start = tokio::time::Instant::now();
    loop {
        let sounding = sound(link.addr(), speech, ANSWER_LIMIT).await;
        if wanted(&sounding) || start.elapsed() >= ANSWER_LIMIT {
            return sounding;
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Nothing is held, and the link answers, or what is behind it does not either.
pub(super) async fn clear(link: &Link, speech: Speech) -> Result<String, String> {
    let name = link.name();
    if timeout(ANSWER_LIMIT, link.drained()).await.is_err() {
        return Err(format!("link `{name}` still holds {} bytes", link.held_bytes()));
    }
    let refused = std::io::ErrorKind::ConnectionRefused;
    let listens =
        |sounding: &Sounding| !matches!(sounding, Sounding::Cut(kind) if *kind == refused);
    let through = sound_until(link, speech, listens).await;
    if let Sounding::Answer(_) = through {
        return Ok(format!("link `{name}`: {}, nothing held", through.describe()));
    }
    // Who is silent: the link, or what is behind it?
    let direct = match tokio::net::lookup_host(link.upstream()).await {
        Ok(mut addrs) => match addrs.next() {
            Some(addr) => sound(addr, speech, ANSWER_LIMIT).await,
            None => Sounding::Silence,
        },
        Err(error) => Sounding::Cut(error.kind()),
    };
    if let Sounding::Answer(_) = direct {
        // Whoever a listener let in just before it closed is cut with it; the next one is not.
        let again = sound(link.addr(), speech, ANSWER_LIMIT).await;
        let (first, again_is) = (through.describe(), again.describe());
        return match again {
            Sounding::Answer(_) => Ok(format!("link `{name}`: {first}, then {again_is}")),
            _ => Err(format!("link `{name}`: {first}, then {again_is}, but its upstream answers")),
        };
    }
    let direct = direct.describe();
    Ok(format!("link `{name}` is clear, nothing held; its upstream itself gives {direct}"))
}

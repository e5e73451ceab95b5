//! Faults on a link: stalled, unanswered, slow, reset, refused.

use std::time::Duration;

use tokio::time::timeout;

use super::sounding::{Sounding, Speech, ask, sound, until_cut};
use super::spec::{DELAY, REAL_DELAY_MAX};
use super::{FaultError, FaultSpec, Ground, Params};
use crate::proxy::{Direction, Link, Refuse, Toxic, ToxicId, ToxicKind};

/// A healthy link answers in a millisecond; this only bounds a starved machine.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// A link that holds the bytes *and* stays silent this long after is stalled: the held bytes prove
/// it, the silence shows that it reaches the client.
const SILENCE: Duration = Duration::from_millis(150);
/// A listener closes and opens a moment after it was told to: it is asked again so long after.
pub(super) const ASK_AGAIN: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Stalled,
    /// One way: questions pass, answers do not.
    Unanswered,
    Slow(Duration),
    Reset(Duration),
    Refused,
}

pub(super) struct LinkFault {
    spec: &'static FaultSpec,
    link: Link,
    speech: Speech,
    what: What,
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
        let what = match spec.what_happened() {
            "stalled" => What::Stalled,
            "unanswered" => What::Unanswered,
            "refused" => What::Refused,
            "slow" => What::Slow(params.duration(DELAY)),
            "reset" => What::Reset(params.duration("after")),
            other => unreachable!("the registry has no `{other}` for links"),
        };
        let link = ground.link(spec, name)?;
        Ok(LinkFault { spec, link, speech: speech(name), what, armed: None, before: None })
    }

    fn toxic(&self) -> Toxic {
        let ms = |duration: Duration| duration.as_millis() as u64;
        match self.what {
            What::Stalled => Toxic::stall(Direction::Both),
            What::Unanswered => Toxic::stall(Direction::ToClient),
            What::Refused => Toxic::new(ToxicKind::Refuse(Refuse {}), Direction::Both),
            What::Slow(delay) => Toxic::latency(ms(delay), 0, Direction::Both),
            What::Reset(after) => Toxic::reset(ms(after)),
        }
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        if self.armed.is_none() {
            self.before = Some(sound(self.link.addr(), self.speech, ANSWER_LIMIT).await);
            self.armed = Some(self.link.arm(self.toxic())?);
        }
        let listed = self.link.toxics().iter().any(|toxic| Some(toxic.id) == self.armed);
        let name = self.link.name();
        if !listed {
            let reason = format!("link `{name}` does not list it after arming");
            return Err(FaultError::Inject { fault: self.spec.id.clone(), reason });
        }
        Ok(format!("link `{name}` lists the toxic"))
    }

    pub async fn bites(&mut self) -> Result<String, FaultError> {
        let now = match self.what {
            What::Stalled | What::Unanswered => self.stall_bites().await,
            What::Refused => self.refusal_bites().await,
            What::Slow(delay) if delay > REAL_DELAY_MAX => self.late_bites().await,
            What::Slow(delay) => self.slow_bites(delay).await,
            What::Reset(after) => self.reset_bites(after).await,
        };
        let no_bite = |reason| FaultError::NoBite { fault: self.spec.id.clone(), reason };
        let now = now.map_err(no_bite)?;
        let before = self.before.as_ref().map_or("not asked".to_owned(), Sounding::describe);
        Ok(format!("through link `{}`: {now}; before: {before}", self.link.name()))
    }

    /// A question whose bytes, or whose answer's, the link holds; and the silence after it.
    async fn held_question(&self) -> Result<String, String> {
        let asked = timeout(ANSWER_LIMIT, ask(self.link.addr(), self.speech)).await;
        let mut asked = match asked {
            Ok(Ok(asked)) => asked,
            Ok(Err(cut)) => return Err(format!("a new connection was {}", cut.describe())),
            Err(_) => return Err("a new connection was not even accepted".to_owned()),
        };
        if timeout(ANSWER_LIMIT, self.link.holding()).await.is_err() {
            return Err("nothing is held though a question was asked".to_owned());
        }
        match asked.answer(ANSWER_LIMIT.min(SILENCE)).await {
            Sounding::Silence => Ok(format!("no answer, {} bytes held", self.link.held_bytes())),
            other => Err(format!("a question got {}", other.describe())),
        }
    }

    async fn stall_bites(&self) -> Result<String, String> {
        self.held_question().await
    }

    async fn late_bites(&self) -> Result<String, String> {
        let held = self.held_question().await?;
        let due = self.link.next_due().ok_or("what is held has no due time")?;
        Ok(format!("{held}, due at cell time {} ms", due.0))
    }

    async fn slow_bites(&self, delay: Duration) -> Result<String, String> {
        let limit = ANSWER_LIMIT + 2 * delay;
        match sound(self.link.addr(), self.speech, limit).await {
            Sounding::Answer(took) if took >= delay => {
                Ok(format!("an answer after {} ms", took.as_millis()))
            }
            other => Err(format!("a question got {}", other.describe())),
        }
    }

    async fn reset_bites(&self, after: Duration) -> Result<String, String> {
        match until_cut(self.link.addr(), ANSWER_LIMIT + after).await {
            Sounding::Cut(std::io::ErrorKind::ConnectionReset) => {
                let hit = |toxic: &crate::proxy::ArmedToxic| {
                    Some(toxic.id) == self.armed && toxic.hits > 0
                };
                if self.link.toxics().iter().any(hit) {
                    Ok("connection reset".to_owned())
                } else {
                    Err("a connection was reset, but not by this fault".to_owned())
                }
            }
            other => Err(format!("a new connection got {}", other.describe())),
        }
    }

    async fn refusal_bites(&self) -> Result<String, String> {
        let asked = sound_until(&self.link, self.speech, |sounding| {
            matches!(sounding, Sounding::Cut(std::io::ErrorKind::ConnectionRefused))
        });
        match asked.await {
            Sounding::Cut(std::io::ErrorKind::ConnectionRefused) => {
                Ok("connection refused".to_owned())
            }
            other => Err(format!("a new connection got {}", other.describe())),
        }
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        if let Some(id) = self.armed {
            self.link.disarm(id);
        }
        Ok(())
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let name = self.link.name();
        let unproved = |reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason };
        if self.link.toxics().iter().any(|toxic| Some(toxic.id) == self.armed) {
            return Err(unproved(format!("link `{name}` still lists the toxic")));
        }
        clear(&self.link, self.speech).await.map_err(unproved)
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
        return Err(format!("link `{name}`: {}, but its upstream answers", through.describe()));
    }
    let direct = direct.describe();
    Ok(format!("link `{name}` is clear, nothing held; its upstream itself gives {direct}"))
}

//! A reader of Kafka set back: it stands before what it has read already, and reads it again.
//!
//! Neither the shop nor the built-in reconciler commits offsets to the broker: each keeps its position beside what it
//! made of the records, in its database. So that is what is set back, as a person would do it: the reader is stopped,
//! its position edited, and it is started again. It is let finish first, so that what was sent before is what is read
//! again. Not covered: the offsets of groups that others commit.

use std::sync::Arc;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::mysql::MySqlConnectOptions;
use tokio::time::{Instant, sleep};

use super::params::{Param, Params, Scale};
use super::process::{ASK_EVERY, answers};
use super::sql::{self, SqlError};
use super::{Blast, FaultError, FaultSpec, Ground, Late, Layer, Need, Process};
use crate::stage::cell::TOPICS;
use crate::wire::ClockReport;

const BACK: &str = "back";
const TOPIC: &str = "topic";
const BACK_MAX: u64 = 1_000_000;
/// The only topic that the shop reads.
const SHOPS_TOPIC: &str = "refund.events";
/// A reader has nothing to do within milliseconds; one that cannot finish is stopped where it is.
const REST_LIMIT: Duration = Duration::from_secs(5);
/// Reading again begins when the process is up: 1 s. This bounds a starved machine.
const MOVE_LIMIT: Duration = Duration::from_secs(30);
/// What has not moved on by itself when it is healed is put back.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn specs() -> [FaultSpec; 3] {
    let back = || Param {
        name: BACK,
        doc: "so many records, at the most to the topic's first",
        scale: Scale::Count { default: 1, max: BACK_MAX },
    };
    let topic = || Param {
        name: TOPIC,
        doc: "by its logical name",
        scale: Scale::Word { default: TOPICS[0], among: &TOPICS },
    };
    let spec = |id: &str, process: &'static str, doc: String, params| FaultSpec {
        id: format!("kafka.{id}"),
        doc,
        layer: Layer::Kafka,
        params,
        needs: Need::Offsets(process),
        blast: Blast::Cell,
        withholds: Vec::new(),
        raises: Vec::new(),
        waits_for_traffic: false,
        late: Late::default(),
    };
    let (shops, again) = ("the shop's intake of approved refunds", "reads again what it has read");
    let rewound = |who| format!("{who} is stopped, set back, and started: it {again}");
    let kept = format!("{shops} is stopped, and started where it stood");
    [
        spec("offsets.rewound", "shop", rewound(shops), vec![back()]),
        spec("offsets.kept", "shop", kept, Vec::new()),
        spec("dcheck-offsets.rewound", "dcheck", rewound("the reconciler"), vec![back(), topic()]),
    ]
}

/// Where a reader keeps the offset that it reads next: its own SQL.
struct Place {
    read: String,
    /// Before and after the number.
    write: (String, String),
}

impl Place {
    fn of(reader: &str, topic: &str) -> Place {
        match reader {
            "shop" => Place {
                read: format!("SELECT next_offset FROM consumer_offset WHERE topic = '{topic}'"),
                write: (
                    "UPDATE consumer_offset SET next_offset = ".to_owned(),
                    format!(" WHERE topic = '{topic}'"),
                ),
            },
            "dcheck" => {
                let path = format!("$.places.\"{topic}/0\".position");
                Place {
                    read: format!(
                        "SELECT JSON_UNQUOTE(JSON_EXTRACT(body, '{path}')) FROM dcheck.checkpoint"
                    ),
                    write: (
                        format!("UPDATE dcheck.checkpoint SET body = JSON_SET(body, '{path}', '"),
                        "') WHERE id = 1".to_owned(),
                    ),
                }
            }
            other => unreachable!("the registry has no reader `{other}`"),
        }
    }
}

pub(super) struct OffsetsFault {
    spec: &'static FaultSpec,
    database: MySqlConnectOptions,
    process: Arc<dyn Process>,
    client: reqwest::Client,
    place: Place,
    topic: String,
    /// None where it is to stand where it stood.
    back: Option<u64>,
    /// From here on the process may be down, and the position moved.
    touched: bool,
    /// Where it stood before it was touched.
    before: Option<u64>,
    /// Where it was set back to.
    set_back: Option<u64>,
}

impl OffsetsFault {
    pub fn new(
        spec: &'static FaultSpec,
        params: &Params,
        ground: &Ground,
        reader: &str,
    ) -> Result<OffsetsFault, FaultError> {
        let takes = |name: &str| spec.params.iter().any(|param| param.name == name);
        let topic = if takes(TOPIC) { params.word(TOPIC) } else { SHOPS_TOPIC };
        let client = reqwest::Client::builder().no_proxy().timeout(REST_LIMIT).build();
        let client = client.map_err(|error| FaultError::Inject {
            fault: spec.id.clone(),
            reason: format!("no HTTP client: {error}"),
        })?;
        Ok(OffsetsFault {
            spec,
            database: ground.books(spec)?.disable_statement_logging(),
            process: ground.process(spec, reader)?,
            client,
            place: Place::of(reader, topic),
            topic: topic.to_owned(),
            back: takes(BACK).then(|| params.count(BACK)),
            touched: false,
            before: None,
            set_back: None,
        })
    }

    /// The stored position; an error where nothing was read yet, or nothing is stored at all.
    async fn position(&self) -> Result<u64, String> {
        let mut database = sql::open(&self.database).await.map_err(said)?;
        let row = sql::first(&mut database, &self.place.read).await.map_err(said)?;
        let text = row.into_iter().flatten().next();
        match text.as_deref().and_then(|text| text.parse().ok()) {
            None | Some(0) => Err(format!("nothing of `{}` was read that could be", self.topic)),
            Some(position) => Ok(position),
        }
    }

    async fn put(&self, position: u64) -> Result<(), String> {
        let mut database = sql::open(&self.database).await.map_err(said)?;
        let (head, tail) = &self.place.write;
        sql::run(&mut database, &format!("{head}{position}{tail}")).await.map_err(said)
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        let done = self.rewind().await;
        done.map_err(|reason| FaultError::Inject { fault: self.spec.id.clone(), reason })
    }

    async fn rewind(&mut self) -> Result<String, String> {
        if self.set_back.is_none() {
            self.rest().await;
            // Asked first while it runs: who has read nothing is left alone.
            self.position().await?;
            self.touched = true;
            self.process.kill().await?;
            let before = self.position().await?;
            self.before = Some(before);
            let target = before.saturating_sub(self.back.unwrap_or_default());
            if target < before {
                self.put(target).await?;
            }
            self.set_back = Some(target);
        }
        if !self.process.is_running().await {
            self.process.restart().await?;
        }
        let (before, target) = (self.before.unwrap_or_default(), self.set_back.unwrap_or_default());
        Ok(format!("of `{}` it stood at {before}, and was put at {target}", self.topic))
    }

    /// Until it says that it has nothing to do, or for as long as it may take.
    async fn rest(&self) {
        let (url, start) = (format!("http://{}/clock", self.process.address()), Instant::now());
        while start.elapsed() < REST_LIMIT {
            if let Ok(answer) = self.client.get(&url).send().await
                && let Ok(report) = answer.json::<ClockReport>().await
                && report.busy == 0
            {
                return;
            }
            sleep(ASK_EVERY).await;
        }
    }

    pub async fn bites(&mut self) -> Result<String, FaultError> {
        let seen = match (self.set_back, self.before) {
            (Some(target), Some(before)) if target < before || self.back.is_none() => {
                self.reads_again(MOVE_LIMIT).await
            }
            _ => Err("it was not stopped and put anywhere".to_owned()),
        };
        seen.map_err(|reason| FaultError::NoBite { fault: self.spec.id.clone(), reason })
    }

    /// Only the reader itself moves its position on, by reading.
    async fn reads_again(&self, limit: Duration) -> Result<String, String> {
        let (start, before) = (Instant::now(), self.before.unwrap_or_default());
        loop {
            // Set back to the very first, it has read nothing for a moment.
            let now = self.position().await.unwrap_or_default();
            if now >= before {
                let alive = answers(&*self.process).await?;
                return Ok(format!("of `{}` it stands at {now} again; {alive}", self.topic));
            }
            if start.elapsed() > limit {
                return Err(format!("it stands at {now} and not at {before}"));
            }
            sleep(ASK_EVERY).await;
        }
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        let failed = |reason| FaultError::Heal { fault: self.spec.id.clone(), reason };
        if !self.touched {
            return Ok(());
        }
        if !self.process.is_running().await || self.reads_again(PATIENCE).await.is_err() {
            self.put_back().await.map_err(failed)?;
        }
        Ok(())
    }

    async fn put_back(&self) -> Result<(), String> {
        self.process.kill().await?;
        if let Some(before) = self.before
            && self.position().await.unwrap_or_default() < before
        {
            self.put(before).await?;
        }
        self.process.restart().await
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let seen = match self.touched {
            true => self.reads_again(MOVE_LIMIT).await,
            false => Ok("never touched".to_owned()),
        };
        seen.map_err(|reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason })
    }
}

fn said(error: SqlError) -> String {
    error.to_string()
}

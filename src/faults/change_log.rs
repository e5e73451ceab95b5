//! Faults on MySQL's change log: begun anew, or thrown away before it was read.
//!
//! A purge cannot be undone: what is healed is the reader's way to the log, and the gap stays for the reader to tell.
//! Not covered: servers that are given, logs kept by size or age.

use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use tokio::time::{Instant, sleep};

use super::link::{ASK_AGAIN, clear};
use super::sounding::Speech;
use super::sql::{self, SQL_LIMIT, SqlError};
use super::{Blast, FaultError, FaultSpec, Ground, Late, Layer, Need};
use crate::proxy::{Direction, Link, Refuse, Toxic, ToxicId, ToxicKind};

/// What MySQL 8.4 and later call otherwise.
const SYNTAX: u16 = 1064;

pub(super) fn specs() -> [FaultSpec; 2] {
    let spec = |what: &str, doc: &str| FaultSpec {
        id: format!("mysql.binlog.{what}"),
        doc: doc.to_owned(),
        layer: Layer::Mysql,
        params: Vec::new(),
        needs: Need::ChangeLog("cdc"),
        blast: Blast::Cell,
        withholds: Vec::new(),
        raises: Vec::new(),
        waits_for_traffic: false,
        late: Late::default(),
    };
    let rotated = spec("rotated", "the database ends its change log and begins a new one");
    let doc = "the change log is thrown away before it was read; what it held is gone for good";
    let mut purged = spec("purged", doc);
    purged.withholds = vec!["binlog", "cdc"];
    purged.raises = vec!["change-capture-stalled"];
    [rotated, purged]
}

pub(super) struct ChangeLogFault {
    spec: &'static FaultSpec,
    server: MySqlConnectOptions,
    /// The way of the log to its reader, who is cut off while it is purged; none where it is only rotated.
    way: Option<Link>,
    cut: Vec<ToxicId>,
    /// The log that was written before it was touched.
    before: Option<String>,
}

impl ChangeLogFault {
    pub fn new(
        spec: &'static FaultSpec,
        ground: &Ground,
        way: &str,
    ) -> Result<ChangeLogFault, FaultError> {
        let way = match spec.what_happened() {
            "rotated" => None,
            "purged" => Some(ground.link(spec, way)?),
            other => unreachable!("the registry has no `{other}` for the log"),
        };
        let server = ground.server(spec)?.disable_statement_logging();
        Ok(ChangeLogFault { spec, server, way, cut: Vec::new(), before: None })
    }

    async fn open(&self) -> Result<MySqlConnection, String> {
        sql::open(&self.server).await.map_err(said)
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        let done = match self.way.clone() {
            None => self.rotate().await,
            Some(way) => self.purge(&way).await,
        };
        done.map_err(|reason| FaultError::Inject { fault: self.spec.id.clone(), reason })
    }

    async fn rotate(&mut self) -> Result<String, String> {
        let mut server = self.open().await?;
        let now = written(&mut server).await.map_err(said)?;
        let before = self.before.get_or_insert_with(|| now.clone()).clone();
        if now == before {
            sql::run(&mut server, "FLUSH BINARY LOGS").await.map_err(said)?;
        }
        Ok(format!("log `{before}` was ended"))
    }

    /// The reader is cut off first: a server keeps what is being read.
    async fn purge(&mut self, way: &Link) -> Result<String, String> {
        if self.cut.is_empty() {
            let refuse = Toxic::new(ToxicKind::Refuse(Refuse {}), Direction::Both);
            for toxic in [refuse, Toxic::reset(0)] {
                self.cut.push(way.arm(toxic).map_err(|error| error.to_string())?);
            }
        }
        let start = Instant::now();
        while way.stats().connections_open > 0 {
            if start.elapsed() > SQL_LIMIT {
                return Err(format!("the reader on link `{}` cannot be cut off", way.name()));
            }
            sleep(ASK_AGAIN).await;
        }
        let ended = self.rotate().await?;
        let mut server = self.open().await?;
        loop {
            let last = written(&mut server).await.map_err(said)?;
            let purge = format!("PURGE BINARY LOGS TO '{last}'");
            sql::run(&mut server, &purge).await.map_err(said)?;
            if oldest(&mut server).await.map_err(said)? == last {
                self.let_read();
                return Ok(format!("{ended}, and thrown away"));
            }
            if start.elapsed() > SQL_LIMIT {
                return Err("somebody still reads the logs that are to be purged".to_owned());
            }
            sleep(ASK_AGAIN).await;
        }
    }

    /// The reader may come again.
    fn let_read(&mut self) {
        let Some(way) = &self.way else { return };
        for toxic in self.cut.drain(..) {
            way.disarm(toxic);
        }
    }

    pub async fn bites(&mut self) -> Result<String, FaultError> {
        let seen = self.look().await;
        seen.map_err(|reason| FaultError::NoBite { fault: self.spec.id.clone(), reason })
    }

    async fn look(&self) -> Result<String, String> {
        let mut server = self.open().await?;
        let before = self.before.clone().unwrap_or_default();
        let now = match self.way {
            None => written(&mut server).await.map_err(said)?,
            Some(_) => oldest(&mut server).await.map_err(said)?,
        };
        match (now == before, &self.way) {
            (true, _) => Err(format!("log `{before}` is still there, and goes on")),
            (false, None) => Ok(format!("the log goes on in `{now}`")),
            (false, Some(_)) => Ok(format!("`{before}` is gone, the oldest log is `{now}`")),
        }
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        self.let_read();
        Ok(())
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let seen = match &self.way {
            Some(way) => clear(way, Speech::Mysql).await,
            None => match self.open().await {
                Ok(mut server) => written(&mut server).await.map_err(said),
                Err(error) => Err(error),
            }
            .map(|now| format!("nothing to undo: the log goes on in `{now}`")),
        };
        seen.map_err(|reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason })
    }
}

/// The file that the server writes its log to.
async fn written(server: &mut MySqlConnection) -> Result<String, SqlError> {
    let status = match sql::first(server, "SHOW BINARY LOG STATUS").await {
        Err(error) if error.code() == Some(SYNTAX) => {
            sql::first(server, "SHOW MASTER STATUS").await?
        }
        other => other?,
    };
    Ok(status.into_iter().flatten().next().unwrap_or_default())
}

/// The oldest file of the log that is still there.
async fn oldest(server: &mut MySqlConnection) -> Result<String, SqlError> {
    let logs = sql::first(server, "SHOW BINARY LOGS").await?;
    Ok(logs.into_iter().flatten().next().unwrap_or_default())
}

fn said(error: SqlError) -> String {
    error.to_string()
}

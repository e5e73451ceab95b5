//! Faults of a replica: it falls behind the server that it follows.
//!
//! Whoever looks up there is told of a past that is over. The lag is the server's own (it applies each change so long
//! after its commit), on real time. Proved by a change that is made at the one and not seen at the other yet, by the
//! sets of transactions that both tell. Not covered: given servers.

use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use tokio::time::{Instant, sleep};

use super::link::ASK_AGAIN;
use super::params::{Param, Params, Scale};
use super::sql::{self, SqlError};
use super::{Blast, FaultError, FaultSpec, Ground, Late, Layer, Need, Pair};
use crate::stage::Service;

const DELAY: &str = "lag";
/// A share of the lag in which nothing may be seen yet: the rest is for a starved machine.
const UNSEEN_SHARE: u32 = 4;
/// What had to wait is applied in milliseconds once it may be.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(20);

pub(super) fn spec() -> FaultSpec {
    let scale = Scale::Span { default_ms: 2_000, min_ms: 1_000, max_ms: 60_000 };
    let doc = "applied so long after its commit, in whole seconds of real time";
    FaultSpec {
        id: "mysql.replica.lagging".to_owned(),
        doc: "the replica that look-ups are asked of falls behind; healing lets it catch up"
            .to_owned(),
        layer: Layer::Mysql,
        params: vec![Param { name: DELAY, doc, scale }],
        needs: Need::Replica,
        blast: Blast::Cell,
        withholds: Vec::new(),
        raises: Vec::new(),
        waits_for_traffic: false,
        late: Late::default(),
    }
}

pub(super) struct ReplicaFault {
    spec: &'static FaultSpec,
    primary: MySqlConnectOptions,
    replica: MySqlConnectOptions,
    lag: Duration,
    touched: bool,
}

impl ReplicaFault {
    pub fn new(
        spec: &'static FaultSpec,
        params: &Params,
        ground: &Ground,
    ) -> Result<ReplicaFault, FaultError> {
        let Pair { primary, replica } = ground.pair(spec)?;
        let met = |server: Service| {
            let at = server.endpoint;
            server.login.sqlx(&at.ip().to_string(), at.port()).disable_statement_logging()
        };
        let (primary, replica) = (met(primary), met(replica));
        let lag = params.duration(DELAY);
        Ok(ReplicaFault { spec, primary, replica, lag, touched: false })
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        self.touched = true;
        let done = self.delay(self.lag.as_secs()).await;
        done.map_err(|reason| FaultError::Inject { fault: self.spec.id.clone(), reason })?;
        Ok(format!("the replica is to be {} s behind", self.lag.as_secs()))
    }

    async fn delay(&self, seconds: u64) -> Result<(), String> {
        let mut replica = sql::open(&self.replica).await.map_err(said)?;
        for order in [
            "STOP REPLICA SQL_THREAD".to_owned(),
            format!("CHANGE REPLICATION SOURCE TO SOURCE_DELAY = {seconds}"),
            "START REPLICA SQL_THREAD".to_owned(),
        ] {
            sql::run(&mut replica, &order).await.map_err(said)?;
        }
        Ok(())
    }

    /// A change at the primary that harms nobody, and all that it has made by then.
    async fn change(&self) -> Result<String, String> {
        let mut primary = sql::open(&self.primary).await.map_err(said)?;
        sql::run(&mut primary, "FLUSH STATUS").await.map_err(said)?;
        let made = sql::first(&mut primary, "SELECT @@GLOBAL.gtid_executed").await.map_err(said)?;
        let made = made.into_iter().flatten().next().unwrap_or_default();
        match made.split_whitespace().collect::<String>() {
            none if none.is_empty() => Err("the primary numbers no transactions".to_owned()),
            all => Ok(all),
        }
    }

    pub async fn bites(&mut self) -> Result<String, FaultError> {
        let seen = self.is_behind().await;
        seen.map_err(|reason| FaultError::NoBite { fault: self.spec.id.clone(), reason })
    }

    async fn is_behind(&self) -> Result<String, String> {
        let start = Instant::now();
        let made = self.change().await?;
        let mut replica = sql::open(&self.replica).await.map_err(said)?;
        while start.elapsed() < self.lag / UNSEEN_SHARE {
            if has(&mut replica, &made).await? {
                let after_ms = start.elapsed().as_millis();
                return Err(format!("a change was seen there after {after_ms} ms already"));
            }
            sleep(ASK_AGAIN).await;
        }
        Ok(format!("a change is not seen there after {} ms", start.elapsed().as_millis()))
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        if !self.touched {
            return Ok(());
        }
        let done = self.delay(0).await;
        done.map_err(|reason| FaultError::Heal { fault: self.spec.id.clone(), reason })
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let seen = self.caught_up().await;
        seen.map_err(|reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason })
    }

    async fn caught_up(&self) -> Result<String, String> {
        let start = Instant::now();
        let made = self.change().await?;
        let mut replica = sql::open(&self.replica).await.map_err(said)?;
        while !has(&mut replica, &made).await? {
            if start.elapsed() > CATCH_UP_LIMIT {
                let limit_s = CATCH_UP_LIMIT.as_secs();
                return Err(format!("a change is not seen there after {limit_s} s"));
            }
            sleep(ASK_AGAIN).await;
        }
        Ok(format!("a change is seen there after {} ms", start.elapsed().as_millis()))
    }
}

async fn has(replica: &mut MySqlConnection, made: &str) -> Result<bool, String> {
    let query = format!("SELECT GTID_SUBSET('{made}', @@GLOBAL.gtid_executed)");
    let row = sql::first(replica, &query).await.map_err(said)?;
    Ok(row.into_iter().flatten().next().as_deref() == Some("1"))
}

fn said(error: SqlError) -> String {
    error.to_string()
}

//! The database fails over: the server that leads dies, its replica takes over, and every link leads there.
//!
//! What was acknowledged is at the replica before the first one dies, as semi-synchronous replication promises it: writes
//! are refused first and the replica catches up, so that the same seed loses the same. Healing turns it round again, in
//! good order: the old server is started, follows the new one, leads again, and the replica follows it as before; then
//! all other faults of the cell mean the servers they name. Before anything is touched it is tried whether the old server
//! could follow the new one. Proved through each link: who answers there, and whether a program of the cell may write.
//! Not covered: commits that were acknowledged and are lost, given servers.

use std::sync::Arc;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::mysql::MySqlConnectOptions;
use tokio::time::{Instant, sleep};

use super::link::ASK_AGAIN;
use super::process::{ANSWER_LIMIT, answers};
use super::sounding::{Sounding, sound};
use super::sql::{self, SqlError};
use super::{Blast, FaultError, FaultSpec, Ground, Late, Layer, Need, Pair, Process};
use crate::proxy::Link;
use crate::stage::cell::OURS;
use crate::stage::{Service, replica};

/// The last part of its id.
pub(super) const WHAT: &str = "failed-over";
const SERVER: &str = "mysql";
/// The links to the server that leads.
const LINKS: [&str; 4] = ["cdc", "sql", "shop-sql", OURS];
/// Touches no row, and is refused where writes are.
const WRITE: &str = "DELETE FROM drill_mark WHERE seq < 0";
/// More than the shop keeps; it takes them in turn.
const SHOP_CONNECTIONS: usize = 8;
/// A shop that does not come back within this is broken.
const SHOP_LIMIT: Duration = Duration::from_secs(10);

pub(super) fn spec() -> FaultSpec {
    let doc = "the database dies and its replica takes over for everybody; healing turns it round";
    FaultSpec {
        id: format!("mysql.server.{WHAT}"),
        doc: doc.to_owned(),
        layer: Layer::Mysql,
        params: Vec::new(),
        needs: Need::Replica,
        blast: Blast::Cell,
        withholds: Vec::new(),
        raises: Vec::new(),
        waits_for_traffic: false,
        late: Late::default(),
    }
}

pub(super) struct FailoverFault {
    spec: &'static FaultSpec,
    pair: Pair,
    process: Arc<dyn Process>,
    links: Vec<Link>,
    /// As the cell's programs are let in, by whatever link.
    anybody: MySqlConnectOptions,
    shop_url: String,
    touched: bool,
    done: bool,
}

impl FailoverFault {
    pub fn new(spec: &'static FaultSpec, ground: &Ground) -> Result<FailoverFault, FaultError> {
        let pair = ground.pair(spec)?;
        let process = ground.process(spec, SERVER)?;
        let anybody = ground.books(spec)?.disable_statement_logging();
        let links = LINKS.iter().map(|name| ground.link(spec, name));
        let links = links.collect::<Result<Vec<_>, _>>()?;
        let shop_url = ground.shop_url(spec)?;
        let (touched, done) = (false, false);
        Ok(FailoverFault { spec, pair, process, links, anybody, shop_url, touched, done })
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        if !self.done {
            let failed = |reason| FaultError::Inject { fault: self.spec.id.clone(), reason };
            let Pair { primary, replica } = &self.pair;
            // To try whether it could, the primary is told to follow.
            self.touched = true;
            replica::could_follow(primary, replica).await.map_err(said).map_err(failed)?;
            self.fail_over().await.map_err(failed)?;
            self.done = true;
        }
        Ok(format!("{} was killed, and {} leads", self.pair.primary.name, self.pair.replica.name))
    }

    async fn fail_over(&self) -> Result<(), String> {
        let Pair { primary, replica } = &self.pair;
        replica::refuse_writes(primary).await.map_err(said)?;
        replica::catch_up(replica, primary).await.map_err(said)?;
        self.process.kill().await?;
        replica::lead(replica).await.map_err(said)?;
        self.lead_to(replica);
        Ok(())
    }

    fn lead_to(&self, server: &Service) {
        let at = server.endpoint.to_string();
        for link in self.links.iter().filter(|link| link.upstream() != at) {
            link.redirect(&at);
        }
    }

    pub async fn bites(&mut self) -> Result<String, FaultError> {
        let seen = self.is_over().await;
        seen.map_err(|reason| FaultError::NoBite { fault: self.spec.id.clone(), reason })
    }

    async fn is_over(&self) -> Result<String, String> {
        let (at, speech) = (self.process.address(), self.process.speech());
        match sound(at, speech, ANSWER_LIMIT).await {
            Sounding::Cut(_) => {}
            other => return Err(format!("at {at} there is still {}", other.describe())),
        }
        let seen = self.leads(&self.pair.replica).await?;
        Ok(format!("nobody answers at {at}, and {seen}"))
    }

    /// Everybody's link leads to `server`, and whoever comes by one may write.
    async fn leads(&self, server: &Service) -> Result<String, String> {
        let uuid = uuid(&self.anybody_at(server.endpoint)).await?;
        for link in &self.links {
            let by_link = self.anybody_at(link.addr());
            let answered = self::uuid(&by_link).await?;
            if answered != uuid {
                return Err(format!("link `{}` is answered by {answered}", link.name()));
            }
            let mut conn = sql::open(&by_link).await.map_err(refused)?;
            sql::run(&mut conn, WRITE).await.map_err(refused)?;
        }
        self.serves_the_shop().await?;
        Ok(format!("by {} links {uuid} answers, and is written to", self.links.len()))
    }

    /// The shop has noticed: each connection that it had to the other server fails once.
    async fn serves_the_shop(&self) -> Result<(), String> {
        let (start, mut in_a_row) = (Instant::now(), 0);
        let asker = reqwest::Client::builder().no_proxy().timeout(ANSWER_LIMIT).build();
        let asker = asker.map_err(|error| format!("no HTTP client: {error}"))?;
        while in_a_row < SHOP_CONNECTIONS {
            let answer = asker.get(format!("{}/healthz", self.shop_url)).send().await;
            match answer.and_then(|answer| answer.error_for_status()) {
                Ok(_) => in_a_row += 1,
                Err(error) if start.elapsed() > SHOP_LIMIT => {
                    return Err(format!("the shop is not served: {error}"));
                }
                Err(_) => {
                    in_a_row = 0;
                    sleep(ASK_AGAIN).await;
                }
            }
        }
        Ok(())
    }

    fn anybody_at(&self, at: std::net::SocketAddr) -> MySqlConnectOptions {
        self.anybody.clone().host(&at.ip().to_string()).port(at.port())
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        if !self.touched {
            return Ok(());
        }
        let healed = self.turn_round().await;
        healed.map_err(|reason| FaultError::Heal { fault: self.spec.id.clone(), reason })?;
        self.done = false;
        Ok(())
    }

    /// From wherever an inject, or a heal, was left.
    async fn turn_round(&self) -> Result<(), String> {
        let Pair { primary, replica } = &self.pair;
        if !self.process.is_running().await {
            self.process.restart().await?;
        }
        if !replica::is_follower(replica).await.map_err(said)? {
            replica::follow(primary, replica).await.map_err(said)?;
            replica::refuse_writes(replica).await.map_err(said)?;
            replica::catch_up(primary, replica).await.map_err(said)?;
        }
        replica::lead(primary).await.map_err(said)?;
        self.lead_to(primary);
        replica::follow(replica, primary).await.map_err(said)
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let seen = match answers(&*self.process).await {
            Ok(_) => self.leads(&self.pair.primary).await,
            Err(error) => Err(error),
        };
        seen.map_err(|reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason })
    }
}

/// Who answers.
async fn uuid(at: &MySqlConnectOptions) -> Result<String, String> {
    let mut conn = sql::open(at).await.map_err(refused)?;
    let row = sql::first(&mut conn, "SELECT @@GLOBAL.server_uuid").await.map_err(refused)?;
    row.into_iter().flatten().next().ok_or_else(|| "the database does not say who it is".to_owned())
}

fn said(error: crate::stage::StageError) -> String {
    error.to_string()
}

fn refused(error: SqlError) -> String {
    error.to_string()
}

//! A leased server, as the run sees it: everything is asked of the holder, over the lease's own
//! connection.

use std::net::SocketAddr;

use super::{Answer, Connection, Request, StageError};
use crate::stage::service::Kind;

/// One lease. Dropping it gives the server back.
pub(in crate::stage) struct HeldServer(Connection);

/// Which server to lease.
pub(in crate::stage) enum Wanted<'a> {
    Kafka,
    OwnKafka(&'a str),
    MySql,
    /// Of the leased server at this address.
    Replica(SocketAddr),
}

impl Wanted<'_> {
    pub(in crate::stage) fn kind(&self) -> Kind {
        match self {
            Wanted::Kafka | Wanted::OwnKafka(_) => Kind::Kafka,
            Wanted::MySql | Wanted::Replica(_) => Kind::MySql,
        }
    }
}

pub(in crate::stage) async fn lease(
    wanted: &Wanted<'_>,
) -> Result<(HeldServer, SocketAddr), StageError> {
    let request = match wanted {
        Wanted::Kafka => Request::LeaseKafka,
        Wanted::OwnKafka(name) => Request::LeaseOwnKafka { name: (*name).to_owned() },
        Wanted::MySql => Request::LeaseMysql,
        Wanted::Replica(of) => Request::LeaseReplica { of: *of },
    };
    let mut connection = Connection::open().await?;
    match connection.ask(&request).await? {
        Answer::Leased(endpoint) => Ok((HeldServer(connection), endpoint)),
        other => Err(StageError::Warm(format!("lease a server: unexpected answer {other:?}"))),
    }
}

/// The brokers of a cluster, by one lease.
pub(in crate::stage) async fn lease_cluster(
    name: &str,
) -> Result<(HeldServer, Vec<SocketAddr>), StageError> {
    let mut connection = Connection::open().await?;
    match connection.ask(&Request::LeaseCluster { name: name.to_owned() }).await? {
        Answer::LeasedAll(endpoints) => Ok((HeldServer(connection), endpoints)),
        other => Err(StageError::Warm(format!("lease a cluster: unexpected answer {other:?}"))),
    }
}

impl HeldServer {
    async fn done(&mut self, request: Request) -> Result<(), StageError> {
        self.0.ask(&request).await.map(drop)
    }

    pub(in crate::stage) async fn kill(&mut self) -> Result<(), StageError> {
        self.done(Request::Kill).await
    }

    pub(in crate::stage) async fn pause(&mut self) -> Result<(), StageError> {
        self.done(Request::Pause).await
    }

    pub(in crate::stage) async fn resume(&mut self) -> Result<(), StageError> {
        self.done(Request::Resume).await
    }

    pub(in crate::stage) async fn restart(&mut self) -> Result<(), StageError> {
        self.done(Request::Restart).await
    }

    pub(in crate::stage) async fn remove(&mut self) -> Result<(), StageError> {
        self.done(Request::Remove).await
    }

    pub(in crate::stage) async fn is_running(&mut self) -> bool {
        matches!(self.0.ask(&Request::IsRunning).await, Ok(Answer::Running(true)))
    }

    pub(in crate::stage) async fn logs(&mut self, lines: usize) -> String {
        match self.0.ask(&Request::Logs { lines }).await {
            Ok(Answer::Text(text)) => text,
            _ => String::new(),
        }
    }
}

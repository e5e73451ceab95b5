//! A second MySQL server that follows a cell's own, by GTID: what look-ups are asked of where a scenario wants it so.
//!
//! It starts from the same template with a number of its own, is told whom to follow, and is there when it has all that
//! the other had by then. Writes to it are refused. Needs a server whose log begins with the server itself, so one
//! that served no cell before. Either of the two may lead: who follows, who leads and who refuses writes is told here,
//! each order may be given again. Not covered: given servers, containers of a warm stage as a source.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Row};

use super::{Service, StageError, mysql};

/// Beside the options of every server, which it overrides.
pub(super) const OPTIONS: [&str; 3] = ["--log-bin=binlog", "--server-id=2", "--relay-log=relay"];
/// The log of a server that has just been started: milliseconds. This bounds a starved machine.
const FOLLOW_LIMIT: Duration = Duration::from_secs(30);
/// Between two looks whether a connection is there.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Lets `follower` follow `source`, and returns when it has all that the other had by then.
pub async fn follow(follower: &Service, source: &Service) -> Result<(), StageError> {
    ordered("let a replica follow", follower, async {
        let mut conn = Conn::new(mysql::opts(follower.endpoint)).await?;
        tell_source(&mut conn, source).await?;
        conn.query_drop("START REPLICA").await?;
        conn.query_drop("SET GLOBAL super_read_only = ON").await?;
        conn.disconnect().await.map_err(Failed::from)
    })
    .await?;
    catch_up(follower, source).await
}

async fn tell_source(conn: &mut Conn, source: &Service) -> Result<(), Failed> {
    let (host, port) = source.met_by_servers().await.map_err(|e| Failed(e.to_string()))?;
    conn.query_drop("STOP REPLICA").await?;
    conn.query_drop(format!(
        "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '{host}', SOURCE_PORT = {port}, SOURCE_USER = 'root', \
         SOURCE_AUTO_POSITION = 1, SOURCE_CONNECT_RETRY = 1, GET_SOURCE_PUBLIC_KEY = 1"
    ))
    .await?;
    Ok(())
}

/// Waits until `follower` has all that `source` has now.
pub async fn catch_up(follower: &Service, source: &Service) -> Result<(), StageError> {
    ordered("let a replica catch up", follower, async {
        let mut first = Conn::new(mysql::opts(source.endpoint)).await?;
        let written: Option<String> = first.query_first("SELECT @@GLOBAL.gtid_executed").await?;
        first.disconnect().await?;
        let mut conn = Conn::new(mysql::opts(follower.endpoint)).await?;
        let wait = "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?)";
        let args = (written.unwrap_or_default(), FOLLOW_LIMIT.as_secs() / 2);
        let over: Option<u8> = conn.exec_first(wait, args).await?;
        let state = status(&mut conn).await?;
        conn.disconnect().await?;
        let said = |name| told(&state, name).filter(|text: &String| !text.is_empty());
        let why = || said("Last_IO_Error").or_else(|| said("Last_SQL_Error"));
        match over {
            Some(0) => Ok(()),
            _ => Err(Failed(why().unwrap_or_else(|| "it is behind still".to_owned()))),
        }
    })
    .await
}

/// Could `server` follow `source`? Tried, and ended again.
pub async fn could_follow(server: &Service, source: &Service) -> Result<(), StageError> {
    ordered("try whom a server could follow", server, async {
        let mut conn = Conn::new(mysql::opts(server.endpoint)).await?;
        tell_source(&mut conn, source).await?;
        conn.query_drop("START REPLICA IO_THREAD").await?;
        loop {
            let state = status(&mut conn).await?;
            match told(&state, "Replica_IO_Running").as_deref() {
                Some("Yes") => break,
                Some("Connecting") => tokio::time::sleep(LOOK_PAUSE).await,
                other => {
                    let why = told(&state, "Last_IO_Error").unwrap_or_default();
                    return Err(Failed(format!("{other:?}: {why}")));
                }
            }
        }
        conn.query_drop("STOP REPLICA").await?;
        conn.query_drop("RESET REPLICA ALL").await?;
        conn.disconnect().await.map_err(Failed::from)
    })
    .await
}

/// Was `server` told to follow another one?
pub async fn is_follower(server: &Service) -> Result<bool, StageError> {
    ordered("ask whether a server follows", server, async {
        let mut conn = Conn::new(mysql::opts(server.endpoint)).await?;
        let state = status(&mut conn).await?;
        conn.disconnect().await?;
        Ok(state.is_some())
    })
    .await
}

/// Nobody writes to `server` any more, but what it follows.
pub async fn refuse_writes(server: &Service) -> Result<(), StageError> {
    ordered("make a server read-only", server, async {
        let mut conn = Conn::new(mysql::opts(server.endpoint)).await?;
        conn.query_drop("SET GLOBAL super_read_only = ON").await?;
        conn.disconnect().await.map_err(Failed::from)
    })
    .await
}

/// `server` follows nobody any more, and takes writes.
pub async fn lead(server: &Service) -> Result<(), StageError> {
    ordered("let a server lead", server, async {
        let mut conn = Conn::new(mysql::opts(server.endpoint)).await?;
        if status(&mut conn).await?.is_some() {
            conn.query_drop("STOP REPLICA").await?;
            conn.query_drop("RESET REPLICA ALL").await?;
        }
        conn.query_drop("SET GLOBAL super_read_only = OFF").await?;
        conn.query_drop("SET GLOBAL read_only = OFF").await?;
        conn.disconnect().await.map_err(Failed::from)
    })
    .await
}

async fn status(conn: &mut Conn) -> Result<Option<Row>, Error> {
    conn.query_first("SHOW REPLICA STATUS").await
}

fn told(state: &Option<Row>, name: &str) -> Option<String> {
    state.as_ref()?.get_opt::<String, _>(name)?.ok()
}

/// Why an order was not carried out.
struct Failed(String);

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed(error.to_string())
    }
}

async fn ordered<T>(
    what: &'static str,
    server: &Service,
    work: impl Future<Output = Result<T, Failed>>,
) -> Result<T, StageError> {
    let done = tokio::time::timeout(FOLLOW_LIMIT, work).await;
    let done = done.unwrap_or_else(|_| Err(Failed(format!("not done within {FOLLOW_LIMIT:?}"))));
    let service = server.name.clone();
    done.map_err(|Failed(error)| StageError::Engine { what, service, error })
}

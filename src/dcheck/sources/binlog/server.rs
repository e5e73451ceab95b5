//! What the server must be set to, and where its log ends.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Row};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::dcheck::sources::{BINLOG, FromSource, Origin, Position};

/// How often the log's end is asked for, real time: the end of a silent log must become known well
/// inside 2 s.
const POLL_PERIOD: Duration = Duration::from_millis(500);
/// A poll that takes longer is given up: its answer would be old.
const POLL_LIMIT: Duration = Duration::from_secs(2);

/// Behind the magic number with which each file begins.
const LOG_HEAD: u64 = 4;

/// `Executed_Gtid_Set` in the answer about the log's end.
const GTIDS_COLUMN: usize = 4;

/// Why the binlog cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("binlog server: {0}")]
    Sql(#[from] mysql_async::Error),
    #[error("the server cannot give full rows: {}", .0.join("; "))]
    Settings(Vec<String>),
    #[error("the server has no binary log: start it with --log-bin")]
    NoLog,
    #[error("binlog server: no answer within {0} s")]
    Slow(u64),
}

/// (variable, accepted values, how to set it). A variable that the server does not know is taken as
/// accepted.
const SETTINGS: [(&str, &[&str], &str); 6] = [
    ("log_bin", &["ON", "1"], "--log-bin"),
    ("binlog_format", &["ROW"], "--binlog-format=ROW"),
    ("binlog_row_image", &["FULL"], "--binlog-row-image=FULL"),
    ("binlog_row_metadata", &["FULL"], "--binlog-row-metadata=FULL"),
    ("binlog_row_value_options", &[""], "--binlog-row-value-options=\"\""),
    // Rules that look up: what stands before a transaction in the log is seen before it.
    ("binlog_order_commits", &["ON", "1"], "--binlog-order-commits=ON"),
];

/// Options for a plain TCP connection as `url` says, on schema-less ground.
pub fn tcp_opts(url: &str) -> Result<Opts, mysql_async::UrlError> {
    let opts = OptsBuilder::from_opts(Opts::from_url(url)?)
        .db_name(None::<String>)
        .prefer_socket(false)
        .tcp_nodelay(true);
    Ok(opts.into())
}

/// Refuses a server whose log would leave columns or their names out, with all that is wrong; what it had better be set to.
pub async fn check_settings(conn: &mut Conn) -> Result<Option<String>, ServerError> {
    let asked = "SHOW GLOBAL VARIABLES WHERE Variable_name LIKE 'binlog\\_%' \
                 OR Variable_name IN ('log_bin', 'gtid_mode')";
    let rows: Vec<(String, String)> = conn.query(asked).await?;
    refuse_settings(&rows)?;
    Ok(lacks_gtids(&rows))
}

fn refuse_settings(found: &[(String, String)]) -> Result<(), ServerError> {
    let mut wrong = Vec::new();
    for (name, accepted, way_out) in SETTINGS {
        let Some((_, value)) = found.iter().find(|(found, _)| found == name) else { continue };
        if !accepted.iter().any(|ok| ok.eq_ignore_ascii_case(value)) {
            let wanted = accepted[0];
            let wanted = if wanted.is_empty() { "empty" } else { wanted };
            wrong.push(format!(
                "{name} is `{value}`, and must be {wanted}: start it with {way_out}"
            ));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(ServerError::Settings(wrong)) }
}

/// What works without, and worse; a server that does not know the setting (MariaDB) is not told so.
fn lacks_gtids(found: &[(String, String)]) -> Option<String> {
    let (_, mode) = found.iter().find(|(name, _)| name == "gtid_mode")?;
    let is_on = mode.eq_ignore_ascii_case("ON");
    (!is_on).then(|| {
        format!(
            "the server's gtid_mode is `{mode}`: look-ups wait for writers, and a gap is told by file and place alone; \
             start it with --gtid-mode=ON --enforce-gtid-consistency=ON"
        )
    })
}

/// The end of the log now.
pub async fn log_end(conn: &mut Conn) -> Result<Position, ServerError> {
    // MySQL 8.4 and later; the second is MariaDB's and older servers' name for it.
    let row: Option<Row> = match conn.query_first("SHOW BINARY LOG STATUS").await {
        Ok(row) => row,
        Err(mysql_async::Error::Server(_)) => conn.query_first("SHOW MASTER STATUS").await?,
        Err(error) => return Err(error.into()),
    };
    let mut row = row.ok_or(ServerError::NoLog)?;
    let (file, pos, gtids) = (row.take(0), row.take(1), row.take::<String, _>(GTIDS_COLUMN));
    let (Some(file), Some(pos)) = (file, pos) else { return Err(ServerError::NoLog) };
    let gtids = gtids.unwrap_or_default().parse();
    let server = numbering_server(conn).await?;
    let origin = server.zip(gtids.ok()).map(|(server, gtids)| Origin { server, gtids });
    Ok(Position::Log { file, pos, origin })
}

/// The oldest place that the log still has.
pub async fn log_begin(conn: &mut Conn) -> Result<Position, ServerError> {
    let oldest: Option<Row> = conn.query_first("SHOW BINARY LOGS").await?;
    let oldest = oldest.and_then(|mut row| row.take(0));
    let file: String = oldest.ok_or(ServerError::NoLog)?;
    let Some(server) = numbering_server(conn).await? else {
        return Ok(Position::log(file, LOG_HEAD));
    };
    let gone: Option<String> = conn.query_first("SELECT @@GLOBAL.gtid_purged").await?;
    let gtids = gone.unwrap_or_default().parse();
    let origin = gtids.ok().map(|gtids| Origin { server, gtids });
    Ok(Position::Log { file, pos: LOG_HEAD, origin })
}

/// The server's UUID, where it numbers its transactions.
pub async fn numbering_server(conn: &mut Conn) -> Result<Option<String>, ServerError> {
    match conn.query_first("SELECT @@GLOBAL.server_uuid, @@GLOBAL.gtid_mode").await {
        Ok(row) => {
            Ok(row.and_then(|(server, mode): (String, String)| (mode == "ON").then_some(server)))
        }
        // MariaDB's, and very old ones, have neither.
        Err(mysql_async::Error::Server(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the server says of a log that begins behind `from`, where `last` was the last transaction read.
pub async fn purged(
    conn: &mut Conn,
    from: &Position,
    last: Option<&str>,
) -> Result<String, ServerError> {
    let oldest: Option<Row> = conn.query_first("SHOW BINARY LOGS").await?;
    let oldest: String = oldest.and_then(|mut row| row.take(0)).unwrap_or_default();
    // Of a server that knows no GTIDs, or calls them otherwise, only the files are told.
    let read = last.and_then(read_up_to).unwrap_or_default();
    let asked = "SELECT GTID_SUBTRACT(@@GLOBAL.gtid_purged, ?)";
    let unread: Option<String> = conn.exec_first(asked, (read,)).await.unwrap_or_default();
    let unread = unread.filter(|set| !set.is_empty()).map(|set| set.replace(['\n', ' '], ""));
    let unread = match (unread, last) {
        (Some(set), Some(_)) => format!("transactions never read: {set}"),
        (Some(set), None) => format!("transactions never read are among those purged: {set}"),
        (None, _) => "how many transactions were never read is not known".to_owned(),
    };
    Ok(format!(
        "the log was purged before it was read: it was read up to {from}, the oldest that is left is `{oldest}`; {unread}; \
         nothing is skipped: reading stands still until somebody says where it goes on"
    ))
}

/// All transactions of a server up to one of its own, as a set.
fn read_up_to(gtid: &str) -> Option<String> {
    let (server, number) = gtid.rsplit_once(':')?;
    Some(format!("{server}:1-{number}"))
}

/// Asks for the log's end on a connection of its own, so that a stalled log stream does not hide
/// it.
pub struct LogEndPoll {
    pub url: String,
    pub clock: Clock,
    pub inbox: mpsc::Sender<FromSource>,
}

impl LogEndPoll {
    /// Until the receiver is gone.
    pub async fn run(self) {
        let Ok(opts) = tcp_opts(&self.url) else { return };
        let mut conn = None;
        let mut period = tokio::time::interval(POLL_PERIOD);
        period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !self.inbox.is_closed() {
            period.tick().await;
            // The end holds at least what was written before this instant.
            let at = self.clock.now();
            let polled = tokio::time::timeout(POLL_LIMIT, poll(&opts, conn.take())).await;
            let Ok(Ok((open, end))) = polled else { continue };
            conn = Some(open);
            let news = FromSource::LogEnd { source: BINLOG.into(), end, at };
            if self.inbox.send(news).await.is_err() {
                return;
            }
        }
    }
}

async fn poll(opts: &Opts, conn: Option<Conn>) -> Result<(Conn, Position), ServerError> {
    let mut conn = match conn {
        Some(conn) => conn,
        None => Conn::new(opts.clone()).await?,
    };
    let end = log_end(&mut conn).await?;
    Ok((conn, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_a_set() {
        let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let set = read_up_to(&format!("{uuid}:17"));
        assert_eq!(set, Some(format!("{uuid}:1-17")));
        let tagged = read_up_to(&format!("{uuid}:shop:17"));
        assert_eq!(tagged, Some(format!("{uuid}:shop:1-17")));
        assert_eq!(read_up_to(""), None);
    }

    #[test]
    fn a_server_that_hides_columns_is_refused_with_the_way_out() {
        let set = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        for (settings, way_out) in [
            (set("binlog_row_image", "FULL"), None),
            (set("binlog_row_image", "full"), None),
            (set("binlog_row_value_options", ""), None),
            (set("binlog_row_image", "MINIMAL"), Some("--binlog-row-image=FULL")),
            (set("binlog_row_metadata", "MINIMAL"), Some("--binlog-row-metadata=FULL")),
            (set("binlog_format", "STATEMENT"), Some("--binlog-format=ROW")),
            (set("binlog_order_commits", "OFF"), Some("--binlog-order-commits=ON")),
            (set("binlog_row_value_options", "PARTIAL_JSON"), Some("row-value-options")),
            (set("log_bin", "OFF"), Some("start it with --log-bin")),
            (set("gtid_mode", "OFF"), None),
        ] {
            let refused = refuse_settings(&settings).map_err(|error| error.to_string());
            match way_out {
                None => assert!(refused.is_ok(), "{settings:?}"),
                Some(text) => assert!(refused.unwrap_err().contains(text), "{settings:?}"),
            }
        }
        let all = [set("log_bin", "OFF"), set("binlog_row_image", "MINIMAL")].concat();
        let told = refuse_settings(&all).unwrap_err().to_string();
        assert!(told.contains("--log-bin") && told.contains("--binlog-row-image=FULL"), "{told}");
        for (mode, told) in [("ON", false), ("OFF", true), ("ON_PERMISSIVE", true)] {
            assert_eq!(lacks_gtids(&set("gtid_mode", mode)).is_some(), told, "{mode}");
        }
        assert_eq!(lacks_gtids(&set("log_bin", "ON")), None, "MariaDB");
    }
}

//! What the server must be set to, and where its log ends.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Row};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::dcheck::sources::{BINLOG, FromSource, Position};

/// How often the log's end is asked for, real time: the end of a silent log must become known well
/// inside 2 s.
const POLL_PERIOD: Duration = Duration::from_millis(500);
/// A poll that takes longer is given up: its answer would be old.
const POLL_LIMIT: Duration = Duration::from_secs(2);

/// Why the binlog cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("binlog server: {0}")]
    Sql(#[from] mysql_async::Error),
    #[error("the server's {name} is `{found}`, and must be {wanted}: start it with {way_out}")]
    Setting { name: &'static str, found: String, wanted: &'static str, way_out: &'static str },
    #[error("the server has no binary log: start it with --log-bin")]
    NoLog,
    #[error("binlog server: no answer within {0} s")]
    Slow(u64),
}

/// (variable, accepted values, how to set it). A variable that the server does not know is taken as
/// accepted.
const SETTINGS: [(&str, &[&str], &str); 5] = [
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

/// Refuses a server whose log would leave columns or their names out.
pub async fn check_settings(conn: &mut Conn) -> Result<(), ServerError> {
    let rows: Vec<(String, String)> = conn.query("SHOW GLOBAL VARIABLES LIKE 'binlog\\_%'").await?;
    refuse_settings(&rows)
}

fn refuse_settings(found: &[(String, String)]) -> Result<(), ServerError> {
    for (name, accepted, way_out) in SETTINGS {
        let Some((_, value)) = found.iter().find(|(found, _)| found == name) else { continue };
        if !accepted.iter().any(|ok| ok.eq_ignore_ascii_case(value)) {
            let wanted = accepted[0];
            let wanted = if wanted.is_empty() { "empty" } else { wanted };
            return Err(ServerError::Setting { name, found: value.clone(), wanted, way_out });
        }
    }
    Ok(())
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
    let (file, pos) = (row.take(0), row.take(1));
    match (file, pos) {
        (Some(file), Some(pos)) => Ok(Position::Log { file, pos }),
        _ => Err(ServerError::NoLog),
    }
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
        ] {
            let refused = refuse_settings(&settings).map_err(|error| error.to_string());
            match way_out {
                None => assert!(refused.is_ok(), "{settings:?}"),
                Some(text) => assert!(refused.unwrap_err().contains(text), "{settings:?}"),
            }
        }
    }
}

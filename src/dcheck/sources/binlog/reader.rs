//! The replication connection: connect, check, stream, cut at the borders of transactions,
//! reconnect.
//!
//! A transaction reaches the daemon as one stretch with the position behind it; what was read of an
//! unfinished one is thrown away when the connection breaks, and read again. Where another server has taken over, the
//! reader goes on there behind the transactions that it has. Must not know what the daemon does with it.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt;
use mysql_async::binlog::EventType;
use mysql_async::binlog::events::{Event as LogEvent, EventData, RowsEventData};
use mysql_async::{BinlogStream, Conn};
use tokio::sync::mpsc;

use super::decode::{DecodeError, Shape};
use super::open::open;
use super::rows::{mark_of, row_event};
use super::server::{ServerError, check_settings, purged, tcp_opts};
use super::stamps::Stamps;
use super::tables::{is_ddl, shown, tables, tables_anew};
use crate::clock::Clock;
use crate::dcheck::log;
use crate::dcheck::sources::{
    BINLOG, Dating, Entry, FromSource, Origin, Position, RECONNECT_FIRST, Start, backed_off,
};
use crate::wire::MARK_TABLE;

/// Rows of one transaction in one message: bounds the memory of a bulk update.
const PART_ROWS: usize = 1_000;
/// The server's word for a place that its log no longer has.
const NO_SUCH_PLACE: u16 = 1236;
/// Connect, check and first packet; a server that needs longer is asked again.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// A connection on which not even a heartbeat comes for this long is dead or stalled, and made again.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// Which log to read, and what of it.
#[derive(Clone)]
pub struct BinlogSettings {
    pub url: String,
    /// Tables of other schemas are dropped.
    pub schema: String,
    /// Gives this reader's replica id on the server: the same group replaces its own old
    /// connection.
    pub group: String,
    /// Where to start; None: where `start` says.
    pub from: Option<Position>,
    pub start: Start,
    pub dating: Option<Dating>,
    pub clock: Clock,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("binlog connection: {0}")]
    Sql(#[from] mysql_async::Error),
    #[error("{0}")]
    Server(#[from] ServerError),
    #[error("{0}")]
    Decode(#[from] DecodeError),
    #[error("binlog event: {0}")]
    Event(#[from] std::io::Error),
    #[error("binlog connection: nothing for {0} s, not even a heartbeat")]
    Silent(u64),
    #[error("binlog connection: the server ended the stream")]
    Ended,
    #[error("binlog url: {0}; write mysql://USER@HOST:PORT/SCHEMA")]
    Url(#[from] mysql_async::UrlError),
    #[error("binlog position: the server does not take {0} for numbers of transactions: {1}")]
    Numbers(String, std::io::Error),
    #[error("the daemon ends")]
    Closed,
}

/// Reads one binlog for ever.
pub struct BinlogReader {
    settings: BinlogSettings,
    inbox: mpsc::Sender<FromSource>,
    file: String,
    /// The last border of a transaction.
    border: Option<Position>,
    /// Whose log is read, and all that was read of it: the border's.
    origin: Option<Origin>,
    /// Another server has taken over, and no transaction of it was read yet: until then its places say nothing.
    crossing: bool,
    /// The last transaction that was read whole, where the log names them.
    last: Option<String>,
    /// What the server had better be set to, told once.
    advice: Option<String>,
    stamps: Stamps,
    shapes: HashMap<u64, Shape>,
    open: Transaction,
    /// Between the GTID and the commit.
    inside: bool,
    /// The end of the compressed transaction whose events are coming.
    payload_end: Option<u64>,
}

/// What was read of the transaction that is not at its end.
#[derive(Default)]
struct Transaction {
    id: Option<String>,
    commit_us: i64,
    entries: Vec<Entry>,
    rows: usize,
}

impl BinlogReader {
    pub fn new(settings: BinlogSettings, inbox: mpsc::Sender<FromSource>) -> BinlogReader {
        let (border, stamps) = (settings.from.clone(), Stamps::new(settings.dating));
        BinlogReader {
            settings,
            inbox,
            file: String::new(),
            border,
            origin: None,
            crossing: false,
            last: None,
            advice: None,
            stamps,
            shapes: HashMap::new(),
            open: Transaction::default(),
            inside: false,
            payload_end: None,
        }
    }

    /// Until the receiver is gone.
    pub async fn run(mut self) {
        let mut pause = RECONNECT_FIRST;
        loop {
            let before = self.border.clone();
            let Err(error) = self.read().await;
            if matches!(error, ReadError::Closed) || self.inbox.is_closed() {
                return;
            }
            let why = self.explain(&error).await;
            let lost = FromSource::Lost { source: BINLOG.into(), why };
            if self.inbox.send(lost).await.is_err() {
                return;
            }
            pause = if self.border == before { backed_off(pause) } else { RECONNECT_FIRST };
            tokio::time::sleep(pause).await;
        }
    }

    /// With what is missing, where the log has lost the place to read on from.
    async fn explain(&self, error: &ReadError) -> String {
        let told = error.to_string();
        let is_gone = matches!(error, ReadError::Sql(mysql_async::Error::Server(error)) if error.code == NO_SUCH_PLACE);
        let (true, Some(from), Ok(opts)) = (is_gone, &self.border, tcp_opts(&self.settings.url))
        else {
            return told;
        };
        let ask = async {
            let mut conn = Conn::new(opts).await?;
            purged(&mut conn, from, self.last.as_deref()).await
        };
        match tokio::time::timeout(HANDSHAKE_LIMIT, ask).await {
            Ok(Ok(gap)) => gap,
            _ => told,
        }
    }

    async fn read(&mut self) -> Result<std::convert::Infallible, ReadError> {
        self.open = Transaction::default();
        (self.inside, self.payload_end) = (false, None);
        self.shapes.clear();
        let slow = |_| ReadError::Server(ServerError::Slow(HANDSHAKE_LIMIT.as_secs()));
        let (mut stream, from) =
            tokio::time::timeout(HANDSHAKE_LIMIT, self.connect()).await.map_err(slow)??;
        self.send(FromSource::Connected { source: BINLOG.into(), position: from }).await?;
        loop {
            let next = tokio::time::timeout(SILENCE_LIMIT, stream.next()).await;
            let event = next
                .map_err(|_| ReadError::Silent(SILENCE_LIMIT.as_secs()))?
                .ok_or(ReadError::Ended)??;
            self.take(&stream, &event).await?;
        }
    }

    async fn connect(&mut self) -> Result<(BinlogStream, Position), ReadError> {
        let mut conn = Conn::new(tcp_opts(&self.settings.url)?).await?;
        let advice = check_settings(&mut conn).await?;
        if advice != self.advice {
            advice.iter().for_each(|advice| log::info("binlog", advice));
            self.advice = advice;
        }
        let tables = tables(&mut conn, &self.settings.schema).await?;
        self.send(FromSource::Tables { tables, ddl: None }).await?;
        let (group, start) = (&self.settings.group, self.settings.start);
        let opened = open(conn, group, self.border.as_ref(), start).await?;
        (self.file, self.origin, self.crossing) = (opened.file, opened.origin, opened.crossing);
        self.border = Some(opened.from.clone());
        Ok((opened.stream, opened.from))
    }

    async fn take(&mut self, stream: &BinlogStream, event: &LogEvent) -> Result<(), ReadError> {
        // Inside a compressed transaction the events carry no place of their own.
        let end = u64::from(event.header().log_pos());
        let kind = event.header().event_type().unwrap_or(EventType::UNKNOWN_EVENT);
        match kind {
            EventType::ROTATE_EVENT => {
                // The first one only names the file that was asked for.
                if let Some(EventData::RotateEvent(rotate)) = event.read_data()?
                    && rotate.name() != self.file
                {
                    self.file = rotate.name().into_owned();
                    if !self.crossing {
                        self.border = Some(self.place(rotate.position()));
                    }
                }
            }
            EventType::GTID_EVENT
            | EventType::GTID_TAGGED_LOG_EVENT
            | EventType::ANONYMOUS_GTID_EVENT => self.begin(event)?,
            EventType::TABLE_MAP_EVENT => {
                if let Some(EventData::TableMapEvent(map)) = event.read_data()? {
                    self.learn(&map)?;
                }
            }
            EventType::WRITE_ROWS_EVENT
            | EventType::UPDATE_ROWS_EVENT
            | EventType::DELETE_ROWS_EVENT
            | EventType::WRITE_ROWS_EVENT_V1
            | EventType::UPDATE_ROWS_EVENT_V1
            | EventType::DELETE_ROWS_EVENT_V1
            | EventType::PARTIAL_UPDATE_ROWS_EVENT => {
                if let Some(EventData::RowsEvent(rows)) = event.read_data()? {
                    self.rows(stream, &rows, end)?;
                    if self.open.rows >= PART_ROWS {
                        self.hand_over(None).await?;
                    }
                }
            }
            EventType::XID_EVENT | EventType::XA_PREPARE_LOG_EVENT => self.commit(end).await?,
            EventType::QUERY_EVENT => {
                if let Some(EventData::QueryEvent(query)) = event.read_data()?
                    && !opens_or_saves(&query.query())
                {
                    self.commit(end).await?;
                    self.look_at_tables(&query.query()).await?;
                }
            }
            EventType::TRANSACTION_PAYLOAD_EVENT => self.payload_end = Some(end),
            // The head of a file and heartbeats: the log's end may be right behind them.
            _ if !self.inside && !self.crossing && end > 0 => self.commit(end).await?,
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, event: &LogEvent) -> Result<(), ReadError> {
        let gtid = match event.read_data()? {
            Some(EventData::GtidEvent(gtid)) => gtid,
            Some(EventData::AnonymousGtidEvent(anonymous)) => anonymous.0,
            _ => return Ok(()),
        };
        let stamp = gtid.immediate_commit_timestamp();
        let commit_us = match i64::try_from(stamp) {
            Ok(us) if us > 0 => us,
            _ => i64::from(event.header().timestamp()) * 1_000_000,
        };
        let tag = gtid.tag().map(|tag| format!("{tag}:")).unwrap_or_default();
        let id = (gtid.gno() > 0).then(|| format!("{}:{tag}{}", hyphened(gtid.sid()), gtid.gno()));
        self.open = Transaction { id, commit_us, ..Transaction::default() };
        self.inside = true;
        Ok(())
    }

    fn learn(
        &mut self,
        map: &mysql_async::binlog::events::TableMapEvent<'_>,
    ) -> Result<(), ReadError> {
        if map.database_name() == self.settings.schema {
            self.shapes.insert(map.table_id(), Shape::of(map)?);
        } else {
            self.shapes.remove(&map.table_id());
        }
        Ok(())
    }

    fn rows(
        &mut self,
        stream: &BinlogStream,
        rows: &RowsEventData<'_>,
        end: u64,
    ) -> Result<(), ReadError> {
        let Some(shape) = self.shapes.get(&rows.table_id()) else { return Ok(()) };
        let Some(map) = stream.get_tme(rows.table_id()) else { return Ok(()) };
        for images in rows.rows(map) {
            let (before, after) = images?;
            let before = before.map(|image| shape.row(image)).transpose()?;
            let after = after.map(|image| shape.row(image)).transpose()?;
            self.open.rows += 1;
            if shape.table == MARK_TABLE {
                if let Some(mark) = after.as_ref().and_then(mark_of) {
                    self.stamps.marked(mark.at, self.open.commit_us);
                    self.open.entries.push(Entry::Mark(mark));
                }
                continue;
            }
            let at = self.stamps.cell_time(self.open.commit_us, self.settings.clock.now());
            let position = format!("{}:{end}", self.file);
            let id = self.open.id.clone();
            let event = row_event(shape.table.clone(), before, after, id, position, at);
            self.open.entries.push(Entry::Event(event));
        }
        Ok(())
    }

    async fn commit(&mut self, end: u64) -> Result<(), ReadError> {
        let pos = self.payload_end.take().unwrap_or(end);
        if let (Some(origin), Some(id)) = (&mut self.origin, &self.open.id) {
            origin.gtids.add(id);
        }
        self.crossing = false;
        let border = Some(self.place(pos));
        self.border.clone_from(&border);
        self.last = self.open.id.take().or(self.last.take());
        self.inside = false;
        self.hand_over(border).await?;
        self.open = Transaction::default();
        Ok(())
    }

    fn place(&self, pos: u64) -> Position {
        Position::Log { file: self.file.clone(), pos, origin: self.origin.clone() }
    }

    /// After a statement that may have changed them. Where the server does not say, the next connection asks again.
    async fn look_at_tables(&mut self, query: &str) -> Result<(), ReadError> {
        if !is_ddl(query) {
            return Ok(());
        }
        let asked = tables_anew(tcp_opts(&self.settings.url)?, &self.settings.schema);
        match tokio::time::timeout(HANDSHAKE_LIMIT, asked).await {
            Ok(Ok(tables)) => {
                self.send(FromSource::Tables { tables, ddl: Some(shown(query)) }).await
            }
            _ => Ok(()),
        }
    }

    async fn hand_over(&mut self, position: Option<Position>) -> Result<(), ReadError> {
        self.open.rows = 0;
        let entries = std::mem::take(&mut self.open.entries);
        let (source, dating) = (BINLOG.to_owned(), self.stamps.dating);
        self.send(FromSource::Read { source, entries, position, dating, undecodable: None }).await
    }

    async fn send(&self, news: FromSource) -> Result<(), ReadError> {
        self.inbox.send(news).await.map_err(|_| ReadError::Closed)
    }
}

/// A server's UUID as its GTIDs are written.
fn hyphened(uuid: [u8; 16]) -> String {
    let digits = hex::encode(uuid);
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}

/// Statements that stand inside a transaction and do not end it.
fn opens_or_saves(query: &str) -> bool {
    let query = query.trim_start().to_ascii_uppercase();
    ["BEGIN", "SAVEPOINT", "XA START", "XA END", "ROLLBACK TO"]
        .iter()
        .any(|word| query.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gtid_is_written_as_the_server_writes_it() {
        let uuid = std::array::from_fn(|place| u8::try_from(place).unwrap());
        assert_eq!(hyphened(uuid), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    }

    #[test]
    fn what_ends_a_transaction() {
        for (query, inside) in [
            ("BEGIN", true),
            ("begin", true),
            ("SAVEPOINT a", true),
            ("COMMIT", false),
            ("CREATE TABLE t (a INT)", false),
            ("TRUNCATE TABLE orders", false),
        ] {
            assert_eq!(opens_or_saves(query), inside, "{query}");
        }
    }
}

//! The replication connection: connect, check, stream, cut at the borders of transactions,
//! reconnect.
//!
//! A transaction reaches the daemon as one stretch with the position behind it; what was read of an
//! unfinished one is thrown away when the connection breaks, and read again. Must not know what the
//! daemon does with it.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt;
use mysql_async::binlog::EventType;
use mysql_async::binlog::events::{Event as LogEvent, EventData, RowsEventData};
use mysql_async::prelude::Queryable;
use mysql_async::{BinlogStream, BinlogStreamRequest, Conn};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::decode::{DecodeError, Shape};
use super::server::{ServerError, check_settings, log_end, tcp_opts};
use crate::clock::CellTime;
use crate::dcheck::event::{Event, Op, Row, Value};
use crate::dcheck::sources::{
    BINLOG, Dating, Entry, FromSource, Position, RECONNECT_FIRST, backed_off,
};
use crate::wire::{MARK_TABLE, Mark, MarkKind};

/// Rows of one transaction in one message: bounds the memory of a bulk update.
const PART_ROWS: usize = 1_000;
/// Connect, check and first packet; a server that needs longer is asked again.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// The server sends a heartbeat on a silent log this often …
const HEARTBEAT: Duration = Duration::from_secs(10);
/// … so that a connection on which nothing comes for this long is dead or stalled, and made again.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// Which log to read, and what of it.
#[derive(Clone, Debug)]
pub struct BinlogSettings {
    pub url: String,
    /// Tables of other schemas are dropped.
    pub schema: String,
    /// Gives this reader's replica id on the server: the same group replaces its own old
    /// connection.
    pub group: String,
    /// Where to start; the log's present end when None.
    pub from: Option<Position>,
    pub dating: Option<Dating>,
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
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
    dating: Option<Dating>,
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
        let (border, dating) = (settings.from.clone(), settings.dating);
        BinlogReader {
            settings,
            inbox,
            file: String::new(),
            border,
            dating,
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
            let lost = FromSource::Lost { source: BINLOG.into(), why: error.to_string() };
            if self.inbox.send(lost).await.is_err() {
                return;
            }
            pause = if self.border == before { backed_off(pause) } else { RECONNECT_FIRST };
            tokio::time::sleep(pause).await;
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
        check_settings(&mut conn).await?;
        let from = match &self.border {
            Some(position) => position.clone(),
            None => log_end(&mut conn).await?,
        };
        let Position::Log { file, pos } = from.clone() else { return Err(ReadError::Ended) };
        let period = HEARTBEAT.as_nanos();
        conn.query_drop(format!(
            "SET @source_heartbeat_period = {period}, @master_heartbeat_period = {period}"
        ))
        .await?;
        let request = BinlogStreamRequest::new(replica_id(&self.settings.group))
            .with_filename(file.as_bytes())
            .with_pos(pos);
        let stream = conn.get_binlog_stream(request).await?;
        self.file.clone_from(&file);
        self.border = Some(from.clone());
        Ok((stream, from))
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
                    let pos = rotate.position();
                    self.border = Some(Position::Log { file: self.file.clone(), pos });
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
                }
            }
            EventType::TRANSACTION_PAYLOAD_EVENT => self.payload_end = Some(end),
            // The head of a file and heartbeats: the log's end may be right behind them.
            _ if !self.inside && end > 0 => self.commit(end).await?,
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
                    self.dating =
                        Some(Dating { mark_at_ms: mark.at, mark_commit_us: self.open.commit_us });
                    self.open.entries.push(Entry::Mark(mark));
                }
                continue;
            }
            let at = Dating::cell_time(self.dating, self.open.commit_us);
            let position = format!("{}:{end}", self.file);
            let id = self.open.id.clone();
            let event = row_event(shape.table.clone(), before, after, id, position, at);
            self.open.entries.push(Entry::Event(event));
        }
        Ok(())
    }

    async fn commit(&mut self, end: u64) -> Result<(), ReadError> {
        let pos = self.payload_end.take().unwrap_or(end);
        let border = Some(Position::Log { file: self.file.clone(), pos });
        self.border.clone_from(&border);
        self.inside = false;
        self.hand_over(border).await?;
        self.open = Transaction::default();
        Ok(())
    }

    async fn hand_over(&mut self, position: Option<Position>) -> Result<(), ReadError> {
        self.open.rows = 0;
        let entries = std::mem::take(&mut self.open.entries);
        let (source, dating) = (BINLOG.to_owned(), self.dating);
        self.send(FromSource::Read { source, entries, position, dating, undecodable: 0 }).await
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

/// A replica id of our own range, the same for the same group.
fn replica_id(group: &str) -> u32 {
    let digest = Sha256::digest(group.as_bytes());
    0x4000_0000 | u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) >> 2
}

fn row_event(
    table: String,
    before: Option<Row>,
    after: Option<Row>,
    txn: Option<String>,
    position: String,
    at: CellTime,
) -> Event {
    let (op, changed) = match (&before, &after) {
        (Some(before), Some(after)) => (Op::Update, Event::changed_columns(before, after)),
        (Some(_), None) => (Op::Delete, Vec::new()),
        _ => (Op::Insert, Vec::new()),
    };
    Event { source: BINLOG.into(), stream: table, op, before, after, changed, txn, position, at }
}

fn mark_of(row: &Row) -> Option<Mark> {
    let int = |name: &str| match row.get(name) {
        Some(Value::Int(int)) => i64::try_from(*int).ok(),
        _ => None,
    };
    let kind = match row.get("kind") {
        Some(Value::Text(kind)) => match kind.as_str() {
            "a" | "A" => MarkKind::A,
            "b" | "B" => MarkKind::B,
            _ => MarkKind::Beat,
        },
        _ => return None,
    };
    let seq = u64::try_from(int("seq")?).ok()?;
    Some(Mark { seq, kind, offset_ms: int("offset_ms")?, at: int("at")? })
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

    #[test]
    fn a_mark_is_read_from_its_row() {
        let row = |seq: Value| -> Row {
            [
                ("seq", seq),
                ("kind", "b".into()),
                ("offset_ms", Value::Int(30_000)),
                ("at", Value::Int(1_767_578_400_000)),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into()
        };
        let mark = mark_of(&row(Value::Int(7))).unwrap();
        assert_eq!((mark.seq, mark.kind, mark.offset_ms), (7, MarkKind::B, 30_000));
        assert_eq!(mark_of(&row(Value::Null)), None);
        assert_eq!(mark_of(&row(Value::Int(-1))), None);
    }
}

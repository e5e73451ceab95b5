//! Reading the binlog: connect at the log's end, follow it, come back after a restart of the
//! server, and go on at another server that has taken over, behind the transactions that were read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::StreamExt;
use mysql_async::binlog::events::{Event as LogEvent, EventData, RowsEventData};
use mysql_async::prelude::Queryable;
use mysql_async::{BinlogStream, BinlogStreamRequest, Conn, GnoInterval, Sid};
use tokio::time::{sleep, timeout};

use super::books::Books;
use super::ledgers::Ledgers;
use super::rows::{Change, Row, RowError};
use super::{BINLOG, Reader};
use crate::clock::CellTime;
use crate::probe::{ProbeError, Servers};
use crate::stage::Login;
use crate::wire::MARK_TABLE;

/// A server that is up answers in milliseconds; a paused one never does.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// Between two tries to come back: short beside the second that a start takes.
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);

/// A replica's id must be its own on its server: the server ends the older of two.
const SERVER_ID_BASE: u32 = 3_100_000_000;
static SERVER_IDS: AtomicU32 = AtomicU32::new(0);

/// `Executed_Gtid_Set` in the answer about the log's end.
const GTIDS_COLUMN: usize = 4;

/// Who numbered a transaction.
type Uuid = [u8; 16];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Position {
    /// Whose file it is; none where the server numbers no transactions.
    server: Option<String>,
    file: Vec<u8>,
    offset: u64,
}

/// The oracle's own replica.
pub(super) struct Binlog {
    host: String,
    port: u16,
    login: Login,
    schema: String,
    server_id: u32,
    /// The end of the last whole transaction: where to come back to.
    boundary: Position,
    /// The last number of each giver that was read: a cell's servers number without gaps.
    read: BTreeMap<Uuid, u64>,
    /// Of the transaction that is being read.
    number: Option<(Uuid, u64)>,
    /// Where another server is read that has taken over, before its first transaction: no place to come back to.
    crossing: Option<Position>,
    stream: Option<BinlogStream>,
    books: Books,
    ledgers: Ledgers,
}

impl Binlog {
    /// Connects, and stands at the log's end when this returns.
    pub async fn open(servers: &Servers, reader: &Reader) -> Result<Binlog, ProbeError> {
        let (host, port) = servers.mysql.clone();
        let mut binlog = Binlog {
            host,
            port,
            login: servers.login.clone(),
            schema: servers.schema.clone(),
            server_id: SERVER_ID_BASE + SERVER_IDS.fetch_add(1, Ordering::Relaxed) % 100_000_000,
            boundary: Position::default(),
            read: BTreeMap::new(),
            number: None,
            crossing: None,
            stream: None,
            books: Books::default(),
            ledgers: Ledgers::default(),
        };
        let mut conn = binlog.connect().await?;
        binlog.boundary = binlog.end_of_log(&mut conn).await?;
        // The connection that asked becomes the stream.
        binlog.stream = Some(binlog.follow(conn).await?);
        reader.trouble("none");
        Ok(binlog)
    }

    /// Follows the log until the task is aborted.
    pub async fn run(mut self, reader: Reader) {
        loop {
            let Some(stream) = self.stream.as_mut() else {
                if let Err(error) = self.reopen().await {
                    reader.trouble(error);
                    sleep(RECONNECT_PAUSE).await;
                }
                continue;
            };
            let due = self.books.next_due();
            let event = tokio::select! {
                event = stream.next() => event,
                () = reader.recorder.clock().sleep_until(due.unwrap_or(CellTime(i64::MAX))),
                    if due.is_some() =>
                {
                    let now = reader.now();
                    self.books.tick(now).into_iter().for_each(|event| reader.record(now, event));
                    continue;
                }
            };
            match event {
                Some(Ok(event)) => self.take(&event, &reader),
                Some(Err(error)) => {
                    reader.trouble(error);
                    self.stream = None;
                }
                None => {
                    reader.trouble("the server ended the binlog stream");
                    self.stream = None;
                }
            }
        }
    }

    fn take(&mut self, event: &LogEvent, reader: &Reader) {
        let now = reader.now();
        let data = match event.read_data() {
            Ok(Some(data)) => data,
            Ok(None) => return,
            Err(error) => return reader.broken(now, format!("cannot decode the binlog: {error}")),
        };
        match data {
            EventData::RowsEvent(rows) => {
                if let Err(text) = self.take_rows(&rows, now, reader) {
                    reader.broken(now, text);
                }
            }
            EventData::RotateEvent(rotate) => {
                let place = self.crossing.as_mut().unwrap_or(&mut self.boundary);
                place.file = rotate.name_raw().to_vec();
                place.offset = rotate.position().max(4);
            }
            EventData::GtidEvent(gtid) => self.number = Some((gtid.sid(), gtid.gno())),
            // A commit, or a statement that is one (DDL). `BEGIN` opens a transaction and is none.
            EventData::XidEvent(_) => self.commit(event),
            EventData::QueryEvent(query) if query.query() != "BEGIN" => self.commit(event),
            _ => {}
        }
    }

    fn commit(&mut self, event: &LogEvent) {
        if let Some(place) = self.crossing.take() {
            self.boundary = place;
        }
        self.read.extend(self.number.take());
        match event.header().log_pos() {
            0 => {}
            offset => self.boundary.offset = u64::from(offset),
        }
    }

    fn take_rows(
        &mut self,
        rows: &RowsEventData<'_>,
        now: CellTime,
        reader: &Reader,
    ) -> Result<(), String> {
        let Some(stream) = &self.stream else { return Ok(()) };
        let map = stream.get_tme(rows.table_id()).ok_or("rows without their table's map")?;
        if map.database_name() != self.schema {
            return Ok(());
        }
        let table = map.table_name();
        for images in rows.rows(map) {
            let (before, after) =
                images.map_err(|error| format!("cannot decode {table}: {error}"))?;
            let change = Change {
                table: table.clone().into_owned(),
                before: before.map(|row| Row::read(&table, &row)),
                after: after.map(|row| Row::read(&table, &row)),
            };
            let told = |error: RowError| error.to_string();
            if table == MARK_TABLE {
                if let Some(row) = &change.after {
                    let seq = row.int("seq").map_err(told)?;
                    reader.mark(now, BINLOG, seq.unsigned_abs());
                }
                continue;
            }
            let mut events = self.books.apply(&change, now).map_err(told)?;
            events.extend(self.ledgers.apply(&change).map_err(told)?);
            for event in events {
                reader.record(now, event);
            }
        }
        Ok(())
    }

    async fn reopen(&mut self) -> Result<(), ProbeError> {
        let conn = self.connect().await?;
        self.stream = Some(self.follow(conn).await?);
        Ok(())
    }

    async fn connect(&self) -> Result<Conn, ProbeError> {
        let options = self.login.mysql_async(&self.host, self.port).stmt_cache_size(Some(0));
        self.in_time("connect for change capture", Conn::new(options)).await
    }

    async fn end_of_log(&mut self, conn: &mut Conn) -> Result<Position, ProbeError> {
        let what = "ask for the end of the binlog";
        let asked = self.in_time(what, conn.query_first("SHOW BINARY LOG STATUS")).await;
        let row: Option<mysql_async::Row> = match asked {
            Ok(row) => row,
            // MariaDB, and MySQL before 8.4, have the older words only.
            Err(ProbeError::Binlog { source: mysql_async::Error::Server(_), .. }) => {
                self.in_time(what, conn.query_first("SHOW MASTER STATUS")).await?
            }
            Err(error) => return Err(error),
        };
        let server = self.numbering_server(conn).await?;
        let found = row.and_then(|row| {
            let gtids: Option<String> = row.get(GTIDS_COLUMN);
            let place = Position { server, file: row.get(0)?, offset: row.get(1)? };
            Some((place, gtids.unwrap_or_default()))
        });
        let (place, gtids) = found.ok_or_else(|| ProbeError::NoBinlog {
            what,
            at: self.address(),
            reason: "it answers nothing".to_owned(),
        })?;
        self.read = last_numbers(&gtids);
        Ok(place)
    }

    /// The server's UUID, where it numbers its transactions.
    async fn numbering_server(&self, conn: &mut Conn) -> Result<Option<String>, ProbeError> {
        let ask = conn.query_first("SELECT @@GLOBAL.server_uuid, @@GLOBAL.gtid_mode");
        match self.in_time("ask for the server's number", ask).await {
            Ok(row) => {
                Ok(row
                    .and_then(|(server, mode): (String, String)| (mode == "ON").then_some(server)))
            }
            // MariaDB has neither.
            Err(ProbeError::Binlog { source: mysql_async::Error::Server(_), .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn follow(&mut self, mut conn: Conn) -> Result<BinlogStream, ProbeError> {
        let here = self.numbering_server(&mut conn).await?;
        let request = BinlogStreamRequest::new(self.server_id);
        let what = "follow the binlog";
        self.number = None;
        if self.boundary.server.is_some() && here.is_some() && self.boundary.server != here {
            self.crossing = Some(Position { server: here, ..Position::default() });
            let sid = |(uuid, last): (&Uuid, &u64)| {
                Sid::new(*uuid).with_interval(GnoInterval::new(1, last + 1))
            };
            let all: Vec<Sid<'_>> = self.read.iter().map(sid).collect();
            let request = request.with_gtid().with_gtid_set(all);
            return self.in_time(what, conn.get_binlog_stream(request)).await;
        }
        self.crossing = None;
        let Position { file, offset, .. } = &self.boundary;
        let request = request.with_filename(file).with_pos(*offset);
        self.in_time(what, conn.get_binlog_stream(request)).await
    }

    async fn in_time<T>(
        &self,
        what: &'static str,
        work: impl Future<Output = Result<T, mysql_async::Error>>,
    ) -> Result<T, ProbeError> {
        match timeout(CONNECT_LIMIT, work).await {
            Ok(done) => {
                done.map_err(|source| ProbeError::Binlog { what, at: self.address(), source })
            }
            Err(_) => {
                let what = format!("{what} at mysql {}", self.address());
                Err(ProbeError::Slow { what, limit: CONNECT_LIMIT })
            }
        }
    }

    fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// The last number of each giver in a set as a server writes it.
fn last_numbers(gtids: &str) -> BTreeMap<Uuid, u64> {
    let parts = gtids.split(',').filter_map(|part| part.trim().parse::<Sid<'static>>().ok());
    let last = |sid: Sid<'_>| Some((sid.uuid(), sid.intervals().last()?.end().checked_sub(1)?));
    parts.filter_map(last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_of_each_server_is_read() {
        let (a, b) =
            ("00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b");
        let uuid = |last: u8| std::array::from_fn(|place| if place == 15 { last } else { 0 });
        for (text, numbers) in [
            (String::new(), vec![]),
            (format!("{a}:1-77"), vec![(uuid(10), 77)]),
            (format!("{a}:1-5:8,\n{b}:1"), vec![(uuid(10), 8), (uuid(11), 1)]),
        ] {
            assert_eq!(last_numbers(&text).into_iter().collect::<Vec<_>>(), numbers, "{text}");
        }
    }
}

//! Writing marks: a row in the table and a record on every partition, under one number.
//!
//! Writes are one after the other, so that on each source the numbers only grow.

use std::time::Duration;

use futures::future::try_join_all;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::aside::Aside;
use super::topics::Partition;
use super::{ProbeError, Recorder, Servers};
use crate::journal::Event;
use crate::wire::{MARK_HEADER, Mark, MarkKind};

/// Both servers acknowledge in milliseconds; a first connection and a first send take a tenth of a
/// second. Beyond this a server is down or paused, and the caller must know.
const WRITE_LIMIT: Duration = Duration::from_secs(3);

/// `at` and `kind` are quoted: they are close to words of SQL. The same mark again (its first
/// answer was lost) is the same row.
const INSERT: &str = "INSERT INTO drill_mark (seq, `kind`, offset_ms, `at`) VALUES (?, ?, ?, ?) \
                      ON DUPLICATE KEY UPDATE seq = seq";

struct Pen {
    last_seq: u64,
    connection: Option<MySqlConnection>,
}

/// Writes the marks of one cell, direct.
pub struct Marks {
    options: MySqlConnectOptions,
    partitions: Vec<Partition>,
    producer: Aside<FutureProducer>,
    recorder: Recorder,
    pen: Mutex<Pen>,
}

impl Marks {
    /// The next mark has the number `after` + 1: a cell's numbers go on from scenario to scenario.
    /// Connects at the first write.
    pub fn new(servers: &Servers, recorder: Recorder, after: u64) -> Result<Marks, ProbeError> {
        let options = servers
            .login
            .sqlx(&servers.mysql.0, servers.mysql.1)
            .database(&servers.schema)
            .disable_statement_logging();
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &servers.bootstrap)
            .set("broker.address.family", "v4")
            .set("acks", "all")
            .set("linger.ms", "0")
            .set("message.timeout.ms", WRITE_LIMIT.as_millis().to_string())
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "200")
            .set("retry.backoff.ms", "50")
            .create()
            .map_err(|source| ProbeError::Kafka { what: "make a producer for marks", source })?;
        Ok(Marks {
            options,
            partitions: servers.topics.partitions().collect(),
            producer: Aside::new(producer),
            recorder,
            pen: Mutex::new(Pen { last_seq: after, connection: None }),
        })
    }

    /// Writes the next mark: `offset_ms` is the total offset of the cell's clock from it on. When
    /// this returns, the row is committed and every record acknowledged. After an error the number
    /// is not used again.
    pub async fn write(&self, kind: MarkKind, offset_ms: i64) -> Result<Mark, ProbeError> {
        let mut pen = self.pen.lock().await;
        pen.last_seq += 1;
        let clock = self.recorder.clock();
        let at = clock.now().plus_ms(offset_ms - clock.offset_ms()).0;
        let mark = Mark { seq: pen.last_seq, kind, offset_ms, at };
        let (row, records) = tokio::join!(self.write_row(&mut pen, mark), self.write_records(mark));
        row.and(records)?;
        self.recorder.record(clock.now(), Event::MarkWritten { mark });
        Ok(mark)
    }

    /// Number of the last mark, written or tried.
    pub async fn last_seq(&self) -> u64 {
        self.pen.lock().await.last_seq
    }

    async fn write_row(&self, pen: &mut Pen, mark: Mark) -> Result<(), ProbeError> {
        // Two tries: the connection may have died with its server since the last mark.
        let fresh = pen.connection.is_none();
        match self.try_row(pen, mark).await {
            Err(ProbeError::MarkRow { .. }) if !fresh => self.try_row(pen, mark).await,
            done => done,
        }
    }

    async fn try_row(&self, pen: &mut Pen, mark: Mark) -> Result<(), ProbeError> {
        let insert = async {
            let mut connection = match pen.connection.take() {
                Some(connection) => connection,
                None => MySqlConnection::connect_with(&self.options).await?,
            };
            sqlx::query(INSERT)
                .bind(mark.seq)
                .bind(kind_name(mark.kind))
                .bind(mark.offset_ms)
                .bind(mark.at)
                .execute(&mut connection)
                .await?;
            pen.connection = Some(connection);
            Ok(())
        };
        match timeout(WRITE_LIMIT, insert).await {
            Ok(done) => done.map_err(|source| ProbeError::MarkRow { seq: mark.seq, source }),
            Err(_) => {
                let what = format!("write mark {} into the table", mark.seq);
                Err(ProbeError::Slow { what, limit: WRITE_LIMIT })
            }
        }
    }

    async fn write_records(&self, mark: Mark) -> Result<(), ProbeError> {
        let json = serde_json::to_string(&mark).expect("invariant: a mark is plain data");
        let seq = mark.seq.to_string();
        let sends = self.partitions.iter().map(|to| {
            let header = Header { key: MARK_HEADER, value: Some(&seq) };
            let record = FutureRecord::<str, str>::to(&to.topic)
                .partition(to.number)
                .payload(&json)
                .headers(OwnedHeaders::new().insert(header));
            async move {
                self.producer.send(record, WRITE_LIMIT).await.map_err(|(source, _)| {
                    ProbeError::MarkRecord { seq: mark.seq, topic: to.topic.clone(), source }
                })
            }
        });
        try_join_all(sends).await.map(drop)
    }
}

/// As the table's `kind` has it: the same word as in JSON.
fn kind_name(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::A => "a",
        MarkKind::B => "b",
        MarkKind::Beat => "beat",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_kind_is_the_word_of_the_json() {
        for kind in [MarkKind::A, MarkKind::B, MarkKind::Beat] {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{}\"", kind_name(kind)));
        }
    }
}

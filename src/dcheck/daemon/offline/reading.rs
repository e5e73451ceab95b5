//! What a sweep reads, one table or file after the other, and how far it is with each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mysql_async::Conn;
use serde::{Deserialize, Serialize};

use super::books::{Books, Dated};
use super::options::ReconcileOptions;
use super::summary::{Read, Summary};
use crate::clock::CellTime;
use crate::dcheck::alerts::reading::nearest;
use crate::dcheck::engine::window::Stream;
use crate::dcheck::engine::{RuleSet, rules};
use crate::dcheck::event::{Event, Op, Row, Value};
use crate::dcheck::sources::BINLOG;
use crate::dcheck::sources::csv::{CsvFile, Line};
use crate::dcheck::sources::table::Table;

/// How far one table or file is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The last key; empty at a table's beginning.
    pub after: Vec<Value>,
    /// Lines of a file, without its header.
    pub lines: u64,
    pub done: bool,
    /// Which file it was, by its content.
    pub digest: String,
}

enum Reader {
    Table(Table),
    File(Box<CsvFile>, PathBuf),
}

/// One table or file.
pub struct Reading {
    pub stream: Stream,
    /// As the engine knows it.
    pub source: String,
    pub cursor: Cursor,
    time: Option<String>,
    reader: Reader,
}

/// One chunk: what the engine takes, and the bad lines, with their places.
#[derive(Default)]
pub struct Chunk {
    pub events: Vec<Event>,
    pub bad: Vec<(String, String)>,
    pub read: Read,
}

impl Reading {
    pub async fn table(
        conn: &mut Conn,
        schema: &str,
        name: &str,
        options: &ReconcileOptions,
    ) -> Result<Reading, String> {
        let table = Table::describe(conn, schema, name, options.filter_of(name)).await;
        let table = table.map_err(|error| error.to_string())?;
        let time = options.time_of(name).map(str::to_owned);
        if let Some(column) = time.as_deref().filter(|column| table.type_of(column).is_none()) {
            let known: Vec<&str> = table.columns.iter().map(|(name, _)| name.as_str()).collect();
            let known = known.join(", ");
            return Err(format!("--time {name}={column}: no such column; there are: {known}"));
        }
        let stream = Stream::Table(name.to_owned());
        let source = BINLOG.to_owned();
        Ok(Reading {
            stream,
            source,
            cursor: Cursor::default(),
            time,
            reader: Reader::Table(table),
        })
    }

    pub fn file(
        stream: Stream,
        path: &Path,
        options: &ReconcileOptions,
    ) -> Result<Reading, String> {
        let name = stream.name().to_owned();
        let file = CsvFile::open(path, &options.kinds(&name)).map_err(|error| error.to_string())?;
        let time = options.time_of(&name).map(str::to_owned);
        if let Some(column) = time.as_deref().filter(|column| !file.has(column)) {
            let (path, known) = (path.display(), file.names().collect::<Vec<_>>());
            let near = nearest(column, &known).map(|near| format!("did you mean `{near}`? "));
            let (near, known) = (near.unwrap_or_default(), known.join(", "));
            return Err(format!(
                "--time {name}={column}: {path}:1: no such column: {near}there are: {known}"
            ));
        }
        let source = match stream {
            Stream::Table(_) => BINLOG.to_owned(),
            Stream::Topic(_) => format!("{name}/file"),
        };
        let cursor = Cursor { digest: file.digest.clone(), ..Cursor::default() };
        Ok(Reading {
            stream,
            source,
            cursor,
            time,
            reader: Reader::File(Box::new(file), path.to_owned()),
        })
    }

    pub fn columns(&self) -> Vec<&str> {
        match &self.reader {
            Reader::Table(table) => table.columns.iter().map(|(name, _)| name.as_str()).collect(),
            Reader::File(file, _) => file.names().collect(),
        }
    }

    /// Where its columns are named.
    pub fn head(&self) -> String {
        match &self.reader {
            Reader::Table(table) => format!("table `{}`", table.name),
            Reader::File(_, path) => format!("{}:1: header", path.display()),
        }
    }

    pub fn is_file(&self) -> bool {
        matches!(self.reader, Reader::File(..))
    }

    /// Goes on where `cursor` stands.
    pub fn go_on(&mut self, cursor: Cursor) -> Result<(), String> {
        if let Reader::File(file, path) = &mut self.reader {
            if cursor.digest != file.digest {
                let path = path.display();
                return Err(format!(
                    "{path} is not the file that this sweep began with: give that one, or sweep --again"
                ));
            }
            for _ in 0..cursor.lines {
                file.next().map_err(|error| error.to_string())?;
            }
        }
        self.cursor = cursor;
        Ok(())
    }

    /// Up to `limit` rows or lines.
    pub async fn chunk(
        &mut self,
        conn: &mut Conn,
        books: &Books,
        limit: usize,
    ) -> Result<Chunk, String> {
        let mut chunk = Chunk::default();
        let (stream, time) = (self.stream.name().to_owned(), self.time.clone());
        match &mut self.reader {
            Reader::Table(table) => {
                let after = (!self.cursor.after.is_empty()).then_some(&self.cursor.after[..]);
                let rows = table.chunk(conn, after, limit).await;
                let rows = rows.map_err(|error| error.to_string())?;
                self.cursor.done = rows.len() < limit;
                let kind = time.as_deref().and_then(|column| table.type_of(column));
                for (key, row) in rows {
                    let place = key.iter().map(Value::to_string).collect::<Vec<_>>().join("/");
                    let place = format!("{stream}#{place}");
                    let dated = books.date(&row, time.as_deref(), kind);
                    let dated = dated.map_err(|why| format!("{place}: {why}"))?;
                    chunk.take(self.stream.clone(), &self.source, row, place, dated);
                    self.cursor.after = key;
                }
            }
            Reader::File(file, path) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                for _ in 0..limit {
                    let next = file.next().map_err(|error| error.to_string())?;
                    let Some(next) = next else {
                        self.cursor.done = true;
                        break;
                    };
                    self.cursor.lines += 1;
                    let (line, row) = match next {
                        Line::Row { line, row } => (line, Ok(row)),
                        Line::Bad { line, why } => (line, Err(why)),
                    };
                    let place = format!("{name}:{line}");
                    let dated = row.and_then(|row| {
                        books.date(&row, time.as_deref(), None).map(|dated| (row, dated))
                    });
                    match dated {
                        Ok((row, dated)) => {
                            chunk.take(self.stream.clone(), &self.source, row, place, dated);
                        }
                        Err(why) => chunk.bad(place, why),
                    }
                }
            }
        }
        Ok(chunk)
    }
}

impl Chunk {
    fn take(&mut self, stream: Stream, source: &str, row: Row, position: String, dated: Dated) {
        let at: CellTime = match dated {
            Dated::In(at) => at,
            Dated::After(at) => {
                self.read.later += 1;
                at
            }
        };
        self.read.rows += u64::from(matches!(dated, Dated::In(_)));
        let op = if matches!(stream, Stream::Table(_)) { Op::Insert } else { Op::Message };
        self.events.push(Event {
            source: source.to_owned(),
            stream: stream.name().to_owned(),
            op,
            before: None,
            after: Some(row),
            changed: Vec::new(),
            txn: None,
            position,
            at,
        });
    }

    fn bad(&mut self, place: String, why: String) {
        self.read.bad += 1;
        self.bad.push((place, why));
    }
}

/// Sources with bad lines, and what is told of them.
pub fn blind(summary: &Summary, readings: &[Reading]) -> BTreeMap<String, String> {
    let mut blind = BTreeMap::new();
    for reading in readings {
        let name = reading.stream.name();
        let Some(read) = summary.read.get(name).filter(|read| read.bad > 0) else { continue };
        let what = format!("{} lines of `{name}` are no rows", read.bad);
        blind.entry(reading.source.clone()).or_insert(what);
    }
    blind
}

/// What waits for the next day and is a line of a file, or waits for one.
pub fn left_open(summary: &Summary, rules: &RuleSet, readings: &[Reading]) -> u64 {
    let files = readings.iter().filter(|reading| reading.is_file());
    let files: BTreeSet<&Stream> = files.map(|reading| &reading.stream).collect();
    let of_files =
        |rule: &&Arc<rules::Rule>| rule.sides.iter().any(|side| files.contains(&side.stream));
    let open =
        rules.rules().iter().filter(of_files).filter_map(|rule| summary.counts.get(&rule.name));
    open.map(|counts| counts.pending).sum()
}

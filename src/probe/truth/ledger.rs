//! Following the payment channel's ledger file: what was really collected and paid out.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokio::sync::mpsc;

use super::watch::FolderWatch;
use super::{Reader, SyncRequest};
use crate::journal::{Amount, Book, Event, LedgerLine, Posting, PostingKind};
use crate::money::Money;
use crate::probe::ProbeError;
use crate::wire::Subject;

/// One line, as the channel writes it.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Line {
    Collected { order: String, amount: Money, txn: String },
    PaidOut { refund: String, amount: Money, txn: String },
    Transferred { bill: String, payee: String, amount: Money, txn: String },
}

/// The ledger of transfers to merchants: one that no act expects is a loss.
const TRANSFERS: &str = "channel.transfer";

/// What one line says.
fn told(line: &[u8]) -> Result<Event, serde_json::Error> {
    let (kind, subject, amount, reference) = match serde_json::from_slice(line)? {
        Line::Collected { order, amount, txn } => {
            (PostingKind::Collected, Subject::new("order", order), amount, txn)
        }
        Line::PaidOut { refund, amount, txn } => {
            (PostingKind::PaidOut, Subject::new("refund", refund), amount, txn)
        }
        Line::Transferred { bill, payee, amount, txn } => {
            let line = LedgerLine {
                ledger: TRANSFERS.to_owned(),
                subject: Subject::new("bill", bill),
                amount: Amount::Money(amount),
                detail: Some(payee),
                reference: txn,
                gone: false,
                strict: true,
            };
            return Ok(Event::Booked { line });
        }
    };
    Ok(Event::Posted {
        posting: Posting { book: Book::Channel, kind, subject, amount, reference, gone: false },
    })
}

/// The file, and how far it was read.
struct Tail {
    path: PathBuf,
    offset: u64,
    /// A last line without its end yet.
    rest: Vec<u8>,
}

impl Tail {
    /// Whole lines that were added. No file yet is no lines; a file that became shorter is a new
    /// one.
    fn read(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        if length < self.offset {
            self.offset = 0;
            self.rest.clear();
        }
        if length == self.offset {
            return Ok(Vec::new());
        }
        file.seek(SeekFrom::Start(self.offset))?;
        self.offset += file.read_to_end(&mut self.rest)? as u64;
        let mut lines: Vec<Vec<u8>> =
            self.rest.split(|byte| *byte == b'\n').map(Vec::from).collect();
        self.rest = lines.pop().unwrap_or_default();
        lines.retain(|line| !line.is_empty());
        Ok(lines)
    }
}

pub(super) struct Ledger {
    tail: Tail,
    watch: FolderWatch,
}

impl Ledger {
    /// From the file's present end on.
    pub fn open(path: PathBuf) -> Result<Ledger, ProbeError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let failed = |source| ProbeError::Ledger { path: path.clone(), source };
        let watch = FolderWatch::new(folder.unwrap_or(Path::new("."))).map_err(failed)?;
        let offset = std::fs::metadata(&path).map_or(0, |facts| facts.len());
        Ok(Ledger { tail: Tail { path, offset, rest: Vec::new() }, watch })
    }

    /// Follows the file until the task is aborted; answers each request once it stands at the
    /// file's end.
    pub async fn run(mut self, reader: Reader, mut requests: mpsc::Receiver<SyncRequest>) {
        // What was written between the look at the length and the first wait.
        let _ = self.read(&reader);
        loop {
            tokio::select! {
                biased;
                request = requests.recv() => {
                    let Some(answer) = request else { return };
                    let _ = answer.send(self.read(&reader));
                }
                written = self.watch.written() => {
                    if let Err(error) = written {
                        return reader.broken(reader.now(), format!("the ledger's watch: {error}"));
                    }
                    let _ = self.read(&reader);
                }
            }
        }
    }

    fn read(&mut self, reader: &Reader) -> Result<u64, ProbeError> {
        let now = reader.now();
        let lines = self.tail.read().map_err(|source| {
            reader.trouble(&source);
            ProbeError::Ledger { path: self.tail.path.clone(), source }
        })?;
        for line in lines {
            match told(&line) {
                Ok(event) => reader.record(now, event),
                Err(error) => {
                    let line = String::from_utf8_lossy(&line);
                    reader.broken(now, format!("the ledger's line `{line}`: {error}"));
                }
            }
        }
        Ok(self.tail.offset)
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;

//! The ledger file: one line of JSON for each movement of money, appended and flushed before the
//! answer.
//!
//! Beside it `<ledger>.progress` says what was published and which callbacks were answered, so that
//! a restart goes on where it stopped. A torn last line, left by a kill in the middle of a write,
//! was never answered and is cut off. Knows no network. Try it: `cargo test --lib
//! shop::channel::ledger`. Not covered: surviving a power cut (no fsync: the drills kill processes,
//! not machines).

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Refusal;
use super::book::Book;
use crate::clock::CellTime;
use crate::money::Money;

const LEDGER: &str = "the channel's ledger";

/// Which way money moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Collected,
    PaidOut,
    /// To a merchant's account, for a bill.
    Transferred,
}

impl Kind {
    fn letter(self) -> char {
        match self {
            Kind::Collected => 'C',
            Kind::PaidOut => 'P',
            Kind::Transferred => 'T',
        }
    }
}

/// Whom a transfer is for, and which account it goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payee {
    pub bill: String,
    pub merchant: String,
    /// The bank account.
    pub payee: String,
}

/// A movement that is asked for; `request_no` makes it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub kind: Kind,
    pub request_no: String,
    /// Empty for a transfer.
    pub order: String,
    pub refund: Option<String>,
    /// Of a transfer.
    pub payee: Option<Payee>,
    pub channel: String,
    pub amount: Money,
}

/// A movement that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub seq: u64,
    pub kind: Kind,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub order: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<String>,
    #[serde(flatten)]
    pub payee: Option<Payee>,
    pub channel: String,
    pub amount: Money,
    pub txn: String,
    pub at_ms: i64,
    pub request_no: String,
}

impl Request {
    /// The entry that this request becomes. Its transaction is a digest of the request, the same in
    /// every run.
    pub fn entry(&self, seq: u64, at_ms: i64) -> Entry {
        let digest = Sha256::digest(format!("{:?} {}", self.kind, self.request_no));
        let letter = self.kind.letter();
        Entry {
            seq,
            kind: self.kind,
            order: self.order.clone(),
            refund: self.refund.clone(),
            payee: self.payee.clone(),
            channel: self.channel.clone(),
            amount: self.amount,
            txn: format!("{letter}{}", hex::encode(&digest[..8])),
            at_ms,
            request_no: self.request_no.clone(),
        }
    }
}

impl Entry {
    /// What the entry is about, and therefore in which order it is read: its order, or its bill.
    pub fn key(&self) -> &str {
        self.payee.as_ref().map_or(&self.order, |payee| &payee.bill)
    }

    /// Whether this entry is the answer to `request`, which has its number.
    pub fn answers(&self, request: &Request) -> Result<(), Refusal> {
        let same = (&self.order, &self.refund, &self.payee, &self.channel, self.amount)
            == (&request.order, &request.refund, &request.payee, &request.channel, request.amount);
        if same {
            return Ok(());
        }
        Err(Refusal::Conflict(format!(
            "request `{}` was made before with other content: take a new number",
            request.request_no
        )))
    }
}

/// What is noted beside the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// All entries up to this one are on the topic.
    Published(u64),
    /// The callback of this entry was answered, or given up.
    CalledBack(u64),
}

/// The two open files.
#[derive(Debug)]
pub struct Ledger {
    entries: File,
    progress: File,
}

impl Ledger {
    /// Opens or makes the files and reads them back. Callbacks without an answer are due at `now`.
    pub fn open(path: &Path, now: CellTime) -> Result<(Ledger, Book), Refusal> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".progress");
        let (entries, lines) = read_back::<Entry>(path)?;
        let (progress, notes) = read_back::<Progress>(&PathBuf::from(beside))?;
        let mut book = Book::default();
        for entry in lines {
            if entry.seq != book.next_seq() {
                return Err(Refusal::unreadable(
                    LEDGER,
                    format!("entry {} out of turn", entry.seq),
                ));
            }
            book.add(entry, now);
        }
        for note in notes {
            book.note(note);
        }
        Ok((Ledger { entries, progress }, book))
    }

    pub fn append(&mut self, entry: &Entry) -> Result<(), Refusal> {
        append(&mut self.entries, entry)
    }

    pub fn note(&mut self, progress: Progress) -> Result<(), Refusal> {
        append(&mut self.progress, &progress)
    }
}

/// Opens a file for appending and reads its whole lines; a torn last line is cut off.
fn read_back<T: DeserializeOwned>(path: &Path) -> Result<(File, Vec<T>), Refusal> {
    let fail = |error: std::io::Error| {
        Refusal::unreadable(LEDGER, format!("{} cannot be opened: {error}", path.display()))
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(fail)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(fail)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    if whole < bytes.len() {
        file.set_len(u64::try_from(whole).unwrap_or(u64::MAX)).map_err(fail)?;
    }
    file.seek(SeekFrom::End(0)).map_err(fail)?;
    let lines = bytes[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines = lines.map(|line| {
        serde_json::from_slice(line).map_err(|error| Refusal::unreadable(LEDGER, error))
    });
    Ok((file, lines.collect::<Result<Vec<T>, Refusal>>()?))
}

/// Appends one line whole, or leaves the file as it was.
fn append(file: &mut File, line: &impl Serialize) -> Result<(), Refusal> {
    let mut bytes = serde_json::to_vec(line).map_err(|error| Refusal::unreadable(LEDGER, error))?;
    bytes.push(b'\n');
    let away = |error: std::io::Error| Refusal::away("the channel's disk", error);
    let before = file.stream_position().map_err(away)?;
    let written = file.write_all(&bytes).and_then(|()| file.flush());
    written.map_err(|error| {
        drop(file.set_len(before).and_then(|()| file.seek(SeekFrom::Start(before))));
        away(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge(request_no: &str, fen: i64) -> Request {
        Request {
            kind: Kind::Collected,
            request_no: request_no.to_owned(),
            order: "O-1".to_owned(),
            refund: None,
            payee: None,
            channel: "alipay".to_owned(),
            amount: Money::cny(fen),
        }
    }

    #[test]
    fn an_entry_has_the_published_shape() {
        let entry = charge("pay:O-1", 19_900).entry(1, 1_767_578_400_000);
        let text = serde_json::to_string(&entry).unwrap();
        assert!(text.starts_with(concat!(
            r#"{"seq":1,"kind":"collected","order":"O-1","channel":"alipay","#,
            r#""amount":"199.00 CNY","txn":"C"#
        )));
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
        assert_eq!(charge("pay:O-1", 19_900).entry(9, 5).txn, entry.txn, "same request, same txn");
        assert_ne!(charge("pay:O-2", 19_900).entry(1, 5).txn, entry.txn);
    }

    #[test]
    fn a_transfer_names_its_bill_and_the_account_it_goes_to() {
        let payee = Payee { bill: "B-1".into(), merchant: "M-1".into(), payee: "bank-1".into() };
        let request = Request {
            kind: Kind::Transferred,
            order: String::new(),
            payee: Some(payee),
            ..charge("T-B-1", 5_000)
        };
        let entry = request.entry(1, 0);
        let text = serde_json::to_string(&entry).unwrap();
        assert!(text.starts_with(concat!(
            r#"{"seq":1,"kind":"transferred","bill":"B-1","merchant":"M-1","payee":"bank-1","#,
            r#""channel":"alipay","amount":"50.00 CNY","txn":"T"#
        )));
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
        assert_eq!(entry.key(), "B-1");
        let other = Request { payee: None, ..request };
        assert!(entry.answers(&other).is_err(), "the account belongs to the request");
    }

    #[test]
    fn only_the_same_request_is_answered_by_an_entry() {
        let entry = charge("pay:O-1", 19_900).entry(1, 0);
        assert!(entry.answers(&charge("pay:O-1", 19_900)).is_ok());
        assert!(entry.answers(&charge("pay:O-1", 19_901)).is_err());
    }

    #[test]
    fn a_torn_line_is_cut_off_and_the_rest_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.ndjson");
        let entry = charge("pay:O-1", 19_900).entry(1, 7);
        let (mut ledger, _) = Ledger::open(&path, CellTime(0)).unwrap();
        ledger.append(&entry).unwrap();
        ledger.note(Progress::Published(1)).unwrap();
        ledger.entries.write_all(b"{\"seq\":2,\"kind\":\"coll").unwrap();
        drop(ledger);
        let (mut ledger, book) = Ledger::open(&path, CellTime(9)).unwrap();
        assert_eq!((book.next_seq(), book.next_unpublished()), (2, None));
        assert_eq!(book.by_request(&charge("pay:O-1", 1)), Some(&entry));
        ledger.append(&charge("pay:O-2", 100).entry(2, 8)).unwrap();
        drop(ledger);
        let (_, book) = Ledger::open(&path, CellTime(9)).unwrap();
        assert_eq!(book.next_seq(), 3);
    }
}

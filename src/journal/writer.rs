//! Writing and reading `journal.ndjson`.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::sync::{broadcast, watch};

use super::{Entry, Event, Phase};
use crate::clock::{self, Clock};

/// Entries a slow subscriber may lag behind before it must read the file instead.
const SUBSCRIBER_BACKLOG_MAX: usize = 65_536;

/// Why a journal cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("cannot write the journal {path}: {source}")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot read the journal {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}:{line}: not a journal entry: {source}")]
    Parse { path: PathBuf, line: usize, source: serde_json::Error },
}

struct Inner {
    file: File,
    /// Bytes of whole entries.
    length: u64,
    next_seq: u64,
}

impl Inner {
    /// Writes a whole line, or nothing: half an entry would make the rest unreadable.
    fn write(&mut self, line: &[u8]) -> std::io::Result<()> {
        let written = self.file.write_all(line);
        match written {
            Ok(()) => self.length += line.len() as u64,
            // What is left of it is cut off by the reader, should this fail too.
            Err(_) => drop(self.file.set_len(self.length)),
        }
        written
    }
}

/// The open journal of a run. Clones write to the same file.
#[derive(Clone)]
pub struct Journal {
    path: PathBuf,
    inner: Arc<Mutex<Inner>>,
    /// Why nothing is written any more.
    broken: Arc<watch::Sender<Option<String>>>,
    entries: broadcast::Sender<Arc<Entry>>,
}

impl Journal {
    /// Creates `path`; errors where it exists already or cannot be made.
    pub fn create(path: &Path) -> Result<Journal, JournalError> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path)
            .map_err(|source| JournalError::Write { path: path.to_owned(), source })?;
        let inner = Inner { file, length: 0, next_seq: 0 };
        Ok(Journal {
            path: path.to_owned(),
            inner: Arc::new(Mutex::new(inner)),
            broken: Arc::new(watch::Sender::new(None)),
            entries: broadcast::Sender::new(SUBSCRIBER_BACKLOG_MAX),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every entry from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.entries.subscribe()
    }

    /// A writer for entries of the run itself.
    pub fn run_scribe(&self) -> Scribe {
        Scribe { journal: self.clone(), scenario: None, clock: None }
    }

    /// A writer for entries of one scenario on its cell's clock.
    pub fn scribe(&self, scenario: &str, clock: Clock) -> Scribe {
        Scribe { journal: self.clone(), scenario: Some(scenario.into()), clock: Some(clock) }
    }

    /// The first write error, if there was one (a full disk): the run must not claim a verdict it did not keep.
    pub fn broken(&self) -> Option<String> {
        self.broken.borrow().clone()
    }

    /// Returns once an entry could not be written; nothing is written after it.
    pub async fn breaks(&self) {
        let mut broken = self.broken.subscribe();
        // The sender lives in `self`.
        let _ = broken.wait_for(Option::is_some).await;
    }

    fn append(&self, make: impl FnOnce(u64) -> Entry) -> Arc<Entry> {
        let mut inner = self.inner.lock().expect("no holder panics");
        let entry = Arc::new(make(inner.next_seq));
        inner.next_seq += 1;
        let mut line = serde_json::to_vec(&*entry).expect("entries are plain data");
        line.push(b'\n');
        if self.broken.borrow().is_none()
            && let Err(source) = inner.write(&line)
        {
            let error = JournalError::Write { path: self.path.clone(), source };
            self.broken.send_replace(Some(error.to_string()));
        }
        // A verdict that is not kept is not told either.
        let told = !matches!(entry.event, Event::ScenarioVerdict { .. });
        if told || self.broken.borrow().is_none() {
            // Nobody listening is fine.
            let _ = self.entries.send(entry.clone());
        }
        entry
    }
}

/// Writes entries for one scenario, or for the run.
#[derive(Clone)]
pub struct Scribe {
    journal: Journal,
    scenario: Option<String>,
    clock: Option<Clock>,
}

impl Scribe {
    /// Appends `event`, stamped now.
    pub fn write(&self, phase: Phase, event: Event) -> Arc<Entry> {
        let cell_ms = self.clock.as_ref().map(|clock| clock.now().0);
        self.write_at(phase, cell_ms, event)
    }

    /// Appends `event` with a cell time measured before (in the socket handler, by the truth's reader).
    pub fn write_at(&self, phase: Phase, cell_ms: Option<i64>, event: Event) -> Arc<Entry> {
        self.journal.append(|seq| Entry {
            seq,
            scenario: self.scenario.clone(),
            mono_us: clock::monotonic_us(),
            cell_ms,
            wall_ms: clock::wall_ms(),
            phase,
            event,
        })
    }

    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The stable id of the scenario it writes for.
    pub fn scenario(&self) -> Option<&str> {
        self.scenario.as_deref()
    }
}

/// Writes a journal that is whole already; errors where `path` exists.
pub fn write_journal(path: &Path, entries: &[Entry]) -> Result<(), JournalError> {
    let write_error = |source| JournalError::Write { path: path.to_owned(), source };
    let file = File::create_new(path).map_err(write_error)?;
    let mut out = BufWriter::new(file);
    for entry in entries {
        let line = serde_json::to_string(entry).expect("entries are plain data");
        writeln!(out, "{line}").map_err(write_error)?;
    }
    out.flush().map_err(write_error)
}

/// Reads a whole journal. A last line cut short by a kill is left out; any other bad line is an error.
pub fn read_journal(path: &Path) -> Result<Vec<Entry>, JournalError> {
    let read_error = |source| JournalError::Read { path: path.to_owned(), source };
    let mut reader = BufReader::new(File::open(path).map_err(read_error)?);
    let (mut entries, mut line, mut number) = (Vec::new(), Vec::new(), 0);
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(read_error)? == 0 {
            return Ok(entries);
        }
        number += 1;
        match serde_json::from_slice(&line) {
            Ok(entry) => entries.push(entry),
            Err(_) if !line.ends_with(b"\n") => return Ok(entries),
            Err(source) => {
                return Err(JournalError::Parse { path: path.to_owned(), line: number, source });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_cut_line_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.ndjson");
        let journal = Journal::create(&path).unwrap();
        let scribe = journal.scribe("s", Clock::starting_at(5));
        scribe.write(Phase::Given, Event::Tick);
        scribe.write(Phase::Given, Event::Note { text: "x".into() });
        let mut text = std::fs::read(&path).unwrap();
        assert_eq!(read_journal(&path).unwrap().len(), 2);
        text.extend_from_slice(b"{\"seq\":2,");
        std::fs::write(&path, &text).unwrap();
        assert_eq!(read_journal(&path).unwrap().len(), 2);
        text.extend_from_slice(b"\n{}\n");
        std::fs::write(&path, &text).unwrap();
        assert!(matches!(read_journal(&path), Err(JournalError::Parse { line: 3, .. })));
        assert!(Journal::create(&path).is_err(), "a journal is never overwritten");
    }

    #[test]
    fn a_full_disk_breaks_it_and_no_verdict_is_told_after_that() {
        let journal = Journal::create(&tempfile::tempdir().unwrap().path().join("j")).unwrap();
        journal.inner.lock().unwrap().file =
            File::options().append(true).open("/dev/full").unwrap();
        let mut entries = journal.subscribe();
        let scribe = journal.scribe("s", Clock::starting_at(5));
        assert_eq!(journal.broken(), None);
        scribe.write(Phase::Judge, Event::Tick);
        let (verdict, word) = (crate::journal::Verdict::Pass, crate::journal::Word::Proved);
        let evidence = String::new();
        scribe.write(Phase::Judge, Event::ScenarioVerdict { verdict, word, evidence, real_ms: 1 });
        scribe.write(Phase::Heal, Event::Steady);
        let why = journal.broken().expect("it is broken");
        assert!(why.contains("cannot write the journal") && why.contains("No space left"), "{why}");
        assert!(matches!(entries.try_recv().unwrap().event, Event::Tick));
        assert!(matches!(entries.try_recv().unwrap().event, Event::Steady));
    }
}

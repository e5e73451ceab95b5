//! The oracle's own reader: what really moved, dated by the cell time at which it was seen.
//!
//! Reads the binlog, the channel's ledger file and every topic's marks, direct. Writes `Posted`,
//! `Promised`, `Booked` and `MarkSeen`; knows no rule and no alert. It starts at the sources' ends: start it
//! before the scenario's first act. After a server's restart it goes on where it was. Not covered:
//! a binlog purged past this reader, rows that were there before it started.

mod binlog;
mod books;
mod flow;
mod ledger;
mod ledgers;
mod rows;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch as state};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{ProbeError, Recorder, Servers};
use crate::clock::CellTime;
use crate::journal::Event;

/// The binlog as a source of marks.
const BINLOG: &str = "binlog";
/// Reading to the ledger's end is one read of a local file.
const SYNC_LIMIT: Duration = Duration::from_secs(2);

/// What the truth is read from.
#[derive(Clone, Debug)]
pub struct TruthAt {
    pub servers: Servers,
    /// The payment channel's ledger; its folder must be there, the file may come later.
    pub ledger: PathBuf,
}

/// How far the reader is.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// Last mark seen per source.
    marks: BTreeMap<String, u64>,
    /// Why the truth cannot be read any more; stays.
    broken: Option<String>,
    /// The last connection trouble, for messages.
    trouble: String,
}

/// What all parts of the reader share.
#[derive(Clone)]
struct Reader {
    recorder: Recorder,
    progress: state::Sender<Progress>,
    activity: Arc<AtomicU64>,
}

impl Reader {
    fn now(&self) -> CellTime {
        self.recorder.clock().now()
    }

    fn record(&self, at: CellTime, event: Event) {
        self.recorder.record(at, event);
        self.activity.fetch_add(1, Ordering::AcqRel);
    }

    /// A mark counts once, in order; whoever waits for it finds all that came before it recorded.
    fn mark(&self, at: CellTime, source: &str, seq: u64) {
        let last = self.progress.borrow().marks.get(source).copied();
        if last.is_some_and(|last| last >= seq) {
            return;
        }
        self.record(at, Event::MarkSeen { seq, source: source.to_owned() });
        self.progress.send_modify(|progress| {
            progress.marks.insert(source.to_owned(), seq);
        });
    }

    fn trouble(&self, text: impl ToString) {
        self.progress.send_modify(|progress| progress.trouble = text.to_string());
    }

    /// A row or line that means nothing: from here on the truth has a hole, and says so for ever.
    fn broken(&self, at: CellTime, text: String) {
        self.record(at, Event::Note { text: format!("truth: {text}") });
        self.progress.send_modify(|progress| {
            progress.broken.get_or_insert(text);
        });
    }
}

type SyncRequest = oneshot::Sender<Result<u64, ProbeError>>;

/// Reads until it is dropped.
pub struct Truth {
    reader: Reader,
    progress: state::Receiver<Progress>,
    sources: Vec<String>,
    sync: mpsc::Sender<SyncRequest>,
    /// Aborted when the set is dropped.
    _tasks: JoinSet<()>,
}

impl Truth {
    /// Connects to everything and notes where it ends now: what is written after this returns is
    /// seen.
    pub async fn start(at: TruthAt, recorder: Recorder) -> Result<Truth, ProbeError> {
        let (progress, seen) = state::channel(Progress::default());
        let reader = Reader { recorder, progress, activity: Arc::default() };
        let ledger = ledger::Ledger::open(at.ledger)?;
        let (binlog, flow) = tokio::try_join!(
            binlog::Binlog::open(&at.servers, &reader),
            flow::Flow::open(&at.servers)
        )?;
        let mut sources = vec![BINLOG.to_owned()];
        sources.extend(at.servers.topics.partitions().map(|partition| partition.source));
        let (sync, requests) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        tasks.spawn(binlog.run(reader.clone()));
        tasks.spawn(flow.run(reader.clone()));
        tasks.spawn(ledger.run(reader.clone(), requests));
        Ok(Truth { reader, progress: seen, sources, sync, _tasks: tasks })
    }

    /// The names under which its sources report marks.
    pub fn sources(&self) -> &[String] {
        &self.sources
    }

    /// Last mark seen per source.
    pub fn seen(&self) -> BTreeMap<String, u64> {
        self.progress.borrow().marks.clone()
    }

    /// Number of entries so far: equal in two rounds at rest.
    pub fn activity(&self) -> u64 {
        self.reader.activity.load(Ordering::Acquire)
    }

    /// Waits until mark `seq` was seen on all sources, then reads the ledger to its end: all that
    /// was committed before the mark, or was in the ledger at this call, is in the journal when
    /// this returns.
    pub async fn read_to(&self, seq: u64, limit: Duration) -> Result<(), ProbeError> {
        self.read_to_on(seq, &self.sources, limit).await?;
        self.sync().await.map(drop)
    }

    /// As [`Truth::read_to`] on these sources only: the others are withheld by a fault. Leaves the
    /// ledger alone.
    pub async fn read_to_on(
        &self,
        seq: u64,
        sources: &[String],
        limit: Duration,
    ) -> Result<(), ProbeError> {
        let mut progress = self.progress.clone();
        let reached = |progress: &Progress| missing(progress, sources, seq).is_empty();
        let wait = progress.wait_for(|now| now.broken.is_some() || reached(now));
        let over = timeout(limit, wait).await.is_err();
        let now = self.progress.borrow().clone();
        match now.broken {
            Some(broken) => Err(ProbeError::Unreadable(broken)),
            None if over && !reached(&now) => {
                let missing = missing(&now, sources, seq);
                Err(ProbeError::NotRead { seq, missing, limit, trouble: now.trouble })
            }
            None => Ok(()),
        }
    }

    /// Reads the ledger to the end that it has now; returns that length in bytes.
    pub async fn sync(&self) -> Result<u64, ProbeError> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.sync.send(answer).await.ok()?;
            answered.await.ok()
        };
        match timeout(SYNC_LIMIT, asked).await {
            Ok(Some(length)) => length,
            Ok(None) => Err(ProbeError::Unreadable("the ledger's reader ended".to_owned())),
            Err(_) => {
                let what = "read the ledger to its end".to_owned();
                Err(ProbeError::Slow { what, limit: SYNC_LIMIT })
            }
        }
    }
}

fn missing(progress: &Progress, sources: &[String], seq: u64) -> Vec<String> {
    let behind = |source: &&String| progress.marks.get(*source).is_none_or(|seen| *seen < seq);
    sources.iter().filter(behind).cloned().collect()
}

//! What the engine was given, in order, as a file: enough to judge it all again.
//!
//! A recording is a head (the rules by their digest, the sources, the state that was restored), one line for each input
//! with its instant, and an end. Each line stands behind a hash of itself and of all lines before it, so that a replay sees
//! what is cut, changed or missing. It holds rows, messages and lookups' answers, and no URL or token; its files are the
//! owner's alone. A file that is full is followed by the next one (`FILE.2` …); the last one full, the recording ends. What
//! stood there before a start is kept as `FILE.before` …. The engine never waits for the disk, because a late alert costs money and
//! a recording none: where more waits for the disk than may, the recording ends, and says so in the log and at its end.
//! Not covered: a recording that begins in the middle of a run (it begins at a start).

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};

use super::record::Checkpoint;
use super::start::Mistakes;
use crate::clock::CellTime;
use crate::dcheck::engine::gate::Rollout;
use crate::dcheck::engine::rules::Rule;
use crate::dcheck::engine::{Engine, Input, RuleSet, Snapshot, VerdictKey};
use crate::dcheck::log;

pub const FORMAT: &str = "dcheck-recording/2";
/// Of one file; some 100,000 inputs.
const FILE_BYTES: u64 = 64 << 20;
/// Files of one recording.
pub const FILES: usize = 8;
/// On their way to the disk: a second's worth of a busy stream, a line of any length by itself.
const WAITING: Waiting = Waiting { lines: 65_536, bytes: 64 << 20 };
/// What a stop waits for the disk.
const END_LIMIT: Duration = Duration::from_secs(2);

/// The most that may wait.
#[derive(Clone, Copy)]
struct Waiting {
    lines: usize,
    bytes: usize,
}

/// One line, behind its hash.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    Head(Box<Head>),
    /// What the engine took, and when.
    In(CellTime, Input),
    /// Rules were read again.
    Rules(CellTime, InForce),
    /// They were rolled out otherwise.
    RollOut(CellTime, InForce),
    /// Why it ends there.
    End(End),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    Stopped,
    /// The last file was full.
    Full,
    /// More waited for the disk than may.
    Slow,
}

/// The rules in force, by what they mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    pub digest: String,
    /// In the order in which the engine has them, each (`id@version`) with its rollout.
    rollouts: Vec<(String, Rollout)>,
}

impl InForce {
    pub fn of(rules: &RuleSet) -> InForce {
        let of = |rule: &Arc<Rule>| (rule.name.clone(), rules.rollout(rule));
        let rollouts = rules.rules().iter().map(of).collect();
        InForce { digest: digest_of(rules), rollouts }
    }

    /// The rules of `files` as they were in force; none where they mean something else.
    pub fn among(&self, files: &RuleSet) -> Option<Arc<RuleSet>> {
        let are_same = self.digest == digest_of(files);
        files.ordered(&self.rollouts).filter(|_| are_same).map(Arc::new)
    }
}

/// What the engine was before its first input.
#[derive(Debug, Serialize, Deserialize)]
pub struct Head {
    pub format: String,
    pub rules: InForce,
    pub sources: Vec<String>,
    pub judged: Vec<VerdictKey>,
    pub snapshot: Option<Snapshot>,
}

impl Head {
    pub fn of(
        rules: &RuleSet,
        sources: Vec<String>,
        judged: Vec<VerdictKey>,
        checkpoint: &Option<Checkpoint>,
    ) -> Head {
        let (format, rules) = (FORMAT.to_owned(), InForce::of(rules));
        let snapshot = checkpoint.as_ref().map(|checkpoint| checkpoint.engine.clone());
        Head { format, rules, sources, judged, snapshot }
    }
}

/// The same for rules that mean the same, whichever files and lines they stand in, on any rollout.
pub fn digest_of(rules: &RuleSet) -> String {
    let meaning = |rule: &Arc<Rule>| (rule.name.clone(), rule.meaning());
    let mut meanings: Vec<(String, String)> = rules.rules().iter().map(meaning).collect();
    meanings.sort();
    hex::encode(&Sha256::digest(format!("{meanings:?}"))[..16])
}

/// The engine as it was before its first input; a new one, and said so, where it cannot be had.
pub fn restored(
    rules: &Arc<RuleSet>,
    sources: &[String],
    judged: HashSet<VerdictKey>,
    before: Option<&Snapshot>,
) -> Engine {
    if let Some(before) = before {
        match Engine::restore(Arc::clone(rules), sources, judged.clone(), before) {
            Ok(engine) => return engine,
            Err(error) => log::warn("engine", &format!("{error}; open windows of before are lost")),
        }
    }
    Engine::new(Arc::clone(rules), sources, judged)
}

/// The hash of a line behind the line with hash `before`.
pub fn chained(before: &str, line: &str) -> String {
    let hash = Sha256::new().chain_update(before).chain_update(line).finalize();
    hex::encode(&hash[..8])
}

/// File number `number` of a recording, from 1.
pub fn file(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if number > 1 {
        name.push(format!(".{number}"));
    }
    name.into()
}

enum Order {
    Line(String),
    End(oneshot::Sender<()>),
}

/// The engine's inputs on their way to a file; does nothing where none is wanted.
pub struct Recorder {
    lines: Option<mpsc::Sender<Order>>,
    limit: Waiting,
    queue: Arc<Queue>,
}

/// What recorder and tape know of each other.
#[derive(Default)]
struct Queue {
    /// Bytes that wait.
    bytes: AtomicUsize,
    is_slow: AtomicBool,
}

impl Recorder {
    pub fn start(path: Option<&Path>, head: Head) -> Result<Recorder, Mistakes> {
        Recorder::start_with(path, head, FILE_BYTES, WAITING)
    }

    fn start_with(
        path: Option<&Path>,
        head: Head,
        file_bytes: u64,
        limit: Waiting,
    ) -> Result<Recorder, Mistakes> {
        let queue = Arc::new(Queue::default());
        let Some(path) = path else { return Ok(Recorder { lines: None, limit, queue }) };
        let failed = |error: std::io::Error| {
            Mistakes(vec![format!(
                "cannot record to {}: {error}; choose another --record",
                path.display()
            )])
        };
        set_aside(path).map_err(failed)?;
        let tape = Tape::open(path.to_owned(), file_bytes).map_err(failed)?;
        let (lines, inbox) = mpsc::channel(limit.lines);
        let of_tape = Arc::clone(&queue);
        tokio::task::spawn_blocking(move || tape.write_all(inbox, &of_tape));
        let mut recorder = Recorder { lines: Some(lines), limit, queue };
        recorder.put(&Entry::Head(Box::new(head)));
        Ok(recorder)
    }

    /// The engine is about to take `input`.
    pub fn note(&mut self, input: &Input, now: CellTime) {
        if self.lines.is_none() {
            return;
        }
        match input {
            Input::Replace(rules) => self.put(&Entry::Rules(now, InForce::of(rules))),
            Input::RollOut(rules) => self.put(&Entry::RollOut(now, InForce::of(rules))),
            input => self.put(&Entry::In(now, input.clone())),
        }
    }

    fn put(&mut self, entry: &Entry) {
        let Some(lines) = &self.lines else { return };
        let line =
            serde_json::to_string(entry).expect("invariant: inputs but rules are plain data");
        let before = self.queue.bytes.fetch_add(line.len(), Ordering::AcqRel);
        let is_over = before > 0 && before + line.len() > self.limit.bytes;
        let sent = match is_over {
            true => Err(mpsc::error::TrySendError::Full(Order::Line(line))),
            false => lines.try_send(Order::Line(line)),
        };
        match sent {
            Ok(()) => return,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.queue.is_slow.store(true, Ordering::Release);
                log::warn(
                    "recording",
                    "the disk is too slow for --record: the recording ends here",
                );
            }
            // It has said why.
            Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
        self.lines = None;
    }

    /// A clean end of the file.
    pub async fn end(&mut self) {
        let Some(lines) = self.lines.take() else { return };
        let (done, wait) = oneshot::channel();
        let ended = async {
            if lines.send(Order::End(done)).await.is_ok() {
                let _ = wait.await;
            }
        };
        let _ = tokio::time::timeout(END_LIMIT, ended).await;
    }
}

/// What an earlier start recorded is kept, once.
fn set_aside(path: &Path) -> std::io::Result<()> {
    let mut before = path.as_os_str().to_owned();
    before.push(".before");
    let before = PathBuf::from(before);
    for number in 1..=FILES {
        let (from, to) = (file(path, number), file(&before, number));
        if from.exists() {
            std::fs::rename(from, to)?;
        } else if to.exists() && file(path, 1).exists() {
            std::fs::remove_file(to)?;
        }
    }
    Ok(())
}

/// The files, written one after the other.
struct Tape {
    path: PathBuf,
    number: usize,
    file: BufWriter<File>,
    written: u64,
    file_bytes: u64,
    hash: String,
}

impl Tape {
    fn open(path: PathBuf, file_bytes: u64) -> std::io::Result<Tape> {
        let file = BufWriter::new(create(&path)?);
        Ok(Tape { path, number: 1, file, written: 0, file_bytes, hash: String::new() })
    }

    fn write_all(mut self, mut inbox: mpsc::Receiver<Order>, queue: &Queue) {
        let path = self.path.display().to_string();
        if let Err(error) = self.take_all(&mut inbox, queue) {
            log::warn("recording", &format!("cannot record to {path} any longer: {error}"));
        }
    }

    /// What waits stays in the queue until it is written: only there it is counted.
    fn take_all(
        &mut self,
        inbox: &mut mpsc::Receiver<Order>,
        queue: &Queue,
    ) -> std::io::Result<()> {
        loop {
            let order = match inbox.try_recv() {
                Ok(order) => Some(order),
                Err(_) => {
                    self.file.flush()?;
                    inbox.blocking_recv()
                }
            };
            match order {
                Some(Order::Line(line)) if self.is_full(&line) && self.number == FILES => {
                    log::warn("recording", "the recording is full: it ends here");
                    return self.end(End::Full);
                }
                Some(Order::Line(line)) => {
                    self.line(&line)?;
                    queue.bytes.fetch_sub(line.len(), Ordering::AcqRel);
                }
                Some(Order::End(done)) => {
                    self.end(End::Stopped)?;
                    let _ = done.send(());
                    return Ok(());
                }
                None if queue.is_slow.load(Ordering::Acquire) => return self.end(End::Slow),
                None => return Ok(()),
            }
        }
    }

    fn is_full(&self, line: &str) -> bool {
        self.written > 0 && self.written + line.len() as u64 > self.file_bytes
    }

    fn line(&mut self, line: &str) -> std::io::Result<()> {
        if self.is_full(line) && self.number < FILES {
            self.file.flush()?;
            self.number += 1;
            self.file = BufWriter::new(create(&file(&self.path, self.number))?);
            self.written = 0;
        }
        self.hash = chained(&self.hash, line);
        let text = format!("{} {line}\n", self.hash);
        self.written += text.len() as u64;
        self.file.write_all(text.as_bytes())
    }

    fn end(&mut self, why: End) -> std::io::Result<()> {
        let end = serde_json::to_string(&Entry::End(why))?;
        self.line(&end)?;
        self.file.flush()
    }
}

/// It holds what customers buy: for its owner alone.
fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Records `inputs`, a file no longer than `file_bytes`.
    pub async fn record(
        path: &Path,
        rules: &RuleSet,
        inputs: &[(CellTime, Input)],
        file_bytes: u64,
    ) {
        let head = Head::of(rules, vec!["binlog".into()], Vec::new(), &None);
        let started = Recorder::start_with(Some(path), head, file_bytes, WAITING);
        let mut recorder = started.ok().unwrap();
        for (now, input) in inputs {
            recorder.note(input, *now);
        }
        recorder.end().await;
    }

    #[tokio::test]
    async fn a_recording_goes_on_in_the_next_file_until_it_is_full() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r");
        let inputs: Vec<_> = (0..60).map(|at| (CellTime(at), Input::Tick)).collect();
        record(&path, &RuleSet::default(), &inputs, 120).await;
        let text = std::fs::read_to_string(file(&path, FILES)).unwrap();
        assert!(text.trim_end().ends_with(r#"{"end":"full"}"#), "{text}");
        assert!(!file(&path, FILES + 1).exists());
        record(&path, &RuleSet::default(), &inputs[..1], 10_000).await;
        assert!(dir.path().join("r.before").exists() && dir.path().join("r.before.8").exists());
        assert!(!file(&path, 2).exists(), "the old files are out of the way");
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    /// A disk that takes nothing, and then everything.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_recording_ends_where_more_waits_for_the_disk_than_may() {
        // More than a pipe and the buffer before it hold.
        let held = 1 << 18;
        let rows = |text: &str| Input::Answer { lookup: 1, result: Err(text.to_owned()) };
        for (lines, bytes, input) in [
            (50, 1 << 30, rows(&"x".repeat(10_000))),
            (1_000_000, 300_000, rows(&"x".repeat(10_000))),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("r");
            let head = Head::of(&RuleSet::default(), vec!["binlog".into()], Vec::new(), &None);
            let limit = Waiting { lines, bytes };
            let pipe = dir.path().join("r.2");
            assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
            let (opened, is_open) = std::sync::mpsc::channel();
            let (go, goes) = std::sync::mpsc::channel::<()>();
            let reads = std::thread::spawn(move || {
                let mut disk = File::open(&pipe).unwrap();
                opened.send(()).unwrap();
                goes.recv().unwrap();
                let mut text = String::new();
                std::io::Read::read_to_string(&mut disk, &mut text).unwrap();
                text
            });
            // The second file is the slow one; set_aside does not look at it where no first one is.
            let queue = Arc::new(Queue::default());
            let tape = Tape::open(path.clone(), 1_000).unwrap();
            let (sender, inbox) = mpsc::channel(limit.lines);
            let of_tape = Arc::clone(&queue);
            let written = tokio::task::spawn_blocking(move || {
                let mut tape = tape;
                tape.number = 1;
                tape.file_bytes = 1_000;
                tape.line("{}").unwrap();
                tape.line(&"x".repeat(1_000)).unwrap();
                tape.file_bytes = u64::MAX;
                tape.write_all(inbox, &of_tape);
            });
            is_open.recv().unwrap();
            let mut recorder = Recorder { lines: Some(sender), limit, queue: Arc::clone(&queue) };
            recorder.put(&Entry::Head(Box::new(head)));
            let most = (held + bytes.min(lines * 10_000)) / 10_000;
            let mut noted = 0;
            while recorder.lines.is_some() {
                recorder.note(&input, CellTime(noted));
                noted += 1;
                assert!(noted < 2 * most as i64, "{noted} lines wait");
            }
            go.send(()).unwrap();
            written.await.unwrap();
            assert!(reads.join().unwrap().ends_with("{\"end\":\"slow\"}\n"));
            assert!(queue.bytes.load(Ordering::Acquire) <= bytes.max(20_000));
        }
    }
}

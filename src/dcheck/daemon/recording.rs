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
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};

use super::record::Checkpoint;
use super::start::Mistakes;
use super::tape::{FILE_BYTES, Order, Queue, Tape, WAITING, Waiting, set_aside};
use crate::clock::CellTime;
use crate::dcheck::engine::gate::Rollout;
use crate::dcheck::engine::rules::Rule;
use crate::dcheck::engine::{Engine, Input, RuleSet, Snapshot, VerdictKey};
use crate::dcheck::log;

pub const FORMAT: &str = "dcheck-recording/2";
/// What a stop waits for the disk.
const END_LIMIT: Duration = Duration::from_secs(2);

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

/// The engine's inputs on their way to a file; does nothing where none is wanted.
pub struct Recorder {
    lines: Option<mpsc::Sender<Order>>,
    limit: Waiting,
    queue: Arc<Queue>,
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

    #[cfg(test)]
    pub fn onto(lines: mpsc::Sender<Order>, limit: Waiting, queue: Arc<Queue>) -> Recorder {
        Recorder { lines: Some(lines), limit, queue }
    }

    #[cfg(test)]
    pub fn records(&self) -> bool {
        self.lines.is_some()
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

    pub(super) fn put(&mut self, entry: &Entry) {
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

#[cfg(test)]
pub mod tests {
    use super::super::tape::{FILES, file};
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
}

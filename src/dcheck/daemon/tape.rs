//! The files of a recording, written one after the other, and what may wait for them.
//!
//! Owns the chain of hashes, the change of files, and the bounds of the queue: by lines and by bytes, so that a slow disk never
//! costs more memory than that. What waits is nowhere but in the queue. Must not know what a line says.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};

use super::recording::{End, Entry};
use crate::dcheck::log;

/// Of one file; some 100,000 inputs.
pub const FILE_BYTES: u64 = 64 << 20;
/// Files of one recording.
pub const FILES: usize = 8;
/// On their way to the disk: a second's worth of a busy stream, a line of any length by itself.
pub const WAITING: Waiting = Waiting { lines: 65_536, bytes: 64 << 20 };

/// The most that may wait.
#[derive(Clone, Copy)]
pub struct Waiting {
    pub lines: usize,
    pub bytes: usize,
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

pub enum Order {
    Line(String),
    End(oneshot::Sender<()>),
}

/// What recorder and tape know of each other.
#[derive(Default)]
pub struct Queue {
    /// Bytes that wait.
    pub bytes: AtomicUsize,
    pub is_slow: AtomicBool,
}

/// What an earlier start recorded is kept, once.
pub fn set_aside(path: &Path) -> std::io::Result<()> {
    let mut before = path.as_os_str().to_owned();
    before.push(".before");
    let before = PathBuf::from(before);
    let has_new = file(path, 1).exists();
    for number in 1..=FILES {
        let (from, to) = (file(path, number), file(&before, number));
        if from.exists() {
            std::fs::rename(from, to)?;
        } else if to.exists() && has_new {
            std::fs::remove_file(to)?;
        }
    }
    Ok(())
}

/// The files, written one after the other.
pub struct Tape {
    path: PathBuf,
    number: usize,
    file: BufWriter<File>,
    written: u64,
    file_bytes: u64,
    hash: String,
}

impl Tape {
    pub fn open(path: PathBuf, file_bytes: u64) -> std::io::Result<Tape> {
        let file = BufWriter::new(create(&path)?);
        Ok(Tape { path, number: 1, file, written: 0, file_bytes, hash: String::new() })
    }

    pub fn write_all(mut self, mut inbox: mpsc::Receiver<Order>, queue: &Queue) {
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
mod tests {
    use std::sync::Arc;

    use super::super::recording::{Head, Recorder};
    use super::*;
    use crate::clock::CellTime;
    use crate::dcheck::engine::{Input, RuleSet};

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
            // The second file is the slow one.
            let queue = Arc::new(Queue::default());
            let mut tape = Tape::open(path.clone(), 1_000).unwrap();
            let (sender, inbox) = mpsc::channel(limit.lines);
            let of_tape = Arc::clone(&queue);
            let written = tokio::task::spawn_blocking(move || {
                tape.line("first").unwrap();
                tape.line(&"second".repeat(200)).unwrap();
                tape.file_bytes = u64::MAX;
                tape.write_all(inbox, &of_tape);
            });
            is_open.recv().unwrap();
            let mut recorder = Recorder::onto(sender, limit, Arc::clone(&queue));
            recorder.put(&Entry::Head(Box::new(head)));
            let most = (held + bytes.min(lines * 10_000)) / 10_000;
            let mut noted = 0;
            while recorder.records() {
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

    #[test]
    fn what_is_set_aside_is_one_recording() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        for name in ["r", "r.2", "r.3"] {
            write(name, "A");
        }
        set_aside(&path).unwrap();
        write("r", "B");
        set_aside(&path).unwrap();
        let mut left: Vec<String> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["r.before"], "no part of an older one beside it");
        assert_eq!(std::fs::read_to_string(dir.path().join("r.before")).unwrap(), "B");
    }
}

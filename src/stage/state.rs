//! Where a run keeps what must not outlive it: `${TMPDIR:-/tmp}/lossdrill-state/<run id>/`.
//!
//! Owns the layout and the lock. A directory whose `lock` is held belongs to a living guardian; one
//! whose lock is free belongs to nobody, and [`super::sweep`] removes it. Knows nothing of
//! processes or containers.
//! Try it: `cargo test --lib stage::state`. Not covered: a state directory shared by machines
//! (flock on NFS).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The environment variable that every process of a run carries, so that a sweep can prove whose it
/// is.
pub const RUN_ENV: &str = "LOSSDRILL_RUN";
/// The label that every container of a run carries, with the run's id.
pub const RUN_LABEL: &str = "lossdrill.run";
/// Rounds of taking a lock: a sweep may look at a directory that is just being made, and remove it.
const LOCK_ROUNDS: usize = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// From SIGKILL on a lock's holder until the kernel frees the lock, on a busy machine.
const DYING_LIMIT: Duration = Duration::from_secs(5);

/// `${TMPDIR:-/tmp}/lossdrill-state`.
pub fn root() -> PathBuf {
    std::env::temp_dir().join("lossdrill-state")
}

/// The state directory of a run.
pub fn run_dir(run_id: &str) -> PathBuf {
    root().join(run_id)
}

/// A run id names a directory and a label: letters, digits, `-`, `_` and `.`, not starting with a
/// dot.
pub fn is_run_id(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= 64 && !text.starts_with('.') && text.chars().all(allowed)
}

/// The exclusive lock on a state directory; the kernel frees it when its holder ends, however it
/// ends.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

impl StateLock {
    /// Makes `dir` and takes its lock. `None` when somebody else holds it.
    pub fn take(dir: &Path) -> io::Result<Option<StateLock>> {
        for _ in 0..LOCK_ROUNDS {
            std::fs::create_dir_all(dir)?;
            let file = OpenOptions::new().create(true).append(true).open(dir.join("lock"));
            match file.and_then(|file| StateLock::hold(dir, file)) {
                Ok(None) => std::thread::sleep(LOCK_PAUSE), // a sweep's look, or a guardian
                Err(error) if error.kind() == io::ErrorKind::NotFound => {} // swept just now: again
                result => return result,
            }
        }
        Ok(None)
    }

    /// Takes the lock of a directory that is there. `None` when somebody else holds it; an error of
    /// kind `NotFound` when the directory has no lock (yet). A holder that was just killed is waited for: who sweeps
    /// right after a kill must find what it left.
    pub fn take_existing(dir: &Path) -> io::Result<Option<StateLock>> {
        let path = dir.join("lock");
        let started = Instant::now();
        loop {
            let file = OpenOptions::new().append(true).open(&path)?;
            let inode = file.metadata()?.ino();
            match StateLock::hold(dir, file)? {
                Some(lock) => return Ok(Some(lock)),
                None if started.elapsed() > DYING_LIMIT || !is_dying(holder_of(inode)) => {
                    return Ok(None);
                }
                None => std::thread::sleep(LOCK_PAUSE),
            }
        }
    }

    fn hold(dir: &Path, file: File) -> io::Result<Option<StateLock>> {
        // SAFETY: the descriptor is open for as long as `file` lives.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0 {
            let error = io::Error::last_os_error();
            let held = error.kind() == io::ErrorKind::WouldBlock;
            return if held { Ok(None) } else { Err(error) };
        }
        // A sweep may have removed the directory between open and flock: then this lock guards
        // nothing.
        if std::fs::metadata(dir.join("lock"))?.ino() != file.metadata()?.ino() {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        Ok(Some(StateLock { _file: file }))
    }
}

/// Who took the lock on the file with this inode, by the kernel's table; `None` when it is free or not to be seen.
fn holder_of(inode: u64) -> Option<u32> {
    let table = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    table.lines().find_map(|line| holder_in(line, inode))
}

/// A line of `/proc/locks`: `1: FLOCK  ADVISORY  WRITE 4711 fe:00:1310740 0 EOF`.
fn holder_in(line: &str, inode: u64) -> Option<u32> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, "FLOCK", _, _, pid, file, ..] = words[..] else { return None };
    let of_file = file.rsplit(':').next()?.parse() == Ok(inode);
    pid.parse().ok().filter(|_| of_file)
}

/// Killed, and not yet gone: its end is certain.
fn is_dying(pid: Option<u32>) -> bool {
    const EXITING: u64 = 0x4; // PF_EXITING in the flags of /proc/PID/stat
    let Some(pid) = pid.filter(|pid| *pid != 0) else { return false };
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let flags = after_name.split(' ').nth(6).and_then(|word| word.parse::<u64>().ok());
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kill = 1 << (libc::SIGKILL - 1);
    let pending = |line: &str| {
        let mask = line.strip_prefix("SigPnd:").or_else(|| line.strip_prefix("ShdPnd:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    };
    flags.is_some_and(|flags| flags & EXITING != 0)
        || status.lines().filter_map(pending).any(|mask| mask & kill != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_freed_with_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("run-1");
        let held = StateLock::take(&state).unwrap();
        assert!(held.is_some());
        assert!(StateLock::take(&state).unwrap().is_none(), "a second holder is refused");
        drop(held);
        assert!(StateLock::take(&state).unwrap().is_some());
    }

    #[test]
    fn a_directory_without_a_lock_is_nobodys() {
        let dir = tempfile::tempdir().unwrap();
        let error = StateLock::take_existing(dir.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(!dir.path().join("lock").exists(), "looking makes nothing");
    }

    #[test]
    fn the_holder_of_a_lock_is_known_and_lives_until_it_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let _held = StateLock::take(dir.path()).unwrap().unwrap();
        let inode = std::fs::metadata(dir.path().join("lock")).unwrap().ino();
        assert_eq!(holder_of(inode), Some(std::process::id()));
        assert_eq!(holder_in("2: POSIX  ADVISORY  WRITE 47 fe:00:7 0 EOF", 7), None);
        assert_eq!(holder_in("2: FLOCK  ADVISORY  WRITE 47 fe:00:17 0 EOF", 7), None);
        assert!(!is_dying(Some(std::process::id())) && !is_dying(None));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(!is_dying(Some(child.id())));
        child.kill().unwrap();
        // a zombie until it is reaped: it has begun to end, and has not gone
        let started = Instant::now();
        while !is_dying(Some(child.id())) && started.elapsed() < DYING_LIMIT {
            std::thread::sleep(LOCK_PAUSE);
        }
        assert!(is_dying(Some(child.id())));
        child.wait().unwrap();
        assert!(is_dying(Some(child.id())), "gone");
    }

    #[test]
    fn run_ids() {
        for (text, good) in [
            ("20260105-100000-k7f3", true),
            ("warm", true),
            ("", false),
            ("..", false),
            (".hidden", false),
            ("a/b", false),
            ("a b", false),
        ] {
            assert_eq!(is_run_id(text), good, "{text}");
        }
    }
}

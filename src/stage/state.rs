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
use std::time::Duration;

/// The environment variable that every process of a run carries, so that a sweep can prove whose it
/// is.
pub const RUN_ENV: &str = "LOSSDRILL_RUN";
/// The label that every container of a run carries, with the run's id.
pub const RUN_LABEL: &str = "lossdrill.run";
/// Rounds of taking a lock: a sweep may look at a directory that is just being made, and remove it.
const LOCK_ROUNDS: usize = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

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
    /// kind `NotFound` when the directory has no lock (yet).
    pub fn take_existing(dir: &Path) -> io::Result<Option<StateLock>> {
        StateLock::hold(dir, OpenOptions::new().append(true).open(dir.join("lock"))?)
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

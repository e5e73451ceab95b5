//! After runs that were killed together with their guardian: what they left is found, proved
//! theirs, and removed.
//!
//! A run is dead when nobody holds the lock of its state directory. Its processes are those that
//! carry its id in their environment, its containers those that carry it as a label. Never touches
//! anything else, and nothing of a run that lives. Try it: `lossdrill faults heal --all`.
//! Not covered: what another user's dead run left, and processes that wiped their environment.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use super::state::{self, RUN_ENV, StateLock};
use super::undo::Undone;
use super::{engine, groups, undo};

/// From SIGKILL to the last leftover process being gone.
const KILL_LIMIT: Duration = Duration::from_secs(5);
const KILL_ROUND: Duration = Duration::from_millis(10);

/// What a sweep found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Ids of dead runs.
    pub runs: Vec<String>,
    /// Processes killed: pid and name.
    pub processes: Vec<(u32, String)>,
    /// Containers removed.
    pub containers: usize,
    /// What was undone on given servers, by the runs' records.
    pub undone: Vec<String>,
    /// What could not be undone, each with its reason.
    pub left: Vec<String>,
}

impl Swept {
    /// Nothing of a dead run remains.
    pub fn is_clean(&self) -> bool {
        self.left.is_empty()
    }

    /// Was there anything to do?
    pub fn found_any(&self) -> bool {
        !self.runs.is_empty() || !self.left.is_empty()
    }
}

impl fmt::Display for Swept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.found_any() {
            return f.write_str("nothing was left by earlier runs");
        }
        write!(f, "removed what {} dead run(s) left: ", self.runs.len())?;
        write!(f, "{} process(es), {} container(s)", self.processes.len(), self.containers)?;
        for (pid, name) in &self.processes {
            write!(f, "\n  killed {name} (pid {pid})")?;
        }
        for undone in &self.undone {
            write!(f, "\n  {undone}")?;
        }
        for left in &self.left {
            write!(f, "\n  left behind: {left}")?;
        }
        Ok(())
    }
}

/// Removes what dead runs left. Safe at any time, beside living runs, and twice.
pub async fn sweep() -> Swept {
    let mut swept = Swept::default();
    let dead = dead_runs(&mut swept.left);
    if dead.is_empty() {
        return swept;
    }
    let ids: BTreeSet<&str> = dead.iter().map(|run| run.id.as_str()).collect();
    kill_leftovers(&ids, &mut swept).await;
    remove_containers(&ids, &mut swept).await;
    swept.left.extend(groups::sweep(ids.iter().copied()));
    for run in &dead {
        match undo::carry_out(&run.dir).await {
            Ok(undone) => swept.undone.extend(undone),
            // Its record stays where it is, for the next sweep.
            Err(why) => {
                let way_out = match why {
                    Undone::Busy => String::new(),
                    Undone::Failed(_) => {
                        format!("; are those servers gone for good, remove {}", run.dir.display())
                    }
                };
                swept.left.push(format!("{why}{way_out}"));
                continue;
            }
        }
        match std::fs::remove_dir_all(&run.dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                swept.left.push(format!("{}: {error}", run.dir.display()));
            }
            _ => swept.runs.push(run.id.clone()),
        }
    }
    swept
}

struct DeadRun {
    id: String,
    dir: PathBuf,
    /// Held while it is swept, so that no two sweeps meet and no new guardian takes the directory.
    _lock: StateLock,
}

fn dead_runs(left: &mut Vec<String>) -> Vec<DeadRun> {
    let Ok(entries) = std::fs::read_dir(state::root()) else { return Vec::new() };
    let mut dead = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let id = entry.file_name().to_string_lossy().into_owned();
        let dir = entry.path();
        if !dir.is_dir() || !state::is_run_id(&id) {
            continue;
        }
        match StateLock::take_existing(&dir) {
            Ok(Some(lock)) => dead.push(DeadRun { id, dir, _lock: lock }),
            Ok(None) => {} // alive
            // no lock: a guardian that was killed in its first instant, or one that is just being
            // born; an empty directory can go, and who is being born makes it again
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // what has files and no lock was half removed when its guardian ended: the lock comes first in a birth
                if std::fs::remove_dir(&dir).is_err()
                    && let Ok(Some(lock)) = StateLock::take(&dir)
                {
                    dead.push(DeadRun { id, dir, _lock: lock });
                }
            }
            Err(error) => left.push(format!("{}: {error}", dir.display())),
        }
    }
    dead
}

/// Kills in rounds until none is found: a process may have forked between a look and its kill.
async fn kill_leftovers(dead: &BTreeSet<&str>, swept: &mut Swept) {
    let deadline = tokio::time::Instant::now() + KILL_LIMIT;
    loop {
        let found = leftovers(dead);
        if found.is_empty() {
            return;
        }
        for (pid, name) in &found {
            match kill_proved(*pid, dead) {
                Ok(()) if !swept.processes.contains(&(*pid, name.clone())) => {
                    swept.processes.push((*pid, name.clone()));
                }
                _ => {}
            }
        }
        if tokio::time::Instant::now() > deadline {
            let tell = |(pid, name): &(u32, String)| format!("{name} (pid {pid}) does not end");
            swept.left.extend(found.iter().map(tell));
            return;
        }
        tokio::time::sleep(KILL_ROUND).await;
    }
}

/// Processes of dead runs that are no zombies: a zombie holds nothing, and is its parent's to reap.
fn leftovers(dead: &BTreeSet<&str>) -> Vec<(u32, String)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| is_of(*pid, dead) && !is_zombie(*pid))
        .map(|pid| (pid, name_of(pid)))
        .collect()
}

fn is_of(pid: u32, dead: &BTreeSet<&str>) -> bool {
    let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    run_in(&environ).is_some_and(|run| dead.contains(run))
}

/// The run that an environment block (`NAME=value`, each ended by a zero byte) names.
fn run_in(environ: &[u8]) -> Option<&str> {
    let vars = environ.split(|byte| *byte == 0);
    let value = |var| std::str::from_utf8(var).ok()?.strip_prefix(RUN_ENV)?.strip_prefix('=');
    vars.filter_map(value).next()
}

fn is_zombie(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

fn name_of(pid: u32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_end().to_owned()
}

/// Kills through a handle, and looks once more after taking it: a pid may have become somebody
/// else's.
fn kill_proved(pid: u32, dead: &BTreeSet<&str>) -> io::Result<()> {
    // SAFETY: plain system calls; the new descriptor is owned here.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        let fd =
            i32::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
        let handle = OwnedFd::from_raw_fd(fd);
        if !is_of(pid, dead) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        let none = std::ptr::null::<libc::siginfo_t>();
        let sent =
            libc::syscall(libc::SYS_pidfd_send_signal, handle.as_raw_fd(), libc::SIGKILL, none, 0);
        if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

async fn remove_containers(dead: &BTreeSet<&str>, swept: &mut Swept) {
    let Some(docker) = engine::connect().await else { return };
    let removed = async {
        let all = engine::labelled(&docker).await?;
        let ids: Vec<String> = all
            .into_iter()
            .filter(|(_, run)| dead.contains(run.as_str()))
            .map(|(id, _)| id)
            .collect();
        engine::remove(&docker, &ids).await.map(|()| ids.len())
    };
    match removed.await {
        Ok(count) => swept.containers = count,
        Err(error) => swept.left.push(format!("containers of dead runs: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_of_the_run_that_its_environment_names() {
        for (environ, run) in [
            (&b"PATH=/bin\0LOSSDRILL_RUN=r1\0HOME=/\0"[..], Some("r1")),
            (b"LOSSDRILL_RUN=r1", Some("r1")),
            (b"LOSSDRILL_RUNNER=r1\0", None),
            (b"X=LOSSDRILL_RUN=r1\0", None),
            (b"", None),
        ] {
            assert_eq!(run_in(environ), run);
        }
    }

    #[test]
    fn a_sweep_says_what_it_did() {
        let mut swept = Swept::default();
        assert_eq!(swept.to_string(), "nothing was left by earlier runs");
        swept.runs.push("r1".to_owned());
        swept.processes.push((42, "mysqld".to_owned()));
        let text = swept.to_string();
        assert!(text.contains("1 dead run(s)") && text.contains("mysqld (pid 42)"), "{text}");
        swept.undone.push("dropped table `drill`.`orders`".to_owned());
        assert!(swept.to_string().ends_with("\n  dropped table `drill`.`orders`"), "{swept}");
        assert!(swept.is_clean());
        swept.left.push("x".to_owned());
        assert!(!swept.is_clean());
    }
}

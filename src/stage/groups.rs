//! Control groups of the kernel: a process of the run is kept to a share of a processor, or to an amount of memory.
//!
//! Owns the groups of this machine that carry a run's id in their names, both versions of the kernel's interface. A
//! group is told to the guardian before it is made: it lifts what a dead harness left, and [`sweep`] what a dead
//! guardian left. Knows no fault. Try it: `cargo test --lib stage::groups`. Not covered: groups that another user
//! delegated, disks.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::guardian::{Cleanup, Guardian};

/// Stands before the run's id in the name of each group.
const PREFIX: &str = "lossdrill-";
/// What a share is measured over.
const PERIOD_US: u64 = 100_000;
/// The kernel takes no smaller share.
const QUOTA_US_MIN: u64 = 1_000;
const MIB: u64 = 1024 * 1024;
/// A process that is being killed leaves its group a moment later.
const EMPTY_LIMIT: Duration = Duration::from_secs(5);
const EMPTY_PAUSE: Duration = Duration::from_millis(10);
/// Where the kernel's groups are mounted.
const ROOT: &str = "/sys/fs/cgroup";

/// What a process is kept to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many hundredths of one processor.
    CpuPercent(u64),
    /// So much memory from now on; what it has already is not counted.
    MemoryMib(u64),
}

/// Which files a machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

impl Limit {
    fn controller(self) -> &'static str {
        match self {
            Limit::CpuPercent(_) => "cpu",
            Limit::MemoryMib(_) => "memory",
        }
    }

    /// File and text of the limit itself.
    fn orders(self, version: Version) -> Vec<(&'static str, String)> {
        let quota = |percent: u64| (percent * PERIOD_US / 100).max(QUOTA_US_MIN);
        match (self, version) {
            (Limit::CpuPercent(percent), Version::V1) => vec![
                ("cpu.cfs_period_us", PERIOD_US.to_string()),
                ("cpu.cfs_quota_us", quota(percent).to_string()),
            ],
            (Limit::CpuPercent(percent), Version::V2) => {
                vec![("cpu.max", format!("{} {PERIOD_US}", quota(percent)))]
            }
            (Limit::MemoryMib(mib), Version::V1) => {
                vec![("memory.limit_in_bytes", (mib * MIB).to_string())]
            }
            (Limit::MemoryMib(mib), Version::V2) => {
                vec![("memory.max", (mib * MIB).to_string()), ("memory.swap.max", "0".to_owned())]
            }
        }
    }

    /// File and word of how often the limit was felt.
    fn count(self, version: Version) -> (&'static str, &'static str) {
        match (self, version) {
            (Limit::CpuPercent(_), _) => ("cpu.stat", "nr_throttled"),
            (Limit::MemoryMib(_), Version::V1) => ("memory.oom_control", "oom_kill"),
            (Limit::MemoryMib(_), Version::V2) => ("memory.events", "oom_kill"),
        }
    }
}

/// Where groups for `limit` are made on this machine, or why they cannot be.
fn place(limit: Limit) -> Result<(PathBuf, Version), String> {
    let controller = limit.controller();
    let v1 = Path::new(ROOT).join(controller);
    if v1.join("cgroup.procs").exists() {
        return Ok((v1, Version::V1));
    }
    let controllers = std::fs::read_to_string(Path::new(ROOT).join("cgroup.subtree_control"));
    match controllers {
        Ok(enabled) if enabled.split_whitespace().any(|word| word == controller) => {
            Ok((ROOT.into(), Version::V2))
        }
        _ => Err(format!("the kernel has no control group for {controller} at {ROOT}")),
    }
}

/// Can a process be kept to such a limit on this machine? Makes a group and removes it.
pub fn able(limit: Limit) -> Result<(), String> {
    let (root, _) = place(limit)?;
    let dir = root.join(format!("{PREFIX}probe-{}", std::process::id()));
    let failed = |error: io::Error| format!("{} cannot be made: {error}", dir.display());
    std::fs::create_dir(&dir).map_err(failed)?;
    std::fs::remove_dir(&dir).map_err(failed)
}

/// A group with one process in it.
pub struct Group {
    dir: PathBuf,
    /// Where the process was before.
    origin: PathBuf,
    limit: Limit,
    version: Version,
    pid: u32,
    guardian: Guardian,
    cleanup: u64,
}

impl Group {
    /// Keeps process `pid` to `limit`. The guardian is told first; a group that could not be filled is removed.
    pub async fn confine(guardian: &Guardian, pid: u32, limit: Limit) -> Result<Group, String> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let (root, version) = place(limit)?;
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{}-{number}", guardian.run_id(), std::process::id());
        let dir = root.join(name);
        let told = guardian.add_cleanup(Cleanup::Group(dir.clone())).await;
        let cleanup = told.map_err(|error| error.to_string())?;
        let origin = origin(pid, limit, version);
        let group = Group { dir, origin, limit, version, pid, guardian: guardian.clone(), cleanup };
        match group.fill() {
            Ok(()) => Ok(group),
            Err(why) => {
                group.lift().await?;
                Err(why)
            }
        }
    }

    fn fill(&self) -> Result<(), String> {
        let failed = |error| format!("{} cannot be made: {error}", self.dir.display());
        std::fs::create_dir(&self.dir).map_err(failed)?;
        for (file, text) in self.limit.orders(self.version) {
            // Not every kernel counts swap.
            let written = write(&self.dir.join(file), &text);
            if file != "memory.swap.max" {
                written?;
            }
        }
        write(&self.dir.join("cgroup.procs"), &self.pid.to_string())
    }

    /// Is the process still in there?
    pub fn holds(&self) -> bool {
        procs(&self.dir).contains(&self.pid.to_string())
    }

    /// How often the limit was felt: slices lost, processes killed.
    pub fn felt(&self) -> u64 {
        let (file, word) = self.limit.count(self.version);
        let text = std::fs::read_to_string(self.dir.join(file)).unwrap_or_default();
        counted(&text, word)
    }

    /// Lets the process go, and removes the group; again is fine.
    pub async fn lift(&self) -> Result<(), String> {
        let start = tokio::time::Instant::now();
        while let Err(why) = remove(&self.dir, &self.origin) {
            if start.elapsed() > EMPTY_LIMIT {
                return Err(why);
            }
            tokio::time::sleep(EMPTY_PAUSE).await;
        }
        // Told twice, the guardian shrugs.
        self.guardian.drop_cleanup(self.cleanup).await.map_err(|error| error.to_string())
    }

    pub fn is_there(&self) -> bool {
        self.dir.exists()
    }
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text)
        .map_err(|error| format!("write {text} to {}: {error}", file.display()))
}

fn procs(dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The number behind `word` on a line of its own.
fn counted(text: &str, word: &str) -> u64 {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    let found =
        lines.filter(|(name, _)| *name == word).find_map(|(_, count)| count.trim().parse().ok());
    found.unwrap_or_default()
}

/// The group that a process is in.
fn origin(pid: u32, limit: Limit, version: Version) -> PathBuf {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let (controller, root) = match version {
        Version::V1 => (limit.controller(), Path::new(ROOT).join(limit.controller())),
        Version::V2 => ("", PathBuf::from(ROOT)),
    };
    root.join(told_group(&text, controller).trim_start_matches('/'))
}

/// The path on the line `NUMBER:CONTROLLERS:PATH` of a controller.
fn told_group<'a>(text: &'a str, controller: &str) -> &'a str {
    let lines = text.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let found = lines.filter(|(names, _)| names.split(',').any(|name| name == controller));
    found.map(|(_, path)| path).next().unwrap_or_default()
}

/// Moves who is in there to `origin`, and removes the group.
fn remove(dir: &Path, origin: &Path) -> Result<(), String> {
    for pid in procs(dir) {
        // One that has just ended is in no group.
        let _ = write(&origin.join("cgroup.procs"), &pid);
    }
    match std::fs::remove_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("{} cannot be removed: {error}", dir.display()))
        }
        _ => Ok(()),
    }
}

/// Removes one group, for the guardian: everything in it is dead by then.
pub(super) fn remove_empty(dir: &Path) -> Result<(), String> {
    remove(dir, dir.parent().unwrap_or(dir))
}

/// Removes the groups that runs left whose guardian was killed too; what could not be, with its reason.
pub(super) fn sweep<'a>(runs: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let roots = ["cpu", "memory", ""].map(|controller| Path::new(ROOT).join(controller));
    let groups = roots.iter().filter_map(|root| std::fs::read_dir(root).ok()).flatten();
    let of_dead = |dir: &Path| {
        let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        runs.clone().any(|run| name.starts_with(&format!("{PREFIX}{run}-")))
    };
    let dirs = groups.filter_map(|entry| Some(entry.ok()?.path())).filter(|dir| of_dead(dir));
    dirs.filter_map(|dir| remove_empty(&dir).err()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_written_as_each_kernel_reads_them() {
        for (limit, version, orders) in [
            (Limit::CpuPercent(5), Version::V2, &[("cpu.max", "5000 100000")][..]),
            (Limit::CpuPercent(0), Version::V2, &[("cpu.max", "1000 100000")]),
            (
                Limit::CpuPercent(50),
                Version::V1,
                &[("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "50000")],
            ),
            (Limit::MemoryMib(1), Version::V1, &[("memory.limit_in_bytes", "1048576")]),
            (
                Limit::MemoryMib(2),
                Version::V2,
                &[("memory.max", "2097152"), ("memory.swap.max", "0")],
            ),
        ] {
            let written = limit.orders(version);
            let written: Vec<_> =
                written.iter().map(|(file, text)| (*file, text.as_str())).collect();
            assert_eq!(written, orders, "{limit:?}");
        }
    }

    #[test]
    fn a_process_goes_back_to_where_it_was() {
        let text = "4:memory:/a/b\n2:cpu,cpuacct:/c\n0::/user.slice/x:y\n";
        for (controller, path) in
            [("memory", "/a/b"), ("cpu", "/c"), ("", "/user.slice/x:y"), ("blkio", "")]
        {
            assert_eq!(told_group(text, controller), path);
        }
    }

    #[test]
    fn a_count_is_read_by_its_whole_word() {
        let text = "oom_kill_disable 7\nunder_oom 0\noom_kill 2\n";
        assert_eq!(counted(text, "oom_kill"), 2);
        assert_eq!(counted(text, "nr_throttled"), 0);
        assert_eq!(counted("", "oom_kill"), 0);
    }
}

//! What is there on this machine: processes, ports, mounts, cgroups, containers, networks, files.
#![allow(dead_code)] // each binary takes what it needs

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A list of things, one line each.
pub struct Census(BTreeSet<String>);

impl Census {
    pub fn take() -> Census {
        let mut things = BTreeSet::new();
        processes(&mut things);
        ports(&mut things);
        mounts(&mut things);
        cgroups(Path::new("/sys/fs/cgroup"), 0, &mut things);
        docker(&["ps", "-aq", "--no-trunc"], "container", &mut things);
        docker(&["network", "ls", "-q", "--no-trunc"], "network", &mut things);
        docker(&["volume", "ls", "-q"], "volume", &mut things);
        files(&mut things);
        Census(things)
    }

    /// What is here now, was not in `before`, and is not the warm stage's: its servers are replaced after a kill, each
    /// by one with a port of its own.
    pub fn beyond_warm(&self, before: &Census) -> Vec<String> {
        let mut left = self.beyond(before);
        let sockets: BTreeSet<String> =
            all().into_iter().filter(|(pid, _)| is_in_warm_stage(*pid)).flat_map(sockets).collect();
        let mut ports = BTreeSet::new();
        for (port, inode) in listeners() {
            if sockets.contains(&format!("socket:[{inode}]")) {
                ports.insert(format!("port {port}"));
            }
        }
        left.retain(|thing| !ports.contains(thing) && !pid_in(thing).is_some_and(is_in_warm_stage));
        left
    }

    /// What is here now and was not in `before`.
    pub fn beyond(&self, before: &Census) -> Vec<String> {
        self.0.difference(&before.0).filter(|thing| !is_lived_in(thing)).cloned().collect()
    }
}

/// The warm stage's servers and what is in them.
#[derive(Debug, PartialEq, Eq)]
pub struct Warm {
    /// Process ids.
    pub brokers: Vec<u32>,
    pub mysqls: usize,
    /// Topics of cells: none after a run.
    topics: BTreeSet<String>,
}

impl Warm {
    pub fn take() -> Warm {
        let pids = || all().into_iter().map(|(pid, _)| pid).filter(|pid| is_in_warm_stage(*pid));
        let runs = |pid: &u32, word: &str| {
            holds(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default(), word)
        };
        let mut topics = BTreeSet::new();
        for entry in fs::read_dir(state_root()).into_iter().flatten().flatten() {
            let data = entry.path().join("kafka/data");
            for topic in fs::read_dir(data).into_iter().flatten().flatten() {
                let name = topic.file_name().to_string_lossy().into_owned();
                // The broker's own start so; what it has deleted it removes from the disk a minute later.
                if topic.path().is_dir() && !name.starts_with("__") && !name.ends_with("-delete") {
                    topics.insert(name);
                }
            }
        }
        Warm {
            brokers: pids().filter(|pid| runs(pid, "java")).collect(),
            mysqls: pids().filter(|pid| runs(pid, "ld-linux")).count(),
            topics,
        }
    }
}

/// Those of `things` that somebody with our folder for temporary files has left: where a test has one of its own, the
/// processes and ports of other people's runs come and go beside it.
pub fn of_our_folder(mut things: Vec<String>) -> Vec<String> {
    let folder = format!("TMPDIR={}", std::env::temp_dir().display());
    let is_ours = |pid: u32| {
        let words = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        words.split(|byte| *byte == 0).any(|word| word == folder.as_bytes())
    };
    let ours: Vec<(u32, u32)> = all().into_iter().filter(|(pid, _)| is_ours(*pid)).collect();
    let sockets: BTreeSet<String> = ours.iter().copied().flat_map(sockets).collect();
    let held = |inode: &str| sockets.contains(&format!("socket:[{inode}]"));
    let ports = listeners().into_iter().filter(|(_, inode)| held(inode));
    let ports: BTreeSet<String> = ports.map(|(port, _)| format!("port {port}")).collect();
    things.retain(|thing| match pid_in(thing) {
        Some(pid) => ours.iter().any(|(own, _)| *own == pid),
        None => !thing.starts_with("port ") || ports.contains(thing),
    });
    things
}

/// Of a line about a process.
fn pid_in(thing: &str) -> Option<u32> {
    thing.split_once("(pid ")?.1.trim_end_matches(')').parse().ok()
}

fn is_in_warm_stage(pid: u32) -> bool {
    let place = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    let inside = place.strip_prefix(state_root()).ok().and_then(|path| path.iter().next());
    inside.is_some_and(|dir| dir.to_string_lossy().starts_with("warm"))
}

/// Where runs keep their state (as the user's manual says).
pub fn state_root() -> PathBuf {
    std::env::temp_dir().join("lossdrill-state")
}

/// (pid, parent) of every process that is not a zombie of somebody else's.
fn all() -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc is there").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some(close) = stat.rfind(')') else { continue };
        let mut rest = stat[close + 1..].split_whitespace();
        let state = rest.next().unwrap_or_default();
        let parent = rest.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        if state != "X" {
            found.push((pid, parent));
        }
    }
    found
}

pub fn children_of(parent: u32) -> Vec<u32> {
    all().into_iter().filter(|(_, of)| *of == parent).map(|(pid, _)| pid).collect()
}

/// The guardian of `parent`, by its command line.
pub fn guardian_of(parent: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok();
    let listed = children.unwrap_or_default();
    let mut candidates: Vec<u32> =
        listed.split_whitespace().filter_map(|p| p.parse().ok()).collect();
    candidates.extend(children_of(parent));
    candidates.into_iter().find(|pid| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).any(|word| word == b"guardian")
    })
}

/// What guardians wrote before they gave up.
pub fn guardians_said() -> String {
    let runs = fs::read_dir(state_root()).into_iter().flatten().flatten();
    let logs = runs.filter_map(|run| fs::read_to_string(run.path().join("guardian.log")).ok());
    logs.collect()
}

/// Where the warm stage's MySQL servers listen, by their command lines.
pub fn warm_mysql_ports() -> Vec<u16> {
    let port = |pid: u32| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).into_owned();
        words.split('\0').find_map(|word| word.strip_prefix("--port=")?.parse().ok())
    };
    all()
        .into_iter()
        .filter(|(pid, _)| is_in_warm_stage(*pid))
        .filter_map(|(pid, _)| port(pid))
        .collect()
}

/// Kernel threads and this test's own threads come and go: only real processes that run a program count.
fn processes(things: &mut BTreeSet<String>) {
    for (pid, _) in all() {
        if let Some(name) = program_of(pid) {
            things.insert(format!("process {name} (pid {pid})"));
        }
    }
}

/// The name of a process, if it is one that a run may start.
fn program_of(pid: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned();
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let ours = ["lossdrill", "shop", "dcheck", "mysqld", "java", "ld-linux", "saboteur"];
    let is_ours = ours.iter().any(|word| name.contains(word) || holds(&words, word));
    (!words.is_empty() && is_ours).then_some(name)
}

/// Does the program's own path (the first word) hold `word`?
fn holds(words: &[u8], word: &str) -> bool {
    let program = words.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(program).contains(word)
}

fn ports(things: &mut BTreeSet<String>) {
    things.extend(listeners().into_iter().map(|(port, _)| format!("port {port}")));
}

/// (port, inode of its socket) of everybody who listens.
fn listeners() -> Vec<(u16, String)> {
    let mut found = Vec::new();
    for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(file).unwrap_or_default().lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.get(3) == Some(&"0A") {
                let port = words[1].rsplit(':').next().unwrap_or_default();
                let port = u16::from_str_radix(port, 16).unwrap_or_default();
                found.push((port, words.get(9).unwrap_or(&"").to_string()));
            }
        }
    }
    found
}

/// `socket:[inode]` of each socket that a process has open.
fn sockets((pid, _): (u32, u32)) -> Vec<String> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let names = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

fn mounts(things: &mut BTreeSet<String>) {
    for line in fs::read_to_string("/proc/self/mounts").unwrap_or_default().lines() {
        things.insert(format!("mount {line}"));
    }
}

fn cgroups(dir: &Path, depth: usize, things: &mut BTreeSet<String>) {
    if depth > 4 {
        return;
    }
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            things.insert(format!("cgroup {}", entry.path().display()));
            cgroups(&entry.path(), depth + 1, things);
        }
    }
}

/// A group with processes in it is told by its processes, or is another session's; an empty one may be what a run left.
fn is_lived_in(thing: &str) -> bool {
    let Some(group) = thing.strip_prefix("cgroup ") else { return false };
    let listed = fs::read_to_string(Path::new(group).join("cgroup.procs")).unwrap_or_default();
    !listed.trim().is_empty()
}

fn docker(args: &[&str], what: &str, things: &mut BTreeSet<String>) {
    let Ok(output) = Command::new("docker").args(args).output() else { return };
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        things.insert(format!("{what} {line}"));
    }
}

fn files(things: &mut BTreeSet<String>) {
    for root in [state_root(), std::env::temp_dir()] {
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // The empty root itself stays.
            let is_root = entry.path() == state_root();
            let is_inside = entry.path().starts_with(state_root());
            if !is_root && (is_inside || name.starts_with("lossdrill")) {
                things.insert(format!("file {}", entry.path().display()));
            }
        }
    }
}

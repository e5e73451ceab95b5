//! A project of its own for each test: the shipped texts, a folder for state, the program's answers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The promise: ten seconds after the end nothing is left.
const GONE_LIMIT: Duration = Duration::from_secs(10);

/// Runs with servers load the machine: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

pub struct Project {
    dir: TempDir,
}

/// What the program said, and how it ended.
#[derive(Debug)]
pub struct Told {
    pub exit: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Told {
    fn from(output: Output) -> Told {
        Told {
            exit: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).expect("what is printed is UTF-8"),
            err: String::from_utf8(output.stderr).expect("what is printed is UTF-8"),
        }
    }
}

impl Told {
    /// The last lines of a run: (the one that names the inconclusive, `N passed, N failed, N skipped`).
    pub fn ending(&self) -> (&str, &str) {
        let mut lines = self.out.lines().rev();
        let last = lines.next().unwrap_or_default();
        (lines.next().unwrap_or_default(), last)
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

impl Project {
    /// The shipped features, catalogue and drills.
    pub fn new() -> Project {
        let project = Project { dir: tempfile::tempdir().unwrap() };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for part in ["features", "scenarios", "drills"] {
            copy(&root.join(part), &project.path(part));
        }
        fs::create_dir(project.path("tmp")).unwrap();
        project
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).unwrap();
    }

    /// Replaces the first `from` of a file, which must hold it; an empty `from` means a new file.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        if from.is_empty() {
            return self.write(file, to);
        }
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{file} holds no `{from}`");
        self.write(file, &text.replacen(from, to, 1));
    }

    /// The program in this project, with state of its own and no setting of the caller's.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lossdrill"));
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("TMPDIR", self.path("tmp"));
        for setting in ["LOSSDRILL_PROVIDER", "LOSSDRILL_DEAF_AFTER_MS", "NO_COLOR"] {
            command.env_remove(setting);
        }
        command
    }

    pub fn told(&self, args: &[&str]) -> Told {
        self.command(args).output().expect("lossdrill starts").into()
    }

    /// As [`Project::told`], where no server can be had: whoever starts one fails.
    pub fn told_without_servers(&self, args: &[&str]) -> Told {
        let mut command = self.command(args);
        command.env("LOSSDRILL_CACHE", self.path("tmp/no-cache"));
        command.env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
        command.output().expect("lossdrill starts").into()
    }

    /// How many scenarios a gate runs: it says so first, with servers or without.
    pub fn scenarios(&self) -> u64 {
        let mut command = self.command(&["gate", "--provider", "local", "--out", "counted"]);
        let output = command.env("LOSSDRILL_CACHE", self.path("tmp/no-cache")).output().unwrap();
        let told = Told::from(output).out;
        let count = told.split(" scenarios, seed").next().and_then(|head| head.rsplit(' ').next());
        count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no number: {told}"))
    }

    /// The only run directory below `out`.
    pub fn run_dir(&self, out: &str) -> PathBuf {
        let mut runs: Vec<PathBuf> =
            fs::read_dir(self.path(out)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs.remove(0)
    }

    /// State directories and processes that the program left: none may be there after [`GONE_LIMIT`].
    pub fn left_behind(&self) -> Vec<String> {
        let started = Instant::now();
        loop {
            let left = self.left_now();
            if left.is_empty() || started.elapsed() > GONE_LIMIT {
                return left;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn left_now(&self) -> Vec<String> {
        let state = self.path("tmp/lossdrill-state");
        let dirs = fs::read_dir(state).into_iter().flatten().flatten();
        let mut left: Vec<String> = dirs.map(|dir| dir.path().display().to_string()).collect();
        let ours = format!("TMPDIR={}", self.path("tmp").display());
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let environ = fs::read(entry.path().join("environ")).unwrap_or_default();
            if environ.split(|byte| *byte == 0).any(|var| var == ours.as_bytes()) {
                let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
                left.push(format!("{} (pid {:?})", name.trim(), entry.file_name()));
            }
        }
        left
    }
}

/// The right to run servers, where they are prepared; else says what is missing, and fails where none may be missing.
pub fn servers() -> Option<MutexGuard<'static, ()>> {
    let home = || std::env::var("HOME").unwrap_or_default() + "/.cache/lossdrill";
    let cache = std::env::var("LOSSDRILL_CACHE").unwrap_or_else(|_| home());
    let prepared = ["mysql.prepared", "kafka/prepared"];
    if prepared.iter().all(|file| Path::new(&cache).join(file).exists()) {
        return Some(ALONE.lock().unwrap_or_else(PoisonError::into_inner));
    }
    skip("no local servers are prepared: run ci/setup --local");
    None
}

/// Says that a test is skipped; fails where that may not be.
pub fn skip(missing: &str) {
    let needed = std::env::var("LOSSDRILL_NEED_SERVERS").is_ok_and(|value| value == "1");
    assert!(!needed, "{missing}");
    eprintln!("skipped: {missing}");
}

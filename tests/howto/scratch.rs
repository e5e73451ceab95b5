//! A copy of the checkout that blocks are applied to and executed in.
//!
//! It builds into the target folder of the checkout itself, so that no dependency is compiled again; its programs go to
//! its own.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::page::{Block, Does};

/// How often a command is looked at.
const PAUSE: Duration = Duration::from_millis(20);
/// What is shown of a command's output where it fails.
const LINES_SHOWN: usize = 60;

/// What cargo tells a test about its package: build scripts of dependencies look at it, and would run again for another.
const OF_THIS_TEST: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
/// Fast to compile: what runs here waits for servers, not for itself.
const PROFILE: &str = "[profile.dev.package.lossdrill]\nopt-level = 0\ndebug = false\n";

pub struct Scratch {
    root: PathBuf,
}

/// What became of a command.
pub struct Ran {
    /// None where it was ended because its time was over.
    pub exit: Option<i32>,
    pub said: String,
}

impl Scratch {
    /// The tracked files, and new ones that are not ignored, as they stand now.
    pub fn copy(project: &Path, to: &Path) -> Scratch {
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(project)
            .output()
            .expect("git is there");
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        let _ = fs::remove_dir_all(to);
        let listed = String::from_utf8(listed.stdout).expect("names of files are text");
        for file in listed.split_terminator('\0') {
            // A file that was removed is listed until that is committed.
            if project.join(file).is_file() {
                fs::create_dir_all(to.join(file).parent().expect("below the root")).unwrap();
                fs::copy(project.join(file), to.join(file)).unwrap();
            }
        }
        let scratch = Scratch { root: to.to_owned() };
        scratch.write(".cargo/config.toml", PROFILE);
        scratch
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.root.join(file);
        fs::create_dir_all(path.parent().expect("below the root")).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, file: &str) -> Result<String, String> {
        fs::read_to_string(self.root.join(file)).map_err(|error| format!("{file}: {error}"))
    }

    /// Puts every block into its file, up to the first that does not fit.
    pub fn apply(&self, blocks: &[Block]) -> Result<(), String> {
        blocks
            .iter()
            .try_for_each(|block| self.put(block).map_err(|why| format!("{}: {why}", block.at)))
    }

    fn put(&self, block: &Block) -> Result<(), String> {
        let body = block.body.iter().map(|line| format!("{line}\n")).collect::<String>();
        match &block.does {
            Does::Create(file) if self.root.join(file).exists() => {
                return Err(format!("`{file}` is there already"));
            }
            Does::Create(file) => self.write(file, &body),
            Does::Append(file) => self.write(file, &(self.read(file)? + &body)),
            Does::Change(file) => {
                let changed = block
                    .body
                    .split(|line| line == "@@")
                    .try_fold(self.read(file)?, |text, hunk| {
                        changed(&text, hunk).map_err(|why| format!("{why} of `{file}`"))
                    })?;
                self.write(file, &changed);
            }
            Does::Run { .. } | Does::Show(_) => {}
        }
        Ok(())
    }

    /// Runs a block of commands; others need nothing more.
    pub fn execute(&self, block: &Block, limit: Duration) -> Result<(), String> {
        let Does::Run { exit, prints } = &block.does else { return Ok(()) };
        let ran = self.run(&block.body.join("\n"), limit);
        let why = match ran.exit {
            None => format!("it had not ended after {limit:?}"),
            Some(code) if code != *exit => format!("it exits {code}, not {exit}"),
            Some(_) => match prints.iter().find(|text| !ran.said.contains(text.as_str())) {
                Some(text) => format!("it does not print `{text}`"),
                None => return Ok(()),
            },
        };
        Err(format!("{}: {why}\n{}", block.at, ran.said))
    }

    /// Commands as somebody types them here, with the programs that were built here.
    pub fn run(&self, script: &str, limit: Duration) -> Ran {
        let log = self.root.join("target/said");
        fs::create_dir_all(self.root.join("target")).unwrap();
        let out = File::create(&log).unwrap();
        let programs = self.root.join("target/debug").display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        let build_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("below the target");
        let mut bash = Command::new("bash");
        for (name, _) in std::env::vars_os() {
            if OF_THIS_TEST.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                bash.env_remove(name);
            }
        }
        let child = bash
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(&self.root)
            .env("PATH", format!("{programs}:{path}"))
            .env("CARGO_TARGET_DIR", self.root.join("target"))
            .env("CARGO_BUILD_BUILD_DIR", build_dir)
            .env("CARGO_INCREMENTAL", "0")
            .env("LOSSDRILL_PROVIDER", "local")
            .stdin(Stdio::null())
            .stderr(out.try_clone().unwrap())
            .stdout(out)
            .process_group(0)
            .spawn()
            .expect("bash starts");
        let exit = wait(child, limit);
        let said = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
        let lines: Vec<&str> = said.lines().collect();
        let said = match exit {
            Some(0) => said,
            _ => lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n"),
        };
        Ran { exit, said }
    }
}

/// Its exit code; past the limit it is ended with all that it started.
fn wait(mut child: Child, limit: Duration) -> Option<i32> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("our own child") {
            return Some(status.code().unwrap_or(-1));
        }
        if began.elapsed() > limit {
            let group = i32::try_from(child.id()).expect("a process id");
            // SAFETY: a signal to the group that was made for this child, which has not been waited for.
            unsafe { libc::kill(-group, libc::SIGKILL) };
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

/// `text` with one place changed, which must be there once.
fn changed(text: &str, hunk: &[String]) -> Result<String, String> {
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for line in hunk {
        match (line.chars().next(), line.get(1..)) {
            (Some(' '), Some(rest)) => {
                old.push(rest);
                new.push(rest);
            }
            (Some('-'), Some(rest)) => old.push(rest),
            (Some('+'), Some(rest)) => new.push(rest),
            (None, _) => {
                old.push("");
                new.push("");
            }
            _ => return Err(format!("`{line}` begins with none of ` `, `-`, `+`: no change")),
        }
    }
    if old.is_empty() {
        return Err("a change that names no line".to_owned());
    }
    let lines: Vec<&str> = text.lines().collect();
    let places: Vec<usize> = lines
        .windows(old.len())
        .enumerate()
        .filter(|(_, at)| **at == old)
        .map(|(n, _)| n)
        .collect();
    match places[..] {
        [place] => {
            let after = &lines[place + old.len()..];
            Ok([&lines[..place], &new, after]
                .concat()
                .iter()
                .map(|line| format!("{line}\n"))
                .collect())
        }
        [] => {
            let strange = old.iter().find(|line| !lines.contains(line)).unwrap_or(&old[0]);
            Err(format!("`{strange}`, or what stands around it, is no line"))
        }
        _ => Err(format!("`{}` stands {} times: more than one place", old[0], places.len())),
    }
}

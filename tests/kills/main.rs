//! Kills a run with -9 at chosen instants, and counts what is left: nothing may be.
//!
//! The census (`census.rs`) shares no code with what heals. The whole exercise is `LOSSDRILL_KILLS=200 LOSSDRILL_WARM_KILLS=200
//! LOSSDRILL_DOUBLE_KILLS=10 cargo test --test kills -- --nocapture`; by default a slice of it runs: every phase once, two
//! kills of harness and guardian, three on a warm stage. Beyond the phases the instants are random, from
//! `LOSSDRILL_KILL_SEED`.

mod census;

use std::fs;
use std::io::{BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use census::Census;

/// Random instants fall within this after a run's start: servers, and a dozen scenarios.
const RANDOM_MS: u64 = 12_000;
const PHASES: [&str; 7] = ["start", "given", "inject", "when", "judge", "heal", "teardown"];
/// The promise: ten seconds after the kill nothing is left.
const GONE_LIMIT: Duration = Duration::from_secs(10);
/// A run reaches any phase within this, even on a busy machine.
const REACH_LIMIT: Duration = Duration::from_secs(120);

/// The census counts this machine: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

struct Run {
    child: Child,
    journal: PathBuf,
}

impl Run {
    fn start(out: &Path) -> Run {
        let child = Command::new(env!("CARGO_BIN_EXE_lossdrill"))
            .args(["gate", "--provider", "local", "--out"])
            .arg(out)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("lossdrill starts");
        Run { child, journal: PathBuf::new() }
    }

    /// Follows the journal until its `nth` entry in `phase`; returns the verdicts seen so far.
    fn follow(&mut self, out: &Path, phase: &str, nth: usize) -> usize {
        let started = Instant::now();
        let wanted = format!("\"phase\":\"{phase}\"");
        let (mut seen, mut verdicts, mut offset) = (0, 0, 0);
        loop {
            assert!(started.elapsed() < REACH_LIMIT, "no entry {nth} in phase {phase}");
            if self.journal.as_os_str().is_empty() {
                self.journal = find_journal(out).unwrap_or_default();
            }
            if let Ok(mut file) = fs::File::open(&self.journal) {
                file.seek(std::io::SeekFrom::Start(offset)).unwrap();
                let mut reader = BufReader::new(file);
                let mut line = String::new();
                while reader.read_line(&mut line).unwrap_or(0) > 0 && line.ends_with('\n') {
                    offset += line.len() as u64;
                    verdicts += usize::from(line.contains("\"event\":\"scenario-verdict\""));
                    seen += usize::from(line.contains(&wanted));
                    line.clear();
                    if seen >= nth {
                        return verdicts;
                    }
                }
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the run ended ({status}) before entry {nth} in phase {phase}");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Lets it run for so long; returns the verdicts that can be seen then.
    fn let_run(&mut self, out: &Path, time: Duration) -> usize {
        std::thread::sleep(time);
        if let Ok(Some(status)) = self.child.try_wait() {
            panic!("the run ended ({status}) within {time:?}");
        }
        self.journal = find_journal(out).unwrap_or_default();
        let text = fs::read_to_string(&self.journal).unwrap_or_default();
        text.matches("\"event\":\"scenario-verdict\"").count()
    }

    fn kill(&mut self) {
        self.child.kill().expect("the run is ours to kill");
        self.child.wait().expect("it is reaped");
    }
}

fn find_journal(out: &Path) -> Option<PathBuf> {
    let run = fs::read_dir(out).ok()?.flatten().next()?;
    let journal = run.path().join("journal.ndjson");
    journal.exists().then_some(journal)
}

/// The `kill`-th random instant of this seed.
fn instant(kill: usize) -> Duration {
    let seed = number("LOSSDRILL_KILL_SEED", 1) as u64;
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(kill as u64);
    // splitmix64
    state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Duration::from_millis((state ^ (state >> 31)) % RANDOM_MS)
}

/// Every whole line is JSON, and no verdict is lost. A run that was killed before it had one has no journal.
fn check_journal(journal: &Path, verdicts: usize) {
    if journal.as_os_str().is_empty() {
        return;
    }
    let text = fs::read_to_string(journal).expect("the journal is readable");
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut kept = 0;
    for line in whole.lines() {
        let entry: serde_json::Value =
            serde_json::from_str(line).expect("a whole line is an entry");
        kept += usize::from(entry["event"] == "scenario-verdict");
    }
    assert!(kept >= verdicts, "{verdicts} verdicts were seen, {kept} are kept");
}

/// Waits until the census is as it was.
fn await_clean(before: &Census, what: &str) {
    let started = Instant::now();
    loop {
        let left = Census::take().beyond(before);
        if left.is_empty() {
            return;
        }
        assert!(started.elapsed() < GONE_LIMIT, "{what}: left behind:\n{}", left.join("\n"));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn nothing_is_left_behind() {
    let _alone = alone();
    let kills = number("LOSSDRILL_KILLS", PHASES.len());
    for kill in 0..kills {
        let before = Census::take();
        let out = tempfile::tempdir().unwrap();
        let mut run = Run::start(out.path());
        let (verdicts, what) = match PHASES.get(kill) {
            Some(phase) => (run.follow(out.path(), phase, 1), format!("in phase {phase}")),
            None => (run.let_run(out.path(), instant(kill)), format!("after {:?}", instant(kill))),
        };
        run.kill();
        await_clean(&before, &format!("kill {kill} {what}"));
        check_journal(&run.journal, verdicts);
        println!("kill {kill} {what}: clean, {verdicts} verdicts kept");
    }
}

fn lossdrill(args: &[&str]) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_lossdrill")).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{args:?}: {said}{}", String::from_utf8_lossy(&done.stderr));
    said
}

/// Ends with the test, also with one that fails.
struct WarmStage;

impl Drop for WarmStage {
    fn drop(&mut self) {
        let _ = Command::new(env!("CARGO_BIN_EXE_lossdrill")).args(["stage", "down"]).output();
    }
}

/// What was asked for stays: the same broker, as many MySQL servers, and nothing of any run.
#[test]
fn a_warm_stage_outlives_the_kills_of_its_runs() {
    let _alone = alone();
    let kills = number("LOSSDRILL_WARM_KILLS", 3);
    let cold = Census::take();
    lossdrill(&["stage", "up", "--provider", "local"]);
    let stage = WarmStage;
    let asked_for = census::Warm::take();
    let census::Warm { brokers, mysqls, .. } = &asked_for;
    assert!(brokers.len() == 1 && *mysqls > 1, "{asked_for:?}");
    for kill in 0..kills {
        let before = Census::take();
        let out = tempfile::tempdir().unwrap();
        let mut run = Run::start(out.path());
        let time = instant(kill);
        let verdicts = run.let_run(out.path(), time);
        if verdicts > 0 {
            assert_ne!(census::Warm::take(), asked_for, "a run that works is seen");
        }
        run.kill();
        let started = Instant::now();
        loop {
            let (warm, left) = (census::Warm::take(), Census::take().beyond_warm(&before));
            if warm == asked_for && left.is_empty() {
                break;
            }
            let what = format!("kill {kill} after {time:?}: left {left:?}, the stage {warm:?}");
            assert!(started.elapsed() < GONE_LIMIT, "{what}, asked for was {asked_for:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
        check_journal(&run.journal, verdicts);
        println!("warm kill {kill} after {time:?}: clean, {verdicts} verdicts kept");
    }
    // It serves as before.
    let out = tempfile::tempdir().unwrap();
    let report = out.path().to_str().unwrap();
    let run = ["run", "--provider", "local", "--loss-point", "bid-sold-twice", "--out", report];
    assert!(lossdrill(&run).contains("0 failed"));
    assert_eq!(census::Warm::take().brokers, asked_for.brokers);
    drop(stage);
    await_clean(&cold, "the warm stage, taken down");
}

#[test]
fn nothing_is_left_when_the_guardian_dies_too() {
    let _alone = alone();
    let kills = number("LOSSDRILL_DOUBLE_KILLS", 2);
    for kill in 0..kills {
        let phase = ["judge", "when", "given", "inject", "heal"][kill % 5];
        let before = Census::take();
        let out = tempfile::tempdir().unwrap();
        let mut run = Run::start(out.path());
        let verdicts = run.follow(out.path(), phase, 1 + kill);
        let guardian = census::guardian_of(run.child.id()).expect("the run has a guardian");
        // SAFETY: kill(2) on a pid that this test's own child started.
        unsafe { libc::kill(guardian.cast_signed(), libc::SIGKILL) };
        run.kill();
        let sweep = Command::new(env!("CARGO_BIN_EXE_lossdrill"))
            .args(["faults", "heal", "--all"])
            .output()
            .expect("the sweep runs");
        assert!(sweep.status.success(), "the sweep: {}", String::from_utf8_lossy(&sweep.stdout));
        await_clean(&before, &format!("double kill {kill} in phase {phase}"));
        check_journal(&run.journal, verdicts);
        println!("double kill {kill}: {phase}: clean after the sweep");
    }
}

#[test]
fn the_census_sees_what_is_left() {
    let _alone = alone();
    let before = Census::take();
    // A program of a run's, by its name: other people's processes come and go.
    let programs = tempfile::tempdir().unwrap();
    let program = programs.path().join("dcheck-left");
    std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
    let mut sleeper = Command::new(&program).arg("600").spawn().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = census::state_root().join("census-test");
    fs::create_dir_all(&dir).unwrap();
    let left = Census::take().beyond(&before);
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    fs::remove_dir_all(&dir).unwrap();
    let has = |what: &str| left.iter().any(|line| line.contains(what));
    assert!(has("dcheck-left") && has("port ") && has("census-test"), "{left:?}");
    drop(listener);
}

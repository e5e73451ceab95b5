//! A run with one fault, which is killed at an instant drawn from the seed after it set out to inject it.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lossdrill::faults::FaultSpec;
use lossdrill::forge::Seed;

use crate::census;
use crate::servers::PROGRAM;

/// From the start to the intent of the inject, also on a busy machine.
const REACH_LIMIT: Duration = Duration::from_secs(120);
/// Injects and their proofs fall within this, but for a server's restart, of which this is the better part.
const STRIKE_MS: u64 = 1_500;
const LOOK_PAUSE: Duration = Duration::from_millis(2);

/// An attack that has books to be edited, and the twin that an attack must have; the fault is put in its place.
const FEATURE: &str = r#"@lp:money-fixed-by-hand @tier:gate
Feature: A fault whose run is killed

  Background:
    Given bill "B-1" of 500.00 CNY is open for merchant "M-1"

  Scenario: Killed
    Given ticket "T-1" to add 450.00 CNY to bill "B-1" is approved
    When fault "FAULT" strikes
    And 90.00 CNY of new sales is added to bill "B-1"
    Then alert "money-fixed-by-hand" is raised in time for merchant "M-1"

  @control
  Scenario: Its twin
    Given ticket "T-1" to add 4,500.00 CNY to bill "B-1" is approved
    When fault "FAULT" strikes
    And 90.00 CNY of new sales is added to bill "B-1"
    Then no alert is raised
"#;

pub struct Run {
    child: Child,
    out: PathBuf,
    dir: tempfile::TempDir,
}

impl Run {
    /// `lossdrill run ARGS` with the fault as its only scenario's.
    pub fn start(spec: &FaultSpec, args: &[&str], config: Option<&str>) -> Run {
        let dir = tempfile::tempdir().expect("a folder");
        let features = dir.path().join("features");
        fs::create_dir(&features).expect("a folder");
        let feature = FEATURE.replace("FAULT", &spec.id);
        fs::write(features.join("killed.feature"), feature).expect("a file");
        let out = dir.path().join("runs");
        let mut command = Command::new(PROGRAM);
        command.arg("run").args(args).args(["--drills", "no/drills", "--features"]).arg(features);
        command.args(["--name", "Killed", "--out"]).arg(&out);
        if let Some(config) = config {
            let file = dir.path().join("lossdrill.yaml");
            fs::write(&file, config).expect("a file");
            command.arg("--config").arg(file);
        }
        let said = fs::File::create(dir.path().join("said")).expect("a file");
        let error = said.try_clone().expect("a file");
        let child = command.stdin(Stdio::null()).stdout(said).stderr(error).spawn();
        Run { child: child.expect("lossdrill starts"), out, dir }
    }

    /// Waits until the journal says that the fault is about to be injected.
    pub fn reach_inject(&mut self) {
        let started = Instant::now();
        while !self.journal().contains("\"event\":\"fault-intent\"") {
            let said = || fs::read_to_string(self.dir.path().join("said")).unwrap_or_default();
            assert!(started.elapsed() < REACH_LIMIT, "no inject: {}", said());
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the run ended ({status}) before it injected anything: {}", said());
            }
            std::thread::sleep(LOOK_PAUSE);
        }
    }

    pub fn journal(&self) -> String {
        let run = fs::read_dir(&self.out).ok().and_then(|mut runs| runs.next()?.ok());
        let journal = run.map(|run| run.path().join("journal.ndjson"));
        journal.and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default()
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("the run is ours to kill");
        self.child.wait().expect("it is reaped");
    }

    /// Its guardian first, so that it can heal nothing; then itself. False where the run was ending by itself.
    pub fn kill_with_guardian(&mut self) -> bool {
        let is_over = || self.journal().contains("\"event\":\"scenario-verdict\"");
        let guardian = census::guardian_of(self.child.id()).filter(|_| !is_over());
        if let Some(guardian) = guardian {
            // SAFETY: kill(2) on a process that this test's own child started, and is the parent of.
            unsafe { libc::kill(guardian.cast_signed(), libc::SIGKILL) };
        }
        self.kill();
        guardian.is_some()
    }
}

/// Which fault, and how long after its intent, the `kill`-th time.
pub fn draw<'a>(seed: &Seed, kill: usize, faults: &[&'a FaultSpec]) -> (&'a FaultSpec, Duration) {
    let number = |what: &str| seed.derive(&format!("{what} {kill}")).number();
    let fault = faults[(number("fault") % faults.len() as u64) as usize];
    (fault, Duration::from_millis(number("instant") % STRIKE_MS))
}

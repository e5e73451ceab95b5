//! How runs end before their time: signals, deadlines, a full disk, a reconciler that dies. Whatever happens, verdicts are
//! kept, everything is healed, reports are written, nothing is left.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::project::{Project, Told, servers};

/// From the signal to the end of the process, on a loaded machine.
const END_LIMIT: Duration = Duration::from_secs(20);
const REPORTS: [&str; 4] = ["result.json", "junit.xml", "report.html", "summary.md"];
/// Three scenarios: an attack and two controls.
const THREE: &str = "features/refund-twice.feature";

fn run_args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "--provider", "local", THREE], more].concat()
}

/// Starts a run, sends `signal` after the first line that starts with `mark`, and waits for the end.
fn ended_by(project: &Project, signal: i32, args: &[&str], mark: &str) -> Told {
    let mut command = project.command(args);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut out = String::new();
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "no line begins with `{mark}`:\n{out}");
        out.push_str(&line);
        if line.starts_with(mark) {
            break;
        }
    }
    let signalled = Instant::now();
    // SAFETY: plain system call; the child is not reaped before `wait`, so the pid is its own.
    assert_eq!(unsafe { libc::kill(child.id().cast_signed(), signal) }, 0);
    lines.read_to_string(&mut out).unwrap();
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    let exit = child.wait().unwrap().code().unwrap_or(-1);
    assert!(signalled.elapsed() < END_LIMIT, "{:?} after the signal", signalled.elapsed());
    Told { exit, out, err }
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The journal's entries of one event.
fn entries(run: &Path, event: &str) -> Vec<Value> {
    let journal = fs::read_to_string(run.join("journal.ndjson")).unwrap();
    let all = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|entry| entry["event"] == event).collect()
}

/// Reports are whole, the last two lines are as promised, and nothing is left.
fn check_ending(project: &Project, told: &Told, out: &str, passed: usize, inconclusive: usize) {
    let run = project.run_dir(out);
    for report in REPORTS {
        assert!(fs::metadata(run.join(report)).unwrap().len() > 0, "{report} is empty: {told:?}");
    }
    let (names, last) = told.ending();
    assert_eq!(last, format!("{passed} passed, {inconclusive} failed, 0 skipped"), "{told:?}");
    let named = names.strip_prefix("inconclusive: ").unwrap_or_default().split("; ").count();
    assert_eq!(named, inconclusive, "{names}");
    let verdicts = entries(&run, "scenario-verdict");
    let kept = verdicts.iter().filter(|entry| entry["verdict"] == "pass").count();
    assert_eq!((verdicts.len(), kept), (passed + inconclusive, passed));
    let ended = entries(&run, "run-ended");
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_eq!(ended[0]["exit"], told.exit, "{ended:?}");
    let junit = fs::read_to_string(run.join("junit.xml")).unwrap();
    assert_eq!(junit.matches("<error").count(), inconclusive, "{junit}");
    assert_eq!(json(&run.join("result.json"))["exit"], told.exit);
    assert_eq!(project.left_behind(), Vec::<String>::new());
}

#[test]
fn sigterm_in_the_middle_keeps_verdicts_and_reports_and_leaves_nothing() {
    let Some(_alone) = servers() else { return };
    let project = Project::new();
    let args = run_args(&["--jobs", "1"]);
    let told = ended_by(&project, libc::SIGTERM, &args, "pass");
    assert_eq!(told.exit, 7, "{told:?}");
    check_ending(&project, &told, "runs", 1, 2);
    let run = project.run_dir("runs");
    let again = project.told(&["recheck", run.to_str().unwrap()]);
    assert_eq!(again.exit, 3, "two are not judged: {again:?}");
    assert!(again.out.ends_with("1 passed, 2 failed, 0 skipped\n"), "{again:?}");
    fs::remove_file(run.join("junit.xml")).unwrap();
    let report = project.told(&["report", run.to_str().unwrap()]);
    assert_eq!(report.exit, 0, "{report:?}");
    assert!(run.join("junit.xml").exists() && report.out.contains("junit.xml"), "{report:?}");
}

#[test]
fn sigint_while_the_stage_comes_up_ends_the_wait() {
    let Some(_alone) = servers() else { return };
    let project = Project::new();
    let told = ended_by(&project, libc::SIGINT, &run_args(&[]), "run ");
    assert_eq!(told.exit, 7, "{told:?}");
    check_ending(&project, &told, "runs", 0, 3);
}

#[test]
fn sigterm_while_cells_are_made_ready_leaves_nothing() {
    let Some(_alone) = servers() else { return };
    let project = Project::new();
    let told = ended_by(&project, libc::SIGTERM, &run_args(&[]), "stage up");
    assert_eq!(told.exit, 7, "{told:?}");
    check_ending(&project, &told, "runs", 0, 3);
}

#[test]
fn what_a_deadline_leaves_unjudged_is_inconclusive() {
    let Some(_alone) = servers() else { return };
    let project = Project::new();
    let told = project.told(&["gate", "--provider", "local", "--deadline", "3 s"]);
    assert_eq!(told.exit, 3, "{told:?}");
    let passed = told.out.lines().filter(|line| line.starts_with("pass ")).count();
    let all = usize::try_from(project.scenarios()).expect("a small number");
    check_ending(&project, &told, "runs", passed, all - passed);
}

#[test]
fn scenarios_lease_cells_of_their_own_from_one_stage() {
    let Some(_alone) = servers() else { return };
    let project = Project::new();
    let told = project.told(&run_args(&[]));
    assert_eq!(told.exit, 0, "{told:?}");
    let run = project.run_dir("runs");
    assert_eq!(entries(&run, "stage-up").len(), 1, "the stage outlives every scenario");
    let started = entries(&run, "scenario-started");
    let cells: BTreeSet<&str> = started.iter().filter_map(|entry| entry["cell"].as_str()).collect();
    assert_eq!((started.len(), cells.len()), (3, 3), "{cells:?}");
}

/// Stable id, class and name of every test case of the run in `runs`.
fn test_cases(project: &Project) -> BTreeSet<String> {
    let junit = fs::read_to_string(project.run_dir("runs").join("junit.xml")).unwrap();
    let cases = junit.split("<testcase ").skip(1);
    cases.map(|case| case.split(" file=").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn test_cases_keep_their_names_when_a_feature_is_edited() {
    let (before, after) = (Project::new(), Project::new());
    after.edit("features/refund-twice.feature", "Feature: ", "# moved\n\nFeature: ");
    for project in [&before, &after] {
        assert_eq!(project.told_without_servers(&run_args(&[])).exit, 3);
    }
    let cases = test_cases(&before);
    assert_eq!(cases.len(), 3, "{cases:?}");
    assert!(cases.iter().all(|case| case.starts_with("id=\"")), "{cases:?}");
    assert_eq!(cases, test_cases(&after));
}

#[test]
fn the_first_failure_ends_a_run_that_asks_for_it() {
    let Some(_alone) = servers() else { return };
    let project = Project::new();
    write_program(&project, "dies", "#!/bin/sh\nexit 9\n");
    project.write("lossdrill.yaml", "system_under_test: {command: [./dies]}\n");
    let told = project.told(&run_args(&["--jobs", "1", "--fail-fast"]));
    assert_eq!(told.exit, 1, "{told:?}");
    let fails = told.out.lines().filter(|line| line.starts_with("FAIL ")).count();
    assert_eq!(fails, 1, "{told:?}");
    assert!(told.ending().0.contains("; "), "two are not judged: {told:?}");
    assert_eq!(project.left_behind(), Vec::<String>::new());
}

fn write_program(project: &Project, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    project.write(name, text);
    fs::set_permissions(project.path(name), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_reconciler_that_starts_and_dies_is_deaf() {
    let Some(_alone) = servers() else { return };
    let project = Project::new();
    write_program(&project, "dies", "#!/bin/sh\necho no rules today >&2\nexit 9\n");
    project.write("lossdrill.yaml", "system_under_test: {command: [./dies]}\n");
    let told = project.told(&run_args(&[]));
    assert_eq!(told.exit, 1, "{told:?}");
    assert_eq!(told.out.matches("(deaf: ").count(), 3, "{told:?}");
    assert!(told.out.contains("no rules today"), "its own words are quoted: {told:?}");
    assert_eq!(told.ending(), ("inconclusive: none", "0 passed, 3 failed, 0 skipped"));
    assert_eq!(project.left_behind(), Vec::<String>::new());
}

/// A small disk, unmounted whatever happens.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: std::path::PathBuf, size: &str) -> Option<SmallDisk> {
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", size, "tmpfs"]).arg(&at).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(SmallDisk(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a test that fails must not leave it because somebody still looks into it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_told_and_no_verdict_is_claimed_that_is_not_kept() {
    let Some(_alone) = servers() else { return };
    let project = Project::new();
    let Some(_disk) = SmallDisk::mount(project.path("small"), "size=64k") else {
        return eprintln!("left out: only root may mount a small disk");
    };
    let told = project.told(&run_args(&["--out", "small/runs"]));
    assert_eq!(told.exit, 3, "{told:?}");
    for part in ["cannot write the journal small/runs/", "No space left", "make room"] {
        assert!(told.err.contains(part), "{part}: {told:?}");
    }
    assert!(told.err.contains("cannot write the report"), "{told:?}");
    let run = project.run_dir("small/runs");
    let kept = entries(&run, "scenario-verdict").len();
    let (_, last) = told.ending();
    assert!(last.starts_with(&format!("{kept} passed, ")), "{kept} kept, told: {last}");
    for report in REPORTS {
        let path = run.join(report);
        assert!(!path.exists() || fs::metadata(&path).unwrap().len() > 0, "{report} is empty");
    }
    assert_eq!(project.left_behind(), Vec::<String>::new());
}

//! What commands print: help with examples, plain lines without a terminal, JSON where data is printed.

use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;
use std::process::Stdio;

use crate::project::Project;

#[test]
fn every_help_has_an_example() {
    let project = Project::new();
    for command in [
        "--help",
        "check --help",
        "new --help",
        "lint --help",
        "fmt --help",
        "gate --help",
        "run --help",
        "rerun --help",
        "merge --help",
        "compare --help",
        "explain --help",
        "steps --help",
        "report --help",
        "recheck --help",
        "stage --help",
        "stage up --help",
        "stage status --help",
        "stage down --help",
        "faults --help",
        "faults list --help",
        "faults heal --help",
        "drill run --help",
        "coverage --help",
    ] {
        let args: Vec<&str> = command.split(' ').collect();
        let told = project.told(&args);
        assert_eq!(told.exit, 0, "{command}");
        assert!(told.out.contains("Example: lossdrill "), "{command}: {}", told.out);
    }
}

#[test]
fn what_prints_data_prints_it_as_json_too() {
    let project = Project::new();
    for (args, exit, pointer) in [
        (&["check", "--format", "json"][..], 0, "/scenarios"),
        (&["steps", "refund", "--format", "json"], 0, "/sentences/0/en"),
        (&["faults", "list", "--format", "json"], 0, "/0/id"),
        (&["coverage", "--format", "json"], 0, "/rows/0/loss"),
        (&["gate", "--provider", "local", "--format", "json"], 3, ""),
        (&["stage", "status", "--format", "json"], 4, ""),
    ] {
        let told = project.told_without_servers(args);
        assert_eq!(told.exit, exit, "{args:?}: {told:?}");
        let value: serde_json::Value =
            serde_json::from_str(&told.out).unwrap_or_else(|e| panic!("{args:?}: {e}: {told:?}"));
        assert!(value.pointer(pointer).is_some(), "{args:?}: no {pointer} in {value:#}");
    }
}

#[test]
fn columns_align_and_values_have_units() {
    let project = Project::new();
    let faults = project.told(&["faults", "list"]).out;
    for line in faults.lines().filter(|line| line.trim_start().starts_with('|')) {
        let value = line.split('|').nth(2).unwrap_or_default().trim();
        // A duration has a unit; counts, words and names have none.
        let has_unit = |unit| value.ends_with(&format!(" {unit}"));
        let is_number = value.starts_with(|c: char| c.is_ascii_digit());
        let is_count = is_number && value.bytes().all(|byte| byte.is_ascii_digit());
        assert!(!is_number || is_count || ["ms", "s", "min"].iter().any(has_unit), "{line}");
    }
    let coverage = project.told(&["coverage"]).out;
    let rows: Vec<&str> = coverage.lines().take(6).collect();
    assert!(rows[0].starts_with("loss point") && rows[0].contains("theoretical loss"));
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{coverage}");
    assert!(rows[1..].iter().all(|row| row.contains(" CNY")));
    let steps = project.told(&["steps", "refund", "paid"]).out;
    assert!(steps.contains("Given refund {name} of {money} on order {name} was paid out"));
    assert!(steps.contains("此前已打款{money}") && !steps.contains("clearance"), "{steps}");
}

/// All that a gate without servers prints where its output is a terminal.
fn on_a_terminal(project: &Project, no_color: bool) -> String {
    let (mut master, mut slave) = (0, 0);
    let none = std::ptr::null_mut();
    // SAFETY: both descriptors are written by a call that succeeds, and owned by the files made of them.
    let (mut screen, terminal) = unsafe {
        assert_eq!(libc::openpty(&mut master, &mut slave, none, none.cast(), none.cast()), 0);
        (File::from_raw_fd(master), File::from_raw_fd(slave))
    };
    let mut command = project.command(&["gate", "--provider", "local"]);
    command.env("LOSSDRILL_CACHE", project.path("tmp/no-cache"));
    if no_color {
        command.env("NO_COLOR", "1");
    }
    let mut child = command.stdout(terminal).stderr(Stdio::null()).spawn().unwrap();
    drop(command); // it holds the terminal's other end
    let mut shown = Vec::new();
    // Linux tells the end of a terminal as an error.
    let _ = screen.read_to_end(&mut shown);
    child.wait().unwrap();
    String::from_utf8_lossy(&shown).into_owned()
}

#[test]
fn a_terminal_gets_a_status_line_and_colours_unless_they_are_unwanted() {
    let project = Project::new();
    let shown = on_a_terminal(&project, false);
    let all = project.scenarios();
    assert!(shown.contains("\x1b[1;33m????\x1b[0m"), "{shown:?}");
    assert!(shown.contains(&format!(" of {all} · ")), "a status line: {shown:?}");
    let shown = on_a_terminal(&project, true);
    assert!(!shown.contains("\x1b[1;"), "{shown:?}");
    let plain = project.told_without_servers(&["gate", "--provider", "local"]).out;
    assert!(!plain.contains('\x1b') && !plain.contains('\r'), "{plain:?}");
    assert!(plain.ends_with(&format!("0 passed, {all} failed, 0 skipped\n")), "{plain}");
}

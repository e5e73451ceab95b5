//! The stage from the command line: kept warm between runs, or not there at all.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::project::{Project, servers, skip};

/// An image that cannot be pulled is known at once where no hub answers; a hub that is asked answers within this.
const PULL_REFUSED_LIMIT: Duration = Duration::from_secs(90);

#[test]
fn a_missing_server_is_inconclusive_and_names_the_set_up() {
    let project = Project::new();
    let mut command = project.command(&["gate", "--provider", "local"]);
    let told = command.env("LOSSDRILL_CACHE", project.path("tmp/no-cache")).output().unwrap();
    let told = crate::project::Told::from(told);
    assert_eq!(told.exit, 3, "{told:?}");
    for part in ["the stage is not up", "mysql.prepared is missing", "`ci/setup --local`"] {
        assert!(told.out.contains(part) && told.err.contains(part), "{part}: {told:?}");
    }
    let (inconclusive, last) = told.ending();
    assert!(inconclusive.contains("; A seller who means"), "{inconclusive}");
    let all = project.scenarios();
    assert_eq!(last, format!("0 passed, {all} failed, 0 skipped"));
    let junit = std::fs::read_to_string(project.run_dir("runs").join("junit.xml")).unwrap();
    assert_eq!(junit.matches("<error").count() as u64, all, "{junit}");
    assert_eq!(project.left_behind(), Vec::<String>::new());
}

#[test]
fn without_any_provider_both_ways_out_are_named() {
    let project = Project::new();
    let told = project.told_without_servers(&["gate"]);
    assert_eq!(told.exit, 3, "{told:?}");
    for part in ["no Docker engine answers", "start Docker", "`ci/setup --local`"] {
        assert!(told.err.contains(part), "{part}: {told:?}");
    }
}

#[test]
fn a_missing_image_never_falls_back_and_names_both_ways_out() {
    let asked = Command::new("docker").arg("version").output();
    if !asked.is_ok_and(|output| output.status.success()) {
        return skip("no Docker engine answers");
    }
    let project = Project::new();
    project.write("lossdrill.yaml", "stage: {mysql: {image: \"mysql:0.0-none\"}}\n");
    for provider in ["docker", "auto"] {
        let started = Instant::now();
        let told = project.told(&["gate", "--provider", provider]);
        assert!(started.elapsed() < PULL_REFUSED_LIMIT, "{:?}", started.elapsed());
        assert_eq!(told.exit, 3, "{told:?}");
        for part in ["`mysql:0.0-none`", "cannot be pulled", "ci/images/build", "--provider local"]
        {
            assert!(told.err.contains(part), "{part}: {told:?}");
        }
    }
    assert_eq!(project.left_behind(), Vec::<String>::new());
}

/// What the journal of the run in `out` says that the stage took, and who made its servers.
fn stage_up_ms(project: &Project, out: &str) -> u64 {
    let journal = std::fs::read_to_string(project.run_dir(out).join("journal.ndjson")).unwrap();
    let entries = journal.lines().map(|line| serde_json::from_str(line).unwrap());
    let mut ups = entries.filter(|entry: &serde_json::Value| entry["event"] == "stage-up");
    let up = ups.next().expect("the stage came up");
    assert!(ups.next().is_none(), "one stage for all scenarios");
    up["took_ms"].as_u64().expect("milliseconds")
}

#[test]
fn a_warm_stage_is_leased_left_up_and_quicker() {
    let Some(_alone) = servers() else { return };
    let project = Project::new();
    let scenario = "The approval is delivered twice, and each delivery pays out";
    let run = |out: &str| {
        let args = ["run", "--provider", "local", "--name", scenario, "--out", out];
        let told = project.told(&args);
        assert_eq!(told.exit, 0, "{told:?}");
        stage_up_ms(&project, out)
    };
    let cold_ms = run("cold");
    assert_eq!(project.told(&["stage", "status"]).exit, 4);
    let up = project.told(&["stage", "up", "--provider", "local"]);
    assert_eq!(up.exit, 0, "{up:?}");
    assert!(up.out.contains("warm stage of pid") && up.out.contains("mysql 9."), "{up:?}");
    let again = project.told(&["stage", "up", "--provider", "local"]);
    assert_eq!(again.exit, 0, "{again:?}");
    assert!(again.out.contains("up already"), "{again:?}");
    let other = project.told(&["stage", "up", "--provider", "docker"]);
    assert_eq!(other.exit, 3, "{other:?}");
    assert!(other.err.contains("`lossdrill stage down` first"), "{other:?}");
    let before = project.told(&["stage", "status"]);
    let warm_ms = run("warm");
    assert!(2 * warm_ms < cold_ms, "warm {warm_ms} ms, cold {cold_ms} ms");
    let after = project.told(&["stage", "status"]);
    assert_eq!((after.exit, &after.out), (0, &before.out), "it is left up, with the same holder");
    let down = project.told(&["stage", "down"]);
    assert_eq!((down.exit, down.out.as_str()), (0, "the warm stage is down\n"));
    assert_eq!(project.left_behind(), Vec::<String>::new());
}

//! What to run, and what comes of runs: selection, shards and `merge`, `rerun`, `compare`, `explain`, `coverage`, GitHub,
//! Cucumber Messages. Needs no server: `tests/data/shards` holds the two halves of a real run of one loss point, and a
//! run without servers still says what it selected.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::project::{Project, Told};

const TWICE: &str = "The approval is delivered twice, and each delivery pays out";
const ONCE: &str = "The approval is delivered once";

fn stored(shard: usize) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/shards/{shard}"));
    fs::read_to_string(path.join("journal.ndjson")).expect("the stored journal of a shard")
}

/// Both shards in `project`, each as `change` leaves its journal.
fn shards(project: &Project, change: impl Fn(usize, String) -> String) -> [String; 2] {
    [1, 2].map(|shard| {
        let dir = format!("shards/{shard}");
        fs::create_dir_all(project.path(&dir)).unwrap();
        project.write(&format!("{dir}/journal.ndjson"), &change(shard, stored(shard)));
        dir
    })
}

/// The merged run in `out` as `change` leaves the journals of its shards.
fn merged(
    project: &Project,
    out: &str,
    change: impl Fn(usize, String) -> String,
) -> (Told, PathBuf) {
    let [one, two] = shards(project, change);
    let told = project.told(&["merge", &one, &two, "--out", out]);
    (told, project.run_dir(out))
}

/// The verdict of the attack (the only one of shard 1 that is no control) becomes a failure.
fn red(shard: usize, journal: String) -> String {
    if shard != 1 {
        return journal;
    }
    let is_attack = |line: &str| line.contains(TWICE);
    let first = journal.lines().find(|line| is_attack(line) && line.contains("scenario-started"));
    let first: Value = serde_json::from_str(first.expect("the attack is in shard 1")).unwrap();
    let lines = journal.lines().map(|line| {
        let mut entry: Value = serde_json::from_str(line).unwrap();
        if entry["event"] == "scenario-verdict" && entry["scenario"] == first["scenario"] {
            entry["verdict"] = "fail".into();
            entry["word"] = "never".into();
            entry["evidence"] = "no alert, 100% silence\nat all".into();
        }
        format!("{entry}\n")
    });
    lines.collect()
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Names of what a run without servers selected.
fn selected(args: &[&str]) -> Vec<String> {
    let project = Project::new();
    let told = project.told_without_servers(&[&["run", "--provider", "local"], args].concat());
    assert_eq!(told.exit, 3, "{args:?}: {told:?}");
    let result = json(&project.run_dir("runs").join("result.json"));
    let scenarios = result["scenarios"].as_array().unwrap();
    scenarios.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_scenario_is_selected_by_any_of_its_lines_by_its_name_and_by_its_shard() {
    for (args, names) in [
        (&["features/refund-twice.feature:11"][..], &[TWICE][..]),
        (&["refund-twice.feature:14"], &[TWICE]),
        (&["./features/refund-twice.feature:21", "--tags", "@control"], &[ONCE]),
        (&["--name", ONCE], &[ONCE]),
        (&["--name", "The approval is delivered"], &[TWICE, ONCE]),
        (
            &["features/refund-twice.feature", "--tags", "@lp:refund-paid-twice", "--shard", "2/2"],
            &[ONCE],
        ),
    ] {
        assert_eq!(selected(args), names, "{args:?}");
    }
    let of = |shard: &str| selected(&["features/bid.feature", "--shard", shard]);
    let mut parts = [of("1/3"), of("2/3"), of("3/3")].concat();
    let mut whole = selected(&["features/bid.feature"]);
    parts.sort();
    whole.sort();
    assert_eq!(parts, whole);
}

#[test]
fn shards_are_merged_into_one_run_with_all_reports() {
    let project = Project::new();
    let (told, run) = merged(&project, "runs", |_, journal| journal);
    assert_eq!(told.exit, 0, "{told:?}");
    assert_eq!(told.ending(), ("inconclusive: none", "3 passed, 0 failed, 0 skipped"));
    for report in [
        "result.json",
        "junit.xml",
        "messages.ndjson",
        "report.html",
        "summary.md",
        "coverage.json",
        "stage.lock.json",
    ] {
        assert!(fs::metadata(run.join(report)).unwrap().len() > 0, "{report}");
    }
    let coverage = json(&run.join("coverage.json"));
    let point = |id: &str| {
        let points = coverage["loss_points"].as_array().unwrap();
        points.iter().find(|point| point["loss_point"] == id).cloned().unwrap()
    };
    assert_eq!(point("refund-paid-twice")["last"], "proved");
    assert_eq!(point("refund-paid-twice")["passed"]["twins"], 1);
    assert_eq!(point("bid-below-market")["last"], "not-run");
    let again = project.told(&["recheck", run.to_str().unwrap()]);
    assert_eq!((again.exit, again.ending().1), (0, "3 passed, 0 failed, 0 skipped"), "{again:?}");
}

#[test]
fn shards_that_are_not_of_one_run_are_refused_with_every_reason() {
    let edited = |from: &'static str, to: &'static str| {
        move |shard: usize, journal: String| match shard {
            2 => {
                assert!(journal.contains(from), "{from}");
                journal.replacen(from, to, 1)
            }
            _ => journal,
        }
    };
    let keep: fn(usize, String) -> String = |_, journal| journal;
    let changes: Vec<(Box<dyn Fn(usize, String) -> String>, &[usize], &[&str])> = vec![
        (Box::new(keep), &[1], &["missing: shard `2/2`"]),
        (Box::new(keep), &[1, 1, 2], &["shard 1/2 is given twice"]),
        (Box::new(edited("\"seed\":20260101", "\"seed\":7")), &[1, 2], &["seed differs: 20260101"]),
        (Box::new(edited("\"commit\":\"", "\"commit\":\"0")), &[1, 2], &["commit differs"]),
        (
            Box::new(edited("\"shard\":\"2/2\"", "\"shard\":\"2/3\"")),
            &[1, 2],
            &["number of shards"],
        ),
        (Box::new(edited("\"shard\":\"2/2\",", "")), &[1, 2], &["is no shard", "missing: shard"]),
        (
            Box::new(|shard, journal: String| match shard {
                2 => journal.replacen("\"vocabulary\":\"", "\"vocabulary\":\"0", 1).replacen(
                    "\"texts\":\"",
                    "\"texts\":\"0",
                    1,
                ),
                _ => journal,
            }),
            &[1, 2],
            &["vocabulary differs", "text of features, catalogue or configuration differs"],
        ),
    ];
    for (change, given, reasons) in changes {
        let project = Project::new();
        let dirs = shards(&project, change);
        let mut args = vec!["merge"];
        args.extend(given.iter().map(|shard| dirs[shard - 1].as_str()));
        let told = project.told(&args);
        assert_eq!(told.exit, 2, "{reasons:?}: {told:?}");
        assert!(reasons.iter().all(|reason| told.err.contains(reason)), "{reasons:?}: {told:?}");
        assert!(!project.path("runs").exists(), "nothing is written");
    }
}

#[test]
fn a_red_run_is_compared_explained_annotated_and_run_again() {
    let project = Project::new();
    let (_, green) = merged(&project, "green", |_, journal| journal);
    let (told, run) = merged(&project, "red", red);
    assert_eq!(told.exit, 1, "{told:?}");
    let again = format!("lossdrill run --seed 20260101 --name '{TWICE}'");
    assert!(told.out.contains(&again), "{told:?}");
    let (green, run) = (green.to_str().unwrap(), run.to_str().unwrap());

    let worse = project.told(&["compare", green, run]);
    assert_eq!(worse.exit, 1, "{worse:?}");
    assert!(worse.out.contains(&format!("WORSE   proved -> never  {TWICE}")), "{worse:?}");
    assert!(worse.out.contains("×1.00") && worse.out.contains(&again), "{worse:?}");
    assert_eq!(project.told(&["compare", run, green]).exit, 0, "better is not worse");
    let same = project.told(&["compare", green, green, "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&same.out).unwrap()["worse"], false);

    let why = project.told(&["explain", run, "delivered twice"]);
    assert_eq!(why.exit, 0, "{why:?}");
    for part in [
        "never · The approval is delivered twice",
        "expected  ",
        "Then alert \"refund-paid-twice\" is raised in time",
        "(as expected)",
        "rule refund-paid-twice, as it judged",
        "mismatched  refund \"R-1-",
        "refund-breaker  effective",
        &again,
    ] {
        assert!(why.out.contains(part), "{part}: {}", why.out);
    }
    let unclear = project.told(&["explain", run, "approval"]);
    assert_eq!(unclear.exit, 4, "{unclear:?}");
    assert!(unclear.err.contains("names 2 scenarios"), "{unclear:?}");

    let coverage = project.told(&["coverage", run, "--by", "loss"]);
    assert!(
        coverage.out.contains("0/4    1/4"),
        "the attack failed, its twin passed: {coverage:?}"
    );

    let mut command = project.command(&["report", run, "--github"]);
    let told: Told =
        command.env("GITHUB_STEP_SUMMARY", project.path("summary")).output().unwrap().into();
    assert_eq!(told.exit, 0, "{told:?}");
    assert!(told.err.contains("::error file=features/refund-twice.feature,line="), "{told:?}");
    assert!(told.err.contains("title=The approval is delivered twice%2C and each"), "{told:?}");
    assert!(told.err.contains("100%25 silence%0Aat all"), "{told:?}");
    assert!(fs::read_to_string(project.path("summary")).unwrap().contains("1 failed"));

    let rerun = project.told_without_servers(&["rerun", run, "--provider", "local"]);
    assert!(rerun.out.contains("1 scenario, seed 20260101"), "{rerun:?}");
    assert!(rerun.out.contains(TWICE), "{rerun:?}");
    let nothing = project.told_without_servers(&["rerun", green]);
    assert_eq!(nothing.exit, 4, "{nothing:?}");
}

#[test]
fn a_policy_that_is_not_met_fails_a_gate_that_is_green_otherwise() {
    let demanding = |percent: &'static str| {
        move |_: usize, journal: String| {
            let demands = format!(
                "\"demands\":{{\"coverage\":{{\"p0\":\"{percent}\"}},\"budget_ms\":999999}}"
            );
            journal.replacen(
                "\"event\":\"basis\",\"basis\":{",
                &format!("\"event\":\"basis\",\"basis\":{{{demands},"),
                1,
            )
        }
    };
    let project = Project::new();
    let (told, run) = merged(&project, "strict", demanding("100"));
    assert_eq!(told.exit, 5, "{told:?}");
    assert!(told.out.contains("policy not met: 1 of "), "{told:?}");
    assert!(told.out.contains("`bid-below-market`"), "what is missing is named: {told:?}");
    let coverage = project.told(&["coverage", run.to_str().unwrap()]);
    assert_eq!(coverage.exit, 5, "{coverage:?}");
    let (told, _) = merged(&project, "mild", demanding("10"));
    assert_eq!(told.exit, 0, "{told:?}");
}

/// Ids that stand anywhere in `value` under the key `id`.
fn ids(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("id").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| ids(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| ids(item, found)),
        _ => {}
    }
}

#[test]
fn cucumber_messages_are_whole_and_point_at_each_other() {
    let project = Project::new();
    let (_, run) = merged(&project, "runs", red);
    let text = fs::read_to_string(run.join("messages.ndjson")).unwrap();
    let messages: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| -> Vec<&Value> {
        messages.iter().filter_map(|message| message.get(kind)).collect()
    };
    for (kind, count) in [
        ("meta", 1),
        ("source", 1),
        ("gherkinDocument", 1),
        ("hook", 1),
        ("pickle", 3),
        ("testCase", 3),
        ("testRunStarted", 1),
        ("testCaseStarted", 3),
        ("testCaseFinished", 3),
        ("testRunFinished", 1),
    ] {
        assert_eq!(of(kind).len(), count, "{kind}");
    }
    let mut known = BTreeSet::new();
    ids(of("gherkinDocument")[0], &mut known);
    for pickle in of("pickle") {
        let nodes = pickle["steps"].as_array().unwrap().iter().chain([pickle]);
        for node in nodes.flat_map(|step| step["astNodeIds"].as_array().unwrap()) {
            assert!(known.contains(node.as_str().unwrap()), "{node}");
        }
        assert!(!pickle["astNodeIds"].as_array().unwrap().is_empty(), "{pickle}");
        for tag in pickle["tags"].as_array().unwrap() {
            assert!(known.contains(tag["astNodeId"].as_str().unwrap()), "{tag}");
        }
    }
    let mut made = BTreeSet::new();
    of("pickle").into_iter().chain(of("testCase")).for_each(|value| ids(value, &mut made));
    let statuses: Vec<&str> = of("testStepFinished")
        .iter()
        .map(|step| {
            assert!(made.contains(step["testStepId"].as_str().unwrap()), "{step}");
            step["testStepResult"]["status"].as_str().unwrap()
        })
        .collect();
    let count = |status: &str| statuses.iter().filter(|one| **one == status).count();
    assert_eq!((count("FAILED"), count("SKIPPED"), count("UNKNOWN")), (1, 0, 0), "{statuses:?}");
    assert_eq!(of("testRunFinished")[0]["success"], false);
}

//! Bad input, as data: what is wrong, where it stands, the nearest valid choice, and the exit code.

use std::io::Read;
use std::process::Stdio;

use crate::project::Project;

/// The promise of `lossdrill check`.
const CHECK_MS_MAX: i64 = 1000;

/// A mistake in the texts: (file, what is replaced in it, by what), the exit code, what must be told.
struct Text {
    edits: &'static [(&'static str, &'static str, &'static str)],
    exit: i32,
    told: &'static [&'static str],
}

const TEXTS: &[Text] = &[
    Text {
        edits: &[("features/bid.feature", "    Scenario: A seller", "    Scenaro: A seller")],
        exit: 6,
        told: &["misspelt-keyword", "features/bid.feature:12:5", "^^^^^^^", "write `Scenario:`"],
    },
    Text {
        edits: &[("features/bid.feature", "CNY bids 199.90 CNY for", "CNY bidds 199.90 CNY for")],
        exit: 6,
        told: &[
            "undefined-step",
            "features/bid.feature:13:12",
            "a seller who means {money} bids {money} for item {name}",
            "for item {name} under clearance {name}",
        ],
    },
    Text {
        edits: &[("features/payment-callback.feature", "  场景: ", "  场景：")],
        exit: 6,
        told: &["full-width", "features/payment-callback.feature:6:5", "write `场景:`"],
    },
    Text {
        edits: &[("features/bid.feature", "@lp:bid-below-market", "@lp:bid-bellow-market")],
        exit: 6,
        told: &["unknown-loss-point", "features/bid.feature:1:1", "`bid-below-market`"],
    },
    Text {
        edits: &[("features/bid.feature", "app.price-guard", "app.price-gard")],
        exit: 6,
        told: &[
            "unknown fault `app.price-gard.bypassed`",
            ":8:",
            "nearest are app.price-guard.bypassed",
        ],
    },
    Text {
        edits: &[(
            "features/bid.feature",
            "bypassed\" is active\n",
            "bypassed\" is active\n      | delay | 1 s |\n",
        )],
        exit: 6,
        told: &["bad-fault", "features/bid.feature:8:", "`delay`", "no parameter"],
    },
    Text {
        edits: &[(
            "features/bid.feature",
            "alert \"bid-below-market\"",
            "alert \"bid-bellow-market\"",
        )],
        exit: 6,
        told: &["unknown-alert", "features/bid.feature:14:", "did you mean `bid-below-market`?"],
    },
    Text {
        edits: &[("features/bid.feature", "plan \"take-off-sale\"", "plan \"take-of-sale\"")],
        exit: 6,
        told: &["unknown-plan", "features/bid.feature:16:", "did you mean `take-off-sale`?"],
    },
    Text {
        edits: &[("scenarios/bid.yaml", "rules: [bid-below-market]", "rules: [bid-below-markt]")],
        exit: 6,
        told: &["scenarios/bid.yaml:11:", "`bid-below-markt`", "did you mean `bid-below-market`?"],
    },
    Text {
        edits: &[("scenarios/order.yaml", "plan: backfill-payment", "plan: backfil-payment")],
        exit: 6,
        told: &["scenarios/order.yaml:13:", "`backfil-payment`", "mean `backfill-payment`?"],
    },
    Text {
        edits: &[("scenarios/bid.yaml", "  grace: 30 s\n", "  grace: 30 s\n  grace: 90 s\n")],
        exit: 6,
        told: &["scenarios/bid.yaml:13:", "`grace`"],
    },
    Text {
        edits: &[(
            "scenarios/rules/bid.yaml",
            "  severity: P0\n",
            "  severity: P0\n  severity: P4\n",
        )],
        exit: 6,
        told: &["scenarios/rules/bid.yaml:8:", "`severity`"],
    },
    Text {
        edits: &[(
            "scenarios/plans/take-off-sale.yaml",
            "ttl: 10 min\n",
            "ttl: 10 min\nttl: 1 min\n",
        )],
        exit: 6,
        told: &["scenarios/plans/take-off-sale.yaml:28:1", "`ttl`"],
    },
    Text {
        edits: &[("lossdrill.yaml", "", "cells: 1\npolicy: {seed: 1}\ncells: 2\n")],
        exit: 2,
        told: &["lossdrill.yaml:3:1", "`cells`"],
    },
    Text {
        edits: &[("lossdrill.yaml", "", "policy: {sead: 7}\n")],
        exit: 2,
        told: &["unknown-key", "lossdrill.yaml:1:10", "`sead`", "did you mean `seed`?"],
    },
    Text {
        edits: &[("drills/quarterly.yaml", "  - scenario: The change", "  - scenario: The chain")],
        exit: 6,
        told: &["drills/quarterly.yaml:9:", "The chain", "The change stream stands still"],
    },
    // All in one go; what is wrong with the configuration decides the exit code.
    Text {
        edits: &[
            ("lossdrill.yaml", "", "policy: {sead: 7}\n"),
            ("features/bid.feature", "    Scenario: A seller", "    Scenaro: A seller"),
            ("features/bid.feature", "app.price-guard", "app.price-gard"),
            ("features/payment-callback.feature", "  场景: ", "  场景："),
            ("scenarios/order.yaml", "plan: backfill-payment", "plan: backfil-payment"),
            ("scenarios/plans/take-off-sale.yaml", "ttl: 10 min\n", "ttl: 10 min\nttl: 1 min\n"),
        ],
        exit: 2,
        told: &[
            "`sead`",
            "misspelt-keyword",
            "`app.price-gard.bypassed`",
            "full-width",
            "`backfil-payment`",
            "`ttl`",
        ],
    },
];

#[test]
fn a_mistake_in_the_texts_is_told_with_its_place_before_any_server_starts() {
    let mut missed = Vec::new();
    for (number, case) in TEXTS.iter().enumerate() {
        let project = Project::new();
        for (file, from, to) in case.edits {
            project.edit(file, from, to);
        }
        let check = project.told_without_servers(&["check"]);
        let gate = project.told_without_servers(&["gate"]);
        for (what, exit, text) in [("check", check.exit, check.out), ("gate", gate.exit, gate.err)]
        {
            let lacks: Vec<&&str> =
                case.told.iter().filter(|part| !text.contains(**part)).collect();
            if exit != case.exit || !lacks.is_empty() {
                missed
                    .push(format!("case {number}, {what}: exit {exit}, lacks {lacks:?}:\n{text}"));
            }
        }
        assert!(!project.path("runs").exists(), "case {number}: nothing ran, so nothing is kept");
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn the_shipped_texts_are_checked_within_a_second() {
    let project = Project::new();
    let mut command = project.command(&["check"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    // Its own time on a processor, so that what else runs here does not count.
    // SAFETY: plain system call on a child that nobody else reaps; `usage` is plain data.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        let mut status = 0;
        let reaped = libc::wait4(child.id().cast_signed(), &mut status, 0, &mut usage);
        assert_eq!((reaped, status), (child.id().cast_signed(), 0), "{out}");
        usage
    };
    let ms = |time: libc::timeval| time.tv_sec * 1000 + time.tv_usec / 1000;
    let took_ms = ms(usage.ru_utime) + ms(usage.ru_stime);
    assert!(out.ends_with("0 errors, 0 warnings\n"), "{out}");
    assert!(took_ms < CHECK_MS_MAX, "{took_ms} ms");
}

/// Arguments, the exit code, what must be told on standard error.
const ARGUMENTS: &[(&[&str], i32, &[&str])] = &[
    (&["gat"], 2, &["'gat'", "'gate'"]),
    (&["gate", "--provder", "local"], 2, &["--provder", "--provider"]),
    (&["gate", "--retries", "2"], 2, &["unexpected argument '--retries'"]),
    (&["gate", "--provider", "podman"], 2, &["unknown provider `podman`", "auto, docker, local"]),
    (
        &["gate", "--provider", "external"],
        2,
        &["`stage.mysql.url`", "`stage.guard` in lossdrill.yaml"],
    ),
    (&["stage", "up", "--provider", "podman"], 2, &["`podman`", "auto, docker, local"]),
    (&["gate", "--tags", "@control and"], 2, &["tag expression `@control and`", "for example"]),
    (&["gate", "--tags", "@nobody"], 4, &["none of ", " scenarios", "@nobody"]),
    (
        &["run", "--name", "no such name"],
        4,
        &["none of ", " scenarios", "`no such name` in its name"],
    ),
    (&["run", "--name", "A seler who means 1,999.00 types 199.90"], 4, &["did you mean `A seller"]),
    (&["run", "--loss-point", "bid-bellow-market"], 2, &["did you mean `bid-below-market`?"]),
    (
        &["run", "--loss-point", "coupons"],
        2,
        &["`coupons`", "known are", "`coupon-redeemed-twice`"],
    ),
    (&["gate", "--tags", "@contrl"], 4, &["tags @contrl", "did you mean `control`?"]),
    (&["run", "--shard", "3/2"], 2, &["`3/2` is no shard", "`1/4` for the first of four"]),
    (
        &["run", "--shard", "999/999"],
        4,
        &["shard 999/999 is empty", "selected, so there can be at most"],
    ),
    (&["run", "features/bid.feature:1"], 4, &["features/bid.feature:1: the nearest begins at"]),
    (&["run", "features/bids.feature"], 4, &["did you mean `features/bid.feature`?"]),
    (&["rerun"], 2, &["there is no run in runs"]),
    (&["rerun", "runs/none"], 2, &["runs/none is no run directory"]),
    (&["merge", "drills"], 2, &["drills holds no run directory"]),
    (&["merge"], 2, &["<DIR>"]),
    (&["compare", "runs/a", "runs/b"], 2, &["runs/a is no run", "runs/b is no run"]),
    (&["explain", "runs/a", "x"], 2, &["runs/a is no run directory"]),
    (&["coverage", "runs/a"], 2, &["runs/a is no run directory"]),
    (&["run", "--jobs", "0"], 2, &["--jobs 0", "1 or more"]),
    (&["run", "--jobs", "few"], 2, &["few", "--jobs"]),
    (&["run", "--deadline", "3 parsecs"], 2, &["--deadline", "`parsecs`"]),
    (&["run", "--config", "no.yaml"], 2, &["no.yaml", "cannot read", "--config"]),
    (&["gate", "--features", "no-features"], 4, &["no scenario in `no-features`", "--features"]),
    (&["gate", "--out", "/proc/1/runs"], 2, &["make the run directory /proc/1/runs/", "--out"]),
    (&["gate", "--out", "drills/quarterly.yaml"], 2, &["drills/quarterly.yaml", "--out"]),
    (&["drill", "run", "drills/yearly.yaml"], 4, &["drills/yearly.yaml", "drills/quarterly.yaml"]),
    (&["recheck", "runs/none"], 2, &["runs/none is no run directory", "name a run directory"]),
    (&["report", "drills"], 2, &["drills is no run directory", "journal.ndjson"]),
    (&["steps", "cupon"], 4, &[]),
    (&["coverage", "--by", "luck"], 2, &["luck", "loss, id"]),
    (&["faults", "heal"], 2, &["--all"]),
];

#[test]
fn a_wrong_argument_is_told_with_a_way_out() {
    let project = Project::new();
    let mut missed = Vec::new();
    for (args, exit, parts) in ARGUMENTS {
        let told = project.told_without_servers(args);
        let lacks: Vec<&&str> = parts.iter().filter(|part| !told.err.contains(**part)).collect();
        if told.exit != *exit || !lacks.is_empty() {
            let (exit, err) = (told.exit, told.err);
            missed.push(format!("{args:?}: exit {exit}, lacks {lacks:?}:\n{err}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    assert_eq!(project.left_behind(), Vec::<String>::new());
}

#[test]
fn the_provider_may_come_from_the_environment_and_is_checked_there_too() {
    let project = Project::new();
    let mut command = project.command(&["gate"]);
    let output = command.env("LOSSDRILL_PROVIDER", "podman").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("unknown provider `podman`"));
}

#[test]
fn an_empty_features_folder_is_nothing_found() {
    let project = Project::new();
    std::fs::create_dir(project.path("empty")).unwrap();
    for args in [["check", "--features", "empty"], ["gate", "--features", "empty"]] {
        let told = project.told_without_servers(&args);
        assert_eq!(told.exit, 4, "{told:?}");
        assert!((told.out + &told.err).contains("no scenario in `empty`"));
    }
}

#[test]
fn a_command_that_cannot_be_executed_is_a_usage_error() {
    for (command, part) in [
        ("./no-such-reconciler", "no-such-reconciler"),
        ("no-such-reconciler", "no `no-such-reconciler` in PATH"),
        ("drills/quarterly.yaml", "drills/quarterly.yaml is not executable"),
        ("drills", "drills"),
    ] {
        let project = Project::new();
        let text = format!("system_under_test: {{kind: process, command: [\"{command}\"]}}\n");
        project.write("lossdrill.yaml", &text);
        let told = project.told_without_servers(&["gate"]);
        assert_eq!(told.exit, 2, "{command}: {told:?}");
        assert!(told.err.contains("system_under_test.command"), "{command}: {told:?}");
        assert!(told.err.contains(part), "{command}: {told:?}");
    }
}

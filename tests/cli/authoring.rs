//! `new`, `lint` and `fmt` as a person types them; what `new` writes runs on real servers.

use std::fs;

use crate::project::{Project, servers};

#[test]
fn what_new_writes_runs_and_is_proved() {
    let Some(_alone) = servers() else { return };
    let project = Project::new();
    let told = project.told(&["new", "refund-paid-twice", "--zh", "--into", "mine"]);
    assert_eq!(told.exit, 0, "{told:?}");
    assert!(told.out.contains("mine/refund-paid-twice.feature"), "{told:?}");
    fs::remove_dir_all(project.path("drills")).unwrap(); // it names scenarios of the shipped features
    let told = project.told(&["run", "--provider", "local", "--features", "mine"]);
    assert_eq!(told.exit, 0, "{told:?}");
    assert_eq!(told.ending(), ("inconclusive: none", "2 passed, 0 failed, 0 skipped"));
    assert_eq!(project.left_behind(), Vec::<String>::new());
}

#[test]
fn new_refuses_what_it_must() {
    let project = Project::new();
    let told = project.told(&["new", "refund-paid-twice", "--format", "json"]);
    let draft: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((told.exit, &draft["loss_point"]), (0, &"refund-paid-twice".into()), "{told:?}");
    let before = fs::read_to_string(project.path("features/refund-paid-twice.feature")).unwrap();
    for (point, part) in [
        ("refund-paid-twice", "is there already, and is not overwritten"),
        ("refund-payed-twice", "did you mean `refund-paid-twice`?"),
    ] {
        let told = project.told(&["new", point]);
        assert_eq!(told.exit, 2, "{told:?}");
        assert!(told.err.contains(part), "{told:?}");
    }
    let after = fs::read_to_string(project.path("features/refund-paid-twice.feature")).unwrap();
    assert_eq!(before, after);
    assert_eq!(project.told(&["check"]).exit, 0);
}

#[test]
fn lint_and_fmt_mend_and_say_what_is_left() {
    let project = Project::new();
    assert_eq!(project.told(&["lint"]).exit, 0);
    assert_eq!(project.told(&["fmt", "--check"]).exit, 0);
    project.edit("features/bid.feature", "    And fault", "Given    fault");
    let told = project.told(&["fmt", "--check"]);
    assert_eq!(told.exit, 6, "{told:?}");
    assert!(told.out.contains("not formatted: features/bid.feature"), "{told:?}");
    let told = project.told(&["lint"]);
    assert_eq!(told.exit, 6, "{told:?}");
    assert!(told.out.contains("repeated-keyword") && told.out.contains("`lossdrill lint --fix`"));
    let sarif = project.told(&["lint", "--format", "sarif"]).out;
    assert!(sarif.contains("\"ruleId\": \"repeated-keyword\""), "{sarif}");
    let told = project.told(&["lint", "--fix"]);
    assert_eq!(told.exit, 0, "{told:?}");
    assert!(told.out.contains("fixed[repeated-keyword]"), "{told:?}");
    assert_eq!(project.told(&["fmt"]).exit, 0);
    let mended = fs::read_to_string(project.path("features/bid.feature")).unwrap();
    assert!(
        mended.contains("\n    And fault \"app.price-guard.bypassed\" is active\n"),
        "{mended}"
    );
    let json = project.told(&["lint", "--format", "json"]).out;
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["exit"], 0);
    assert!(value["features"].as_u64() >= Some(5), "{value}");
}

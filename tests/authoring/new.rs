//! `new`: for every loss point of the shipped catalogue a feature that `check` has nothing against.

use std::path::Path;

use lossdrill::author::{CheckArgs, Checked, NewError, NewFrom, check, formatted, lint};
use lossdrill::steps::Language;

use super::fault;

fn project() -> Checked {
    let args = CheckArgs::in_project(Path::new(env!("CARGO_MANIFEST_DIR")));
    check(&args, &fault).1.expect("the shipped files are sound")
}

/// Loss points of the shipped catalogue with a built-in story.
const BUILT_IN: usize = 5;

#[test]
fn every_loss_point_gets_an_attack_and_its_twin() {
    let project = project();
    // With the features at hand every point has a story; with none those that are built in.
    for (scenarios, language) in [
        (project.scenarios.as_slice(), Language::En),
        (&project.scenarios, Language::ZhCn),
        (&[], Language::En),
        (&[], Language::ZhCn),
    ] {
        let from = NewFrom { catalog: &project.catalog, scenarios, faults: &fault };
        let dir = tempfile::tempdir().unwrap();
        let features = dir.path().join("features");
        let mut drafted = 0;
        for point in &project.catalog.loss_points {
            let draft = match from.draft(&point.id, language, &features) {
                Err(NewError::NoStory { .. }) if scenarios.is_empty() => continue,
                drafted => drafted.unwrap(),
            };
            drafted += 1;
            draft.write().unwrap();
            assert_eq!(formatted("f", &draft.text).unwrap(), draft.text, "{}", point.id);
            let chinese = draft.text.starts_with("# language: zh-CN\n");
            assert_eq!(chinese, language == Language::ZhCn);
            let refused = draft.write().unwrap_err().to_string();
            assert!(refused.contains("is there already"), "{refused}");
        }
        let mut args = CheckArgs::in_project(Path::new(env!("CARGO_MANIFEST_DIR")));
        (args.features, args.drills) = (features, dir.path().join("drills"));
        let mut linting = lint(&args, &fault, false);
        linting.mistakes.retain(|mistake| mistake.code != "undrilled");
        assert!(linting.mistakes.is_empty(), "{}", linting.render_text());
        let (_, checked) = check(&args, &fault);
        let made = checked.expect("nothing is wrong").scenarios;
        assert_eq!(made.len(), 2 * drafted);
        let all = project.catalog.loss_points.len();
        assert!(drafted == all || scenarios.is_empty() && drafted >= BUILT_IN, "{drafted}");
        for scenario in made {
            let point = project.catalog.loss_point(&scenario.loss_point).unwrap();
            let text = scenario.lines().join("\n");
            if scenario.control {
                assert!(scenario.canary.is_some());
            } else {
                let expected = point.rules.first().into_iter().chain(&point.plan);
                expected.for_each(|id| assert!(text.contains(id), "{id} in {text}"));
            }
        }
    }
}

#[test]
fn what_is_unknown_gets_its_nearest() {
    let project = project();
    let from = NewFrom { catalog: &project.catalog, scenarios: &[], faults: &fault };
    for (id, told) in [
        ("refund-payed-twice", "did you mean `refund-paid-twice`?"),
        ("zzz", "known are `bid-below-market`"),
    ] {
        let error = from.draft(id, Language::En, Path::new("features")).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn a_point_without_a_story_is_refused_by_name() {
    let mut project = project();
    let point = &mut project.catalog.loss_points[0];
    point.reproduce = vec![lossdrill::catalog::Reproduce::Fault("link.sql.slow".into())];
    let from = NewFrom { catalog: &project.catalog, scenarios: &[], faults: &fault };
    let id = project.catalog.loss_points[0].id.clone();
    let error = from.draft(&id, Language::En, Path::new("features")).unwrap_err().to_string();
    assert!(error.contains("no story is known of `link.sql.slow`"), "{error}");
    // A feature that drills it teaches the story.
    let from = NewFrom { scenarios: &project.scenarios, ..from };
    assert!(from.draft(&id, Language::En, Path::new("features")).is_ok());
}

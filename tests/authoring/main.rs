//! The shipped catalogue, features and drills, checked as `lossdrill check` does. Needs no server.

mod fmt;
mod lint;
mod new;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use lossdrill::author::{CheckArgs, check};
use lossdrill::catalog::LossPoint;
use lossdrill::faults::registry;
use lossdrill::steps::{Kind, Language, Scenario, Tier, of_drill};

/// A fault's id and parameters, by the room that holds them.
pub fn fault(id: &str, params: &BTreeMap<String, String>) -> Result<(), String> {
    let spec = registry::find(id).map_err(|error| error.to_string())?;
    spec.check_params(params).map(drop).map_err(|error| error.to_string())
}

/// The promise of the contract, on a machine that does other things as well.
const CHECK_MS_MAX: u64 = 1000;

#[test]
fn the_shipped_files_have_no_mistake() {
    let args = CheckArgs::in_project(Path::new(env!("CARGO_MANIFEST_DIR")));
    let (report, checked) = check(&args, &fault);
    assert!(report.mistakes.is_empty(), "{}", report.render_text());
    assert_eq!(report.exit_code(), 0);
    assert!(report.took_ms < CHECK_MS_MAX, "{} ms", report.took_ms);
    let checked = checked.expect("nothing is wrong");
    let scenarios = &checked.scenarios;
    let chinese = scenarios.iter().filter(|s| s.language == Language::ZhCn).count();
    assert!(scenarios.len() >= 13, "{}", scenarios.len());
    assert!(chinese >= 4, "{chinese}");
    for scenario in scenarios {
        // An attack is proved as often as its twin.
        let twin = scenarios.iter().find(|other| scenario.twin.as_ref() == Some(&other.id));
        let wanted = twin.map_or(scenario.tier, |twin| twin.tier);
        assert_eq!(scenario.tier, wanted, "{}", scenario.location());
        assert_eq!(scenario.control, scenario.canary.is_some(), "{}", scenario.location());
        assert_eq!(scenario.control, scenario.twin.is_none(), "{}", scenario.location());
        assert!(scenario.steps_of(Kind::Then).next().is_some());
        let facts = checked.catalog.facts(&scenario.loss_point).expect("known");
        let of_watcher =
            checked.catalog.loss_point(&scenario.loss_point).is_some_and(LossPoint::is_watcher);
        assert_eq!(facts.watcher, of_watcher, "{}", scenario.location());
        assert_eq!(facts.plan.is_some(), facts.effect.is_some(), "{}", facts.id);
    }
    // Each loss is proved at every change; what more may be in its way can wait for the night.
    let of_gate = |s: &&Scenario| !s.control && s.tier == Tier::Gate;
    let proved: BTreeSet<_> = scenarios.iter().filter(of_gate).map(|s| &s.loss_point).collect();
    for scenario in scenarios {
        assert!(proved.contains(&scenario.loss_point), "{}", scenario.location());
    }
    for drill in &checked.catalog.drills {
        let order = of_drill(drill, scenarios).expect("each is there");
        assert_eq!(order.len(), drill.scenarios.len());
    }
}

#[test]
fn an_unknown_folder_is_nothing_found() {
    let mut args = CheckArgs::in_project(Path::new(env!("CARGO_MANIFEST_DIR")));
    args.features = "no/such/folder".into();
    args.drills = "no/such/folder".into();
    let (report, checked) = check(&args, &fault);
    assert_eq!((report.exit_code(), checked.is_none()), (4, true));
    assert!(report.render_text().contains("nothing found: no scenario in `no/such/folder`"));
}

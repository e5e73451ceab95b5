//! What every fault promises, held for every fault of the registry on real servers, in a cell as a run makes it: it
//! strikes, is seen to bite, heals, is seen healed, and heals once more; and it does so when its inject is cut short.
//!
//! A fault that waits for traffic gets it from the sentences of the first shipped scenario that names it, else from
//! `traffic.feature`. What a provider cannot do is declared in `providers.txt` with its reason: a fault without its
//! line, a line without its fault, and a "cannot" that is not declared all fail. `LOSSDRILL_FAULT=locks` takes only
//! the faults with that in their ids. Not covered: the harness killed while a fault bites (`tests/kills`).
#![cfg(all(feature = "harness", feature = "shop", feature = "dcheck"))]

mod confined;
mod declared;
mod half;
mod scene;
#[path = "../servers/mod.rs"]
mod servers;

use lossdrill::faults::{FaultSpec, Layer, registry};
use lossdrill::runner::More;
use lossdrill::stage::Provider;

use declared::Declared;
use scene::Scene;

/// Which faults, by a part of their ids.
const CHOICE_ENV: &str = "LOSSDRILL_FAULT";

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_keeps_its_promise_on_local_servers() {
    every_fault_keeps_its_promise_on(Provider::Local).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_keeps_its_promise_in_containers() {
    every_fault_keeps_its_promise_on(Provider::Docker).await;
}

async fn every_fault_keeps_its_promise_on(provider: Provider) {
    if !servers::have(provider) {
        return;
    }
    let choice = std::env::var(CHOICE_ENV).unwrap_or_default();
    let chosen = |spec: &&FaultSpec| spec.id.contains(&choice);
    // A reconciler that is awake would stop the shop's defects by its plans.
    let is_app = |spec: &&FaultSpec| spec.layer == Layer::App;
    let (defects, others): (Vec<_>, Vec<_>) =
        registry::all().iter().filter(chosen).partition(is_app);
    let mut broken = Vec::new();
    let mut scene = Scene::set(provider).await;
    for (faults, awake) in [(defects, false), (others, true)] {
        if faults.is_empty() {
            continue;
        }
        scene.open(awake, More::default()).await;
        for spec in faults {
            let more = More::of([spec]);
            if more != scene.more {
                scene.open(awake, more).await;
            }
            let declared = Declared::of(&spec.id, provider);
            let seen = scene.holds(spec).await;
            let verdict = declared.judge(&seen);
            println!("{:<36} {}", spec.id, verdict.as_ref().unwrap_or_else(|why| why));
            if let Err(why) = verdict {
                broken.push(format!("{}: {why}", spec.id));
                // What it left behind must not be the next one's trouble.
                scene.open(awake, more).await;
            }
        }
    }
    scene.strike_set().await;
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn what_is_declared_is_what_there_is() {
    let ids: Vec<&str> = registry::all().iter().map(|spec| spec.id.as_str()).collect();
    assert_eq!(declared::mistakes(declared::TABLE, &ids), Vec::<String>::new());
}

//! The cucumber crate's side: one `World` a scenario, the vocabulary registered, a writer that stays silent.
//!
//! Cucumber reads nothing and reports nothing here: features come read and linted (`steps`), reports come from the
//! journal. What it does: walk each scenario's steps in written order, as many scenarios at once as there are cells.

use std::convert::Infallible;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use cucumber::event;
use cucumber::event::ScenarioFinished;
use cucumber::runner::{Basic, Runner};
use cucumber::step::{Collection, Context};
use futures::future::LocalBoxFuture;
use futures::{FutureExt, StreamExt, stream};

use super::conduct::{Conduct, Trouble};
use super::desk::Desk;
use super::panics;
use crate::journal::Word;
use crate::steps::{Kind, Scenario, normalise, vocabulary};

/// What the steps of one scenario share.
#[derive(Default)]
pub struct DrillWorld {
    conduct: Option<Box<Conduct>>,
    scenario: Option<Arc<Scenario>>,
    walked: usize,
}

impl cucumber::World for DrillWorld {
    type Error = Infallible;

    async fn new() -> Result<DrillWorld, Infallible> {
        Ok(DrillWorld::default())
    }
}

impl fmt::Debug for DrillWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.scenario.as_ref().map(|scenario| scenario.name.as_str());
        f.debug_struct("DrillWorld").field("scenario", &name).field("walked", &self.walked).finish()
    }
}

/// Walks all `scenarios`, at most `jobs` at once, in the order given.
pub async fn walk(desk: Rc<Desk>, scenarios: &[Arc<Scenario>], jobs: usize) {
    let features: Vec<_> = scenarios.iter().map(|scenario| Ok(feature(scenario))).collect();
    let (opener, closer) = (desk.clone(), desk.clone());
    let runner = Basic::<DrillWorld>::default()
        .max_concurrent_scenarios(jobs.max(1))
        .steps(collection())
        .before(move |_, _, scenario, world: &mut DrillWorld| {
            let (desk, id) = (opener.clone(), scenario.name.clone());
            async move {
                // Cucumber has silenced the hook just now.
                panics::watch();
                world.scenario = desk.scenario(&id);
                if let Some(scenario) = &world.scenario {
                    world.conduct = desk.open(scenario).await.map(Box::new);
                }
            }
            .boxed_local()
        })
        .after(move |_, _, scenario, finished, world: Option<&mut DrillWorld>| {
            let (desk, id, trouble) = (closer.clone(), scenario.name.clone(), trouble(finished));
            async move {
                let Some(world) = world else { return };
                let whole = world.scenario.as_ref().map(|scenario| scenario.steps.len());
                let Some(mut conduct) = world.conduct.take() else { return };
                if let Some(trouble) = trouble {
                    conduct.trouble.get_or_insert(trouble);
                } else if whole != Some(world.walked) {
                    let why = format!("{} of {whole:?} steps were walked in {id}", world.walked);
                    conduct.trouble.get_or_insert(Trouble::inconclusive(Word::NotJudged, why));
                }
                desk.close(*conduct).await;
            }
            .boxed_local()
        });
    let mut events =
        std::pin::pin!(runner.run(stream::iter(features), cucumber::runner::basic::Cli::default()));
    while let Some(event) = events.next().await {
        note(&desk, event);
    }
}

/// Parse errors cannot be: the features were made here. A hook's panic is shown, never swallowed.
fn note(
    desk: &Desk,
    event: cucumber::parser::Result<cucumber::Event<event::Cucumber<DrillWorld>>>,
) {
    if let Err(error) = event {
        desk.note(format!("cucumber: {error}"));
    }
}

/// A step that panicked, or that no sentence of the vocabulary matched.
fn trouble(finished: &ScenarioFinished) -> Option<Trouble> {
    let why = match finished {
        ScenarioFinished::StepPassed => return None,
        ScenarioFinished::StepSkipped => "a step matched no sentence".to_owned(),
        ScenarioFinished::StepFailed(_, _, error) => format!("a step broke off: {error}"),
        ScenarioFinished::BeforeHookFailed(info) => {
            format!("the cell could not be opened: {}", panic_text(info))
        }
    };
    Some(Trouble::inconclusive(Word::NotJudged, why))
}

fn panic_text(info: &event::Info) -> String {
    let text = info.downcast_ref::<String>().cloned();
    text.or_else(|| info.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
}

/// Every sentence in both languages, bound to its keyword; all of them lead to [`perform`].
fn collection() -> Collection<DrillWorld> {
    let mut steps = Collection::new();
    for compiled in &vocabulary().rows {
        for regex in [compiled.en.clone(), compiled.zh.clone()] {
            steps = match compiled.row.kind {
                Kind::Given => steps.given(None, regex, perform),
                Kind::When => steps.when(None, regex, perform),
                Kind::Then => steps.then(None, regex, perform),
            };
        }
    }
    steps
}

/// One step: what it says was read when the features were loaded, so its place is enough.
fn perform(world: &mut DrillWorld, context: Context) -> LocalBoxFuture<'_, ()> {
    async move {
        let step = world.scenario.as_ref().and_then(|scenario| scenario.steps.get(world.walked));
        let (step, place) = (step.cloned(), world.walked);
        world.walked += 1;
        if let (Some(step), Some(conduct)) = (step, world.conduct.as_mut()) {
            assert_eq!(
                normalise(&step.text),
                context.step.value,
                "steps are walked in written order"
            );
            conduct.step(place, &step).await;
        }
    }
    .boxed_local()
}

/// A feature of one scenario, named by its stable id.
fn feature(scenario: &Scenario) -> gherkin::Feature {
    let step = |step: &crate::steps::Step| {
        let ty = match step.kind {
            Kind::Given => gherkin::StepType::Given,
            Kind::When => gherkin::StepType::When,
            Kind::Then => gherkin::StepType::Then,
        };
        gherkin::Step::builder()
            .keyword(step.keyword.clone())
            .ty(ty)
            .value(normalise(&step.text))
            .position(gherkin::LineCol { line: step.line, col: 1 })
            .build()
    };
    let one = gherkin::Scenario::builder()
        .keyword("Scenario".to_owned())
        .name(scenario.id.clone())
        .steps(scenario.steps.iter().map(step).collect())
        .build();
    gherkin::Feature::builder()
        .keyword("Feature".to_owned())
        .name(scenario.id.clone())
        .scenarios(vec![one])
        .build()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::*;
    use crate::catalog::tests::small_catalog;
    use crate::steps::{Known, read_feature};

    const FEATURE: &str = "\
@lp:refund-exceeds-payment @tier:gate @retry(3)
Feature: Refunds stay within the payment

  Scenario: One refund too much
    Given order \"O-1\" was paid 199.00 CNY through channel \"alipay\"
    When refund \"R-1\" of 250.00 CNY on order \"O-1\" is paid out where 199.00 CNY is due
    Then alert \"refund-exceeds-payment\" is raised in time for order \"O-1\"

  @control
  Scenario: One refund
    Given order \"O-1\" was paid 199.00 CNY through channel \"alipay\"
    When refund \"R-1\" of 199.00 CNY on order \"O-1\" is paid out where 199.00 CNY is due
    Then no alert is raised
";

    fn scenario() -> Arc<Scenario> {
        let catalog = small_catalog();
        let faults = |_: &str, _: &BTreeMap<String, String>| Ok(());
        let known = Known::of(&catalog, &faults);
        let (mut scenarios, mistakes) = read_feature("f.feature", "f.feature", FEATURE, &known);
        assert!(mistakes.iter().all(|mistake| !mistake.is_error()), "{mistakes:?}");
        Arc::new(scenarios.remove(0))
    }

    /// Walks `scenario` with `steps`: what each end of it was taken for, and the steps walked.
    async fn walked(
        scenario: &Arc<Scenario>,
        steps: Collection<DrillWorld>,
    ) -> Vec<(Option<Trouble>, usize)> {
        let _alone = panics::tests::ALONE.lock().await;
        let ends: Rc<RefCell<Vec<(Option<Trouble>, usize)>>> = Rc::default();
        let (kept, opened) = (ends.clone(), scenario.clone());
        let runner = Basic::<DrillWorld>::default()
            .steps(steps)
            .before(move |_, _, _, world: &mut DrillWorld| {
                world.scenario = Some(opened.clone());
                async { panics::watch() }.boxed_local()
            })
            .after(move |_, _, _, finished, world: Option<&mut DrillWorld>| {
                let walked = world.map_or(0, |world| world.walked);
                kept.borrow_mut().push((trouble(finished), walked));
                async {}.boxed_local()
            });
        let features = stream::iter([Ok(feature(scenario))]);
        let cli = cucumber::runner::basic::Cli::default();
        let events = std::pin::pin!(runner.run(features, cli));
        events.for_each(|_| async {}).await;
        ends.take()
    }

    fn breaking(_: &mut DrillWorld, _: Context) -> LocalBoxFuture<'_, ()> {
        async { panic!("the step broke") }.boxed_local()
    }

    fn spawning(_: &mut DrillWorld, _: Context) -> LocalBoxFuture<'_, ()> {
        async {
            // Awaited only so that the test knows it has panicked; nobody looks at its end.
            let _ = tokio::spawn(async { panic!("a task broke") }).await;
        }
        .boxed_local()
    }

    fn all(step: cucumber::Step<DrillWorld>) -> Collection<DrillWorld> {
        let any = || regex::Regex::new(".*").expect("a pattern");
        let steps = Collection::new().given(None, any(), step).when(None, any(), step);
        steps.then(None, any(), step)
    }

    #[tokio::test]
    async fn every_step_is_walked_once_whatever_a_tag_says_of_retries() {
        let ends = walked(&scenario(), collection()).await;
        assert_eq!(ends, [(None, 3)]);
        let ends = walked(&scenario(), all(breaking)).await;
        assert_eq!(ends.len(), 1, "a step that broke is not tried again: {ends:?}");
    }

    #[tokio::test]
    async fn a_step_that_panics_and_one_that_matches_nothing_are_trouble() {
        for (steps, why) in
            [(all(breaking), "the step broke"), (Collection::new(), "a step matched no sentence")]
        {
            let ends = walked(&scenario(), steps).await;
            let (Some(trouble), _) = &ends[0] else { panic!("no trouble: {ends:?}") };
            assert!(trouble.evidence.contains(why), "{trouble:?}");
            assert_eq!(trouble.verdict, crate::journal::Verdict::Inconclusive);
        }
    }

    #[tokio::test]
    async fn a_panic_in_a_task_is_swallowed_by_the_crate_and_seen_by_us() {
        let mark = panics::mark();
        let ends = walked(&scenario(), all(spawning)).await;
        assert_eq!(ends[0].0, None, "the crate has learnt of it: `panics` may go");
        let seen: Vec<String> = (mark..panics::mark()).filter_map(panics::since).collect();
        assert!(seen.iter().any(|text| text.contains("a task broke at src/runner")), "{seen:?}");
    }

    #[test]
    fn a_sentence_is_bound_to_its_keyword() {
        let scenario = scenario();
        let steps = collection();
        for step in feature(&scenario).scenarios[0].steps.clone() {
            assert!(matches!(steps.find(&step), Ok(Some(_))), "{}", step.value);
            let ty = match step.ty {
                gherkin::StepType::Given => gherkin::StepType::Then,
                _ => gherkin::StepType::Given,
            };
            let moved = gherkin::Step { ty, ..step };
            assert!(matches!(steps.find(&moved), Ok(None)), "{} as {ty:?}", moved.value);
        }
    }
}

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
        let step = step.cloned();
        world.walked += 1;
        if let (Some(step), Some(conduct)) = (step, world.conduct.as_mut()) {
            assert_eq!(
                normalise(&step.text),
                context.step.value,
                "steps are walked in written order"
            );
            conduct.step(&step).await;
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

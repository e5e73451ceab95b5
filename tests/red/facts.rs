//! What a scenario is, as far as a spoilt reconciler can touch it: read from features and catalogue, never from a name.
//!
//! Must not ask the judge: what it would say is what is to be tested.

use std::fs;
use std::path::Path;

use lossdrill::author::{CheckArgs, Checked, check};
use lossdrill::catalog::LossPoint;
use lossdrill::config::Span;
use lossdrill::config::yaml::{Node, Value};
use lossdrill::faults::{PlanRow, registry};
use lossdrill::steps::{Kind, Scenario, Sentence, Tier, Value as Spoken};
use lossdrill::wire::Effect;

/// A rule of the reconciler.
#[derive(Clone, Debug)]
pub struct Rule {
    pub id: String,
    /// Fed by change capture: a table on either side, the log itself, or how old it is when it is read.
    pub reads_log: bool,
    /// It says nothing before this much time has passed: a window, or staleness.
    pub delay_ms: i64,
    /// It is found at a beat of the reconciler's own clock, or in what comes late: somebody has to let time pass.
    pub needs_time: bool,
    /// The part of the reconciler that it watches, where it watches one.
    pub watches: Option<String>,
}

impl Rule {
    /// Told by a process of its own, whatever the reconciler does.
    pub fn is_the_watchdogs(&self) -> bool {
        self.watches.as_deref() == Some("reconciler")
    }
}

/// An `alert … is raised`.
#[derive(Clone, Debug)]
pub struct AskedAlert {
    pub rule: Rule,
    pub within_ms: i64,
}

/// A `plan … is effective`.
#[derive(Clone, Debug)]
pub struct AskedPlan {
    pub effect: Effect,
    /// It ends of itself.
    pub ends: bool,
    pub within_ms: i64,
}

/// A scenario of the gate.
#[derive(Clone, Debug)]
pub struct Facts {
    pub id: String,
    pub name: String,
    pub control: bool,
    /// The reconciler itself is the subject.
    pub watcher: bool,
    /// A When does business; else faults are all there is.
    pub does_business: bool,
    /// The items that a When bids for, one bid at a time.
    pub bids_for: Vec<String>,
    /// The items that a When brings many bids for.
    pub imports_for: Vec<String>,
    /// The items that a Given offers: good bids, before anything goes wrong.
    pub offers: Vec<String>,
    /// The loss point's own rules.
    pub rules: Vec<Rule>,
    /// Other rules that are true of the same bad money.
    pub with: Vec<Rule>,
    pub detect_ms: i64,
    /// The alerts that it names; of a control, those of the attack that is its canary.
    pub alerts: Vec<AskedAlert>,
    /// The amount at risk is named as well.
    pub names_amount: bool,
    pub plan: Option<AskedPlan>,
    /// Its loss point has a plan, asked for or not: once that is effective, the loss is contained.
    pub has_plan: bool,
    pub no_other_alert: bool,
    /// The books are looked at when a time is over.
    pub bounds_loss: bool,
    /// What comes and goes in it makes the reconciler say that it was blind, in a twin too.
    pub told_of_blindness: bool,
    /// Of an attack: the control that is its twin.
    pub twin: Option<String>,
}

impl Facts {
    /// How long the rules that it names take to speak.
    pub fn delay_ms(&self) -> i64 {
        self.alerts.iter().map(|asked| asked.rule.delay_ms).max().unwrap_or(0)
    }

    /// Those of [`Facts::alerts`] that the reconciler itself sends.
    pub fn sent(&self) -> impl Iterator<Item = &AskedAlert> {
        self.alerts.iter().filter(|asked| !asked.rule.is_the_watchdogs())
    }

    /// It hears that a part of the reconciler does not work.
    pub fn watches(&self, part: &str) -> bool {
        self.alerts.iter().any(|asked| asked.rule.watches.as_deref() == Some(part))
    }

    /// The plan that it asks for stops something.
    pub fn stops(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| matches!(plan.effect, Effect::Stops(_)))
    }
}

/// All scenarios of the gate's tier, in the order of the features.
pub fn gate() -> Vec<Facts> {
    let args = CheckArgs::in_project(Path::new(env!("CARGO_MANIFEST_DIR")));
    // Whether a fault exists is `lossdrill check`'s business.
    let (report, checked) = check(&args, &|_, _| Ok(()));
    let checked = checked.unwrap_or_else(|| panic!("{}", report.render_text()));
    let rules = rules(&args.scenarios.join("rules"));
    let gate = checked.scenarios.iter().filter(|scenario| scenario.tier == Tier::Gate);
    gate.map(|scenario| facts(scenario, &checked, &rules)).collect()
}

fn facts(scenario: &Scenario, checked: &Checked, rules: &[Rule]) -> Facts {
    let point = checked.catalog.loss_point(&scenario.loss_point).expect("checked");
    let rule = |id: &str| rules.iter().find(|rule| rule.id == id).expect("checked").clone();
    let canary = scenario.canary.as_deref();
    let attack = checked.scenarios.iter().find(|other| Some(other.id.as_str()) == canary);
    let alerts = attack.unwrap_or(scenario).steps.iter().filter_map(|step| match &step.sentence {
        Sentence::AlertRaised { alert, bound, .. } => {
            let within_ms = bound.resolve_ms(point.deadlines.detect.as_ms());
            Some(AskedAlert { rule: rule(alert), within_ms })
        }
        _ => None,
    });
    let says = |wanted: fn(&Sentence) -> bool| scenario.steps.iter().any(|s| wanted(&s.sentence));
    let whens = || scenario.steps_of(Kind::When).map(|step| &step.sentence);
    Facts {
        id: scenario.id.clone(),
        name: scenario.name.clone(),
        control: scenario.control,
        watcher: point.is_watcher(),
        does_business: whens().any(|sentence| sentence.fault().is_none()),
        bids_for: whens().filter_map(item_of_bid).collect(),
        imports_for: whens().filter_map(|said| item_of(said, &["seller-imports"])).collect(),
        offers: scenario
            .steps_of(Kind::Given)
            .filter_map(|step| item_of(&step.sentence, &OFFERS))
            .collect(),
        rules: point.rules.iter().map(|id| rule(id)).collect(),
        with: point.with.iter().map(|(id, _)| rule(id)).collect(),
        detect_ms: point.deadlines.detect.as_ms(),
        alerts: alerts.collect(),
        names_amount: says(|sentence| matches!(sentence, Sentence::AlertAtRisk { .. })),
        plan: scenario.steps.iter().find_map(|step| plan(&step.sentence, point, checked)),
        has_plan: point.plan.is_some(),
        no_other_alert: says(|sentence| matches!(sentence, Sentence::NoOtherAlert)),
        bounds_loss: says(|sentence| {
            matches!(sentence, Sentence::LossAtMost { .. } | Sentence::LossContained { .. })
        }),
        told_of_blindness: scenario.steps.iter().flat_map(|step| &step.plan).any(is_owed_a_word),
        twin: scenario.twin.clone(),
    }
}

fn plan(sentence: &Sentence, point: &LossPoint, checked: &Checked) -> Option<AskedPlan> {
    let Sentence::PlanEffective { plan, bound, .. } = sentence else { return None };
    let plan = checked.catalog.plan(plan).expect("checked");
    Some(AskedPlan {
        effect: plan.effect.clone().expect("checked"),
        ends: plan.ttl.is_some(),
        within_ms: bound.resolve_ms(point.deadlines.respond.as_ms()),
    })
}

fn is_owed_a_word(planned: &PlanRow) -> bool {
    registry::find(&planned.fault).is_ok_and(|spec| !spec.raises.is_empty())
}

fn item_of_bid(sentence: &Sentence) -> Option<String> {
    match sentence {
        Sentence::SellerBids { item, .. } | Sentence::BidFollowsPattern { item, .. } => {
            Some(item.clone())
        }
        _ => None,
    }
}

/// Sentences whose seller offers an item, which is their first name.
const OFFERS: [&str; 2] = ["seller-offers", "seller-offers-new-item"];

fn item_of(sentence: &Sentence, rows: &[&str]) -> Option<String> {
    let Sentence::Business(said) = sentence else { return None };
    let mut names = said.values.iter().filter_map(|value| match value {
        Spoken::Name(name) => Some(name),
        _ => None,
    });
    names.next().filter(|_| rows.contains(&said.row.as_str())).cloned()
}

/// The rules of `dir/*.yaml`: as much of each as decides when it can speak.
fn rules(dir: &Path) -> Vec<Rule> {
    let files = fs::read_dir(dir).expect("the rules are here").flatten();
    let mut rules = Vec::new();
    for file in files.filter(|file| file.path().is_file()) {
        let text = fs::read_to_string(file.path()).expect("a rule file is text");
        let node: Node = serde_yaml::from_str(&text).expect("checked");
        let Value::List(entries) = node.value else { panic!("{:?} is no list", file.path()) };
        rules.extend(entries.iter().map(rule));
    }
    rules
}

/// Parts whose state the reconciler looks at from time to time.
const BEATEN: [&str; 3] = ["alert-channel", "plan-executor", "lag"];

fn rule(entry: &Node) -> Rule {
    let text = |key| entry.get(key).and_then(Node::as_text);
    let span = |key| text(key).map_or(0, |span| span.parse::<Span>().expect("checked").as_ms());
    // By its value: as a key `on` may be read as a truth value.
    let Value::Map(sides) = &entry.value else { panic!("a rule is a map") };
    let table = sides.iter().any(|(_, side)| side.get("table").is_some());
    let delay_ms = ["window", "stale_after", "after"].map(span).into_iter().max().unwrap_or(0);
    let watches = text("watches");
    Rule {
        id: text("id").expect("checked").to_owned(),
        reads_log: table || text("source") == Some("binlog") || watches == Some("lag"),
        delay_ms,
        needs_time: delay_ms > 0 || watches.is_some_and(|part| BEATEN.contains(&part)),
        watches: watches.map(str::to_owned),
    }
}

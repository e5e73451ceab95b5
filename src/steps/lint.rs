//! What can be known wrong about one bound scenario, with the catalogue beside it; of its faults in `lint_faults`.

use std::collections::BTreeSet;

use super::known::{Known, PARTS, SOURCES};
use super::load::Bound as BoundScenario;
use super::scan::Scan;
use super::vocabulary::stops;
use super::{Bound, Kind, Row, Said, Sentence, Step, VOCABULARY, probe, vocabulary};
use crate::catalog::LossPoint;
use crate::config::{Mistake, Place, Span, list};
use crate::wire::{Effect, Subject};

/// House style: fewer say too little, more say too much.
const STEPS: std::ops::RangeInclusive<usize> = 3..=9;

/// Adds every mistake of the scenario.
pub fn lint(scan: &Scan, bound: &BoundScenario, known: &Known<'_>, mistakes: &mut Vec<Mistake>) {
    let point = known.catalog.loss_point(&bound.scenario.loss_point);
    let mut lint = Lint { scan, bound, known, point, mistakes };
    lint.shape();
    lint.stance();
    lint.names();
    lint.faults();
    for step in &bound.scenario.steps {
        lint.step(step);
    }
}

pub(super) struct Lint<'a> {
    pub scan: &'a Scan,
    pub bound: &'a BoundScenario,
    pub known: &'a Known<'a>,
    pub point: Option<&'a LossPoint>,
    pub mistakes: &'a mut Vec<Mistake>,
}

impl Lint<'_> {
    fn heading(&self) -> Place {
        self.scan.lines[self.bound.scenario.line - 1].place(&self.scan.file)
    }

    /// Where `part` of a step stands: in its line, or in the row of the examples that it came from.
    pub fn at(&self, step: &Step, part: &str) -> Place {
        let lines = &self.scan.lines;
        let row = self.bound.scenario.example.as_ref().map(|example| &lines[example.line - 1]);
        let line = &lines[step.line - 1];
        let from_row = row.filter(|row| !line.source.contains(part) && row.source.contains(part));
        from_row.unwrap_or(line).place_of(&self.scan.file, part)
    }

    fn unknown<'k>(
        &mut self,
        code: &'static str,
        step: &Step,
        what: &str,
        word: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) {
        let message = format!("unknown {what} `{word}`");
        let mistake = Mistake::error(code, self.at(step, word), message);
        self.mistakes.push(mistake.with_nearest(word, known));
    }

    /// Steps at all, a Then, not too many, in order.
    fn shape(&mut self) {
        let steps = &self.bound.scenario.steps;
        if self.bound.written_steps == 0 {
            let mistake = Mistake::error("no-steps", self.heading(), "the scenario has no steps");
            self.mistakes.push(mistake);
            return;
        }
        if !self.bound.has_then {
            let message = "the scenario has no Then, so it can prove nothing";
            let help = "say what a defender does: `Then alert \"…\" is raised in time for …`";
            let mistake = Mistake::error("no-then", self.heading(), message);
            self.mistakes.push(mistake.with_help(help));
        }
        let count = self.bound.written_steps;
        if !STEPS.contains(&count) {
            let (least, most) = (STEPS.start(), STEPS.end());
            let message =
                format!("{count} steps, Background included; the style is {least} to {most}");
            let code = if count > *most { "too-many-steps" } else { "too-few-steps" };
            self.mistakes.push(Mistake::warning(code, self.heading(), message));
        }
        let mut when_seen = false;
        for step in steps {
            when_seen |= step.kind != Kind::Given;
            if step.kind == Kind::Given && when_seen {
                let message = "a Given below a When sets no state: it would come too late";
                let place = self.at(step, &step.text);
                let mistake = Mistake::error("given-after-when", place, message);
                self.mistakes.push(mistake.with_help("move it up, or make it a When"));
            }
        }
    }

    /// A control is silent, an attack is not.
    fn stance(&mut self) {
        let scenario = &self.bound.scenario;
        let silent = |s: &Sentence| matches!(s, Sentence::NoAlert);
        let defends = |s: &Sentence| {
            matches!(
                s,
                Sentence::AlertRaised { .. }
                    | Sentence::PlanEffective { .. }
                    | Sentence::PlanWaits { .. }
            )
        };
        for step in &scenario.steps {
            let (code, message, help) = match &step.sentence {
                sentence if scenario.control && defends(sentence) => (
                    "control-expects-alert",
                    "a @control must stay silent",
                    "take the tag off, or write `no alert is raised`",
                ),
                sentence if !scenario.control && silent(sentence) => (
                    "attack-expects-silence",
                    "only a @control may prove silence",
                    "tag the scenario @control",
                ),
                _ => continue,
            };
            let mistake = Mistake::error(code, self.at(step, &step.text), message);
            self.mistakes.push(mistake.with_help(help));
        }
        let complete = self.bound.is_whole();
        if scenario.control && complete && !scenario.steps.iter().any(|s| silent(&s.sentence)) {
            let message = "the @control does not ask for silence";
            let mistake = Mistake::error("control-without-silence", self.heading(), message);
            self.mistakes.push(mistake.with_help("end it with `Then no alert is raised`"));
        }
        let mut alerted = false;
        for step in &scenario.steps {
            alerted |= matches!(step.sentence, Sentence::AlertRaised { .. });
            if matches!(step.sentence, Sentence::AlertAtRisk { .. }) && !alerted {
                let message = "no alert is named above: at risk by which?";
                let place = self.at(step, &step.text);
                self.mistakes.push(Mistake::error("at-risk-of-nothing", place, message));
            }
        }
    }

    /// Every order, item, refund and clearance that is spoken of has been made by a step above.
    fn names(&mut self) {
        // A step that is not understood may be the one that makes them.
        if !self.bound.is_whole() {
            return;
        }
        let mut made: BTreeSet<(&'static str, String)> = BTreeSet::new();
        for step in &self.bound.scenario.steps {
            for (kind, name) in spoken_of(&step.sentence) {
                if !made.contains(&(kind, name.clone())) {
                    let message = format!("no step above makes {kind} \"{name}\"");
                    let mistake = Mistake::error("unknown-name", self.at(step, &name), message);
                    let known = made.iter().filter(|(k, _)| *k == kind).map(|(_, n)| n.as_str());
                    self.mistakes.push(mistake.with_nearest(&name, known));
                }
            }
            made.extend(makes(&step.sentence));
        }
    }

    fn step(&mut self, step: &Step) {
        match &step.sentence {
            Sentence::OrderPaid { channel, .. }
            | Sentence::BuyerBuys { channel, .. }
            | Sentence::BuyerPays { channel, .. } => self.channel(step, channel),
            Sentence::BidFollowsPattern { pattern, .. }
                if !self.known.patterns.contains(&pattern.as_str()) =>
            {
                let known = self.known.patterns.iter().copied();
                self.unknown("unknown-pattern", step, "pattern", pattern, known);
            }
            Sentence::Business(said) => {
                for (_, index) in row_of(said).needs.iter().filter(|(kind, _)| *kind == "channel") {
                    self.channel(step, said.name(*index));
                }
            }
            Sentence::AlertRaised { alert, subject, bound } => {
                self.alert(step, alert);
                self.subject(step, subject);
                self.bound(step, *bound, "detect", |point| point.deadlines.detect);
            }
            Sentence::PlanEffective { plan, scope, bound }
            | Sentence::PlanWaits { plan, scope, bound } => {
                self.plan(step, plan, scope);
                self.subject(step, scope);
                self.bound(step, *bound, "respond", |point| point.deadlines.respond);
            }
            Sentence::OrderIsPaid { bound, .. } | Sentence::LossContained { bound } => {
                self.bound(step, *bound, "contain", |point| point.deadlines.contain);
            }
            _ => {}
        }
    }

    fn channel(&mut self, step: &Step, channel: &str) {
        if !self.known.channels.contains(&channel) {
            let known = self.known.channels.iter().copied();
            self.unknown("unknown-channel", step, "channel", channel, known);
        }
    }

    fn subject(&mut self, step: &Step, subject: &Subject) {
        match subject.kind.as_str() {
            "channel" => self.channel(step, &subject.id),
            "source" if !SOURCES.contains(&subject.id.as_str()) => {
                self.unknown("unknown-source", step, "source", &subject.id, SOURCES);
            }
            "part" if !PARTS.contains(&subject.id.as_str()) => {
                self.unknown("unknown-part", step, "part", &subject.id, PARTS);
            }
            "rule" if !self.known.catalog.rules.iter().any(|rule| rule.id == subject.id) => {
                let known = self.known.catalog.rules.iter().map(|rule| rule.id.as_str());
                self.unknown("unknown-rule", step, "rule", &subject.id, known);
            }
            "service" => self.known_as(step, subject, &self.known.catalog.services),
            "dependency" => self.known_as(step, subject, &self.known.catalog.dependencies),
            _ => {}
        }
    }

    fn known_as(&mut self, step: &Step, subject: &Subject, known: &[String]) {
        if !known.contains(&subject.id) {
            let known = known.iter().map(String::as_str);
            self.unknown("unknown-service", step, &subject.kind, &subject.id, known);
        }
    }

    fn alert(&mut self, step: &Step, alert: &str) {
        let rules = &self.known.catalog.rules;
        let own = |point: &LossPoint| -> Vec<String> {
            let with = point.with.iter().map(|(rule, _)| rule);
            point.rules.iter().chain(with).cloned().collect()
        };
        if !rules.iter().any(|rule| rule.id == alert) {
            let known = rules.iter().map(|rule| rule.id.as_str());
            self.unknown("unknown-alert", step, "alert (rule id)", alert, known);
        } else if let Some(point) = self.point
            && !own(point).iter().any(|rule| rule == alert)
        {
            let message = format!("alert `{alert}` does not belong to loss point `{}`", point.id);
            let mistake = Mistake::error("alert-of-another-point", self.at(step, alert), message);
            let help = format!("its rules are {}", list(&own(point)));
            self.mistakes.push(mistake.with_help(help));
        }
    }

    fn plan(&mut self, step: &Step, plan: &str, scope: &Subject) {
        let plans = &self.known.catalog.plans;
        let Some(found) = plans.iter().find(|known| known.id == plan) else {
            let known = plans.iter().map(|plan| plan.id.as_str());
            self.unknown("unknown-plan", step, "plan", plan, known);
            return;
        };
        if let Some(point) = self.point
            && let Some(own) = &point.plan
            && own != plan
        {
            let message = format!("plan `{plan}` is not that of loss point `{}`", point.id);
            let mistake = Mistake::error("plan-of-another-point", self.at(step, plan), message);
            self.mistakes.push(mistake.with_help(format!("its plan is `{own}`")));
        }
        if let Some(Effect::Stops(act)) = &found.effect
            && probe(act).is_none()
        {
            let message = format!("plan `{plan}` stops `{act}`, which no probe can do again");
            let place = self.at(step, plan);
            let mistake = Mistake::error("unproved-stop", place, message);
            self.mistakes.push(mistake.with_nearest(act, stops()));
        }
        if let Some(kind) = &found.scope
            && *kind != scope.kind
        {
            let message = format!("plan `{plan}` acts on one {kind}, not on one {}", scope.kind);
            let place = self.at(step, &scope.id);
            self.mistakes.push(Mistake::error("wrong-scope", place, message));
        }
    }

    fn bound(
        &mut self,
        step: &Step,
        bound: Bound,
        what: &str,
        deadline: impl Fn(&LossPoint) -> Span,
    ) {
        let (Bound::WithinMs(ms), Some(point)) = (bound, self.point) else { return };
        let allowed = deadline(point);
        if ms > allowed.as_ms() {
            let written = Span(std::time::Duration::from_millis(ms.unsigned_abs()));
            let message = format!(
                "{written} is longer than the {allowed} that `{}` allows to {what}",
                point.id
            );
            let place = self.at(step, &step.text);
            let mistake = Mistake::error("bound-too-long", place, message);
            self.mistakes.push(mistake.with_help("write `in time` (及时), or a shorter bound"));
        }
    }
}

/// The things that a sentence needs to exist.
fn spoken_of(sentence: &Sentence) -> Vec<(&'static str, String)> {
    let subject = |subject: &Subject| {
        let kind = made_kinds().find(|kind| *kind == subject.kind);
        kind.map(|kind| (kind, subject.id.clone())).into_iter().collect()
    };
    match sentence {
        Sentence::ClearanceApproved { item, .. }
        | Sentence::BidFollowsPattern { item, .. }
        | Sentence::BuyerBuys { item, .. } => vec![("item", item.clone())],
        Sentence::SellerBids { item, clearance, .. } => {
            let clearance = clearance.iter().map(|name| ("clearance", name.clone()));
            std::iter::once(("item", item.clone())).chain(clearance).collect()
        }
        Sentence::RefundApproved { order, .. }
        | Sentence::RefundWasPaidOut { order, .. }
        | Sentence::RefundPaidOut { order, .. }
        | Sentence::BuyerPays { order, .. }
        | Sentence::OrderIsPaid { order, .. } => vec![("order", order.clone())],
        Sentence::ApprovalDelivered { refund, .. } => vec![("refund", refund.clone())],
        Sentence::AlertRaised { subject: about, .. }
        | Sentence::PlanEffective { scope: about, .. }
        | Sentence::PlanWaits { scope: about, .. } => subject(about),
        Sentence::Business(said) => {
            let needs = row_of(said).needs.iter().filter(|(kind, _)| *kind != "channel");
            needs.map(|(kind, index)| (*kind, said.name(*index).to_owned())).collect()
        }
        _ => Vec::new(),
    }
}

/// Kinds of things that some sentence makes, and an alert or plan may therefore only name once one has.
fn made_kinds() -> impl Iterator<Item = &'static str> {
    let business = VOCABULARY.iter().flat_map(|row| row.makes).map(|(kind, _)| *kind);
    ["order", "refund", "item"].into_iter().chain(business)
}

fn row_of(said: &Said) -> &'static Row {
    vocabulary().row(&said.row).expect("invariant: the vocabulary itself has read it")
}

/// The things that a sentence brings into being.
fn makes(sentence: &Sentence) -> Vec<(&'static str, String)> {
    match sentence {
        Sentence::ItemMedian { item, .. } => vec![("item", item.clone())],
        Sentence::ClearanceApproved { clearance, .. } => vec![("clearance", clearance.clone())],
        Sentence::OrderPaid { order, .. } | Sentence::OrderAwaitsPayment { order, .. } => {
            vec![("order", order.clone())]
        }
        Sentence::RefundApproved { refund, .. }
        | Sentence::RefundWasPaidOut { refund, .. }
        | Sentence::RefundPaidOut { refund, .. } => vec![("refund", refund.clone())],
        Sentence::Business(said) => {
            let makes = row_of(said).makes.iter();
            makes.map(|(kind, index)| (*kind, said.name(*index).to_owned())).collect()
        }
        _ => Vec::new(),
    }
}

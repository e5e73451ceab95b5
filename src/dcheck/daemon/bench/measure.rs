//! The time that decoding and rules take: all contenders in turn in each round, medians over the rounds.
//!
//! A rule's cost is that of a stream judged by it alone, less that of the same stream judged by no rule. Must not know where the
//! stream comes from.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::stream::{From, Stream};
use crate::dcheck::engine::rules::Rule;
use crate::dcheck::engine::{Engine, Input, Output, RuleSet};
use crate::wire::Judgement;

/// Times of all rounds.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let place = (sorted.len() as f64 * share).ceil() as usize;
        sorted.get(place.saturating_sub(1)).copied().unwrap_or_default()
    }

    fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Half of the rounds lie within this share of the median.
    fn spread(&self) -> f64 {
        (self.quantile(0.75) - self.quantile(0.25)) / 2.0 / self.median().max(f64::MIN_POSITIVE)
    }
}

/// What one rule costs.
pub struct OfRule {
    pub name: String,
    /// Events that pass its filters.
    pub events: usize,
    /// Nanoseconds of the whole stream.
    pub ns: f64,
}

/// What decoding and rules cost, in nanoseconds of the whole stream.
pub struct Costs {
    decoding: Times,
    nothing: Times,
    all: Times,
    verdicts: usize,
    findings: usize,
    /// The dearest first.
    pub rules: Vec<OfRule>,
    /// Rules that read no event at all: they watch over the daemon.
    watching: usize,
}

impl Costs {
    pub fn measured(rules: &RuleSet, stream: &Stream, rounds: usize) -> Result<Costs, String> {
        let all = Arc::new(rules.only(&names(rules, |_| true)));
        let reading = |rule: &Rule| !rule.sides.is_empty();
        let single = names(rules, reading).into_iter();
        let single: Vec<Arc<RuleSet>> = single.map(|name| Arc::new(rules.only(&[name]))).collect();
        let none = Arc::new(RuleSet::default());
        let mut costs = Costs {
            decoding: Times::default(),
            nothing: Times::default(),
            all: Times::default(),
            verdicts: 0,
            findings: 0,
            rules: Vec::new(),
            watching: names(rules, |rule| !reading(rule)).len(),
        };
        let mut of_rules: Vec<Times> = single.iter().map(|_| Times::default()).collect();
        // The first one warms up.
        for round in 0..=rounds {
            let start = Instant::now();
            stream.decode()?;
            let decoding = nanos(start);
            let nothing = judged(&none, stream);
            let by_all = judged(&all, stream);
            if round == 0 {
                continue;
            }
            (costs.verdicts, costs.findings) = (by_all.verdicts, by_all.findings);
            costs.decoding.0.push(decoding);
            costs.nothing.0.push(nothing.ns);
            costs.all.0.push(by_all.ns);
            for (times, rule) in of_rules.iter_mut().zip(&single) {
                times.0.push((judged(rule, stream).ns - nothing.ns).max(0.0));
            }
        }
        let cost = |(times, set): (&Times, &Arc<RuleSet>)| OfRule {
            name: set.rules()[0].name.clone(),
            events: passing(set, stream),
            ns: times.median(),
        };
        costs.rules = of_rules.iter().zip(&single).map(cost).collect();
        costs.rules.sort_by(|a, b| b.ns.total_cmp(&a.ns));
        Ok(costs)
    }

    pub fn table(&self, stream: &Stream, dearest: usize) -> String {
        let (events, rules) = (stream.events(), self.rules.len());
        let mut lines = vec![match &stream.from {
            From::Recording(path, _) => {
                format!("{events} events of {}, {rules} rules", path.display())
            }
            From::Made(_) => format!("{events} events made from what {rules} rules name"),
        }];
        if self.watching > 0 {
            lines.push(format!(
                "{} rules watch over dcheck itself, and cost nothing here",
                self.watching
            ));
        }
        let line = |name: &str, times: &Times| {
            let each = times.median() / events as f64;
            let ratio = times.median() / self.decoding.median();
            let apart = times.spread() * 100.0;
            let rate = 1e9 / each;
            format!(
                "{name:18} {each:>9.0} ns an event {rate:>12.0} events/s  {ratio:>6.2} of decoding  ±{apart:.0} %"
            )
        };
        lines.push(line("decoding alone", &self.decoding));
        lines.push(line("judged by no rule", &self.nothing));
        lines.push(line("judged by all", &self.all));
        lines.push(format!("{} verdicts, {} of them findings", self.verdicts, self.findings));
        let total: f64 = self.rules.iter().map(|rule| rule.ns).sum();
        let share = |ns: f64| 100.0 * ns / total.max(f64::MIN_POSITIVE);
        lines.push(format!(
            "{:40} {:>9} {:>9} {:>8}",
            "the dearest rules, each alone", "events", "ns each", "share"
        ));
        let taking: Vec<&OfRule> = self.rules.iter().filter(|rule| rule.events > 0).collect();
        for rule in taking.iter().take(dearest) {
            let each = rule.ns / rule.events as f64;
            let (name, events) = (&rule.name, rule.events);
            lines.push(format!("{name:40} {events:>9} {each:>9.0} {:>6.1} %", share(rule.ns)));
        }
        if taking.len() > dearest {
            let others: f64 = taking[dearest..].iter().map(|rule| rule.ns).sum();
            let name = format!("{} others", taking.len() - dearest);
            lines.push(format!("{name:60} {:>6.1} %", share(others)));
        }
        let idle = self.rules.iter().filter(|rule| rule.events == 0);
        let idle: Vec<&str> = idle.map(|rule| rule.name.as_str()).collect();
        if !idle.is_empty() {
            lines.push(format!("no event for: {}; a --recording may have some", idle.join(", ")));
        }
        lines.join("\n")
    }

    pub fn json(&self, stream: &Stream) -> serde_json::Value {
        let events = stream.events();
        let part = |times: &Times| {
            let each = times.median() / events as f64;
            json!({"ns_each": each, "events_per_s": 1e9 / each, "spread": times.spread(),
                "of_decoding": times.median() / self.decoding.median()})
        };
        let rule = |rule: &OfRule| {
            let each = (rule.events > 0).then(|| rule.ns / rule.events as f64);
            json!({"rule": rule.name, "events": rule.events, "ns_each": each, "ns": rule.ns})
        };
        json!({"events": events, "decoding": part(&self.decoding), "no_rule": part(&self.nothing),
            "all_rules": part(&self.all), "verdicts": self.verdicts, "findings": self.findings,
            "rules": self.rules.iter().map(rule).collect::<Vec<_>>()})
    }
}

fn nanos(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e9
}

/// Short names: those by which a set gives a rule out alone.
fn names(rules: &RuleSet, wanted: impl Fn(&Rule) -> bool) -> Vec<String> {
    let of = rules.rules().iter().filter(|rule| wanted(rule));
    of.map(|rule| rules.short_name(rule).clone()).collect()
}

fn passing(rules: &RuleSet, stream: &Stream) -> usize {
    let passes = |event: &&crate::dcheck::event::Event| {
        let side = |(rule, side): (usize, usize)| &rules.rules()[rule].sides[side];
        rules.listening(event).into_iter().any(|place| side(place).passes(event) == Ok(true))
    };
    stream.each_event().filter(passes).count()
}

struct Judged {
    ns: f64,
    verdicts: usize,
    findings: usize,
}

/// The whole stream through a new engine. Each lookup is answered at once, with no row.
fn judged(rules: &Arc<RuleSet>, stream: &Stream) -> Judged {
    let mut engine = Engine::new(Arc::clone(rules), &stream.sources, HashSet::new());
    let inputs = stream.inputs.clone();
    let (mut verdicts, mut findings) = (0, 0);
    let (mut answers, start) = (VecDeque::new(), Instant::now());
    for (now, input) in inputs {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            for output in engine.step(input, now) {
                match output {
                    Output::Verdict(verdict) => {
                        verdicts += 1;
                        let is_finding = verdict.judgement == Judgement::Mismatched;
                        findings += usize::from(is_finding && !verdict.resolved);
                    }
                    Output::Lookup { id, .. } => answers.push_back(id),
                    Output::Blind(_) | Output::Unblind(_) => {}
                }
            }
            next =
                answers.pop_front().map(|lookup| Input::Answer { lookup, result: Ok(Vec::new()) });
        }
    }
    Judged { ns: nanos(start), verdicts, findings }
}

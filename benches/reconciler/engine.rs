//! Rows of the engine alone, without any server: `clause`, `index`, `states`.

use std::collections::HashSet;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use lossdrill::dcheck::engine::expr::{Allowed, Expr, Kind, Scope};
use lossdrill::dcheck::engine::{Engine, Input, Output, RuleSet};
use lossdrill::dcheck::event::Event;

use super::figures::{Ratio, Report, largest};
use super::stream::{CLAUSES, RULES_OF_ONE, events, loaded, native, of_merchants, strangers};
use super::{Size, limits};

const NS: &str = "ns/event";

/// Nanoseconds an event, and what `work` made of it.
fn timed<T>(events: usize, work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let done = black_box(work());
    (start.elapsed().as_secs_f64() * 1e9 / events as f64, done)
}

/// All events through a new engine: nanoseconds each, and how many verdicts came.
fn judged(rules: &Arc<RuleSet>, events: &[Event]) -> (f64, usize) {
    let mut engine = Engine::new(Arc::clone(rules), &["binlog".to_owned()], HashSet::new());
    // What a reader hands over is the engine's: no part of this row's time.
    let own: Vec<Event> = events.to_vec();
    let (took, verdicts) = timed(events.len(), || {
        let step = |event: Event| {
            let at = event.at;
            engine.step(Input::Event(event), at)
        };
        own.into_iter().flat_map(step).filter(|output| matches!(output, Output::Verdict(_))).count()
    });
    (took, verdicts)
}

/// One 5-clause rule: the expression beside native code, and beside what a whole step costs.
pub fn clause(size: Size) -> Report {
    let mut report = Report::default();
    let stream = events(size.events, size.events, 1);
    let allowed = Allowed { roots: &["before", "after", "event"], found: &[] };
    let expr = Expr::compile(CLAUSES, Kind::Bool, allowed).expect("the bench's own clauses");
    let (one, none) =
        (loaded(&super::stream::rule("booked", "pay_order", "amount", "")), Arc::default());
    // Several passes: one of them is over before a clock is worth reading.
    let passes = size.passes;
    let by_native = || {
        let truths = |_| stream.iter().filter(|e| native(e.after.as_ref().unwrap()) == Some(true));
        (0..passes).map(|pass| black_box(truths(pass).count())).sum::<usize>()
    };
    let by_expr = || {
        let truth = |event: &&Event| expr.truth(&Scope::of(event)) == Ok(Some(true));
        (0..passes).map(|_| black_box(stream.iter().filter(truth).count())).sum::<usize>()
    };
    for round in 0..=size.rounds {
        let (by_hand, truths) = timed(stream.len() * passes, by_native);
        let (interpreted, same) = timed(stream.len() * passes, by_expr);
        let (step, verdicts) = judged(&one, &stream);
        let (empty, _) = judged(&none, &stream);
        if truths != same || verdicts != stream.len() {
            report.wrong.push(format!(
                "native {truths}, expression {same} of {}; {verdicts} verdicts",
                stream.len() * passes
            ));
        }
        // The first one warms up.
        if round > 0 {
            report.put("native code", NS, by_hand);
            report.put("expression", NS, interpreted);
            report.put("step of the engine, one rule", NS, step);
            report.put("step of the engine, no rule", NS, empty);
        }
    }
    report.ratios.push(Ratio { of: "expression", to: "native code", ..limits::ZEN });
    let (step, empty) = (
        report.median("step of the engine, one rule"),
        report.median("step of the engine, no rule"),
    );
    let expression = report.median("expression");
    let state = step - empty - expression;
    report.bound = largest(
        &[
            ("the expression", expression),
            ("a step without rules", empty),
            ("state and verdict", state),
        ],
        "ns a step",
    );
    report
}

/// 1,000 rules of which 5 match each event beside those 5 alone, and beside a look at each of the 1,000.
pub fn index(size: Size) -> Report {
    let mut report = Report::default();
    let stream = events(size.events, size.events, 1);
    let five = of_merchants(1);
    let (few, many) = (loaded(&five), loaded(&(five.clone() + &strangers(1000 - RULES_OF_ONE))));
    let found =
        |rules: &RuleSet| stream.iter().map(|event| rules.listening(event).len()).sum::<usize>();
    // A tenth of the events: the point is made by then.
    let asked = &stream[..stream.len().div_ceil(10)];
    let by_asking = || {
        let sides = || many.rules().iter().flat_map(|rule| &rule.sides);
        let passes = |event: &Event| {
            sides().filter(|side| side.listens(event) && side.passes(event) == Ok(true)).count()
        };
        asked.iter().map(passes).sum::<usize>()
    };
    for round in 0..=size.rounds {
        let (of_five, verdicts) = judged(&few, &stream);
        let (of_many, same) = judged(&many, &stream);
        let (find_few, in_few) = timed(stream.len(), || found(&few));
        let (find_many, in_many) = timed(stream.len(), || found(&many));
        let (scan, by_scan) = timed(asked.len(), by_asking);
        let wanted = RULES_OF_ONE * stream.len();
        if [verdicts, same, in_few, in_many].iter().any(|count| *count != wanted)
            || by_scan != RULES_OF_ONE * asked.len()
        {
            report.wrong.push(format!(
                "{verdicts} and {same} verdicts, {in_few} and {in_many} rules found, {wanted} wanted; {by_scan} by asking"
            ));
        }
        if round > 0 {
            report.put("5 rules", NS, of_five);
            report.put("1,000 rules, 5 match", NS, of_many);
            report.put("of it retrieval, 5 rules", NS, find_few);
            report.put("of it retrieval, 1,000 rules", NS, find_many);
            report.put("asking each of 1,000 instead", NS, scan);
        }
    }
    report.ratios.push(Ratio { of: "1,000 rules, 5 match", to: "5 rules", ..limits::INDEX });
    report.ratios.push(Ratio {
        of: "of it retrieval, 1,000 rules",
        to: "asking each of 1,000 instead",
        ..limits::SCAN
    });
    let retrieval = report.median("of it retrieval, 1,000 rules");
    let rest = report.median("1,000 rules, 5 match") - retrieval;
    report.bound = largest(&[("retrieval", retrieval), ("judging by the 5", rest)], "ns an event");
    report
}

/// A key that is changed all day beside as many keys that are changed once: what is remembered must not be judged again.
pub fn states(size: Size) -> Report {
    let mut report = Report::default();
    let count = size.events / 4;
    let (spread, hot) = (events(count, count, 1), events(count, 4, 1));
    let rules = loaded(&super::stream::rule("booked", "pay_order", "amount", ""));
    for round in 0..=size.rounds {
        let (once, verdicts) = judged(&rules, &spread);
        let (again, of_hot) = judged(&rules, &hot);
        if verdicts != count || of_hot != count {
            report.wrong.push(format!("{verdicts} and {of_hot} verdicts of {count} events"));
        }
        if round > 0 {
            report.put("each key once", NS, once);
            report.put("4 keys, again and again", NS, again);
        }
    }
    report.ratios.push(Ratio {
        of: "4 keys, again and again",
        to: "each key once",
        ..limits::STATES
    });
    let (once, again) = (report.median("each key once"), report.median("4 keys, again and again"));
    report.bound = largest(
        &[("judging one state", once), ("the states before it", again - once)],
        "ns an event",
    );
    report
}

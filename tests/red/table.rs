//! Mode -> scenario -> word, from what the features and the catalogue say of each scenario.
//!
//! How it is reasoned. The word of a scenario is that of its first sentence that does not hold; every other scenario is
//! green.
//!
//! - A control is judged by its silence and by its canary, which is its attack once more: what spoils an attack's alert
//!   takes the control's proof of silence; what spoils only a plan, an amount or a label leaves it.
//! - An alert that comes after its deadline and within as much again is late; after that it never came.
//! - A plan matters where a sentence asks for it. What undoes a stop cannot touch a repair, and a notice undoes nothing.
//! - What the reconciler does to things that are good is told wherever it does it: among controls and attacks alike.
//! - A part's alert is lost with whoever answers in that part's stead. The watchdog is a process of its own, and no mode's.
//! - Modes whose reconciler says nothing, or not what time it lives in, spoil every scenario that has to hear it.

use lossdrill::journal::Word;
use lossdrill::wire::Effect;

use crate::facts::{Facts, Rule};

/// One mode of the saboteur, and the word of each scenario under it.
pub struct Row {
    pub mode: &'static str,
    pub word: fn(&Facts) -> Word,
    /// The reconciler stops answering: the harness's patience is shortened.
    pub silent: bool,
}

const fn row(mode: &'static str, word: fn(&Facts) -> Word) -> Row {
    Row { mode, word, silent: false }
}

/// How long the saboteur holds back a late alert and a late plan.
const ALERT_HELD_MS: i64 = 62_000;
const PLAN_HELD_MS: i64 = 302_000;

pub const TABLE: &[Row] = &[
    row("pass-through", |_| Word::Proved),
    // ---- Nuisances.
    row("resends", |_| Word::Proved),
    row("slow-posts", |_| Word::Proved),
    // ---- Alerts.
    row("swallow:bid-below-market", |s| unheard(s, |rule| rule.id == "bid-below-market")),
    row("swallow:refund-exceeds-payment", |s| {
        unheard(s, |rule| rule.id == "refund-exceeds-payment")
    }),
    row("swallow:change-capture-stalled", |s| {
        unheard(s, |rule| rule.id == "change-capture-stalled")
    }),
    row("garbled", |s| unheard(s, |_| true)),
    row("late", late),
    row("backdated", late),
    // A canary's alert about something else is not the canary's.
    row("wrong-subject", |s| match s.control {
        true => heard(s, Word::SilenceUnproved),
        false => heard(s, Word::WrongSubject),
    }),
    row("wrong-amount", |s| attack(s, s.names_amount, Word::WrongAmount)),
    row("wrong-loss-point", |s| {
        let own = |rule: &Rule| s.rules.iter().any(|own| own.id == rule.id);
        attack(s, s.sent().any(|asked| own(&asked.rule)), Word::WrongLossPoint)
    }),
    row("second-fingerprint", |s| attack(s, true, heard(s, Word::Duplicate))),
    row("cries-wolf:bid-below-market@SKU-1", cries_at_bids),
    // Paid orders are in the healthy traffic of every scenario, before anything goes wrong.
    row("cries-wolf:paid-order-unpaid", |_| Word::AlreadyAlerting),
    // In the wake of a true alert; a control's own is its canary's.
    row("cries-at-strangers", |s| match s.control || s.no_other_alert {
        true => heard(s, Word::UnexpectedAlert),
        false => Word::Proved,
    }),
    // ---- Plans.
    row("plan-without-effect", |s| {
        let notice = s.plan.as_ref().is_none_or(|plan| plan.effect == Effect::Notifies);
        pretended(s).unwrap_or_else(|| attack(s, !notice, Word::PlanWithoutEffect))
    }),
    row("plan-out-of-scope", |s| attack(s, s.stops(), Word::PlanOutOfScope)),
    row("plan-unannounced", |s| attack(s, s.plan.is_some(), Word::PlanNotStarted)),
    row("plan-late", plan_late),
    row("plan-undone-at-once", |s| attack(s, s.stops(), Word::PlanWithoutEffect)),
    row("plan-wears-off", |s| {
        let ends = s.plan.as_ref().is_some_and(|plan| plan.ends);
        attack(s, s.stops() && ends, Word::PlanWithoutEffect)
    }),
    row("plan-never-reverts", |s| {
        let ends = s.plan.as_ref().is_some_and(|plan| plan.ends);
        attack(s, s.stops() && ends, Word::PlanOutOfScope)
    }),
    // On an order of the healthy traffic, before anything goes wrong.
    row("plan-without-cause", |_| Word::PlanWithoutCause),
    // A run is told where alerts are told, and there is no second place for it.
    row("plan-beside-the-point", |s| match s.control && s.told_of_blindness {
        true => Word::PlanWithoutCause,
        false => attack(s, !s.watches("alert-channel"), heard(s, Word::PlanWithoutCause)),
    }),
    // ---- What the reconciler says of itself.
    // A watcher point has no subject to be judged; nor has a control without business.
    row("no-judgements", |s| match s.control && !s.watcher && s.does_business {
        true => Word::SilenceUnproved,
        false => Word::Proved,
    }),
    row("deaf-and-lying", deaf_and_lying),
    Row { silent: true, ..row("clock-ignored", clock_ignored) },
    Row { silent: true, ..row("never-ready", |_| Word::Deaf) },
    Row { silent: true, ..row("works-without-end", |_| Word::Deaf) },
    Row { silent: true, ..row("deaf-after-a-reconnect", |_| Word::Deaf) },
    Row { silent: true, ..row("dead-from-the-start", |_| Word::Deaf) },
];

/// `word` for an attack of which `hit` is true.
fn attack(scenario: &Facts, hit: bool, word: Word) -> Word {
    if !scenario.control && hit { word } else { Word::Proved }
}

/// `word` where the scenario, or its canary, is heard by an alert.
fn heard(scenario: &Facts, word: Word) -> Word {
    if scenario.sent().next().is_none() { Word::Proved } else { word }
}

/// Alerts of the rules in `lost` never come. One that is listed under `with:` and never fires is red, where other
/// alerts are asked about; any alert of a canary's proves that it was heard.
fn unheard(scenario: &Facts, lost: impl Fn(&Rule) -> bool) -> Word {
    let mut asked = scenario.sent().map(|asked| &asked.rule);
    if scenario.control {
        return if asked.all(lost) { heard(scenario, Word::SilenceUnproved) } else { Word::Proved };
    }
    let with = || scenario.no_other_alert && scenario.with.iter().any(&lost);
    if asked.any(&lost) || with() { Word::Never } else { Word::Proved }
}

/// Alerts come when their rule speaks, and [`ALERT_HELD_MS`] after it.
fn late(scenario: &Facts) -> Word {
    // Held back is acknowledged: a dead channel is not seen.
    if scenario.watches("alert-channel") {
        return if scenario.control { Word::SilenceUnproved } else { Word::Never };
    }
    let after_ms = |rule: &Rule| rule.delay_ms + ALERT_HELD_MS;
    let mut asked = scenario.sent();
    if scenario.control {
        let missed = asked.all(|asked| after_ms(&asked.rule) > scenario.detect_ms);
        return if missed { heard(scenario, Word::SilenceUnproved) } else { Word::Proved };
    }
    let first = asked.find(|asked| after_ms(&asked.rule) > asked.within_ms);
    match first {
        Some(asked) if after_ms(&asked.rule) > 2 * asked.within_ms => Word::Never,
        Some(_) => Word::Late,
        None => Word::Proved,
    }
}

/// Whoever answers in the plans' targets' stead hides that they do not answer.
fn pretended(scenario: &Facts) -> Option<Word> {
    let word = if scenario.control { Word::SilenceUnproved } else { Word::Never };
    scenario.watches("plan-executor").then_some(word)
}

fn plan_late(scenario: &Facts) -> Word {
    if let Some(word) = pretended(scenario) {
        return word;
    }
    let Some(plan) = &scenario.plan else { return Word::Proved };
    let after_ms = scenario.delay_ms() + PLAN_HELD_MS;
    match after_ms {
        _ if after_ms <= plan.within_ms => Word::Proved,
        _ if after_ms <= 2 * plan.within_ms => Word::PlanLate,
        _ => Word::PlanNotStarted,
    }
}

/// Honest bids for the item are cried at: on the twins nothing was to be heard. An attack's bid is honest once its seller
/// has mended it, which belongs to the proof of a stop: the same rule and bid under another fingerprint.
fn cries_at_bids(scenario: &Facts) -> Word {
    let about = |items: &[String]| items.iter().any(|item| item.starts_with("SKU-1"));
    if about(&scenario.offers) {
        return Word::AlreadyAlerting;
    }
    if about(&scenario.imports_for) {
        // One that went wrong brings nothing that is good.
        return if scenario.control { Word::UnexpectedAlert } else { Word::Proved };
    }
    if !about(&scenario.bids_for) {
        return Word::Proved;
    }
    let own = scenario.rules.iter().any(|rule| rule.id == "bid-below-market");
    match scenario.control || (!own && scenario.no_other_alert) {
        true => Word::UnexpectedAlert,
        false => attack(scenario, own && scenario.stops(), Word::Duplicate),
    }
}

/// Rules that need the log find nothing, good or bad; others go on as ever. The alert about its own blindness is lost too.
fn deaf_and_lying(scenario: &Facts) -> Word {
    let judged = !scenario.watcher && scenario.does_business;
    if scenario.control && judged && scenario.rules.iter().any(|rule| rule.reads_log) {
        return Word::SilenceUnproved;
    }
    unheard(scenario, |rule| rule.reads_log)
}

/// Whoever waits for a window, a plan's end or the end of a time sees that the reconciler's clock stands still.
fn clock_ignored(scenario: &Facts) -> Word {
    let plan_ends = scenario.plan.as_ref().is_some_and(|plan| plan.ends);
    let waits = plan_ends || (scenario.bounds_loss && !scenario.has_plan);
    let attack_waits = !scenario.control && waits;
    // The watchdog lives in a time of its own.
    let alert_waits = scenario.sent().any(|asked| asked.rule.needs_time);
    if alert_waits || attack_waits { Word::Deaf } else { Word::Proved }
}

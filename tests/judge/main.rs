//! The judge as tables: for each expectation a history that satisfies it, and ones that break it by
//! each word.
//!
//! Needs no servers: histories are written by hand (`journal::story`), the books come from the
//! oracle.

mod alerts;
mod plans;
mod silence;
mod verdicts;
mod waits;

use lossdrill::expect::{Ruling, judge};
use lossdrill::journal::story::{START, Story, loss_point};
use lossdrill::journal::{Act, Expectation, LossPointFacts, PostingKind, Role, Word};
use lossdrill::money::Money;
use lossdrill::oracle::Oracle;
use lossdrill::wire::{Effect, Subject};

const RULE: &str = "refund-paid-twice";
const PLAN: &str = "refund-breaker";
const FAULT: &str = "app.refund-payout.not-idempotent";
const PAID: Money = Money::cny(19_900);

/// Given, expected: a word, or the instant (ms from the start) of the next look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Is(Word),
    Looks(i64),
    Waits,
}

use Expect::{Is, Looks, Waits};

fn check(name: &str, story: &Story, expectation: &Expectation, expect: Expect) {
    let history = story.history();
    let got = match judge(expectation, &history, &Oracle::of(&history), story.now()) {
        Ruling::Done { word, .. } => Is(word),
        Ruling::Waiting { until: Some(until) } => Looks(until.since_ms(START)),
        Ruling::Waiting { until: None } => Waits,
    };
    assert_eq!(got, expect, "{name}");
}

fn stops() -> Effect {
    Effect::Stops("refund".into())
}

fn point() -> LossPointFacts {
    loss_point(RULE, Some((PLAN, stops())))
}

fn order(id: &str) -> Subject {
    Subject::new("order", id)
}

fn refund_subject() -> Subject {
    Subject::new("refund", "R-1")
}

fn alipay() -> Subject {
    Subject::new("channel", "alipay")
}

fn pay(id: &str) -> Act {
    Act::PayOrder { order: id.into(), channel: "alipay".into(), amount: PAID }
}

fn refund_of(refund: &str, order: &str, channel: &str, hold: bool) -> Act {
    let (refund, order, channel) = (refund.into(), order.into(), channel.into());
    Act::Refund { refund, order, channel, due: PAID, amount: PAID, hold }
}

fn deliver(refund: &str, times: u32) -> Act {
    Act::DeliverApproval { refund: refund.into(), times }
}

/// An order paid, a refund of it approved and held.
fn books(story: Story, role: Role, order: &str, refund: &str) -> Story {
    story
        .ok(role, pay(order))
        .posted(PostingKind::Collected, order, PAID, &format!("t-{order}"))
        .posted(PostingKind::OrderPaid, order, PAID, &format!("p-{order}"))
        .ok(role, refund_of(refund, order, "alipay", true))
}

/// The refund is delivered twice at 1 s; the second payout, the bad row, is seen at 1.3 s.
fn attack() -> Story {
    books(Story::new("attack", false, point()), Role::Setup, "O-1", "R-1")
        .at(500)
        .bites(FAULT)
        .at(1_000)
        .ok(Role::Scripted, deliver("R-1", 2))
        .at(1_200)
        .posted(PostingKind::PaidOut, "R-1", PAID, "x1")
        .at(1_300)
        .posted(PostingKind::PaidOut, "R-1", PAID, "x2")
}

fn alerted(at_ms: i64) -> Story {
    attack().at(at_ms).alert(RULE, refund_subject(), PAID)
}

fn raised() -> Expectation {
    Expectation::AlertRaised { rule: RULE.into(), subject: refund_subject(), within_ms: 60_000 }
}

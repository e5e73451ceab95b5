//! Other alerts, silence, and what the loss may come to.

use lossdrill::expect::canary_due;
use lossdrill::journal::story::fault_use;
use lossdrill::journal::{Event, Phase};
use lossdrill::wire::{Judgement, PlanState};

use super::plans::{effective_at, low_bid};
use super::*;

fn other(story: Story, rule: &str) -> Story {
    story.alert(rule, order("O-7"), PAID)
}

#[test]
fn no_other_alert_is_raised() {
    let asked = Expectation::NoOtherAlert;
    let settled = || alerted(2_000).mark(4).at(3_000).rest(4);
    let raising = || {
        let mut fault = fault_use(FAULT);
        fault.raises = vec!["change-capture-stalled".into()];
        settled().event(Event::FaultIntent { fault })
    };
    let probe = || {
        let act = refund_of("R-in", "O-in", "alipay", false);
        settled().refused(Role::ProbeInside, act).mark(5).rest(5)
    };
    let rows: Vec<(&str, Story, Expect)> = vec![
        ("settled", settled(), Is(Word::Proved)),
        ("not settled", alerted(2_000).mark(4).rest(3), Looks(541_300)),
        ("no watermark: past the last bound", alerted(2_000).at(601_301), Is(Word::Proved)),
        ("another", other(settled(), "paid-order-unpaid"), Is(Word::UnexpectedAlert)),
        ("another at once", other(attack(), "paid-order-unpaid"), Is(Word::UnexpectedAlert)),
        ("what the fault declares", other(raising(), "change-capture-stalled"), Is(Word::Proved)),
        (
            "the same undeclared",
            other(settled(), "change-capture-stalled"),
            Is(Word::UnexpectedAlert),
        ),
        (
            "about a probe",
            probe().alert("paid-order-unpaid", order("O-in"), PAID),
            Is(Word::Proved),
        ),
        (
            "its own rule, about a payment that went well",
            books(settled(), Role::Background, "O-b", "R-b").alert(RULE, order("O-b"), PAID),
            Is(Word::UnexpectedAlert),
        ),
        (
            "its own rule, about what the harm is of",
            settled().alert(RULE, order("O-1"), PAID),
            Is(Word::Proved),
        ),
        (
            "its own rule, about what no act names",
            settled().alert(RULE, Subject::new("source", "binlog"), PAID),
            Is(Word::Proved),
        ),
        (
            "others first",
            settled()
                .registered(&[Expectation::OrderPaid { order: "O-8".into(), within_ms: 9_000 }]),
            Looks(8_300),
        ),
    ];
    for (name, story, expect) in rows {
        check(name, &story, &asked, expect);
    }
}

#[test]
fn a_rule_under_with_must_fire() {
    let mut point = point();
    point.with = vec!["refund-exceeds-payment".into()];
    let mut story = alerted(2_000).mark(4).at(3_000).rest(4);
    if let Event::ScenarioStarted { facts, .. } = &mut story.entries_mut()[0].event {
        facts.loss_point = point;
    }
    let asked = Expectation::NoOtherAlert;
    check("not yet", &story, &asked, Looks(55_300));
    check("never", &story.clone().at(61_301), &asked, Is(Word::Never));
    let fired = story.alert("refund-exceeds-payment", order("O-1"), PAID);
    check("fired", &fired, &asked, Is(Word::Proved));
}

/// The twin: delivered once, paid out once, settled at mark 4, judged matched.
pub fn control() -> Story {
    books(Story::new("control", true, point()), Role::Setup, "O-1", "R-1")
        .at(500)
        .in_place(FAULT)
        .at(1_000)
        .ok(Role::Scripted, deliver("R-1", 1))
        .at(1_200)
        .posted(PostingKind::PaidOut, "R-1", PAID, "x1")
        .mark(4)
}

pub fn quiet() -> Story {
    control().at(2_000).judged(RULE, refund_subject(), Judgement::Matched).rest(4)
}

pub fn canary(story: Story) -> Story {
    books(story.at(3_000).phase(Phase::Canary), Role::Canary, "O-c", "R-c")
        .ok(Role::Canary, deliver("R-c", 2))
        .posted(PostingKind::PaidOut, "R-c", PAID, "c1")
        .posted(PostingKind::PaidOut, "R-c", PAID, "c2")
}

fn sings(story: Story) -> Story {
    story.at(4_000).alert(RULE, Subject::new("refund", "R-c"), PAID)
}

#[test]
fn silence_is_proved() {
    let asked = Expectation::NoAlert;
    let mismatched = || control().at(2_000).judged(RULE, refund_subject(), Judgement::Refused);
    let harmless = quiet().at(3_000).phase(Phase::Canary);
    let harmless = books(harmless, Role::Canary, "O-c", "R-c").ok(Role::Canary, deliver("R-c", 1));
    let harmless = harmless.posted(PostingKind::PaidOut, "R-c", PAID, "c1");
    let unjudged = || {
        let mut story = control();
        if let Event::ScenarioStarted { facts, .. } = &mut story.entries_mut()[0].event {
            (facts.judged, facts.watermark) = (false, false);
        }
        story
    };
    let sung_at = |at| canary(quiet()).at(at).alert(RULE, Subject::new("refund", "R-c"), PAID);
    let blind = |story: Story| {
        let story = story.alert("records-unread", Subject::new("source", "channel.flow/0"), PAID);
        sings(canary(story))
    };
    let owing = |story: Story, rule: &str| {
        let mut fault = fault_use(FAULT);
        fault.raises = vec![rule.into()];
        story.event(Event::FaultIntent { fault })
    };
    let healed = |story: Story| {
        let evidence = "it is healed".to_owned();
        story.event(Event::FaultHealed { fault: FAULT.to_owned(), evidence })
    };
    let run = |story: Story, id: &str| {
        let effect = Effect::Stops("refund".into());
        story.plan((PLAN, id), alipay(), effect, PlanState::Effective, None)
    };
    let rows: Vec<(&str, Story, Expect)> = vec![
        ("not settled", control().rest(3), Looks(541_000)),
        ("never settled", control().rest(3).at(601_001), Is(Word::SilenceUnproved)),
        ("not judged", control().rest(4), Looks(541_000)),
        ("never judged", control().rest(4).at(601_001), Is(Word::SilenceUnproved)),
        ("judged otherwise", mismatched().rest(4).at(601_001), Is(Word::SilenceUnproved)),
        ("the canary is to come", quiet(), Looks(541_000)),
        ("no canary ever", quiet().at(601_001), Is(Word::SilenceUnproved)),
        ("the canary is silent so far", canary(quiet()), Looks(57_000)),
        ("the canary is silent", canary(quiet()).at(63_001), Is(Word::SilenceUnproved)),
        ("the canary sings", sings(canary(quiet())), Is(Word::Proved)),
        ("the canary sings at the deadline", sung_at(63_000), Is(Word::Proved)),
        ("the canary sings too late", sung_at(63_001), Is(Word::SilenceUnproved)),
        (
            "settled only after it",
            sings(canary(control()).rest(4)).at(601_001),
            Is(Word::SilenceUnproved),
        ),
        ("the canary did no harm", harmless.at(93_001), Is(Word::NoLoss)),
        ("a foreign reconciler", sings(canary(unjudged())), Is(Word::Proved)),
        (
            "cries on the twin",
            quiet().alert(RULE, refund_subject(), PAID),
            Is(Word::UnexpectedAlert),
        ),
        (
            "cries on the twin after the canary",
            sings(canary(quiet())).alert(RULE, refund_subject(), PAID),
            Is(Word::UnexpectedAlert),
        ),
        ("another rule", other(quiet(), "paid-order-unpaid"), Is(Word::UnexpectedAlert)),
        ("what the fault declares", blind(owing(quiet(), "records-unread")), Is(Word::Proved)),
        ("the same undeclared", blind(quiet()), Is(Word::UnexpectedAlert)),
        (
            "what a fault declares that was healed just before",
            blind(healed(owing(quiet(), "records-unread"))),
            Is(Word::Proved),
        ),
        (
            "what a fault declares that was healed long before",
            blind(healed(owing(control(), "records-unread")).at(70_000).rest(4)),
            Is(Word::UnexpectedAlert),
        ),
        (
            "declared, and told of an order that is well",
            sings(canary(owing(quiet(), "records-unread").alert(
                "records-unread",
                order("O-1"),
                PAID,
            ))),
            Is(Word::UnexpectedAlert),
        ),
        (
            "declared, and its own rule",
            sings(canary(owing(quiet(), RULE).alert(RULE, refund_subject(), PAID))),
            Is(Word::UnexpectedAlert),
        ),
        ("a plan without cause", run(quiet(), "r1"), Is(Word::PlanWithoutCause)),
        ("the canary's plan", run(sings(canary(quiet())), "r1"), Is(Word::Proved)),
    ];
    for (name, story, expect) in rows {
        check(name, &story, &asked, expect);
    }
}

#[test]
fn the_canary_is_due_when_the_twin_is_over() {
    let check = |name: &str, story: &Story, due: bool| {
        let history = story.history();
        assert_eq!(canary_due(&history, &Oracle::of(&history), story.now()), due, "{name}");
    };
    check("not settled", &control(), false);
    check("not judged", &control().rest(4), false);
    check("settled and judged", &quiet(), true);
    check("begun", &canary(quiet()), false);
    let paying = control().ok(Role::Background, pay("O-b")).mark(5).at(2_000);
    let paying = paying.judged(RULE, refund_subject(), Judgement::Matched).rest(5);
    check("a payment is in flight", &paying, false);
    super::check("likewise", &paying, &Expectation::NoAlert, Looks(31_200));
    check("an attack", &attack().mark(4).rest(4), false);
}

#[test]
fn a_watchers_silence_needs_only_its_canary() {
    let mut point = loss_point("change-capture-stalled", None);
    point.watcher = true;
    let blind = Subject::new("source", "binlog");
    let rule = "change-capture-stalled";
    let slow = || {
        Story::new("control", true, point.clone())
            .at(500)
            .in_place("link.binlog.slow")
            .ok(Role::Background, pay("O-1"))
            .mark(4)
            .rest(4)
    };
    let asked = Expectation::NoAlert;
    let stalled = |story: Story| story.at(3_000).phase(Phase::Canary).bites("link.binlog.stalled");
    let sings = |story: Story| story.at(35_000).alert(rule, blind.clone(), PAID);
    check("sings", &sings(stalled(slow())), &asked, Is(Word::Proved));
    check("silent", &stalled(slow()).at(63_001), &asked, Is(Word::SilenceUnproved));
    let named = |source: &str| {
        let expects = Event::CanaryExpects { rule: rule.into(), subject: blind.clone() };
        let stalled = stalled(slow()).event(expects).at(35_000);
        stalled.alert(rule, Subject::new("source", source), PAID).at(63_001)
    };
    check("names what is withheld", &named("binlog"), &asked, Is(Word::Proved));
    check("names another source", &named("binlog-other"), &asked, Is(Word::SilenceUnproved));
    check(
        "cries before",
        &slow().alert(rule, blind.clone(), PAID),
        &asked,
        Is(Word::UnexpectedAlert),
    );
    let ordered = Event::FaultIntent { fault: fault_use("link.binlog.stalled") };
    let early = |at_once: bool| {
        let canary = slow().at(3_000).phase(Phase::Canary).event(Event::Tick);
        let canary = match at_once {
            true => canary.event(ordered.clone()).alert(rule, blind.clone(), PAID),
            false => canary.alert(rule, blind.clone(), PAID).event(ordered.clone()),
        };
        canary.bites("link.binlog.stalled").at(63_001)
    };
    check("sings at the strike", &early(true), &asked, Is(Word::Proved));
    check("sings before the strike", &early(false), &asked, Is(Word::SilenceUnproved));
    let toothless = slow().at(3_000).phase(Phase::Canary).event(ordered);
    check("the canary's fault never bit", &toothless.at(93_001), &asked, Is(Word::FaultDidNotBite));
}

#[test]
fn the_loss_is_bounded() {
    let at_most = |minor| Expectation::LossAtMost { amount: Money::cny(minor) };
    check("above at once", &attack(), &at_most(19_899), Is(Word::LossAboveBound));
    check("open", &attack(), &at_most(19_900), Looks(541_300));
    check("until contained", &effective_at(3_000), &at_most(19_900), Is(Word::Proved));
    check("no plan: the deadline", &attack().at(601_301), &at_most(19_900), Is(Word::Proved));
    let third = effective_at(3_000).at(9_000).posted(PostingKind::PaidOut, "R-1", PAID, "x3");
    check("grows all the same", &third, &at_most(19_900), Is(Word::LossAboveBound));
    let withheld = attack().ok(Role::Background, refund_of("R-b", "O-b", "alipay", false)).alert(
        RULE,
        refund_subject(),
        PAID,
    );
    let withheld = super::plans::ran(withheld.at(2_000), PlanState::Effective).at(40_000);
    check("what a stop withholds is no loss", &withheld, &at_most(19_900), Is(Word::Proved));
}

#[test]
fn the_loss_is_contained() {
    let asked = Expectation::Contained { within_ms: 600_000 };
    check("open", &attack(), &asked, Looks(541_300));
    check("grows no more", &attack().at(601_301), &asked, Is(Word::Proved));
    let late = attack().at(603_000).posted(PostingKind::PaidOut, "R-1", PAID, "x3");
    check("grows on", &late, &asked, Is(Word::NotContained));
    check("taken off sale", &low_bid().at(601_001), &asked, Is(Word::Proved));
    let mut open = low_bid();
    open.entries_mut().pop();
    check("still on offer", &open.at(601_001), &asked, Is(Word::NotContained));
}

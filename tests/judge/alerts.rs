//! Alerts and bounds on repairs: origins, deadlines, words.

use lossdrill::clock::CellTime;
use lossdrill::expect::premises;
use lossdrill::wire::{Alert, AlertState};

use super::*;

#[test]
fn an_alert_is_raised() {
    let asked = raised();
    let rows: Vec<(&str, Story, Expect)> = vec![
        ("nothing yet", attack(), Looks(55_300)),
        ("a tenth before", attack().at(55_300), Looks(61_300)),
        ("at the deadline", attack().at(61_300), Looks(61_301)),
        ("one more is granted", attack().at(61_301), Looks(115_300)),
        ("never", attack().at(121_301), Is(Word::Never)),
        ("in time, not yet at rest", alerted(2_000), Looks(55_300)),
        ("in time", alerted(2_000).rest(1), Is(Word::Proved)),
        ("in time, never at rest", alerted(2_000).at(61_301), Is(Word::Proved)),
        ("on the line", alerted(61_300).at(61_301), Is(Word::Proved)),
        ("late", alerted(61_301), Is(Word::Late)),
        ("resolved only", resolved().at(121_301), Is(Word::Never)),
        (
            "wrong subject",
            attack().at(2_000).alert(RULE, Subject::new("refund", "R-9"), PAID).at(121_301),
            Is(Word::WrongSubject),
        ),
        (
            "wrong subject first, the right one in time",
            attack()
                .at(2_000)
                .alert(RULE, order("O-1"), PAID)
                .at(2_100)
                .alert(RULE, refund_subject(), PAID)
                .rest(1),
            Is(Word::Proved),
        ),
        ("posted again", posted_again(), Is(Word::Proved)),
        ("two fingerprints", two_fingerprints(), Is(Word::Duplicate)),
        ("another point's label", labelled("paid-order-unpaid"), Is(Word::WrongLossPoint)),
        ("no label, as a foreign one may", labelled(""), Is(Word::Proved)),
        ("another occurrence", other_occurrence(), Is(Word::Proved)),
        ("another rule", attack().at(2_000).alert("r", refund_subject(), PAID), Looks(55_300)),
    ];
    for (name, story, expect) in rows {
        check(name, &story, &asked, expect);
    }
    let early = books(Story::new("attack", false, point()), Role::Setup, "O-1", "R-1")
        .at(400)
        .alert(RULE, refund_subject(), PAID)
        .at(1_000)
        .ok(Role::Scripted, deliver("R-1", 2));
    check("before the hostile act", &early, &asked, Is(Word::RaisedBeforeTheLoss));
}

fn resolved() -> Story {
    attack().at(2_000).alert_as(RULE, refund_subject(), PAID, |a| a.state = AlertState::Resolved)
}

fn posted_again() -> Story {
    let starts = lossdrill::clock::rfc3339(START.0 + 2_000);
    alerted(2_000)
        .at(3_000)
        .alert_as(RULE, refund_subject(), PAID, |alert| alert.starts_at = starts)
        .rest(1)
}

fn two_fingerprints() -> Story {
    alerted(2_000).alert_as(RULE, refund_subject(), PAID, |alert| alert.fingerprint.push('2'))
}

fn labelled(loss_point: &str) -> Story {
    let change = |alert: &mut Alert| loss_point.clone_into(&mut alert.loss_point);
    attack().at(2_000).alert_as(RULE, refund_subject(), PAID, change).rest(1)
}

fn other_occurrence() -> Story {
    alerted(2_000)
        .alert_as(RULE, refund_subject(), PAID, |alert| {
            alert.fingerprint.push('2');
            alert.occurrence.push('2');
        })
        .rest(1)
}

#[test]
fn without_a_bad_row_there_is_nothing_to_be_in_time_for() {
    let harmless = books(Story::new("attack", false, point()), Role::Setup, "O-1", "R-1")
        .at(1_000)
        .ok(Role::Scripted, deliver("R-1", 1))
        .posted(PostingKind::PaidOut, "R-1", PAID, "x1");
    check("bounded from act and grace", &harmless, &raised(), Looks(85_000));
    let cried = harmless.at(2_000).alert(RULE, refund_subject(), PAID);
    check("cried", &cried.clone().at(151_001), &raised(), Is(Word::NoLoss));
    let history = cried.history();
    let told = premises(&history, &Oracle::of(&history), cried.now());
    assert_eq!(told.unwrap_err().1, Word::NoLoss);
}

#[test]
fn a_watcher_counts_from_the_bite() {
    let mut point = loss_point("change-capture-stalled", None);
    point.watcher = true;
    let blind = Subject::new("source", "binlog");
    let asked = Expectation::AlertRaised {
        rule: "change-capture-stalled".into(),
        subject: blind.clone(),
        within_ms: 60_000,
    };
    let stalled =
        || Story::new("s", false, point.clone()).at(500).bites("link.binlog.stalled").at(600);
    let alerted = |at| stalled().at(at).alert("change-capture-stalled", blind.clone(), PAID);
    check("before", &stalled(), &asked, Looks(54_500));
    check("in time", &alerted(60_500).rest(0), &asked, Is(Word::Proved));
    check("late", &alerted(60_501), &asked, Is(Word::Late));
    let early = Story::new("s", false, point.clone())
        .at(200)
        .alert("change-capture-stalled", blind.clone(), PAID)
        .at(500)
        .bites("link.binlog.stalled");
    check("before the fault", &early, &asked, Is(Word::RaisedBeforeTheLoss));
    let history = stalled().history();
    assert!(premises(&history, &Oracle::of(&history), CellTime(0)).is_ok(), "the bite is enough");
}

#[test]
fn a_missing_counterpart_counts_from_the_row_that_made_it_due() {
    let story = Story::new("s", false, loss_point("paid-order-unpaid", None))
        .at(500)
        .bites("app.payment-callback.dropped")
        .at(1_000)
        .ok(Role::Scripted, pay("O-1"))
        .at(1_100)
        .posted(PostingKind::Collected, "O-1", PAID, "t1");
    let asked = Expectation::AlertRaised {
        rule: "paid-order-unpaid".into(),
        subject: order("O-1"),
        within_ms: 60_000,
    };
    check("in flight: look when it counts as missing", &story, &asked, Looks(31_100));
    let known = story.at(31_100);
    check("known", &known, &asked, Looks(55_100));
    let alerted = |at| known.clone().at(at).alert("paid-order-unpaid", order("O-1"), PAID).rest(1);
    check("in time", &alerted(61_100), &asked, Is(Word::Proved));
    check("late", &alerted(61_101), &asked, Is(Word::Late));
    let paid = Expectation::OrderPaid { order: "O-1".into(), within_ms: 600_000 };
    let repaired = |at: i64, amount| {
        known.clone().at(at).posted(PostingKind::OrderPaid, "O-1", amount, "p1").at(at.max(32_000))
    };
    check("not yet", &known, &paid, Looks(541_100));
    check("paid", &repaired(40_000, PAID), &paid, Is(Word::Proved));
    check("paid late", &repaired(601_101, PAID), &paid, Is(Word::Late));
    check("paid too little", &repaired(40_000, Money::cny(100)), &paid, Is(Word::WrongAmount));
    check("never paid", &known.clone().at(1_201_101), &paid, Is(Word::NotRepaired));
    let bound = Expectation::LossAtMost { amount: PAID };
    check("the bound holds", &known.clone().at(601_101), &bound, Is(Word::Proved));
    let bound = Expectation::LossAtMost { amount: Money::cny(19_899) };
    check("a fen above", &known, &bound, Is(Word::LossAboveBound));
}

#[test]
fn an_alert_puts_money_at_risk() {
    let at_risk =
        |amount| Expectation::AlertAtRisk { rule: RULE.into(), subject: refund_subject(), amount };
    check("right", &alerted(2_000), &at_risk(PAID), Is(Word::Proved));
    check("wrong", &alerted(2_000), &at_risk(Money::cny(19_901)), Is(Word::WrongAmount));
    check("none", &no_amount(), &at_risk(PAID), Is(Word::WrongAmount));
    check("no alert yet", &attack(), &at_risk(PAID), Looks(55_300));
    check("no alert", &attack().at(121_301), &at_risk(PAID), Is(Word::Never));
}

fn no_amount() -> Story {
    attack().at(2_000).alert_as(RULE, refund_subject(), PAID, |alert| alert.at_risk = None)
}

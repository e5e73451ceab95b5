//! Plans: in time, in scope, and proved by their effect.

use lossdrill::expect::{ProofStep, next_proof};
use lossdrill::journal::{Event, Outcome};
use lossdrill::wire::PlanState;

use super::*;

pub fn ran(story: Story, state: PlanState) -> Story {
    story.plan((PLAN, "run-1"), alipay(), stops(), state, Some(602_000))
}

pub fn effective_at(at_ms: i64) -> Story {
    let running = ran(alerted(2_000).at(at_ms), PlanState::Running);
    ran(running.at(at_ms), PlanState::Effective)
}

pub fn effective() -> Expectation {
    Expectation::PlanEffective { plan: PLAN.into(), scope: alipay(), within_ms: 300_000 }
}

pub fn inside(story: Story, outcome: Outcome) -> Story {
    story.act(Role::ProbeInside, refund_of("R-in", "O-in", "alipay", false), outcome)
}

pub fn outside(story: Story, outcome: Outcome) -> Story {
    let act = refund_of("R-out", "O-out", "wechat", false);
    let story = story.act(Role::ProbeOutside, act, outcome.clone());
    match outcome {
        Outcome::Ok => story.posted(PostingKind::PaidOut, "R-out", PAID, "xo"),
        _ => story,
    }
}

pub fn after(story: Story, outcome: Outcome) -> Story {
    let story = story.act(
        Role::ProbeAfter,
        refund_of("R-after", "O-after", "alipay", false),
        outcome.clone(),
    );
    match outcome {
        Outcome::Ok => story.posted(PostingKind::PaidOut, "R-after", PAID, "xa"),
        _ => story,
    }
}

fn still(story: Story, outcome: Outcome) -> Story {
    story.act(Role::ProbeStill, refund_of("R-still", "O-still", "alipay", false), outcome)
}

pub fn no() -> Outcome {
    Outcome::Refused { reason: "breaker".into() }
}

fn unknown() -> Outcome {
    Outcome::Unknown { reason: "timeout".into() }
}

/// Effective at 3 s, refused inside, accepted outside, reverted at 602 s.
pub fn proved_so_far() -> Story {
    let tried = outside(inside(effective_at(3_000).at(5_000), no()).at(6_000), Outcome::Ok);
    ran(tried.at(602_000), PlanState::Reverted).at(602_100)
}

#[test]
fn a_stop_plan_is_effective() {
    let asked = effective();
    let failed = || ran(alerted(2_000).at(3_000), PlanState::Failed);
    let tried = |outcome| outside(inside(effective_at(3_000).at(5_000), no()), outcome);
    let leaked = |at| effective_at(3_000).at(at).posted(PostingKind::PaidOut, "R-1", PAID, "x3");
    let rows: Vec<(&str, Story, Expect)> = vec![
        ("nothing yet", alerted(2_000), Looks(271_300)),
        ("not started", alerted(2_000).at(601_301), Is(Word::PlanNotStarted)),
        ("running", ran(alerted(2_000), PlanState::Running), Looks(271_300)),
        (
            "never effective",
            ran(alerted(2_000), PlanState::Running).at(601_301),
            Is(Word::PlanWithoutEffect),
        ),
        ("failed: a later run may do", failed(), Looks(271_300)),
        ("failed", failed().at(601_301), Is(Word::PlanWithoutEffect)),
        ("effective, to be proved", effective_at(3_000), Waits),
        ("late", effective_at(301_301), Is(Word::PlanLate)),
        (
            "still accepted inside",
            inside(effective_at(3_000).at(5_000), Outcome::Ok),
            Is(Word::PlanWithoutEffect),
        ),
        ("no answer inside", inside(effective_at(3_000), unknown()), Is(Word::NotJudged)),
        ("refused inside", inside(effective_at(3_000).at(5_000), no()), Waits),
        ("refused outside", tried(no()), Is(Word::PlanOutOfScope)),
        ("no answer outside", tried(unknown()), Is(Word::NotJudged)),
        ("accepted outside", tried(Outcome::Ok), Waits),
        ("stood until its end", still(tried(Outcome::Ok).at(550_000), no()), Waits),
        (
            "wore off",
            still(tried(Outcome::Ok).at(550_000), Outcome::Ok),
            Is(Word::PlanWithoutEffect),
        ),
        ("asked too late", still(tried(Outcome::Ok).at(602_050), Outcome::Ok), Waits),
        (
            "no answer before its end",
            still(tried(Outcome::Ok).at(550_000), unknown()),
            Is(Word::NotJudged),
        ),
        ("proved", after(proved_so_far(), Outcome::Ok), Is(Word::Proved)),
        ("still refused after", after(proved_so_far(), no()), Is(Word::PlanOutOfScope)),
        ("a payout under way", leaked(3_900), Waits),
        ("leaks", leaked(5_000), Is(Word::PlanWithoutEffect)),
        (
            "leaks after its end",
            proved_so_far().posted(PostingKind::PaidOut, "R-1", PAID, "x3"),
            Is(Word::PutTheLossBack),
        ),
        (
            "tried before it was effective",
            ran(inside(ran(alerted(2_000), PlanState::Running), no()), PlanState::Effective),
            Waits,
        ),
        (
            "another channel",
            effective_at(3_000).plan(
                (PLAN, "run-2"),
                Subject::new("channel", "wechat"),
                stops(),
                PlanState::Effective,
                None,
            ),
            Is(Word::PlanOutOfScope),
        ),
    ];
    for (name, story, expect) in rows {
        check(name, &story, &asked, expect);
    }
}

#[test]
fn a_wider_scope_or_an_early_start_is_seen() {
    let mut wide = effective_at(3_000);
    for entry in wide.entries_mut() {
        if let Event::PlanRan { run } = &mut entry.event {
            run.scope.push(Subject::new("channel", "wechat"));
        }
    }
    check("wide", &wide, &effective(), Is(Word::PlanOutOfScope));
    let early = books(Story::new("attack", false, point()), Role::Setup, "O-1", "R-1").at(400);
    let early = ran(early, PlanState::Effective).at(1_000).ok(Role::Scripted, deliver("R-1", 2));
    check("early", &early, &effective(), Is(Word::PlanWithoutCause));
}

#[test]
fn the_proof_is_told_step_by_step() {
    let check = |name: &str, story: &Story, expect: Option<ProofStep>| {
        let history = story.history();
        let got = next_proof(&effective(), &history, &Oracle::of(&history), story.now());
        assert_eq!(got, expect, "{name}");
    };
    let effective = effective_at(3_000).at(5_000);
    check("not effective", &alerted(2_000), None);
    check("effective", &effective, Some(ProofStep::TryInside));
    let tried = inside(effective, no());
    check("inside", &tried, Some(ProofStep::TryOutside));
    let tried = outside(tried, Outcome::Ok);
    let last = START.plus_ms(542_100);
    check("outside", &tried, Some(ProofStep::Await { until: last }));
    let last_part = tried.clone().at(542_100);
    check("its last part", &last_part, Some(ProofStep::TryStill));
    let until = START.plus_ms(602_001);
    check("stood", &still(last_part, no()), Some(ProofStep::Await { until }));
    check("the end is past", &tried.clone().at(602_001), Some(ProofStep::TryAfter));
    check("reverted", &proved_so_far(), Some(ProofStep::TryAfter));
    check("all done", &after(proved_so_far(), Outcome::Ok), None);
    let fault = "data.bill-amount.edited";
    let edited = tried.bites(fault);
    check("edited by hand", &edited, Some(ProofStep::Correct));
    let (evidence, error) = ("as before".to_owned(), "away".to_owned());
    let taken_back = Event::FaultHealed { fault: fault.into(), evidence };
    let in_vain = Event::FaultHealFailed { fault: fault.into(), error };
    for told in [taken_back, in_vain] {
        let story = edited.clone().event(told);
        check("and taken back, or not", &story, Some(ProofStep::Await { until: last }));
    }
}

fn bid(price: Money) -> Act {
    Act::PlaceBid {
        bid: "B-1".into(),
        seller: "s".into(),
        sku: "SKU-1".into(),
        qty: 1,
        meant: Money::cny(199_900),
        price,
        clearance: None,
    }
}

/// A bid a digit short for SKU-1, taken off sale at 3 s.
pub fn low_bid() -> Story {
    taken_off_sale(|story| story.ok(Role::Scripted, bid(Money::cny(19_990))))
}

/// What `err` makes of the bid is taken off sale at 3 s.
fn taken_off_sale(err: impl FnOnce(Story) -> Story) -> Story {
    let item = Subject::new("item", "SKU-1");
    let stops = Effect::Stops("buy".into());
    let point = loss_point("bid-below-market", Some(("take-off-sale", stops.clone())));
    let price = Money::cny(19_990);
    let plan = ("take-off-sale", "run-1");
    let running = PlanState::Running;
    err(Story::new("attack", false, point).at(1_000))
        .promised("B-1", "SKU-1", price, 1, true)
        .at(2_000)
        .alert("bid-below-market", item.clone(), Money::cny(179_910))
        .plan(plan, item.clone(), stops.clone(), running, Some(602_000))
        .at(3_000)
        .plan(plan, item, stops, PlanState::Effective, Some(602_000))
        .promised("B-1", "SKU-1", price, 1, false)
}

#[test]
fn an_offer_that_is_open_again_puts_the_loss_back() {
    let item = Subject::new("item", "SKU-1");
    let within_ms = 300_000;
    let asked =
        Expectation::PlanEffective { plan: "take-off-sale".into(), scope: item.clone(), within_ms };
    let stops = Effect::Stops("buy".into());
    let reverted = || {
        low_bid().at(602_000).plan(
            ("take-off-sale", "run-1"),
            item.clone(),
            stops.clone(),
            PlanState::Reverted,
            None,
        )
    };
    check("off sale", &low_bid(), &asked, Waits);
    let open = reverted().at(602_050).promised("B-1", "SKU-1", Money::cny(19_990), 1, true);
    check("open again", &open, &asked, Is(Word::PutTheLossBack));
    let mended = reverted().at(602_050).promised("B-1", "SKU-1", Money::cny(199_900), 1, true);
    check("mended", &mended, &asked, Waits);
    let history = low_bid().history();
    let books = Oracle::of(&history);
    let buy = |order: &str| Act::Buy {
        order: order.into(),
        buyer: "b".into(),
        sku: "SKU-1".into(),
        channel: "alipay".into(),
        due: Money::cny(199_900),
    };
    let bought = low_bid()
        .at(5_000)
        .ok(Role::ProbeInside, buy("O-in"))
        .posted(PostingKind::Collected, "O-in", Money::cny(19_990), "t")
        .posted(PostingKind::OrderPaid, "O-in", Money::cny(19_990), "p");
    check("bought inside", &bought, &asked, Is(Word::PlanWithoutEffect));
    let nothing = Expectation::LossAtMost { amount: Money::cny(0) };
    check("a probe's loss is the plan's", &bought.at(601_001), &nothing, Is(Word::Proved));
    assert_eq!(books.exposure_at(START.plus_ms(1_500)), Money::cny(179_910));
    assert!(books.balanced(START.plus_ms(3_500)));
    let tried = low_bid().at(5_000).refused(Role::ProbeInside, buy("O-in"));
    let outside = Act::Buy {
        order: "O-out".into(),
        buyer: "b".into(),
        sku: "SKU-2".into(),
        channel: "alipay".into(),
        due: PAID,
    };
    let tried = tried.ok(Role::ProbeOutside, outside);
    let history = tried.history();
    let owed = next_proof(&asked, &history, &Oracle::of(&history), tried.now());
    assert_eq!(owed, Some(ProofStep::Correct), "the bid still says what nobody meant");
}

#[test]
fn a_bid_that_is_cut_further_than_is_meant_is_owed_its_correction() {
    let scope = Subject::new("item", "SKU-1");
    let asked =
        Expectation::PlanEffective { plan: "take-off-sale".into(), scope, within_ms: 300_000 };
    let cut = |meant: Option<i64>| {
        let (bid_id, price) = ("B-1".to_owned(), Money::cny(19_990));
        let cut = Act::CorrectBid { bid: bid_id, price, meant: meant.map(Money::cny) };
        let honest = bid(Money::cny(199_900));
        let story = taken_off_sale(|story| story.ok(Role::Setup, honest).ok(Role::Scripted, cut));
        let story = story.at(5_000).refused(Role::ProbeInside, pay("O-in"));
        let story = story.ok(Role::ProbeOutside, pay("O-out"));
        let history = story.history();
        next_proof(&asked, &history, &Oracle::of(&history), story.now())
    };
    assert_eq!(cut(Some(150_000)), Some(ProofStep::Correct));
    assert!(matches!(cut(None), Some(ProofStep::Await { .. })), "it is meant");
}

#[test]
fn a_repair_is_proved_by_the_books() {
    let plan = ("backfill-payment", "run-1");
    let point = loss_point("paid-order-unpaid", Some((plan.0, Effect::Repairs)));
    let unpaid = || {
        Story::new("s", false, point.clone())
            .at(500)
            .bites("app.payment-callback.dropped")
            .at(1_000)
            .ok(Role::Scripted, pay("O-1"))
            .posted(PostingKind::Collected, "O-1", PAID, "t1")
            .at(31_500)
    };
    let ran = |story: Story, state| story.plan(plan, order("O-1"), Effect::Repairs, state, None);
    let effective = |story: Story| {
        let running = ran(story, PlanState::Running);
        ran(running.at(32_500), PlanState::Effective)
    };
    let paid = |story: Story, amount, reference: &str| {
        story.posted(PostingKind::OrderPaid, "O-1", amount, reference)
    };
    let scope = order("O-1");
    let asked = Expectation::PlanEffective { plan: plan.0.into(), scope, within_ms: 300_000 };
    let rows: Vec<(&str, Story, Expect)> = vec![
        ("said, not yet seen", effective(unpaid()), Looks(271_000)),
        ("repaired", paid(effective(unpaid()), PAID, "p1"), Is(Word::Proved)),
        ("said only", effective(unpaid()).at(301_001), Is(Word::PlanWithoutEffect)),
        ("before it counts as missing", effective(unpaid().at(5_000)).at(6_000), Looks(31_000)),
        (
            "counted twice",
            paid(paid(effective(unpaid()), PAID, "p1"), PAID, "p2"),
            Is(Word::PlanCausedALoss),
        ),
        (
            "of an order that nothing is wrong with",
            effective(unpaid()).plan(
                ("backfill-payment", "run-2"),
                order("O-7"),
                Effect::Repairs,
                PlanState::Running,
                None,
            ),
            Is(Word::PlanOutOfScope),
        ),
    ];
    for (name, story, expect) in rows {
        check(name, &story, &asked, expect);
    }
}

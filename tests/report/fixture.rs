//! A run of four scenarios, written by hand: proved, its silent twin, late, and inconclusive; one
//! never started.

use std::path::Path;

use lossdrill::journal::story::{Story, fault_use, loss_point};
use lossdrill::journal::{
    Act, Entry, Event, Expectation, LossPointFacts, Phase, PostingKind, Role, ServiceFacts,
    Verdict, Word,
};
use lossdrill::money::Money;
use lossdrill::wire::{Effect, Judgement, PlanState, Subject};

const PAID: Money = Money::cny(19_900);

fn stops(act: &str) -> Effect {
    Effect::Stops(act.into())
}

fn told(mut story: Story, name: &str, steps: &[&str]) -> Story {
    if let Event::ScenarioStarted { facts, .. } = &mut story.entries_mut()[0].event {
        facts.name = name.into();
        facts.steps = steps.iter().map(|step| (*step).to_owned()).collect();
    }
    story
}

fn expected(
    story: Story,
    index: usize,
    sentence: &str,
    expectation: Expectation,
    (verdict, word, evidence): (Verdict, Word, &str),
) -> Story {
    let evidence = evidence.to_owned();
    story
        .event(Event::Registered { index, expectation, sentence: sentence.into() })
        .event(Event::Decided { index, verdict, word, evidence })
}

fn ends(story: Story, verdict: Verdict, word: Word, evidence: &str, real_ms: u64) -> Vec<Entry> {
    let evidence = evidence.to_owned();
    let verdict = Event::ScenarioVerdict { verdict, word, evidence, real_ms };
    story.phase(Phase::Judge).event(verdict).entries().to_vec()
}

fn refund(refund: &str, order: &str) -> Act {
    let (refund, order, channel) = (refund.into(), order.into(), "alipay".into());
    Act::Refund { refund, order, channel, due: PAID, amount: PAID, hold: true }
}

fn deliver(refund: &str, times: u32) -> Act {
    Act::DeliverApproval { refund: refund.into(), times }
}

fn refund_point() -> LossPointFacts {
    loss_point("refund-paid-twice", Some(("refund-breaker", stops("refund"))))
}

const REFUND_STEPS: [&str; 5] = [
    "Given order \"O-1\" was paid 199.00 CNY through channel \"alipay\"",
    "And fault \"app.refund-payout.not-idempotent\" is active",
    "When the refund-approved message of refund \"R-1\" is delivered 2 times",
    "Then alert \"refund-paid-twice\" is raised in time for refund \"R-1\"",
    "And plan \"refund-breaker\" is effective in time for channel \"alipay\"",
];

/// Proved: the second payout at 1.3 s, alert 0.7 s later, plan effective after 1.7 s.
fn paid_twice(id: &str) -> Vec<Entry> {
    let subject = Subject::new("refund", "R-1");
    let channel = Subject::new("channel", "alipay");
    let proved = |evidence| (Verdict::Pass, Word::Proved, evidence);
    let plan = ("refund-breaker", "run-1");
    let story = Story::new(id, false, refund_point())
        .ok(Role::Setup, refund("R-1", "O-1"))
        .at(500)
        .bites("app.refund-payout.not-idempotent")
        .at(1_000)
        .ok(Role::Scripted, deliver("R-1", 2))
        .at(1_200)
        .posted(PostingKind::PaidOut, "R-1", PAID, "x1")
        .at(1_300)
        .posted(PostingKind::PaidOut, "R-1", PAID, "x2")
        .at(2_000)
        .alert("refund-paid-twice", subject.clone(), PAID)
        .plan(plan, channel.clone(), stops("refund"), PlanState::Running, Some(602_000))
        .at(3_000)
        .plan(plan, channel.clone(), stops("refund"), PlanState::Effective, Some(602_000));
    let story = expected(
        told(story, "The approval is delivered twice, and each delivery pays out", &REFUND_STEPS),
        0,
        "alert \"refund-paid-twice\" is raised in time for refund \"R-1\"",
        Expectation::AlertRaised { rule: "refund-paid-twice".into(), subject, within_ms: 60_000 },
        proved("alert came 700 ms after the bad row (bound 60 s)"),
    );
    let story = expected(
        story,
        1,
        "plan \"refund-breaker\" is effective in time for channel \"alipay\"",
        Expectation::PlanEffective {
            plan: "refund-breaker".into(),
            scope: channel,
            within_ms: 300_000,
        },
        proved("refund was refused inside, accepted outside, and accepted again after"),
    );
    ends(story.at(5_000), Verdict::Pass, Word::Proved, "2 of 2 held", 1_900)
}

fn paid_once(id: &str) -> Vec<Entry> {
    let story = Story::new(id, true, refund_point())
        .ok(Role::Setup, refund("R-1", "O-1"))
        .in_place("app.refund-payout.not-idempotent")
        .at(1_000)
        .ok(Role::Scripted, deliver("R-1", 1))
        .posted(PostingKind::PaidOut, "R-1", PAID, "x1")
        .mark(4)
        .judged("refund-paid-twice", Subject::new("refund", "R-1"), Judgement::Matched)
        .rest(4)
        .at(2_000)
        .phase(Phase::Canary)
        .ok(Role::Canary, refund("R-c", "O-c"))
        .ok(Role::Canary, deliver("R-c", 2))
        .posted(PostingKind::PaidOut, "R-c", PAID, "c1")
        .posted(PostingKind::PaidOut, "R-c", PAID, "c2")
        .at(2_400)
        .alert("refund-paid-twice", Subject::new("refund", "R-c"), PAID);
    let story = expected(
        told(story, "The approval is delivered once", &["Then no alert is raised"]),
        0,
        "no alert is raised",
        Expectation::NoAlert,
        (Verdict::Pass, Word::Proved, "silent and settled; the canary's alert came"),
    );
    ends(story.at(4_000), Verdict::Pass, Word::Proved, "1 of 1 held", 1_400)
}

/// Late by 14 s; the offer is bought at 20 s.
fn low_bid(id: &str) -> Vec<Entry> {
    let point = loss_point("bid-below-market", Some(("take-off-sale", stops("buy"))));
    let item = Subject::new("item", "SKU-1");
    let price = Money::cny(19_990);
    let meant = Money::cny(199_900);
    let (bid, seller, sku) = ("B-1".into(), "s".into(), "SKU-1".into());
    let bid = Act::PlaceBid { bid, seller, sku, qty: 1, meant, price, clearance: None };
    let (order, buyer, sku) = ("O-1".into(), "b".into(), "SKU-1".into());
    let buy = Act::Buy { order, buyer, sku, channel: "alipay".into(), due: meant };
    let plan = ("take-off-sale", "run-1");
    let story = Story::new(id, false, point)
        .at(1_000)
        .ok(Role::Scripted, bid)
        .promised("B-1", "SKU-1", price, 1, true)
        .at(21_000)
        .ok(Role::Scripted, buy)
        .promised("B-1", "SKU-1", price, 0, false)
        .posted(PostingKind::Collected, "O-1", price, "t")
        .posted(PostingKind::OrderPaid, "O-1", price, "p")
        .at(75_000)
        .alert("bid-below-market", item.clone(), Money::cny(179_910))
        .at(78_000)
        .plan(plan, item.clone(), stops("buy"), PlanState::Effective, Some(602_000));
    let evidence = "alert \"bid-below-market\" for item \"SKU-1\" was late by 14 s: \
                    74 s after the bad \
                    row (bound 60 s)";
    let story = expected(
        told(
            story,
            "The seller forgets a digit | <b>",
            &[
                "When a seller who means 1,999.00 CNY bids 199.90 CNY for item \"SKU-1\"",
                "Then alert \"bid-below-market\" is raised in time for item \"SKU-1\"",
            ],
        ),
        0,
        "alert \"bid-below-market\" is raised in time for item \"SKU-1\"",
        Expectation::AlertRaised {
            rule: "bid-below-market".into(),
            subject: item,
            within_ms: 60_000,
        },
        (Verdict::Fail, Word::Late, evidence),
    );
    ends(story.at(80_000), Verdict::Fail, Word::Late, evidence, 2_600)
}

fn dropped_callback(id: &str) -> Vec<Entry> {
    let point = loss_point("paid-order-unpaid", Some(("backfill-payment", Effect::Repairs)));
    let fault = fault_use("app.payment-callback.dropped");
    let story = Story::new(id, false, point).event(Event::FaultArmed { fault }).at(1_000);
    let story = told(
        story,
        "支付成功回调被丢弃",
        &[
            "假如故障“app.payment-callback.dropped”生效",
            "那么 60 秒内产生告警“paid-order-unpaid”，对象为订单“O-2”",
        ],
    );
    let evidence = "fault \"app.payment-callback.dropped\" was never seen to bite";
    ends(story, Verdict::Inconclusive, Word::FaultDidNotBite, evidence, 3_100)
}

/// The whole run.
pub fn entries() -> Vec<Entry> {
    run(vec![
        paid_twice("refund/twice"),
        paid_once("refund/once"),
        low_bid("bid/digit"),
        dropped_callback("payment/dropped"),
    ])
}

/// A run of `count` scenarios.
pub fn many(count: usize) -> Vec<Entry> {
    let kinds: [fn(&str) -> Vec<Entry>; 4] = [paid_twice, paid_once, low_bid, dropped_callback];
    run((0..count).map(|index| kinds[index % 4](&format!("s{index}"))).collect())
}

fn run(scenarios: Vec<Vec<Entry>>) -> Vec<Entry> {
    let first = scenarios[0][0].clone();
    let own =
        |event, mono_us| Entry { scenario: None, cell_ms: None, event, mono_us, ..first.clone() };
    let service = |name: &str, version: &str, stand_in| ServiceFacts {
        service: name.into(),
        provider: "docker".into(),
        version: version.into(),
        source: format!("{name}:{version}"),
        stand_in,
    };
    let services = vec![service("mysql", "9.7.0", false), service("kafka", "4.4.0", true)];
    let total = scenarios.len() + 1;
    let args = vec!["gate".to_owned()];
    let started = Event::RunStarted {
        run: "r1".into(),
        version: "0.1.0".into(),
        seed: 20_260_101,
        args,
        total,
    };
    let mut all =
        vec![own(started, 0), own(Event::StageUp { services, took_ms: 4_100 }, 4_100_000)];
    let mut mono_us = 4_200_000;
    for scenario in scenarios {
        let base_us = mono_us;
        for mut entry in scenario {
            // Cell time runs ahead of real time: the harness advances it.
            entry.mono_us = base_us + entry.mono_us / 25;
            mono_us = entry.mono_us;
            all.push(entry);
        }
    }
    let ended = Event::RunEnded { passed: 2, failed: 2, skipped: 1, inconclusive: 1, exit: 1 };
    all.push(own(ended, mono_us + 900_000));
    for (seq, entry) in all.iter_mut().enumerate() {
        entry.seq = seq as u64;
    }
    all
}

pub fn journal_in(dir: &Path, entries: &[Entry]) {
    let lines: Vec<String> =
        entries.iter().map(|entry| serde_json::to_string(entry).unwrap() + "\n").collect();
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(dir.join("journal.ndjson"), lines.concat()).unwrap();
}

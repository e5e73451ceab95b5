//! Premises, the scenario's verdict, and judging again from the journal.

use lossdrill::expect::{Rechecked, premises, recheck, scenario_verdict};
use lossdrill::journal::story::fault_use;
use lossdrill::journal::{Event, Outcome, Verdict};
use lossdrill::wire::PlanState;

use super::plans::{after, effective, effective_at, proved_so_far};
use super::silence::{canary, control, quiet};
use super::*;

#[test]
fn premises_hold_or_name_what_broke() {
    use Verdict::{Fail, Inconclusive, Pass};
    let premise = |word| Event::Premise { word, evidence: "seen".into() };
    let deaf = || Event::Deaf { evidence: "mark 3 unread".into() };
    let armed = |fault: &str| Event::FaultArmed { fault: fault_use(fault) };
    let extra = |id: &str| {
        let story = control().at(1_500).posted(PostingKind::PaidOut, "R-1", PAID, id);
        story.at(2_000)
    };
    let mut unsteady = attack();
    unsteady.entries_mut().remove(1);
    let plan_first = super::plans::ran(control(), PlanState::Effective).at(9_000).posted(
        PostingKind::PaidOut,
        "R-1",
        PAID,
        "x2",
    );
    let harmless = books(Story::new("attack", false, point()), Role::Setup, "O-1", "R-1");
    let missing = control().at(5_000).ok(Role::Background, pay("O-b"));
    let rows: Vec<(&str, Story, (Verdict, Word))> = vec![
        ("an attack", attack(), (Pass, Word::Proved)),
        ("a control", quiet(), (Pass, Word::Proved)),
        ("its canary may cost", canary(quiet()), (Pass, Word::Proved)),
        ("no steady state", unsteady, (Inconclusive, Word::NotJudged)),
        ("stage", attack().event(premise(Word::StageDown)), (Inconclusive, Word::StageDown)),
        (
            "books",
            attack().event(premise(Word::BooksOffBalance)),
            (Inconclusive, Word::BooksOffBalance),
        ),
        ("alerting", attack().event(premise(Word::AlreadyAlerting)), (Fail, Word::AlreadyAlerting)),
        ("deaf", attack().event(deaf()), (Fail, Word::Deaf)),
        (
            "deaf on a broken stage",
            attack().event(deaf()).event(premise(Word::StageDown)),
            (Inconclusive, Word::StageDown),
        ),
        ("toothless", attack().event(armed("other")), (Inconclusive, Word::FaultDidNotBite)),
        (
            "toothless the second time",
            attack().bites("slow").event(armed("slow")).event(armed("slow")),
            (Inconclusive, Word::FaultDidNotBite),
        ),
        ("twice struck, twice bitten", attack().bites("slow").bites("slow"), (Pass, Word::Proved)),
        ("harmless", harmless.ok(Role::Scripted, deliver("R-9", 1)), (Inconclusive, Word::NoLoss)),
        (
            "a control's fault is not there",
            control().event(armed("other")),
            (Inconclusive, Word::FaultDidNotBite),
        ),
        ("a control that costs", extra("x2"), (Inconclusive, Word::ControlLostMoney)),
        ("in flight", missing.clone().at(30_000).tick(), (Pass, Word::Proved)),
        ("missing past grace", missing.at(35_000).tick(), (Inconclusive, Word::ControlLostMoney)),
        ("through the plan", plan_first, (Fail, Word::PlanCausedALoss)),
    ];
    for (name, story, expect) in rows {
        let history = story.history();
        let got = match premises(&history, &Oracle::of(&history), story.now()) {
            Ok(()) => (Pass, Word::Proved),
            Err((verdict, word, _)) => (verdict, word),
        };
        assert_eq!(got, expect, "{name}");
    }
}

fn expectations() -> Vec<Expectation> {
    vec![
        raised(),
        Expectation::AlertAtRisk { rule: RULE.into(), subject: refund_subject(), amount: PAID },
        effective(),
        Expectation::NoOtherAlert,
        Expectation::LossAtMost { amount: PAID },
    ]
}

fn decided(story: Story, words: &[(Verdict, Word)]) -> Story {
    let decide = |story: Story, (index, (verdict, word)): (usize, &(Verdict, Word))| {
        let (verdict, word) = (*verdict, *word);
        story.event(Event::Decided { index, verdict, word, evidence: "e".into() })
    };
    words.iter().enumerate().fold(story, decide)
}

#[test]
fn the_scenario_takes_its_worst_verdict() {
    use Verdict::{Fail, Inconclusive, Pass};
    let proved = (Pass, Word::Proved);
    let three = [raised(), effective(), Expectation::NoOtherAlert];
    let told = |words: &[(Verdict, Word)], story: Story| {
        let story = decided(story.registered(&three).tick(), words);
        let (verdict, word, _) = scenario_verdict(&story.history(), Oracle::of);
        (verdict, word)
    };
    let late = (Fail, Word::Late);
    let open = (Inconclusive, Word::NotJudged);
    assert_eq!(told(&[proved; 3], alerted(2_000)), proved);
    assert_eq!(told(&[proved, late, (Fail, Word::UnexpectedAlert)], alerted(2_000)), late);
    assert_eq!(told(&[open, late, proved], alerted(2_000)), late);
    assert_eq!(told(&[proved, open, proved], alerted(2_000)), open);
    assert_eq!(told(&[proved; 2], alerted(2_000)), open, "one was never decided");
    assert_eq!(told(&[late; 3], Story::new("s", false, point())), (Inconclusive, Word::NoLoss));
    let second = alerted(2_000).alert_as(RULE, refund_subject(), PAID, |a| a.fingerprint.push('2'));
    assert_eq!(told(&[proved; 3], second), (Fail, Word::Duplicate), "it came after the decision");
    let beside = |scope| {
        let (plan, state) = (("panic-button", "p1"), PlanState::Effective);
        alerted(2_000).plan(plan, scope, Effect::Notifies, state, None)
    };
    let stranger = told(&[proved; 3], beside(order("O-b")));
    assert_eq!(stranger, (Fail, Word::PlanWithoutCause), "nothing bad was seen of it");
    assert_eq!(told(&[late; 3], beside(order("O-b"))), late, "a sentence comes first");
    assert_eq!(told(&[proved; 3], beside(order("O-1"))), proved, "its refund was paid twice");
    let nothing = scenario_verdict(&attack().tick().history(), Oracle::of);
    assert_eq!(nothing.1, Word::NotJudged, "nothing was expected");
}

/// A whole attack, proved, with a tick at each decision.
fn proved_attack() -> Story {
    let story = effective_at(3_000).registered(&expectations()).tick().at(3_100).rest(1).tick();
    let story = super::plans::inside(story.at(5_000), Outcome::Refused { reason: "no".into() });
    let story = super::plans::outside(story.at(6_000), Outcome::Ok).tick();
    let story = super::plans::ran(story.at(602_000), PlanState::Reverted).at(602_100);
    let story = after(story, Outcome::Ok).tick().mark(9).at(602_500).rest(9).tick();
    let proved = [(Verdict::Pass, Word::Proved); 5];
    decided(story, &proved).event(Event::ScenarioVerdict {
        verdict: Verdict::Pass,
        word: Word::Proved,
        evidence: "5 of 5 held".into(),
        real_ms: 900,
    })
}

fn again(story: &Story) -> Rechecked {
    recheck(&story.history(), Oracle::of)
}

#[test]
fn a_verdict_is_the_same_again() {
    let rechecked = again(&proved_attack());
    assert_eq!((rechecked.verdict, rechecked.word), (Verdict::Pass, Word::Proved));
    assert_eq!(rechecked.sentences.len(), 5, "{rechecked:?}");
}

/// The loop looks at every instant it is told, so a falsified journal has ticks past every
/// deadline.
fn with_late_ticks() -> Story {
    [55_300, 61_301, 115_300, 121_301, 601_301]
        .into_iter()
        .fold(effective_at(3_000).registered(&expectations()).rest(1), |story, at| {
            story.at(at).tick()
        })
}

#[test]
fn a_falsified_journal_reads_another_word() {
    let first_alert = |story: &mut Story, change: &dyn Fn(&mut Event, &mut Option<i64>)| {
        let entries = story.entries_mut();
        let alerted = |event: &Event| matches!(event, Event::Alerted { .. });
        let entry = entries.iter_mut().find(|entry| alerted(&entry.event)).expect("an alert");
        change(&mut entry.event, &mut entry.cell_ms);
    };
    let word = |change: &dyn Fn(&mut Event, &mut Option<i64>)| {
        let mut story = with_late_ticks();
        first_alert(&mut story, change);
        again(&story).word
    };
    assert_eq!(word(&|event, _| *event = Event::Tick), Word::Never, "removed");
    assert_eq!(word(&|_, at| *at = at.map(|ms| ms + 60_000)), Word::Late, "moved by its deadline");
    let amount = word(&|event, _| {
        if let Event::Alerted { alert } = event {
            alert.at_risk = Some(Money::cny(1));
        }
    });
    assert_eq!(amount, Word::WrongAmount, "its amount edited");
    let unproved = again(&with_late_ticks());
    assert_eq!(unproved.word, Word::NotJudged, "the plan's proof is missing: {unproved:?}");
    assert_eq!(again(&proved_so_far()).word, Word::NotJudged);
}

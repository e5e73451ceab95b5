//! Plans that ask a person, and nobody answers.

use lossdrill::wire::PlanState;

use lossdrill::expect::{ProofStep, next_proof};
use lossdrill::journal::Outcome;

use super::plans::{after, effective_at, inside, no, ran};
use super::*;

fn only_asks() -> Expectation {
    Expectation::PlanWaits { plan: PLAN.into(), scope: alipay(), within_ms: 300_000 }
}

fn asked_at(at_ms: i64) -> Story {
    ran(alerted(2_000).at(at_ms), PlanState::WaitingApproval)
}

fn open(story: Story) -> Story {
    inside(story, Outcome::Ok)
}

fn open_after(story: Story) -> Story {
    after(story, Outcome::Ok)
}

/// The bad row is seen at 1.3 s; the loss may take ten minutes to be contained.
#[test]
fn a_plan_that_asks_does_nothing_without_an_answer() {
    let late = 1_300 + 600_000 + 1;
    let other = |story: Story, state| {
        story.plan((PLAN, "run-2"), Subject::new("channel", "wechat"), stops(), state, None)
    };
    let rows: Vec<(&str, Story, Expect)> = vec![
        ("asked, and time goes by", asked_at(2_100), Looks(541_300)),
        ("asked, and patient to the end, nobody tried", asked_at(2_100).at(late), Waits),
        ("tried at once, not at the end", open(asked_at(2_100)).at(late), Waits),
        (
            "tried, and patient to the end",
            open_after(open(asked_at(2_100)).at(late)),
            Is(Word::Proved),
        ),
        (
            "given up by itself",
            open_after(ran(open(asked_at(2_100)).at(302_100), PlanState::Failed).at(late)),
            Is(Word::Proved),
        ),
        (
            "asked, and stopped all the same",
            inside(asked_at(2_100), no()),
            Is(Word::PlanWithoutCause),
        ),
        (
            "stopped later, without a word",
            after(open(asked_at(2_100)).at(late), no()),
            Is(Word::PlanWithoutCause),
        ),
        (
            "the probe has no answer",
            inside(asked_at(2_100), Outcome::Unknown { reason: "timeout".into() }),
            Is(Word::NotJudged),
        ),
        ("not asked yet", alerted(2_000), Looks(271_300)),
        ("never asked", alerted(2_000).at(601_301), Is(Word::PlanNotStarted)),
        ("asked late", asked_at(301_301).at(late), Is(Word::PlanLate)),
        ("acted without asking", effective_at(3_000), Is(Word::PlanWithoutCause)),
        (
            "asked, and acted on nobody's word",
            ran(asked_at(2_100).at(3_000), PlanState::Running),
            Is(Word::PlanWithoutCause),
        ),
        (
            "acted after all, near the end",
            ran(asked_at(2_100).at(600_000), PlanState::Effective).at(late),
            Is(Word::PlanWithoutCause),
        ),
        (
            "asked here, acted elsewhere",
            other(asked_at(2_100), PlanState::Effective),
            Is(Word::PlanWithoutCause),
        ),
        (
            "asked about another channel alone",
            other(alerted(2_000), PlanState::WaitingApproval).at(601_301),
            Is(Word::PlanWithoutEffect),
        ),
        (
            "asked before anything was done",
            ran(Story::new("early", false, point()), PlanState::WaitingApproval)
                .at(1_000)
                .ok(Role::Scripted, deliver("R-1", 2)),
            Is(Word::PlanWithoutCause),
        ),
    ];
    for (name, story, expect) in rows {
        check(name, &story, &only_asks(), expect);
    }
}

#[test]
fn the_act_is_done_once_it_has_asked_and_again_at_the_end() {
    let late = 1_300 + 600_000 + 1;
    for (name, story, owed) in [
        ("nobody asked yet", alerted(2_000), None),
        ("asked", asked_at(2_100), Some(ProofStep::TryInside)),
        ("tried, and time goes by", open(asked_at(2_100)), None),
        ("patient to the end", open(asked_at(2_100)).at(late), Some(ProofStep::TryAfter)),
        ("tried twice", open_after(open(asked_at(2_100)).at(late)), None),
    ] {
        let history = story.history();
        let next = next_proof(&only_asks(), &history, &Oracle::of(&history), story.now());
        assert_eq!(next, owed, "{name}");
    }
}

//! What may be asked of runs, and how a kill switch is answered.

use std::os::unix::fs::PermissionsExt;

use super::super::people::People;
use super::*;
use crate::clock::{CellTime, Clock};
use crate::dcheck::plans::{Known, load_texts};
use crate::dcheck::results::Writer;
use crate::wire::{Effect, StepReceipt, Subject};

fn spec(revert: &str) -> PlanSpec {
    let text = format!(
        "
id: take-off-sale
sop: sop.md
trigger: {{rules: [r]}}
scope: {{kind: item, field: sku}}
effect: {{stops: buy}}
actions: [{{step: off, sql: SELECT 1}}]
proof: [{{sql: SELECT 1}}]
{revert}
"
    );
    load_texts(&[("p.yaml".into(), text)], &Known::default()).unwrap().remove(0)
}

fn run(state: PlanState) -> PlanRun {
    PlanRun {
        plan: "take-off-sale".into(),
        run_id: "take-off-sale-1".into(),
        alert: "f".into(),
        rule: "r".into(),
        scope: vec![Subject::new("item", "S-1")],
        effect: Effect::Stops("buy".into()),
        steps: Vec::new(),
        state,
        started_at: String::new(),
        updated_at: String::new(),
        reverts_at: None,
        note: String::new(),
    }
}

#[test]
fn what_may_be_asked_of_a_run() {
    let (reverts, stays) = (spec("revert: [{step: on, sql: SELECT 1}]"), spec(""));
    let halt =
        || Halt { plan: ALL.into(), who: "anna".into(), why: "x".into(), since: CellTime(0) };
    for (verb, state, spec, halt, refusal) in [
        (Verb::Approve, PlanState::WaitingApproval, Some(&reverts), None, None),
        (Verb::Refuse, PlanState::WaitingApproval, Some(&reverts), None, None),
        (Verb::Refuse, PlanState::Armed, Some(&reverts), None, None),
        (Verb::Revert, PlanState::Effective, Some(&reverts), None, None),
        (Verb::Approve, PlanState::Running, Some(&reverts), None, Some("nobody's approval")),
        (Verb::Refuse, PlanState::Effective, Some(&reverts), None, Some("nobody's approval")),
        (
            Verb::Approve,
            PlanState::WaitingApproval,
            Some(&reverts),
            Some(halt()),
            Some("halted by anna"),
        ),
        (Verb::Refuse, PlanState::WaitingApproval, Some(&reverts), Some(halt()), None),
        (Verb::Revert, PlanState::Effective, Some(&reverts), Some(halt()), None),
        (Verb::Revert, PlanState::WaitingApproval, Some(&reverts), None, Some("refuse it")),
        (Verb::Revert, PlanState::Reverted, Some(&reverts), None, Some("is reverted")),
        (Verb::Revert, PlanState::Effective, Some(&stays), None, Some("see sop.md")),
        (Verb::Revert, PlanState::Effective, None, None, Some("is gone")),
    ] {
        let told = may(verb, &run(state), spec, halt);
        match refusal {
            None => assert_eq!(told, Ok(()), "{verb:?} {state:?}"),
            Some(part) => assert!(told.unwrap_err().contains(part), "{verb:?} {state:?}"),
        }
    }
}

#[test]
fn what_failed_half_way_may_be_reverted_by_hand() {
    let (reverts, stays) = (spec("revert: [{step: on, sql: SELECT 1}]"), spec(""));
    for (has_touched, spec, refusal) in [
        (true, &reverts, None),
        (false, &reverts, Some("has touched nothing")),
        (true, &stays, Some("see sop.md")),
    ] {
        let mut run = run(PlanState::Failed);
        if has_touched {
            let (step, receipt) = ("off".to_owned(), "http 200".to_owned());
            run.steps.push(StepReceipt { step, receipt, at: String::new() });
        }
        let told = may(Verb::Revert, &run, Some(spec), None);
        match refusal {
            None => assert_eq!(told, Ok(())),
            Some(part) => assert!(told.unwrap_err().contains(part), "{part}"),
        }
    }
}

#[test]
fn a_word_has_a_reason() {
    let long = format!(r#"{{"why": "{}"}}"#, "x".repeat(WHY_CHARS + 1));
    for (body, is_read) in [
        (r#"{"why": "two sellers, one mistake"}"#, true),
        (r#"{"why": "x", "plan": "take-off-sale"}"#, true),
        (r#"{"why": " "}"#, false),
        (r#"{"reason": "x"}"#, false),
        ("", false),
        (long.as_str(), false),
    ] {
        assert_eq!(read(body.as_bytes()).is_ok(), is_read, "{body}");
    }
}

/// A console with one person and no daemon: the test takes the orders.
fn console() -> (Arc<Console>, HeaderMap, tokio::sync::mpsc::Receiver<Order>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("people");
    std::fs::write(&path, "anna 0123456789abcdef\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (orders, inbox) = tokio::sync::mpsc::channel(8);
    let console = Console::new(Clock::starting_at(0), true, orders);
    console.attach(Tasks {
        writer: Writer::mocked().0,
        deliveries: Vec::new(),
        runs: Arc::default(),
        plans: Plans {
            specs: Vec::new(),
            halts: Arc::default(),
            counts: Arc::default(),
            topic_prefix: String::new(),
        },
        unread: Box::new(|| 0),
        people: People::load(&path).unwrap(),
        numbers: Arc::default(),
        reload: Box::new(|| Err(Vec::new())),
    });
    let token = "Bearer 0123456789abcdef".parse().unwrap();
    (console, HeaderMap::from_iter([(axum::http::header::AUTHORIZATION, token)]), inbox)
}

#[tokio::test]
async fn a_kill_switch_is_answered_when_it_is_stored() {
    for (is_stored, status) in [(true, StatusCode::OK), (false, StatusCode::ACCEPTED)] {
        let (console, headers, mut inbox) = console();
        let body = || Bytes::from_static(br#"{"why": "a wrong rule"}"#);
        let answer = tokio::spawn(halt(State(Arc::clone(&console)), headers.clone(), body()));
        let Some(Order::Plan(PlanOrder::Halted { stored, .. })) = inbox.recv().await else {
            panic!("no halt")
        };
        let halts = &console.tasks().unwrap().plans.halts;
        assert!(halts.on("any").is_some() && !answer.is_finished(), "in force, not answered");
        match is_stored {
            true => stored.send(()).unwrap(),
            false => drop(stored),
        }
        assert_eq!(answer.await.unwrap().status(), status);
        let answer = tokio::spawn(resume(State(console), headers, body()));
        let Some(Order::Plan(PlanOrder::Resumed { stored, .. })) = inbox.recv().await else {
            panic!("no resume")
        };
        stored.send(()).unwrap();
        assert_eq!(answer.await.unwrap().status(), StatusCode::OK);
    }
}

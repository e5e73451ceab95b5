//! Emergency plans under people's hands: approval, refusal, revert, kill switch, dry run; records and statements done once.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use lossdrill::wire::{PlanRun, PlanState};
use mysql_async::prelude::Queryable;
use rdkafka::Message;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::{Value, json};

use crate::cases::{ALL, paid, paid_out};
use crate::cell::{Cell, Heard};
use crate::servers::Servers;

const TOKEN: &str = "0123456789abcdef";
const TOPIC: &str = "risk.orders";

const PLAN: &str = "
id: hold-refunds
sop: sop.md
trigger: {rules: [refund-paid-twice], min_at_risk: 50.00 CNY}
scope: {kind: order, field: order}
effect: {stops: refund}
actions:
  - step: hold
    http: {target: shop, method: PUT, path: '/breakers/refund/{scope}', body: {run_id: '{run}'}}
  - step: mark
    sql: UPDATE orders SET status = CONCAT(status, '+') WHERE order_id = ?
    params: ['{scope}']
    ticket: 'OPS-{scope}'
  - step: tell
    kafka: {topic: risk.orders, key: '{scope}', body: {order: '{scope}', rule: '{rule}'}}
proof:
  - http: {target: shop, path: /breakers, expect: {kind: refund, scope: '{scope}', active: 'true'}}
revert:
  - step: release
    http: {target: shop, method: DELETE, path: '/breakers/refund/{scope}'}
approval: manual
approve_within: 5 min
";

/// A cell with this plan alone, and somebody on call.
async fn cell(servers: &Servers, name: &str, dir: &Path) -> Cell {
    let mut cell = Cell::new(servers, name, None).await;
    cell.kill();
    let (plans, people) = (dir.join("plans"), dir.join("people"));
    std::fs::create_dir(&plans).unwrap();
    std::fs::write(plans.join("hold-refunds.yaml"), PLAN).unwrap();
    std::fs::write(&people, format!("anna {TOKEN}\n")).unwrap();
    std::fs::set_permissions(&people, std::fs::Permissions::from_mode(0o600)).unwrap();
    let at = cell.args.iter().position(|arg| arg == "--plans").unwrap();
    cell.args[at + 1] = plans.display().to_string();
    cell.args.extend(["--people".to_owned(), people.display().to_string()]);
    let admin: AdminClient<DefaultClientContext> = cell.client().create().unwrap();
    let topic = cell.topic(TOPIC);
    let new = NewTopic::new(&topic, 1, TopicReplication::Fixed(1));
    admin.create_topics([&new], &AdminOptions::new()).await.unwrap()[0].clone().unwrap();
    cell.start().await;
    cell
}

async fn paid_out_twice(cell: &mut Cell, order: &str, amount: &str) {
    paid(cell, order, "199.00").await;
    let refund = format!("R-{order}");
    for txn in ["1", "2"] {
        paid_out(cell, order, &refund, amount, &format!("{refund}-{txn}")).await;
    }
}

fn told(order: &'static str, state: PlanState) -> impl Fn(&Heard) -> bool {
    move |heard| run_of(heard, order, state).is_some()
}

fn run_of(heard: &Heard, order: &str, state: PlanState) -> Option<PlanRun> {
    let plans = heard.plans.lock().unwrap();
    plans.iter().rev().find(|run| run.scope[0].id == order && run.state == state).cloned()
}

async fn order(cell: &Cell, path: &str, token: &str, body: Value) -> (u16, String) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/plans/{path}", cell.console);
    let answer = http.post(url).bearer_auth(token).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn touched(cell: &Cell, order: &str) -> Option<bool> {
    let place = ("refund".to_owned(), order.to_owned());
    cell.heard.breakers.lock().unwrap().get(&place).copied()
}

async fn audit(cell: &mut Cell, what: &str) -> Vec<(String, String)> {
    let sql = "SELECT who, body FROM dcheck.audit WHERE what = ? ORDER BY seq";
    let from = Instant::now();
    loop {
        let rows: Vec<(String, String)> = cell.sql.exec(sql, (what,)).await.unwrap();
        if !rows.is_empty() || from.elapsed() > Duration::from_secs(5) {
            return rows;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn records(cell: &Cell) -> Vec<(String, Value)> {
    let consumer: BaseConsumer = cell
        .client()
        .set("group.id", "desk")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[&cell.topic(TOPIC)]).unwrap();
    let (mut from, mut found) = (Instant::now(), Vec::new());
    let mut patience = Duration::from_secs(20);
    while from.elapsed() < patience {
        let Some(Ok(record)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let key = String::from_utf8(record.key().unwrap().to_vec()).unwrap();
        found.push((key, serde_json::from_slice(record.payload().unwrap()).unwrap()));
        // A second one would be there by then.
        (from, patience) = (Instant::now(), Duration::from_millis(500));
    }
    found
}

pub async fn a_plan_waits_for_a_person_and_is_reverted_by_one(servers: &Servers) {
    let dir = tempfile::tempdir().unwrap();
    let mut cell = cell(servers, "approval", dir.path()).await;
    let supposed = json!({
        "rule": "refund-paid-twice", "severity": "P0", "at_risk": "100.00 CNY",
        "subject": {"kind": "refund", "id": "R"}, "fields": {"order": "O-1"},
    });
    let (status, text) = order(&cell, "dry-run", "", supposed).await;
    assert_eq!(status, 200, "{text}");
    for part in ["waits-for-approval", "/breakers/refund/O-1", "\"OPS-O-1\"", &cell.topic(TOPIC)] {
        assert!(text.contains(part), "{part} in {text}");
    }
    paid_out_twice(&mut cell, "O-1", "100.00").await;
    paid_out_twice(&mut cell, "O-2", "49.99").await;
    cell.until("the wait", told("O-1", PlanState::WaitingApproval)).await;
    let seq = cell.mark().await;
    let watermark = cell.rest(seq, &ALL).await;
    assert!(watermark.clock.next_due.is_some(), "the end of the wait is known: {watermark:?}");
    assert_eq!(touched(&cell, "O-1"), None, "nothing is touched before the word");
    let waiting: Vec<PlanRun> = cell.get("plans?state=waiting-approval").await;
    assert_eq!(waiting.len(), 1, "49.99 is not enough: {waiting:?}");
    let (run, why) = (waiting[0].run_id.clone(), json!({"why": "two sellers, one mistake"}));
    for (path, token, body, status) in [
        (format!("{run}/approve"), "nobody's-token-at-all", why.clone(), 401),
        (format!("{run}/approve"), TOKEN, json!({"why": ""}), 422),
        (format!("{run}/revert"), TOKEN, why.clone(), 409),
        ("hold-refunds-x/approve".to_owned(), TOKEN, why.clone(), 404),
    ] {
        assert_eq!(order(&cell, &path, token, body).await.0, status, "{path}");
    }
    assert_eq!(touched(&cell, "O-1"), None);
    assert_eq!(order(&cell, &format!("{run}/approve"), TOKEN, why.clone()).await.0, 202);
    cell.until("the effect", told("O-1", PlanState::Effective)).await;
    let effective = run_of(&cell.heard, "O-1", PlanState::Effective).unwrap();
    assert!(effective.note.contains("approved by anna: two sellers"), "{effective:?}");
    assert_eq!(touched(&cell, "O-1"), Some(true));
    assert_eq!(audit(&mut cell, "plan-approved").await[0].0, "anna");
    let sql = "SELECT step, ticket, affected FROM shop.plan_receipt";
    let receipts: Vec<(String, String, u64)> = cell.sql.query(sql).await.unwrap();
    assert_eq!(receipts, [("mark".to_owned(), "OPS-O-1".to_owned(), 1)]);
    let found = tokio::task::block_in_place(|| records(&cell));
    let body = json!({"order": "O-1", "rule": "refund-paid-twice"});
    assert_eq!(found, [("O-1".to_owned(), body)]);
    // It has no TTL, and holds across a restart; a person alone ends it.
    cell.kill();
    cell.start().await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    assert_eq!(touched(&cell, "O-1"), Some(true));
    assert_eq!(order(&cell, &format!("{run}/approve"), TOKEN, why.clone()).await.0, 409);
    assert_eq!(order(&cell, &format!("{run}/revert"), TOKEN, why.clone()).await.0, 202);
    cell.until("the revert", told("O-1", PlanState::Reverted)).await;
    let reverted = run_of(&cell.heard, "O-1", PlanState::Reverted).unwrap();
    assert!(reverted.note.contains("by anna"), "{reverted:?}");
    assert_eq!(touched(&cell, "O-1"), Some(false));
    assert_eq!(audit(&mut cell, "plan-revert").await.len(), 1);
    let status = "SELECT status FROM shop.orders WHERE order_id = 'O-1'";
    let status: Option<String> = cell.sql.query_first(status).await.unwrap();
    assert_eq!(status.as_deref(), Some("PAID+"), "the statement was done once");
}

pub async fn a_plan_that_is_refused_or_forgotten_touches_nothing(servers: &Servers) {
    let dir = tempfile::tempdir().unwrap();
    let mut cell = cell(servers, "refusal", dir.path()).await;
    paid_out_twice(&mut cell, "O-1", "100.00").await;
    paid_out_twice(&mut cell, "O-2", "100.00").await;
    cell.until("the first wait", told("O-1", PlanState::WaitingApproval)).await;
    cell.until("the second wait", told("O-2", PlanState::WaitingApproval)).await;
    let run = run_of(&cell.heard, "O-1", PlanState::WaitingApproval).unwrap().run_id;
    let why = json!({"why": "it is the twin of an honest one"});
    assert_eq!(order(&cell, &format!("{run}/refuse"), TOKEN, why).await.0, 202);
    cell.until("the refusal", told("O-1", PlanState::Failed)).await;
    let refused = run_of(&cell.heard, "O-1", PlanState::Failed).unwrap();
    assert!(refused.note.contains("refused by anna"), "{refused:?}");
    assert!(audit(&mut cell, "plan-refused").await[0].1.contains("twin"));
    // The wait goes on over a restart, and ends when nobody comes.
    cell.kill();
    cell.start().await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    assert!(run_of(&cell.heard, "O-2", PlanState::Failed).is_none());
    cell.advance(301_000).await;
    cell.until("the end of the wait", told("O-2", PlanState::Failed)).await;
    let forgotten = run_of(&cell.heard, "O-2", PlanState::Failed).unwrap();
    assert!(forgotten.note.contains("nobody approved it within 5 min"), "{forgotten:?}");
    assert_eq!((touched(&cell, "O-1"), touched(&cell, "O-2")), (None, None));
    assert_eq!(cell.heard.keys.lock().unwrap().len(), 0);
}

pub async fn a_kill_switch_is_told_and_survives(servers: &Servers) {
    let dir = tempfile::tempdir().unwrap();
    let mut cell = cell(servers, "halt", dir.path()).await;
    let body = json!({"why": "a wrong rule"});
    assert_eq!(order(&cell, "halt", "nobody's-token-at-all", body.clone()).await.0, 401);
    let wrong = json!({"why": "x", "plan": "hold-refund"});
    assert_eq!(order(&cell, "halt", TOKEN, wrong).await.0, 422);
    assert_eq!(order(&cell, "halt", TOKEN, body.clone()).await.0, 200);
    assert_eq!(order(&cell, "halt", TOKEN, body.clone()).await.0, 409);
    let firing = |heard: &Heard| {
        let alerts = heard.alerts.lock().unwrap();
        alerts.iter().any(|alert| alert.labels["alertname"] == "plan-executor-dead")
    };
    cell.until("the alert", firing).await;
    assert_eq!(audit(&mut cell, "plans-halted").await[0].0, "anna");
    paid_out_twice(&mut cell, "O-1", "100.00").await;
    cell.until("the refusal", told("O-1", PlanState::Failed)).await;
    let refused = run_of(&cell.heard, "O-1", PlanState::Failed).unwrap();
    assert!(refused.note.contains("kill switch: all plans are halted by anna"), "{refused:?}");
    cell.kill();
    cell.start().await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    // Told again perhaps, but as the same alert: so its end will end it.
    let first = cell.alerts("plan-executor-dead");
    assert!(first.iter().all(|alert| *alert == first[0]), "{first:?}");
    let line = "dcheck_plans_halted{plan=\"*\"} 1";
    let metrics = cell.text("metrics").await;
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
    paid_out_twice(&mut cell, "O-2", "100.00").await;
    cell.until("the second refusal", told("O-2", PlanState::Failed)).await;
    assert_eq!(order(&cell, "resume", TOKEN, body.clone()).await.0, 200);
    cell.until("the end of the alert", |heard| {
        let alerts = heard.alerts.lock().unwrap();
        let own = alerts.iter().filter(|alert| alert.labels["alertname"] == "plan-executor-dead");
        own.last().is_some_and(|alert| alert.status == "resolved")
    })
    .await;
    let all = cell.alerts("plan-executor-dead");
    let ended = all.last().unwrap();
    assert_eq!((&ended.2, &ended.3), (&first[0].2, &first[0].3), "start and fingerprint");
    assert_eq!(order(&cell, "resume", TOKEN, body).await.0, 409);
    paid_out_twice(&mut cell, "O-3", "100.00").await;
    cell.until("the next run", told("O-3", PlanState::WaitingApproval)).await;
}

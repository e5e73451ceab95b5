//! A service answers slowly: decided once, told once, done once, over a kill; and undone when it is quick again.

use std::path::Path;
use std::process::Command;

use mysql_async::prelude::Queryable;

use crate::cases::ALL;
use crate::cell::Cell;
use crate::servers::Servers;

const SERVICES: &str = r#"
- id: points
  measured:
    - {table: service_call, where: 'after.callee == "points"', latency_ms: after.latency_ms, ok: 'after.outcome == "OK"'}
  window: 10 s
  min_calls: 20
  latency: {of: p99, ill: 800 ms, well: 400 ms}
  errors: {ill: 200, well: 50}
  hold: 5 s
- id: channel
  measured: [{topic: channel.flow, latency_ms: after.ms}]
  window: 10 s
  min_calls: 20
  latency: {of: max, ill: 2 s, well: 1 s, worse: 8 s}
  hold: 5 s
- id: checkout
  dependencies:
    - {on: points, strength: weak, plan: drop-points}
    - {on: channel, strength: strong, limit: {to: 50%, plan: slow-pay}, block: {plan: stop-pay}}
"#;
const CALL: &str = "CREATE TABLE shop.service_call (call_id BIGINT AUTO_INCREMENT PRIMARY KEY, \
    callee VARCHAR(64), latency_ms BIGINT NULL, outcome VARCHAR(16))";

async fn cell(servers: &Servers, dir: &Path) -> Cell {
    let mut cell = Cell::new(servers, "services", None).await;
    cell.kill();
    cell.sql.query_drop(CALL).await.unwrap();
    let file = dir.join("services.yaml");
    std::fs::write(&file, SERVICES).unwrap();
    for (option, part) in [("--rules", "rules"), ("--plans", "plans")] {
        let at = cell.args.iter().position(|arg| arg == option).unwrap();
        cell.args[at + 1] = format!("{}/examples/degradation/{part}", env!("CARGO_MANIFEST_DIR"));
    }
    cell.args.extend(["--services".to_owned(), file.display().to_string()]);
    cell.args.extend(["--record".to_owned(), dir.join("recording").display().to_string()]);
    cell.start().await;
    cell
}

/// Twenty calls of the points service.
async fn calls(cell: &mut Cell, latency_ms: i64) {
    let rows = vec![format!("('points', {latency_ms}, 'OK')"); 20].join(",");
    let insert =
        format!("INSERT INTO shop.service_call (callee, latency_ms, outcome) VALUES {rows}");
    cell.sql.query_drop(insert).await.unwrap();
}

/// So much later, with everything of until then read.
async fn later(cell: &mut Cell, by_ms: i64) {
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    cell.advance(by_ms).await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
}

fn touched(cell: &Cell, kind: &str) -> Option<bool> {
    let place = (kind.to_owned(), "checkout".to_owned());
    cell.heard.breakers.lock().unwrap().get(&place).copied()
}

type Decision = (String, String, u64, u64, Option<u64>, Option<String>);

async fn decisions(cell: &mut Cell, on: &str) -> Vec<Decision> {
    let sql = "SELECT decision, strength, calls, errors, latency_ms, plan FROM dcheck.service_decision \
               WHERE service = 'checkout' AND dependency = ? ORDER BY window_to_ms";
    cell.sql.exec(sql, (on,)).await.unwrap()
}

async fn words(cell: &mut Cell, on: &str) -> Vec<String> {
    decisions(cell, on).await.into_iter().map(|decision| decision.0).collect()
}

/// `dcheck services`
fn shown(cell: &Cell) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_dcheck"))
        .args(["services", "--console", &cell.console])
        .output()
        .expect("dcheck starts");
    String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
}

/// Alerts that were raised, and those that ended; each once, however often it was told.
fn raised(cell: &Cell, rule: &str) -> (usize, usize) {
    let alerts = cell.alerts(rule);
    let of = |status: &str| -> std::collections::BTreeSet<_> {
        alerts.iter().filter(|alert| alert.1 == status).map(|alert| (&alert.2, &alert.3)).collect()
    };
    (of("firing").len(), of("resolved").len())
}

pub async fn a_slow_service_is_done_without_until_it_is_quick_again(servers: &Servers) {
    let dir = tempfile::tempdir().unwrap();
    let mut cell = cell(servers, dir.path()).await;
    calls(&mut cell, 50).await;
    later(&mut cell, 2_000).await;
    assert_eq!(decisions(&mut cell, "points").await, []);
    assert!(
        shown(&cell).contains("points healthy: 20 calls, 0 failed, p99 50 ms"),
        "{}",
        shown(&cell)
    );

    calls(&mut cell, 900).await;
    later(&mut cell, 2_000).await;
    let plan = Some("drop-points".to_owned());
    let degrade = ("degrade".to_owned(), "weak".to_owned(), 40, 0, Some(896), plan);
    assert_eq!(decisions(&mut cell, "points").await, [degrade]);
    cell.until("the plan", |_| touched(&cell, "points") == Some(true)).await;
    cell.until("the alert", |_| raised(&cell, "dependency-degraded") == (1, 0)).await;
    assert!(shown(&cell).contains("on points (weak): degrade since"), "{}", shown(&cell));
    let metrics = cell.text("metrics").await;
    for line in [
        "dcheck_service_state{service=\"points\",state=\"ill\"} 1",
        "dcheck_dependency_decision{service=\"checkout\",dependency=\"points\",decision=\"degrade\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }

    // Killed, and slow for longer than the plan's TTL: nothing is decided, told or started twice.
    cell.kill();
    let last: Option<u64> =
        cell.sql.query_first("SELECT MAX(seq) FROM dcheck.result").await.unwrap();
    calls(&mut cell, 900).await;
    cell.start().await;
    for _ in 0..5 {
        calls(&mut cell, 900).await;
        later(&mut cell, 8_000).await;
    }
    assert_eq!(words(&mut cell, "points").await, ["degrade"]);
    assert_eq!(raised(&cell, "dependency-degraded"), (1, 0));
    assert_eq!(touched(&cell, "points"), Some(true));
    let runs: Option<u64> =
        cell.sql.query_first("SELECT COUNT(*) FROM dcheck.plan_run").await.unwrap();
    assert_eq!(runs, Some(1));

    // Quick again: not before the window and the hold are over.
    calls(&mut cell, 50).await;
    later(&mut cell, 6_000).await;
    assert_eq!(words(&mut cell, "points").await, ["degrade"]);
    later(&mut cell, 8_000).await;
    assert_eq!(words(&mut cell, "points").await, ["degrade", "restore"]);
    cell.until("the end", |_| raised(&cell, "dependency-degraded") == (1, 1)).await;
    later(&mut cell, 40_000).await;
    cell.until("the revert", |_| touched(&cell, "points") == Some(false)).await;
    assert!(shown(&cell).contains("on points (weak): nothing"), "{}", shown(&cell));

    // A strong one, by messages: fewer, then none.
    assert_eq!(touched(&cell, "pay-share"), None);
    for (ms, step, kind) in [(3_000, "limit", "pay-share"), (9_000, "block", "pay")] {
        for _ in 0..20 {
            cell.send("channel.flow", &format!("{{\"ms\": {ms}}}")).await;
        }
        later(&mut cell, 2_000).await;
        assert_eq!(words(&mut cell, "channel").await.last().map(String::as_str), Some(step));
        cell.until("the plan", |_| touched(&cell, kind) == Some(true)).await;
    }
    assert_eq!(raised(&cell, "dependency-limited").0, 1, "one alert from illness to recovery");
    let state = "SELECT decision FROM dcheck.service_state WHERE dependency = 'channel'";
    let state: Option<String> = cell.sql.query_first(state).await.unwrap();
    assert_eq!(state.as_deref(), Some("block"));

    // Judged again without the services' file: a decision is part of the recording.
    cell.stop();
    let file = dir.path().join("recording");
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/degradation/rules");
    let mut replay = Command::new(env!("CARGO_BIN_EXE_dcheck"));
    let replayed = replay.arg("replay").arg(file).args(["--rules", rules]).output().unwrap();
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    let replayed = String::from_utf8_lossy(&replayed.stdout).into_owned();
    let told: Vec<&str> = replayed.lines().filter(|line| line.contains("dependency-")).collect();
    let sql = "SELECT rule, revision, actual FROM dcheck.result WHERE seq > ? ORDER BY seq";
    let rows: Vec<(String, String, String)> =
        cell.sql.exec(sql, (last.unwrap_or(0),)).await.unwrap();
    assert_eq!((rows.len(), told.len()), (3, 3), "{rows:?} {told:?}");
    for ((rule, revision, actual), line) in rows.iter().zip(told) {
        assert!(
            [rule, revision, actual].iter().all(|part| line.contains(*part)),
            "{line}: {actual}"
        );
    }
}

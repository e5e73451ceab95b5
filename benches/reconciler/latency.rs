//! Rows `alert` and `missing`: how late people and plans hear of it, while honest updates go on.
//!
//! Beside what nobody can be faster than, in the same run: a commit as its writer sees it, a bare mysql_async reader of the same
//! log, and a bare POST of an alert to the same webhook.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use lossdrill::clock::wall_ms;
use mysql_async::binlog::events::EventData;
use mysql_async::binlog::value::BinlogValue;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Value};
use tempfile::TempDir;

use super::cell::Cell;
use super::figures::{Ratio, Report, largest, quantile};
use super::inbox::{Arrivals, Inbox};
use super::scene::{Load, bare_stream, connected, equip, log_end, millis, payments, set, stopped};
use super::servers::Servers;
use super::stream::rule;
use super::{Size, limits};

/// Payments that the load updates.
const PAYMENTS: usize = 5_000;
/// Between two mismatches: each is alone on its way.
const APART: Duration = Duration::from_millis(40);
/// What is not told by then is lost.
const LIMIT: Duration = Duration::from_secs(20);
const WINDOW_MS: f64 = 2_000.0;
/// Between two marks, where there are any.
const MARKS: Duration = Duration::from_millis(10);

const PLAN: &str = "id: hold\ntitle: Hold what was booked wrongly\nsop: benches/README.md\n\
     trigger: {rules: [over-booked], min_severity: P2}\nscope: {kind: order, field: order}\n\
     effect: {stops: buy}\nactions:\n  - step: hold\n    http:\n      target: shop\n      \
     method: PUT\n      path: /breakers/sale/{scope}\n      body: {run_id: \"{run}\"}\nproof:\n  \
     - http: {target: shop, path: /breakers, expect: {kind: sale, scope: \"{scope}\", active: \"true\"}}\n\
     ttl: 10 min\nrevert:\n  - step: let-go\n    http:\n      target: shop\n      method: DELETE\n      \
     path: /breakers/sale/{scope}?run_id={run}\ncooldown: 0 s\nblast_limit: {runs: 100000, per: 10 min}\n\
     approval: automatic\n";

const MISSING: &str = "- id: never-booked\n  version: 1\n  loss_point: bench\n  severity: P1\n  \
     rollout: full\n  strategy: missing-counterpart\n  subject: {kind: order, id: after.order_id}\n  \
     occurrence: after.order_id\n  \
     on: {table: orders, ops: [insert], where: after.status == \"PENDING\", key: after.order_id}\n  \
     counterpart: {table: pay_order, ops: [insert], key: after.order_id}\n  window: 2 s\n  \
     when_absent: finding\n  remember: 1 d\n  at_risk: money(after.payable, after.currency)\n  \
     expected: \"order {after.order_id} is booked within 2 s\"\n  actual: \"it is not\"\n  \
     fields: {order: after.order_id}\n";

struct Running {
    cell: Cell,
    inbox: Arc<Inbox>,
    /// Where the inbox listens.
    url: String,
    _load: Load,
    /// Rules and plans, for as long as it runs.
    _dir: TempDir,
}

async fn running(
    servers: &Servers,
    name: &str,
    size: Size,
    rules: &str,
    plan: Option<&str>,
) -> Running {
    let dir = tempfile::tempdir().expect("a directory");
    let mut cell = stopped(servers, name).await;
    payments(&mut cell.sql, PAYMENTS, 1).await;
    equip(&mut cell, dir.path(), rules, plan);
    let (inbox, url) = Inbox::start().await;
    set(&mut cell, "--alerts", &format!("{url}/alerts"));
    set(&mut cell, "--plan-events", &format!("{url}/plans"));
    set(&mut cell, "--target", &format!("shop={url}/shop"));
    cell.sql.query_drop("DROP DATABASE IF EXISTS dcheck").await.expect("MySQL answers");
    cell.start().await;
    let load = Load::start(servers, size.rate, PAYMENTS).await;
    Running { cell, inbox, url, _load: load, _dir: dir }
}

/// One mismatch: when it was sent, and when its commit was acknowledged.
struct Sent {
    id: String,
    at: Instant,
    acknowledged: Instant,
}

async fn send(conn: &mut Conn, id: String, sql: &str) -> Sent {
    let at = Instant::now();
    conn.query_drop(sql).await.expect("MySQL answers");
    Sent { id, at, acknowledged: Instant::now() }
}

/// A bare reader of the same log: when it saw each row whose first column begins with `B-`.
async fn bare_reader(
    servers: &Servers,
    cell: &mut Cell,
    seen: Arc<Arrivals>,
) -> tokio::task::JoinHandle<()> {
    let place = log_end(&mut cell.sql).await;
    let mut stream = bare_stream(servers, &place, 0x7000_0002).await;
    tokio::spawn(async move {
        while let Some(Ok(event)) = stream.next().await {
            let Ok(Some(EventData::RowsEvent(data))) = event.read_data() else { continue };
            let Some(map) = stream.get_tme(data.table_id()) else { continue };
            for (_, after) in data.rows(map).flatten() {
                let id = after.as_ref().and_then(|row| row.as_ref(0));
                if let Some(BinlogValue::Value(Value::Bytes(id))) = id
                    && id.starts_with(b"B-")
                {
                    seen.note(String::from_utf8_lossy(id).into_owned(), Instant::now());
                }
            }
        }
    })
}

/// An alert as Alertmanager posts it.
fn body(id: &str) -> serde_json::Value {
    let labels = serde_json::json!({"alertname": "over-booked", "severity": "P1", "loss_point": "bench",
        "subject": id, "subject_kind": "payment", "occurrence": id});
    let texts = serde_json::json!({"expected": "100.00 of the payment", "actual": "101.00, PAID",
        "at_risk": "1.00 CNY", "position": "binlog.000003:4711"});
    serde_json::json!({"version": "4", "groupKey": id, "status": "firing", "receiver": "bench", "alerts": [{
        "status": "firing", "labels": labels, "annotations": texts,
        "startsAt": "2026-01-05T00:00:00Z", "fingerprint": "00000000000000000000000000000000"}]})
}

/// Mismatch by mismatch, each followed by a bare POST.
async fn mismatches(
    run: &mut Running,
    conn: &mut Conn,
    first: usize,
    count: usize,
) -> (Vec<Sent>, Vec<f64>) {
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let (mut sent, mut posts) = (Vec::new(), Vec::new());
    for nth in first..first + count {
        let sql = format!(
            "INSERT INTO pay_order VALUES ('B-{nth}','B-{nth}','M-0','alipay','PAID',101,100,'CNY',0)"
        );
        sent.push(send(conn, format!("B-{nth}"), &sql).await);
        tokio::time::sleep(APART).await;
        let (id, from) = (nth.to_string(), Instant::now());
        let posted = http.post(format!("{}/posts/{id}", run.url)).json(&body(&id)).send().await;
        posted.expect("the inbox answers");
        posts.extend(run.inbox.posts.of(&id).map(|at| millis(from, at)));
        tokio::time::sleep(APART / 2).await;
    }
    (sent, posts)
}

/// Medians and 99th percentiles, under `name`.
fn put(report: &mut Report, name: &str, figures: &[f64]) {
    report.put(&format!("{name}, p50"), "ms", quantile(figures.to_vec(), 0.5));
    report.put(&format!("{name}, p99"), "ms", quantile(figures.to_vec(), 0.99));
}

pub async fn alert(servers: &Servers, size: Size) -> Report {
    let mut report = Report::default();
    let rules = rule("over-booked", "pay_order", "amount", "");
    let mut run = running(servers, "bench-alert", size, &rules, Some(PLAN)).await;
    let seen = Arc::new(Arrivals::default());
    let reader = bare_reader(servers, &mut run.cell, Arc::clone(&seen)).await;
    let mut conn = connected(servers).await;
    for round in 0..=size.rounds {
        let (sent, posts) = mismatches(&mut run, &mut conn, round * size.alerts, size.alerts).await;
        let (mut alerts, mut plans, mut reads, mut commits) = (vec![], vec![], vec![], vec![]);
        for Sent { id, at, acknowledged } in &sent {
            let Some(told) = run.inbox.alerts.until(id, LIMIT).await else {
                report.wrong.push(format!("{id} is never told"));
                continue;
            };
            let Some(acted) = run.inbox.actions.until(id, LIMIT).await else {
                report
                    .wrong
                    .push(format!("no plan acts on {id}: {}", run.cell.text("plans").await));
                break;
            };
            alerts.push(millis(*at, told));
            plans.push(millis(told, acted));
            reads.extend(seen.of(id).map(|seen| millis(*at, seen)));
            commits.push(millis(*at, *acknowledged));
        }
        if round > 0 || size.rounds == 1 {
            put(&mut report, "committed to webhook", &alerts);
            put(&mut report, "webhook to the plan's first action", &plans);
            put(&mut report, "a commit", &commits);
            put(&mut report, "committed to a bare reader", &reads);
            put(&mut report, "a bare POST", &posts);
            for (q, published) in
                [(0.5, limits::ALERTMANAGER_P50_MS), (0.99, limits::ALERTMANAGER_P99_MS)]
            {
                let of = |figures: &[f64]| quantile(figures.to_vec(), q);
                let p = if q == 0.5 { "p50" } else { "p99" };
                report.put(
                    &format!("a bare reader, then Alertmanager, {p}"),
                    "ms",
                    of(&reads) + published,
                );
                report.put(&format!("Alertmanager, {p}"), "ms", published);
            }
        }
    }
    reader.abort();
    report.ratios = ratios_of_alerts();
    report.bound = bound_of_alerts(&report);
    run.cell.kill();
    report
}

fn ratios_of_alerts() -> Vec<Ratio> {
    const NAMED: &str = "Alertmanager 0.25, post to webhook";
    [
        ("committed to webhook, p50", "a bare reader, then Alertmanager, p50"),
        ("committed to webhook, p99", "a bare reader, then Alertmanager, p99"),
        ("webhook to the plan's first action, p50", "Alertmanager, p50"),
        ("webhook to the plan's first action, p99", "Alertmanager, p99"),
    ]
    .map(|(of, to)| Ratio { of, to, limit: 1.0, named: NAMED })
    .into()
}

/// What it must do anyway is read, commit and post; the rest is the daemon's.
fn bound_of_alerts(report: &Report) -> String {
    let median = |name: &str| report.median(&format!("{name}, p50"));
    let (read, commit) = (median("committed to a bare reader"), median("a commit"));
    let post = median("a bare POST");
    let rest = median("committed to webhook") - read - commit - post;
    let parts = [
        ("commit and read", read),
        ("storing it", commit),
        ("a POST", post),
        ("the rest of the daemon", rest),
    ];
    largest(&parts, "ms")
}

/// Marks in the log, as the harness writes them, dated by the wall.
fn marks(mut conn: Conn) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        for seq in 1_000_000_u64.. {
            let sql =
                format!("INSERT INTO shop.drill_mark VALUES ({seq}, 'beat', 0, {})", wall_ms());
            if conn.query_drop(sql).await.is_err() {
                return;
            }
            tokio::time::sleep(MARKS).await;
        }
    })
}

/// Orders of which every second one is booked in time: how late after the window the others were told.
async fn late(
    run: &mut Running,
    conn: &mut Conn,
    first: usize,
    count: usize,
    report: &mut Report,
) -> Vec<f64> {
    let mut sent = Vec::new();
    for nth in first..first + count {
        let order = |id: &str| {
            format!("INSERT INTO orders VALUES ('{id}-{nth}','b',100,'CNY','PENDING','alipay')")
        };
        sent.push(send(conn, format!("B-{nth}"), &order("B")).await);
        send(conn, String::new(), &order("OK")).await;
        let booked = format!(
            "INSERT INTO pay_order VALUES ('OK-{nth}','OK-{nth}','M-0','alipay','PAID',100,100,'CNY',0)"
        );
        send(conn, String::new(), &booked).await;
        tokio::time::sleep(APART / 2).await;
    }
    let mut figures = Vec::new();
    for Sent { id, at, .. } in &sent {
        match run.inbox.alerts.until(id, LIMIT).await {
            Some(told) => figures.push(millis(*at, told) - WINDOW_MS),
            None => report.wrong.push(format!("{id} is never told")),
        }
    }
    let falsely =
        (first..first + count).filter(|nth| run.inbox.alerts.of(&format!("OK-{nth}")).is_some());
    let falsely = falsely.count();
    if falsely > 0 {
        report.wrong.push(format!("{falsely} orders that were booked are told"));
    }
    figures
}

pub async fn missing(servers: &Servers, size: Size) -> Report {
    let mut report = Report::default();
    let mut run = running(servers, "bench-missing", size, MISSING, None).await;
    let mut conn = connected(servers).await;
    let mut first = 0;
    for is_marked in [false, true] {
        let marking = match is_marked {
            true => Some(marks(connected(servers).await)),
            false => None,
        };
        let name = if is_marked { "late, with marks in the log" } else { "late" };
        for round in 0..=size.rounds {
            let figures = late(&mut run, &mut conn, first, size.alerts, &mut report).await;
            first += size.alerts;
            if round > 0 || size.rounds == 1 {
                put(&mut report, name, &figures);
                if !is_marked {
                    report.put("a source is stale", "ms", limits::STALE_MS);
                }
            }
        }
        if let Some(marking) = marking {
            marking.abort();
        }
    }
    report.ratios.push(Ratio {
        of: "late, p99",
        to: "a source is stale",
        limit: 1.0,
        named: "an end unknown for 2 s is blindness",
    });
    let (late, marked) =
        (report.median("late, p50"), report.median("late, with marks in the log, p50"));
    report.bound = largest(
        &[("waiting for the log's end to be known", late - marked), ("all else", marked)],
        "ms",
    );
    run.cell.kill();
    report
}

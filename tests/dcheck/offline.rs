//! `dcheck reconcile`: what online found is known, what it missed is told once, whatever the instant of a kill.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use tempfile::TempDir;

use crate::cases::{ALL, flow, paid, paid_out};
use crate::cell::Cell;
use crate::servers::Servers;

/// The day of the cells' clocks.
const DAY: &str = "2026-01-05";
const BIDS: u64 = 1_200;
/// A killed sweep is met again within this.
const LIMIT: Duration = Duration::from_secs(20);

fn sweep(cell: &Cell, more: &[&str]) -> Command {
    let option = |name: &str| {
        let at = cell.args.iter().position(|arg| arg == name).expect("an option of the cell");
        cell.args[at + 1].clone()
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_dcheck"));
    command.args(["reconcile", "--day", DAY, "--rules", &option("--rules")]);
    command.args(["--sql", &option("--sql"), "--alerts", &option("--alerts")]);
    command.args(more).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Exit code and what it printed.
fn swept(output: &Output) -> (Option<i32>, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
}

async fn run(cell: &Cell, more: &[&str]) -> (Option<i32>, String) {
    let mut command = sweep(cell, more);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    swept(&output.expect("dcheck runs"))
}

fn says(told: &(Option<i32>, String), code: i32, part: &str) {
    assert!(told.0 == Some(code) && told.1.contains(part), "not {code}, {part}: {told:?}");
}

/// A statement of the channel; each line: kind, order, refund, txn, amount.
fn statement(dir: &TempDir, lines: &[[&str; 5]]) -> String {
    let path = dir.path().join("statement.csv");
    let mut file = std::fs::File::create(&path).unwrap();
    writeln!(file, "kind,order,refund,txn,amount,at_ms,channel,merchant,bill,payee").unwrap();
    for (nth, [kind, order, refund, txn, amount]) in lines.iter().enumerate() {
        writeln!(file, "{kind},{order},{refund},{txn},{amount},{nth},alipay,,,").unwrap();
    }
    path.display().to_string()
}

/// `dcheck explain` of the one alert, and of none.
async fn explained(cell: &Cell) {
    let option = |name: &str| {
        let at = cell.args.iter().position(|arg| arg == name).expect("an option of the cell");
        cell.args[at + 1].clone()
    };
    let explain = |print: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dcheck"));
        command.args(["explain", print, "--rules", &option("--rules"), "--sql", &option("--sql")]);
        command.args(["--log", "json"]);
        swept(&command.output().expect("dcheck runs"))
    };
    let print = cell.alerts("refund-paid-twice")[0].3.clone();
    let told = explain(&print[..8]);
    says(&told, 0, "subject refund \"R-1\", occurrence P-2");
    says(&told, 0, "where: after.kind == \"paid-out\"\n    = true");
    says(&told, 0, "under the same key, occurrence P-1:");
    let told = explain("ffffffffffffffff");
    says(&told, 2, "no alert `ffffffffffffffff` is stored");
    let line: serde_json::Value = serde_json::from_str(told.1.trim()).expect("one object");
    assert_eq!((line["level"].as_str(), line["part"].as_str()), (Some("error"), Some("daemon")));
}

pub async fn what_online_found_is_known_and_what_it_missed_is_told_once(servers: &Servers) {
    let mut cell = Cell::new(servers, "sweep", None).await;
    paid(&mut cell, "O-1", "199.00").await;
    paid_out(&cell, "O-1", "R-1", "50.00", "P-1").await;
    paid_out(&cell, "O-1", "R-1", "50.00", "P-2").await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    assert_eq!(cell.alerts("refund-paid-twice").len(), 1);

    explained(&cell).await;
    // The statement has what the topic had, and a second payout of R-2 of which no message came.
    let dir = tempfile::tempdir().unwrap();
    let lines = [
        ["collected", "O-1", "", "O-1-in", "199.00 CNY"],
        ["collected", "O-2", "", "O-2-in", "300.00 CNY"],
        ["paid-out", "O-1", "R-1", "P-1", "50.00 CNY"],
        ["paid-out", "O-1", "R-1", "P-2", "50.00 CNY"],
        ["paid-out", "O-2", "R-2", "P-3", "80.00 CNY"],
        ["paid-out", "O-2", "R-2", "P-4", "80.00 CNY"],
    ];
    let file = format!("channel.flow={}", statement(&dir, &lines));
    let given = ["--file", &file, "--column", "channel.flow.at_ms=int", "--chunk", "2"];
    let told = run(&cell, &given).await;
    says(&told, 1, "6 rows read, 0 bad lines; findings: 1 new (80.00 CNY), 1 known (50.00 CNY)");
    assert!(told.1.contains("left out forged-callback@1: it needs --table pay_order"), "{told:?}");
    let alerts = cell.alerts("refund-paid-twice");
    assert_eq!(alerts.len(), 2, "{alerts:?}");
    assert_eq!((alerts[1].0.as_str(), alerts[1].1.as_str()), ("R-2", "firing"));

    // The same sweep again is at its end; swept once more, all is known.
    says(&run(&cell, &given).await, 1, "is at its end");
    let told = run(&cell, &[&given[..], &["--again"]].concat()).await;
    says(&told, 1, "findings: 0 new (0), 2 known (130.00 CNY)");
    assert_eq!(cell.alerts("refund-paid-twice").len(), 2, "nothing is told twice");

    // Online takes note of what was swept at its next start, numbers its own rows on, and finds on.
    cell.kill();
    cell.start().await;
    let at = cell.clock.now().0;
    for txn in ["P-3", "P-4"] {
        cell.send("channel.flow", &flow("paid-out", "O-2", "R-2", "80.00", txn, at)).await;
    }
    for txn in ["P-5", "P-6"] {
        cell.send("channel.flow", &flow("paid-out", "O-1", "R-3", "1.00", txn, at)).await;
    }
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    let alerts = cell.alerts("refund-paid-twice");
    let subjects: Vec<&str> = alerts.iter().map(|alert| alert.0.as_str()).collect();
    assert_eq!(subjects, ["R-1", "R-2", "R-3"], "{alerts:?}");

    // A file that changes in the middle, another set of rules, a day that is not over: refused.
    let told = run(&cell, &[&given[..], &["--rule", "refund-paid-twice"]].concat()).await;
    says(&told, 2, "began with other rules, tables or files");
    says(&run(&cell, &[&given[..], &["--day", "9999-01-05"]].concat()).await, 2, "cannot be used");
}

fn progress(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

pub async fn a_sweep_that_is_killed_goes_on_and_tells_each_finding_once(servers: &Servers) {
    let mut cell = Cell::new(servers, "resume", None).await;
    // Online sees none of it: that is what a sweep is for.
    cell.kill();
    cell.sql.query_drop("INSERT INTO shop.sku_floor VALUES ('SKU', 100, 'CNY')").await.unwrap();
    for base in (0..BIDS).step_by(200) {
        let rows = (base..base + 200).map(|nth| {
            let price = if nth % 100 == 7 { "60.00" } else { "100.00" };
            format!("('B-{nth:05}','s','SKU',{price},'CNY',1,'ACTIVE',NULL,1,1)")
        });
        let rows = rows.collect::<Vec<_>>().join(",");
        cell.sql.query_drop(format!("INSERT INTO shop.bid VALUES {rows}")).await.unwrap();
    }
    let given = ["--table", "bid", "--rule", "bid-below-floor", "--chunk", "50", "--run", "floors"];
    let slow = [&given[..], &["--rows-per-second", "200"]].concat();
    let mut seen = 0_u64;
    for _ in 0..2 {
        let mut child = sweep(&cell, &slow).spawn().expect("dcheck starts");
        let from = Instant::now();
        let before = seen;
        while seen <= before + 100 {
            assert!(from.elapsed() < LIMIT, "no progress: {seen}");
            tokio::time::sleep(Duration::from_millis(20)).await;
            let sql = "SELECT JSON_EXTRACT(body, '$.summary.read.bid.rows') FROM dcheck.sweep";
            let rows: Result<Option<Option<u64>>, _> = cell.sql.query_first(sql).await;
            seen = rows.ok().flatten().flatten().unwrap_or(seen);
        }
        progress(&mut child);
    }
    assert!(seen < BIDS, "killed in the middle");
    assert!(cell.alerts("bid-below-floor").is_empty(), "what is found is told at the end");
    let told = run(&cell, &given).await;
    says(&told, 1, "goes on where it was broken off");
    says(&told, 1, "rule bid-below-floor@1: 1200 taken: 1188 matched, 12 mismatched, 0 unknown");
    says(&told, 1, "1200 rows read, 0 bad lines; findings: 12 new");
    let mut subjects: Vec<String> =
        cell.heard.alerts.lock().unwrap().iter().map(|a| a.labels["occurrence"].clone()).collect();
    subjects.sort();
    let expected: Vec<String> = (0..12).map(|nth| format!("B-{:05}", nth * 100 + 7)).collect();
    assert_eq!(subjects, expected, "each once, none lost");
    let matched: Option<u64> = cell
        .sql
        .query_first("SELECT matched FROM dcheck.matched_count WHERE segment LIKE 'sweep floors%'")
        .await
        .unwrap();
    assert_eq!(matched, Some(1188), "a chunk that is read again is counted once");
    // A healthy table balances, and what is swept again is counted again, not on top.
    cell.sql.query_drop("UPDATE shop.bid SET price = 100").await.unwrap();
    for _ in 0..2 {
        says(
            &run(&cell, &[&given[..], &["--again"]].concat()).await,
            0,
            "findings: 0 new (0), 0 known (0)",
        );
        let sql = "SELECT matched FROM dcheck.matched_count WHERE segment LIKE 'sweep floors%'";
        assert_eq!(cell.sql.query_first(sql).await.unwrap(), Some(1_200));
    }
    a_lock_that_is_lost_stops_the_sweep(&mut cell, &given).await;
}

/// As a failover of the results database loses it.
async fn a_lock_that_is_lost_stops_the_sweep(cell: &mut Cell, given: &[&str]) {
    let slow = [given, &["--again", "--rows-per-second", "200"]].concat();
    let child = sweep(cell, &slow).spawn().expect("dcheck starts");
    let from = Instant::now();
    loop {
        assert!(from.elapsed() < LIMIT, "nobody holds the lock");
        let held = "SELECT IS_USED_LOCK('dcheck.reconcile')";
        let held: Option<Option<u64>> = cell.sql.query_first(held).await.unwrap();
        let read = "SELECT JSON_EXTRACT(body, '$.summary.read.bid.rows') FROM dcheck.sweep";
        let read: Option<Option<u64>> = cell.sql.query_first(read).await.unwrap();
        if let (Some(Some(id)), Some(Some(50..=1_000))) = (held, read) {
            cell.sql.query_drop(format!("KILL {id}")).await.unwrap();
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap();
    says(&swept(&output.unwrap()), 2, "the lock that lets one sweep run at a time is lost");
    says(&run(cell, given).await, 0, "goes on where it was broken off");
}

/// One rule of our own over bids.
fn own_rules(cell: &mut Cell, dir: &TempDir, rollout: &str) {
    let text = format!(
        "- id: cheap\n  version: 1\n  loss_point: bid-below-floor\n  severity: P2\n  \
         rollout: {rollout}\n  strategy: threshold\n  subject: {{kind: bid, id: after.bid_id}}\n  \
         occurrence: after.bid_id\n  on: {{table: bid, ops: [insert]}}\n  \
         check: after.price >= 100\n  rate: 1 per 1 s\n  when_absent: finding\n  \
         expected: \"100\"\n  actual: \"{{after.price}}\"\n"
    );
    std::fs::write(dir.path().join("own.yaml"), text).unwrap();
    let place = cell.args.iter().position(|arg| arg == "--rules").unwrap();
    cell.args[place + 1] = dir.path().display().to_string();
}

pub async fn a_rule_on_trial_is_swept_and_told_when_it_is_in_force(servers: &Servers) {
    let (mut cell, dir) = (Cell::new(servers, "trial", None).await, tempfile::tempdir().unwrap());
    cell.kill();
    for nth in 0..5 {
        let price = if nth < 3 { 60 } else { 100 };
        let bid = format!("('B-{nth}','s','SKU',{price},'CNY',1,'ACTIVE',NULL,1,1)");
        cell.sql.query_drop(format!("INSERT INTO shop.bid VALUES {bid}")).await.unwrap();
    }
    let given = ["--table", "bid", "--again"];
    own_rules(&mut cell, &dir, "shadow");
    let told = run(&cell, &given).await;
    says(&told, 0, "rule cheap@1 (shadow): 5 taken: 2 matched, 3 mismatched");
    says(&told, 0, "findings: 0 new (0), 0 known (0), 3 in shadow");
    let stored = "SELECT COUNT(*) FROM dcheck.result WHERE rule = 'cheap' AND alerting = 0";
    assert_eq!(cell.sql.query_first(stored).await.unwrap(), Some(3), "stored, and not raised");
    assert!(cell.alerts("cheap").is_empty());
    own_rules(&mut cell, &dir, "off");
    says(&run(&cell, &given).await, 2, "cheap@1: its rollout is off");
    // What was only stored is news when the rule speaks; what stands is not.
    own_rules(&mut cell, &dir, "full");
    says(&run(&cell, &given).await, 1, "findings: 3 new (0), 0 known");
    says(&run(&cell, &given).await, 1, "findings: 0 new (0), 3 known");
    assert_eq!(cell.alerts("cheap").len(), 3);
    // One ended, as online says it, and is there again.
    let ended = "INSERT INTO dcheck.result SELECT 900001, rule, version, loss_point, subject_kind, subject, occurrence, \
         '', 'matched', severity, 1, 1, expected, actual, at_risk, position, at_ms + 1000 \
         FROM dcheck.result WHERE subject = 'B-1' AND alerting = 1";
    cell.sql.query_drop(ended).await.unwrap();
    says(&run(&cell, &given).await, 1, "findings: 1 new (0), 2 known");
    // Broken off before it told; another run finds more meanwhile: each tells its own, once.
    let back = "UPDATE dcheck.sweep SET body = JSON_SET(body, '$.stage', 'closed')";
    cell.sql.query_drop(back).await.unwrap();
    let dear = "INSERT INTO shop.bid VALUES ('B-9','s','SKU',1,'CNY',1,'ACTIVE',NULL,1,1)";
    cell.sql.query_drop(dear).await.unwrap();
    let other = ["--table", "bid", "--run", "other"];
    says(&run(&cell, &other).await, 1, "findings: 1 new (0), 3 known");
    says(&run(&cell, &given[..2]).await, 1, "findings: 1 new (0), 2 known");
    says(&run(&cell, &given).await, 1, "findings: 0 new (0), 4 known");
    let subjects: Vec<String> = cell.alerts("cheap").into_iter().map(|alert| alert.0).collect();
    assert_eq!(subjects, ["B-0", "B-1", "B-2", "B-1", "B-9"]);
    // Killed before it told, and swept once more: what it found is known by then, and told all the same, once.
    let untold = "DELETE FROM dcheck.outbox WHERE body LIKE '%B-9%'";
    cell.sql.query_drop(untold).await.unwrap();
    cell.sql.query_drop(format!("{back} WHERE run = 'other'")).await.unwrap();
    for _ in 0..2 {
        let told = run(&cell, &[&other[..], &["--again"]].concat()).await;
        says(&told, 1, "findings: 0 new (0), 4 known");
    }
    let told = cell.alerts("cheap").into_iter().filter(|alert| alert.0 == "B-9");
    assert_eq!(told.count(), 2, "once before, once more");
}

pub async fn a_bad_line_makes_no_finding_of_what_is_missing(servers: &Servers) {
    let mut cell = Cell::new(servers, "badline", None).await;
    cell.kill();
    for statement in [
        "CREATE TABLE shop.pay_order (pay_id BIGINT PRIMARY KEY, order_id VARCHAR(64), channel VARCHAR(16), \
         channel_txn VARCHAR(64), amount DECIMAL(18,2), currency CHAR(3), status VARCHAR(16), at_ms BIGINT)",
        "INSERT INTO shop.pay_order VALUES (1, 'O-1', 'alipay', 'T-1', 10, 'CNY', 'SUCCESS', 1), \
         (2, 'O-2', 'alipay', 'T-2', 20.55, 'CNY', 'SUCCESS', 2)",
    ] {
        cell.sql.query_drop(statement).await.unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let good = [["collected", "O-1", "", "T-1", "10.00 CNY"]];
    let bad = [
        ["collected", "O-1", "", "T-1", "10.00 CNY"],
        ["collected", "O-2", "", "T-2", "\"20.55 CNY"],
    ];
    let missing = format!("channel.flow={}", statement(&dir, &good));
    let given = ["--table", "pay_order", "--rule", "forged-callback", "--file"];
    let told = run(&cell, &[&given[..], &[&missing, "--run", "missing"]].concat()).await;
    says(&told, 1, "findings: 1 new (20.55 CNY), 0 known");
    assert_eq!(cell.alerts("forged-callback").len(), 1);
    let spoilt = format!("channel.flow={}", statement(&dir, &bad));
    let told = run(&cell, &[&given[..], &[&spoilt, "--run", "bad-line"]].concat()).await;
    says(&told, 1, "statement.csv:3: field 5: a quote is not closed");
    says(&told, 1, "1 matched, 0 mismatched, 1 unknown");
    says(&told, 1, "1 bad lines; findings: 0 new (0), 0 known (0)");
    assert_eq!(cell.alerts("forged-callback").len(), 1);
    a_column_that_is_missing_is_no_absence(&cell, &dir, &given).await;
}

async fn a_column_that_is_missing_is_no_absence(cell: &Cell, dir: &TempDir, given: &[&str]) {
    let path = dir.path().join("statement.csv").display().to_string();
    let file = format!("channel.flow={path}");
    for (text, code, part) in [
        (
            "kind,order,trx,amount\ncollected,O-1,T-1,10\n",
            2,
            "no column `txn`, which forged-callback@1",
        ),
        (
            "kind,order,txn,amount\ncollected,O-1,T-1,10\n",
            1,
            "findings: 0 new (0), 1 known (20.55 CNY)",
        ),
        (
            "kind,order,txn,amount,at\ncollected,O-1,T-1,10,20260105120000\n\
             collected,O-2,T-2,20.55,2026-01-05 12:00:00\n",
            1,
            "statement.csv:2: column `at`: `20260105120000` is no time",
        ),
        (
            "kind,order,txn,amount,at\ncollected,O-1,T-1,10,2026-01-05 12:00:00\n\
             collected,O-2,T-2,20.55,2026-01-06 00:00:01\n",
            1,
            "not judged: 1 lines of files that are of a later day, and 0 rows and lines",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let dated = if text.contains(",at\n") { &["--time", "channel.flow=at"][..] } else { &[] };
        let told =
            run(cell, &[given, &[&file, "--run", "columns", "--again"], dated].concat()).await;
        says(&told, code, part);
        if !dated.is_empty() {
            says(&told, code, "findings: 0 new (0), 0 known (0)");
        }
    }
    assert_eq!(cell.alerts("forged-callback").len(), 1);
}

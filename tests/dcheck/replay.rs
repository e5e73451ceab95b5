//! `dcheck run --record` and `dcheck replay`: what is judged again is what was stored, byte for byte.

use std::process::{Command, Output};

use mysql_async::prelude::Queryable;

use crate::cases::{ALL, paid, paid_out};
use crate::cell::Cell;
use crate::servers::Servers;

fn replay(file: &str) -> Output {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/rules");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dcheck"));
    command.args(["replay", file, "--rules", rules]).output().expect("dcheck runs")
}

/// A verdict as the daemon stored it, and as a replay prints it.
fn stored(row: mysql_async::Row) -> Vec<String> {
    let names =
        ["rule", "subject", "occurrence", "revision", "judgement", "expected", "actual", "at_ms"];
    names.iter().map(|name| row.get::<String, _>(*name).unwrap_or_default()).collect()
}

fn printed(line: &str) -> Vec<String> {
    let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
    let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let at = lossdrill::clock::parse_rfc3339(&text("at")).expect("an instant");
    let subject = line["subject"]["id"].as_str().unwrap_or_default().to_owned();
    let mut fields = vec![text("rule"), subject];
    fields.extend(["occurrence", "revision", "judgement", "expected", "actual"].map(text));
    fields.push(at.to_string());
    fields
}

pub async fn a_recording_is_judged_again_byte_for_byte(servers: &Servers) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("recording").display().to_string();
    let mut cell = Cell::new(servers, "replay", None).await;
    paid(&mut cell, "O-0", "10.00").await;
    paid_out(&cell, "O-0", "R-0", "1.00", "P-0").await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    // From here on it is recorded: with what was stored before.
    cell.stop();
    let last: Option<u64> =
        cell.sql.query_first("SELECT MAX(seq) FROM dcheck.result").await.unwrap();
    cell.args.extend(["--record".to_owned(), file.clone()]);
    cell.start().await;
    for order in ["O-1", "O-2"] {
        paid(&mut cell, order, "199.00").await;
    }
    for (order, refund, payout) in
        [("O-1", "R-1", "P-1"), ("O-1", "R-1", "P-2"), ("O-0", "R-0", "P-3")]
    {
        paid_out(&cell, order, refund, "1.00", payout).await;
    }
    let floor = "INSERT INTO shop.sku_floor VALUES ('SKU', 100, 'CNY')";
    cell.sql.query_drop(floor).await.unwrap();
    let at = cell.clock.now().0;
    let bid = "INSERT INTO shop.bid VALUES ('B-1','s','SKU',60,'CNY',1,'ACTIVE',NULL,?,?)";
    cell.sql.exec_drop(bid, (at, at)).await.unwrap();
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    cell.advance(60_000).await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    assert_eq!(cell.alerts("bid-below-floor").len(), 1, "a lookup's answer is part of it");
    cell.stop();

    let first = replay(&file);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    assert_eq!(replay(&file).stdout, first.stdout, "the same bytes");
    let sql = "SELECT rule, subject, occurrence, revision, judgement, expected, actual, CAST(at_ms AS CHAR) AS at_ms \
               FROM dcheck.result WHERE seq > ? ORDER BY seq";
    let rows: Vec<mysql_async::Row> = cell.sql.exec(sql, (last.unwrap_or(0),)).await.unwrap();
    let rows: Vec<Vec<String>> = rows.into_iter().map(stored).collect();
    let text = String::from_utf8(first.stdout).unwrap();
    let lines: Vec<Vec<String>> = text.lines().map(printed).collect();
    assert!(rows.len() > 10, "{rows:?}");
    assert_eq!(lines, rows);
    let recording = std::fs::read_to_string(&file).unwrap();
    assert!(
        !recording.contains("mysql://") && !recording.contains("http://"),
        "no address of anybody"
    );
    // One digit of one amount.
    std::fs::write(&file, recording.replacen("199.00", "199.01", 1)).unwrap();
    let spoilt = replay(&file);
    assert_eq!(spoilt.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&spoilt.stderr).contains("it does not follow"));
}

//! The change log when it is not as it should be: settings, DDL, a purge.

use std::time::Duration;

use lossdrill::wire::Health;
use mysql_async::prelude::Queryable;

use crate::cases::ALL;
use crate::cell::Cell;
use crate::servers::Servers;

/// What a rule's alerts say.
fn said(cell: &Cell, rule: &str) -> Vec<(String, String)> {
    let alerts = cell.heard.alerts.lock().unwrap();
    let of_rule = alerts.iter().filter(|alert| alert.labels["alertname"] == rule);
    of_rule.map(|a| (a.labels["subject"].clone(), a.annotations["actual"].clone())).collect()
}

/// Until the health gives such a reason.
async fn until_health_says(cell: &Cell, part: &str) -> String {
    for _ in 0..2_000 {
        // Nothing at all while it starts.
        let health: Health = serde_json::from_str(&cell.text("healthz").await).unwrap_or_default();
        if let Some(reason) = health.reasons.iter().find(|reason| reason.contains(part)) {
            return reason.clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never said: {part}: {}", cell.text("healthz").await);
}

pub async fn a_rule_broken_by_ddl_is_told_and_the_others_go_on(servers: &Servers) {
    let mut cell = Cell::new(servers, "ddl", None).await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    // Nobody's column.
    cell.sql.query_drop("ALTER TABLE shop.bid ADD COLUMN note TEXT FIRST").await.unwrap();
    cell.sql.query_drop("ALTER TABLE shop.bid DROP COLUMN note").await.unwrap();
    cell.sql.query_drop("ALTER TABLE shop.bid DROP COLUMN clearance_ticket").await.unwrap();
    cell.sql.query_drop("ALTER TABLE shop.orders DROP COLUMN status").await.unwrap();
    cell.until("the alert", |heard| {
        let alerts = heard.alerts.lock().unwrap();
        alerts.iter().any(|alert| alert.labels["subject"] == "paid-order-unpaid")
    })
    .await;
    let told = said(&cell, "rule-broken-by-ddl");
    let (_, why) = told.iter().find(|(rule, _)| rule == "paid-order-unpaid").unwrap();
    assert!(why.contains("column `orders.status` is gone, it was varchar"), "{why}");
    assert!(why.ends_with("by: ALTER TABLE shop.orders DROP COLUMN status"), "{why}");
    // A rule that does not name it goes on.
    crate::cases::paid_out(&cell, "O-9", "R-9", "1.00", "P-1").await;
    crate::cases::paid_out(&cell, "O-9", "R-9", "1.00", "P-2").await;
    cell.until("a finding", |heard| {
        let alerts = heard.alerts.lock().unwrap();
        alerts.iter().any(|alert| alert.labels["alertname"] == "refund-paid-twice")
    })
    .await;
    assert!(!told.iter().any(|(rule, _)| rule == "refund-paid-twice"), "{told:?}");
}

pub async fn a_server_without_full_rows_is_refused_with_all_that_is_wrong(servers: &Servers) {
    let mut cell = Cell::new(servers, "settings", None).await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    cell.kill();
    for set in ["binlog_row_image = MINIMAL", "binlog_row_metadata = MINIMAL"] {
        cell.sql.query_drop(format!("SET GLOBAL {set}")).await.unwrap();
    }
    cell.spawn();
    let told = until_health_says(&cell, "cannot give full rows").await;
    assert!(told.contains("--binlog-row-image=FULL"), "{told}");
    assert!(told.contains("--binlog-row-metadata=FULL"), "all at once: {told}");
    for set in ["binlog_row_image = FULL", "binlog_row_metadata = FULL"] {
        cell.sql.query_drop(format!("SET GLOBAL {set}")).await.unwrap();
    }
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
}

/// The last of all cases: the server's log is gone after it.
pub async fn a_purged_log_is_told_by_its_transactions_and_never_skipped(servers: &Servers) {
    let mut cell = Cell::new(servers, "purged", None).await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    cell.kill();
    crate::cases::paid(&mut cell, "O-1", "10.00").await;
    cell.sql.query_drop("FLUSH BINARY LOGS").await.unwrap();
    let log = "SHOW BINARY LOG STATUS";
    let status: mysql_async::Row = cell.sql.query_first(log).await.unwrap().expect("a log");
    let file: String = status.get(0).unwrap();
    cell.sql.query_drop(format!("PURGE BINARY LOGS TO '{file}'")).await.unwrap();
    cell.spawn();
    let told = until_health_says(&cell, "purged before it was read").await;
    assert!(told.contains(&format!("the oldest that is left is `{file}`")), "{told}");
    assert!(told.contains("transactions never read"), "{told}");
    let watermark: lossdrill::wire::Watermark = cell.get("watermark").await;
    assert_eq!(watermark.read["binlog"], seq, "nothing behind the gap is read");
    cell.advance(31_000).await;
    cell.until("the blind alert", |heard| !heard.alerts.lock().unwrap().is_empty()).await;
    let blind = said(&cell, "change-capture-stalled");
    assert!(blind[0].1.contains("purged before it was read"), "{blind:?}");
}

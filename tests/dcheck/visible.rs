//! A server tells a transaction in its log before others can see it. Semi-synchronous replication makes that moment long:
//! with no replica to answer, a commit waits for it between its log and its visibility.

use lossdrill::wire::{Judged, Judgement};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::cell::Cell;
use crate::servers::Servers;

/// Far longer than a look-up takes.
const HIDDEN_MS: u64 = 1_500;

/// The next commit is in the log for [`HIDDEN_MS`] before it can be seen; then commits are as ever.
async fn hide_next(sql: &mut Conn) {
    for statement in [
        "SET GLOBAL rpl_semi_sync_source_enabled = OFF".to_owned(),
        "SET GLOBAL rpl_semi_sync_source_wait_no_replica = ON".to_owned(),
        format!("SET GLOBAL rpl_semi_sync_source_timeout = {HIDDEN_MS}"),
        "SET GLOBAL rpl_semi_sync_source_enabled = ON".to_owned(),
    ] {
        sql.query_drop(statement).await.unwrap();
    }
}

/// One transaction: a floor, and a bid on the same item.
async fn floor_and_bid(cell: &mut Cell, sku: &str, floor: &str, bid: &str) {
    let now = cell.clock.now().0;
    hide_next(&mut cell.sql).await;
    let set = "REPLACE INTO shop.sku_floor VALUES (?, ?, 'CNY')";
    let offer = "INSERT INTO shop.bid VALUES (?, 's', ?, 1000, 'CNY', 1, 'ACTIVE', NULL, ?, ?)";
    cell.sql.query_drop("BEGIN").await.unwrap();
    cell.sql.exec_drop(set, (sku, floor)).await.unwrap();
    cell.sql.exec_drop(offer, (bid, sku, now, now)).await.unwrap();
    cell.sql.query_drop("COMMIT").await.unwrap();
}

pub async fn a_lookup_sees_what_the_log_has_told(servers: &Servers) {
    let mut cell = Cell::new(servers, "visible", None).await;
    let install = "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'";
    cell.sql.query_drop(install).await.unwrap();
    let floors = "INSERT INTO shop.sku_floor VALUES ('UP', 1, 'CNY'), ('DOWN', 5000, 'CNY')";
    cell.sql.query_drop(floors).await.unwrap();

    floor_and_bid(&mut cell, "UP", "5000", "B-UP").await;
    cell.until("the alert", |heard| !heard.alerts.lock().unwrap().is_empty()).await;
    floor_and_bid(&mut cell, "DOWN", "1", "B-DOWN").await;
    let seq = cell.mark().await;
    cell.rest(seq, &crate::cases::ALL).await;
    let judged: Vec<Judged> = cell.get("judged?after=0").await;
    let of = |bid: &str| {
        let of_bid = judged.iter().filter(|j| j.rule == "bid-below-floor" && j.occurrence == bid);
        of_bid.map(|j| j.judgement).collect::<Vec<_>>()
    };
    assert_eq!(of("B-UP"), [Judgement::Mismatched], "the old floor was no answer");
    assert_eq!(of("B-DOWN"), [Judgement::Matched], "the old floor was no answer");
    assert_eq!(cell.alerts("bid-below-floor").len(), 1);

    cell.sql.query_drop("SET GLOBAL rpl_semi_sync_source_enabled = OFF").await.unwrap();
    cell.sql.query_drop("UNINSTALL PLUGIN rpl_semi_sync_source").await.unwrap();
}

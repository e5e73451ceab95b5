//! The cases, one after another.

use std::time::{Duration, Instant};

use lossdrill::wire::{Health, Judged, Judgement, PlanState, Watermark};
use mysql_async::prelude::Queryable;

use crate::cell::{Cell, Heard};
use crate::link::Link;
use crate::servers::Servers;

pub const ALL: [&str; 4] = ["binlog", "orders.events/0", "refund.events/0", "channel.flow/0"];

pub fn flow(kind: &str, order: &str, refund: &str, amount: &str, txn: &str, at_ms: i64) -> String {
    serde_json::json!({
        "seq": 1, "kind": kind, "order": order, "refund": refund, "channel": "alipay",
        "amount": format!("{amount} CNY"), "txn": txn, "at_ms": at_ms,
    })
    .to_string()
}

/// A collected payment, booked as paid.
pub async fn paid(cell: &mut Cell, order: &str, amount: &str) {
    let at = cell.clock.now().0;
    let txn = format!("{order}-in");
    cell.send("channel.flow", &flow("collected", order, "", amount, &txn, at)).await;
    let row = (order, amount);
    cell.sql
        .exec_drop("INSERT INTO shop.orders VALUES (?, 'b', ?, 'CNY', 'PENDING', 'alipay')", row)
        .await
        .unwrap();
    cell.sql
        .exec_drop("UPDATE shop.orders SET status = 'PAID' WHERE order_id = ?", (order,))
        .await
        .unwrap();
}

pub async fn paid_out(cell: &Cell, order: &str, refund: &str, amount: &str, txn: &str) {
    let at = cell.clock.now().0;
    cell.send("channel.flow", &flow("paid-out", order, refund, amount, txn, at)).await;
}

pub async fn marks_move_the_watermark_of_idle_sources(servers: &Servers) {
    let mut cell = Cell::new(servers, "marks", None).await;
    for _ in 0..3 {
        let seq = cell.mark().await;
        let watermark = cell.rest(seq, &ALL).await;
        assert_eq!(watermark.settled, seq, "{watermark:?}");
        assert_eq!(watermark.checkpoint, seq, "{watermark:?}");
    }
    // Rows of other schemas move nothing but the position, and never end.
    let seq = cell.mark().await;
    let quiet = cell.rest(seq, &ALL).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let later: Watermark = cell.rest(seq, &ALL).await;
    assert_eq!(quiet.clock.activity, later.clock.activity, "idle means idle");
    // A new log file holds only its head; its end is reached all the same.
    cell.sql.query_drop("FLUSH BINARY LOGS").await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_800)).await;
    let health: Health = cell.get("healthz").await;
    assert_eq!(health.reasons, Vec::<String>::new());
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
}

pub async fn rows_in_alert_and_plan_out(servers: &Servers) {
    let mut cell = Cell::new(servers, "alerts", None).await;
    paid(&mut cell, "O-1", "199.00").await;
    paid_out(&cell, "O-1", "R-1", "100.00", "P-1").await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    assert!(cell.heard.alerts.lock().unwrap().is_empty(), "an honest refund is silent");
    paid_out(&cell, "O-1", "R-1", "100.00", "P-2").await;
    cell.until("the alert", |heard| heard.alerts.lock().unwrap().len() == 2).await;
    let alerts = cell.heard.alerts.lock().unwrap().clone();
    let twice = alerts.iter().find(|a| a.labels["alertname"] == "refund-paid-twice").unwrap();
    assert_eq!(twice.labels["subject"], "R-1");
    assert_eq!(twice.labels["occurrence"], "P-2");
    assert_eq!(twice.annotations["at_risk"], "100.00 CNY");
    let above = alerts.iter().find(|a| a.labels["alertname"] == "refund-exceeds-payment").unwrap();
    assert_eq!(above.annotations["at_risk"], "1.00 CNY");
    cell.until("the plan", |heard| {
        let plans = heard.plans.lock().unwrap();
        plans.iter().any(|run| run.state == PlanState::Effective && run.note.is_empty())
    })
    .await;
    let plans = cell.heard.plans.lock().unwrap().clone();
    let mut runs: Vec<&str> = plans.iter().map(|run| run.run_id.as_str()).collect();
    runs.dedup();
    assert_eq!(runs.len(), 1, "two alerts on one channel are one run");
    let seq = cell.mark().await;
    let watermark = cell.rest(seq, &ALL).await;
    assert!(watermark.clock.next_due.is_some(), "the TTL is known: {watermark:?}");
    assert_eq!(cell.heard.keys.lock().unwrap().len(), 1, "the breaker was set once");
    cell.advance(601_000).await;
    cell.until("the end of the TTL", |heard| {
        heard.plans.lock().unwrap().iter().any(|run| run.state == PlanState::Reverted)
    })
    .await;
    let place = ("refund".to_owned(), "alipay".to_owned());
    assert!(!cell.heard.breakers.lock().unwrap()[&place]);
}

pub async fn a_bid_below_the_market_is_off_sale_until_it_is_mended(servers: &Servers) {
    let mut cell = Cell::new(servers, "bids", None).await;
    let now = cell.clock.now().0;
    for ago_ms in 1..=5 {
        cell.sql
            .exec_drop(
                "INSERT INTO shop.sku_deal (sku, price, currency, at_ms) VALUES ('S', 1999, 'CNY', ?)",
                (now - ago_ms * 60_000,),
            )
            .await
            .unwrap();
    }
    for (bid, price) in [("B-1", "1899.00"), ("B-2", "199.90")] {
        cell.sql
            .exec_drop(
                "INSERT INTO shop.bid VALUES (?, 's', 'S', ?, 'CNY', 1, 'ACTIVE', NULL, ?, ?)",
                (bid, price, now, now),
            )
            .await
            .unwrap();
    }
    let state = |wanted: PlanState, note: &'static str| {
        move |heard: &Heard| {
            let plans = heard.plans.lock().unwrap();
            plans.iter().any(|run| run.state == wanted && run.note.contains(note))
        }
    };
    cell.until("the plan", state(PlanState::Effective, "")).await;
    let alerts = cell.alerts("bid-below-market");
    assert_eq!((alerts.len(), alerts[0].0.as_str()), (1, "S"), "the honest bid is silent");
    let place = ("sale".to_owned(), "S".to_owned());
    assert!(cell.heard.breakers.lock().unwrap()[&place]);
    cell.advance(601_000).await;
    cell.until("the extension", state(PlanState::Effective, "still holds")).await;
    assert!(cell.heard.breakers.lock().unwrap()[&place]);
    let mended = "UPDATE shop.bid SET price = 1999, updated_at_ms = ? WHERE bid_id = 'B-2'";
    cell.sql.exec_drop(mended, (cell.clock.now().0,)).await.unwrap();
    cell.until("the end of the alert", |heard| heard.alerts.lock().unwrap().len() == 2).await;
    assert_eq!(cell.alerts("bid-below-market")[1].1, "resolved");
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    cell.advance(601_000).await;
    cell.until("the revert", state(PlanState::Reverted, "")).await;
    assert!(!cell.heard.breakers.lock().unwrap()[&place]);
    let judged: Vec<Judged> = cell.get("judged?after=0").await;
    let honest = judged.iter().find(|judged| judged.occurrence == "B-1").unwrap();
    assert_eq!(honest.judgement, Judgement::Matched);
    assert!(judged.is_sorted_by_key(|judged| judged.seq));
}

/// A finding of another rule of the same plan: the plan asks whether that one still holds, too.
pub async fn a_bid_below_its_floor_stays_off_sale_until_it_is_mended(servers: &Servers) {
    let mut cell = Cell::new(servers, "floor", None).await;
    cell.sql.query_drop("INSERT INTO shop.sku_floor VALUES ('F', 1500, 'CNY')").await.unwrap();
    let now = cell.clock.now().0;
    let bid =
        "INSERT INTO shop.bid VALUES ('B-3', 's', 'F', 1499.99, 'CNY', 1, 'ACTIVE', NULL, ?, ?)";
    cell.sql.exec_drop(bid, (now, now)).await.unwrap();
    let state = |wanted: PlanState, note: &'static str| {
        move |heard: &Heard| {
            let plans = heard.plans.lock().unwrap();
            plans.iter().any(|run| run.state == wanted && run.note.contains(note))
        }
    };
    cell.until("the plan", state(PlanState::Effective, "")).await;
    assert_eq!(cell.alerts("bid-below-floor").len(), 1);
    cell.advance(601_000).await;
    cell.until("the extension", state(PlanState::Effective, "still holds")).await;
    let mended = "UPDATE shop.bid SET price = 1500, updated_at_ms = ? WHERE bid_id = 'B-3'";
    cell.sql.exec_drop(mended, (cell.clock.now().0,)).await.unwrap();
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    cell.advance(601_000).await;
    cell.until("the revert", state(PlanState::Reverted, "")).await;
    let place = ("sale".to_owned(), "F".to_owned());
    assert!(!cell.heard.breakers.lock().unwrap()[&place]);
}

pub async fn a_kill_alerts_nothing_twice_and_loses_nothing(servers: &Servers) {
    let mut cell = Cell::new(servers, "kill", None).await;
    for round in 0..4 {
        let order = format!("O-{round}");
        paid(&mut cell, &order, "10.00").await;
        paid_out(&cell, &order, &format!("R-{round}"), "10.00", &format!("A-{round}")).await;
        paid_out(&cell, &order, &format!("R-{round}"), "10.00", &format!("B-{round}")).await;
        // At another instant of the work each time.
        tokio::time::sleep(Duration::from_millis(7 * round)).await;
        cell.kill();
        let late = format!("L-{round}");
        paid_out(&cell, &order, &format!("R-{round}"), "10.00", &late).await;
        cell.start().await;
    }
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    let mut alerts = cell.alerts("refund-paid-twice");
    alerts.sort();
    alerts.dedup();
    assert_eq!(alerts.len(), 8, "two extra payouts a round, each with one start: {alerts:#?}");
    let mut prints: Vec<&String> = alerts.iter().map(|(_, _, _, print)| print).collect();
    prints.sort();
    prints.dedup();
    assert_eq!(prints.len(), 8);
}

pub async fn a_stalled_log_is_a_blind_alert(servers: &Servers) {
    let link = Link::to(&servers.mysql().endpoint.to_string()).await;
    let mut cell = Cell::new(servers, "stall", Some(&link.address)).await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    link.stall(true);
    let seq = cell.mark().await;
    // Overdue after 2 s real: then the staleness is an instant that one can advance to.
    let from = Instant::now();
    let watermark = loop {
        let watermark = cell.rest(seq, &ALL[1..]).await;
        if watermark.clock.next_due.is_some() {
            break watermark;
        }
        assert!(from.elapsed() < Duration::from_secs(10), "never overdue: {watermark:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(watermark.read["binlog"] < seq);
    assert!(cell.alerts("change-capture-stalled").is_empty(), "not before its deadline");
    cell.advance(31_000).await;
    cell.until("the blind alert", |heard| !heard.alerts.lock().unwrap().is_empty()).await;
    let alerts = cell.alerts("change-capture-stalled");
    assert_eq!((alerts.len(), alerts[0].0.as_str(), alerts[0].1.as_str()), (1, "binlog", "firing"));
    link.stall(false);
    cell.until("its end", |heard| heard.alerts.lock().unwrap().len() == 2).await;
    let ended = cell.alerts("change-capture-stalled");
    assert_eq!(ended[1].1, "resolved");
    assert_eq!((&ended[1].2, &ended[1].3), (&alerts[0].2, &alerts[0].3));
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
}

pub async fn a_stop_is_clean_and_quick(servers: &Servers) {
    let mut cell = Cell::new(servers, "stop", None).await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    let (code, took) = cell.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(2), "{took:?}");
}

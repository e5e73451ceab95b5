//! Refunds, deliveries of their approval, the refund breaker, and the truth about rest.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};

use super::rig::Cell;

fn refund(refund: &str, order: &str, amount: &str, hold: bool) -> Value {
    json!({"refund": refund, "order": order, "channel": "alipay", "amount": amount,
        "request_no": format!("q-{refund}"), "hold": hold})
}

async fn deliver(cell: &Cell, refund: &str) -> i64 {
    let (_, message) = cell.get(&format!("/refunds/{refund}/message")).await;
    let topic = message["topic"].as_str().unwrap();
    cell.produce(topic, message["key"].as_str().unwrap(), &message["payload"].to_string(), false)
        .await
}

async fn payouts(cell: &Cell, refund: &str) -> (String, usize) {
    let (_, view) = cell.get(&format!("/refunds/{refund}")).await;
    (view["status"].as_str().unwrap().to_owned(), view["payouts"].as_array().unwrap().len())
}

pub async fn partial_refunds_at_once_stay_within_the_payment(cell: &Cell) {
    cell.paid_order("O-1", "alipay").await;
    cell.paid_order("O-2", "alipay").await;
    let at_once = |order: &'static str| {
        (0..6).map(move |n| {
            cell.post("/refunds", refund(&format!("R-{order}-{n}"), order, "100.00 CNY", false))
        })
    };
    let outcomes = join_all(at_once("O-1")).await;
    let approved = outcomes.iter().filter(|(status, _)| *status == 201).count();
    assert_eq!(approved, 1, "{outcomes:?}");
    assert_eq!(cell.post("/refunds", refund("R-rest", "O-1", "99.00 CNY", false)).await.0, 201);
    assert_eq!(cell.post("/refunds", refund("R-more", "O-1", "0.01 CNY", false)).await.0, 409);
    cell.rest().await;
    assert_eq!(cell.ledger("paid-out").len(), 2);
    assert_eq!(payouts(cell, "R-rest").await, ("PAID".to_owned(), 1));
    assert_eq!(cell.logged("serve", "refund_paid").len(), 2);

    cell.switch("refund-guard.bypassed", true, json!({})).await;
    let outcomes = join_all(at_once("O-2")).await;
    assert!(outcomes.iter().all(|(status, _)| *status == 201), "{outcomes:?}");
    assert_eq!(cell.hits("refund-guard.bypassed").await, 5, "the first was within the payment");
    cell.rest().await;
    assert_eq!(cell.ledger("paid-out").len(), 8);
}

pub async fn a_second_delivery_pays_only_by_the_defect(cell: &Cell) {
    cell.paid_order("O-1", "alipay").await;
    assert_eq!(cell.post("/refunds", refund("R-1", "O-1", "100.00 CNY", true)).await.0, 201);
    cell.rest().await;
    assert_eq!(payouts(cell, "R-1").await, ("APPROVED".to_owned(), 0), "held back");
    assert_eq!(cell.topic("refund.events").len(), 0);
    for _ in 0..3 {
        deliver(cell, "R-1").await;
    }
    cell.rest().await;
    assert_eq!(payouts(cell, "R-1").await, ("PAID".to_owned(), 1));

    cell.switch("refund-payout.not-idempotent", true, json!({})).await;
    assert_eq!(cell.post("/refunds", refund("R-2", "O-1", "99.00 CNY", true)).await.0, 201);
    for _ in 0..2 {
        deliver(cell, "R-2").await;
    }
    cell.rest().await;
    assert_eq!(payouts(cell, "R-2").await, ("PAID".to_owned(), 2));
    assert_eq!(cell.hits("refund-payout.not-idempotent").await, 1);
    assert_eq!(cell.ledger("paid-out").len(), 3);
    assert_eq!(cell.topic("channel.flow").len(), 4);

    let (_, message) = cell.get("/refunds/R-2/message").await;
    let mut forged = message["payload"].clone();
    forged["amount"] = json!("9999.00 CNY");
    cell.produce("refund.events", "O-1", &forged.to_string(), false).await;
    cell.produce("refund.events", "O-1", "not json", false).await;
    cell.produce("refund.events", "O-1", &message["payload"].to_string(), true).await;
    cell.rest().await;
    assert_eq!(cell.ledger("paid-out").len(), 3, "neither forgery nor mark pays out");
    assert_eq!(cell.logged("serve", "refund_message_refused").len(), 2);
}

pub async fn rest_is_never_claimed_over_an_acked_record(cell: &Cell) {
    cell.paid_order("O-1", "alipay").await;
    let mut slowest = Duration::ZERO;
    for n in 0..40 {
        let id = format!("R-{n}");
        assert_eq!(cell.post("/refunds", refund(&id, "O-1", "1.00 CNY", true)).await.0, 201);
        let offset = deliver(cell, &id).await;
        // The first report after the ack: busy, or done down to the money.
        let asked = Instant::now();
        let report = cell.clock().await;
        slowest = slowest.max(asked.elapsed());
        if report.busy == 0 {
            let next = cell.number("SELECT next_offset FROM consumer_offset").await;
            assert!(next > offset, "rest claimed at {offset}, read up to {next}: {report:?}");
            assert_eq!(payouts(cell, &id).await, ("PAID".to_owned(), 1), "{report:?}");
        }
        // The same for what leaves by the outbox.
        let order = json!({"order": format!("P-{n}"), "buyer": "u", "channel": "alipay",
            "payable": "1.00 CNY", "request_no": format!("q-P-{n}")});
        cell.made("/orders", order).await;
        let report = cell.clock().await;
        if report.busy == 0 {
            let unsent = "SELECT COUNT(*) FROM outbox WHERE sent_at_ms IS NULL AND held = 0";
            assert_eq!(cell.number(unsent).await, 0, "{report:?}");
        }
    }
    println!("       slowest report {} ms", slowest.as_millis());
    cell.rest().await;
    assert_eq!(cell.ledger("paid-out").len(), 40);
}

pub async fn a_refund_breaker_stops_payouts_until_its_end(cell: &Cell) {
    cell.paid_order("O-1", "alipay").await;
    cell.paid_order("O-2", "wechat").await;
    assert_eq!(cell.post("/refunds", refund("R-1", "O-1", "100.00 CNY", true)).await.0, 201);
    let order = json!({"run_id": "run-1", "until_ms": cell.now_ms() + 600_000});
    assert_eq!(cell.put("/breakers/refund/alipay", "k1", order).await.0, 200);
    assert_eq!(cell.post("/refunds", refund("R-2", "O-1", "1.00 CNY", false)).await.0, 409);
    let mut elsewhere = refund("R-3", "O-2", "1.00 CNY", false);
    elsewhere["channel"] = json!("wechat");
    assert_eq!(cell.post("/refunds", elsewhere).await.0, 201);
    deliver(cell, "R-1").await;
    let [shop, _] = cell.rest().await;
    assert_eq!(payouts(cell, "R-1").await, ("APPROVED".to_owned(), 0));
    assert_eq!(payouts(cell, "R-3").await, ("PAID".to_owned(), 1));
    assert!(shop.next_due.is_some(), "the payout waits for the breaker's end: {shop:?}");
    cell.advance(300_000).await;
    assert_eq!(payouts(cell, "R-1").await, ("APPROVED".to_owned(), 0));
    cell.advance(300_001).await;
    assert_eq!(payouts(cell, "R-1").await, ("PAID".to_owned(), 1));
    assert_eq!(cell.post("/refunds", refund("R-2", "O-1", "1.00 CNY", false)).await.0, 201);
    cell.rest().await;
}

pub async fn a_released_breaker_lets_parked_payouts_go(cell: &Cell) {
    cell.paid_order("O-1", "alipay").await;
    for n in 0..10 {
        let id = format!("R-{n}");
        assert_eq!(cell.post("/refunds", refund(&id, "O-1", "1.00 CNY", true)).await.0, 201);
        let (path, key) = ("/breakers/refund/alipay", format!("k{n}"));
        assert_eq!(cell.put(path, &key, json!({"run_id": "run-1"})).await.0, 200);
        let release = cell.delete("/breakers/refund/alipay?run_id=run-1");
        // The release and the parking race; whichever is first, the payout must go.
        let (_, released) = futures::join!(deliver(cell, &id), release);
        assert_eq!(released.1["active"], false);
        let [shop, _] = cell.rest().await;
        assert_eq!(shop.next_due, None);
        assert_eq!(payouts(cell, &id).await, ("PAID".to_owned(), 1));
    }
}

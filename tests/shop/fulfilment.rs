//! What becomes of an order after its payment: late payments go back once, refunded goods stay, points are granted once.

use futures::future::join_all;
use serde_json::{Value, json};

use super::rig::Cell;

/// An order that is charged, and closed before the shop hears of it: the callback comes in ten seconds.
async fn closed_before_paid(cell: &Cell) {
    let order = json!({"order": "O-1", "buyer": "u", "channel": "alipay",
        "payable": "199.00 CNY", "request_no": "q-O-1"});
    cell.made("/orders", order).await;
    cell.switch("payment-callback.delayed", true, json!({"delay_ms": 10_000})).await;
    let payment = json!({"channel": "alipay", "amount": "199.00 CNY", "request_no": "p-O-1"});
    cell.made("/orders/O-1/payments", payment).await;
    cell.made("/orders/O-1/closures", json!({"reason": "timeout"})).await;
    cell.rest().await;
    assert_eq!(cell.status_of("O-1").await, "CLOSED");
}

async fn refunded(cell: &Cell) -> Value {
    cell.rest().await;
    let (_, order) = cell.get("/orders/O-1").await;
    json!([order["status"], order["refunded"]])
}

pub async fn a_late_payment_of_a_closed_order_goes_back_once(cell: &Cell) {
    closed_before_paid(cell).await;
    let backfills = (0..4).map(|_| cell.post("/orders/O-1/backfill", json!({})));
    let outcomes = join_all(backfills).await;
    assert!(outcomes.iter().all(|(status, _)| *status == 200), "{outcomes:?}");
    cell.advance(10_001).await;
    assert_eq!(refunded(cell).await, json!(["RETURNED", "199.00 CNY"]));
    assert_eq!(cell.ledger("paid-out").len(), 1, "four backfills and a late callback");
    cell.made("/orders/O-1/return", json!({})).await;
    cell.rest().await;
    assert_eq!(cell.ledger("paid-out").len(), 1);
    assert_eq!(cell.logged("serve", "late_payment").len(), 1);
    cell.paid_order("O-2", "alipay").await;
    assert_eq!(cell.post("/orders/O-2/return", json!({})).await.0, 409, "paid in time");
    assert_eq!(cell.post("/orders/O-9/return", json!({})).await.0, 404);
}

pub async fn a_late_payment_is_kept_only_by_a_defect(cell: &Cell) {
    cell.switch("late-payment.kept", true, json!({})).await;
    closed_before_paid(cell).await;
    cell.advance(10_001).await;
    assert_eq!(refunded(cell).await, json!(["LATE", "0.00 CNY"]));
    assert_eq!(cell.hits("late-payment.kept").await, 1);
    let returns = (0..4).map(|_| cell.post("/orders/O-1/return", json!({})));
    let outcomes = join_all(returns).await;
    assert!(outcomes.iter().all(|(status, _)| *status == 200), "{outcomes:?}");
    assert_eq!(refunded(cell).await, json!(["RETURNED", "199.00 CNY"]));
    assert_eq!(cell.ledger("paid-out").len(), 1, "of four at once one gives it back");
}

pub async fn a_late_payment_that_is_put_off_goes_back_in_the_end(cell: &Cell) {
    cell.switch("late-payment.put-off", true, json!({})).await;
    closed_before_paid(cell).await;
    cell.advance(10_001).await;
    assert_eq!(refunded(cell).await, json!(["LATE", "0.00 CNY"]));
    cell.advance(5_000).await;
    assert_eq!(refunded(cell).await, json!(["RETURNED", "199.00 CNY"]));
    assert_eq!(cell.hits("late-payment.put-off").await, 1);
}

async fn planned(cell: &Cell, order: &str) {
    cell.paid_order(order, "alipay").await;
    cell.made("/shipments", json!({"order": order, "warehouse": "W"})).await;
}

fn refund(order: &str, amount: &str) -> Value {
    json!({"refund": format!("R-{order}-{amount}"), "order": order, "channel": "alipay",
        "amount": amount, "request_no": amount})
}

async fn send(cell: &Cell, order: &str, request_no: &str) -> (u16, Value) {
    let body = json!({"warehouse": "W", "request_no": request_no});
    cell.post(&format!("/shipments/{order}/dispatch"), body).await
}

pub async fn what_is_refunded_in_full_is_not_sent(cell: &Cell) {
    for order in ["O-1", "O-2", "O-3", "O-4"] {
        planned(cell, order).await;
    }
    cell.made("/refunds", refund("O-1", "20.00 CNY")).await;
    let sent = send(cell, "O-1", "d-1").await;
    assert_eq!(sent.0, 201, "{}", sent.1);
    assert_eq!(send(cell, "O-1", "d-1").await, sent, "asked again");
    assert_eq!(send(cell, "O-1", "d-2").await.0, 409, "sent already");
    cell.made("/refunds", refund("O-2", "199.00 CNY")).await;
    assert_eq!(send(cell, "O-2", "d-3").await.0, 409);
    cell.put("/breakers/ship/W", "k", json!({"run_id": "run"})).await;
    assert_eq!(send(cell, "O-3", "d-4").await.0, 409, "the warehouse is held");
    cell.delete("/breakers/ship/W?run_id=run").await;
    let (sent, refunded) = futures::join!(
        send(cell, "O-3", "d-5"),
        cell.post("/refunds", refund("O-3", "199.00 CNY"))
    );
    assert_eq!(refunded.0, 201, "whichever is first");
    let cancelled = "SELECT COUNT(*) FROM shipment WHERE order_id = 'O-3' AND status = 'CANCELLED'";
    assert_eq!(cell.number(cancelled).await, i64::from(sent.0 == 409));
    cell.switch("shipment-cancel.lost", true, json!({})).await;
    cell.made("/refunds", refund("O-4", "100.00 CNY")).await;
    assert_eq!(cell.hits("shipment-cancel.lost").await, 0, "some of it is left");
    cell.made("/refunds", refund("O-4", "99.00 CNY")).await;
    assert_eq!(cell.hits("shipment-cancel.lost").await, 1);
    assert_eq!(send(cell, "O-4", "d-6").await.0, 201);
    assert_eq!(send(cell, "O-9", "d-7").await.0, 404);
    cell.rest().await;
}

async fn deliver(cell: &Cell, order: &str, delivery: &str) -> (u16, Value) {
    cell.post(&format!("/orders/{order}/points"), json!({"delivery": delivery})).await
}

async fn points(cell: &Cell) -> [i64; 2] {
    let (_, order) = cell.get("/orders/O-1/points").await;
    let balance = cell.number("SELECT balance FROM points_account WHERE account_id = 'u'").await;
    [order["grants"].as_i64().unwrap(), balance]
}

pub async fn an_order_grants_its_points_once(cell: &Cell) {
    cell.paid_order("O-1", "alipay").await;
    let at_once = ["d-1", "d-2", "d-3", "d-4"].map(|delivery| deliver(cell, "O-1", delivery));
    let outcomes = join_all(at_once).await;
    assert!(outcomes.iter().all(|(status, _)| *status == 201), "{outcomes:?}");
    assert_eq!(points(cell).await, [1, 199]);
    cell.switch("points.not-idempotent", true, json!({})).await;
    for _ in 0..2 {
        assert_eq!(deliver(cell, "O-1", "d-5").await.0, 201, "the same delivery is one");
    }
    assert_eq!(points(cell).await, [2, 398]);
    assert_eq!(cell.hits("points.not-idempotent").await, 1);
    for _ in 0..2 {
        cell.made("/orders/O-1/points/reversal", json!({})).await;
        assert_eq!(points(cell).await, [1, 199], "taken back once");
    }
    let order = json!({"order": "O-2", "buyer": "u", "channel": "alipay",
        "payable": "10.00 CNY", "request_no": "q2"});
    cell.made("/orders", order).await;
    assert_eq!(deliver(cell, "O-2", "d-6").await.0, 409, "not paid");
    assert_eq!(deliver(cell, "O-9", "d-7").await.0, 404);
}

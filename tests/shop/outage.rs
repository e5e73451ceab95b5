//! Processes and servers that go away and come back.

use serde_json::{Value, json};

use super::rig::{Cell, until};

fn refund(refund: &str) -> Value {
    json!({"refund": refund, "order": "O-1", "channel": "alipay", "amount": "1.00 CNY",
        "request_no": format!("q-{refund}")})
}

pub async fn a_restart_in_mid_way_keeps_everything(cell: &mut Cell) {
    cell.paid_order("O-1", "alipay").await;
    cell.switch("payment-callback.delayed", true, json!({"delay_ms": 60_000})).await;
    cell.item("SKU-1", 2).await;
    cell.made("/purchases", Cell::purchase("O-2", "SKU-1")).await;
    cell.rest().await;
    for n in 0..20 {
        // Killed right after the answer: outbox, intake and payout are somewhere on the way.
        assert_eq!(cell.post("/refunds", refund(&format!("R-{n}"))).await.0, 201);
        if n % 4 == 0 {
            cell.shop = None;
            cell.start_shop().await;
        }
        if n % 4 == 2 {
            cell.channel = None;
            cell.start_channel().await;
        }
    }
    // A payout whose first try met a dead channel is tried again on cell time.
    cell.rest().await;
    cell.advance(61_000).await;
    assert_eq!(cell.ledger("paid-out").len(), 20);
    let paid = "SELECT COUNT(*) FROM refund_order WHERE status = 'PAID'";
    assert_eq!(cell.number(paid).await, 20);
    assert_eq!(cell.number("SELECT COUNT(*) FROM refund_payout").await, 20);
    assert_eq!(cell.status_of("O-2").await, "PAID", "the late callback survived");
    let mut txns: Vec<String> =
        cell.topic("channel.flow").iter().map(|entry| entry["txn"].to_string()).collect();
    txns.sort();
    txns.dedup();
    assert_eq!(txns.len(), 22, "each entry is on the topic");
    assert_eq!(cell.hits("payment-callback.delayed").await, 1);
}

pub async fn a_channel_away_delays_and_loses_nothing(cell: &mut Cell) {
    cell.paid_order("O-1", "alipay").await;
    cell.item("SKU-1", 2).await;
    cell.channel = None;
    let (status, answer) = cell.post("/purchases", Cell::purchase("O-2", "SKU-1")).await;
    assert_eq!(status, 503, "{answer}");
    assert!(answer["reason"].as_str().unwrap().contains("payment channel"), "{answer}");
    assert_eq!(cell.post("/refunds", refund("R-1")).await.0, 201);
    until("the payout was tried in vain", async || {
        cell.logged("serve", "due_work_failed").len() > 2
    })
    .await;
    cell.start_channel().await;
    assert_eq!(cell.post("/purchases", Cell::purchase("O-2", "SKU-1")).await.0, 201);
    cell.rest().await;
    cell.advance(60_000).await;
    assert_eq!(cell.status_of("O-2").await, "PAID");
    assert_eq!(cell.ledger("paid-out").len(), 1);
    assert_eq!(cell.number("SELECT available FROM stock").await, 1, "one piece for one order");
}

pub async fn a_shop_away_is_called_back_later(cell: &mut Cell) {
    cell.switch("payment-callback.dropped", true, json!({})).await;
    cell.made(
        "/orders",
        json!({"order": "O-1", "buyer": "u", "channel": "alipay",
        "payable": "5.00 CNY", "request_no": "q"}),
    )
    .await;
    cell.switch("payment-callback.dropped", false, json!({})).await;
    cell.rest().await;
    // MySQL refuses the callback's booking for a while: the table is locked by its absence.
    sqlx::raw_sql("RENAME TABLE pay_order TO pay_order_away").execute(&cell.books).await.unwrap();
    cell.made(
        "/orders/O-1/payments",
        json!({"channel": "alipay", "amount": "5.00 CNY",
        "request_no": "p"}),
    )
    .await;
    let [_, channel] = cell.rest().await;
    assert!(channel.next_due.is_some(), "the callback failed and is due later: {channel:?}");
    assert_eq!(cell.logged("channel", "callback_failed").len(), 1);
    sqlx::raw_sql("RENAME TABLE pay_order_away TO pay_order").execute(&cell.books).await.unwrap();
    assert_eq!(cell.status_of("O-1").await, "PENDING");
    cell.advance(5_000).await;
    assert_eq!(cell.status_of("O-1").await, "PAID");
}

pub async fn mysql_away_answers_503_and_goes_on(cell: &mut Cell) {
    cell.paid_order("O-1", "alipay").await;
    cell.servers.mysql().kill().await.unwrap();
    let (status, answer) = cell.post("/refunds", refund("R-1")).await;
    assert_eq!(status, 503, "{answer}");
    assert!(answer["reason"].is_string());
    assert!(cell.clock().await.busy > 0, "rest cannot be told without the books");
    assert_eq!(cell.get("/healthz").await.0, 503);
    cell.servers.mysql().restart().await.unwrap();
    until("the same request is accepted", async || {
        cell.post("/refunds", refund("R-1")).await.0 == 201
    })
    .await;
    cell.rest().await;
    assert_eq!(cell.ledger("paid-out").len(), 1);
}

pub async fn kafka_away_holds_events_and_goes_on(cell: &mut Cell) {
    cell.paid_order("O-1", "alipay").await;
    cell.servers.kafka().kill().await.unwrap();
    assert_eq!(cell.post("/refunds", refund("R-1")).await.0, 201, "the outbox keeps the message");
    assert!(cell.clock().await.busy > 0);
    cell.servers.kafka().restart().await.unwrap();
    cell.rest().await;
    assert_eq!(cell.ledger("paid-out").len(), 1);
    let told = cell.topic("refund.events");
    assert!(told.iter().all(|message| message["refund"] == "R-1") && !told.is_empty());
}

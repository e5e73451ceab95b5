//! Bids, purchases, payments, callbacks, the sale breaker.

use futures::future::join_all;
use serde_json::json;

use super::rig::Cell;

pub async fn an_honest_purchase_is_paid_and_told(cell: &Cell) {
    cell.item("SKU-1", 3).await;
    let made = cell.made("/purchases", Cell::purchase("O-1", "SKU-1")).await;
    assert_eq!((&made["order"], &made["payable"]), (&json!("O-1"), &json!("1999.00 CNY")));
    cell.rest().await;
    assert_eq!(cell.status_of("O-1").await, "PAID");
    assert_eq!(cell.number("SELECT available FROM stock").await, 2);
    assert_eq!(cell.number("SELECT SUM(delta) = 2 FROM inventory_flow").await, 1);
    assert_eq!(cell.number("SELECT qty FROM bid").await, 4);
    let (_, items) = cell.get("/items").await;
    assert_eq!(items, json!([{"sku": "SKU-1", "category": "shoes", "available": 2}]));
    let ledger = cell.ledger("collected");
    assert_eq!(ledger.len(), 1);
    assert_eq!(ledger[0]["amount"], "1999.00 CNY");
    assert_eq!(cell.topic("channel.flow"), ledger);
    let told: Vec<_> = cell.topic("orders.events").iter().map(|e| e["type"].clone()).collect();
    assert_eq!(told, ["order-created", "order-paid"]);
    assert_eq!(cell.logged("serve", "order_paid").len(), 1);
}

pub async fn the_last_piece_is_sold_once(cell: &Cell) {
    cell.item("SKU-1", 1).await;
    let buyers =
        (0..12).map(|n| cell.post("/purchases", Cell::purchase(&format!("O-{n}"), "SKU-1")));
    let outcomes = join_all(buyers).await;
    let won = outcomes.iter().filter(|(status, _)| *status == 201).count();
    assert_eq!(won, 1, "{outcomes:?}");
    let refused = outcomes.iter().filter(|(status, _)| *status == 409).count();
    assert_eq!(refused, 11, "{outcomes:?}");
    cell.rest().await;
    assert_eq!(cell.number("SELECT available FROM stock").await, 0);
    assert_eq!(cell.number("SELECT COUNT(*) FROM orders").await, 1);
    assert_eq!(cell.ledger("collected").len(), 1);
}

pub async fn the_same_request_has_the_same_answer(cell: &Cell) {
    cell.item("SKU-1", 5).await;
    let same = Cell::purchase("O-1", "SKU-1");
    let outcomes = join_all((0..10).map(|_| cell.post("/purchases", same.clone()))).await;
    for (status, answer) in &outcomes {
        assert_eq!((*status, &answer["payable"]), (201, &json!("1999.00 CNY")), "{answer}");
    }
    cell.rest().await;
    assert_eq!(cell.number("SELECT available FROM stock").await, 4);
    assert_eq!(cell.ledger("collected").len(), 1);
    let mut other = same.clone();
    other["buyer"] = json!("someone else");
    assert_eq!(cell.post("/purchases", other).await.0, 409);
    let refund = json!({"refund": "R-1", "order": "O-1", "channel": "alipay",
        "amount": "99.00 CNY", "request_no": "r1"});
    let first = cell.post("/refunds", refund.clone()).await;
    assert_eq!(cell.post("/refunds", refund.clone()).await, first);
    let mut again = refund;
    again["refund"] = json!("R-2");
    assert_eq!(cell.post("/refunds", again).await.0, 409, "its request_no made R-1");
}

pub async fn the_price_guard_refuses_a_lost_digit(cell: &Cell) {
    cell.item("SKU-1", 5).await;
    cell.item("SKU-2", 5).await;
    let bid = |id: &str, sku: &str, price: &str| {
        let mut bid = json!({"bid": id, "seller": "s2", "sku": sku, "qty": 1});
        bid["price"] = json!(price);
        bid
    };
    let (status, answer) = cell.post("/bids", bid("B-1", "SKU-1", "199.90 CNY")).await;
    assert_eq!(status, 422, "{answer}");
    assert!(answer["reason"].as_str().unwrap().contains("1999 CNY"), "{answer}");
    assert_eq!(cell.post("/bids", bid("B-2", "SKU-1", "999.50 CNY")).await.0, 201, "half is fine");
    let mend = json!({"price": "199.90 CNY"});
    assert_eq!(cell.post("/bids/B-2/price", mend.clone()).await.0, 422);
    cell.switch("price-guard.bypassed", true, json!({})).await;
    assert_eq!(cell.post("/bids", bid("B-3", "SKU-1", "199.90 CNY")).await.0, 201);
    assert_eq!(cell.post("/bids", bid("B-4", "SKU-1", "1799.10 CNY")).await.0, 201);
    assert_eq!(cell.hits("price-guard.bypassed").await, 1, "an honest price is no hit");
    cell.switch("price-guard.bypassed", false, json!({})).await;
    cell.made("/clearances", json!({"ticket": "T-2", "sku": "SKU-2"})).await;
    assert_eq!(cell.post("/bids", bid("B-5", "SKU-2", "199.90 CNY")).await.0, 201);
    assert_eq!(
        cell.number("SELECT COUNT(*) FROM bid WHERE clearance_ticket = 'T-2'").await,
        1,
        "the bid names what allowed it"
    );
    let bought = cell.made("/purchases", Cell::purchase("O-1", "SKU-1")).await;
    assert_eq!(bought["payable"], "199.90 CNY", "the cheapest bid sells first");
}

pub async fn a_bare_order_is_charged_once(cell: &Cell) {
    cell.paid_order("O-1", "alipay").await;
    let pay = |request_no: &str, amount: &str| json!({"channel": "alipay", "amount": amount, "request_no": request_no});
    let first = cell.post("/orders/O-1/payments", pay("p-O-1", "199.00 CNY")).await;
    assert_eq!(first.0, 202);
    assert_eq!(cell.post("/orders/O-1/payments", pay("p-O-1", "199.00 CNY")).await, first);
    assert_eq!(cell.post("/orders/O-1/payments", pay("p-2", "199.00 CNY")).await.0, 409);
    cell.made(
        "/orders",
        json!({"order": "O-2", "buyer": "u", "channel": "alipay",
        "payable": "10.00 CNY", "request_no": "q2"}),
    )
    .await;
    assert_eq!(cell.post("/orders/O-2/payments", pay("p-3", "9.99 CNY")).await.0, 422);
    let rivals =
        (0..6).map(|n| cell.post("/orders/O-2/payments", pay(&format!("r{n}"), "10.00 CNY")));
    let accepted = join_all(rivals).await.iter().filter(|(status, _)| *status == 202).count();
    assert_eq!(accepted, 1);
    cell.rest().await;
    assert_eq!(cell.ledger("collected").len(), 2);
}

pub async fn a_dropped_callback_is_backfilled(cell: &Cell) {
    cell.switch("payment-callback.dropped", true, json!({})).await;
    cell.item("SKU-1", 3).await;
    cell.made("/purchases", Cell::purchase("O-1", "SKU-1")).await;
    let [shop, channel] = cell.rest().await;
    assert_eq!((shop.next_due, channel.next_due), (None, None), "answered 200: never again");
    assert_eq!(cell.status_of("O-1").await, "PENDING");
    assert_eq!(cell.hits("payment-callback.dropped").await, 1);
    for _ in 0..2 {
        assert_eq!(cell.made("/orders/O-1/backfill", json!({})).await["status"], "PAID");
    }
    assert_eq!(cell.number("SELECT COUNT(*) FROM pay_order").await, 1);
    cell.rest().await;
    assert_eq!(cell.topic("orders.events").len(), 2);
    cell.made(
        "/orders",
        json!({"order": "O-2", "buyer": "u", "channel": "alipay",
        "payable": "10.00 CNY", "request_no": "q2"}),
    )
    .await;
    assert_eq!(cell.made("/orders/O-2/backfill", json!({})).await["status"], "PENDING");
    assert_eq!(cell.post("/orders/O-9/backfill", json!({})).await.0, 404);
}

pub async fn a_forged_payment_is_struck_out_and_a_real_one_stays(cell: &Cell) {
    cell.switch("callback-signature.unchecked", true, json!({})).await;
    cell.paid_order("O-1", "alipay").await;
    let forge = |order: &str| {
        let body = json!({"order": order, "channel": "alipay", "amount": "199.00 CNY",
            "txn": format!("forged-{order}"), "at_ms": 0});
        cell.post("/callbacks/payment", body)
    };
    let order = json!({"order": "O-2", "buyer": "u", "channel": "alipay",
        "payable": "199.00 CNY", "request_no": "q2"});
    cell.made("/orders", order).await;
    for order in ["O-1", "O-2"] {
        assert_eq!(forge(order).await.0, 200);
        assert_eq!(cell.status_of(order).await, "PAID");
    }
    for (order, status) in [("O-1", "PAID"), ("O-2", "PENDING")] {
        let path = format!("/orders/{order}/strike-out");
        let struck = cell.made(&path, json!({})).await;
        assert_eq!(
            (&struck["status"], &struck["struck_out"][0]),
            (&json!(status), &json!(format!("forged-{order}")))
        );
        let again = cell.made(&path, json!({})).await;
        assert_eq!((&again["status"], &again["struck_out"]), (&json!(status), &json!([])));
    }
    let payment = json!({"channel": "alipay", "amount": "199.00 CNY", "request_no": "p2"});
    cell.made("/orders/O-2/payments", payment).await;
    cell.rest().await;
    assert_eq!(cell.status_of("O-2").await, "PAID", "its buyer may still pay");
    assert_eq!(cell.number("SELECT COUNT(*) FROM pay_order WHERE status = 'SUCCESS'").await, 2);
    assert_eq!(cell.post("/orders/O-9/strike-out", json!({})).await.0, 404);
}

pub async fn a_delayed_callback_comes_by_an_advance(cell: &Cell) {
    cell.switch("payment-callback.delayed", true, json!({"delay_ms": 25_000})).await;
    cell.item("SKU-1", 3).await;
    cell.made("/purchases", Cell::purchase("O-1", "SKU-1")).await;
    let [shop, _] = cell.rest().await;
    assert_eq!(cell.status_of("O-1").await, "PENDING");
    assert!(shop.next_due.is_some(), "{shop:?}");
    cell.advance(20_000).await;
    assert_eq!(cell.status_of("O-1").await, "PENDING");
    cell.advance(6_000).await;
    assert_eq!(cell.status_of("O-1").await, "PAID");
    assert_eq!(cell.hits("payment-callback.delayed").await, 1);
    assert_eq!(cell.clock().await.next_due, None);
}

pub async fn a_sale_breaker_stops_its_item_and_ends(cell: &Cell) {
    cell.item("SKU-1", 5).await;
    cell.item("SKU-2", 5).await;
    let until_ms = cell.now_ms() + 600_000;
    let order = json!({"run_id": "run-1", "until_ms": until_ms});
    let (status, breaker) = cell.put("/breakers/sale/SKU-1", "k1", order.clone()).await;
    assert_eq!((status, &breaker["active"]), (200, &json!(true)), "{breaker}");
    let (status, answer) = cell.post("/purchases", Cell::purchase("O-1", "SKU-1")).await;
    assert_eq!(status, 409, "{answer}");
    assert_eq!(cell.post("/purchases", Cell::purchase("O-2", "SKU-2")).await.0, 201);
    cell.advance(600_001).await;
    assert_eq!(cell.post("/purchases", Cell::purchase("O-1", "SKU-1")).await.0, 201, "it is over");

    cell.put("/breakers/sale/SKU-1", "k2", json!({"run_id": "run-2"})).await;
    let (_, kept) = cell.delete("/breakers/sale/SKU-1?run_id=run-1").await;
    assert_eq!((&kept["active"], &kept["run_id"]), (&json!(true), &json!("run-2")));
    assert_eq!(cell.post("/purchases", Cell::purchase("O-3", "SKU-1")).await.0, 409);
    let (_, gone) = cell.delete("/breakers/sale/SKU-1?run_id=run-2").await;
    assert_eq!(gone["active"], false);
    cell.put("/breakers/sale/SKU-1", "k2", json!({"run_id": "run-2"})).await;
    let (_, all) = cell.get("/breakers").await;
    assert_eq!(all[0]["active"], false, "an order that was carried out does not come again");
    assert_eq!(cell.post("/purchases", Cell::purchase("O-3", "SKU-1")).await.0, 201);
    cell.rest().await;
}

pub async fn what_is_wrong_is_refused_with_a_reason(cell: &Cell) {
    let check = async |path: &str, body, expect: u16| {
        let (status, answer) = cell.post(path, body).await;
        assert_eq!(status, expect, "{path}: {answer}");
        assert!(answer["reason"].is_string(), "{path}: {answer}");
    };
    check("/orders", json!({"order": "O-1"}), 422).await;
    check("/purchases", Cell::purchase("O-1", "SKU-9"), 404).await;
    check("/purchases", Cell::purchase("", "SKU-9"), 422).await;
    let refund = json!({"refund": "R-1", "order": "O-9", "channel": "alipay",
        "amount": "1.00 CNY", "request_no": "r"});
    check("/refunds", refund, 404).await;
    let float = json!({"order": "O-1", "buyer": "u", "channel": "c", "payable": "1.5 CNY",
        "request_no": "q"});
    check("/orders", float, 422).await;
    let forged = json!({"order": "O-1", "channel": "alipay", "amount": "1.00 CNY", "txn": "T",
        "at_ms": 0});
    check("/callbacks/payment", forged, 401).await;
    let (status, answer) = cell.put("/switches/callback.dropped", "", json!({"on": true})).await;
    assert_eq!(status, 404, "{answer}");
    let (status, answer) = cell.put("/breakers/sales/SKU-1", "k", json!({"run_id": "r"})).await;
    assert_eq!(status, 404, "{answer}");
    let (status, answer) = cell.delete("/breakers/sale/SKU-1").await;
    assert_eq!(status, 422, "{answer}");
}

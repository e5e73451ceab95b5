//! Forged payments: what was booked as paid, and what the channel knows nothing of, is struck out.
//!
//! The channel has a charge before anybody can book it, so that a transaction which was booked before the channel was
//! asked, and which it does not name, never was. Knows no rule. Try it: `tests/shop`. Not covered: what was done on the
//! strength of a forged payment, goods and deals included.

use serde_json::{Value, json};
use sqlx::mysql::MySqlConnection;

use super::{Booking, Refusal, Shop, orders, outbox};

/// Strikes out what the channel did not collect for an order; an order that nothing else was paid for is unpaid again.
/// Safe to repeat.
pub async fn strike_out(shop: &Shop, order: &str) -> Result<Value, Refusal> {
    orders::status(shop, order).await?;
    let booked: Vec<String> = sqlx::query_scalar(
        "SELECT channel_txn FROM pay_order WHERE order_id = ? AND status = 'SUCCESS'",
    )
    .bind(order)
    .fetch_all(shop.books.pool())
    .await?;
    let charges = shop.gateway.charges(order).await?;
    let is_known = |txn: &String| charges.iter().any(|charge| charge.txn == *txn);
    let forged: Vec<String> = booked.into_iter().filter(|txn| !is_known(txn)).collect();
    shop.book(&StrikeOut { order, forged: &forged, now_ms: shop.now_ms() }).await?;
    for txn in &forged {
        shop.log("payment_struck_out", &json!({"order_id": order, "txn": txn}));
    }
    let status = orders::status(shop, order).await?;
    Ok(json!({"order": order, "status": status, "struck_out": forged}))
}

struct StrikeOut<'a> {
    order: &'a str,
    forged: &'a [String],
    now_ms: i64,
}

impl Booking for StrikeOut<'_> {
    type Out = ();

    async fn book(&self, books: &mut MySqlConnection) -> Result<(), Refusal> {
        let (order, now_ms) = (self.order, self.now_ms);
        let status = orders::locked_status(books, order).await?;
        for txn in self.forged {
            sqlx::query("UPDATE pay_order SET status = 'VOID' WHERE channel_txn = ?")
                .bind(txn)
                .execute(&mut *books)
                .await?;
        }
        let others: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM pay_order WHERE order_id = ? AND status = 'SUCCESS'",
        )
        .bind(order)
        .fetch_one(&mut *books)
        .await?;
        if status != "PAID" || others > 0 || self.forged.is_empty() {
            return Ok(());
        }
        sqlx::query("UPDATE orders SET status = 'PENDING', paid_at_ms = NULL WHERE order_id = ?")
            .bind(order)
            .execute(&mut *books)
            .await?;
        orders::note_state(books, order, Some("PAID"), "PENDING", now_ms).await?;
        let event = json!({"type": "payment-struck-out", "order": order, "at_ms": now_ms});
        outbox::put(books, outbox::ORDERS, order, &event, false, now_ms).await
    }
}

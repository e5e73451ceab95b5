//! Settlement: what was paid for an order is shared out once, between its merchant, the platform and the promoter.
//!
//! The order's row is locked before it is settled, and its share is one row under the order's own id, so that of two
//! runs at once the second finds what the first wrote. Parts are rounded down and the merchant has the rest: they add
//! up to what was paid. Knows no payout. Try it: `cargo test --lib shop::services::settle`, `tests/shop`. Not covered:
//! refunds before settlement, other shares for some merchants.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::mysql::MySqlConnection;

use super::billing::Change;
use super::breakers::{self, Kind};
use super::switches::{self, Switch};
use super::{Booking, Refusal, Shop, non_empty};
use crate::money::Money;
use crate::shop::schema::money;

/// Stops what is settled for one merchant.
pub const SETTLE: Kind = Kind::new("settle");

/// Each run settles an order anew.
const NOT_IDEMPOTENT: Switch = Switch::new("settlement.not-idempotent");
/// Each part is rounded by itself.
const ROUNDED_EACH: Switch = Switch::new("settlement.rounded-each");

pub(super) const SWITCHES: &[Switch] = &[NOT_IDEMPOTENT, ROUNDED_EACH];

/// Shares in hundredths of a percent; they add up to the whole.
const WHOLE: i128 = 10_000;
const MERCHANT: i128 = 9_000;
const PLATFORM: i128 = 700;
const PROMOTER: i128 = 300;

/// `POST /orders/{order}/settlement`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// The run of the settlement job, or the message, that asks.
    pub run: String,
    pub merchant: String,
}

/// What an order is shared out into.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Settled {
    pub order: String,
    pub bill: String,
    #[serde(flatten)]
    pub parts: Parts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Parts {
    pub merchant: Money,
    pub platform: Money,
    pub promoter: Money,
}

impl Parts {
    /// Rounded down; the merchant has the rest.
    fn of(gross: Money) -> Parts {
        let part = |share| part(gross, share, 0);
        let (platform, promoter) = (part(PLATFORM), part(PROMOTER));
        let minor = gross.minor - platform.minor - promoter.minor;
        Parts { merchant: Money { minor, ..gross }, platform, promoter }
    }

    fn add_up_to(&self, gross: Money) -> bool {
        let parts = [self.merchant, self.platform, self.promoter];
        parts.iter().map(|part| i128::from(part.minor)).sum::<i128>() == i128::from(gross.minor)
    }

    /// Each to its nearest, by itself.
    fn rounded_each(gross: Money) -> Parts {
        let part = |share| part(gross, share, WHOLE / 2);
        Parts { merchant: part(MERCHANT), platform: part(PLATFORM), promoter: part(PROMOTER) }
    }
}

/// A share is at most the whole, so it fits where the whole does.
fn part(gross: Money, share: i128, round_by: i128) -> Money {
    let minor = (i128::from(gross.minor) * share + round_by) / WHOLE;
    Money { minor: i64::try_from(minor).unwrap_or(i64::MAX), ..gross }
}

/// Settles an order; one that is settled already stays as it is.
pub async fn settle(shop: &Shop, order: &str, settle: &Settle) -> Result<Settled, Refusal> {
    let Settle { run, merchant } = settle;
    non_empty(&[("order", order), ("run", run), ("merchant", merchant)])?;
    let bill = format!("{merchant}/{run}");
    non_empty(&[("bill", &bill)])?;
    let _passing = shop.gates.pass(SETTLE, merchant).await;
    let booking = Share { order, settle, bill, now_ms: shop.now_ms() };
    let booked = shop.book_once("settlement", &format!("{run}/{order}"), settle, booking).await;
    let mut fields = json!({"order_id": order, "run": run, "merchant": merchant});
    match booked {
        Ok(booked) => {
            if booked.is_fresh {
                fields["parts"] = json!(booked.answer.parts);
                shop.log("order_settled", &fields);
            }
            Ok(booked.answer)
        }
        Err(refusal) => {
            fields["reason"] = Value::from(refusal.to_string());
            shop.log("settlement_refused", &fields);
            Err(refusal)
        }
    }
}

struct Share<'a> {
    order: &'a str,
    settle: &'a Settle,
    bill: String,
    now_ms: i64,
}

impl Booking for Share<'_> {
    type Out = Settled;

    async fn book(&self, books: &mut MySqlConnection) -> Result<Settled, Refusal> {
        let gross = locked_gross(books, self.order).await?;
        breakers::must_be_closed(books, SETTLE, &self.settle.merchant, self.now_ms).await?;
        let Some(settled) = settled_before(books, self.order).await? else {
            return self.insert(books, self.order, gross).await;
        };
        if !switches::is_on(books, NOT_IDEMPOTENT).await? {
            return Ok(settled);
        }
        let detail_id = format!("{}/{}", self.order, self.settle.run);
        let again = self.insert(books, &detail_id, gross).await?;
        switches::hit(books, NOT_IDEMPOTENT).await?;
        Ok(again)
    }
}

impl Share<'_> {
    async fn insert(
        &self,
        books: &mut MySqlConnection,
        detail_id: &str,
        gross: Money,
    ) -> Result<Settled, Refusal> {
        let is_rounded = switches::is_on(books, ROUNDED_EACH).await?;
        let parts = if is_rounded { Parts::rounded_each(gross) } else { Parts::of(gross) };
        sqlx::query(
            "INSERT INTO settle_detail (detail_id, order_id, run_no, bill_id, merchant, gross,
               merchant_part, platform_part, promoter_part, currency, at_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(detail_id)
        .bind(self.order)
        .bind(&self.settle.run)
        .bind(&self.bill)
        .bind(&self.settle.merchant)
        .bind(gross.to_decimal())
        .bind(parts.merchant.to_decimal())
        .bind(parts.platform.to_decimal())
        .bind(parts.promoter.to_decimal())
        .bind(gross.currency.code())
        .bind(self.now_ms)
        .execute(&mut *books)
        .await?;
        self.add_to_bill(books, parts.merchant).await?;
        if is_rounded && !parts.add_up_to(gross) {
            switches::hit(books, ROUNDED_EACH).await?;
        }
        Ok(Settled { order: self.order.to_owned(), bill: self.bill.clone(), parts })
    }

    async fn add_to_bill(&self, books: &mut MySqlConnection, part: Money) -> Result<(), Refusal> {
        let (bill, cause, now_ms) = (&self.bill, self.order, self.now_ms);
        let change = Change { bill, amount: part, cause, now_ms };
        if change.opens(books, &self.settle.merchant).await? {
            return Ok(());
        }
        change.adds(books).await
    }
}

/// What was paid for the order, with its row locked.
async fn locked_gross(books: &mut MySqlConnection, order: &str) -> Result<Money, Refusal> {
    let row: Option<(Decimal, String, String)> = sqlx::query_as(
        "SELECT payable, currency, status FROM orders WHERE order_id = ? FOR UPDATE",
    )
    .bind(order)
    .fetch_optional(books)
    .await?;
    let unknown = || Refusal::Unknown(format!("no order `{order}`"));
    let (payable, currency, status) = row.ok_or_else(unknown)?;
    if status != "PAID" {
        return Err(Refusal::Conflict(format!("order `{order}` is {status}, not PAID")));
    }
    money(payable, &currency)
}

async fn settled_before(
    books: &mut MySqlConnection,
    order: &str,
) -> Result<Option<Settled>, Refusal> {
    let row: Option<(String, Decimal, Decimal, Decimal, String)> = sqlx::query_as(
        "SELECT bill_id, merchant_part, platform_part, promoter_part, currency
         FROM settle_detail WHERE detail_id = ?",
    )
    .bind(order)
    .fetch_optional(books)
    .await?;
    let Some((bill, merchant, platform, promoter, currency)) = row else { return Ok(None) };
    let parts = Parts {
        merchant: money(merchant, &currency)?,
        platform: money(platform, &currency)?,
        promoter: money(promoter, &currency)?,
    };
    Ok(Some(Settled { order: order.to_owned(), bill, parts }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_whatever_was_paid() {
        assert_eq!(MERCHANT + PLATFORM + PROMOTER, WHOLE);
        for minor in (1..=20_000).chain([i64::MAX]) {
            let parts = Parts::of(Money::cny(minor));
            assert!(parts.add_up_to(Money::cny(minor)), "{parts:?}");
            assert!(parts.merchant.minor > 0 && parts.platform.minor >= 0);
        }
    }

    #[test]
    fn parts_that_are_rounded_each_by_itself_do_not_always() {
        for (minor, expect) in [(19_900, true), (19_925, false)] {
            let gross = Money::cny(minor);
            assert_eq!(Parts::rounded_each(gross).add_up_to(gross), expect, "{gross}");
        }
    }
}

//! Bills: what an order costs, from its parts.
//!
//! The total is worked out here and nowhere else, and is what the order asks for. Try it: `cargo test --lib
//! shop::services::bills`. Not covered: who sets discounts, freight and taxes.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::mysql::MySqlConnection;

use super::orders::{OrderMade, OrderRow};
use super::switches::{self, Switch};
use super::{Booking, Refusal, Shop, above_zero, non_empty};
use crate::money::{Money, MoneyError};

/// The next bill (or the next `times`) is added up without its freight.
const FREIGHT_DROPPED: Switch = Switch::next("order-total.freight-dropped");

pub(super) const SWITCHES: &[Switch] = &[FREIGHT_DROPPED];

/// `POST /bills`: an order with its parts, to be paid later.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewBill {
    pub order: String,
    pub buyer: String,
    pub channel: String,
    pub request_no: String,
    pub items: Money,
    pub discount: Money,
    pub freight: Money,
    pub tax: Money,
}

impl NewBill {
    /// Items less discount, plus freight and tax.
    fn total(&self) -> Result<Money, MoneyError> {
        let goods = self.items.checked_sub(self.discount)?;
        goods.checked_add(self.freight)?.checked_add(self.tax)
    }
}

fn unreckoned(error: MoneyError) -> Refusal {
    Refusal::invalid(format!("the bill does not add up: {error}"))
}

/// Makes an order of a bill.
pub async fn make(shop: &Shop, bill: &NewBill) -> Result<OrderMade, Refusal> {
    non_empty(&[
        ("order", &bill.order),
        ("buyer", &bill.buyer),
        ("channel", &bill.channel),
        ("request_no", &bill.request_no),
    ])?;
    for (name, part) in [("discount", bill.discount), ("freight", bill.freight), ("tax", bill.tax)]
    {
        if part.minor < 0 {
            return Err(Refusal::Invalid(format!("{name} {part} must not be below zero")));
        }
    }
    above_zero("items", bill.items)?;
    above_zero("total", bill.total().map_err(unreckoned)?)?;
    let booking = MakeBill { bill, now_ms: shop.now_ms() };
    let made = shop.book_once("order", &bill.order, bill, booking).await?;
    if made.is_fresh {
        let fields = json!({"order_id": bill.order, "payable": made.answer.payable});
        shop.log("order_created", &fields);
    }
    Ok(made.answer)
}

struct MakeBill<'a> {
    bill: &'a NewBill,
    now_ms: i64,
}

impl Booking for MakeBill<'_> {
    type Out = OrderMade;

    async fn book(&self, books: &mut MySqlConnection) -> Result<OrderMade, Refusal> {
        let bill = self.bill;
        let mut total = bill.total().map_err(unreckoned)?;
        if bill.freight.minor > 0 && switches::takes_next(books, FREIGHT_DROPPED).await? {
            switches::hit(books, FREIGHT_DROPPED).await?;
            total.minor -= bill.freight.minor;
        }
        let row = OrderRow {
            order: &bill.order,
            buyer: &bill.buyer,
            goods: None,
            channel: &bill.channel,
            payable: total,
            request_no: &bill.request_no,
        };
        let made = row.insert(books, self.now_ms).await?;
        sqlx::query(
            "INSERT INTO order_bill (order_id, items, discount, freight, tax, total, currency, at_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&bill.order)
        .bind(bill.items.to_decimal())
        .bind(bill.discount.to_decimal())
        .bind(bill.freight.to_decimal())
        .bind(bill.tax.to_decimal())
        .bind(total.to_decimal())
        .bind(total.currency.code())
        .bind(self.now_ms)
        .execute(books)
        .await?;
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;

    #[test]
    fn a_total_is_items_less_discount_plus_freight_and_tax() {
        let bill = |items, discount, freight, tax| NewBill {
            order: "O-1".into(),
            buyer: "u".into(),
            channel: "alipay".into(),
            request_no: "r".into(),
            items,
            discount,
            freight,
            tax,
        };
        let total = |parts: [i64; 4]| {
            let [items, discount, freight, tax] = parts.map(Money::cny);
            bill(items, discount, freight, tax).total().unwrap()
        };
        assert_eq!(total([19_900, 2_000, 1_200, 300]), Money::cny(19_400));
        assert_eq!(total([19_900, 0, 0, 0]), Money::cny(19_900));
        assert_eq!(total([100, 200, 0, 0]), Money::cny(-100));
        let dollars = Money::new(1, Currency::Usd);
        assert!(bill(Money::cny(100), Money::cny(0), dollars, Money::cny(0)).total().is_err());
    }
}

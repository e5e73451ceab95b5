//! Checkout: an order that takes coupons and promotions off its price.
//!
//! Coupons are locked first, then their activities, each in the order of their ids, before anything is checked: of two
//! orders with one coupon, or for the last of a budget, the second sees what the first left. Of promotions that exclude
//! one another the order takes the best. Try it: `tests/shop.rs`. Not covered: giving back what a refunded order took.

use std::collections::BTreeSet;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::mysql::MySqlConnection;

use super::breakers::{self, Kind};
use super::orders::{MakeOrder, NewOrder, OrderMade};
use super::switches::{self, Switch};
use super::{Booking, Refusal, Shop, above_zero, non_empty};
use crate::money::Money;
use crate::shop::schema::money;

/// Stops what orders take from one activity.
pub const REDEEM: Kind = Kind::new("redeem");

/// A coupon that was used is taken again.
const COUPON_UNCHECKED: Switch = Switch::new("coupon.use-unchecked");
/// An order takes every promotion of an exclusion group.
const EXCLUSION_UNCHECKED: Switch = Switch::new("promotion.exclusion-unchecked");
/// What orders take is not held against the activity's budget.
const BUDGET_UNCHECKED: Switch = Switch::new("activity.budget-unchecked");

pub(super) const SWITCHES: &[Switch] = &[COUPON_UNCHECKED, EXCLUSION_UNCHECKED, BUDGET_UNCHECKED];

/// `POST /checkouts`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Checkout {
    pub order: String,
    pub buyer: String,
    pub channel: String,
    /// Before anything is taken off.
    pub price: Money,
    #[serde(default)]
    pub coupons: BTreeSet<String>,
    #[serde(default)]
    pub promotions: BTreeSet<String>,
}

/// Something that an order takes off its price.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Benefit {
    id: String,
    activity: String,
    face: Money,
    /// Of a promotion; a coupon has none.
    group: Option<String>,
}

/// Makes an order with what it takes off its price.
pub async fn checkout(shop: &Shop, checkout: &Checkout) -> Result<OrderMade, Refusal> {
    non_empty(&[
        ("order", &checkout.order),
        ("buyer", &checkout.buyer),
        ("channel", &checkout.channel),
    ])?;
    above_zero("price", checkout.price)?;
    let mut connection = shop.books.pool().acquire().await?;
    let named = benefits(&mut connection, checkout).await?;
    drop(connection);
    let mut passing = Vec::new();
    for activity in activities(&named) {
        passing.push(shop.gates.pass(REDEEM, activity).await);
    }
    let booking = Book { checkout, now_ms: shop.now_ms() };
    let booked = shop.book_once("checkout", &checkout.order, checkout, booking).await;
    let mut fields = json!({"order_id": checkout.order, "price": checkout.price});
    match booked {
        Ok(booked) => {
            if booked.is_fresh {
                fields["payable"] = json!(booked.answer.payable);
                shop.log("checkout_booked", &fields);
            }
            Ok(booked.answer)
        }
        Err(refusal) => {
            fields["reason"] = Value::from(refusal.to_string());
            shop.log("checkout_refused", &fields);
            Err(refusal)
        }
    }
}

struct Book<'a> {
    checkout: &'a Checkout,
    now_ms: i64,
}

impl Booking for Book<'_> {
    type Out = OrderMade;

    async fn book(&self, books: &mut MySqlConnection) -> Result<OrderMade, Refusal> {
        let checkout = self.checkout;
        for coupon in &checkout.coupons {
            use_coupon(books, coupon).await?;
        }
        let mut taken = benefits(books, checkout).await?;
        let best = best_of_groups(&taken);
        if best.len() < taken.len() {
            match switches::is_on(books, EXCLUSION_UNCHECKED).await? {
                true => switches::hit(books, EXCLUSION_UNCHECKED).await?,
                false => taken = best,
            }
        }
        for activity in activities(&taken) {
            let mine = taken.iter().filter(|benefit| benefit.activity == activity);
            self.spend(books, activity, mine).await?;
        }
        let mut payable = checkout.price;
        for benefit in &taken {
            self.note_use(books, benefit).await?;
            let refuse = |error| Refusal::Invalid(format!("{}: {error}", benefit.id));
            payable = payable.checked_sub(benefit.face).map_err(refuse)?;
        }
        above_zero("payable", payable)?;
        let order = NewOrder {
            order: checkout.order.clone(),
            buyer: checkout.buyer.clone(),
            channel: checkout.channel.clone(),
            payable,
            request_no: format!("checkout-{}", checkout.order),
        };
        MakeOrder { order: &order, now_ms: self.now_ms }.book(books).await
    }
}

impl Book<'_> {
    /// Takes what `mine` are worth out of the activity's budget, with its row locked.
    async fn spend(
        &self,
        books: &mut MySqlConnection,
        activity: &str,
        mine: impl Iterator<Item = &Benefit>,
    ) -> Result<(), Refusal> {
        let (budget, currency): (Decimal, String) = sqlx::query_as(
            "SELECT budget, currency FROM activity WHERE activity_id = ? FOR UPDATE",
        )
        .bind(activity)
        .fetch_optional(&mut *books)
        .await?
        .ok_or_else(|| Refusal::Unknown(format!("no activity `{activity}`")))?;
        breakers::must_be_closed(books, REDEEM, activity, self.now_ms).await?;
        for benefit in mine {
            if benefit.face.currency.code() != currency {
                return Err(Refusal::Conflict(format!("activity `{activity}` is in {currency}")));
            }
            sqlx::query(
                "INSERT INTO budget_flow (flow_id, activity_id, order_id, amount, currency, at_ms)
                 VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(format!("{}/{}", self.checkout.order, benefit.id))
            .bind(activity)
            .bind(&self.checkout.order)
            .bind(benefit.face.to_decimal())
            .bind(&currency)
            .bind(self.now_ms)
            .execute(&mut *books)
            .await?;
        }
        let spent: Option<Decimal> =
            sqlx::query_scalar("SELECT SUM(amount) FROM budget_flow WHERE activity_id = ?")
                .bind(activity)
                .fetch_one(&mut *books)
                .await?;
        if spent.unwrap_or_default() > budget {
            if !switches::is_on(books, BUDGET_UNCHECKED).await? {
                return Err(Refusal::Conflict(format!(
                    "the budget of activity `{activity}` is used up"
                )));
            }
            switches::hit(books, BUDGET_UNCHECKED).await?;
        }
        Ok(())
    }

    async fn note_use(
        &self,
        books: &mut MySqlConnection,
        benefit: &Benefit,
    ) -> Result<(), Refusal> {
        let Benefit { id, activity, face, group } = benefit;
        let order = &self.checkout.order;
        let insert = match group {
            None => sqlx::query(
                "INSERT INTO coupon_use (coupon_id, use_id, activity_id, order_id, amount, currency,
                   at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
            ),
            Some(group) => sqlx::query(
                "INSERT INTO promotion_use (slot, promotion_id, use_id, activity_id, order_id, amount,
                   currency, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(format!("{order}/{group}")),
        };
        let insert = insert
            .bind(id)
            .bind(format!("{order}/{id}"))
            .bind(activity)
            .bind(order)
            .bind(face.to_decimal())
            .bind(face.currency.code())
            .bind(self.now_ms);
        insert.execute(books).await?;
        Ok(())
    }
}

/// Locks a coupon and marks it used.
async fn use_coupon(books: &mut MySqlConnection, coupon: &str) -> Result<(), Refusal> {
    let status: Option<String> =
        sqlx::query_scalar("SELECT status FROM coupon WHERE coupon_id = ? FOR UPDATE")
            .bind(coupon)
            .fetch_optional(&mut *books)
            .await?;
    let status = status.ok_or_else(|| Refusal::Unknown(format!("no coupon `{coupon}`")))?;
    if status == "USED" {
        if !switches::is_on(books, COUPON_UNCHECKED).await? {
            return Err(Refusal::Conflict(format!("coupon `{coupon}` was used already")));
        }
        return switches::hit(books, COUPON_UNCHECKED).await;
    }
    sqlx::query("UPDATE coupon SET status = 'USED' WHERE coupon_id = ?")
        .bind(coupon)
        .execute(books)
        .await?;
    Ok(())
}

/// What the checkout names: coupons, then promotions, the best first.
async fn benefits(
    books: &mut MySqlConnection,
    checkout: &Checkout,
) -> Result<Vec<Benefit>, Refusal> {
    type Row = (String, Decimal, String, Option<String>);
    let mut all = Vec::new();
    let coupons = checkout
        .coupons
        .iter()
        .map(|id| (id, "SELECT activity_id, face, currency, NULL FROM coupon WHERE coupon_id = ?"));
    let promotions = checkout.promotions.iter().map(|id| {
        (id, "SELECT activity_id, face, currency, exclusion_group FROM promotion WHERE promotion_id = ?")
    });
    for (id, sql) in coupons.chain(promotions) {
        let row: Option<Row> = sqlx::query_as(sql).bind(id).fetch_optional(&mut *books).await?;
        let unknown = || Refusal::Unknown(format!("no coupon or promotion `{id}`"));
        let (activity, face, currency, group) = row.ok_or_else(unknown)?;
        all.push(Benefit { id: id.clone(), activity, face: money(face, &currency)?, group });
    }
    all.sort_by_key(|benefit| (benefit.group.is_some(), -benefit.face.minor));
    Ok(all)
}

fn activities(benefits: &[Benefit]) -> BTreeSet<&str> {
    benefits.iter().map(|benefit| benefit.activity.as_str()).collect()
}

/// All coupons, and of each exclusion group the promotion that stands first.
fn best_of_groups(benefits: &[Benefit]) -> Vec<Benefit> {
    let mut groups = BTreeSet::new();
    let mut best = Vec::new();
    for benefit in benefits {
        if benefit.group.as_ref().is_none_or(|group| groups.insert(group)) {
            best.push(benefit.clone());
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_group_the_first_is_taken_and_every_coupon() {
        let benefit = |id: &str, group: Option<&str>| Benefit {
            id: id.into(),
            activity: "A".into(),
            face: Money::cny(100),
            group: group.map(Into::into),
        };
        let check = |all: &[(&str, Option<&str>)], expect: &[&str]| {
            let all: Vec<Benefit> = all.iter().map(|(id, group)| benefit(id, *group)).collect();
            let best: Vec<String> = best_of_groups(&all).into_iter().map(|one| one.id).collect();
            assert_eq!(best, expect);
        };
        check(&[("P", Some("G")), ("Q", Some("G"))], &["P"]);
        check(&[("P", Some("G")), ("Q", Some("H"))], &["P", "Q"]);
        check(&[("C", None), ("D", None), ("P", Some("G"))], &["C", "D", "P"]);
    }
}

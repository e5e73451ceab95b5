//! Activities with their budgets, and the coupons and promotions that they give out.
//!
//! Knows no order: what orders take is `checkouts`. Try it: `tests/shop.rs`. Not covered: an activity's begin and end.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::mysql::MySqlConnection;

use super::{Booking, Refusal, Shop, above_zero, non_empty};
use crate::money::Money;

/// `POST /activities`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewActivity {
    pub activity: String,
    pub budget: Money,
}

/// `POST /activities/{activity}/budget`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewBudget {
    pub budget: Money,
}

/// `POST /coupons`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewCoupon {
    pub coupon: String,
    pub activity: String,
    pub face: Money,
}

/// `POST /promotions`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewPromotion {
    pub promotion: String,
    pub activity: String,
    /// An order takes one promotion of a group.
    pub group: String,
    pub face: Money,
}

/// Begins an activity.
pub async fn open(shop: &Shop, new: &NewActivity) -> Result<NewActivity, Refusal> {
    non_empty(&[("activity", &new.activity)])?;
    above_zero("budget", new.budget)?;
    let opened = shop.book_once("activity", &new.activity, new, Open(new)).await?;
    if opened.is_fresh {
        shop.log("activity_opened", &json!({"activity": new.activity, "budget": new.budget}));
    }
    Ok(opened.answer)
}

struct Open<'a>(&'a NewActivity);

impl Booking for Open<'_> {
    type Out = NewActivity;

    async fn book(&self, books: &mut MySqlConnection) -> Result<NewActivity, Refusal> {
        sqlx::query("INSERT INTO activity (activity_id, budget, currency) VALUES (?, ?, ?)")
            .bind(&self.0.activity)
            .bind(self.0.budget.to_decimal())
            .bind(self.0.budget.currency.code())
            .execute(books)
            .await?;
        Ok(self.0.clone())
    }
}

/// Sets the whole budget of an activity anew; the same again changes nothing.
pub async fn set_budget(
    shop: &Shop,
    activity: &str,
    new: &NewBudget,
) -> Result<NewBudget, Refusal> {
    above_zero("budget", new.budget)?;
    let known: Option<String> =
        sqlx::query_scalar("SELECT activity_id FROM activity WHERE activity_id = ?")
            .bind(activity)
            .fetch_optional(shop.books.pool())
            .await?;
    known.ok_or_else(|| Refusal::Unknown(format!("no activity `{activity}`")))?;
    sqlx::query("UPDATE activity SET budget = ? WHERE activity_id = ? AND currency = ?")
        .bind(new.budget.to_decimal())
        .bind(activity)
        .bind(new.budget.currency.code())
        .execute(shop.books.pool())
        .await?;
    Ok(new.clone())
}

/// Gives out a coupon, good for one order.
pub async fn issue(shop: &Shop, coupon: &NewCoupon) -> Result<NewCoupon, Refusal> {
    non_empty(&[("coupon", &coupon.coupon), ("activity", &coupon.activity)])?;
    above_zero("face", coupon.face)?;
    Ok(shop.book_once("coupon", &coupon.coupon, coupon, Issue(coupon)).await?.answer)
}

struct Issue<'a>(&'a NewCoupon);

impl Booking for Issue<'_> {
    type Out = NewCoupon;

    async fn book(&self, books: &mut MySqlConnection) -> Result<NewCoupon, Refusal> {
        sqlx::query(
            "INSERT INTO coupon (coupon_id, activity_id, face, currency, status)
             VALUES (?, ?, ?, ?, 'NEW')",
        )
        .bind(&self.0.coupon)
        .bind(&self.0.activity)
        .bind(self.0.face.to_decimal())
        .bind(self.0.face.currency.code())
        .execute(books)
        .await?;
        Ok(self.0.clone())
    }
}

/// Offers a promotion.
pub async fn offer(shop: &Shop, promotion: &NewPromotion) -> Result<NewPromotion, Refusal> {
    let NewPromotion { promotion: id, activity, group, face } = promotion;
    non_empty(&[("promotion", id), ("activity", activity), ("group", group)])?;
    above_zero("face", *face)?;
    Ok(shop.book_once("promotion", id, promotion, Offer(promotion)).await?.answer)
}

struct Offer<'a>(&'a NewPromotion);

impl Booking for Offer<'_> {
    type Out = NewPromotion;

    async fn book(&self, books: &mut MySqlConnection) -> Result<NewPromotion, Refusal> {
        sqlx::query(
            "INSERT INTO promotion (promotion_id, activity_id, exclusion_group, face, currency)
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(&self.0.promotion)
        .bind(&self.0.activity)
        .bind(&self.0.group)
        .bind(self.0.face.to_decimal())
        .bind(self.0.face.currency.code())
        .execute(books)
        .await?;
        Ok(self.0.clone())
    }
}

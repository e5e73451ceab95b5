//! Payees: which account a merchant is paid into.
//!
//! A new account counts once the merchant has confirmed it at the contact that was known before, or 24 hours after it
//! was given, if nobody objected. Knows no bill. Try it: `tests/shop`. Not covered: objecting.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::mysql::MySqlConnection;

use super::switches::{self, Switch};
use super::{Booking, Refusal, Shop, non_empty};
use crate::shop::refusal::is_duplicate;

/// The newest account counts at once.
const GUARD_BYPASSED: Switch = Switch::new("payee-guard.bypassed");

pub(super) const SWITCHES: &[Switch] = &[GUARD_BYPASSED];

/// How long an account that nobody confirmed may be objected to.
const OBJECTION_MS: i64 = 24 * 60 * 60 * 1000;

/// `POST /merchants/{merchant}/payees`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewPayee {
    pub change: String,
    pub account: String,
    pub confirmed: bool,
    /// Of an account that is taken over from elsewhere: how long ago it was given there.
    #[serde(default)]
    pub given_ago_ms: i64,
}

/// Takes note of an account that was given for a merchant.
pub async fn change(shop: &Shop, merchant: &str, payee: &NewPayee) -> Result<NewPayee, Refusal> {
    non_empty(&[("merchant", merchant), ("change", &payee.change), ("account", &payee.account)])?;
    if payee.given_ago_ms < 0 {
        return Err(Refusal::invalid("given_ago_ms must be 0 or more"));
    }
    let booking = Change { merchant, payee, now_ms: shop.now_ms() };
    let body = (merchant, payee);
    let booked = shop.book_once("payee", &payee.change, &body, booking).await?;
    if booked.is_fresh {
        let (account, confirmed) = (&payee.account, payee.confirmed);
        let fields = json!({"merchant": merchant, "account": account, "confirmed": confirmed});
        shop.log("payee_changed", &fields);
    }
    Ok(booked.answer)
}

struct Change<'a> {
    merchant: &'a str,
    payee: &'a NewPayee,
    now_ms: i64,
}

impl Booking for Change<'_> {
    type Out = NewPayee;

    async fn book(&self, books: &mut MySqlConnection) -> Result<NewPayee, Refusal> {
        let payee = self.payee;
        let inserted = sqlx::query(
            "INSERT INTO payee_account (change_id, merchant, account, confirmed, changed_at_ms)
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(&payee.change)
        .bind(self.merchant)
        .bind(&payee.account)
        .bind(payee.confirmed)
        .bind(self.now_ms.saturating_sub(payee.given_ago_ms))
        .execute(books)
        .await;
        match inserted {
            Ok(_) => Ok(payee.clone()),
            Err(error) if is_duplicate(&error) => {
                Err(Refusal::Conflict(format!("change `{}` was made before", payee.change)))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The account that a merchant is paid into now.
pub(super) async fn in_force(
    books: &mut MySqlConnection,
    merchant: &str,
    now_ms: i64,
) -> Result<String, Refusal> {
    let counts = newest(books, merchant, now_ms.saturating_sub(OBJECTION_MS)).await?;
    let newest = newest(books, merchant, i64::MAX).await?;
    if newest != counts && switches::is_on(books, GUARD_BYPASSED).await? {
        switches::hit(books, GUARD_BYPASSED).await?;
        return newest.ok_or_else(|| no_account(merchant));
    }
    counts.ok_or_else(|| no_account(merchant))
}

fn no_account(merchant: &str) -> Refusal {
    Refusal::Conflict(format!("merchant `{merchant}` has no account to be paid into"))
}

/// The newest of a merchant's accounts that was confirmed, or given by `given_ms`.
async fn newest(
    books: &mut MySqlConnection,
    merchant: &str,
    given_ms: i64,
) -> Result<Option<String>, Refusal> {
    Ok(sqlx::query_scalar(
        "SELECT account FROM payee_account
         WHERE merchant = ? AND (confirmed = 1 OR changed_at_ms <= ?)
         ORDER BY changed_at_ms DESC, change_id DESC LIMIT 1",
    )
    .bind(merchant)
    .bind(given_ms)
    .fetch_optional(books)
    .await?)
}

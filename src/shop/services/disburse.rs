//! Disbursement: a merchant's bill is paid through the channel, once, into the account that counts.
//!
//! The bill's row is locked when its payout is ordered, and an ordered bill is not ordered again. The payout's number is
//! the bill's: a call whose answer was lost is made again under the same number, and the channel pays once. Knows no
//! order. Try it: `tests/shop`. Not covered: a payout that the channel refuses for good, paying a part of a bill.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::mysql::MySqlConnection;

use super::breakers::{self, Kind, Passage};
use super::due::{self, Work};
use super::payees;
use super::switches::{self, Switch};
use super::{Booking, Refusal, Shop, non_empty};
use crate::money::Money;
use crate::shop::schema::money;

/// Stops what one merchant is paid.
pub const PAYOUT: Kind = Kind::new("payout");

/// The answer to the next payout (or the next `times`) is lost; it is retried under a new number.
const RETRIED_ANEW: Switch = Switch::next("merchant-payout.retried-anew");
/// The answer to the next payout (or the next `times`) is lost; it is retried as it was.
const RETRIED_ALIKE: Switch = Switch::next("merchant-payout.retried-alike");

pub(super) const SWITCHES: &[Switch] = &[RETRIED_ANEW, RETRIED_ALIKE];

/// The channel that merchants are paid through.
const CHANNEL: &str = "alipay";
/// After an answer that was lost a payout waits this long.
const RETRY_PAUSE_MS: i64 = 100;

/// `POST /merchant-bills/{bill}/payout`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PayBill {
    pub merchant: String,
}

/// A payout to make.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Disbursement {
    pub payout_no: String,
    pub bill: String,
    pub merchant: String,
    pub account: String,
    pub amount: Money,
}

/// Orders the payout of a bill.
pub async fn order(shop: &Shop, bill: &str, pay: &PayBill) -> Result<Disbursement, Refusal> {
    non_empty(&[("bill", bill), ("merchant", &pay.merchant)])?;
    let _passing = shop.gates.pass(PAYOUT, &pay.merchant).await;
    let booking = OrderPayout { bill, merchant: &pay.merchant, now_ms: shop.now_ms() };
    let payout = shop.book(&booking).await;
    match &payout {
        Ok(payout) => shop.log("payout_ordered", &json!(payout)),
        Err(refusal) => {
            let reason = refusal.to_string();
            shop.log("payout_refused", &json!({"bill": bill, "reason": reason}));
        }
    }
    payout
}

struct OrderPayout<'a> {
    bill: &'a str,
    merchant: &'a str,
    now_ms: i64,
}

impl Booking for OrderPayout<'_> {
    type Out = Disbursement;

    async fn book(&self, books: &mut MySqlConnection) -> Result<Disbursement, Refusal> {
        let OrderPayout { bill, merchant, now_ms } = *self;
        let amount = self.locked(books).await?;
        breakers::must_be_closed(books, PAYOUT, merchant, now_ms).await?;
        let account = payees::in_force(books, merchant, now_ms).await?;
        set_status(books, bill, "PAYING", now_ms).await?;
        let payout = Disbursement {
            payout_no: format!("MP-{bill}"),
            bill: bill.to_owned(),
            merchant: merchant.to_owned(),
            account,
            amount,
        };
        add(books, &payout, now_ms).await?;
        Ok(payout)
    }
}

impl OrderPayout<'_> {
    /// What an open bill of this merchant comes to, with its row locked.
    async fn locked(&self, books: &mut MySqlConnection) -> Result<Money, Refusal> {
        let bill = self.bill;
        let row: Option<(String, Decimal, String, String)> = sqlx::query_as(
            "SELECT merchant, amount, currency, status FROM settle_bill
             WHERE bill_id = ? FOR UPDATE",
        )
        .bind(bill)
        .fetch_optional(books)
        .await?;
        let row = row.filter(|(merchant, ..)| merchant == self.merchant);
        let unknown =
            || Refusal::Unknown(format!("merchant `{}` has no bill `{bill}`", self.merchant));
        let (_, amount, currency, status) = row.ok_or_else(unknown)?;
        if status != "OPEN" {
            return Err(Refusal::Conflict(format!("bill `{bill}` is {status}, not OPEN")));
        }
        money(amount, &currency)
    }
}

async fn set_status(
    books: &mut MySqlConnection,
    bill: &str,
    status: &str,
    now_ms: i64,
) -> Result<(), Refusal> {
    sqlx::query("UPDATE settle_bill SET status = ?, updated_at_ms = ? WHERE bill_id = ?")
        .bind(status)
        .bind(now_ms)
        .bind(bill)
        .execute(books)
        .await?;
    Ok(())
}

async fn add(
    books: &mut MySqlConnection,
    payout: &Disbursement,
    due_ms: i64,
) -> Result<(), Refusal> {
    let work_id = format!("disburse:{}", payout.payout_no);
    due::add(books, &work_id, &Work::Disburse(payout.clone()), due_ms).await.map(drop)
}

/// Pays through the channel, unless a breaker is active: then the payout waits for its end.
pub async fn pay(shop: &Shop, work_id: &str, payout: &Disbursement) -> Result<(), Refusal> {
    let _passing = shop.gates.pass(PAYOUT, &payout.merchant).await;
    let now_ms = shop.now_ms();
    let passage = Passage { kind: PAYOUT, scope: &payout.merchant, work_id, now_ms };
    if !shop.books.book(&passage).await? {
        return Ok(());
    }
    let txn = shop.gateway.transfer(&request(payout)).await?;
    let note = Note { work_id, payout, txn: &txn, now_ms: shop.now_ms() };
    if shop.book(&note).await? {
        let (bill, merchant) = (&payout.bill, &payout.merchant);
        let fields = json!({
            "bill": bill, "merchant": merchant, "account": payout.account,
            "amount": payout.amount, "payout_no": payout.payout_no, "txn": txn
        });
        shop.log("merchant_paid", &fields);
    }
    Ok(())
}

fn request(payout: &Disbursement) -> serde_json::Value {
    json!({
        "transfer_no": payout.payout_no, "bill": payout.bill, "merchant": payout.merchant,
        "payee": payout.account, "channel": CHANNEL, "amount": payout.amount
    })
}

/// What follows on the channel's answer.
struct Note<'a> {
    work_id: &'a str,
    payout: &'a Disbursement,
    txn: &'a str,
    now_ms: i64,
}

impl Booking for Note<'_> {
    /// Whether the answer arrived.
    type Out = bool;

    async fn book(&self, books: &mut MySqlConnection) -> Result<bool, Refusal> {
        let retry_ms = self.now_ms.saturating_add(RETRY_PAUSE_MS);
        if switches::takes_next(books, RETRIED_ALIKE).await? {
            due::put_off(books, self.work_id, retry_ms).await?;
            switches::hit(books, RETRIED_ALIKE).await?;
            return Ok(false);
        }
        if switches::takes_next(books, RETRIED_ANEW).await? {
            let payout_no = format!("{}-2", self.payout.payout_no);
            due::done(books, self.work_id, self.now_ms).await?;
            add(books, &Disbursement { payout_no, ..self.payout.clone() }, retry_ms).await?;
            switches::hit(books, RETRIED_ANEW).await?;
            return Ok(false);
        }
        self.paid(books).await?;
        Ok(true)
    }
}

impl Note<'_> {
    async fn paid(&self, books: &mut MySqlConnection) -> Result<(), Refusal> {
        let payout = self.payout;
        set_status(books, &payout.bill, "PAID", self.now_ms).await?;
        sqlx::query(
            "INSERT IGNORE INTO merchant_payout (payout_no, bill_id, merchant, account, amount,
               currency, channel_txn, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&payout.payout_no)
        .bind(&payout.bill)
        .bind(&payout.merchant)
        .bind(&payout.account)
        .bind(payout.amount.to_decimal())
        .bind(payout.amount.currency.code())
        .bind(self.txn)
        .bind(self.now_ms)
        .execute(&mut *books)
        .await?;
        due::done(books, self.work_id, self.now_ms).await
    }
}

//! Payouts: an approval that was read from Kafka becomes due work, and due work becomes money at
//! the channel.
//!
//! One payout a refund, however often its approval is delivered; the defect
//! `refund-payout.not-idempotent` gives each further delivery a payout of its own, and `refund-payout.retried-anew`
//! one to a payout whose books did not answer. What is paid is
//! what the books approved; a message that says otherwise is refused. Knows no Kafka client. Try
//! it: `tests/shop.rs`. Not covered: a payout that the channel refuses for good.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::mysql::MySqlConnection;

use super::breakers::{Passage, REFUND};
use super::due::{self, Work};
use super::switches::{self, Switch};
use super::{Booking, Refusal, Shop};
use crate::money::Money;
use crate::shop::schema::money;

/// Each delivery of an approval pays out.
const NOT_IDEMPOTENT: Switch = Switch::new("refund-payout.not-idempotent");

/// The next payout (or the next `times`) whose books did not answer is taken for failed, and made under a new number.
const RETRIED_ANEW: Switch = Switch::next("refund-payout.retried-anew");
/// The same, under its own number.
const RETRIED_ALIKE: Switch = Switch::next("refund-payout.retried-alike");

pub(super) const SWITCHES: &[Switch] = &[NOT_IDEMPOTENT, RETRIED_ANEW, RETRIED_ALIKE];

/// The message `refund-approved`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Approval {
    #[serde(rename = "type")]
    pub kind: String,
    pub refund: String,
    pub order: String,
    pub channel: String,
    pub amount: Money,
}

/// A payout to make.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Payout {
    pub payout_no: String,
    pub refund: String,
    pub order: String,
    pub channel: String,
    pub amount: Money,
    /// Made by the defect: its payment is a hit.
    pub is_extra: bool,
}

/// What became of one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    Due,
    Known,
    Refused(String),
}

/// Takes one delivery; `offset` names it.
pub async fn take(
    books: &mut MySqlConnection,
    approval: &Approval,
    offset: i64,
    now_ms: i64,
) -> Result<Taken, Refusal> {
    let row: Option<(String, String, Decimal, String)> = sqlx::query_as(
        "SELECT order_id, channel, amount, currency FROM refund_order WHERE refund_id = ?",
    )
    .bind(&approval.refund)
    .fetch_optional(&mut *books)
    .await?;
    let Some((order, channel, amount, currency)) = row else {
        return Ok(Taken::Refused("no such refund was approved".to_owned()));
    };
    let approved = (order, channel, money(amount, &currency)?);
    if approved != (approval.order.clone(), approval.channel.clone(), approval.amount) {
        return Ok(Taken::Refused("the message differs from the approved refund".to_owned()));
    }
    let (order, channel, amount) = approved;
    let refund = approval.refund.clone();
    let payout_no = format!("P-{refund}");
    let mut payout = Payout { payout_no, refund, order, channel, amount, is_extra: false };
    if add(books, &payout, now_ms).await? {
        return Ok(Taken::Due);
    }
    if !switches::is_on(books, NOT_IDEMPOTENT).await? {
        return Ok(Taken::Known);
    }
    payout.payout_no = format!("{}-{offset}", payout.payout_no);
    payout.is_extra = true;
    let is_new = add(books, &payout, now_ms).await?;
    Ok(if is_new { Taken::Due } else { Taken::Known })
}

async fn add(books: &mut MySqlConnection, payout: &Payout, now_ms: i64) -> Result<bool, Refusal> {
    let work_id = format!("payout:{}", payout.payout_no);
    due::add(books, &work_id, &Work::Payout(payout.clone()), now_ms).await
}

/// Pays out through the channel, unless a breaker is active: then the payout waits for its end.
pub async fn pay(shop: &Shop, work_id: &str, payout: &Payout) -> Result<(), Refusal> {
    let _passing = shop.gates.pass(REFUND, &payout.channel).await;
    let now_ms = shop.now_ms();
    let passage = Passage { kind: REFUND, scope: &payout.channel, work_id, now_ms };
    if !shop.books.book(&passage).await? {
        return Ok(());
    }
    let txn = shop.gateway.pay_out(&request(payout)).await?;
    let noted = shop.book(&NotePayout { work_id, payout, txn: &txn, now_ms: shop.now_ms() }).await;
    if let Err(refusal) = noted {
        // Where the answer to the commit is lost, the note may stand: then the work is done, and stays so.
        shop.book(&Again { work_id, payout, now_ms: shop.now_ms() }).await?;
        return Err(refusal);
    }
    shop.log(
        "refund_paid",
        &json!({
            "order_id": payout.order, "refund_id": payout.refund, "amount": payout.amount,
            "payout_no": payout.payout_no, "txn": txn
        }),
    );
    Ok(())
}

fn request(payout: &Payout) -> Value {
    json!({
        "payout_no": payout.payout_no, "refund": payout.refund, "order": payout.order,
        "channel": payout.channel, "amount": payout.amount
    })
}

/// A payout whose note got no answer, made again where a defect takes that for a failure.
struct Again<'a> {
    work_id: &'a str,
    payout: &'a Payout,
    now_ms: i64,
}

impl Booking for Again<'_> {
    type Out = ();

    async fn book(&self, books: &mut MySqlConnection) -> Result<(), Refusal> {
        if switches::takes_next(books, RETRIED_ANEW).await? {
            let payout_no = format!("{}-2", self.payout.payout_no);
            add(books, &Payout { payout_no, ..self.payout.clone() }, self.now_ms).await?;
            switches::hit(books, RETRIED_ANEW).await?;
        } else if switches::takes_next(books, RETRIED_ALIKE).await? {
            due::reopen(books, self.work_id, self.now_ms).await?;
            switches::hit(books, RETRIED_ALIKE).await?;
        }
        Ok(())
    }
}

struct NotePayout<'a> {
    work_id: &'a str,
    payout: &'a Payout,
    txn: &'a str,
    now_ms: i64,
}

impl Booking for NotePayout<'_> {
    type Out = ();

    async fn book(&self, books: &mut MySqlConnection) -> Result<(), Refusal> {
        let payout = self.payout;
        sqlx::query("UPDATE refund_order SET status = 'PAID' WHERE refund_id = ?")
            .bind(&payout.refund)
            .execute(&mut *books)
            .await?;
        let noted = sqlx::query(
            "INSERT IGNORE INTO refund_payout (payout_no, refund_id, order_id, channel, amount,
               currency, channel_txn, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&payout.payout_no)
        .bind(&payout.refund)
        .bind(&payout.order)
        .bind(&payout.channel)
        .bind(payout.amount.to_decimal())
        .bind(payout.amount.currency.code())
        .bind(self.txn)
        .bind(self.now_ms)
        .execute(&mut *books)
        .await?;
        due::done(books, self.work_id, self.now_ms).await?;
        if payout.is_extra && noted.rows_affected() == 1 {
            switches::hit(books, NOT_IDEMPOTENT).await?;
        }
        Ok(())
    }
}

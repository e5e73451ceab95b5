//! Bills of merchants: what settlement owes them.
//!
//! Whatever changes a bill's amount writes its own row of `bill_change` in the same transaction, so that the changes of a
//! bill add up to it. An amount that they do not add up to was not made here: somebody has edited it by hand, with a
//! ticket or without. Knows no payout. Try it: `tests/shop`. Not covered: taking something off a bill.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::mysql::MySqlConnection;

use super::{Booking, Refusal, Shop, above_zero, non_empty};
use crate::money::Money;
use crate::shop::refusal::is_duplicate;

/// `POST /merchant-bills`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewBill {
    pub bill: String,
    pub merchant: String,
    pub amount: Money,
}

/// `POST /merchant-bills/{bill}/additions`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Addition {
    /// What it is added for.
    pub cause: String,
    pub amount: Money,
}

/// `POST /fix-tickets`: leave to add so much to a bill by hand, given by a second person.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FixTicket {
    pub ticket: String,
    pub bill: String,
    pub amount: Money,
}

/// Opens a bill that was made elsewhere.
pub async fn open(shop: &Shop, bill: &NewBill) -> Result<NewBill, Refusal> {
    non_empty(&[("bill", &bill.bill), ("merchant", &bill.merchant)])?;
    above_zero("amount", bill.amount)?;
    let booking = Open { bill, now_ms: shop.now_ms() };
    Ok(shop.book_once("merchant-bill", &bill.bill, bill, booking).await?.answer)
}

struct Open<'a> {
    bill: &'a NewBill,
    now_ms: i64,
}

impl Booking for Open<'_> {
    type Out = NewBill;

    async fn book(&self, books: &mut MySqlConnection) -> Result<NewBill, Refusal> {
        let NewBill { bill, merchant, amount } = self.bill;
        let change = Change { bill, amount: *amount, cause: "opened", now_ms: self.now_ms };
        if !change.opens(books, merchant).await? {
            return Err(Refusal::Conflict(format!("bill `{bill}` is there already")));
        }
        Ok(self.bill.clone())
    }
}

/// Adds to an open bill.
pub async fn add(shop: &Shop, bill: &str, addition: &Addition) -> Result<Addition, Refusal> {
    let Addition { cause, amount } = addition;
    non_empty(&[("bill", bill), ("cause", cause)])?;
    above_zero("amount", *amount)?;
    let booking = Add { bill, addition, now_ms: shop.now_ms() };
    let booked = shop.book_once("bill-addition", cause, &(bill, addition), booking).await?;
    if booked.is_fresh {
        shop.log("bill_added_to", &json!({"bill": bill, "amount": amount, "cause": cause}));
    }
    Ok(booked.answer)
}

struct Add<'a> {
    bill: &'a str,
    addition: &'a Addition,
    now_ms: i64,
}

impl Booking for Add<'_> {
    type Out = Addition;

    async fn book(&self, books: &mut MySqlConnection) -> Result<Addition, Refusal> {
        let (Addition { cause, amount }, now_ms) = (self.addition, self.now_ms);
        Change { bill: self.bill, amount: *amount, cause, now_ms }.adds(books).await?;
        Ok(self.addition.clone())
    }
}

/// Takes note of a ticket that was approved.
pub async fn approve(shop: &Shop, ticket: &FixTicket) -> Result<FixTicket, Refusal> {
    let FixTicket { ticket: id, bill, amount } = ticket;
    non_empty(&[("ticket", id), ("bill", bill)])?;
    above_zero("amount", *amount)?;
    let booking = Approve { ticket, now_ms: shop.now_ms() };
    let booked = shop.book_once("fix-ticket", id, ticket, booking).await?;
    if booked.is_fresh {
        shop.log("fix_ticket_approved", &json!({"ticket": id, "bill": bill, "amount": amount}));
    }
    Ok(booked.answer)
}

struct Approve<'a> {
    ticket: &'a FixTicket,
    now_ms: i64,
}

impl Booking for Approve<'_> {
    type Out = FixTicket;

    async fn book(&self, books: &mut MySqlConnection) -> Result<FixTicket, Refusal> {
        let FixTicket { ticket, bill, amount } = self.ticket;
        sqlx::query(
            "INSERT INTO fix_ticket (ticket, bill_id, delta, currency, approved, at_ms)
             VALUES (?, ?, ?, ?, 1, ?)",
        )
        .bind(ticket)
        .bind(bill)
        .bind(amount.to_decimal())
        .bind(amount.currency.code())
        .bind(self.now_ms)
        .execute(books)
        .await?;
        Ok(self.ticket.clone())
    }
}

/// One change of a bill's amount, and what it is made for.
pub(super) struct Change<'a> {
    pub bill: &'a str,
    pub amount: Money,
    pub cause: &'a str,
    pub now_ms: i64,
}

impl Change<'_> {
    /// Opens the bill with this amount; false where it is there already.
    pub async fn opens(
        &self,
        books: &mut MySqlConnection,
        merchant: &str,
    ) -> Result<bool, Refusal> {
        let opened = sqlx::query(
            "INSERT INTO settle_bill (bill_id, merchant, amount, currency, status, changes, updated_at_ms)
             VALUES (?, ?, ?, ?, 'OPEN', 1, ?)",
        )
        .bind(self.bill)
        .bind(merchant)
        .bind(self.amount.to_decimal())
        .bind(self.amount.currency.code())
        .bind(self.now_ms)
        .execute(&mut *books)
        .await;
        match opened {
            Ok(_) => self.note(books).await.map(|()| true),
            Err(error) if is_duplicate(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Adds this amount to a bill that is open, and whose row stays locked.
    pub async fn adds(&self, books: &mut MySqlConnection) -> Result<(), Refusal> {
        let (bill, currency) = (self.bill, self.amount.currency);
        let added = sqlx::query(
            "UPDATE settle_bill SET amount = amount + ?, changes = changes + 1, updated_at_ms = ?
             WHERE bill_id = ? AND currency = ? AND status = 'OPEN'",
        )
        .bind(self.amount.to_decimal())
        .bind(self.now_ms)
        .bind(bill)
        .bind(currency.code())
        .execute(&mut *books)
        .await?;
        if added.rows_affected() == 1 {
            return self.note(books).await;
        }
        Err(Refusal::Conflict(format!("bill `{bill}` takes nothing more in {currency}")))
    }

    /// Notes the change under its number, which the bill has just got.
    async fn note(&self, books: &mut MySqlConnection) -> Result<(), Refusal> {
        sqlx::query(
            "INSERT INTO bill_change (bill_id, nth, merchant, delta, currency, cause, at_ms)
             SELECT bill_id, changes, merchant, ?, ?, ?, ? FROM settle_bill WHERE bill_id = ?",
        )
        .bind(self.amount.to_decimal())
        .bind(self.amount.currency.code())
        .bind(self.cause)
        .bind(self.now_ms)
        .bind(self.bill)
        .execute(books)
        .await?;
        Ok(())
    }
}

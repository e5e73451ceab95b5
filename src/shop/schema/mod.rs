//! The shop's books: tables, connections, and the unit of work that all services write through.
//!
//! Knows no business rule. Locks are always taken in this order: `request_seen`, `consumer_offset`, `orders`, `shipment`, `stock`,
//! `bid`, `account` (by id), `settle_bill`, `breaker`, `due_work`, `app_switch`; a deadlock that happens all the same is run again.
//! Try it: `shop schema`. Not covered: migrations (the harness loads the DDL into a template).

mod books;
mod fulfilment;
mod goods;
mod once;
mod points;
mod promotion;
mod settle;
mod tables;
mod wallet;

pub use books::{Booking, Books};
pub use once::{Answered, Once};
pub use tables::ddl;

use rust_decimal::Decimal;

use super::refusal::Refusal;
use crate::money::Money;

/// An amount from its two columns.
pub fn money(amount: Decimal, currency: &str) -> Result<Money, Refusal> {
    let read = |error: crate::money::MoneyError| Refusal::unreadable("an amount", error);
    Money::from_decimal(amount, currency.parse().map_err(read)?).map_err(read)
}

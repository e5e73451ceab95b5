//! The practice storefront and its payment channel: the target range that has money to lose.
//!
//! Owns bids, orders, payments, refunds, stock, the transactional outbox and the defects that loss
//! points name (each a switch, off by default). Must not know the harness or the reconciler: it
//! imports `wire`, `money`, `clock` only. Layers: `http` -> `services` -> `schema`; `channel`
//! stands beside them, a process of its own with its own ledger. The other modules here are what
//! both processes share. Try it: `shop schema | mysql shop`, then `shop serve …` and `shop channel
//! …` (`shop serve --help` shows both). Not covered: closing unpaid orders by a timer, coupons,
//! settlement, wallet.

mod broker;
mod business_log;
mod channel;
mod command;
mod http;
mod pulse;
mod refusal;
mod schema;
mod services;
mod signature;
mod socket;

pub use command::main;

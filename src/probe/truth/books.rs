//! From changed rows to postings and promises: pure.
//!
//! A promise is an ACTIVE bid with pieces left whose item is on sale. A row or a breaker that says
//! "off sale" closes the promises of its item; a breaker whose time is over opens them again
//! without any row. Applying a row twice says nothing the second time, so that a reader may start
//! again before where it was.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::{Change, Row, RowError};
use crate::clock::CellTime;
use crate::journal::{Book, Event, Posting, PostingKind, Promise};
use crate::wire::Subject;

#[derive(Clone, Debug)]
struct Bid {
    sku: String,
    price: crate::money::Money,
    qty: u32,
    active: bool,
}

/// A `sale` breaker on an item.
#[derive(Clone, Copy, Debug)]
struct Breaker {
    active: bool,
    until: Option<CellTime>,
}

impl Breaker {
    fn holds(self, now: CellTime) -> bool {
        self.active && self.until.is_none_or(|until| until > now)
    }
}

/// What the rows so far say.
#[derive(Debug, Default)]
pub(super) struct Books {
    bids: BTreeMap<String, Bid>,
    off_sale: BTreeSet<String>,
    breakers: BTreeMap<String, Breaker>,
    /// The promises as they were told last.
    told: BTreeMap<String, Promise>,
    paid: BTreeSet<String>,
}

impl Books {
    /// What this change makes true, seen at `now`.
    pub fn apply(&mut self, change: &Change, now: CellTime) -> Result<Vec<Event>, RowError> {
        match change.table.as_str() {
            "bid" => self.bid_changed(change, now),
            "stock" => self.stock_changed(change, now),
            "breaker" => self.breaker_changed(change, now),
            "orders" => self.order_changed(change),
            _ => Ok(Vec::new()),
        }
    }

    /// When a breaker ends by itself next. It stays due, even in the past, until a tick has said
    /// so: the clock may jump over it while a row is being read.
    pub fn next_due(&self) -> Option<CellTime> {
        let active = self.breakers.values().filter(|breaker| breaker.active);
        active.filter_map(|breaker| breaker.until).min()
    }

    /// The promises that time alone has changed.
    pub fn tick(&mut self, now: CellTime) -> Vec<Event> {
        let mut over = Vec::new();
        for (sku, breaker) in &mut self.breakers {
            if breaker.active && !breaker.holds(now) {
                breaker.active = false;
                over.push(sku.clone());
            }
        }
        over.iter().flat_map(|sku| self.tell_item(sku, now)).collect()
    }

    fn bid_changed(&mut self, change: &Change, now: CellTime) -> Result<Vec<Event>, RowError> {
        let Some(row) = change.after.as_ref().or(change.before.as_ref()) else {
            return Ok(Vec::new());
        };
        let id = row.text("bid_id")?;
        let qty = row.int("qty")?;
        let bid = Bid {
            sku: row.text("sku")?,
            price: row.money("price")?,
            qty: u32::try_from(qty).unwrap_or(0),
            active: change.after.is_some() && row.text("status")? == "ACTIVE",
        };
        self.bids.insert(id.clone(), bid);
        Ok(self.tell(&id, now).into_iter().collect())
    }

    fn stock_changed(&mut self, change: &Change, now: CellTime) -> Result<Vec<Event>, RowError> {
        let Some(row) = &change.after else { return Ok(Vec::new()) };
        let sku = row.text("sku")?;
        match row.int("on_sale")? {
            0 => self.off_sale.insert(sku.clone()),
            _ => self.off_sale.remove(&sku),
        };
        Ok(self.tell_item(&sku, now))
    }

    fn breaker_changed(&mut self, change: &Change, now: CellTime) -> Result<Vec<Event>, RowError> {
        let mut touched = BTreeSet::new();
        if let Some(sku) = sale_scope(change.before.as_ref())? {
            self.breakers.remove(&sku);
            touched.insert(sku);
        }
        if let (Some(sku), Some(row)) = (sale_scope(change.after.as_ref())?, &change.after) {
            let until = row.optional_int("until_ms")?.map(CellTime);
            let active = row.int("active")? != 0;
            self.breakers.insert(sku.clone(), Breaker { active, until });
            touched.insert(sku);
        }
        Ok(touched.iter().flat_map(|sku| self.tell_item(sku, now)).collect())
    }

    fn order_changed(&mut self, change: &Change) -> Result<Vec<Event>, RowError> {
        let Some(row) = &change.after else { return Ok(Vec::new()) };
        let order = row.text("order_id")?;
        // A row that is read again, or an update of an order that is PAID already, is no news.
        let gone = match row.text("status")?.as_str() {
            "PAID" if self.paid.insert(order.clone()) => false,
            "PENDING" if self.paid.remove(&order) => true,
            _ => return Ok(Vec::new()),
        };
        let posting = Posting {
            book: Book::Orders,
            kind: PostingKind::OrderPaid,
            subject: Subject::new("order", order.clone()),
            amount: row.money("payable")?,
            reference: order,
            gone,
        };
        Ok(vec![Event::Posted { posting }])
    }

    fn tell_item(&mut self, sku: &str, now: CellTime) -> Vec<Event> {
        let of_item = self.bids.iter().filter(|(_, bid)| bid.sku == sku);
        let ids: Vec<String> = of_item.map(|(id, _)| id.clone()).collect();
        ids.iter().filter_map(|id| self.tell(id, now)).collect()
    }

    /// The promise of a bid where it differs from what was told. A bid that never was open is no
    /// promise.
    fn tell(&mut self, id: &str, now: CellTime) -> Option<Event> {
        let bid = self.bids.get(id)?;
        let broken = self.breakers.get(&bid.sku).is_some_and(|breaker| breaker.holds(now));
        let promise = Promise {
            subject: Subject::new("bid", id),
            sku: bid.sku.clone(),
            price: bid.price,
            qty: bid.qty,
            open: bid.active && bid.qty > 0 && !broken && !self.off_sale.contains(&bid.sku),
        };
        let same = match self.told.get(id) {
            Some(told) => *told == promise,
            None => !promise.open,
        };
        if same {
            return None;
        }
        self.told.insert(id.to_owned(), promise.clone());
        Some(Event::Promised { promise })
    }
}

/// The item that a breaker row takes off sale; none for other kinds of breaker.
fn sale_scope(row: Option<&Row>) -> Result<Option<String>, RowError> {
    match row {
        Some(row) if row.text("kind")? == "sale" => row.text("scope").map(Some),
        _ => Ok(None),
    }
}

#[cfg(test)]
#[path = "books_tests.rs"]
mod tests;

//! Which groups to look at again, and when.
//!
//! Owns the timers of the engine as data: groups touched in this step, groups that wait for an
//! instant, groups past their deadline that wait for a source, groups to forget. Knows no rule.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::clock::CellTime;

/// A group's place: rule name and key.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub rule: String,
    pub key: String,
}

/// What a group waits for after it was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// An instant that alone changes something: the nearest deadline, a lookup's retry.
    pub until: Option<CellTime>,
    /// A deadline has passed; a source must be read past it.
    pub for_source: bool,
    /// Mark after which its oldest open item was read.
    pub open_since_mark: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub struct Schedule {
    touched: BTreeSet<Address>,
    at: BTreeSet<(CellTime, Address)>,
    for_source: BTreeSet<Address>,
    waits: BTreeMap<Address, Waits>,
    /// Open groups by mark.
    marks: BTreeMap<u64, usize>,
    forget_at: BTreeSet<(CellTime, Address)>,
    forget_of: HashMap<Address, CellTime>,
    has_moved: bool,
}

impl Schedule {
    /// To be looked at in this step.
    pub fn touch(&mut self, address: Address) {
        self.touched.insert(address);
    }

    /// Up to `limit` of those to be looked at, in order.
    pub fn take_touched(&mut self, limit: usize) -> Vec<Address> {
        std::iter::from_fn(|| self.touched.pop_first()).take(limit).collect()
    }

    /// A restored group with something open: looked at in the next step, and holding the watermark
    /// until then.
    pub fn reopen(&mut self, address: Address) {
        let waits = Waits { open_since_mark: Some(0), ..Waits::default() };
        self.wait(&address, waits);
        self.touched.insert(address);
    }

    /// A source was read to a further end: windows past their deadline may close.
    pub fn source_moved(&mut self) {
        self.has_moved = true;
    }

    /// The groups to look at now, in order.
    pub fn due(&mut self, now: CellTime) -> BTreeSet<Address> {
        let mut due = std::mem::take(&mut self.touched);
        while let Some((at, address)) = self.at.first().cloned().filter(|(at, _)| *at <= now) {
            self.at.remove(&(at, address.clone()));
            due.insert(address);
        }
        if std::mem::take(&mut self.has_moved) {
            due.extend(self.for_source.iter().cloned());
        }
        due
    }

    /// What `address` waits for from now on; nothing at all where `waits` is empty.
    pub fn wait(&mut self, address: &Address, waits: Waits) {
        if let Some(before) = self.waits.remove(address) {
            if let Some(until) = before.until {
                self.at.remove(&(until, address.clone()));
            }
            self.for_source.remove(address);
            if let Some(mark) = before.open_since_mark {
                let count = self.marks.get_mut(&mark).expect("invariant: a wait counts its mark");
                *count -= 1;
                if *count == 0 {
                    self.marks.remove(&mark);
                }
            }
        }
        if waits == Waits::default() {
            return;
        }
        if let Some(until) = waits.until {
            self.at.insert((until, address.clone()));
        }
        if waits.for_source {
            self.for_source.insert(address.clone());
        }
        if let Some(mark) = waits.open_since_mark {
            *self.marks.entry(mark).or_default() += 1;
        }
        self.waits.insert(address.clone(), waits);
    }

    pub fn next_due(&self) -> Option<CellTime> {
        self.at.first().map(|(at, _)| *at)
    }

    /// The mark after which the oldest open item was read.
    pub fn oldest_open_mark(&self) -> Option<u64> {
        self.marks.keys().next().copied()
    }

    /// `address` is kept until `at` at least.
    pub fn remember(&mut self, address: &Address, at: CellTime) {
        if let Some(before) = self.forget_of.insert(address.clone(), at) {
            self.forget_at.remove(&(before, address.clone()));
        }
        self.forget_at.insert((at, address.clone()));
    }

    /// The groups whose time is over.
    pub fn forgotten(&mut self, now: CellTime) -> Vec<Address> {
        let mut over = Vec::new();
        while let Some((at, address)) = self.forget_at.first().cloned().filter(|(at, _)| *at <= now)
        {
            self.forget_at.remove(&(at, address.clone()));
            self.forget_of.remove(&address);
            over.push(address);
        }
        over
    }

    pub fn remembered_until(&self, address: &Address) -> Option<CellTime> {
        self.forget_of.get(address).copied()
    }

    /// All waits and timers of a rule that is gone.
    pub fn drop_rule(&mut self, rule: &str) {
        let of_rule = |address: &Address| address.rule == rule;
        let waiting: Vec<Address> = self.waits.keys().filter(|a| of_rule(a)).cloned().collect();
        for address in waiting {
            self.wait(&address, Waits::default());
        }
        self.touched.retain(|address| !of_rule(address));
        self.forget_at.retain(|(_, address)| !of_rule(address));
        self.forget_of.retain(|address, _| !of_rule(address));
    }
}

//! What a sweep tells at its end: rows, verdicts, findings new and known, money. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::dcheck::engine::Counts;
use crate::dcheck::log;
use crate::money::{Currency, Money};

/// Bad lines kept with the sweep; each is told on stderr when it is read.
const BAD_KEPT: usize = 100;

/// Of one table or file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    pub rows: u64,
    /// Rows of a later day: compared with, and left to it.
    pub later: u64,
    /// It is a file: what is left of it to the next day, the next day's file does not have.
    #[serde(default)]
    pub is_file: bool,
    /// Lines that are no rows.
    pub bad: u64,
}

/// Findings of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    pub new: u64,
    pub known: u64,
    pub new_money: Sums,
    pub known_money: Sums,
    /// Of rules that are in shadow: stored, and nobody is told.
    pub shadow: u64,
}

/// By currency; none where the sum does not fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums(BTreeMap<String, Option<Money>>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub read: BTreeMap<String, Read>,
    /// By `id@version`.
    pub counts: BTreeMap<String, Counts>,
    pub findings: BTreeMap<String, Findings>,
    pub bad_lines: Vec<String>,
    pub left_out: Vec<String>,
    /// Rules that do not raise all that they find, by `id@version`: their rollout.
    #[serde(default)]
    pub rollouts: BTreeMap<String, String>,
    /// What is open at the end of the day, and is a line of a file or waits for one.
    #[serde(default)]
    pub left_open: u64,
}

impl Sums {
    pub fn add(&mut self, money: Option<Money>) {
        let Some(money) = money else { return };
        let zero = Some(Money::zero(money.currency));
        let sum = self.0.entry(Currency::code(money.currency).to_owned()).or_insert(zero);
        *sum = sum.and_then(|sum| sum.checked_add(money).ok());
    }

    fn join(&mut self, other: &Sums) {
        for (code, sum) in &other.0 {
            match sum {
                Some(money) => self.add(Some(*money)),
                None => drop(self.0.insert(code.clone(), None)),
            }
        }
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.0.iter().map(|(code, sum)| match sum {
            Some(money) => format!("{} {code}", money.plain_amount()),
            None => format!("more {code} than can be told"),
        });
        let told: Vec<String> = told.collect();
        f.write_str(if told.is_empty() { "0" } else { "" })?;
        f.write_str(&told.join(" + "))
    }
}

impl Summary {
    pub fn tell_bad(&mut self, place: &str, why: &str) {
        log::warn("reconcile", &format!("{place}: {why}"));
        if self.bad_lines.len() < BAD_KEPT {
            self.bad_lines.push(format!("{place}: {why}"));
        }
    }

    /// Nothing was found, and everything could be judged.
    pub fn balances(&self) -> bool {
        let found = self.findings.values().map(|findings| findings.new + findings.known);
        let unjudged = |counts: &Counts| counts.unknown + counts.refused + counts.shed;
        let unjudged = self.counts.values().map(unjudged);
        let unread = self.bad() + self.left_open + self.later_lines();
        found.chain(unjudged).sum::<u64>() == 0 && unread == 0
    }

    /// Lines of files that are of a later day: nobody judges them, unless that day's file has them too.
    fn later_lines(&self) -> u64 {
        self.read.values().filter(|read| read.is_file).map(|read| read.later).sum()
    }

    pub fn bad(&self) -> u64 {
        self.read.values().map(|read| read.bad).sum()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, Read { rows, later, bad, .. }) in &self.read {
            writeln!(
                f,
                "read {name}: {rows} rows, {later} of a later day (compared with, not judged), {bad} bad lines"
            )?;
        }
        for (rule, c) in &self.counts {
            let rollout = self.rollouts.get(rule);
            let rollout = rollout.map(|rollout| format!(" ({rollout})")).unwrap_or_default();
            writeln!(
                f,
                "rule {rule}{rollout}: {} taken: {} matched, {} mismatched, {} unknown, {} expired, {} refused, \
                 {} open at the end",
                c.taken, c.matched, c.mismatched, c.unknown, c.expired, c.refused, c.pending
            )?;
        }
        let (mut new, mut known, mut shadow) = (0, 0, 0);
        let (mut new_money, mut known_money) = (Sums::default(), Sums::default());
        for (rule, of) in &self.findings {
            (new, known, shadow) = (new + of.new, known + of.known, shadow + of.shadow);
            new_money.join(&of.new_money);
            known_money.join(&of.known_money);
            writeln!(
                f,
                "findings of {rule}: {} new ({}), {} known ({}), {} in shadow",
                of.new, of.new_money, of.known, of.known_money, of.shadow
            )?;
        }
        for line in &self.left_out {
            writeln!(f, "left out {line}")?;
        }
        let (later, open) = (self.later_lines(), self.left_open);
        if later + open > 0 {
            writeln!(
                f,
                "not judged: {later} lines of files that are of a later day, and {open} rows and lines that wait for its \
                 lines: nobody judges them, unless that day's sweep reads them again"
            )?;
        }
        let (rows, bad) = (self.read.values().map(|read| read.rows).sum::<u64>(), self.bad());
        write!(
            f,
            "{rows} rows read, {bad} bad lines; findings: {new} new ({new_money}), {known} known \
             ({known_money}), {shadow} in shadow"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_and_say_when_they_do_not_fit() {
        let mut sums = Sums::default();
        assert_eq!(sums.to_string(), "0");
        sums.add(Some(Money::cny(19_990)));
        sums.add(None);
        sums.add(Some(Money::cny(10)));
        assert_eq!(sums.to_string(), "200.00 CNY");
        sums.add(Some(Money::cny(i64::MAX)));
        sums.add(Some(Money::cny(1)));
        assert_eq!(sums.to_string(), "more CNY than can be told");
    }

    fn of_a_file(later: u64) -> Read {
        Read { later, is_file: true, ..Read::default() }
    }

    #[test]
    fn books_balance_only_where_all_was_judged_and_nothing_found() {
        let with = |change: fn(&mut Summary)| {
            let mut summary = Summary::default();
            summary.counts.insert("r@1".into(), Counts { matched: 1, ..Counts::default() });
            change(&mut summary);
            summary.balances()
        };
        let found = |new, known| Findings { new, known, ..Findings::default() };
        assert!(with(|_| {}));
        assert!(with(|s| s.counts.get_mut("r@1").unwrap().pending = 1), "left to the next day");
        assert!(with(|s| s.read.entry("t".into()).or_default().later = 1), "left to the next day");
        assert!(with(|s| drop(s.read.insert("f".into(), of_a_file(0)))));
        for (nth, balances) in [
            with(|s| s.counts.get_mut("r@1").unwrap().unknown = 1),
            with(|s| s.counts.get_mut("r@1").unwrap().refused = 1),
            with(|s| s.counts.get_mut("r@1").unwrap().shed = 1),
            with(|s| s.read.entry("f".into()).or_default().bad = 1),
            with(|s| s.left_open = 1),
            with(|s| drop(s.read.insert("f".into(), of_a_file(1)))),
        ]
        .into_iter()
        .enumerate()
        {
            assert!(!balances, "{nth}");
        }
        for (new, known) in [(1, 0), (0, 1)] {
            let findings = [("r@1".to_owned(), found(new, known))].into();
            let summary = Summary { findings, ..Summary::default() };
            assert!(!summary.balances());
            assert!(
                summary
                    .to_string()
                    .ends_with(&format!("findings: {new} new (0), {known} known (0), 0 in shadow"))
            );
        }
    }
}

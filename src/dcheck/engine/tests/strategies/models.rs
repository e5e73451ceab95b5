//! What each strategy means, over complete tables: a few lines each, which share nothing with the engine.

use std::collections::BTreeMap;

/// A row of the items' table.
#[derive(Clone, Debug)]
pub struct Deed {
    pub id: String,
    pub k: &'static str,
    pub at: i64,
    pub rank: i64,
    pub n: i64,
    pub state: &'static str,
    pub was: Option<&'static str>,
}

/// A message of the counterparts' topic.
#[derive(Clone, Debug)]
pub struct Word {
    pub id: String,
    pub k: &'static str,
    pub at: i64,
    pub n: i64,
}

/// The same as the engine's judgement in the end; `Late` is a finding that ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    Right,
    Wrong,
    Late,
    Expired,
}

use Said::{Expired, Late, Right, Wrong};

impl Deed {
    pub fn signed(&self) -> i64 {
        if self.rank % 2 == 0 { self.n } else { -self.n }
    }
}

fn wrong_if(wrong: bool) -> Said {
    if wrong { Wrong } else { Right }
}

/// One deed of one key, with all deeds and all words of that key.
type Model = fn(&Deed, &[&Deed], &[&Word]) -> Said;

pub const MODELS: &[(&str, Model)] = &[
    ("threshold", |deed, _, _| wrong_if(deed.n > 3)),
    ("missing-counterpart", |deed, _, words| match words.iter().map(|word| word.at).min() {
        Some(first) if first <= deed.at + 300 => Right,
        Some(_) => Late,
        None => Wrong,
    }),
    ("at-most-one", |deed, deeds, _| {
        wrong_if(deeds.iter().any(|other| (other.rank, &other.id) < (deed.rank, &deed.id)))
    }),
    ("sum-bound", |deed, deeds, words| {
        let so_far = deeds.iter().filter(|d| (d.rank, &d.id) <= (deed.rank, &deed.id));
        let may: i64 = words.iter().map(|word| word.n).sum();
        wrong_if(so_far.map(|d| d.n).sum::<i64>() > may)
    }),
    ("two-sided-match", |deed, _, words| {
        // The words of a key are states of one counterpart, each until the next.
        let mut words = words.to_vec();
        words.sort_by_key(|word| word.at);
        let until = |nth: usize| words.get(nth + 1).map_or(i64::MAX, |next| next.at);
        let held = |nth: usize| words[nth].at <= deed.at + 300 && until(nth) > deed.at;
        let agrees = |nth: usize| words[nth].n == deed.n;
        let late = |nth: usize| words[nth].at > deed.at + 300 && agrees(nth);
        match () {
            () if (0..words.len()).any(|nth| held(nth) && agrees(nth)) => Right,
            () if (0..words.len()).any(late) => Late,
            () if words.is_empty() => Expired,
            () => Wrong,
        }
    }),
    ("one-to-many", |deed, _, words| {
        let sum = |until: i64| {
            let words: Vec<_> = words.iter().filter(|word| word.at <= until).collect();
            (!words.is_empty()).then(|| words.iter().map(|word| word.n).sum::<i64>())
        };
        match (sum(deed.at + 300) == Some(deed.n), sum(i64::MAX) == Some(deed.n)) {
            (true, true) => Right,
            (false, true) => Late,
            _ => Wrong,
        }
    }),
    ("ordering", |deed, _, words| match words.iter().map(|word| word.at).min() {
        Some(first) => wrong_if(first > deed.at + 50),
        None => Expired,
    }),
    ("unexplained-change", |deed, deeds, words| {
        // Each change in turn takes the earliest word that is near it and free.
        let mut deeds = deeds.to_vec();
        deeds.sort_by_key(|deed| deed.at);
        let mut free: Vec<i64> = words.iter().map(|word| word.at).collect();
        free.sort_unstable();
        for other in deeds {
            let near = |at: &i64| (other.at - 100..=other.at + 200).contains(at);
            let taken = free.iter().position(near);
            if other.id == deed.id {
                return wrong_if(taken.is_none());
            }
            taken.map(|place| free.remove(place));
        }
        unreachable!("the deed is one of its key")
    }),
    ("conservation", |deed, deeds, _| {
        let left: i64 = deeds.iter().map(|other| other.signed()).sum();
        let first = deeds.iter().map(|other| (other.rank, &other.id)).min();
        wrong_if(left != 0 && first == Some((deed.rank, &deed.id)))
    }),
    ("state-machine", |deed, _, _| match deed.was {
        None => wrong_if(!["NEW", "PAID"].contains(&deed.state)),
        Some(was) => wrong_if(!may_go(was, deed.state)),
    }),
    ("state-machine-followed", |deed, deeds, _| {
        let before = deeds.iter().filter(|other| other.at < deed.at).max_by_key(|other| other.at);
        wrong_if(before.is_some_and(|before| !may_go(before.state, deed.state)))
    }),
    ("aggregate", |deed, deeds, _| {
        let near: Vec<_> =
            deeds.iter().filter(|d| d.at <= deed.at && d.at > deed.at - 250).collect();
        wrong_if(near.len() > 2 || near.iter().map(|near| near.n).sum::<i64>() > 6)
    }),
];

fn may_go(from: &str, to: &str) -> bool {
    from == to || matches!((from, to), ("NEW", "PAID" | "SHUT") | ("PAID", "SENT"))
}

/// What each rule says of each deed, by rule and deed.
pub fn complete(deeds: &[Deed], words: &[Word]) -> BTreeMap<(String, String), Said> {
    let mut said = BTreeMap::new();
    for (rule, model) in MODELS {
        for deed in deeds {
            let own: Vec<&Deed> = deeds.iter().filter(|other| other.k == deed.k).collect();
            let words: Vec<&Word> = words.iter().filter(|word| word.k == deed.k).collect();
            said.insert(((*rule).to_owned(), deed.id.clone()), model(deed, &own, &words));
        }
    }
    said
}

//! Which transactions were read, by the numbers that servers give them: they hold on whichever server has them. Pure.
//!
//! Not covered: the domains of MariaDB's numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Runs of numbers, both ends inclusive, by who gave them: a server's UUID, or `UUID:tag`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GtidSet(BTreeMap<String, Vec<(u64, u64)>>);

impl GtidSet {
    /// Adds one transaction, `UUID:17` or `UUID:tag:17`. What is no number of one changes nothing.
    pub fn add(&mut self, id: &str) {
        let Some((source, number)) = id.rsplit_once(':') else { return };
        let Ok(number) = number.parse() else { return };
        match self.0.get_mut(source) {
            Some(runs) => join(runs, number, number),
            None => drop(self.0.insert(source.to_owned(), vec![(number, number)])),
        }
    }

    /// Is each transaction of `other` in here?
    pub fn holds(&self, other: &GtidSet) -> bool {
        let within = |runs: &[(u64, u64)], (first, last): (u64, u64)| {
            runs.iter().any(|(from, to)| *from <= first && last <= *to)
        };
        other.0.iter().all(|(source, runs)| {
            let ours = self.0.get(source).map_or(&[][..], Vec::as_slice);
            runs.iter().all(|run| within(ours, *run))
        })
    }

    /// Each giver with its runs, as `UUID:1-5:7`.
    pub fn parts(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(source, runs)| {
            let run = |(first, last): &(u64, u64)| match first == last {
                true => format!(":{first}"),
                false => format!(":{first}-{last}"),
            };
            format!("{source}{}", runs.iter().map(run).collect::<String>())
        })
    }
}

/// Adds a run to runs that are ascending and apart, and keeps them so.
fn join(runs: &mut Vec<(u64, u64)>, first: u64, last: u64) {
    // The usual one: the next number.
    if let Some(end) = runs.last_mut()
        && end.1.checked_add(1) == Some(first)
    {
        end.1 = last;
        return;
    }
    let apart =
        |(from, to): &(u64, u64)| to.saturating_add(1) < first || last.saturating_add(1) < *from;
    let (mut joined, kept): (Vec<_>, Vec<_>) = runs.drain(..).partition(|run| !apart(run));
    joined.push((first, last));
    let from = joined.iter().map(|run| run.0).min().unwrap_or(first);
    let to = joined.iter().map(|run| run.1).max().unwrap_or(last);
    *runs = kept;
    runs.push((from, to));
    runs.sort_unstable();
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts().collect::<Vec<_>>().join(","))
    }
}

impl FromStr for GtidSet {
    type Err = String;

    /// As servers write it: `UUID:1-5:7,UUID:1-3:tag:1`, with or without line breaks.
    fn from_str(text: &str) -> Result<GtidSet, String> {
        let bad = || format!("`{text}` is no set of transactions");
        let mut set = GtidSet::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let mut words = part.split(':');
            let server = words.next().filter(|server| is_uuid(server)).ok_or_else(bad)?;
            let mut source = server.to_ascii_lowercase();
            for word in words {
                if !word.starts_with(|first: char| first.is_ascii_digit()) {
                    source = format!("{}:{word}", server.to_ascii_lowercase());
                    continue;
                }
                let (first, last) = word.split_once('-').unwrap_or((word, word));
                let first = first.parse().map_err(|_| bad())?;
                let last = last.parse().map_err(|_| bad())?;
                join(set.0.entry(source.clone()).or_default(), first, last);
            }
        }
        Ok(set)
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "4350f323-7565-4e59-8763-4b1b83a0ce0e";

    fn set(text: &str) -> GtidSet {
        text.replace("B:", &format!("{B}:")).replace("A:", &format!("{A}:")).parse().unwrap()
    }

    #[test]
    fn numbers_join_in_whatever_order_they_come() {
        for (numbers, runs) in [
            (&[1, 2, 3][..], "A:1-3"),
            (&[3, 1, 2], "A:1-3"),
            (&[1, 3, 7, 6], "A:1:3:6-7"),
            (&[5, 5, 4], "A:4-5"),
        ] {
            let mut added = GtidSet::default();
            numbers.iter().for_each(|number| added.add(&format!("{A}:{number}")));
            assert_eq!(added, set(runs), "{numbers:?}");
            assert_eq!(added.to_string().parse(), Ok(added.clone()));
        }
        let mut none = GtidSet::default();
        none.add("anonymous");
        assert_eq!(none.to_string(), "");
    }

    #[test]
    fn a_set_holds_what_is_in_it_and_no_more() {
        for (all, some, holds) in [
            ("A:1-5", "A:1-5", true),
            ("A:1-5", "A:2:4", true),
            ("A:1-5", "", true),
            ("A:1-5,B:1", "B:1", true),
            ("A:1-5", "A:1-6", false),
            ("A:1-2:4-5", "A:1-5", false),
            ("A:1-5", "B:1", false),
            ("", "A:1", false),
            ("A:1-5:tag:1", "A:tag:1", true),
            ("A:1-5", "A:tag:1", false),
        ] {
            assert_eq!(set(all).holds(&set(some)), holds, "{all} {some}");
        }
    }

    #[test]
    fn what_a_server_writes_is_read_and_what_is_none_refused() {
        let upper = format!("{}:1-3:5,\n{B}:7", A.to_uppercase());
        assert_eq!(upper.parse(), Ok(set("A:1-3:5,B:7")));
        for bad in ["binlog.000003:4711", "A:1", &format!("{A}:1-")] {
            assert!(bad.parse::<GtidSet>().is_err(), "{bad}");
        }
    }
}

//! What a sweep has found, until its books are closed, and what of it is news. Pure.
//!
//! Known is what stands: an alert that was raised, by whomever, and has not ended. What was stored and never raised (a rule in shadow,
//! what could not be judged), or raised and ended since, is news when it is found again, and is stored under a revision of its own.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::summary::{Findings, Summary};
use crate::clock::CellTime;
use crate::dcheck::alerts::fingerprint;
use crate::dcheck::daemon::channels::open_alerts;
use crate::dcheck::daemon::record::{key, verdict_row};
use crate::dcheck::engine::{Verdict, VerdictKey};
use crate::dcheck::results::VerdictRow;
use crate::wire::Judgement;

/// What was stored before.
#[derive(Default)]
pub struct Known {
    stored: HashSet<VerdictKey>,
    /// Fingerprints of the alerts that stand.
    open: HashSet<String>,
    /// By fingerprint: when an alert ended last.
    ended: HashMap<String, i64>,
}

impl Known {
    /// `rows` are the stored findings and their ends, in the order of time.
    pub fn of(rows: &[VerdictRow]) -> Known {
        let open = open_alerts(rows).map(|(print, _)| print).collect();
        let mut ended = HashMap::new();
        for row in rows.iter().filter(|row| row.alerting && row.resolved) {
            let print = fingerprint(&row.rule, &row.subject, &row.occurrence);
            let last = ended.entry(print).or_insert(row.at_ms);
            *last = row.at_ms.max(*last);
        }
        Known { stored: rows.iter().map(key).collect(), open, ended }
    }
}

/// Rule, version, subject, occurrence.
type Occurrence = (String, String, String, String, String);

/// What was judged last of each occurrence, by its revision; nothing where it matched.
#[derive(Default)]
pub struct Found {
    of: BTreeMap<Occurrence, BTreeMap<String, (u64, Verdict)>>,
    taken: u64,
    /// By rule and version.
    pub matched: BTreeMap<(String, String), u64>,
}

impl Found {
    pub fn take(&mut self, verdict: Verdict) {
        let Verdict { rule, version, subject, occurrence, .. } = verdict.clone();
        let place = (rule.clone(), version.clone(), subject.kind, subject.id, occurrence);
        let states = self.of.entry(place.clone()).or_default();
        self.taken += 1;
        if verdict.judgement != Judgement::Matched {
            states.insert(verdict.revision.clone(), (self.taken, verdict));
            return;
        }
        states.remove(&verdict.revision);
        if verdict.resolved {
            states.retain(|_, (_, known)| known.judgement != Judgement::Mismatched);
        }
        if states.is_empty() {
            self.of.remove(&place);
        }
        *self.matched.entry((rule, version)).or_default() += 1;
    }

    /// The rows to store, numbered behind `seq`. `mark` is what makes a revision the sweep's own; an alert that ended and is there
    /// again begins `now`, not at the end of the books: it would stand before its end.
    pub fn close(
        self,
        mut known: Known,
        seq: &mut u64,
        (mark, now): (&str, CellTime),
        summary: &mut Summary,
    ) -> Vec<VerdictRow> {
        let verdicts = self.of.into_values().flat_map(BTreeMap::into_values);
        let mut verdicts: Vec<(u64, Verdict)> = verdicts.collect();
        verdicts.sort_by_key(|(nth, _)| *nth);
        let print =
            |verdict: &Verdict| fingerprint(&verdict.rule, &verdict.subject, &verdict.occurrence);
        let firing = verdicts.iter().filter(|(_, verdict)| verdict.is_firing());
        let last: HashMap<String, u64> =
            firing.map(|(nth, verdict)| (print(verdict), *nth)).collect();
        let mut rows = Vec::new();
        for (nth, mut verdict) in verdicts {
            let print = print(&verdict);
            // Of several states of one occurrence the last one is told.
            let is_told = verdict.is_firing() && last[&print] == nth;
            let is_new = is_told && !known.open.contains(&print);
            count(summary, &verdict, is_told.then_some(is_new));
            if is_new {
                if let Some(ended) = known.ended.get(&print) {
                    verdict.at = now.max(CellTime(ended.saturating_add(1)));
                }
                known.open.insert(print);
                if known.stored.contains(&verdict.key()) {
                    verdict.revision = format!("{}~{mark}", verdict.revision);
                }
            }
            if known.stored.insert(verdict.key()) {
                *seq += 1;
                rows.push(verdict_row(&verdict, *seq, is_new));
            }
        }
        rows
    }
}

/// `told`: it is an alert's, and whether that is new.
fn count(summary: &mut Summary, verdict: &Verdict, told: Option<bool>) {
    if verdict.judgement != Judgement::Mismatched {
        return;
    }
    let name = format!("{}@{}", verdict.rule, verdict.version);
    let findings: &mut Findings = summary.findings.entry(name).or_default();
    match told {
        Some(true) => {
            findings.new += 1;
            findings.new_money.add(verdict.at_risk);
        }
        Some(false) => {
            findings.known += 1;
            findings.known_money.add(verdict.at_risk);
        }
        None if verdict.shadow => findings.shadow += 1,
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dcheck::results::sweep::{SWEEP_SEQ, in_time};
    use crate::money::Money;
    use crate::wire::Subject;

    fn verdict(judgement: Judgement, what: &str) -> Verdict {
        Verdict {
            rule: "r".into(),
            version: "1".into(),
            loss_point: "l".into(),
            subject: Subject::new("order", "O-1"),
            occurrence: "T-1".into(),
            revision: String::new(),
            severity: "P1".into(),
            judgement,
            at_risk: Some(Money::cny(100)),
            expected: String::new(),
            actual: String::new(),
            position: "p".into(),
            event_at: CellTime(1),
            at: CellTime(2),
            fields: BTreeMap::new(),
            resolved: what.contains("ended"),
            shadow: what.contains("shadow"),
            held: false,
        }
    }

    fn row(judgement: Judgement, what: &str, seq: u64) -> VerdictRow {
        let verdict = verdict(judgement, what);
        verdict_row(
            &verdict,
            seq,
            (verdict.is_firing() || verdict.resolved) && !what.contains("quiet"),
        )
    }

    /// Stored rows and their `alerting`, new, known, in shadow.
    fn closed(verdicts: Vec<Verdict>, before: &[VerdictRow]) -> (Vec<(String, bool)>, [u64; 3]) {
        let (mut found, mut summary, mut seq) = (Found::default(), Summary::default(), 10);
        verdicts.into_iter().for_each(|verdict| found.take(verdict));
        let rows = found.close(Known::of(before), &mut seq, ("s1", CellTime(50)), &mut summary);
        assert_eq!(seq, 10 + rows.len() as u64);
        let of = summary.findings.get("r@1").cloned().unwrap_or_default();
        let rows = rows.into_iter().map(|row| (row.revision, row.alerting)).collect();
        (rows, [of.new, of.known, of.shadow])
    }

    #[test]
    fn known_is_what_was_raised_and_stands() {
        use Judgement::{Matched, Mismatched, Unknown};
        let raised = || row(Mismatched, "", 1);
        let ended = || row(Matched, "ended", 2);
        let stored = |revision: &str, alerting| vec![(revision.to_owned(), alerting)];
        for (before, what, rows, counts) in [
            (vec![], "", stored("", true), [1, 0, 0]),
            (vec![raised()], "", vec![], [0, 1, 0]),
            // It ended, and is there again.
            (vec![raised(), ended()], "", stored("~s1", true), [1, 0, 0]),
            // It was only stored: in shadow, or not raised.
            (vec![row(Mismatched, "shadow", 1)], "", stored("~s1", true), [1, 0, 0]),
            (vec![row(Unknown, "", 1)], "", stored("", true), [1, 0, 0]),
            // In shadow nobody is told, of whatever stands.
            (vec![], "shadow", stored("", false), [0, 0, 1]),
            (vec![row(Mismatched, "shadow", 1)], "shadow", vec![], [0, 0, 1]),
        ] {
            let told = closed(vec![verdict(Mismatched, what)], &before);
            assert_eq!(told, (rows, counts), "{what} {before:?}");
        }
    }

    #[test]
    fn what_ended_and_is_there_again_begins_behind_its_end() {
        for (ended, begins) in [(7, 50), (50, 51), (90, 91)] {
            let mut end = row(Judgement::Matched, "ended", 2);
            end.at_ms = ended;
            let before = vec![row(Judgement::Mismatched, "", 1), end];
            let (mut found, mut seq) = (Found::default(), SWEEP_SEQ);
            found.take(verdict(Judgement::Mismatched, ""));
            let (known, mut summary) = (Known::of(&before), Summary::default());
            let rows = found.close(known, &mut seq, ("s1", CellTime(50)), &mut summary);
            assert_eq!(rows[0].at_ms, begins);
            // The next sweep sees it stand.
            let now = in_time(before, rows);
            assert_eq!(closed(vec![verdict(Judgement::Mismatched, "")], &now).1, [0, 1, 0]);
        }
    }

    #[test]
    fn what_ended_in_the_same_day_is_no_finding() {
        use Judgement::{Matched, Mismatched, Unknown};
        let of = |judgement, what: &str, revision: &str| Verdict {
            revision: revision.into(),
            ..verdict(judgement, what)
        };
        for (verdicts, rows, counts) in [
            (vec![of(Mismatched, "", "1"), of(Matched, "ended", "2")], vec![], [0, 0, 0]),
            (vec![of(Unknown, "", "1"), of(Matched, "", "1")], vec![], [0, 0, 0]),
            (vec![of(Unknown, "", "1"), of(Matched, "", "2")], vec![("1", false)], [0, 0, 0]),
            (
                vec![of(Mismatched, "", "2"), of(Mismatched, "", "1")],
                vec![("2", false), ("1", true)],
                [1, 0, 0],
            ),
        ] {
            let rows = rows.into_iter().map(|(revision, told)| (revision.to_owned(), told));
            assert_eq!(closed(verdicts.clone(), &[]), (rows.collect(), counts), "{verdicts:?}");
        }
    }
}

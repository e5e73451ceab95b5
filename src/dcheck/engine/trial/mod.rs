//! Rule tests: events in, verdicts out, beside the rules; what they cover, and what they show of the rules.
//!
//! Owns the form of a test file, `tests/*.yaml` in a directory of rules, and what `dcheck check` says of them: cases that fail, how
//! many rules fire and stay silent, columns to whose change a rule is blind. Pure: the engine steps through a case. Not covered:
//! what only SQL says (a look-up's answer is given by the case and not altered); in a case, a number of more than 15 digits is
//! written as a text.

mod blind;
mod case;
mod load;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::rules::{Rule, RuleSet};

pub use load::load_dir;

use case::{Case, Told, run};

/// A file of cases.
#[derive(Debug)]
pub struct TrialFile {
    name: String,
    cases: Vec<Case>,
}

/// What the cases of a directory say.
#[derive(Debug, Default)]
pub struct Report {
    /// Cases that fail, and files that cannot be read.
    pub failures: Vec<String>,
    /// What the cases show of the rules: one that never fires, a column that it does not see.
    pub findings: Vec<String>,
    pub cases: usize,
    /// Rules that judge events, and those of them that fire in a case and stay silent in one.
    pub judging: usize,
    pub in_both_spaces: usize,
    /// Rules that no case names.
    pub untested: Vec<String>,
    /// Columns of the cases' events, and those whose change a verdict shows. The others, rules say that they ignore.
    pub columns: usize,
    pub seen: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |part: usize, whole: usize| {
            let share = (part * 100).checked_div(whole);
            share.map_or_else(String::new, |share| format!(" ({share} %)"))
        };
        write!(
            f,
            "{} cases: {} of {} rules fire and stay silent{}, {} of {} columns are seen{}",
            self.cases,
            self.in_both_spaces,
            self.judging,
            percent(self.in_both_spaces, self.judging),
            self.seen,
            self.columns,
            percent(self.seen, self.columns)
        )?;
        if !self.untested.is_empty() {
            write!(f, "\nwithout any case: {}", self.untested.join(", "))?;
        }
        Ok(())
    }
}

/// Runs every case.
pub fn try_all(rules: &Arc<RuleSet>, files: &[TrialFile]) -> Report {
    let mut report = Report::default();
    let mut told: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut all = Vec::new();
    for file in files {
        for case in &file.cases {
            report.cases += 1;
            let name = format!("{}: case `{}`", file.name, case.case);
            let unknown =
                |name: &&String| !rules.rules().iter().any(|rule| rules.short_name(rule) == *name);
            let unknown: Vec<&str> =
                case.rules.iter().filter(unknown).map(String::as_str).collect();
            if case.rules.is_empty() || !unknown.is_empty() {
                let message =
                    format!("{name}: `rules` names no rule of these: [{}]", unknown.join(", "));
                report.failures.push(message);
                continue;
            }
            match run(&Arc::new(rules.only(&case.rules)), case) {
                Ok(Told { lines, .. }) => {
                    report.failures.extend(differences(&name, &case.verdicts, &lines));
                    note(case, &lines, &mut told);
                    all.push(case);
                }
                Err(why) => report.failures.push(format!("{name}: {why}")),
            }
        }
    }
    cover(rules, &told, &mut report);
    if report.failures.is_empty() {
        blind::look(rules, &all, &mut report);
    }
    report
}

fn differences(name: &str, expected: &[String], got: &[String]) -> Option<String> {
    let place = (0..expected.len().max(got.len())).find(|n| expected.get(*n) != got.get(*n))?;
    let shown = |lines: &[String]| lines.get(place).cloned().unwrap_or("nothing".to_owned());
    let (nth, expected, got) = (place + 1, shown(expected), shown(got));
    Some(format!("{name}: verdict {nth} is to be `{expected}`, and is `{got}`"))
}

/// What each rule of a case said in it; nothing at all is silence.
fn note<'c>(case: &'c Case, lines: &[String], told: &mut BTreeMap<&'c str, BTreeSet<String>>) {
    for rule in &case.rules {
        let id = rule.split('@').next().unwrap_or_default();
        let own = lines.iter().filter_map(|line| line.strip_prefix(&format!("{id} ")));
        let words = own.filter_map(|rest| rest.split(' ').next()).map(str::to_owned);
        let mut words: BTreeSet<String> = words.collect();
        if !words.contains("mismatched") {
            words.insert("silent".to_owned());
        }
        told.entry(rule).or_default().extend(words);
    }
}

fn cover(rules: &RuleSet, told: &BTreeMap<&str, BTreeSet<String>>, report: &mut Report) {
    let judges = |rule: &&Arc<Rule>| rule.strategy.watch().is_none();
    for rule in rules.rules().iter().filter(judges) {
        let id = rules.short_name(rule).as_str();
        report.judging += 1;
        let Some(words) = told.get(id) else {
            report.untested.push(id.to_owned());
            continue;
        };
        let fires = words.contains("mismatched");
        let is_silent = words.contains("silent") || words.contains("matched");
        if !fires {
            report.findings.push(format!("rule `{id}` fires in none of its cases"));
        }
        if !is_silent {
            report.findings.push(format!("rule `{id}` stays silent in none of its cases"));
        }
        report.in_both_spaces += usize::from(fires && is_silent);
    }
}

#[cfg(test)]
mod tests;

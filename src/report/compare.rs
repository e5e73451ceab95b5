//! Two runs side by side: verdicts and words that changed, latencies as ratios, scenarios that came or went.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::pretty;
use super::view::{Milestone, RunView, ScenarioView};
use crate::config::{cut, padded, width};
use crate::journal::{Verdict, Word};

/// Columns of a scenario's name in the table of latencies.
const NAME_COLUMNS: usize = 60;

/// What became of a scenario from one run to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// A worse verdict, a new one that is red, or a proof that is gone.
    Worse,
    /// The same verdict by another word.
    Word,
    Better,
    New,
    Removed,
    Same,
}

/// A scenario in one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    pub verdict: Verdict,
    pub word: Word,
    /// From the first bad row, on cell time.
    pub alert_ms: Option<i64>,
    pub plan_ms: Option<i64>,
    pub contained_ms: Option<i64>,
    /// The whole scenario, real time.
    pub real_ms: i64,
}

/// Later over earlier, in hundredths; none where there is nothing to divide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Hundredths(i64);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ratios {
    pub alert: Option<Hundredths>,
    pub plan: Option<Hundredths>,
    pub contained: Option<Hundredths>,
    pub real: Option<Hundredths>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    pub id: String,
    pub name: String,
    pub location: String,
    pub change: Change,
    pub before: Option<Side>,
    pub after: Option<Side>,
    /// In hundredths: 125 is a quarter slower.
    pub ratios: Ratios,
    /// The command that runs it as the later run did.
    #[serde(skip)]
    again: String,
}

/// Two runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    pub before: String,
    pub after: String,
    pub same_seed: bool,
    pub worse: bool,
    pub scenarios: Vec<Compared>,
    #[serde(skip)]
    totals: [String; 2],
}

impl Side {
    fn of(scenario: &ScenarioView) -> Side {
        let after = |at: Option<Milestone>| at.map(|at| at.after_ms);
        Side {
            verdict: scenario.verdict,
            word: scenario.word,
            alert_ms: after(scenario.alert),
            plan_ms: after(scenario.plan),
            contained_ms: after(scenario.contained),
            real_ms: i64::try_from(scenario.real_ms).unwrap_or(i64::MAX),
        }
    }
}

impl Hundredths {
    fn of(before: Option<i64>, after: Option<i64>) -> Option<Hundredths> {
        let (before, after) = (before.filter(|ms| *ms > 0)?, after.filter(|ms| *ms >= 0)?);
        let hundredths = (i128::from(after) * 100 + i128::from(before) / 2) / i128::from(before);
        i64::try_from(hundredths).ok().map(Hundredths)
    }
}

impl std::fmt::Display for Hundredths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "×{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl Ratios {
    fn of(before: &Side, after: &Side) -> Ratios {
        Ratios {
            alert: Hundredths::of(before.alert_ms, after.alert_ms),
            plan: Hundredths::of(before.plan_ms, after.plan_ms),
            contained: Hundredths::of(before.contained_ms, after.contained_ms),
            real: Hundredths::of(Some(before.real_ms), Some(after.real_ms)),
        }
    }
}

fn change(before: Option<&Side>, after: Option<&Side>) -> Change {
    match (before, after) {
        (Some(before), Some(after)) if after.verdict > before.verdict => Change::Worse,
        (Some(before), Some(after)) if after.verdict < before.verdict => Change::Better,
        (Some(before), Some(after)) if after.word != before.word => Change::Word,
        (Some(_), Some(_)) => Change::Same,
        (None, Some(after)) if after.verdict != Verdict::Pass => Change::Worse,
        (None, _) => Change::New,
        (Some(before), None) if before.verdict == Verdict::Pass => Change::Worse,
        (Some(_), None) => Change::Removed,
    }
}

impl Comparison {
    pub fn of(before: &RunView, after: &RunView) -> Comparison {
        let mut both: BTreeMap<&str, [Option<&ScenarioView>; 2]> = BTreeMap::new();
        for (index, view) in [before, after].into_iter().enumerate() {
            for scenario in &view.scenarios {
                both.entry(&scenario.id).or_default()[index] = Some(scenario);
            }
        }
        let compared = both.into_iter().filter_map(|(id, [one, other])| {
            let facts = &other.or(one)?.facts;
            let again = after.again(&facts.name);
            let (before, after) = (one.map(Side::of), other.map(Side::of));
            let ratios = match (&before, &after) {
                (Some(before), Some(after)) => Ratios::of(before, after),
                _ => Ratios::default(),
            };
            Some(Compared {
                id: id.to_owned(),
                name: facts.name.clone(),
                location: facts.location.clone(),
                again,
                change: change(before.as_ref(), after.as_ref()),
                before,
                after,
                ratios,
            })
        });
        let mut scenarios: Vec<Compared> = compared.collect();
        scenarios.sort_by(|a, b| (a.change, &a.location).cmp(&(b.change, &b.location)));
        Comparison {
            before: before.run.clone(),
            after: after.run.clone(),
            same_seed: before.seed == after.seed,
            worse: scenarios.iter().any(|one| one.change == Change::Worse),
            scenarios,
            totals: [before.last_line(), after.last_line()],
        }
    }

    pub fn render_json(&self) -> String {
        pretty(&serde_json::json!(self))
    }

    pub fn render_text(&self) -> String {
        let [before, after] = &self.totals;
        let mut text =
            format!("before  {}: {before}\nafter   {}: {after}\n", self.before, self.after);
        if !self.same_seed {
            text.push_str("the seeds differ: so does the data\n");
        }
        for one in self.scenarios.iter().filter(|one| one.change != Change::Same) {
            let _ = writeln!(text, "{}", self.line(one));
        }
        text.push_str(&self.latencies());
        let count = |change| self.scenarios.iter().filter(|one| one.change == change).count();
        let _ = writeln!(
            text,
            "{} worse, {} better, {} by another word, {} new, {} removed, {} the same",
            count(Change::Worse),
            count(Change::Better),
            count(Change::Word),
            count(Change::New),
            count(Change::Removed),
            count(Change::Same),
        );
        text
    }

    fn line(&self, one: &Compared) -> String {
        let word =
            |side: &Option<Side>| side.as_ref().map_or("none".to_owned(), |s| s.word.to_string());
        let change = match one.change {
            Change::Worse => "WORSE",
            Change::Word => "word",
            Change::Better => "better",
            Change::New => "new",
            Change::Removed => "removed",
            Change::Same => "same",
        };
        let (before, after) = (word(&one.before), word(&one.after));
        let mut line = format!("{change:<7} {before} -> {after}  {}  {}", one.name, one.location);
        if one.change == Change::Worse && one.after.is_some() {
            let _ = write!(line, "\n        {}", one.again);
        }
        line
    }

    fn latencies(&self) -> String {
        let both =
            || self.scenarios.iter().filter(|one| one.before.is_some() && one.after.is_some());
        let names = both().map(|one| width(&cut(&one.name, NAME_COLUMNS)));
        let Some(widest) = names.max() else { return String::new() };
        let mut text = format!(
            "{}  {:>8}  {:>8}  {:>9}  {:>8}\n",
            padded("after / before", widest),
            "alert",
            "plan",
            "contained",
            "real"
        );
        let told =
            |ratio: Option<Hundredths>| ratio.map_or("–".to_owned(), |ratio| ratio.to_string());
        for one in both() {
            let Ratios { alert, plan, contained, real } = one.ratios.clone();
            let _ = writeln!(
                text,
                "{}  {:>8}  {:>8}  {:>9}  {:>8}",
                padded(&cut(&one.name, NAME_COLUMNS), widest),
                told(alert),
                told(plan),
                told(contained),
                told(real)
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_rounded_and_never_divide_by_nothing() {
        for (before, after, told) in [
            (Some(100), Some(125), Some("×1.25")),
            (Some(3), Some(1), Some("×0.33")),
            (Some(7), Some(0), Some("×0.00")),
            (Some(0), Some(5), None),
            (None, Some(5), None),
            (Some(5), None, None),
        ] {
            let ratio = Hundredths::of(before, after).map(|ratio| ratio.to_string());
            assert_eq!(ratio.as_deref(), told, "{before:?} {after:?}");
        }
    }
}

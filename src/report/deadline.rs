//! Which deadline a red scenario missed, and by how much: a part of the first screen.

use super::shell_quoted;
use super::view::{ExpectationView, RunView, ScenarioView};
use crate::expect::span_text;
use crate::journal::Expectation;
use crate::steps::{Language, step_words};

/// Options of a run that another run needs to meet the same texts, programs and servers.
const CARRIED: [&str; 5] = ["--config", "--features", "--scenarios", "--drills", "--provider"];

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    Alert,
    Plan,
    Contained,
}

impl Owed {
    pub fn en(self) -> &'static str {
        match self {
            Owed::Alert => "alert",
            Owed::Plan => "plan",
            Owed::Contained => "contained",
        }
    }
}

/// A deadline, and when what it is for came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deadline {
    pub owed: Owed,
    pub within_ms: i64,
    pub after_ms: Option<i64>,
}

impl ExpectationView {
    /// The sentence without its keyword: what should have come true.
    pub(super) fn claim(&self) -> &str {
        let sentence = self.sentence.trim();
        let words = [Language::En, Language::ZhCn].into_iter().flat_map(step_words);
        let mut claims = words.filter_map(|(word, _)| sentence.strip_prefix(word));
        claims.next().map_or(sentence, str::trim_start)
    }
}

impl ScenarioView {
    /// The deadline of the expectation that failed; none where it has none, or nothing was decided.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        let (owed, within_ms, at) = match &self.missing()?.expectation {
            Expectation::AlertRaised { within_ms, .. } => (Owed::Alert, *within_ms, self.alert),
            Expectation::PlanEffective { within_ms, .. } => (Owed::Plan, *within_ms, self.plan),
            Expectation::OrderPaid { within_ms, .. } | Expectation::Contained { within_ms } => {
                (Owed::Contained, *within_ms, self.contained)
            }
            _ => return None,
        };
        Some(Deadline { owed, within_ms, after_ms: at.map(|at| at.after_ms) })
    }

    /// The deadline in words: the missed one with what came of it, else all three.
    pub(super) fn deadline_text(&self) -> String {
        let point = &self.facts.loss_point;
        let from = &self.origin_is;
        match self.deadline() {
            Some(Deadline { owed, within_ms, after_ms }) => {
                let came = match after_ms {
                    Some(after_ms) => format!("came after {}", span_text(after_ms)),
                    None => "never came".to_owned(),
                };
                format!("{} within {} ({came}); from: {from}", owed.en(), span_text(within_ms))
            }
            None => format!(
                "alert {}, plan {}, contained {}; from: {from}",
                span_text(point.detect_ms),
                span_text(point.respond_ms),
                span_text(point.contain_ms),
            ),
        }
    }
}

impl RunView {
    /// The one command that runs a scenario again as it was: with the same texts, programs and servers.
    pub(super) fn again(&self, name: &str) -> String {
        let mut command =
            format!("lossdrill run --seed {} --name {}", self.seed, shell_quoted(name));
        let mut args = self.args.iter();
        while let Some(arg) = args.next() {
            let (option, joined) = match arg.split_once('=') {
                Some((option, value)) => (option, Some(value)),
                None => (arg.as_str(), None),
            };
            if !CARRIED.contains(&option) {
                continue;
            }
            let Some(value) = joined.or_else(|| args.next().map(String::as_str)) else { break };
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
            let value = match !value.is_empty() && value.chars().all(plain) {
                true => value.to_owned(),
                false => shell_quoted(value),
            };
            command.push_str(&format!(" {option} {value}"));
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_the_sentence_without_its_keyword() {
        for (sentence, claim) in [
            ("Then alert \"x\" is raised", "alert \"x\" is raised"),
            ("那么及时产生告警“x”", "及时产生告警“x”"),
            ("no alert is raised", "no alert is raised"),
        ] {
            let expectation = Expectation::NoAlert;
            let view =
                ExpectationView { index: 0, sentence: sentence.into(), expectation, verdict: None };
            assert_eq!(view.claim(), claim);
        }
    }

    #[test]
    fn the_command_carries_what_the_run_was_given() {
        for (args, expect) in [
            (&["gate"][..], ""),
            (&["gate", "--jobs", "2", "--provider", "local"], " --provider local"),
            (&["run", "--config=my dir/l.yaml", "--name", "x"], " --config 'my dir/l.yaml'"),
            (&["run", "--features"], ""),
        ] {
            let args = args.iter().map(|arg| (*arg).to_owned()).collect();
            let view = RunView { seed: 7, args, ..RunView::default() };
            assert_eq!(
                view.again("it's"),
                format!("lossdrill run --seed 7 --name 'it'\\''s'{expect}")
            );
        }
    }
}

//! A real journal with one thing altered each time: the verdict comes out otherwise, by another
//! word each time.

use std::sync::Arc;

use lossdrill::journal::{Entry, Event};
use lossdrill::money::Money;

use crate::{ATTACK, first, id_of, recheck, rewritten};

const RULE: &str = "refund-paid-twice";

/// The run's journal with all that a test needs to alter one alert.
struct Original {
    entries: Vec<Entry>,
    scenario: String,
    /// Where the attack's alert stands.
    alert: usize,
}

impl Original {
    fn of(entries: Vec<Entry>) -> Original {
        let scenario = id_of(&entries, ATTACK);
        let is_alert = |entry: &Entry| match &entry.event {
            Event::Alerted { alert } => {
                alert.rule == RULE && entry.scenario.as_ref() == Some(&scenario)
            }
            _ => false,
        };
        let alerts: Vec<usize> = (0..entries.len()).filter(|at| is_alert(&entries[*at])).collect();
        assert_eq!(alerts.len(), 1, "one alert, posted once");
        Original { alert: alerts[0], entries, scenario }
    }

    fn removed(&self) -> Vec<Entry> {
        let mut entries = self.entries.clone();
        entries.remove(self.alert);
        entries
    }

    /// The alert comes by its deadline later: after all that came before that instant.
    fn moved(&self) -> Vec<Entry> {
        let mut entries = self.entries.clone();
        let mut late = entries.remove(self.alert);
        let deadline_ms = 60_000;
        let at = late.cell_ms.expect("an alert is dated") + deadline_ms;
        late.cell_ms = Some(at);
        let of_scenario = |entry: &Entry| entry.scenario.as_ref() == Some(&self.scenario);
        let after = entries
            .iter()
            .position(|entry| of_scenario(entry) && entry.cell_ms.is_some_and(|ms| ms > at))
            .expect("the scenario was advanced past the deadline, to the end of the plan's TTL");
        entries.insert(after, late);
        entries
    }

    fn with_amount(&self, amount: Money) -> Vec<Entry> {
        let mut entries = self.entries.clone();
        if let Event::Alerted { alert } = &mut entries[self.alert].event {
            alert.at_risk = Some(amount);
        }
        entries
    }
}

/// The word of the attack, told by `recheck` of a journal of `entries`.
fn word_of(entries: Vec<Entry>) -> (Option<i32>, String) {
    let dir = rewritten(entries.into_iter().map(Arc::new));
    let (code, lines) = recheck(dir.path());
    let line = lines.iter().find(|line| line.contains(ATTACK)).expect("the attack's line");
    let mut columns = line.split("  ");
    let (verdict, word) = (columns.next().unwrap(), columns.next().unwrap());
    assert_eq!(verdict == "Pass", code == Some(0), "{line}");
    let otherwise = line.ends_with("(the journal says otherwise)");
    assert_eq!(verdict != "Pass", otherwise, "{line}");
    (code, word.to_owned())
}

#[test]
fn an_altered_journal_is_judged_by_what_stands_in_it() {
    let Some(run) = first() else { return };
    let original = Original::of(run.entries());
    for (what, entries, code, word) in [
        ("as it is", original.entries.clone(), 0, "proved"),
        ("the alert is removed", original.removed(), 1, "never"),
        ("the alert comes by its deadline later", original.moved(), 1, "late"),
        ("its amount is altered", original.with_amount(Money::cny(18_900)), 1, "wrong amount"),
        ("its amount is what it was", original.with_amount(Money::cny(19_900)), 0, "proved"),
    ] {
        assert_eq!(word_of(entries), (Some(code), word.to_owned()), "{what}");
    }
}

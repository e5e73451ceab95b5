//! `summary.md`: the run on one screen, for a job summary or a chat.

use std::fmt::Write;

use super::again;
use super::view::{Milestone, RunView, ScenarioView};
use crate::expect::span_text;
use crate::journal::Verdict;

/// The whole text.
pub(super) fn markdown(view: &RunView) -> String {
    let mut text = format!("# Run {}\n\n**{}**\n\n", view.run, view.last_line());
    let red: Vec<&ScenarioView> =
        view.scenarios.iter().filter(|scenario| scenario.verdict != Verdict::Pass).collect();
    for scenario in &red {
        let _ = writeln!(
            text,
            "- **{}** {}: {} (lost {})\n  `{}`",
            scenario.word,
            cell_text(&scenario.facts.name),
            cell_text(&scenario.evidence),
            scenario.loss_peak,
            again(view.seed, &scenario.facts.name)
        );
    }
    if !red.is_empty() {
        text.push('\n');
    }
    text.push_str("| verdict | scenario | loss point | alert | plan | contained | lost | real |\n");
    text.push_str("|---|---|---|--:|--:|--:|--:|--:|\n");
    let after = |at: Option<Milestone>| at.map_or("–".to_owned(), |at| span_text(at.after_ms));
    for scenario in &view.scenarios {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            scenario.word,
            cell_text(&scenario.facts.name),
            scenario.facts.loss_point.id,
            after(scenario.alert),
            after(scenario.plan),
            after(scenario.contained),
            scenario.loss_peak,
            span_text(i64::try_from(scenario.real_ms).unwrap_or(i64::MAX))
        );
    }
    let _ = write!(
        text,
        "\nTimes after the first bad row, on the cell's clock. Seed `{}`, version `{}`.\n\n\
         {}\n\n{}\n",
        view.seed,
        view.version,
        view.inconclusive_line(),
        view.last_line()
    );
    text
}

/// One line, with the marks of a table escaped.
fn cell_text(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ").replace('<', "&lt;")
}

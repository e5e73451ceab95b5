//! `summary.md`: the run on one screen, for a job summary or a chat.

use std::fmt::Write;

use super::view::{Milestone, RunView, ScenarioView};
use crate::expect::span_text;
use crate::journal::Verdict;

/// Red scenarios told in full: a job summary has a limit, and the table below names all.
const RED_IN_FULL_MAX: usize = 20;

/// The whole text.
pub(super) fn markdown(view: &RunView) -> String {
    let mut text = format!("# Run {}\n\n**{}**\n\n", view.run, view.last_line());
    let mut red: Vec<&ScenarioView> =
        view.scenarios.iter().filter(|scenario| scenario.verdict != Verdict::Pass).collect();
    // Failures before doubts.
    red.sort_by_key(|scenario| std::cmp::Reverse(scenario.verdict));
    for scenario in red.iter().take(RED_IN_FULL_MAX) {
        text.push_str(&told(view, scenario));
    }
    if let Some(more) = red.len().checked_sub(RED_IN_FULL_MAX).filter(|more| *more > 0) {
        let _ = writeln!(text, "{more} more: see report.html\n");
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

/// A red scenario: what is missing, the money, the deadline, and the one command.
fn told(view: &RunView, scenario: &ScenarioView) -> String {
    let facts = &scenario.facts;
    let mut text = format!("### {}: {}\n\n", scenario.word, cell_text(&facts.name));
    if let Some(missing) = scenario.missing() {
        let _ = writeln!(text, "- missing: {}", cell_text(missing.claim()));
    }
    let (lost, exposed) = (scenario.loss_peak, scenario.exposure_peak);
    let _ = writeln!(text, "- money: **{lost} lost**, {exposed} stood to be lost");
    let _ = writeln!(text, "- deadline: {}", scenario.deadline_text());
    let _ = writeln!(text, "- why: {}", cell_text(&scenario.evidence));
    let _ = writeln!(text, "- again: `{}`\n", view.again(&facts.name));
    text
}

/// One line, with the marks of a table escaped.
fn cell_text(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ").replace('<', "&lt;")
}

//! What GitHub Actions shows of a run: annotations at the red scenarios' lines, and the job's summary.
//!
//! Inside the platform's limits: ten annotations of each type a step, one MiB of summary a step.

use super::summary;
use super::view::{RunView, ScenarioView};
use crate::journal::Verdict;

/// GitHub drops what is beyond, without a word.
const ANNOTATIONS_MAX: usize = 10;
/// A longer summary is not shown at all.
pub const SUMMARY_BYTES_MAX: usize = 1024 * 1024;
/// A message is read in a margin: the report tells the rest.
const MESSAGE_CHARS_MAX: usize = 2_000;

/// One workflow command a red scenario: `error` for a failed defence, `warning` for an inconclusive one; what is beyond
/// the limit is counted in a `notice`.
pub fn annotations(view: &RunView) -> Vec<String> {
    let mut lines = Vec::new();
    let mut beyond = 0;
    for (kind, verdict) in [("error", Verdict::Fail), ("warning", Verdict::Inconclusive)] {
        let own: Vec<&ScenarioView> = view.with_verdict(verdict).collect();
        let shown = own.iter().take(ANNOTATIONS_MAX);
        lines.extend(shown.map(|scenario| annotation(kind, view, scenario)));
        beyond += own.len().saturating_sub(ANNOTATIONS_MAX);
    }
    if beyond > 0 {
        lines.push(format!("::notice title=Lossdrill::{beyond} more: see the job's summary"));
    }
    lines
}

fn annotation(kind: &str, view: &RunView, scenario: &ScenarioView) -> String {
    let facts = &scenario.facts;
    let (file, line) = facts.location.rsplit_once(':').unwrap_or((&facts.location, "1"));
    let message: String = format!("{}\n{}", scenario.told(), view.again(&facts.name))
        .chars()
        .take(MESSAGE_CHARS_MAX)
        .collect();
    format!(
        "::{kind} file={},line={line},title={}::{}",
        property(file),
        property(&facts.name),
        data(&message)
    )
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The summary in at most `bytes`: whole lines, and a word on what was cut.
pub fn job_summary(view: &RunView, bytes: usize) -> String {
    shortened(summary::markdown(view), bytes)
}

fn shortened(text: String, bytes: usize) -> String {
    const CUT: &str = "\n\nThe rest is in `summary.md` of the run directory.\n";
    if text.len() <= bytes {
        return text;
    }
    let Some(room) = bytes.checked_sub(CUT.len()) else { return String::new() };
    let lines = text.split_inclusive('\n').scan(0, |end, line| {
        *end += line.len();
        Some(*end)
    });
    let end = lines.take_while(|end| *end <= room).last().unwrap_or_default();
    format!("{}{CUT}", text[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_a_command_are_escaped() {
        assert_eq!(data("100%\nnext"), "100%25%0Anext");
        assert_eq!(property("a: b, c"), "a%3A b%2C c");
    }

    #[test]
    fn a_long_summary_ends_at_a_line_and_says_so() {
        let text: String = (0..1000).map(|index| format!("第 {index} 行\n")).collect();
        for bytes in [0, 10, 60, 500, 5_000] {
            let cut = shortened(text.clone(), bytes);
            assert!(cut.len() <= bytes, "{} of {bytes}", cut.len());
            assert!(cut.is_empty() || cut.contains("summary.md"), "{cut}");
        }
        assert_eq!(shortened(text.clone(), text.len()), text);
    }
}

//! Reports: views of the journal, and nothing but the journal.
//!
//! Owns what people and machines read of a run: terminal lines as verdicts fall, `result.json`,
//! `junit.xml`, `summary.md`, `coverage.json`, `stage.lock.json`, `messages.ndjson` and the one-file
//! `report.html`; a run merged of shards, compared with another, explained, annotated. It judges
//! nothing: verdicts are those that the journal holds, and a scenario without one reads "not judged".
//! It must not know how a run is made, so it works later and elsewhere just as well. Try it: `cargo
//! test --test report`. Not covered: the judge's own evidence in Chinese.

pub mod compare;
pub mod coverage;
mod deadline;
pub mod explain;
pub mod github;
mod html;
mod json;
mod junit;
pub mod merge;
mod messages;
mod refused;
mod spans;
mod summary;
pub mod terminal;
mod view;

use std::path::{Path, PathBuf};

use crate::journal::{Entry, JournalError, read_journal};
use crate::steps::Language;
pub use spans::FaultSpan;
pub use view::{Milestone, RunView, ScenarioView};

/// The journal's name inside a run directory.
pub const JOURNAL_FILE: &str = "journal.ndjson";

/// Why a report cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("{path} holds no entry: nothing ran, so there is nothing to report")]
    Empty { path: PathBuf },
    #[error(
        "cannot write the report {path}: {source}: make room, then `lossdrill report {}`",
        path.parent().unwrap_or(path).display()
    )]
    Write { path: PathBuf, source: std::io::Error },
}

/// Reads `journal.ndjson` in `run_dir` and writes every other view beside it. Returns what was
/// written. Where one cannot be written the others still are, and the first error is told.
pub fn write_all(run_dir: &Path) -> Result<Vec<PathBuf>, ReportError> {
    write_in(run_dir, Language::En)
}

/// The same, with the page opening in `language`; its switch has the other.
pub fn write_in(run_dir: &Path, language: Language) -> Result<Vec<PathBuf>, ReportError> {
    let entries = entries(run_dir)?;
    let messages = messages::ndjson(&entries);
    let view = RunView::of(entries);
    let files = [
        ("result.json", json::result(&view)),
        ("coverage.json", coverage::document(&view)),
        ("stage.lock.json", json::stage_lock(&view)),
        ("junit.xml", junit::document(&view)),
        ("messages.ndjson", messages),
        ("summary.md", summary::markdown(&view)),
        ("report.html", html::page(&view, language)),
    ];
    let (mut written, mut lost) = (Vec::new(), None);
    for (name, text) in files {
        let path = run_dir.join(name);
        match keep(&path, &text) {
            Ok(()) => written.push(path),
            Err(source) => lost = lost.or(Some(ReportError::Write { path, source })),
        }
    }
    match lost {
        None => Ok(written),
        Some(error) => Err(error),
    }
}

/// Writes a whole file or none: half a `junit.xml` would be read as a run that went well so far.
fn keep(path: &Path, text: &str) -> std::io::Result<()> {
    let part = path.with_extension("part");
    let kept = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path));
    if kept.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    kept
}

/// The run as its journal tells it.
pub fn read(run_dir: &Path) -> Result<RunView, ReportError> {
    entries(run_dir).map(RunView::of)
}

/// Its journal, which has at least one entry.
pub fn entries(run_dir: &Path) -> Result<Vec<Entry>, ReportError> {
    let path = run_dir.join(JOURNAL_FILE);
    let entries = read_journal(&path)?;
    if entries.is_empty() {
        return Err(ReportError::Empty { path });
    }
    Ok(entries)
}

fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn pretty(value: &serde_json::Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("invariant: a value is plain data");
    text.push('\n');
    text
}

/// Milliseconds as seconds with three digits, `0.900`: for machines.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

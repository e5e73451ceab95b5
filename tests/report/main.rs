//! Reports of a journal written by hand: what stands in them, and that they hold any text.
//!
//! Needs no servers. `REPORT_OUT=dir cargo test --test report` leaves the reports there, to be
//! looked at.

mod fixture;

use std::sync::Arc;

use fixture::{entries, journal_in, many};
use lossdrill::journal::{Entry, Event};
use lossdrill::report::terminal::{Live, Style};
use lossdrill::report::{ReportError, RunView, write_all};

fn printed(entries: &[Entry], style: Style) -> String {
    let mut out = Vec::new();
    let mut live = Live::new(&mut out, style, Some("runs/r1".into()));
    for entry in entries {
        live.see(&Arc::new(entry.clone())).unwrap();
    }
    live.finish().unwrap();
    live.finish().unwrap();
    String::from_utf8(out).unwrap()
}

/// Compares with `tests/report/<name>`; with `UPDATE_SNAPSHOTS` in the environment writes it
/// instead.
fn snapshot(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expect = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, expect, "{name}; UPDATE_SNAPSHOTS=1 writes it anew");
}

#[test]
fn plain_lines_tell_the_run() {
    let text = printed(&entries(), Style::default());
    snapshot("terminal.txt", &text);
    assert!(!text.contains('\x1b'), "plain lines hold no control sequences");
}

#[test]
fn a_terminal_gets_colour_and_a_status_line() {
    let text = printed(&entries(), Style { tty: true, color: true });
    assert!(text.contains("\x1b[1;31mFAIL\x1b[0m") && text.contains("\x1b[1;33m????\x1b[0m"));
    assert!(text.contains("running: "), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[lines.len() - 1], "2 passed, 2 failed, 1 skipped");
    assert_eq!(lines[lines.len() - 2], "inconclusive: 支付成功回调被丢弃");
}

#[test]
fn a_run_cut_off_is_told_as_far_as_it_came() {
    let mut cut = entries();
    let verdict = |entry: &Entry| matches!(entry.event, Event::ScenarioVerdict { .. });
    let last = cut.iter().rposition(verdict).expect("a verdict");
    cut.truncate(last);
    let view = RunView::of(cut.clone());
    assert_eq!((view.passed(), view.failed(), view.skipped()), (2, 2, 1));
    let text = printed(&cut, Style::default());
    assert!(text.contains("the run ended before this scenario had a verdict"), "{text}");
}

#[test]
fn every_view_is_written_from_the_journal() {
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("REPORT_OUT").map(std::path::PathBuf::from);
    let dir = kept.as_deref().unwrap_or(temporary.path());
    journal_in(dir, &entries());
    let written = write_all(dir).unwrap();
    assert_eq!(written.len(), 7);
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();

    let result: serde_json::Value = serde_json::from_str(&read("result.json")).unwrap();
    assert_eq!(result["passed"], 2);
    assert_eq!(result["inconclusive"], 1);
    assert_eq!(result["scenarios"][0]["loss_peak"], "199.00 CNY");
    assert_eq!(result["scenarios"][0]["alert"]["after_ms"], 700);
    let coverage: serde_json::Value = serde_json::from_str(&read("coverage.json")).unwrap();
    assert_eq!(coverage["loss_points"][2]["loss_point"], "refund-paid-twice");
    assert_eq!(coverage["loss_points"][2]["proved"], true);
    assert_eq!(coverage["loss_points"][0]["proved"], false);
    let lock: serde_json::Value = serde_json::from_str(&read("stage.lock.json")).unwrap();
    assert_eq!(lock["services"][0]["service"], "mysql");

    snapshot("junit.xml", &read("junit.xml"));
    let summary = read("summary.md");
    assert!(summary.ends_with("\n2 passed, 2 failed, 1 skipped\n"), "{summary}");
    assert!(summary.contains("| late | The seller forgets a digit \\| &lt;b> |"), "{summary}");
}

#[test]
fn the_page_is_one_offline_file() {
    let dir = tempfile::tempdir().unwrap();
    journal_in(dir.path(), &many(200));
    write_all(dir.path()).unwrap();
    let page = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    for fetched in ["http://", "https://", "src=", "url(", "@import", "<link"] {
        assert!(!page.contains(fetched), "the page fetches something: {fetched}");
    }
    assert!(!page.contains("digit | <b>"), "text is escaped");
    assert_eq!(page.matches("<figure><svg").count(), 200);
    let strips = page.matches("class=\"strip\"").count();
    assert!((1..200).contains(&strips), "one where a fault was in place: {strips}");
    assert_eq!(page.matches("<details").count(), page.matches("</details>").count());
}

#[test]
fn without_entries_there_is_nothing_to_report() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(write_all(dir.path()), Err(ReportError::Journal(_))));
    std::fs::write(dir.path().join("journal.ndjson"), "").unwrap();
    assert!(matches!(write_all(dir.path()), Err(ReportError::Empty { .. })));
}

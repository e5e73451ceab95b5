//! The terminal: verdicts as they fall, then what a person needs next.
//!
//! Fed with journal entries, live or from a file. On a terminal one status line shows what is
//! running; elsewhere there are plain lines only. Knows no clock: all times are those of the
//! entries.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use super::view::{Milestone, RunView, ScenarioView};
use crate::config::cut;
use crate::expect::span_text;
use crate::journal::{Entry, Event, History, Verdict};

/// Columns of the status line: it must not wrap on the narrowest usual terminal, or it cannot be rewritten.
const STATUS_COLUMNS: usize = 79;
/// Columns of one name in it.
const STATUS_NAME_COLUMNS: usize = 28;
/// Scenarios on the list of the slowest.
const SLOWEST_MAX: usize = 5;
/// Red scenarios told in full at the end, as many as one screen holds; further ones only by their line.
const RED_IN_FULL_MAX: usize = 3;

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// A terminal that can rewrite its last line.
    pub tty: bool,
    /// Colours: a terminal without `NO_COLOR`.
    pub color: bool,
}

/// Prints a run from its entries.
pub struct Live<W: Write> {
    out: W,
    style: Style,
    /// Where the reports will be, for the closing lines.
    run_dir: Option<String>,
    running: BTreeMap<String, History>,
    entries: Vec<Arc<Entry>>,
    total: usize,
    done: usize,
    status_shown: bool,
    finished: bool,
}

impl<W: Write> Live<W> {
    pub fn new(out: W, style: Style, run_dir: Option<String>) -> Live<W> {
        Live {
            out,
            style,
            run_dir,
            running: BTreeMap::new(),
            entries: Vec::new(),
            total: 0,
            done: 0,
            status_shown: false,
            finished: false,
        }
    }

    /// Takes the next entry; prints what it means.
    pub fn see(&mut self, entry: &Arc<Entry>) -> io::Result<()> {
        self.entries.push(entry.clone());
        if let Some(id) = &entry.scenario {
            self.running.entry(id.clone()).or_default().push(entry.clone());
        }
        match &entry.event {
            Event::RunStarted { run, seed, total, .. } => {
                self.total = *total;
                let s = if *total == 1 { "" } else { "s" };
                self.line(&format!("run {run}: {total} scenario{s}, seed {seed}"))?;
            }
            Event::StageUp { services, took_ms } => {
                for service in services {
                    let stand_in = if service.stand_in { ", a stand-in image" } else { "" };
                    self.line(&format!(
                        "stage {} {} ({}, {}{stand_in})",
                        service.service, service.version, service.provider, service.source
                    ))?;
                }
                self.line(&format!("stage up in {}", real(*took_ms)))?;
            }
            Event::ScenarioVerdict { .. } => self.verdict(entry)?,
            Event::Note { text } if entry.scenario.is_none() => {
                self.line(&format!("note  {text}"))?;
            }
            _ => {}
        }
        self.status()
    }

    fn verdict(&mut self, entry: &Entry) -> io::Result<()> {
        let Some(id) = &entry.scenario else { return Ok(()) };
        let Some(history) = self.running.remove(id) else { return Ok(()) };
        self.done += 1;
        match ScenarioView::of(id, &history) {
            Some(scenario) => {
                let line = self.verdict_line(&scenario);
                self.line(&line)
            }
            None => Ok(()),
        }
    }

    fn verdict_line(&self, scenario: &ScenarioView) -> String {
        let word = match scenario.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "FAIL",
            Verdict::Inconclusive => "????",
        };
        let word = self.painted(word, scenario.verdict);
        let facts = &scenario.facts;
        let mut line = format!("{word}  {:>6}  {}", real(scenario.real_ms), facts.name);
        let told = match scenario.verdict {
            Verdict::Pass if facts.control => "stayed silent; the canary sang".to_owned(),
            Verdict::Pass => milestones(scenario),
            Verdict::Fail | Verdict::Inconclusive => scenario.told(),
        };
        if !told.is_empty() {
            line.push_str(&format!("  ({told})"));
        }
        line
    }

    fn painted(&self, text: &str, verdict: Verdict) -> String {
        if !self.style.color {
            return text.to_owned();
        }
        let color = match verdict {
            Verdict::Pass => 32,
            Verdict::Inconclusive => 33,
            Verdict::Fail => 31,
        };
        format!("\x1b[1;{color}m{text}\x1b[0m")
    }

    fn line(&mut self, text: &str) -> io::Result<()> {
        self.clear_status()?;
        writeln!(self.out, "{text}")
    }

    fn clear_status(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.status_shown) {
            write!(self.out, "\r\x1b[K")?;
        }
        Ok(())
    }

    fn status(&mut self) -> io::Result<()> {
        if !self.style.tty || self.finished {
            return Ok(());
        }
        self.clear_status()?;
        let names = self.running.values().filter_map(|history| history.facts());
        let names: Vec<String> = names.map(|facts| cut(&facts.name, STATUS_NAME_COLUMNS)).collect();
        let shown = names.join(" · ");
        let status = format!("{} of {} · {} running: {shown}", self.done, self.total, names.len());
        write!(self.out, "{}", cut(&status, STATUS_COLUMNS))?;
        self.status_shown = true;
        self.out.flush()
    }

    /// The closing lines; a second call prints nothing. For a run that was cut off call it at the
    /// end of the stream.
    pub fn finish(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(());
        }
        self.clear_status()?;
        let entries = std::mem::take(&mut self.entries);
        let view = RunView::of(entries.iter().map(|entry| (**entry).clone()).collect());
        self.line("")?;
        let ran = view.slowest().into_iter().filter(|scenario| scenario.real_ms > 0);
        for (index, scenario) in ran.take(SLOWEST_MAX).enumerate() {
            let head = if index == 0 { "slowest" } else { "" };
            let (took, name) = (real(scenario.real_ms), &scenario.facts.name);
            self.line(&format!("{head:<8} {took:>6}  {name}"))?;
        }
        self.line(&format!(
            "start {} · scenarios {} · teardown {}",
            real(view.start_ms),
            real(view.scenarios_ms),
            real(view.teardown_ms)
        ))?;
        // One that never got a cell has nothing to tell beyond its line; failures come before doubts.
        let told = |s: &&ScenarioView| s.verdict != Verdict::Pass && s.opened;
        let mut red: Vec<&ScenarioView> = view.scenarios.iter().filter(told).collect();
        red.sort_by_key(|scenario| std::cmp::Reverse(scenario.verdict));
        for scenario in red.iter().take(RED_IN_FULL_MAX) {
            self.red(&view, scenario)?;
        }
        if let Some(more) = red.len().checked_sub(RED_IN_FULL_MAX).filter(|more| *more > 0) {
            self.line(&format!("\n{more} more: see report.html"))?;
        }
        if !red.is_empty() {
            self.line("")?;
        }
        if let Some(dir) = self.run_dir.clone() {
            self.line(&format!("report {dir}/report.html"))?;
        }
        self.line(&view.inconclusive_line())?;
        self.line(&view.last_line())?;
        self.out.flush()
    }

    /// The first screen of red: what is missing, the money, the deadline, and the one command.
    fn red(&mut self, view: &RunView, scenario: &ScenarioView) -> io::Result<()> {
        let facts = &scenario.facts;
        let word = self.painted(&scenario.word.to_string(), scenario.verdict);
        self.line(&format!("\n{word} · {} · {}", facts.name, facts.location))?;
        if let Some(missing) = scenario.missing() {
            self.line(&format!("  missing   {}", missing.claim()))?;
        }
        let (lost, exposed) = (scenario.loss_peak, scenario.exposure_peak);
        self.line(&format!("  money     {lost} lost, {exposed} stood to be lost"))?;
        self.line(&format!("  deadline  {}", scenario.deadline_text()))?;
        self.line(&format!("  why       {}", scenario.evidence))?;
        if let Some(refused) = &scenario.refused {
            self.line(&format!("  refused   {refused}"))?;
        }
        self.line(&format!("  again     {}", view.again(&facts.name)))
    }
}

fn real(ms: u64) -> String {
    span_text(i64::try_from(ms).unwrap_or(i64::MAX))
}

fn milestones(scenario: &ScenarioView) -> String {
    let told = |name: &str, at: Option<Milestone>| {
        at.map(|at| format!("{name} after {}", span_text(at.after_ms)))
    };
    let lost = (scenario.loss_peak.minor > 0).then(|| format!("lost {}", scenario.loss_peak));
    let parts = [
        told("alert", scenario.alert),
        told("plan", scenario.plan),
        told("contained", scenario.contained).filter(|_| scenario.contained != scenario.plan),
        lost,
    ];
    parts.into_iter().flatten().collect::<Vec<String>>().join(", ")
}

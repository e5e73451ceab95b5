//! Commands that only read: `check`, `steps`, `coverage`, `recheck`.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::args::{CheckArgs, CoverageArgs, Format, Order, RunDirArgs, StepsArgs};
use super::{rundir, texts};
use crate::author;
use crate::coverage;
use crate::expect;
use crate::journal::{Event, Exit, History, Verdict, Word, read_journal};
use crate::oracle::Oracle;
use crate::report;
use crate::steps::proofs;

pub fn check(args: &CheckArgs) -> Exit {
    let (report, _) = texts::check(&args.sources);
    match args.format {
        Format::Text => print!("{}", report.render_text()),
        Format::Json => print!("{}", report.render_json()),
    }
    texts::exit(report.exit_code())
}

pub fn steps(args: &StepsArgs) -> Exit {
    let search = (!args.search.is_empty()).then(|| args.search.join(" "));
    let listing = author::steps(search.as_deref());
    match args.format {
        _ if args.html => print!("{}", listing.render_html()),
        Format::Text => print!("{}", listing.render_text()),
        Format::Json => print!("{}", listing.render_json()),
    }
    texts::exit(listing.exit_code())
}

pub fn coverage(args: &CoverageArgs) -> Exit {
    let checked = match texts::load(&args.sources) {
        Ok(checked) => checked,
        Err(exit) => return exit,
    };
    let run = match args.run.as_deref().map(rundir::read).transpose() {
        Ok(run) => run,
        Err(error) => return usage(&error),
    };
    let verdicts = run.as_ref().map(report::coverage::verdicts);
    let points = coverage::points(&checked.catalog);
    let by_loss = args.by == Order::Loss;
    let table =
        coverage::Table::of(&points, &proofs(&checked.scenarios), verdicts.as_ref(), by_loss);
    match args.format {
        Format::Text => print!("{}", table.render_text()),
        Format::Json => print!("{}", table.render_json()),
    }
    let missed = run.as_ref().map(report::coverage::missed).unwrap_or_default();
    missed.iter().for_each(|text| eprintln!("{text}"));
    if missed.is_empty() { Exit::Proved } else { Exit::Policy }
}

fn usage(error: &dyn std::fmt::Display) -> Exit {
    eprintln!("error: {error}");
    Exit::Usage
}

/// One scenario judged again.
#[derive(Serialize)]
struct Rechecked {
    scenario: String,
    name: String,
    verdict: Verdict,
    word: Word,
    evidence: String,
    /// The verdict that stands in the journal is another one.
    differs: bool,
}

impl Rechecked {
    fn of(id: &str, history: &History) -> Rechecked {
        let again = expect::recheck(history, Oracle::of);
        let told = history.pick(|event| match event {
            Event::ScenarioVerdict { verdict, word, .. } => Some((*verdict, *word)),
            _ => None,
        });
        let told = told.map(|(_, told)| told).last();
        Rechecked {
            scenario: id.to_owned(),
            name: history.facts().map_or(id.to_owned(), |facts| facts.name.clone()),
            verdict: again.verdict,
            word: again.word,
            evidence: again.evidence,
            differs: told.is_some_and(|told| told != (again.verdict, again.word)),
        }
    }

    fn exit(&self) -> Exit {
        match self.verdict {
            Verdict::Fail => Exit::Failed,
            Verdict::Inconclusive => Exit::Inconclusive,
            // A journal that contradicts itself proves nothing.
            Verdict::Pass if self.differs => Exit::Inconclusive,
            Verdict::Pass => Exit::Proved,
        }
    }
}

impl fmt::Display for Rechecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "FAIL",
            Verdict::Inconclusive => "????",
        };
        write!(f, "{verdict}  {}", self.name)?;
        if self.verdict != Verdict::Pass {
            write!(f, "  ({}: {})", self.word, self.evidence)?;
        }
        if self.differs {
            f.write_str("  (the journal holds another verdict)")?;
        }
        Ok(())
    }
}

/// Judges every scenario of a journal again, and compares with what stands there.
pub fn recheck(args: &RunDirArgs) -> Exit {
    let read = rundir::journal_of(&args.run)
        .and_then(|path| read_journal(&path).map_err(|e| e.to_string()));
    let entries = match read {
        Ok(entries) => entries.into_iter().map(Arc::new).collect::<Vec<_>>(),
        Err(error) => return usage(&error),
    };
    let started = |event: &Event| matches!(event, Event::ScenarioStarted { .. });
    let ids = entries.iter().filter(|entry| started(&entry.event));
    let ids: Vec<String> = ids.filter_map(|entry| entry.scenario.clone()).collect();
    let again = |id: &String| Rechecked::of(id, &History::of(id, entries.iter().cloned()));
    let rechecked: Vec<Rechecked> = ids.iter().map(again).collect();
    let exit = Exit::worst(rechecked.iter().map(Rechecked::exit));
    let passed = rechecked.iter().filter(|one| one.exit() == Exit::Proved).count();
    let failed = rechecked.len() - passed;
    if args.format == Format::Json {
        let value = serde_json::json!({
            "scenarios": rechecked, "passed": passed, "failed": failed, "exit": exit.code(),
        });
        println!("{value:#}");
        return exit;
    }
    rechecked.iter().for_each(|one| println!("{one}"));
    println!("{passed} passed, {failed} failed, 0 skipped");
    exit
}

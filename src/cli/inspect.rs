//! Commands that only read: `check`, `steps`, `coverage`, `report`, `recheck`.

use std::sync::Arc;

use super::args::{CheckArgs, CoverageArgs, Format, RunDirArgs, StepsArgs};
use super::texts;
use crate::author;
use crate::coverage;
use crate::expect;
use crate::journal::{Event, Exit, History, Verdict, read_journal};
use crate::oracle::Oracle;
use crate::report;

pub fn check(args: &CheckArgs) -> Exit {
    let (report, _) = texts::check(&args.sources);
    match args.format {
        Format::Text => print!("{}", report.render_text()),
        Format::Json => print!("{}", report.render_json()),
    }
    texts::exit(report.exit_code())
}

pub fn steps(args: &StepsArgs) -> Exit {
    let listing = author::steps(args.search.as_deref());
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
    let evidence = checked.scenarios.iter().map(|s| (s.loss_point.as_str(), s.control));
    let table = coverage::Table::of(&checked.catalog, evidence, args.by == "loss");
    match args.format {
        Format::Text => print!("{}", table.render_text()),
        Format::Json => print!("{}", table.render_json()),
    }
    Exit::Proved
}

pub fn report(args: &RunDirArgs) -> Exit {
    match report::write_all(&args.run) {
        Ok(written) => {
            for path in written {
                println!("{}", path.display());
            }
            Exit::Proved
        }
        Err(error) => {
            eprintln!("error: {error}");
            Exit::Usage
        }
    }
}

/// Judges every scenario of a journal again, and compares with what stands there.
pub fn recheck(args: &RunDirArgs) -> Exit {
    let entries = match read_journal(&args.run.join("journal.ndjson")) {
        Ok(entries) => entries.into_iter().map(Arc::new).collect::<Vec<_>>(),
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::Usage;
        }
    };
    let started = |event: &Event| matches!(event, Event::ScenarioStarted { .. });
    let ids =
        entries.iter().filter(|entry| started(&entry.event)).filter_map(|e| e.scenario.clone());
    let (mut exits, mut passed, mut failed) = (vec![Exit::Proved], 0, 0);
    for id in ids.collect::<Vec<_>>() {
        let history = History::of(&id, entries.iter().cloned());
        let again = expect::recheck(&history, Oracle::of);
        let name = history.facts().map_or(id.clone(), |facts| facts.name.clone());
        let told = history.pick(|event| match event {
            Event::ScenarioVerdict { verdict, word, .. } => Some((*verdict, *word)),
            _ => None,
        });
        let told = told.map(|(_, told)| told).last();
        let same = told == Some((again.verdict, again.word));
        println!(
            "{:?}  {}  {}{}",
            again.verdict,
            again.word,
            name,
            if same { "" } else { "  (the journal says otherwise)" }
        );
        if again.verdict != Verdict::Pass {
            println!("    {}", again.evidence);
        }
        exits.push(match again.verdict {
            Verdict::Pass => Exit::Proved,
            Verdict::Inconclusive => Exit::Inconclusive,
            Verdict::Fail => Exit::Failed,
        });
        if again.verdict == Verdict::Pass { passed += 1 } else { failed += 1 }
    }
    println!("{passed} passed, {failed} failed, 0 skipped");
    Exit::worst(exits)
}

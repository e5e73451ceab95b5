//! Commands on run directories: `report`, `merge`, `compare`, `explain`; and finding them.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::args::{CompareArgs, ExplainArgs, Format, Lang, MergeArgs, ReportArgs};
use crate::journal::Exit;
use crate::report::{self, JOURNAL_FILE, RunView, compare::Comparison, explain, github, merge};
use crate::runner::run_id;
use crate::steps::Language;

pub fn report(args: &ReportArgs) -> Exit {
    let run = &args.run.run;
    let language = if args.lang == Lang::Zh { Language::ZhCn } else { Language::En };
    let write = || report::write_in(run, language).map_err(|error| error.to_string());
    let written = match journal_of(run).and_then(|_| write()) {
        Ok(written) => written,
        Err(error) => return usage(&error),
    };
    match args.run.format {
        Format::Text => written.iter().for_each(|path| println!("{}", path.display())),
        Format::Json => println!("{:#}", serde_json::json!({ "written": written })),
    }
    if args.github { tell_github(run) } else { Exit::Proved }
}

pub fn merge(args: &MergeArgs) -> Exit {
    let own = std::env::args().skip(1).collect();
    let merged = match merge::merge(&args.shards, &args.out, &run_id(), own) {
        Ok(merged) => merged,
        Err(error) => return usage(&error),
    };
    let reported = reports(&merged.dir, args.github);
    match (args.format, report::entries(&merged.dir)) {
        (Format::Json, _) => print_json(&merged.dir),
        (Format::Text, Ok(entries)) => super::live::replay(entries, &merged.dir),
        (Format::Text, Err(error)) => return usage(&error),
    }
    Exit::worst([merged.exit, reported])
}

pub fn compare(args: &CompareArgs) -> Exit {
    let (before, after) = match (read(&args.before), read(&args.after)) {
        (Ok(before), Ok(after)) => (before, after),
        (before, after) => {
            let errors = [before.err(), after.err()];
            return usage(&errors.into_iter().flatten().collect::<Vec<_>>().join("\nerror: "));
        }
    };
    let comparison = Comparison::of(&before, &after);
    match args.format {
        Format::Text => print!("{}", comparison.render_text()),
        Format::Json => print!("{}", comparison.render_json()),
    }
    if comparison.worse { Exit::Failed } else { Exit::Proved }
}

pub fn explain(args: &ExplainArgs) -> Exit {
    let entries = journal_of(&args.run)
        .and_then(|_| report::entries(&args.run).map_err(|error| error.to_string()));
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) => return usage(&error),
    };
    let view = RunView::of(entries.clone());
    let scenario = match explain::find(&view, &args.scenario) {
        Ok(scenario) => scenario,
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::Nothing;
        }
    };
    let explanation = explain::Explanation::of(&view, scenario, &entries);
    match args.format {
        Format::Text => print!("{}", explanation.render_text()),
        Format::Json => print!("{}", explanation.render_json()),
    }
    Exit::Proved
}

/// The run in `dir`, or what to name instead.
pub fn read(dir: &Path) -> Result<RunView, String> {
    journal_of(dir).and_then(|_| report::read(dir).map_err(|error| error.to_string()))
}

/// Writes every report, and tells GitHub where that is wanted.
pub fn reports(dir: &Path, github: bool) -> Exit {
    if let Err(error) = report::write_all(dir) {
        eprintln!("error: {error}");
        return Exit::Inconclusive;
    }
    if github { tell_github(dir) } else { Exit::Proved }
}

/// Annotations on standard error, so that standard output stays as it is; the summary where GitHub names a file.
fn tell_github(dir: &Path) -> Exit {
    let view = match report::read(dir) {
        Ok(view) => view,
        Err(error) => return usage(&error),
    };
    github::annotations(&view).iter().for_each(|line| eprintln!("{line}"));
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").map(PathBuf::from) else {
        eprintln!("GITHUB_STEP_SUMMARY is not set: no job summary is written");
        return Exit::Proved;
    };
    // What stands there already counts: the limit is that of the step.
    let taken = std::fs::metadata(&path).map_or(0, |meta| meta.len());
    let room =
        github::SUMMARY_BYTES_MAX.saturating_sub(usize::try_from(taken).unwrap_or(usize::MAX));
    let mut file = std::fs::File::options().append(true).create(true).open(&path);
    let text = github::job_summary(&view, room);
    match file.as_mut().map(|file| file.write_all(text.as_bytes())) {
        Ok(Ok(())) => Exit::Proved,
        Ok(Err(error)) => usage(&format!("write the job summary {}: {error}", path.display())),
        Err(error) => usage(&format!("write the job summary {}: {error}", path.display())),
    }
}

/// The journal of a run directory, or what to name instead.
pub fn journal_of(run: &Path) -> Result<PathBuf, String> {
    let journal = run.join(JOURNAL_FILE);
    if journal.is_file() {
        return Ok(journal);
    }
    // Whether `run` is a misspelt run or the folder of all runs: the last one there is meant most often.
    let last =
        last_in(run).or_else(|| last_in(run.parent()?)).or_else(|| last_in(Path::new("runs")));
    let hint = match last {
        Some(last) => format!("the last run is {}", last.display()),
        None => "name a run directory, such as runs/20261122-101500-7f3a".to_owned(),
    };
    Err(format!("{} is no run directory, it holds no journal.ndjson: {hint}", run.display()))
}

/// The run directory given, else the last one in `out`.
pub fn or_last(run: Option<PathBuf>, out: &Path) -> Result<PathBuf, String> {
    match run {
        Some(run) => journal_of(&run).map(|_| run),
        None => last_in(out).ok_or_else(|| format!("there is no run in {}", out.display())),
    }
}

/// Run directories are named by their time.
fn last_in(dir: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir).ok()?.flatten();
    entries.map(|entry| entry.path()).filter(|dir| dir.join(JOURNAL_FILE).is_file()).max()
}

pub fn print_json(dir: &Path) {
    match std::fs::read_to_string(dir.join("result.json")) {
        Ok(text) => println!("{text}"),
        Err(error) => eprintln!("error: read {}/result.json: {error}", dir.display()),
    }
}

fn usage(error: &dyn std::fmt::Display) -> Exit {
    eprintln!("error: {error}");
    Exit::Usage
}

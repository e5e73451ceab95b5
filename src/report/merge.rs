//! The shards of one run put together: their journals become one, and every report is a view of that.
//!
//! Refuses whatever would make the whole another run than the one that was parted: a shard that is missing or given
//! twice, another commit, seed, vocabulary or text, scenarios that overlap. All reasons are told at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::view::RunView;
use super::{JOURNAL_FILE, ReportError, coverage, entries};
use crate::config::list;
use crate::journal::{
    Basis, Entry, Event, Exit, JournalError, Phase, Shard, Verdict, write_journal,
};

/// Why shards are not put together.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("{0} holds no run directory: name the run directory of each shard")]
    NoRun(PathBuf),
    #[error("these are not the shards of one run:\n  {}", .0.join("\n  "))]
    Refused(Vec<String>),
    #[error("cannot write {path}: {source}; name another folder with --out")]
    Write { path: PathBuf, source: std::io::Error },
}

/// One shard's journal.
struct Part {
    dir: PathBuf,
    entries: Vec<Entry>,
    view: RunView,
}

/// The whole.
#[derive(Debug)]
pub struct Merged {
    pub dir: PathBuf,
    pub exit: Exit,
}

/// Writes the journal and the evidence of the whole into `out/run`; `args` are those of this command. The reports are
/// the caller's to write.
pub fn merge(
    dirs: &[PathBuf],
    out: &Path,
    run: &str,
    args: Vec<String>,
) -> Result<Merged, MergeError> {
    let mut parts = Vec::new();
    for dir in dirs {
        for dir in runs_in(dir)? {
            let entries = entries(&dir)?;
            parts.push(Part { view: RunView::of(entries.clone()), entries, dir });
        }
    }
    parts.sort_by_key(|part| part.view.basis.shard.map(Shard::number));
    let reasons = reasons_against(&parts);
    if !reasons.is_empty() {
        return Err(MergeError::Refused(reasons));
    }
    let dir = out.join(run);
    std::fs::create_dir_all(&dir)
        .map_err(|source| MergeError::Write { path: dir.clone(), source })?;
    copy_evidence(&parts, &dir)?;
    let (whole, exit) = whole(&parts, run, args);
    write_journal(&dir.join(JOURNAL_FILE), &whole)?;
    Ok(Merged { dir, exit })
}

/// `dir` itself, or the run directories right below it, as a pipeline's artifacts bring them.
fn runs_in(dir: &Path) -> Result<Vec<PathBuf>, MergeError> {
    let is_run = |dir: &Path| dir.join(JOURNAL_FILE).is_file();
    if is_run(dir) {
        return Ok(vec![dir.to_owned()]);
    }
    let below = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut runs: Vec<PathBuf> = below.filter(|dir| is_run(dir)).collect();
    runs.sort();
    if runs.is_empty() { Err(MergeError::NoRun(dir.to_owned())) } else { Ok(runs) }
}

fn reasons_against(parts: &[Part]) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut given: BTreeMap<Shard, &Part> = BTreeMap::new();
    for part in parts {
        match part.view.basis.shard {
            None => reasons.push(format!("{} is no shard: it was run whole", part.dir.display())),
            Some(shard) => {
                if let Some(other) = given.insert(shard, part) {
                    let (one, other) = (other.dir.display(), part.dir.display());
                    reasons.push(format!("shard {shard} is given twice: {one} and {other}"));
                }
            }
        }
    }
    if let Some(of) = given.keys().next().map(|shard| shard.of()) {
        let numbers: BTreeSet<usize> = given.keys().map(|shard| shard.number()).collect();
        let missing = (1..=of).filter(|number| !numbers.contains(number));
        let missing: Vec<String> = missing.map(|number| format!("{number}/{of}")).collect();
        if !missing.is_empty() {
            reasons.push(format!("missing: shard {}", list(&missing)));
        }
    }
    let Some((first, others)) = parts.split_first() else { return reasons };
    for part in others {
        for (what, of) in ALIKE {
            let (one, other) = (of(&first.view), of(&part.view));
            if one != other {
                let (first, part) = (first.dir.display(), part.dir.display());
                reasons.push(format!("{what} differs: {one} in {first}, {other} in {part}"));
            }
        }
    }
    reasons.extend(overlaps(parts));
    reasons
}

/// What all shards of a run have in common.
const ALIKE: [(&str, fn(&RunView) -> String); 7] = [
    ("number of shards", |view| view.basis.shard.map_or(0, Shard::of).to_string()),
    ("commit", |view| view.basis.commit.clone().unwrap_or_else(|| "none".to_owned())),
    ("version", |view| view.version.clone()),
    ("seed", |view| view.seed.to_string()),
    ("vocabulary", |view| view.basis.vocabulary.clone()),
    ("text of features, catalogue or configuration", |view| view.basis.texts.clone()),
    ("number of scenarios selected", |view| view.basis.whole.to_string()),
];

fn overlaps(parts: &[Part]) -> Vec<String> {
    let mut seen: BTreeMap<&str, &Part> = BTreeMap::new();
    let mut twice = Vec::new();
    for part in parts {
        for selected in &part.view.basis.selected {
            if let Some(other) = seen.insert(&selected.id, part)
                && other.view.basis.shard != part.view.basis.shard
            {
                let (one, other) = (other.dir.display(), part.dir.display());
                twice.push(format!("scenario `{}` is in {one} and in {other}", selected.name));
            }
        }
    }
    twice
}

/// The journal of the whole, as if its shards had begun together, and its exit.
fn whole(parts: &[Part], run: &str, args: Vec<String>) -> (Vec<Entry>, Exit) {
    let mut body: Vec<Entry> = Vec::new();
    for part in parts {
        let first_us = part.entries[0].mono_us;
        body.extend(part.entries.iter().filter(|entry| belongs_to_the_whole(entry)).map(|entry| {
            Entry { mono_us: entry.mono_us.saturating_sub(first_us), ..entry.clone() }
        }));
    }
    // Stable: the entries of one scenario stay in their order.
    body.sort_by_key(|entry| entry.mono_us);
    // Two shards may have read the same feature.
    let mut uris = BTreeSet::new();
    body.retain(|entry| match &entry.event {
        Event::Source { source } => uris.insert(source.uri.clone()),
        _ => true,
    });
    let first = &parts[0];
    let own = |event: Event, mono_us: u64, wall_ms: i64| Entry {
        seq: 0,
        scenario: None,
        mono_us,
        cell_ms: None,
        wall_ms,
        phase: Phase::Start,
        event,
    };
    let began_ms = parts.iter().map(|part| part.view.started_wall_ms).min().unwrap_or_default();
    let mut all = vec![
        own(
            Event::RunStarted {
                run: run.to_owned(),
                version: first.view.version.clone(),
                seed: first.view.seed,
                args,
                total: parts.iter().map(|part| part.view.total).sum(),
            },
            0,
            began_ms,
        ),
        own(Event::Basis { basis: Box::new(whole_basis(parts)) }, 0, began_ms),
    ];
    all.append(&mut body);
    let last_us = all.last().map_or(0, |entry| entry.mono_us);
    let last_ms = all.iter().map(|entry| entry.wall_ms).max().unwrap_or(began_ms);
    let view = RunView::of(all.clone());
    let missed = coverage::missed(&view);
    let exit = exit_of(parts, &view, !missed.is_empty());
    all.extend(missed.into_iter().map(|text| own(Event::Note { text }, last_us, last_ms)));
    let ended = Event::RunEnded {
        passed: view.passed(),
        failed: view.failed(),
        skipped: view.skipped(),
        inconclusive: view.inconclusive(),
        exit: exit.code(),
    };
    all.push(own(ended, last_us, last_ms));
    for (seq, entry) in all.iter_mut().enumerate() {
        entry.seq = seq as u64;
    }
    (all, exit)
}

fn belongs_to_the_whole(entry: &Entry) -> bool {
    !matches!(entry.event, Event::RunStarted { .. } | Event::Basis { .. } | Event::RunEnded { .. })
}

fn whole_basis(parts: &[Part]) -> Basis {
    let selected = parts.iter().flat_map(|part| part.view.basis.selected.iter().cloned());
    Basis { shard: None, selected: selected.collect(), ..parts[0].view.basis.clone() }
}

/// The worst that a shard says of itself, that the verdicts say, or that the policy says. A shard that was cut off has
/// no exit of its own: what it left unjudged is inconclusive.
fn exit_of(parts: &[Part], view: &RunView, missed: bool) -> Exit {
    let own = parts.iter().map(|part| match part.view.exit {
        Some(code) => Exit::of_code(code).unwrap_or(Exit::Inconclusive),
        None => Exit::Inconclusive,
    });
    let verdicts = view.scenarios.iter().map(|scenario| match scenario.verdict {
        Verdict::Pass => Exit::Proved,
        Verdict::Inconclusive => Exit::Inconclusive,
        Verdict::Fail => Exit::Failed,
    });
    let skipped = (view.skipped() > 0).then_some(Exit::Inconclusive);
    let policy = missed.then_some(Exit::Policy);
    Exit::worst(own.chain(verdicts).chain(skipped).chain(policy))
}

/// Evidence is named by its content, so that files of two shards never collide.
fn copy_evidence(parts: &[Part], dir: &Path) -> Result<(), MergeError> {
    let failed = |path: &Path, source| MergeError::Write { path: path.to_owned(), source };
    let target = dir.join("evidence");
    for part in parts {
        let files = std::fs::read_dir(part.dir.join("evidence")).into_iter().flatten().flatten();
        for file in files {
            std::fs::create_dir_all(&target).map_err(|source| failed(&target, source))?;
            let path = target.join(file.file_name());
            std::fs::copy(file.path(), &path).map_err(|source| failed(&path, source))?;
        }
    }
    Ok(())
}

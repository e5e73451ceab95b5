//! `dcheck replay`: a recording judged again, its verdicts as JSON lines.
//!
//! The engine is a function of its inputs, so that the same recording and rules give the same bytes each time, and what the
//! daemon stored. Asks nobody and tells nobody. A recording that was cut or changed is judged up to there, and then refused
//! by its line.
//! Not covered: what is told of the verdicts (groups, plans): those are the daemon's.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::recording::{End, Entry, FORMAT, Head, InForce, digest_of, restored};
use super::start::Mistakes;
use super::tape::{FILES, chained, file};
use crate::clock::rfc3339;
use crate::dcheck::alerts::fingerprint;
use crate::dcheck::engine::{Engine, Input, Output, RuleSet, Verdict, rules};
use crate::dcheck::log;
use crate::wire::{Judgement, Subject};

#[derive(Clone, Debug, Args)]
pub struct ReplayOptions {
    /// A recording of `dcheck run --record`; what follows it (`FILE.2` …) is read too.
    pub file: PathBuf,
    /// Directory of the rule files that were in force.
    #[arg(long)]
    pub rules: PathBuf,
}

/// One verdict, as a line.
#[derive(Serialize)]
struct Line<'v> {
    rule: &'v str,
    version: &'v str,
    loss_point: &'v str,
    subject: &'v Subject,
    occurrence: &'v str,
    revision: &'v str,
    judgement: Judgement,
    severity: &'v str,
    resolved: bool,
    shadow: bool,
    at_risk: Option<String>,
    expected: &'v str,
    actual: &'v str,
    position: &'v str,
    at: String,
    fingerprint: String,
}

pub fn run(options: &ReplayOptions) -> Result<(), Mistakes> {
    let set = rules::load_dir(&options.rules);
    let set = set.map_err(|errors| Mistakes(errors.iter().map(ToString::to_string).collect()))?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let replayed = replay(&options.file, &set, &mut out);
    out.flush()?;
    let (inputs, verdicts, end) = replayed.map_err(|why| Mistakes(vec![why]))?;
    log::info("replay", &format!("{inputs} inputs, {verdicts} verdicts"));
    if let Some(why) = before_its_time(end) {
        log::warn("replay", &format!("the recording ends before its daemon did: {why}"));
    }
    Ok(())
}

fn before_its_time(end: End) -> Option<&'static str> {
    match end {
        End::Stopped => None,
        End::Full => Some("its files were full"),
        End::Slow => Some("the disk was too slow"),
    }
}

/// How many inputs were judged, how many verdicts came of them, and why it ends there.
fn replay(path: &Path, rules: &RuleSet, out: &mut impl Write) -> Result<(u64, u64, End), String> {
    let mut lines = Lines::open(path)?;
    let Some(Entry::Head(head)) = lines.next()? else {
        return Err(format!("{}: no head: it is no recording", path.display()));
    };
    let mut engine = engine(&lines, *head, rules)?;
    let (mut inputs, mut verdicts) = (0, 0);
    let end = loop {
        let Some(entry) = lines.next()? else {
            return Err(format!(
                "{}: no end behind it: the recording was cut short there, or the daemon was killed",
                lines.place()
            ));
        };
        let (now, input) = match entry {
            Entry::In(now, input) => (now, input),
            Entry::Rules(now, these) => (now, Input::Replace(among(&lines, &these, rules)?)),
            Entry::RollOut(now, these) => (now, Input::RollOut(among(&lines, &these, rules)?)),
            Entry::End(why) => break why,
            Entry::Head(_) => return Err(format!("{}: a second head", lines.place())),
        };
        inputs += 1;
        for output in engine.step(input, now) {
            let (Output::Verdict(verdict) | Output::Blind(verdict) | Output::Unblind(verdict)) =
                output
            else {
                continue;
            };
            verdicts += 1;
            let line = serde_json::to_string(&line(&verdict)).map_err(|error| error.to_string())?;
            writeln!(out, "{line}").map_err(|error| format!("cannot write: {error}"))?;
        }
    };
    match lines.next()? {
        None => Ok((inputs, verdicts, end)),
        Some(_) => Err(format!("{}: something stands behind the end", lines.place())),
    }
}

fn among(lines: &Lines, these: &InForce, rules: &RuleSet) -> Result<Arc<RuleSet>, String> {
    these.among(rules).ok_or_else(|| {
        format!(
            "{}: other rules came into force there: it can be judged up to there only",
            lines.place()
        )
    })
}

fn engine(lines: &Lines, head: Head, rules: &RuleSet) -> Result<Engine, String> {
    let place = lines.place();
    let rules = head.rules.among(rules).ok_or_else(|| {
        let (recorded, given) = (&head.rules.digest, digest_of(rules));
        format!(
            "{place}: it was recorded with rules {recorded}, and --rules are {given}: give the files of then"
        )
    })?;
    let judged = head.judged.into_iter().collect();
    Ok(restored(&rules, &head.sources, judged, head.snapshot.as_ref()))
}

fn line(verdict: &Verdict) -> Line<'_> {
    Line {
        rule: &verdict.rule,
        version: &verdict.version,
        loss_point: &verdict.loss_point,
        subject: &verdict.subject,
        occurrence: &verdict.occurrence,
        revision: &verdict.revision,
        judgement: verdict.judgement,
        severity: &verdict.severity,
        resolved: verdict.resolved,
        shadow: verdict.shadow,
        at_risk: verdict.at_risk.map(|money| money.to_string()),
        expected: &verdict.expected,
        actual: &verdict.actual,
        position: &verdict.position,
        at: rfc3339(verdict.at.0),
        fingerprint: fingerprint(&verdict.rule, &verdict.subject, &verdict.occurrence),
    }
}

/// The lines of a recording over all its files, each held against its hash.
pub(super) struct Lines {
    path: PathBuf,
    number: usize,
    input: BufReader<File>,
    line: u64,
    hash: String,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Lines, String> {
        let input = Lines::file(path)?;
        let (number, line, hash) = (1, 0, String::new());
        Ok(Lines { path: path.to_owned(), number, input, line, hash })
    }

    fn file(path: &Path) -> Result<BufReader<File>, String> {
        let opened = File::open(path);
        opened
            .map(BufReader::new)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))
    }

    pub(super) fn place(&self) -> String {
        format!("{}:{}", file(&self.path, self.number).display(), self.line)
    }

    /// Of another format a head may have another shape.
    fn check_format(&self, line: &str) -> Result<(), String> {
        let head: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        match head["head"]["format"].as_str() {
            Some(FORMAT) => Ok(()),
            Some(other) => {
                Err(format!("{}: format `{other}`; this program reads `{FORMAT}`", self.place()))
            }
            None => Err(format!("{}: no head: it is no recording", self.place())),
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Entry>, String> {
        let mut text = String::new();
        loop {
            let read = self.input.read_line(&mut text);
            if read.map_err(|error| format!("cannot read {}: {error}", self.place()))? > 0 {
                break;
            }
            let next = file(&self.path, self.number + 1);
            if self.number == FILES || !next.exists() {
                return Ok(None);
            }
            (self.number, self.line, self.input) = (self.number + 1, 0, Lines::file(&next)?);
        }
        self.line += 1;
        let Some(whole) = text.strip_suffix('\n') else {
            return Err(format!("{}: cut short in the middle of the line", self.place()));
        };
        let (hash, line) = whole.split_once(' ').unwrap_or_default();
        if hash != chained(&self.hash, line) {
            return Err(format!(
                "{}: it does not follow from the lines before it: something was changed or taken out",
                self.place()
            ));
        }
        hash.clone_into(&mut self.hash);
        if self.number == 1 && self.line == 1 {
            self.check_format(line)?;
        }
        let entry = serde_json::from_str(line);
        entry.map(Some).map_err(|error| format!("{}: {error}", self.place()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::recording::tests::record;
    use super::*;
    use crate::clock::CellTime;
    use crate::dcheck::event::{Event, Op, Value};

    const RULE: &str = "- id: negative\n  version: 1\n  loss_point: l\n  severity: P1\n  rollout: full\n  \
        strategy: threshold\n  subject: {kind: account, id: after.id}\n  occurrence: after.id\n  \
        on: {table: account, ops: [insert]}\n  check: after.balance >= CHECK\n  when_absent: finding\n  \
        remember: 1 d\n  expected: e\n  actual: \"{after.balance}\"\n";

    fn set(check: &str) -> Arc<RuleSet> {
        let text = RULE.replace("CHECK", check);
        Arc::new(rules::load(&[("r.yaml".into(), text)]).unwrap())
    }

    fn inputs() -> Vec<(CellTime, Input)> {
        let row = |nth: i64| {
            let fields =
                [("id", Value::from(format!("A-{nth}").as_str())), ("balance", (nth - 3).into())];
            Input::Event(Event {
                source: "binlog".into(),
                stream: "account".into(),
                op: Op::Insert,
                before: None,
                after: Some(fields.map(|(name, value)| (name.to_owned(), value)).into()),
                changed: Vec::new(),
                txn: None,
                position: format!("binlog.000001:{nth}"),
                at: CellTime(nth),
            })
        };
        (0..10).map(|nth| (CellTime(nth), row(nth))).collect()
    }

    fn replayed(path: &Path, rules: &RuleSet) -> (String, Result<(u64, u64, End), String>) {
        let mut out = Vec::new();
        let done = replay(path, rules, &mut out);
        (String::from_utf8(out).unwrap(), done)
    }

    #[tokio::test]
    async fn the_same_bytes_each_time_over_any_files() {
        let dir = tempfile::tempdir().unwrap();
        let (one, many) = (dir.path().join("one"), dir.path().join("many"));
        record(&one, &set("0"), &inputs(), 1 << 20).await;
        record(&many, &set("0"), &inputs(), 1_000).await;
        assert!(file(&many, 2).exists());
        let (text, done) = replayed(&one, &set("0"));
        assert_eq!(done, Ok((10, 10, End::Stopped)));
        assert_eq!(text.matches("\"mismatched\"").count(), 3, "{text}");
        assert_eq!(replayed(&one, &set("0")).0, text);
        assert_eq!(replayed(&many, &set("0")).0, text);
    }

    #[tokio::test]
    async fn what_is_cut_changed_or_of_other_rules_is_told_by_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r");
        record(&path, &set("0"), &inputs(), 1 << 20).await;
        let whole = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = whole.lines().collect();
        let joined = |lines: &[&str]| format!("{}\n", lines.join("\n"));
        let without = |gone: usize| joined(&[&lines[..gone], &lines[gone + 1..]].concat());
        for (text, verdicts, part) in [
            (whole[..whole.len() - 10].to_owned(), 10, ":12: cut short in the middle"),
            (joined(&lines[..7]), 6, ":7: no end behind it"),
            (whole.replace("A-4", "A-5"), 4, ":6: it does not follow"),
            (without(4), 3, ":5: it does not follow"),
            (without(0), 0, ":1: it does not follow"),
            (format!("{whole}x\n"), 10, ":13: it does not follow"),
            (String::new(), 0, "no head"),
        ] {
            std::fs::write(&path, &text).unwrap();
            let (told, done) = replayed(&path, &set("0"));
            let why = done.unwrap_err();
            assert!(why.contains(part), "{why} lacks {part}");
            assert_eq!(told.lines().count(), verdicts, "{part}");
        }
        let old = lines[0].split_once(' ').unwrap().1.replace(FORMAT, "dcheck-recording/1");
        std::fs::write(&path, format!("{} {old}\n", chained("", &old))).unwrap();
        let why = replayed(&path, &set("0")).1.unwrap_err();
        assert!(why.contains(":1: format `dcheck-recording/1`; this program reads"), "{why}");
        std::fs::write(&path, &whole).unwrap();
        assert!(replayed(&path, &set("1")).1.unwrap_err().contains("give the files of then"));
        let mut replaced = inputs();
        replaced.insert(5, (CellTime(4), Input::Replace(set("0"))));
        record(&path, &set("0"), &replaced, 1 << 20).await;
        assert_eq!(replayed(&path, &set("0")).1, Ok((11, 10, End::Stopped)));
        replaced[5] = (CellTime(4), Input::Replace(set("1")));
        record(&path, &set("0"), &replaced, 1 << 20).await;
        assert!(replayed(&path, &set("0")).1.unwrap_err().contains(":7: other rules"));
    }

    const TWO: &str = "- id: ID\n  version: 1\n  loss_point: l\n  severity: P1\n  rollout: full\n  \
        strategy: threshold\n  subject: {kind: account, id: after.id}\n  occurrence: after.NONE\n  \
        on: {table: account, ops: [insert]}\n  check: after.balance >= 0\n  when_absent: finding\n  \
        remember: 1 d\n  expected: e\n  actual: \"{after.balance}\"\n";

    #[tokio::test]
    async fn rules_that_mean_the_same_are_the_same_wherever_they_stand() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r");
        // Rows that neither can read: both say so, in the order in which the engine has them.
        let rule = |id: &str| TWO.replace("ID", id).replace("NONE", "nothing");
        let load = |texts: &[(&str, String)]| {
            let texts = texts.iter().map(|(file, text)| ((*file).into(), text.clone()));
            rules::load(&texts.collect::<Vec<_>>()).unwrap()
        };
        let files = load(&[("a.yaml", rule("first")), ("b.yaml", rule("second"))]);
        record(&path, &files, &inputs(), 1 << 20).await;
        let (text, done) = replayed(&path, &files);
        assert_eq!(done, Ok((10, 20, End::Stopped)));
        let laid_out = rule("first")
            .replace("{kind: account, id: after.id}", "\n    kind: account\n    id: after.id")
            .replace("remember: 1 d", "remember: 24 h  # a day");
        for moved in [
            load(&[("a.yaml", format!("# moved\n\n{}{}", rule("second"), rule("first")))]),
            load(&[("a.yaml", rule("second")), ("z/b.yaml", laid_out)]),
        ] {
            assert_eq!(replayed(&path, &moved), (text.clone(), done.clone()));
        }
        let other = rule("first").replace("check: after.balance >= 0", "check: after.balance > 0");
        let other = load(&[("a.yaml", other), ("b.yaml", rule("second"))]);
        assert!(replayed(&path, &other).1.unwrap_err().contains("give the files of then"));
    }

    #[tokio::test]
    async fn rollouts_are_those_that_were_in_force() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r");
        let rolled = |rollout: &str| {
            let ordered = [("negative@1".to_owned(), rollout.parse().unwrap())];
            Arc::new(set("0").rolled_out(&ordered.into()))
        };
        let mut given = inputs();
        given.insert(2, (CellTime(1), Input::RollOut(rolled("full"))));
        record(&path, &rolled("shadow"), &given, 1 << 20).await;
        let mut engine = Engine::new(rolled("shadow"), &["binlog".into()], Default::default());
        let stepped = given.into_iter().flat_map(|(now, input)| engine.step(input, now));
        let judged: Vec<(String, bool)> = stepped
            .filter_map(|output| match output {
                Output::Verdict(verdict) => Some((verdict.occurrence, verdict.shadow)),
                _ => None,
            })
            .collect();
        let (text, done) = replayed(&path, &set("0"));
        assert!(done.is_ok(), "{done:?}");
        let shown = text.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            (line["occurrence"].as_str().unwrap().to_owned(), line["shadow"] == true)
        });
        assert_eq!(shown.collect::<Vec<_>>(), judged);
        assert!(judged[0].1 && !judged.last().unwrap().1, "{judged:?}");
    }
}

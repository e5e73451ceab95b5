//! What can be mended without a doubt about what was meant; everything else is told and left.

use std::collections::BTreeMap;

use super::style::{and_word, is_sentence, two_facts};
use crate::config::Mistake;
use crate::steps::{Heading, Language, LineKind, Scan, translated};

/// One mend: these lines in the place of line `line`.
struct Mend {
    line: usize,
    lines: Vec<String>,
}

/// The text with every safe mend of `mistakes` in it, and the mistakes that are gone by it; none where nothing is.
pub(super) fn fixed(scan: &Scan, mistakes: &[Mistake]) -> Option<(String, Vec<Mistake>)> {
    let mut mends: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut gone = Vec::new();
    for mistake in mistakes {
        let Some(mend) = mend(scan, mistake, mistakes) else { continue };
        // One mend a line and pass: the next pass sees what is left of it.
        if mends.contains_key(&mend.line) {
            let same = mends[&mend.line] == mend.lines;
            gone.extend(same.then(|| mistake.clone()));
            continue;
        }
        mends.insert(mend.line, mend.lines);
        gone.push(mistake.clone());
    }
    if gone.is_empty() {
        return None;
    }
    let lines = scan.lines.iter().flat_map(|line| match mends.get(&line.number) {
        Some(lines) => lines.clone(),
        None => vec![line.source.clone()],
    });
    Some((lines.map(|line| line + "\n").collect(), gone))
}

fn mend(scan: &Scan, mistake: &Mistake, all: &[Mistake]) -> Option<Mend> {
    let line = scan.lines.get(mistake.place.line.checked_sub(1)?)?;
    let indent = &line.source[..line.source.len() - line.source.trim_start().len()];
    let lines = match (mistake.code, &line.kind) {
        // The scanner has mended the signs in its copy; other mistakes of the line would be mended with them.
        ("full-width", LineKind::Heading { .. } | LineKind::Tags(_) | LineKind::Row(_)) => {
            let alone = |other: &Mistake| {
                other.place.line != line.number
                    || !matches!(other.code, "missing-colon" | "misspelt-keyword" | "bad-tag")
            };
            all.iter().all(alone).then(|| vec![line.mended.clone()])?
        }
        ("language", LineKind::Heading { .. }) if !says_language(scan) => {
            return Some(above_all(scan, "# language: zh-CN"));
        }
        ("no-tier", LineKind::Heading { .. }) => return no_tier(scan, mistake, all),
        ("repeated-keyword", LineKind::Step { text, .. }) => {
            vec![format!("{indent}{}", step(scan.language, and_word(scan.language), text))]
        }
        ("two-facts", LineKind::Step { keyword, text, .. }) => {
            let (first, second) = two_facts(text, scan.language)?;
            let both = is_sentence(&first) && is_sentence(&second);
            let and = and_word(scan.language);
            let steps = [step(scan.language, keyword, &first), step(scan.language, and, &second)];
            both.then(|| steps.map(|step| format!("{indent}{step}")).to_vec())?
        }
        ("bound-too-long", LineKind::Step { keyword, text, .. }) => {
            let text = in_time(text, scan.language)?;
            vec![format!("{indent}{}", step(scan.language, keyword, &text))]
        }
        _ => return None,
    };
    Some(Mend { line: line.number, lines })
}

fn step(language: Language, keyword: &str, text: &str) -> String {
    let space = if language == Language::En { " " } else { "" };
    format!("{keyword}{space}{text}")
}

fn says_language(scan: &Scan) -> bool {
    let comments = scan.lines.iter().filter(|line| line.kind == LineKind::Comment);
    comments.into_iter().any(|line| line.source.contains("language"))
}

fn above_all(scan: &Scan, new: &str) -> Mend {
    Mend { line: 1, lines: vec![new.to_owned(), scan.lines[0].source.clone()] }
}

/// Without a tier a scenario runs in the gate: saying so changes nothing. On the Feature where it is true of all.
fn no_tier(scan: &Scan, mistake: &Mistake, all: &[Mistake]) -> Option<Mend> {
    let is_scenario = |heading: &Heading| matches!(heading, Heading::Scenario | Heading::Outline);
    let headings = scan.lines.iter().filter_map(|line| match &line.kind {
        LineKind::Heading { heading, .. } => Some((line, heading)),
        _ => None,
    });
    let scenarios = headings.clone().filter(|(_, heading)| is_scenario(heading)).count();
    let untiered = all.iter().filter(|other| other.code == "no-tier").count();
    let (line, _) = headings.into_iter().find(|(line, heading)| match untiered == scenarios {
        true => **heading == Heading::Feature,
        false => line.number == mistake.place.line,
    })?;
    let indent = &line.source[..line.source.len() - line.source.trim_start().len()];
    let lines = vec![format!("{indent}@tier:gate"), line.source.clone()];
    Some(Mend { line: line.number, lines })
}

/// The same sentence bounded by the catalogue's own deadline.
fn in_time(text: &str, language: Language) -> Option<String> {
    let english = translated(text, Language::En)?;
    let (before, bounded) = english.split_once("within ")?;
    // A duration is a number and a unit.
    let rest: Vec<&str> = bounded.splitn(3, ' ').collect();
    let rest = rest.get(2).map_or(String::new(), |rest| format!(" {rest}"));
    translated(&format!("{before}in time{rest}"), language)
}

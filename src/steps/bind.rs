//! A step's text to its sentence: undefined, ambiguous, under the wrong keyword, or with a wrong value.

use std::collections::BTreeMap;

use super::compiled::{Match, vocabulary, wording};
use super::keywords::word_for;
use super::scan::{Line, Scan};
use super::tree::DraftStep;
use super::vocabulary::Row;
use super::{Language, Sentence, Step, plan_table};
use crate::config::{Mistake, Place};

/// The step as data; without one, the mistake says why.
pub fn bind(scan: &Scan, draft: &DraftStep) -> Result<Step, Vec<Mistake>> {
    let (row, sentence) = sentence(scan, draft).map_err(|mistake| vec![*mistake])?;
    let (params, plan) = match row.takes_plan {
        true => (BTreeMap::new(), plan_table::read(scan, draft)?),
        false => (params(scan, row, draft).map_err(|mistake| vec![*mistake])?, Vec::new()),
    };
    Ok(Step {
        line: draft.line,
        kind: draft.kind,
        keyword: draft.keyword.clone(),
        text: draft.text.clone(),
        sentence,
        params,
        plan,
        from_background: draft.from_background,
    })
}

/// What the step says, under the keyword of its kind.
fn sentence(scan: &Scan, draft: &DraftStep) -> Result<(&'static Row, Sentence), Box<Mistake>> {
    let line = &scan.lines[draft.line - 1];
    let (row, sentence) = match vocabulary().read(&draft.text) {
        Match::One { row, sentence } => (row, sentence),
        Match::None => return Err(undefined(scan, line, draft).into()),
        Match::Many(rows) => return Err(ambiguous(scan, line, draft, &rows).into()),
    };
    if row.kind != draft.kind {
        let place = line.place_of(&scan.file, &draft.keyword);
        let word = word_for(row.kind, scan.language);
        let message = format!("this sentence is a {}, and stands as a {}", row.kind, draft.kind);
        let mistake = Mistake::error("wrong-keyword", place, message);
        return Err(mistake.with_help(format!("begin it with `{word}`")).into());
    }
    let sentence = sentence.map_err(|bad| {
        let part: String = draft.text.chars().skip(bad.from).take(bad.length).collect();
        let place = line.place_of(&scan.file, &part);
        Mistake::error("bad-value", place, bad.error.to_string())
    })?;
    Ok((row, sentence))
}

fn text_place(scan: &Scan, line: &Line, draft: &DraftStep) -> Place {
    line.place_of(&scan.file, &draft.text)
}

fn undefined(scan: &Scan, line: &Line, draft: &DraftStep) -> Mistake {
    let message = format!("no sentence of the vocabulary reads `{}`", draft.text);
    let mistake = Mistake::error("undefined-step", text_place(scan, line, draft), message);
    let near = vocabulary().nearest(&draft.text, draft.kind, scan.language);
    let shown: Vec<String> = near.iter().map(|row| shown(row, scan.language)).collect();
    mistake.with_help(format!("the nearest sentences are\n{}", shown.join("\n")))
}

fn ambiguous(scan: &Scan, line: &Line, draft: &DraftStep, rows: &[&'static Row]) -> Mistake {
    let message = format!("{} sentences of the vocabulary read `{}`", rows.len(), draft.text);
    let mistake = Mistake::error("ambiguous-step", text_place(scan, line, draft), message);
    let shown: Vec<String> = rows.iter().map(|row| shown(row, scan.language)).collect();
    mistake.with_help(format!("they are\n{}", shown.join("\n")))
}

fn shown(row: &Row, language: Language) -> String {
    let word = word_for(row.kind, language);
    let space = if language == Language::En { " " } else { "" };
    format!("{word}{space}{}", wording(row, language))
}

/// The parameters of a fault: a table of two columns, name and value.
fn params(
    scan: &Scan,
    row: &Row,
    draft: &DraftStep,
) -> Result<BTreeMap<String, String>, Box<Mistake>> {
    let mut params = BTreeMap::new();
    for (index, cells) in draft.table.iter().enumerate() {
        let place = table_line(scan, draft.line, index, "");
        if !row.takes_table {
            let message = "no table may stand under this sentence";
            return Err(Mistake::error("table-not-taken", place, message).into());
        }
        let [name, value] = cells.as_slice() else {
            let message = format!("a parameter is `| name | value |`, not {} cells", cells.len());
            return Err(Mistake::error("bad-table", place, message).into());
        };
        // A row of the examples that says nothing leaves it at its default: not every fault of an outline takes it.
        if value.is_empty() && place.source.contains('<') {
            continue;
        }
        if params.insert(name.clone(), value.clone()).is_some() {
            let message = format!("parameter `{name}` is given twice");
            return Err(Mistake::error("bad-table", place, message).into());
        }
    }
    Ok(params)
}

/// `part` of the `index`th row of the table under the step on `line`, or that row.
pub fn table_line(scan: &Scan, line: usize, index: usize, part: &str) -> Place {
    let rows =
        scan.lines[line..].iter().filter(|line| matches!(line.kind, super::scan::LineKind::Row(_)));
    let found = rows.clone().nth(index).unwrap_or(&scan.lines[line - 1]);
    found.place_of(&scan.file, part)
}

//! `lossdrill fmt [--check]`: features in one form, so that a change shows what changed.
//!
//! Indentation by heading, keywords at the left, one blank line above each heading and none between steps, table
//! columns as wide as their widest cell on a terminal. Comments, names, prose and language stay as written. A file
//! that the scanner has mistakes in is left alone: it is not known what its lines are.

use std::path::Path;

use serde::Serialize;

use crate::config::{Mistake, Place, padded, width};
use crate::steps::{Heading, Language, Line, LineKind, Scan, feature_files, scan};

/// Columns of one level.
const INDENT: usize = 2;

/// What became of the features of a folder.
#[derive(Debug, Default, Serialize)]
pub struct Formatting {
    pub files: usize,
    /// Those that are (or, under `--check`, would be) written anew.
    pub changed: Vec<String>,
    /// Why a file was left alone.
    pub mistakes: Vec<Mistake>,
}

/// Formats every feature below `dir`; with `check` nothing is written.
pub fn fmt(dir: &Path, check: bool) -> Formatting {
    let mut told = Formatting::default();
    for path in feature_files(dir) {
        let file = path.display().to_string();
        told.files += 1;
        let made = read(&path, &file).and_then(|source| {
            let text = formatted(&file, &source)?;
            Ok((text != source).then_some(text))
        });
        match made {
            Ok(None) => {}
            Ok(Some(text)) => match if check { Ok(()) } else { std::fs::write(&path, text) } {
                Ok(()) => told.changed.push(file),
                Err(error) => told.mistakes.push(unusable("unwritable", &file, "write", &error)),
            },
            Err(mistakes) => told.mistakes.extend(mistakes),
        }
    }
    told
}

fn read(path: &Path, file: &str) -> Result<String, Vec<Mistake>> {
    std::fs::read_to_string(path)
        .map_err(|error| vec![unusable("unreadable", file, "read", &error)])
}

fn unusable(code: &'static str, file: &str, what: &str, error: &std::io::Error) -> Mistake {
    Mistake::error(code, Place::file(file), format!("cannot {what}: {error}"))
}

impl Formatting {
    /// 6 where a file could not be formatted or, under `check`, is not; 4 where there is none.
    pub fn exit_code(&self, check: bool) -> u8 {
        match () {
            () if !self.mistakes.is_empty() => 6,
            () if self.files == 0 => 4,
            () if check && !self.changed.is_empty() => 6,
            () => 0,
        }
    }

    pub fn render_text(&self, check: bool) -> String {
        let mut text: String =
            self.mistakes.iter().map(|mistake| format!("{mistake}\n\n")).collect();
        let what = if check { "not formatted" } else { "formatted" };
        for file in &self.changed {
            text.push_str(&format!("{what}: {file}\n"));
        }
        let (files, changed) = (self.files, self.changed.len());
        let s = if files == 1 { "" } else { "s" };
        text.push_str(&match (files, check) {
            (0, _) => "nothing found: name the folder of the features with --features DIR\n".into(),
            (_, true) => format!("{files} feature{s} read, {changed} not formatted\n"),
            (_, false) => format!("{files} feature{s} read, {changed} formatted\n"),
        });
        text
    }
}

/// One file's text in its one form, or why that cannot be had.
pub fn formatted(file: &str, source: &str) -> Result<String, Vec<Mistake>> {
    let scan = scan(file, source);
    if !scan.mistakes.is_empty() {
        return Err(scan.mistakes);
    }
    let indents = indents(&scan);
    let mut text = String::new();
    let mut above = None;
    for (index, line) in scan.lines.iter().enumerate() {
        if line.kind == LineKind::Blank {
            continue;
        }
        let blank_above = index > 0 && scan.lines[index - 1].kind == LineKind::Blank;
        if above.is_some_and(|above| parted(&scan, above, index, blank_above)) {
            text.push('\n');
        }
        text.push_str(&" ".repeat(indents[index]));
        text.push_str(&body(&scan, index));
        text.push('\n');
        above = Some(index);
    }
    Ok(text)
}

/// The columns of each line.
fn indents(scan: &Scan) -> Vec<usize> {
    let mut own = Vec::with_capacity(scan.lines.len());
    // Where a scenario stands, what stands below the last heading, and below the last step.
    let (mut scenario, mut below, mut rows) = (INDENT, 0, 0);
    for line in &scan.lines {
        own.push(match &line.kind {
            LineKind::Heading { heading, .. } => {
                let at = match heading {
                    Heading::Feature => 0,
                    Heading::Rule => {
                        scenario = 2 * INDENT;
                        INDENT
                    }
                    Heading::Background | Heading::Scenario | Heading::Outline => scenario,
                    Heading::Examples => scenario + INDENT,
                };
                (below, rows) = (at + INDENT, at + INDENT);
                Some(at)
            }
            LineKind::Step { .. } => {
                rows = below + INDENT;
                Some(below)
            }
            LineKind::Row(_) => Some(rows),
            LineKind::Description => Some(below),
            LineKind::Blank | LineKind::Comment | LineKind::Tags(_) | LineKind::Dropped => None,
        });
    }
    // A comment or tag belongs to what stands below it; the last comments to the file.
    let mut next = 0;
    let mut indents: Vec<usize> = own
        .into_iter()
        .rev()
        .map(|indent| {
            next = indent.unwrap_or(next);
            next
        })
        .collect();
    indents.reverse();
    indents
}

/// Does a blank line stand between two lines that are none?
fn parted(scan: &Scan, above: usize, index: usize, blank_above: bool) -> bool {
    let leads = |index: usize| leads_heading(scan, index);
    let (before, line) = (&scan.lines[above], &scan.lines[index]);
    match (&before.kind, &line.kind) {
        // Inside what leads a heading, the writer's own blank lines part remarks; tags stand on their heading.
        (LineKind::Tags(_), _) => false,
        (LineKind::Comment, _) if leads(above) => blank_above,
        _ if leads(index) => true,
        (LineKind::Description, LineKind::Description) => blank_above,
        (LineKind::Comment, _) | (_, LineKind::Comment) => {
            blank_above && !matches!(before.kind, LineKind::Heading { .. }) && in_prose(scan, index)
        }
        _ => false,
    }
}

fn in_prose(scan: &Scan, index: usize) -> bool {
    let above = scan.lines[..index].iter().rev();
    let mut kinds = above.map(|line| &line.kind);
    let last = kinds.find(|kind| !matches!(kind, LineKind::Blank | LineKind::Comment));
    matches!(last, Some(LineKind::Description))
}

/// A heading, or the tags and comments above one.
fn leads_heading(scan: &Scan, index: usize) -> bool {
    let passes =
        |kind: &LineKind| matches!(kind, LineKind::Blank | LineKind::Comment | LineKind::Tags(_));
    let mut below = scan.lines[index..].iter().map(|line| &line.kind);
    let first = below.find(|kind| !passes(kind));
    matches!(first, None | Some(LineKind::Heading { .. }))
}

fn body(scan: &Scan, index: usize) -> String {
    let line = &scan.lines[index];
    match &line.kind {
        LineKind::Step { keyword, text, .. } => {
            let space = if scan.language == Language::En { " " } else { "" };
            format!("{keyword}{space}{text}")
        }
        LineKind::Row(cells) => row(scan, index, cells),
        LineKind::Tags(_) => match remark(line) {
            Some(remark) => format!("{} {remark}", line.mended.trim()),
            None => line.mended.trim().to_owned(),
        },
        LineKind::Comment => comment(&line.source),
        _ => line.mended.trim().to_owned(),
    }
}

/// The comment behind a line of tags.
fn remark(line: &Line) -> Option<&str> {
    let start = line.source.char_indices().zip(line.source.chars().skip(1));
    let hash = start.filter(|((_, c), next)| c.is_whitespace() && *next == '#');
    let ((at, space), _) = hash.into_iter().next()?;
    Some(line.source[at + space.len_utf8()..].trim_end())
}

/// As written, but for the one comment that the parser reads.
fn comment(source: &str) -> String {
    let source = source.trim().trim_start_matches('\u{feff}').trim_start();
    let said = source.trim_start_matches('#').trim();
    let name = said.strip_prefix("language").map(str::trim_start);
    match name.and_then(|name| name.strip_prefix([':', '：'])) {
        Some(name) => format!("# language: {}", name.trim()),
        None => source.to_owned(),
    }
}

/// A row with its cells as wide as the widest of their column.
fn row(scan: &Scan, index: usize, cells: &[String]) -> String {
    let passes =
        |line: &&Line| matches!(line.kind, LineKind::Row(_) | LineKind::Comment | LineKind::Blank);
    let above = scan.lines[..index].iter().rev().take_while(passes);
    let below = scan.lines[index..].iter().take_while(passes);
    let table: Vec<&Line> = above.chain(below).collect();
    // An escaped bar is part of its cell, and the scanner cuts there: such a table is not touched.
    if table.iter().any(|line| line.source.contains('\\') && matches!(line.kind, LineKind::Row(_)))
    {
        return scan.lines[index].source.trim().to_owned();
    }
    let widest = |column: usize| {
        let cells = table.iter().filter_map(|line| match &line.kind {
            LineKind::Row(cells) => cells.get(column),
            _ => None,
        });
        cells.map(|cell| width(cell)).max().unwrap_or(0)
    };
    let cells = cells.iter().enumerate();
    let cells: Vec<String> = cells.map(|(at, cell)| padded(cell, widest(at))).collect();
    format!("| {} |", cells.join(" | "))
}

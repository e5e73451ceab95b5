//! The table under `these faults come and go:`, read into a plan; every wrong cell is told at its place.

use std::collections::BTreeMap;

use super::bind::table_line;
use super::scan::Scan;
use super::tree::DraftStep;
use crate::config::{Mistake, Place};
use crate::faults::{PlanRow, Range};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Fault,
    First,
    Lasts,
    Pause,
    Times,
    /// A parameter of the faults, by its own name.
    Param,
}

/// The headings in both languages. The first three must be there.
const COLUMNS: [(Column, &str, &str); 5] = [
    (Column::Fault, "fault", "故障"),
    (Column::First, "first after", "首次之前"),
    (Column::Lasts, "lasts", "持续"),
    (Column::Pause, "pause", "间隔"),
    (Column::Times, "times", "次数"),
];
const NEEDED: usize = 3;

/// More of either is a slip of the keys.
const NUMBER_MAX: u32 = 10_000;

/// The plan, or all that is wrong with its table.
pub fn read(scan: &Scan, draft: &DraftStep) -> Result<Vec<PlanRow>, Vec<Mistake>> {
    let mut reader = Reader { scan, draft, mistakes: Vec::new() };
    let rows = reader.rows();
    if reader.mistakes.is_empty() { Ok(rows) } else { Err(reader.mistakes) }
}

struct Reader<'a> {
    scan: &'a Scan,
    draft: &'a DraftStep,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    fn rows(&mut self) -> Vec<PlanRow> {
        let Some((header, rows)) = self.draft.table.split_first() else {
            let place = self.scan.lines[self.draft.line - 1].place(&self.scan.file);
            let message = "the plan is missing: which faults come and go?";
            let help =
                "put a table under the step\n| fault | first after | lasts | pause | times |";
            self.mistakes.push(Mistake::error("bad-plan", place, message).with_help(help));
            return Vec::new();
        };
        let columns: Vec<Column> = header.iter().map(|name| column(name)).collect();
        self.header(header, &columns);
        if rows.is_empty() {
            self.wrong(0, "", "the plan has no fault", "add a row for each fault");
        }
        rows.iter()
            .enumerate()
            .map(|(nth, cells)| self.row(nth + 1, header, &columns, cells))
            .collect()
    }

    /// Each heading once, and the needed ones at all.
    fn header(&mut self, header: &[String], columns: &[Column]) {
        for (wanted, en, zh) in &COLUMNS[..NEEDED] {
            if !columns.contains(wanted) {
                let message = format!("the plan has no column `{en}` (`{zh}`)");
                let known: Vec<&str> = header.iter().map(String::as_str).collect();
                let near = crate::config::nearest(en, known);
                let help = near
                    .map_or("add it".to_owned(), |near| format!("did you mean it by `{near}`?"));
                self.wrong(0, "", &message, &help);
            }
        }
        for (nth, name) in header.iter().enumerate() {
            let is_same = |other: &usize| match columns[nth] {
                Column::Param => header[*other] == *name,
                column => columns[*other] == column,
            };
            if (0..nth).any(|other| is_same(&other)) {
                let message = format!("column `{name}` stands twice");
                self.wrong(0, name, &message, "keep one of them");
            }
        }
    }

    fn row(
        &mut self,
        nth: usize,
        header: &[String],
        columns: &[Column],
        cells: &[String],
    ) -> PlanRow {
        let one = Range::ONE;
        let mut row = PlanRow {
            fault: String::new(),
            params: BTreeMap::new(),
            first: Range { least: 0, most: 0 },
            lasts: one,
            pause: one,
            times: one,
        };
        for ((cell, column), name) in cells.iter().zip(columns).zip(header) {
            let needed = COLUMNS[..NEEDED].iter().any(|(needed, ..)| needed == column);
            if cell.is_empty() {
                if needed {
                    self.wrong(nth, "", &format!("`{name}` is empty"), "say it for each fault");
                }
                continue;
            }
            match column {
                Column::Fault => row.fault.clone_from(cell),
                Column::Param => drop(row.params.insert(name.clone(), cell.clone())),
                Column::First => row.first = self.range(nth, name, cell, 0),
                Column::Lasts => row.lasts = self.range(nth, name, cell, 1),
                Column::Pause => row.pause = self.range(nth, name, cell, 1),
                Column::Times => row.times = self.range(nth, name, cell, 1),
            }
        }
        row
    }

    fn range(&mut self, nth: usize, name: &str, cell: &str, least: u32) -> Range {
        let counts = column(name) == Column::Times;
        let Some(range) = range(cell, counts) else {
            let message = format!(
                "{name} `{cell}` is no number of {}",
                if counts { "times" } else { "acts" }
            );
            let help = match counts {
                true => "write `2`, or `1 to 3` (`1 到 3`)",
                false => "write `2 acts`, or `1 to 3 acts` (`1 到 3 笔`)",
            };
            self.wrong(nth, cell, &message, help);
            return Range::ONE;
        };
        if range.least > range.most || range.least < least || range.most > NUMBER_MAX {
            let message =
                format!("{name} `{cell}` is not within {least} and {NUMBER_MAX}, the lesser first");
            self.wrong(nth, cell, &message, "no fault stays for nothing, nor for ever");
            return Range::ONE;
        }
        range
    }

    /// A mistake in row `nth` of the table, the headings being row 0.
    fn wrong(&mut self, nth: usize, part: &str, message: &str, help: &str) {
        let place: Place = table_line(self.scan, self.draft.line, nth, part);
        self.mistakes.push(Mistake::error("bad-plan", place, message).with_help(help));
    }
}

fn column(name: &str) -> Column {
    let found = COLUMNS.iter().find(|(_, en, zh)| [*en, *zh].contains(&name));
    found.map_or(Column::Param, |(column, ..)| *column)
}

/// `2 acts`, `1 to 3 acts`, `1 到 3 笔`; a count of times has no unit.
fn range(text: &str, counts: bool) -> Option<Range> {
    let bare = match counts {
        true => text,
        false => ["acts", "act", "笔"].iter().find_map(|unit| text.strip_suffix(unit))?,
    };
    let (least, most) = match bare.split_once("to").or_else(|| bare.split_once('到')) {
        Some((least, most)) => (least.trim().parse().ok()?, most.trim().parse().ok()?),
        None => (bare.trim().parse().ok()?, bare.trim().parse().ok()?),
    };
    Some(Range { least, most })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_one_number_or_two() {
        for (text, counts, expect) in [
            ("2 acts", false, Some((2, 2))),
            ("1 act", false, Some((1, 1))),
            ("0 to 3 acts", false, Some((0, 3))),
            ("1 到 3 笔", false, Some((1, 3))),
            ("3笔", false, Some((3, 3))),
            ("2", true, Some((2, 2))),
            ("1 to 3", true, Some((1, 3))),
            ("2", false, None),
            ("2 acts", true, None),
            ("2 s", false, None),
            ("to 3 acts", false, None),
            ("-1 acts", false, None),
            ("1 to 2 to 3 acts", false, None),
            ("99999999999 acts", false, None),
        ] {
            let expect = expect.map(|(least, most)| Range { least, most });
            assert_eq!(range(text, counts), expect, "{text}");
        }
    }
}

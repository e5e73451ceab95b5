//! A scanned file as scenarios: the parser's tree, checked line by line against the scanner's account.

use std::collections::{HashMap, HashSet};

use gherkin::{Examples, Feature, GherkinEnv};

use super::keywords::{Heading, StepWord, word_for};
use super::scan::{Line, LineKind, Scan, kind_of};
use super::{Example, Kind, Language};
use crate::config::{Mistake, Place};

/// A scenario as written, an outline's row filled in.
#[derive(Clone, Debug)]
pub struct Draft {
    pub name: String,
    pub feature: String,
    pub rule: Option<String>,
    /// Counts rules; scenarios outside of any share `None`.
    pub rule_index: Option<usize>,
    /// 1-based line of its heading.
    pub line: usize,
    /// Inherited ones first, each with its line.
    pub tags: Vec<(String, usize)>,
    pub example: Option<Example>,
    pub steps: Vec<DraftStep>,
}

#[derive(Clone, Debug)]
pub struct DraftStep {
    /// 1-based.
    pub line: usize,
    pub kind: Kind,
    pub keyword: String,
    pub text: String,
    pub table: Vec<Vec<String>>,
    pub from_background: bool,
}

/// Parses what the scanner has mended. New mistakes are added to the scan's own.
pub fn drafts(scan: &mut Scan) -> Vec<Draft> {
    let language = match scan.language {
        Language::En => "en",
        Language::ZhCn => "zh-CN",
    };
    let env = GherkinEnv::new(language).expect("invariant: the parser knows both languages");
    let feature = match Feature::parse(scan.mended(), env) {
        Ok(feature) => feature,
        Err(error) => {
            if scan.mistakes.is_empty() {
                if let Some(mistake) = uneven_row(scan) {
                    scan.mistakes.push(mistake);
                    return Vec::new();
                }
                let (line, reason) = error_place(&error.to_string());
                let place = place_of_line(scan, line);
                let message = format!("the parser stops here: {reason}");
                scan.mistakes.push(Mistake::error("not-gherkin", place, message));
            }
            return Vec::new();
        }
    };
    let mut walk = Walk { scan, next: 0, mistakes: Vec::new() };
    let drafts = walk.feature(&feature);
    let (drafts, mut mistakes) = match drafts {
        Ok(drafts) => (drafts, walk.mistakes),
        Err(Stray(line)) => {
            let place = place_of_line(scan, line);
            let message = "the parser does not read this line as it stands here";
            let help = "tags, a Background, scenarios, then rules: that is the order of a feature";
            (Vec::new(), vec![Mistake::error("unaccounted-line", place, message).with_help(help)])
        }
    };
    scan.mistakes.append(&mut mistakes);
    drafts
}

fn place_of_line(scan: &Scan, line: usize) -> Place {
    match scan.lines.get(line.wrapping_sub(1)) {
        Some(found) => found.place(&scan.file),
        None => Place::file(&scan.file),
    }
}

/// The crate keeps the position of its error to itself; its text says `Error at 3:5: {…}`.
fn error_place(text: &str) -> (usize, String) {
    let rest = text.trim_start_matches("Error at ");
    let line = rest.split(':').next().and_then(|line| line.parse().ok());
    (line.unwrap_or(0), rest.splitn(3, ':').nth(2).unwrap_or(rest).trim().to_owned())
}

/// The first row that has not as many cells as the one above it: the parser only says that there is one.
fn uneven_row(scan: &Scan) -> Option<Mistake> {
    let mut above = None;
    for line in &scan.lines {
        let LineKind::Row(cells) = &line.kind else {
            if !matches!(line.kind, LineKind::Blank | LineKind::Comment) {
                above = None;
            }
            continue;
        };
        let wide = *above.get_or_insert(cells.len());
        if cells.len() != wide {
            let message = format!("{} cells in a table of {wide}", cells.len());
            let mistake = Mistake::error("bad-table", line.place(&scan.file), message);
            return Some(mistake.with_help("give each column its cell; an empty one is `| |`"));
        }
    }
    None
}

/// The line that the parser passed over.
struct Stray(usize);

/// Walks scanner's lines and parser's tree side by side.
struct Walk<'s> {
    scan: &'s Scan,
    /// Index of the next line.
    next: usize,
    mistakes: Vec<Mistake>,
}

impl Walk<'_> {
    fn feature(&mut self, feature: &Feature) -> Result<Vec<Draft>, Stray> {
        let mut drafts = Vec::new();
        let line = self.heading(Heading::Feature, &feature.name)?;
        let tags = self.tags_above(line);
        let mut background = self.background(feature.background.as_ref())?;
        for scenario in &feature.scenarios {
            let made = self.scenario(scenario, &tags, &background)?;
            drafts.extend(made);
        }
        for (index, rule) in feature.rules.iter().enumerate() {
            let line = self.heading(Heading::Rule, &rule.name)?;
            let mut tags = tags.clone();
            tags.extend(self.tags_above(line));
            let shared = background.len();
            background.extend(self.background(rule.background.as_ref())?);
            for scenario in &rule.scenarios {
                let made = self.scenario(scenario, &tags, &background)?;
                drafts.extend(made.into_iter().map(|draft| Draft {
                    rule: Some(rule.name.clone()),
                    rule_index: Some(index),
                    ..draft
                }));
            }
            background.truncate(shared);
        }
        for draft in &mut drafts {
            draft.feature.clone_from(&feature.name);
        }
        match self.significant() {
            Some(line) => Err(Stray(line + 1)),
            None => Ok(drafts),
        }
    }

    /// Index of the next heading or step, from `next` on.
    fn significant(&self) -> Option<usize> {
        let is_one =
            |kind: &LineKind| matches!(kind, LineKind::Heading { .. } | LineKind::Step { .. });
        let lines = self.scan.lines.iter().enumerate().skip(self.next);
        lines.clone().find(|(_, line)| is_one(&line.kind)).map(|(index, _)| index)
    }

    fn heading(&mut self, wanted: Heading, name: &str) -> Result<usize, Stray> {
        let Some(index) = self.significant() else { return Err(Stray(0)) };
        match &self.scan.lines[index].kind {
            LineKind::Heading { heading, name: found }
                if *heading == wanted && found == name.trim() =>
            {
                self.next = index + 1;
                Ok(index)
            }
            _ => Err(Stray(index + 1)),
        }
    }

    /// Tags stand above a heading, with nothing but comments and blank lines between.
    fn tags_above(&self, heading: usize) -> Vec<(String, usize)> {
        let mut tags: Vec<(String, usize)> = Vec::new();
        for line in self.scan.lines[..heading].iter().rev() {
            match &line.kind {
                LineKind::Tags(found) => {
                    tags.splice(0..0, found.iter().map(|tag| (tag.clone(), line.number)));
                }
                LineKind::Blank | LineKind::Comment => {}
                _ => break,
            }
        }
        tags
    }

    fn background(
        &mut self,
        background: Option<&gherkin::Background>,
    ) -> Result<Vec<DraftStep>, Stray> {
        let Some(background) = background else { return Ok(Vec::new()) };
        self.heading(Heading::Background, &background.name)?;
        self.steps(&background.steps, true)
    }

    fn steps(
        &mut self,
        steps: &[gherkin::Step],
        from_background: bool,
    ) -> Result<Vec<DraftStep>, Stray> {
        let mut above = None;
        let mut drafts = Vec::new();
        for step in steps {
            let Some(index) = self.significant() else { return Err(Stray(0)) };
            let line = &self.scan.lines[index];
            let LineKind::Step { keyword, word, text } = &line.kind else {
                return Err(Stray(line.number));
            };
            if text != step.value.trim() {
                return Err(Stray(line.number));
            }
            self.next = index + 1;
            let table = self.table(step.table.as_ref())?;
            let kind = self.kind(index, *word, above);
            above = Some(kind);
            let (line, keyword, text) = (line.number, keyword.clone(), text.clone());
            drafts.push(DraftStep { line, kind, keyword, text, table, from_background });
        }
        Ok(drafts)
    }

    fn kind(&mut self, index: usize, word: StepWord, above: Option<Kind>) -> Kind {
        kind_of(word, above).unwrap_or_else(|| {
            let line = &self.scan.lines[index];
            let place = line.place(&self.scan.file);
            let given = word_for(Kind::Given, self.scan.language);
            let message = "the first step has no kind of its own to go on with";
            let mistake = Mistake::error("and-first", place, message);
            self.mistakes.push(mistake.with_help(format!("begin with `{given}`")));
            Kind::Given
        })
    }

    fn table(&mut self, table: Option<&gherkin::Table>) -> Result<Vec<Vec<String>>, Stray> {
        let rows = table.map(|table| table.rows.clone()).unwrap_or_default();
        let mut seen = 0;
        let end = self.significant().unwrap_or(self.scan.lines.len());
        for line in &self.scan.lines[self.next..end] {
            if matches!(line.kind, LineKind::Row(_)) {
                seen += 1;
                if seen > rows.len() {
                    return Err(Stray(line.number));
                }
            }
        }
        self.next = end;
        Ok(rows)
    }

    fn scenario(
        &mut self,
        scenario: &gherkin::Scenario,
        inherited: &[(String, usize)],
        background: &[DraftStep],
    ) -> Result<Vec<Draft>, Stray> {
        let outline = self.significant().is_some_and(|index| {
            let kind = &self.scan.lines[index].kind;
            matches!(kind, LineKind::Heading { heading: Heading::Outline, .. })
        });
        let heading = if outline { Heading::Outline } else { Heading::Scenario };
        let index = self.heading(heading, &scenario.name)?;
        let line = self.scan.lines[index].number;
        let mut tags = inherited.to_vec();
        tags.extend(self.tags_above(index));
        let mut steps = background.to_vec();
        steps.extend(self.steps(&scenario.steps, false)?);
        let draft = Draft {
            name: scenario.name.trim().to_owned(),
            feature: String::new(),
            rule: None,
            rule_index: None,
            line,
            tags,
            example: None,
            steps,
        };
        let mut filled = Vec::new();
        for examples in &scenario.examples {
            filled.extend(self.examples(examples, &draft)?);
        }
        tell_apart(&mut filled);
        if outline && filled.is_empty() {
            let place = place_of_line(self.scan, line);
            let message = "the outline has no row of examples, so it is no scenario at all";
            self.mistakes.push(Mistake::error("no-examples", place, message));
        }
        if !outline && !scenario.examples.is_empty() {
            let place = place_of_line(self.scan, line);
            let message = "only a `Scenario Outline:` (场景大纲) takes examples";
            self.mistakes.push(Mistake::error("no-outline", place, message));
        }
        Ok(if outline { filled } else { vec![draft] })
    }

    fn examples(&mut self, examples: &Examples, draft: &Draft) -> Result<Vec<Draft>, Stray> {
        let name = examples.name.as_deref().unwrap_or_default();
        let index = self.heading(Heading::Examples, name)?;
        let tags = self.tags_above(index);
        let from = self.next;
        let rows = self.table(examples.table.as_ref())?;
        let Some((header, rows)) = rows.split_first() else { return Ok(Vec::new()) };
        let is_row = |line: &&Line| matches!(line.kind, LineKind::Row(_));
        let lines = self.scan.lines[from..self.next].iter().filter(is_row).skip(1);
        self.check_placeholders(header, draft);
        let fill = |(row, line): (&Vec<String>, &Line)| {
            let fill = |text: &str| {
                header.iter().zip(row).fold(text.to_owned(), |text, (key, value)| {
                    text.replace(&format!("<{key}>"), value)
                })
            };
            let mut filled = draft.clone();
            filled.name = fill(&draft.name);
            filled.tags.extend(tags.iter().cloned());
            filled.example = Some(Example { key: row.join(" · "), line: line.number });
            for step in filled.steps.iter_mut().filter(|step| !step.from_background) {
                step.text = fill(&step.text);
                step.table.iter_mut().flatten().for_each(|cell| *cell = fill(cell));
            }
            filled
        };
        Ok(rows.iter().zip(lines).map(fill).collect())
    }

    /// In the name, in the steps and in the tables under them.
    fn check_placeholders(&mut self, header: &[String], draft: &Draft) {
        let known: HashSet<&str> = header.iter().map(String::as_str).collect();
        let own = draft.steps.iter().filter(|step| !step.from_background);
        let texts = own.flat_map(|step| {
            let cells = step.table.iter().flatten();
            std::iter::once(&step.text).chain(cells).map(|text| (step.line, text))
        });
        for (from, text) in std::iter::once((draft.line, &draft.name)).chain(texts) {
            for part in text.split('<').skip(1) {
                let Some((name, _)) = part.split_once('>') else { continue };
                if !known.contains(name) {
                    let written = format!("<{name}>");
                    let holds = |line: &&Line| line.source.contains(&written);
                    let lines = &self.scan.lines[from - 1..];
                    let line = lines.iter().find(holds).unwrap_or(&lines[0]);
                    let place = line.place_of(&self.scan.file, &written);
                    let message = format!("`{written}` is no column of the examples");
                    let mistake = Mistake::error("unknown-placeholder", place, message);
                    self.mistakes.push(mistake.with_nearest(name, known.iter().copied()));
                }
            }
        }
    }
}

/// Rows whose names are alike get their examples into them: reports, selections and drills know scenarios by name.
fn tell_apart(rows: &mut [Draft]) {
    let mut count: HashMap<String, usize> = HashMap::new();
    for row in rows.iter() {
        *count.entry(row.name.clone()).or_default() += 1;
    }
    for row in rows.iter_mut().filter(|row| count[&row.name] > 1) {
        if let Some(example) = &row.example {
            row.name = format!("{} ({})", row.name, example.key);
        }
    }
}

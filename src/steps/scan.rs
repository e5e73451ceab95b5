//! The strict scanner: every non-blank line of a feature file is accounted for, or is a mistake.
//!
//! The parser takes what it does not know for description, so that a misspelt `Scenaro:` would pass with no steps. The
//! scanner names such lines, mends them in a copy, and goes on: so one pass finds all. Knows no sentence's meaning.

use super::keywords::{Heading, StepWord, headings, step_words};
use super::{Kind, Language};
use crate::config::{Mistake, Place};

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineKind {
    Blank,
    Comment,
    Tags(Vec<String>),
    Heading {
        heading: Heading,
        name: String,
    },
    Step {
        keyword: String,
        word: StepWord,
        text: String,
    },
    Row(Vec<String>),
    Description,
    /// Reported, and left out of what is parsed.
    Dropped,
}

/// One line, as written and as mended.
#[derive(Clone, Debug)]
pub struct Line {
    /// 1-based.
    pub number: usize,
    pub source: String,
    pub mended: String,
    pub kind: LineKind,
}

impl Line {
    pub fn place(&self, file: &str) -> Place {
        Place::line(file, self.number, &self.source)
    }

    /// Where `part` stands in the line, or the whole line.
    pub fn place_of(&self, file: &str, part: &str) -> Place {
        match self.source.find(part).filter(|_| !part.is_empty()) {
            Some(byte) => {
                let from = self.source[..byte].chars().count();
                Place::part(file, self.number, &self.source, from, part.chars().count())
            }
            None => self.place(file),
        }
    }
}

/// A scanned feature file.
#[derive(Debug)]
pub struct Scan {
    pub file: String,
    pub language: Language,
    pub lines: Vec<Line>,
    pub mistakes: Vec<Mistake>,
}

impl Scan {
    /// The mended text, line by line as in the file.
    pub fn mended(&self) -> String {
        self.lines.iter().map(|line| format!("{}\n", line.mended)).collect()
    }
}

pub fn scan(file: &str, source: &str) -> Scan {
    let mut scanner = Scanner {
        file,
        language: Language::En,
        under: None,
        steps_begun: false,
        fence: None,
        mistakes: Vec::new(),
    };
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let lines = source.lines().enumerate().map(|(index, text)| {
        let mut line = Line {
            number: index + 1,
            source: text.to_owned(),
            mended: plain_indentation(text),
            kind: LineKind::Blank,
        };
        line.kind = scanner.classify(&mut line);
        if line.kind == LineKind::Dropped {
            line.mended = String::new();
        }
        line
    });
    let lines: Vec<Line> = lines.collect();
    let Scanner { language, mistakes, .. } = scanner;
    let mut scan = Scan { file: file.to_owned(), language, lines, mistakes };
    if !scan.lines.iter().any(|line| is_heading(line, Heading::Feature)) {
        let message = "the file has no `Feature:`";
        scan.mistakes.push(Mistake::error("no-feature", Place::file(file), message));
    }
    scan
}

fn is_heading(line: &Line, wanted: Heading) -> bool {
    matches!(line.kind, LineKind::Heading { heading, .. } if heading == wanted)
}

/// Ideographic and other odd spaces before the text become plain ones, one for one: columns stay.
fn plain_indentation(text: &str) -> String {
    let text = text.trim_end();
    let body = text.trim_start();
    let spaces = text.chars().count() - body.chars().count();
    format!("{}{body}", " ".repeat(spaces))
}

/// Where the scan stands.
pub(super) struct Scanner<'f> {
    pub(super) file: &'f str,
    pub(super) language: Language,
    /// The heading that the line stands under.
    pub(super) under: Option<Heading>,
    steps_begun: bool,
    /// The mark that ends the open doc string.
    fence: Option<&'static str>,
    mistakes: Vec<Mistake>,
}

impl Scanner<'_> {
    pub(super) fn error(&mut self, code: &'static str, place: Place, message: String, help: &str) {
        self.mistakes.push(Mistake::error(code, place, message).with_help(help));
    }

    fn classify(&mut self, line: &mut Line) -> LineKind {
        let text = line.mended.trim().to_owned();
        if let Some(kind) = self.in_doc_string(line, &text) {
            return kind;
        }
        match text.chars().next() {
            None => LineKind::Blank,
            Some('#') => self.comment(line, &text),
            Some('@' | '＠') => self.tags(line, &text),
            Some('|' | '｜') => self.row(line, &text),
            Some('*') if text.starts_with("* ") => {
                let message = "`*` hides whether a step is a Given, a When or a Then".to_owned();
                self.error(
                    "star-step",
                    line.place_of(self.file, "*"),
                    message,
                    "write the keyword",
                );
                LineKind::Dropped
            }
            _ => self.worded(line, &text),
        }
    }

    /// No sentence takes a doc string; its lines must not be taken for steps either.
    fn in_doc_string(&mut self, line: &Line, text: &str) -> Option<LineKind> {
        if let Some(fence) = self.fence {
            if text.ends_with(fence) {
                self.fence = None;
            }
            return Some(LineKind::Dropped);
        }
        let fence = ["\"\"\"", "```"].into_iter().find(|fence| text.starts_with(fence))?;
        let closed = text.len() > fence.len() && text.ends_with(fence);
        self.fence = (!closed).then_some(fence);
        let message = "no sentence takes a doc string".to_owned();
        let help = "say it in the sentence, or in a table under a fault";
        self.error("doc-string", line.place(self.file), message, help);
        Some(LineKind::Dropped)
    }

    fn comment(&mut self, line: &mut Line, text: &str) -> LineKind {
        let said = text.trim_start_matches('#').trim().replace('：', ":");
        let Some(name) = said.strip_prefix("language").and_then(|rest| {
            rest.trim_start().strip_prefix(':').map(|name| name.trim().to_owned())
        }) else {
            return LineKind::Comment;
        };
        match name.as_str() {
            _ if self.under.is_some() => {
                let message = "the language is said above the feature, or not at all".to_owned();
                self.error("language", line.place(self.file), message, "move the line to the top");
            }
            "en" => self.language = Language::En,
            "zh-CN" => self.language = Language::ZhCn,
            other => {
                let message = format!("the vocabulary has no language `{other}`");
                let place = line.place_of(self.file, other);
                self.error("language", place, message, "write `en` or `zh-CN`");
                if other.to_lowercase().starts_with("zh") {
                    self.language = Language::ZhCn;
                }
            }
        }
        // The parser is told the language by argument; its own reading of the line is not needed.
        line.mended = "#".to_owned();
        LineKind::Comment
    }

    fn tags(&mut self, line: &mut Line, text: &str) -> LineKind {
        if text.contains('＠') {
            let message = "`＠` is a full-width sign".to_owned();
            self.error("full-width", line.place_of(self.file, "＠"), message, "write `@`");
            line.mended = line.mended.replace('＠', "@");
        }
        let mut tags = Vec::new();
        let mended = line.mended.clone();
        for word in mended.split_whitespace().take_while(|word| !word.starts_with('#')) {
            match word.strip_prefix('@').filter(|tag| !tag.is_empty() && !tag.contains('@')) {
                Some(tag) => tags.push(tag.to_owned()),
                None => {
                    let message = format!("`{word}` is no tag");
                    let place = line.place_of(self.file, word);
                    self.error("bad-tag", place, message, "write tags like `@tier:gate @control`");
                }
            }
        }
        let indent = mended.chars().take_while(|c| *c == ' ').count();
        let written: Vec<String> = tags.iter().map(|tag| format!("@{tag}")).collect();
        line.mended = format!("{}{}", " ".repeat(indent), written.join(" "));
        LineKind::Tags(tags)
    }

    fn row(&mut self, line: &mut Line, text: &str) -> LineKind {
        if text.contains('｜') {
            let message = "`｜` is a full-width bar, and no table".to_owned();
            self.error("full-width", line.place_of(self.file, "｜"), message, "write `|`");
            line.mended = line.mended.replace('｜', "|");
        }
        let row = line.mended.trim().to_owned();
        let taken = self.steps_begun || self.under == Some(Heading::Examples);
        if !taken {
            return self.unaccounted(line);
        }
        let Some(cells) = row.strip_prefix('|').and_then(|rest| rest.strip_suffix('|')) else {
            let message = "a table row ends with `|`".to_owned();
            self.error("bad-table", line.place(self.file), message, "close the last cell");
            return LineKind::Dropped;
        };
        LineKind::Row(cells.split('|').map(|cell| cell.trim().to_owned()).collect())
    }

    fn worded(&mut self, line: &mut Line, text: &str) -> LineKind {
        self.notice_language(line, text);
        if let Some(kind) = self.heading(line, text) {
            return kind;
        }
        if let Some(kind) = self.step(line, text) {
            return kind;
        }
        if let Some(kind) = self.misspelt_heading(line, text) {
            return kind;
        }
        if let Some(kind) = self.misspelt_step(line, text) {
            return kind;
        }
        let prose = matches!(self.under, Some(Heading::Feature | Heading::Rule));
        if prose { LineKind::Description } else { self.unaccounted(line) }
    }

    fn unaccounted(&mut self, line: &Line) -> LineKind {
        let what = match self.under {
            None => "nothing but tags and comments may stand above `Feature:`",
            Some(Heading::Feature | Heading::Rule) => "there is no step here that takes a table",
            Some(_) => "begin a step with Given, When, Then, And or But (假如 当 那么 并且 但是)",
        };
        let message = "this line is no step, and no rule accounts for it".to_owned();
        self.error("unaccounted-line", line.place(self.file), message, what);
        LineKind::Dropped
    }

    /// A file of Chinese keywords without its header.
    fn notice_language(&mut self, line: &Line, text: &str) {
        if self.under.is_some() || self.language == Language::ZhCn {
            return;
        }
        if split_heading(text, Language::ZhCn).is_some_and(|(word, ..)| word != "Rule") {
            let message = "the keywords are Chinese and the file does not say so".to_owned();
            let help = "make `# language: zh-CN` the first line";
            self.error("language", line.place(self.file), message, help);
            self.language = Language::ZhCn;
        }
    }

    fn heading(&mut self, line: &mut Line, text: &str) -> Option<LineKind> {
        let (word, heading, colon, name) = split_heading(text, self.language)?;
        match colon {
            Some(':') => {}
            Some(_) => {
                let message = format!("`：` after `{word}` is a full-width colon");
                let place = line.place_of(self.file, "：");
                self.error("full-width", place, message, &format!("write `{word}:`"));
            }
            None => {
                let message = format!("`{word}` without a colon opens nothing");
                let place = line.place_of(self.file, word);
                let help = format!("write `{word}:`, or begin the sentence with another word");
                self.error("missing-colon", place, message, &help);
            }
        }
        Some(self.open(line, word, heading, name))
    }

    pub(super) fn open(
        &mut self,
        line: &mut Line,
        word: &str,
        heading: Heading,
        name: &str,
    ) -> LineKind {
        let indent = line.mended.chars().take_while(|c| *c == ' ').count();
        line.mended = format!("{}{word}: {name}", " ".repeat(indent));
        self.under = Some(heading);
        self.steps_begun = false;
        LineKind::Heading { heading, name: name.to_owned() }
    }

    fn step(&mut self, line: &mut Line, text: &str) -> Option<LineKind> {
        let (keyword, word) = *step_words(self.language).iter().find(|(word, _)| {
            let rest = text.strip_prefix(word);
            let parted = |rest: &str| rest.is_empty() || rest.starts_with(char::is_whitespace);
            rest.is_some_and(|rest| self.language == Language::ZhCn || parted(rest))
        })?;
        let said = text[keyword.len()..].trim();
        let takes =
            matches!(self.under, Some(Heading::Background | Heading::Scenario | Heading::Outline));
        if !takes || said.is_empty() {
            let (message, help) = if said.is_empty() {
                (format!("`{keyword}` says nothing"), "write the sentence, or take the line out")
            } else {
                let help = "open a `Background:` or `Scenario:` above it, or reword the prose";
                (format!("a step, or prose that begins with `{keyword}`, cannot stand here"), help)
            };
            self.error("unaccounted-line", line.place(self.file), message, help);
            return Some(LineKind::Dropped);
        }
        Some(self.take_step(line, keyword, word, said))
    }

    pub(super) fn take_step(
        &mut self,
        line: &mut Line,
        keyword: &str,
        word: StepWord,
        said: &str,
    ) -> LineKind {
        self.steps_begun = true;
        let indent = line.mended.chars().take_while(|c| *c == ' ').count();
        let space = if self.language == Language::En { " " } else { "" };
        line.mended = format!("{}{keyword}{space}{said}", " ".repeat(indent));
        LineKind::Step { keyword: keyword.to_owned(), word, text: said.to_owned() }
    }
}

/// A heading's keyword, what it opens, its colon if any, and the name after it.
fn split_heading(
    text: &str,
    language: Language,
) -> Option<(&'static str, Heading, Option<char>, &str)> {
    headings(language).iter().find_map(|(word, heading)| {
        let rest = text.strip_prefix(word)?;
        let after = rest.trim_start();
        match after.chars().next() {
            Some(colon @ (':' | '：')) => {
                Some((*word, *heading, Some(colon), after[colon.len_utf8()..].trim()))
            }
            // `Scenarios are…` is another word; `Scenario The callback…` lost its colon.
            _ if rest.is_empty() || rest.starts_with(char::is_whitespace) => {
                Some((*word, *heading, None, after))
            }
            _ => None,
        }
    })
}

/// The kind of a step, given the kind of the step above it.
pub fn kind_of(word: StepWord, above: Option<Kind>) -> Option<Kind> {
    match word {
        StepWord::Opens(kind) => Some(kind),
        StepWord::Same => above,
    }
}

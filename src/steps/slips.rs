//! Slips that the parser takes for prose: a misspelt heading or step keyword, a step that lost its keyword.

use super::Language;
use super::compiled::vocabulary;
use super::keywords::{Heading, STRANGERS, headings, step_words};
use super::scan::{Line, LineKind, Scanner};
use crate::config::nearest;

/// From here on a line without a keyword is a step that lost it, not prose.
const SENTENCE_LIKENESS: f64 = 0.72;

impl Scanner<'_> {
    pub(super) fn misspelt_heading(&mut self, line: &mut Line, text: &str) -> Option<LineKind> {
        /// More words before a colon are prose.
        const WORDS_MAX: usize = 2;
        let colon = text.find([':', '：'])?;
        let word = text[..colon].trim();
        let name = text[colon..].trim_start_matches([':', '：']).trim();
        if word.split_whitespace().count() > WORDS_MAX {
            return None;
        }
        let known = headings(self.language);
        let stranger = STRANGERS.iter().find(|(stranger, _)| *stranger == word);
        let meant = match stranger {
            Some((_, meant)) => Some(*meant),
            None => nearest(word, known.iter().map(|(word, _)| *word))
                .or_else(|| nearest_chinese(word, known.iter().map(|(word, _)| *word))),
        }?;
        let heading = known.iter().find(|(word, _)| *word == meant).map(|(_, h)| *h)?;
        let message = match word {
            "规则" => {
                "`规则` is not a keyword of the parser: it would be read as prose".to_owned()
            }
            _ => format!("`{word}` is not a keyword: the line would be read as prose"),
        };
        let place = line.place_of(self.file, word);
        self.error("misspelt-keyword", place, message, &format!("write `{meant}:`"));
        Some(self.open(line, meant, heading, name))
    }

    pub(super) fn misspelt_step(&mut self, line: &mut Line, text: &str) -> Option<LineKind> {
        let words = step_words(self.language);
        let (written, said) = match self.language {
            Language::En => text.split_once(char::is_whitespace)?,
            Language::ZhCn => text.split_at(text.char_indices().nth(2)?.0),
        };
        let known = words.iter().map(|(word, _)| *word);
        let meant = match self.language {
            Language::En => {
                let same = |word: &&str| word.eq_ignore_ascii_case(written);
                known.clone().find(same).or_else(|| nearest(written, known))
            }
            Language::ZhCn => nearest_chinese(written, known),
        };
        let in_steps = !matches!(self.under, None | Some(Heading::Feature | Heading::Rule));
        let (whole, rest) = (vocabulary().likeness(text), vocabulary().likeness(said));
        let lost = whole >= SENTENCE_LIKENESS && whole > rest;
        if let Some(meant) = meant
            && !lost
            && (in_steps || rest >= SENTENCE_LIKENESS)
        {
            let message = format!("`{written}` is not a keyword: the line would be read as prose");
            let place = line.place_of(self.file, written);
            self.error("misspelt-keyword", place, message, &format!("write `{meant}`"));
            let word = words.iter().find(|(word, _)| *word == meant).map(|(_, word)| *word)?;
            return match in_steps {
                true => Some(self.take_step(line, meant, word, said.trim())),
                false => Some(LineKind::Dropped),
            };
        }
        if whole >= SENTENCE_LIKENESS {
            let message = "this reads like a step and has no keyword".to_owned();
            let help = "begin it with Given, When, Then, And or But (假如 当 那么 并且 但是)";
            self.error("step-without-keyword", line.place(self.file), message, help);
            return Some(LineKind::Dropped);
        }
        None
    }
}

/// A Chinese keyword that shares one of its two characters, in its place.
fn nearest_chinese<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written: Vec<char> = written.chars().collect();
    known.into_iter().find(|word| {
        let word: Vec<char> = word.chars().collect();
        let same = word.iter().zip(&written).filter(|(a, b)| a == b).count();
        word.len() == written.len() && word.len() >= 2 && same + 1 == word.len()
    })
}

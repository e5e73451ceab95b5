//! The house style of a feature's words: what reads badly, or says how instead of what.
//!
//! Looks at lines, so that a file with other mistakes is judged as well. Never an error: the scenario still proves
//! what it proves.

use std::sync::LazyLock;

use regex::Regex;

use crate::config::Mistake;
use crate::steps::{Heading, Language, Line, LineKind, Match, Scan, StepWord, kind_of, vocabulary};

/// Words of the machinery, whole words in English and anywhere in Chinese.
const MECHANISM: &str = concat!(
    r"(?i)\b(binlog|kafka|mysql|redis|toxiproxy|proxy|topics?|partitions?|offsets?|brokers?|",
    r"consumer groups?|sockets?|tcp|https?|sql|database|tables?|threads?|mutex|webhooks?|",
    r"containers?|docker|pods?|microservices?|timeouts?|latency|milliseconds?)\b|",
    "消息队列|数据库|分区|消费组|线程|接口超时|网络延迟|代理|容器|主从延迟|事务隔离",
);
const FIRST_PERSON: &str = r"\b(I|[Ww]e|[Mm]y|[Oo]ur|us|me)\b|我们|我";
const WAIT: &str = concat!(
    r"(?i)\b(waits?|waiting|sleeps?|pauses? for|eventually|sooner or later|",
    r"(after|for) [0-9]+ ?(ms|s|sec|seconds?|min|minutes?|hours?))\b|",
    r"等待|稍后|休眠|过\s*[0-9]+\s*(毫秒|秒|分钟|小时)",
);

/// One way to read badly.
struct Words {
    code: &'static str,
    pattern: LazyLock<Regex>,
    says: &'static str,
    help: &'static str,
}

static MECHANISM_WORD: Words = Words {
    code: "mechanism-word",
    pattern: LazyLock::new(|| pattern(MECHANISM)),
    says: "is a word of the machinery",
    help: "say what is lost and by whom; how it comes about is the fault's id",
};
static FIRST_PERSON_WORD: Words = Words {
    code: "first-person",
    pattern: LazyLock::new(|| pattern(FIRST_PERSON)),
    says: "is the first person: who is it?",
    help: "name the one who acts: a seller, a buyer, an operator",
};
static WAIT_WORD: Words = Words {
    code: "wait-word",
    pattern: LazyLock::new(|| pattern(WAIT)),
    says: "speaks of waiting, which no scenario does",
    help: "bound what must come true instead: `in time`, or `within 60 s`",
};

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("invariant: a constant pattern")
}

/// Everything in one file that reads badly. `watcher`: the machinery is what the scenarios are about.
pub(super) fn style(scan: &Scan, watcher: bool) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut above = None;
    for line in &scan.lines {
        match &line.kind {
            LineKind::Heading { heading, name: said } => {
                above = None;
                prose(scan, line, said, watcher, &mut mistakes);
                // A Feature or a Rule may tell of something that waits; a scenario may not be one that does.
                if matches!(heading, Heading::Scenario | Heading::Outline) {
                    name(scan, line, said, &WAIT_WORD, &mut mistakes);
                }
            }
            LineKind::Description => {
                prose(scan, line, line.mended.trim(), watcher, &mut mistakes);
            }
            LineKind::Step { word, text, keyword } => {
                if let StepWord::Opens(kind) = word
                    && above == Some(*kind)
                {
                    let message = format!("`{keyword}` opens again what is open already");
                    let place = line.place_of(&scan.file, keyword);
                    let mistake = Mistake::warning("repeated-keyword", place, message);
                    let and = and_word(scan.language);
                    mistakes.push(mistake.with_help(format!("write `{and}`")));
                }
                above = kind_of(*word, above);
                step(scan, line, text, &mut mistakes);
            }
            _ => {}
        }
    }
    mistakes
}

/// `And`, as the language says it first.
pub(super) fn and_word(language: Language) -> &'static str {
    match language {
        Language::En => "And",
        Language::ZhCn => "并且",
    }
}

fn prose(scan: &Scan, line: &Line, text: &str, watcher: bool, mistakes: &mut Vec<Mistake>) {
    if !watcher {
        name(scan, line, text, &MECHANISM_WORD, mistakes);
    }
    name(scan, line, text, &FIRST_PERSON_WORD, mistakes);
}

/// A sentence of the vocabulary is in style by itself; what is none gets its way out told.
fn step(scan: &Scan, line: &Line, text: &str, mistakes: &mut Vec<Mistake>) {
    if is_sentence(text) {
        return;
    }
    name(scan, line, text, &FIRST_PERSON_WORD, mistakes);
    name(scan, line, text, &WAIT_WORD, mistakes);
    if let Some((first, second)) = two_facts(text, scan.language) {
        let place = line.place_of(&scan.file, text);
        let mistake = Mistake::warning("two-facts", place, "the step says two things");
        let and = and_word(scan.language);
        mistakes.push(mistake.with_help(format!("write two steps\n{first}\n{and} {second}")));
    }
}

fn name(scan: &Scan, line: &Line, text: &str, words: &Words, mistakes: &mut Vec<Mistake>) {
    let text = unquoted(text);
    let Some(found) = words.pattern.find(&text) else { return };
    let found = found.as_str();
    let message = format!("`{found}` {}", words.says);
    let mistake = Mistake::warning(words.code, line.place_of(&scan.file, found), message);
    mistakes.push(mistake.with_help(words.help));
}

/// Names between quotes are ids, not words.
fn unquoted(text: &str) -> String {
    static QUOTED: LazyLock<Regex> = LazyLock::new(|| pattern(r#""[^"]*"|“[^”]*”|「[^」]*」"#));
    QUOTED.replace_all(text, "\"\"").into_owned()
}

pub(super) fn is_sentence(text: &str) -> bool {
    matches!(vocabulary().read(text), Match::One { .. })
}

/// Both halves of a step that joins two facts: each is a sentence, or the first is and the second goes on.
pub(super) fn two_facts(text: &str, language: Language) -> Option<(String, String)> {
    let joints: &[&str] = match language {
        Language::En => &[" and then ", ", and ", " and ", "; "],
        Language::ZhCn => &["，并且", "，而且", "，同时", "并且", "而且", "；"],
    };
    let halves = joints.iter().flat_map(|joint| {
        text.match_indices(joint).map(|(at, joint)| (&text[..at], &text[at + joint.len()..]))
    });
    let mut halves = halves.map(|(a, b)| (a.trim(), b.trim()));
    let found = halves.find(|(a, b)| is_sentence(a) || is_sentence(b))?;
    Some((found.0.to_owned(), found.1.to_owned()))
}

//! A page of Markdown as the blocks that it tells somebody to put somewhere, or to run.

use std::path::{Component, Path};

/// A fenced block, and what is to be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// `src/faults/ADDING.md:12`
    pub at: String,
    pub body: Vec<String>,
    pub does: Does,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Does {
    /// `rust file=PATH`: a file that is not there yet.
    Create(String),
    /// `yaml file=PATH append`: the end of a file that is there.
    Append(String),
    /// `diff file=PATH`: lines with `-` become those with `+`, between lines that stay; `@@` parts one place from the next.
    Change(String),
    /// `sh exit=1 prints="…"`: commands, the exit code of the last, texts that they print.
    Run { exit: i32, prints: Vec<String> },
    /// Any other: for the eye.
    Show(String),
}

const FENCE: &str = "```";

/// The blocks of a page, or the first that nobody could follow.
pub fn blocks(page: &str, text: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut told = String::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(info) = line.strip_prefix(FENCE) else {
            told.push_str(line);
            continue;
        };
        let at = format!("{page}:{}", number + 1);
        let mut body = Vec::new();
        loop {
            match lines.next() {
                Some((_, line)) if line == FENCE => break,
                Some((_, line)) => body.push(line.to_owned()),
                None => return Err(format!("{at}: the block is never closed")),
            }
        }
        let does = does(info, &told).map_err(|why| format!("{at}: {why}"))?;
        blocks.push(Block { at, body, does });
    }
    Ok(blocks)
}

/// What the line above a block says; `told` is the prose before it, for people never see that line.
fn does(info: &str, told: &str) -> Result<Does, String> {
    let (language, rest) = info.split_once(' ').unwrap_or((info, ""));
    let (mut file, mut append, mut exit, mut prints) = (None, false, None, Vec::new());
    for (name, value) in attributes(rest)? {
        match (name.as_str(), value) {
            ("file", Some(path)) => file = Some(inside(path)?),
            ("append", None) => append = true,
            ("exit", Some(code)) => {
                exit = Some(code.parse().map_err(|_| format!("`exit={code}` is no number"))?);
            }
            ("prints", Some(text)) => prints.push(text),
            _ => {
                return Err(format!(
                    "`{name}` is not known: write file=, append, exit= or prints="
                ));
            }
        }
    }
    if let Some(path) = file.as_ref().filter(|path| !told.contains(&format!("`{path}`"))) {
        return Err(format!("the text above does not name `{path}`"));
    }
    match (language, file) {
        ("sh", None) if !append => Ok(Does::Run { exit: exit.unwrap_or(0), prints }),
        (_, _) if exit.is_some() || !prints.is_empty() => {
            Err("only an `sh` block without a file has `exit` and `prints`".to_owned())
        }
        ("diff", Some(path)) if !append => Ok(Does::Change(path)),
        (_, Some(path)) if append => Ok(Does::Append(path)),
        (_, Some(path)) => Ok(Does::Create(path)),
        (_, None) if append => Err("`append` to which file?".to_owned()),
        (_, None) => Ok(Does::Show(language.to_owned())),
    }
}

/// A path that leads nowhere else.
fn inside(path: String) -> Result<String, String> {
    let plain = Path::new(&path).components().all(|part| matches!(part, Component::Normal(_)));
    if plain { Ok(path) } else { Err(format!("`{path}` does not lead into the checkout")) }
}

/// `a=b c="d e" f` as names with their values.
fn attributes(mut rest: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let mut found = Vec::new();
    while !rest.trim_start().is_empty() {
        rest = rest.trim_start();
        let end = rest.find([' ', '=']).unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let Some(value) = rest.strip_prefix('=') else {
            found.push((name, None));
            continue;
        };
        let (value, left) = match value.strip_prefix('"') {
            Some(quoted) => quoted
                .split_once('"')
                .ok_or_else(|| format!("the quotation mark of `{name}` is never closed"))?,
            None => value.split_once(' ').unwrap_or((value, "")),
        };
        found.push((name, Some(value.to_owned())));
        rest = left;
    }
    Ok(found)
}

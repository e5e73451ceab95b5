//! Tag expressions: `@tier:gate and not @control`.

use std::fmt;
use std::str::FromStr;

/// `@tier:gate and not @control`, with parentheses; `not` binds tighter than `and`, `and` tighter than `or`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagExpression {
    Tag(String),
    Not(Box<TagExpression>),
    And(Box<TagExpression>, Box<TagExpression>),
    Or(Box<TagExpression>, Box<TagExpression>),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "tag expression `{text}`: {reason}: write for example `@tier:gate and not (@control or @slow)`"
)]
pub struct TagExpressionError {
    pub text: String,
    pub reason: String,
}

impl TagExpression {
    /// `tags` without their `@`.
    pub fn accepts(&self, tags: &[String]) -> bool {
        match self {
            TagExpression::Tag(tag) => tags.contains(tag),
            TagExpression::Not(inner) => !inner.accepts(tags),
            TagExpression::And(a, b) => a.accepts(tags) && b.accepts(tags),
            TagExpression::Or(a, b) => a.accepts(tags) || b.accepts(tags),
        }
    }

    /// Every tag that it names.
    pub fn tags(&self) -> Vec<&str> {
        match self {
            TagExpression::Tag(tag) => vec![tag],
            TagExpression::Not(inner) => inner.tags(),
            TagExpression::And(a, b) | TagExpression::Or(a, b) => [a.tags(), b.tags()].concat(),
        }
    }
}

impl fmt::Display for TagExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TagExpression::Tag(tag) => write!(f, "@{tag}"),
            TagExpression::Not(inner) => write!(f, "not {inner}"),
            TagExpression::And(a, b) => write!(f, "({a} and {b})"),
            TagExpression::Or(a, b) => write!(f, "({a} or {b})"),
        }
    }
}

impl FromStr for TagExpression {
    type Err = TagExpressionError;

    fn from_str(text: &str) -> Result<TagExpression, TagExpressionError> {
        /// Deeper nesting than a person writes; bounds the recursion.
        const WORDS_MAX: usize = 200;
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let error = |reason: String| TagExpressionError { text: text.to_owned(), reason };
        if words.len() > WORDS_MAX {
            return Err(error(format!("{} words are too many", words.len())));
        }
        let mut parser = TagParser { words: &words, next: 0 };
        let made = parser.or().map_err(error)?;
        match words.get(parser.next) {
            None => Ok(made),
            Some(word) => Err(error(format!("`{word}` is not expected there"))),
        }
    }
}

struct TagParser<'w> {
    words: &'w [&'w str],
    next: usize,
}

impl TagParser<'_> {
    fn takes(&mut self, word: &str) -> bool {
        let found = self.words.get(self.next).is_some_and(|next| *next == word);
        self.next += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<TagExpression, String> {
        let mut left = self.and()?;
        while self.takes("or") {
            left = TagExpression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<TagExpression, String> {
        let mut left = self.not()?;
        while self.takes("and") {
            left = TagExpression::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<TagExpression, String> {
        if self.takes("not") {
            return Ok(TagExpression::Not(Box::new(self.not()?)));
        }
        if self.takes("(") {
            let inner = self.or()?;
            return if self.takes(")") { Ok(inner) } else { Err("`)` is missing".to_owned()) };
        }
        let word = self.words.get(self.next).ok_or("it ends too early")?;
        self.next += 1;
        match word.strip_prefix('@').filter(|tag| !tag.is_empty()) {
            Some(tag) => Ok(TagExpression::Tag(tag.to_owned())),
            None => Err(format!("`{word}` is no tag")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_expressions() {
        let tags = ["tier:gate".to_owned(), "control".to_owned()];
        for (text, expect) in [
            ("@control", Ok(true)),
            ("not @control", Ok(false)),
            ("@tier:gate and not @slow", Ok(true)),
            ("@slow or @control and @tier:gate", Ok(true)),
            ("(@slow or @control) and @other", Ok(false)),
            ("not not @control", Ok(true)),
            ("", Err("ends too early")),
            ("control", Err("`control` is no tag")),
            ("(@control", Err("`)` is missing")),
            ("@a @b", Err("`@b` is not expected there")),
        ] {
            match (text.parse::<TagExpression>(), expect) {
                (Ok(tag), Ok(expect)) => assert_eq!(tag.accepts(&tags), expect, "{text}"),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }
}

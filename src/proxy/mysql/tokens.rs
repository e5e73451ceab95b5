//! A statement's words: comments gone, names unquoted, literals kept apart. Tolerant: what does not end ends with
//! the text.
//!
//! Knows no grammar. Not covered: `ANSI_QUOTES` (what stands in double quotes is taken for a string).

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A bare word: keyword or name, as it was written.
    Word(String),
    /// A name in backticks: never a keyword.
    Name(String),
    /// String or number: only that it is there.
    Literal,
    Sign(u8),
}

impl Token {
    pub fn is(&self, keyword: &str) -> bool {
        matches!(self, Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    pub fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    pub fn is_sign(&self, sign: u8) -> bool {
        *self == Token::Sign(sign)
    }

    pub fn name(&self) -> Option<&str> {
        match self {
            Token::Word(name) | Token::Name(name) => Some(name),
            Token::Literal | Token::Sign(_) => None,
        }
    }
}

pub(super) fn tokens(text: &[u8]) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let (token, length) = match rest {
            [b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c, ..] => (None, 1),
            [b'#', ..] => (None, line(rest)),
            [b'-', b'-'] => (None, 2),
            [b'-', b'-', after, ..] if *after <= b' ' => (None, line(rest)),
            // A comment that MySQL executes: its marks go, its text stays, and its end is read below.
            [b'/', b'*', b'!', ..] => (None, 3 + digits(&rest[3..])),
            [b'/', b'*', ..] => (None, comment(rest)),
            [b'*', b'/', ..] => (None, 2),
            [quote @ (b'\'' | b'"'), ..] => (Some(Token::Literal), quoted(rest, *quote)),
            [b'`', ..] => {
                let length = backticked(rest);
                let end = length.saturating_sub(1).max(1);
                let inner = String::from_utf8_lossy(&rest[1..end]).replace("``", "`");
                (Some(Token::Name(inner)), length)
            }
            [first, ..] if is_word(*first) => {
                let length = rest.iter().take_while(|byte| is_word(**byte)).count();
                (Some(word(&rest[..length])), length)
            }
            [sign, ..] => (Some(Token::Sign(*sign)), 1),
            [] => break,
        };
        found.extend(token);
        at += length;
    }
    found
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

/// A name may begin with a digit, but not be one.
fn word(bytes: &[u8]) -> Token {
    if bytes.iter().all(u8::is_ascii_digit) {
        Token::Literal
    } else {
        Token::Word(String::from_utf8_lossy(bytes).into_owned())
    }
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn line(text: &[u8]) -> usize {
    text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| end + 1)
}

fn comment(text: &[u8]) -> usize {
    text[2..].windows(2).position(|pair| pair == b"*/").map_or(text.len(), |end| end + 4)
}

/// Up to the closing quote; a doubled one and one behind a backslash close nothing.
fn quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            byte if byte == quote && text.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

fn backticked(text: &[u8]) -> usize {
    let mut at = 1;
    while at < text.len() {
        match (text[at], text.get(at + 1)) {
            (b'`', Some(b'`')) => at += 2,
            (b'`', _) => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

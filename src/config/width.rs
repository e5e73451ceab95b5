//! How wide text is on a terminal: East Asian wide and full-width characters take two columns.

/// Terminal columns of a character.
pub fn columns(c: char) -> usize {
    match c as u32 {
        0xFEFF | 0x200B => 0,
        0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF => 2,
        0xFE30..=0xFE4F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1FAFF => 2,
        0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

/// Terminal columns of a text.
pub fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// `text` in at most `limit` columns; what is cut is told by `…`.
pub fn cut(text: &str, limit: usize) -> String {
    if width(text) <= limit {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut left = limit.saturating_sub(1);
    for c in text.chars() {
        let Some(rest) = left.checked_sub(columns(c)) else { break };
        left = rest;
        short.push(c);
    }
    short.push('…');
    short
}

/// `text` followed by blanks up to `limit` columns.
pub fn padded(text: &str, limit: usize) -> String {
    format!("{text}{}", " ".repeat(limit.saturating_sub(width(text))))
}

/// Lines of at most `limit` columns, broken at blanks where there are any: Chinese has none.
pub fn wrapped(text: &str, limit: usize) -> Vec<String> {
    let (mut lines, mut line, mut wide, mut blank) = (Vec::new(), String::new(), 0, None);
    for c in text.chars() {
        while wide > 0 && wide + columns(c) > limit {
            let rest = match blank.take() {
                Some(at) => line.split_off(at),
                None => String::new(),
            };
            lines.push(std::mem::replace(&mut line, rest.trim_start().to_owned()));
            wide = line.chars().map(columns).sum();
        }
        if c == ' ' {
            blank = Some(line.len());
        }
        line.push(c);
        wide += columns(c);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_count_twice() {
        for (text, columns, cut_at_5, padded_to_6) in [
            ("abc", 3, "abc", "abc   "),
            ("abcdef", 6, "abcd…", "abcdef"),
            ("退款", 4, "退款", "退款  "),
            ("退款打款", 8, "退款…", "退款打款"),
            ("a退款", 5, "a退款", "a退款 "),
            ("ab退款", 6, "ab退…", "ab退款"),
        ] {
            assert_eq!(width(text), columns, "{text}");
            assert_eq!(cut(text, 5), cut_at_5, "{text}");
            assert_eq!(padded(text, 6), padded_to_6, "{text}");
        }
    }

    #[test]
    fn wrapped_text_loses_nothing_and_stays_within_its_columns() {
        for text in [
            "",
            "short",
            "one two three four five",
            "退款金额超过支付金额的订单",
            "a verylongwordthatdoesnotfit b",
        ] {
            for limit in [6, 10, 30] {
                let lines = wrapped(text, limit);
                assert!(lines.iter().all(|line| width(line.trim_end()) <= limit), "{lines:?}");
                let all = lines.concat().replace(' ', "");
                assert_eq!(all, text.replace(' ', ""), "{limit}");
            }
        }
    }
}

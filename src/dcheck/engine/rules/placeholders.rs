//! The `:name` placeholders of a lookup's SQL.

/// Names after a colon, texts in quotes left out.
pub fn placeholders(sql: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut quote: Option<char> = None;
    for (at, c) in sql.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, ':') => {
                let rest = &sql[at + 1..];
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
                if !name.is_empty() && !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::placeholders;

    #[test]
    fn names_outside_quotes() {
        for (sql, names) in [
            ("SELECT 1", vec![]),
            ("SELECT :sku, ':no', `:no` FROM t WHERE at < :at AND sku = :sku", vec!["sku", "at"]),
        ] {
            assert_eq!(placeholders(sql), names, "{sql}");
        }
    }
}

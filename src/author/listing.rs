//! `lossdrill steps [SEARCH] [--html]`: the vocabulary as people look things up in it.

use std::fmt::Write as _;

use serde::Serialize;

use crate::steps::{Kind, Language, PARAMETER_TYPES, Row, VOCABULARY, vocabulary, word_for};

/// The sentences that a search found, in the table's order.
pub struct Listing {
    pub search: Option<String>,
    pub rows: Vec<&'static Row>,
}

#[derive(Serialize)]
struct RowView {
    id: &'static str,
    kind: Kind,
    en: &'static str,
    zh: &'static str,
    doc: &'static str,
    example_en: &'static str,
    example_zh: &'static str,
    takes_table: bool,
    takes_plan: bool,
}

/// The sentences in which every word of `search` occurs, in either language, doc or id.
pub fn steps(search: Option<&str>) -> Listing {
    let words: Vec<String> =
        search.unwrap_or_default().split_whitespace().map(str::to_lowercase).collect();
    let holds = |row: &&Row| {
        let kind = row.kind.to_string();
        let parts = [row.id, &kind, row.en, row.zh, row.doc, row.example_en, row.example_zh];
        let text = parts.join(" ").to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    Listing { search: search.map(str::to_owned), rows: VOCABULARY.iter().filter(holds).collect() }
}

impl Listing {
    /// 4 where nothing was found.
    pub fn exit_code(&self) -> u8 {
        if self.rows.is_empty() { 4 } else { 0 }
    }

    pub fn render_text(&self) -> String {
        let mut text = String::new();
        if self.rows.is_empty() {
            let search = self.search.as_deref().unwrap_or_default();
            let _ = writeln!(text, "no sentence has `{search}`; the nearest are");
            for row in vocabulary().nearest(search, Kind::Given, Language::En) {
                let _ = writeln!(text, "  {} {}", word_for(row.kind, Language::En), row.en);
            }
            return text;
        }
        for row in &self.rows {
            let (en, zh) = (word_for(row.kind, Language::En), word_for(row.kind, Language::ZhCn));
            let _ = writeln!(text, "{en} {}\n{zh}{}", row.en, row.zh);
            let _ = writeln!(text, "    {}", row.doc);
            let _ = writeln!(text, "    {en} {}", row.example_en);
            let _ = writeln!(text, "    {zh}{}\n", row.example_zh);
        }
        text.push_str("Parameters:\n");
        for parameter in PARAMETER_TYPES {
            let _ = writeln!(
                text,
                "  {:<11} {}: {}",
                format!("{{{}}}", parameter.name),
                parameter.accepts,
                parameter.is
            );
        }
        text
    }

    pub fn render_json(&self) -> String {
        let view = |row: &&'static Row| RowView {
            id: row.id,
            kind: row.kind,
            en: row.en,
            zh: row.zh,
            doc: row.doc,
            example_en: row.example_en,
            example_zh: row.example_zh,
            takes_table: row.takes_table,
            takes_plan: row.takes_plan,
        };
        let rows: Vec<RowView> = self.rows.iter().map(view).collect();
        let value = serde_json::json!({ "sentences": rows, "parameters": PARAMETER_TYPES });
        format!("{value:#}\n")
    }

    /// One file that needs nothing else.
    pub fn render_html(&self) -> String {
        let mut html = String::from(HTML_HEAD);
        let mut kind = None;
        for row in &self.rows {
            if kind != Some(row.kind) {
                kind = Some(row.kind);
                let _ = writeln!(html, "<h2>{}</h2>", row.kind);
            }
            let (en, zh) = (word_for(row.kind, Language::En), word_for(row.kind, Language::ZhCn));
            let _ = writeln!(
                html,
                "<section id=\"{}\"><p class=\"say\">{en} {}</p><p class=\"say\" lang=\"zh\">\
                 {zh}{}</p><p>{}</p><pre>{en} {}\n{zh}{}</pre></section>",
                row.id,
                escaped(row.en),
                escaped(row.zh),
                escaped(row.doc),
                escaped(row.example_en),
                escaped(row.example_zh),
            );
        }
        html.push_str("<h2>Parameters</h2><table>\n");
        for parameter in PARAMETER_TYPES {
            let _ = writeln!(
                html,
                "<tr><td><code>{{{}}}</code></td><td>{}</td><td>{}</td></tr>",
                parameter.name,
                escaped(parameter.accepts),
                escaped(parameter.is)
            );
        }
        html.push_str("</table>\n</body>\n</html>\n");
        html
    }
}

const HTML_HEAD: &str = r#"<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>The sentences of Lossdrill</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
section { border-top: 1px solid #ccc; padding: .5rem 0; }
.say { font-weight: 600; margin: .2rem 0; }
pre { background: #f4f4f4; padding: .5rem; white-space: pre-wrap; }
td { padding: .2rem .8rem .2rem 0; vertical-align: top; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd; } pre { background: #222; } }
</style></head>
<body>
<h1>The sentences of Lossdrill</h1>
"#;

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_finds_by_any_word_in_either_language() {
        for (search, least, exit) in [
            (None, VOCABULARY.len(), 0),
            (Some("refund paid"), 3, 0),
            (Some("退款"), 4, 0),
            (Some("lottery"), 0, 4),
        ] {
            let listing = steps(search);
            assert!(listing.rows.len() >= least, "{search:?}");
            assert_eq!(listing.exit_code(), exit, "{search:?}");
            assert!(!listing.render_text().is_empty());
        }
        assert!(steps(Some("cupon")).render_text().contains("the nearest are"));
    }

    #[test]
    fn every_sentence_is_on_the_page() {
        let html = steps(None).render_html();
        let json = steps(None).render_json();
        for row in VOCABULARY.iter() {
            assert!(html.contains(&format!("id=\"{}\"", row.id)), "{}", row.id);
            assert!(json.contains(row.id), "{}", row.id);
        }
    }
}

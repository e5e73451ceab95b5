//! Mistakes as SARIF 2.1.0: what code hosts show beside the line.

use serde_json::{Value, json};

use super::rules::RULES;
use crate::config::{Mistake, Severity};

/// The whole document.
pub(super) fn document(mistakes: &[Mistake]) -> Value {
    let mut codes: Vec<&str> = mistakes.iter().map(|mistake| mistake.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rules: Vec<Value> = codes.iter().map(|code| rule(code)).collect();
    let index = |code: &str| codes.iter().position(|known| *known == code);
    let results: Vec<Value> =
        mistakes.iter().map(|mistake| result(mistake, index(mistake.code))).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "lossdrill",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: &str) -> Value {
    let doc = RULES.iter().find(|rule| rule.id == code).map_or(code, |rule| rule.doc);
    json!({"id": code, "shortDescription": {"text": doc}})
}

fn result(mistake: &Mistake, index: Option<usize>) -> Value {
    let level = match mistake.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let place = &mistake.place;
    let help: String = mistake.help.iter().map(|help| format!("\n{help}")).collect();
    let mut physical = json!({"artifactLocation": {"uri": uri(&place.file)}});
    if place.line > 0 {
        physical["region"] = json!({
            "startLine": place.line,
            "startColumn": place.column.max(1),
            "endColumn": place.column.max(1) + place.length.max(1),
        });
    }
    json!({
        "ruleId": mistake.code,
        "ruleIndex": index,
        "level": level,
        "message": {"text": format!("{}{help}", mistake.message)},
        "locations": [{"physicalLocation": physical}],
    })
}

/// A relative path as a relative URI: what may not stand in one is percent-encoded.
fn uri(file: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let encode = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    file.trim_start_matches("./").bytes().map(encode).collect()
}

//! The published schemas of rules and of their tests know every strategy and every key that is used, and no other strategy.
//!
//! Not covered: that a schema forbids what the loader forbids; it is for editors, the loader has the last word.

use std::collections::BTreeSet;

use super::*;

fn json(path: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).unwrap();
    match path.extension().is_some_and(|extension| extension == "json") {
        true => serde_json::from_str(&text).unwrap(),
        false => serde_yaml::from_str(&text).unwrap(),
    }
}

/// Keys of `value` that its schema does not name, and keys that it wants.
fn unnamed(schema: &serde_json::Value, value: &serde_json::Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (key, one) in value.as_object().into_iter().flatten() {
        let place = format!("{at}.{key}");
        match (
            schema.pointer("/properties").and_then(|all| all.get(key)),
            &schema["additionalProperties"],
        ) {
            (Some(says), _) => found.extend(unnamed(says, one, &place)),
            (None, serde_json::Value::Bool(false)) => found.push(place),
            _ => {}
        }
    }
    for key in schema["required"].as_array().into_iter().flatten() {
        if value.is_object() && value.get(key.as_str().unwrap()).is_none() {
            found.push(format!("{at} lacks {key}"));
        }
    }
    for item in value.as_array().into_iter().flatten() {
        found.extend(unnamed(&schema["items"], item, at));
    }
    found
}

fn files(dir: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(manifest(dir)).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).collect()
}

#[test]
fn schemas_know_what_rules_and_their_tests_are_made_of() {
    for (schema, dir) in [("rules", "scenarios/rules"), ("rule-tests", "scenarios/rules/tests")] {
        let schema = json(&manifest("scenarios/schemas").join(format!("{schema}.json")));
        for file in files(dir) {
            let found = unnamed(&schema, &json(&file), &file.display().to_string());
            assert_eq!(found, Vec::<String>::new());
        }
    }
    let schema = json(&manifest("scenarios/schemas/rules.json"));
    let all = json(&manifest("src/dcheck/engine/tests/strategies/rules.yaml"));
    assert_eq!(unnamed(&schema, &all, "strategies"), Vec::<String>::new());
    let named = schema.pointer("/items/properties/strategy/enum").unwrap().as_array().unwrap();
    let named: BTreeSet<&str> = named.iter().filter_map(|name| name.as_str()).collect();
    assert_eq!(named, super::rules::strategies().collect());
    let wrong = serde_json::json!([{"id": "x", "strategi": "threshold"}]);
    let found = unnamed(&schema, &wrong, "");
    assert!(found.iter().any(|line| line == ".strategi"), "{found:?}");
    assert!(found.iter().any(|line| line.contains("lacks \"strategy\"")), "{found:?}");
}

//! The rules of `lint`, by their stable ids: what a code host lists beside its findings.
//!
//! An id, once published, keeps its meaning. A test finds the ids in the source and holds this table complete.

/// One rule.
pub struct LintRule {
    /// Kebab-case, as in `error[no-twin]`.
    pub id: &'static str,
    pub doc: &'static str,
}

const fn rule(id: &'static str, doc: &'static str) -> LintRule {
    LintRule { id, doc }
}

/// Those of features and drills, in alphabetical order; the catalogue's are told by their message.
pub const RULES: &[LintRule] = &[
    rule("alert-of-another-point", "The alert belongs to the loss point's own rules"),
    rule("ambiguous-scenario", "A drill names a scenario that only one feature has"),
    rule("ambiguous-step", "A step is exactly one sentence of the vocabulary"),
    rule("and-first", "The first step opens with Given, When or Then"),
    rule("at-risk-of-nothing", "`the alert puts … at risk` stands below the alert it is about"),
    rule("attack-expects-silence", "Only a @control may prove silence"),
    rule("bad-fault", "A fault exists, and takes the parameters that it is given"),
    rule("bad-plan", "A plan of faults is a table of faults and numbers of acts, each fault once"),
    rule("bad-table", "A table is closed, and a parameter is a name and a value"),
    rule("bad-tag", "A tag is an `@` and a word"),
    rule("bad-value", "A value is one of its type: amounts carry their currency"),
    rule("bound-too-long", "A bound is never longer than the loss point's deadline"),
    rule("control-expects-alert", "A @control stays silent"),
    rule("control-without-silence", "A @control asks for silence"),
    rule("doc-string", "No sentence takes a doc string"),
    rule("duplicate-name", "Each scenario of a feature has a name of its own"),
    rule("fault-before-given", "A fault stands below the Givens of its flow, which never feel it"),
    rule("fault-out-of-reach", "The gate has only faults that both providers can do"),
    rule("first-person", "Scenarios are told in the third person"),
    rule("full-width", "Signs of the grammar are ASCII: `:`, `@`, `|`"),
    rule("given-after-when", "Givens stand above the first When"),
    rule("language", "The language of the keywords is said in the first line"),
    rule("many-loss-points", "A scenario has exactly one loss point"),
    rule("many-tiers", "A scenario has exactly one tier"),
    rule("mechanism-word", "Scenarios say what is lost, not which machinery fails"),
    rule("missing-colon", "A heading ends its keyword with a colon"),
    rule("misspelt-keyword", "A keyword is spelt as Gherkin spells it"),
    rule("misspelt-tag", "`@control`, `@tier:` and `@lp:` are spelt as they are"),
    rule("no-canary", "Below an attack of its loss point stands each @control"),
    rule("no-examples", "An outline has at least one row of examples"),
    rule("no-feature", "A file has a Feature"),
    rule("no-loss-point", "A scenario names its loss point"),
    rule("no-outline", "Only an outline has examples"),
    rule("no-scenario", "A feature has a scenario"),
    rule("no-steps", "A scenario has steps"),
    rule("no-then", "A scenario has a Then"),
    rule("no-tier", "A scenario says in which tier it runs"),
    rule("no-twin", "An attack has a twin: a @control below it, other in one value"),
    rule("not-a-twin", "A twin has its attack's sentences, other in exactly one value"),
    rule("not-gherkin", "A file is Gherkin"),
    rule("plan-of-another-point", "The plan is the loss point's own"),
    rule("repeated-keyword", "Given, When and Then open once; And goes on"),
    rule("star-step", "A step says whether it is a Given, a When or a Then"),
    rule("step-without-keyword", "A step begins with its keyword"),
    rule("table-not-taken", "A table stands only under a sentence that takes one"),
    rule("too-few-steps", "A scenario has three steps or more"),
    rule("too-many-steps", "A scenario has nine steps or fewer"),
    rule("two-facts", "A step says one thing"),
    rule("unaccounted-line", "Each line is a heading, a step, a tag, a comment, a table or prose"),
    rule("undefined-step", "A step is a sentence of the vocabulary"),
    rule("unknown-alert", "An alert is the id of a rule"),
    rule("unknown-channel", "A channel is one of the shop's"),
    rule("unknown-loss-point", "A loss point is one of the catalogue"),
    rule("unknown-name", "What is spoken of has been made by a step above"),
    rule("unknown-part", "A part of the reconciler is one that the sentence knows"),
    rule("unknown-pattern", "A pattern is one of the forge's"),
    rule("unknown-placeholder", "A placeholder is a column of the examples"),
    rule("unknown-plan", "A plan is one of the catalogue"),
    rule("unknown-rule", "A rule is one of the reconciler's"),
    rule("unknown-scenario", "A drill names scenarios that there are"),
    rule("unknown-service", "A service, and what it depends on, is one of services.yaml"),
    rule("unknown-source", "A source is one that a reconciler reads"),
    rule("unknown-tier", "A tier is gate, nightly or drill"),
    rule("unproved-stop", "What a plan stops can be tried again, to prove that it stopped"),
    rule("unreadable", "A file can be read"),
    rule("wait-word", "Nothing waits: what must come true is bounded"),
    rule("wrong-keyword", "A sentence stands under the keyword of its kind"),
    rule("wrong-scope", "A plan acts on the kind of subject that it declares"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use regex::Regex;

    use super::*;

    /// The ids in one source text.
    fn ids(source: &str) -> Vec<String> {
        let told = r#"(?:Mistake::(?:error|warning)|self\.(?:error|unknown))\(\s*"([a-z-]+)""#;
        let told = Regex::new(told).expect("sound");
        told.captures_iter(source).map(|found| found[1].to_owned()).collect()
    }

    #[test]
    fn every_rule_that_the_source_tells_of_is_on_the_table() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let known: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
        let mut seen = BTreeSet::new();
        for folder in ["steps", "author/lint"] {
            for entry in std::fs::read_dir(root.join(folder)).expect("a room") {
                let path = entry.expect("a file").path();
                if path.extension().is_some_and(|end| end == "rs") {
                    let source = std::fs::read_to_string(&path).expect("readable");
                    seen.extend(ids(&source));
                }
            }
        }
        assert!(seen.len() > 40, "{seen:?}");
        let missing: Vec<&String> = seen.iter().filter(|id| !known.contains(id.as_str())).collect();
        assert!(missing.is_empty(), "give each a row: {missing:?}");
    }

    #[test]
    fn ids_are_kebab_case_and_in_order() {
        assert!(RULES.is_sorted_by_key(|rule| rule.id), "in alphabetical order");
        let plain = |id: &str| id.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        assert!(RULES.iter().all(|rule| plain(rule.id) && !rule.doc.is_empty()));
    }
}

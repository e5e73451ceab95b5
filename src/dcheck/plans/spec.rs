//! The data of an emergency plan, as its YAML file says it.
//!
//! Owns the shape only: `load` reads it from YAML, `planner` decides when it runs, `executor` runs
//! it. Templates know `{scope}`, `{run}`, `{plan}`, `{alert}`, `{rule}`, `{now_ms}` and nothing
//! else.

use crate::money::Money;
use crate::wire::Effect;

/// One emergency plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanSpec {
    pub id: String,
    pub title: String,
    pub trigger: Trigger,
    pub scope: Scope,
    pub effect: Effect,
    pub actions: Vec<Step>,
    pub proof: Vec<Proof>,
    /// Reverts by itself after this long on cell time, where it does.
    pub ttl_ms: Option<i64>,
    /// SQL that returns a row as long as the finding still holds: then the TTL extends itself.
    pub holds_while: Option<SqlTemplate>,
    pub revert: Vec<Step>,
    /// How it is proved that the effect is gone; empty: `proof` holds no more.
    pub revert_proof: Vec<Proof>,
    /// No second run on the same scope before this long after the last one ended.
    pub cooldown_ms: i64,
    pub blast_limit: BlastLimit,
    pub approval: Approval,
    pub sop: String,
}

/// Which findings start the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    pub rules: Vec<String>,
    /// `P0` is the most severe; a finding starts the plan when it is at least this severe.
    pub min_severity: String,
    /// At least so much at risk, one amount a currency; money in none of them starts nothing. Empty: whatever is at risk.
    pub min_at_risk: Vec<Money>,
    /// That many findings on one scope; none: the first one starts the plan.
    pub findings: Option<Several>,
}

/// So many findings within so long, in cell time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Several {
    pub count: usize,
    pub within_ms: i64,
}

/// What a run touches: the value of `field` in the finding, known as a subject of `kind`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub kind: String,
    pub field: String,
}

/// At most so many runs of this plan start inside a window: a wrong rule must not stop the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlastLimit {
    pub runs: usize,
    pub per_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    Automatic,
    /// A person says yes within so long, or the run ends without having touched anything.
    Manual {
        within_ms: i64,
    },
}

/// One action of a plan, done once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub name: String,
    pub action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Http(HttpAction),
    Sql(SqlTemplate),
    Kafka(KafkaAction),
}

/// One record, keyed by what its consumers know a repeat by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaAction {
    pub topic: String,
    pub key: String,
    pub body: serde_json::Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAction {
    /// The name of a `--target`.
    pub target: String,
    pub method: Method,
    pub path: String,
    pub body: Option<serde_json::Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Put,
    Post,
    Delete,
}

/// An SQL text with `?` for each of `params`, which are templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlTemplate {
    pub text: String,
    pub params: Vec<String>,
    /// Of an action: the ops ticket that its receipt names, a template.
    pub ticket: String,
}

/// How the effect is proved after the actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The JSON of a GET holds `field` = `equals`; where the answer is a list, one element matches
    /// all of `at`.
    Http { target: String, path: String, expect: Vec<(String, String)> },
    /// The query returns a row.
    Sql(SqlTemplate),
}

/// The values that templates may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub scope: String,
    pub run: String,
    pub plan: String,
    /// The fingerprint of the alert that triggered the run.
    pub alert: String,
    pub rule: String,
    /// Cell time, Unix ms.
    pub now_ms: String,
}

/// The names a template may use.
pub const TEMPLATE_NAMES: [&str; 6] = ["scope", "run", "plan", "alert", "rule", "now_ms"];

impl Names {
    /// Fills a template in; `encode` is applied to each value (percent-encoding in a path, identity
    /// elsewhere).
    pub fn fill(&self, template: &str, encode: fn(&str) -> String) -> String {
        let pairs = [
            ("{scope}", &self.scope),
            ("{run}", &self.run),
            ("{plan}", &self.plan),
            ("{alert}", &self.alert),
            ("{rule}", &self.rule),
            ("{now_ms}", &self.now_ms),
        ];
        let mut filled = String::with_capacity(template.len() + 32);
        let mut rest = template;
        while let Some(open) = rest.find('{') {
            filled.push_str(&rest[..open]);
            rest = &rest[open..];
            match pairs.iter().find(|(name, _)| rest.starts_with(name)) {
                Some((name, value)) => {
                    filled.push_str(&encode(value));
                    rest = &rest[name.len()..];
                }
                None => {
                    filled.push('{');
                    rest = &rest[1..];
                }
            }
        }
        filled.push_str(rest);
        filled
    }
}

/// Percent-encodes what may not stand in one segment of a path.
pub fn path_segment(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A value as it is: for bodies and SQL parameters.
pub fn verbatim(value: &str) -> String {
    value.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_fill_in_and_cannot_escape_their_segment() {
        let names = Names { scope: "SKU/1?x".into(), run: "{scope}".into(), ..Names::default() };
        for (template, encode, filled) in [
            ("/b/{scope}", path_segment as fn(&str) -> String, "/b/SKU%2F1%3Fx"),
            ("{run}", verbatim, "{scope}"),
            ("{unknown} {", verbatim, "{unknown} {"),
        ] {
            assert_eq!(names.fill(template, encode), filled, "{template}");
        }
    }
}

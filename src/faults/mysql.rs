//! Faults on single statements, by the links that read MySQL's packets: refused, slow, a commit without an answer,
//! stale reads.
//!
//! Proved by the link's own count of hits, and from outside: the server greets through the very same link, so that it
//! was the statement that suffered and not the connection. Each waits for its statement, which a probe of ours must
//! not use up.

use std::time::Duration;

use super::link::{ANSWER_LIMIT, clear};
use super::params::{Param, Params, Scale};
use super::registry::DAY_MS;
use super::sounding::{Sounding, Speech, sound};
use super::spec::DELAY;
use super::{Blast, FaultError, FaultSpec, Ground, Late, Layer, Need};
use crate::proxy::{Harm, Link, Point, RuleView, SqlError, StatementKind, StatementRule, ToxicId};

/// As many as a scenario can mean.
const COUNT_MAX: u64 = 1_000_000;
/// No table has this name: it is reserved.
const ANY: &str = "any";

const STATEMENTS: &[&str] = &[
    "write", "select", "insert", "update", "delete", "replace", "begin", "commit", "rollback",
    "ddl", "set", "call", "load",
];
const REFUSABLE: &[&str] = &[
    "write", "select", "insert", "update", "delete", "replace", "begin", "commit", "rollback",
    "ddl", "set", "call", "load", "connect",
];
const COMMITS: &[&str] = &["commit", "write", "insert", "update", "delete", "replace", "load"];
const CODES: &[&str] = &["1213", "1205", "1290", "1040", "2013"];

/// (prefix of the thing, whose, link, what a delay on cell time withholds)
type LinkRow = (&'static str, &'static str, &'static str, &'static [&'static str]);

const LINKS: &[LinkRow] = &[
    ("", "the shop", "shop-sql", &["shop", "shop-sql"]),
    ("dcheck-", "the reconciler", "sql", &["dcheck", "sql"]),
];

pub(super) fn specs() -> Vec<FaultSpec> {
    LINKS.iter().flat_map(of_link).collect()
}

fn of_link(row: &LinkRow) -> [FaultSpec; 4] {
    let (prefix, whose, link, withholds) = *row;
    let spec = |what: &str, doc: String, params: Vec<Param>| FaultSpec {
        id: format!("mysql.{prefix}{what}"),
        doc,
        layer: Layer::Mysql,
        params,
        needs: Need::Statements(link),
        blast: Blast::Link,
        withholds: Vec::new(),
        raises: if link == "sql" { vec!["lookup-down"] } else { Vec::new() },
        waits_for_traffic: true,
        late: Late::default(),
    };
    let statement = |among, default| Param {
        name: "statement",
        doc: "its kind; `write` is any that changes rows",
        scale: Scale::Word { default, among },
    };
    let code = Param {
        name: "code",
        doc: "deadlock 1213 (rolls back), lock wait 1205, read-only 1290, full 1040, gone 2013",
        scale: Scale::Word { default: "1205", among: CODES },
    };
    let delay = Param {
        name: DELAY,
        doc: "its answer comes so much later",
        scale: Scale::Span { default_ms: 100, min_ms: 1, max_ms: DAY_MS },
    };
    let refused = [vec![statement(REFUSABLE, "write"), code], which()].concat();
    let slowed = [vec![statement(STATEMENTS, "write"), delay], which()].concat();
    let ambiguous = [vec![statement(COMMITS, "commit")], which()].concat();
    let mut slow = spec("statement.slow", format!("a statement of {whose} takes long"), slowed);
    let unasked: &[&str] = if link == "sql" { &["lookup-down"] } else { &[] };
    slow.late = Late { withholds, raises: unasked };
    [
        spec("statement.refused", format!("the database refuses a statement of {whose}"), refused),
        slow,
        spec(
            "commit.ambiguous",
            format!("{whose} commits, and the database's answer is lost"),
            ambiguous,
        ),
        spec("read.stale", format!("{whose} reads again what it read before"), vec![table()]),
    ]
}

fn table() -> Param {
    Param {
        name: "table",
        doc: "that it names, or that its transaction wrote; `any` for each",
        scale: Scale::Name { default: ANY },
    }
}

/// Which of the statements.
fn which() -> Vec<Param> {
    let count = |name, doc| Param { name, doc, scale: Scale::Count { default: 1, max: COUNT_MAX } };
    vec![
        table(),
        count("nth", "the first to suffer, counted from the strike"),
        count("times", "how many suffer from there on"),
    ]
}

/// The rule that a link is given.
fn rule(spec: &FaultSpec, params: &Params) -> StatementRule {
    let table = params.word("table");
    let table = (table != ANY).then(|| table.to_owned());
    let point =
        |name: &str| Point::by_name(name).expect("invariant: the parameter's words are known");
    let harm = match spec.what_happened() {
        "refused" => {
            let code = params.word("code").parse().ok();
            let error = code.and_then(SqlError::by_code);
            Harm::Refused { error: error.expect("invariant: the parameter's codes are known") }
        }
        "slow" => Harm::Slow { delay_ms: params.ms(DELAY) },
        "ambiguous" => Harm::Ambiguous,
        "stale" => {
            let on = Point::Kind(StatementKind::Select);
            return StatementRule { on, table, nth: 1, times: u64::MAX, harm: Harm::Stale };
        }
        other => unreachable!("the table has no `{other}`"),
    };
    let on = point(params.word("statement"));
    StatementRule { on, table, nth: params.count("nth"), times: params.count("times"), harm }
}

/// What is wrong with parameters that are each within their bounds.
pub(super) fn check(spec: &FaultSpec, params: &Params) -> Result<(), FaultError> {
    let Some(reason) = rule(spec, params).mistake() else { return Ok(()) };
    Err(FaultError::BadParams { fault: spec.id.clone(), reason })
}

pub(super) struct MysqlFault {
    spec: &'static FaultSpec,
    link: Link,
    rule: StatementRule,
    armed: Option<ToxicId>,
}

impl MysqlFault {
    pub fn new(
        spec: &'static FaultSpec,
        params: &Params,
        ground: &Ground,
        name: &str,
    ) -> Result<MysqlFault, FaultError> {
        let link = ground.link(spec, name)?;
        Ok(MysqlFault { spec, link, rule: rule(spec, params), armed: None })
    }

    fn listed(&self) -> Option<RuleView> {
        self.link.rules().into_iter().find(|rule| Some(rule.id) == self.armed)
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        if self.armed.is_none() {
            self.armed = Some(self.link.arm_rule(self.rule.clone())?);
        }
        let name = self.link.name();
        match self.listed() {
            Some(_) => Ok(format!("link `{name}` lists the rule")),
            None => {
                let reason = format!("link `{name}` does not list it after arming");
                Err(FaultError::Inject { fault: self.spec.id.clone(), reason })
            }
        }
    }

    /// None while its statement has not come.
    pub async fn bites(&mut self) -> Result<Option<String>, FaultError> {
        let no_bite = |reason| FaultError::NoBite { fault: self.spec.id.clone(), reason };
        let name = self.link.name();
        let gone = || no_bite(format!("link `{name}` no longer lists the rule"));
        let RuleView { met, hits, .. } = self.listed().ok_or_else(gone)?;
        if hits == 0 {
            return Ok(None);
        }
        let seen = format!("link `{name}` met {met} such statements, {hits} of them suffered");
        if self.rule.on == Point::Connect {
            // A connection of ours would be one of those that it counts.
            return Ok(Some(seen));
        }
        let limit = ANSWER_LIMIT + Duration::from_secs(1);
        let greeted = sound(self.link.addr(), Speech::Mysql, limit).await;
        let greeted = match greeted {
            Sounding::Answer(_) => "the server greets through it",
            _ => "the server greets nobody through it now",
        };
        Ok(Some(format!("{seen}; {greeted}")))
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        if let Some(id) = self.armed {
            self.link.disarm(id);
        }
        Ok(())
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let unproved = |reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason };
        if self.listed().is_some() {
            let name = self.link.name();
            return Err(unproved(format!("link `{name}` still lists the rule")));
        }
        clear(&self.link, Speech::Mysql).await.map_err(unproved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::registry;

    #[test]
    fn parameters_become_a_rule() {
        let made = |id: &str, pairs: &[(&str, &str)]| {
            let spec = registry::find(id).unwrap();
            let given = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            spec.check_params(&given).map(|params| rule(spec, &params)).map_err(|e| e.to_string())
        };
        let commit = Point::Kind(StatementKind::Commit);
        let expected = StatementRule::once(commit, Some("refund_payout"), Harm::Ambiguous);
        assert_eq!(made("mysql.commit.ambiguous", &[("table", "refund_payout")]), Ok(expected));
        let given = [("statement", "update"), ("code", "1213"), ("nth", "3"), ("times", "2")];
        let refused = made("mysql.dcheck-statement.refused", &given).unwrap();
        assert_eq!((refused.nth, refused.times, refused.table.clone()), (3, 2, None));
        assert_eq!(refused.harm, Harm::Refused { error: SqlError::Deadlock });
        for (id, name, value, word) in [
            ("mysql.statement.refused", "code", "1040", "statement `connect`"),
            ("mysql.statement.refused", "code", "1064", "is none of 1213, 1205"),
            ("mysql.statement.refused", "statement", "updat", "is none of write, select"),
            ("mysql.statement.refused", "nth", "0", "is not in 1 ..= 1000000"),
            ("mysql.statement.refused", "nth", "second", "is no whole number"),
            ("mysql.statement.slow", "delay", "0 ms", "is not in 1 ms"),
            ("mysql.commit.ambiguous", "statement", "select", "is none of commit, write"),
            ("mysql.read.stale", "table", "shop.orders", "is no name"),
            ("mysql.read.stale", "nth", "2", "it takes table"),
        ] {
            let error = made(id, &[(name, value)]).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}

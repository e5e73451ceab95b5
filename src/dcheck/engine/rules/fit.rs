//! Rules held against the tables as they are: columns that are missing, and columns whose type cannot be what the rule wants.
//!
//! Owns which types compare with which. A table that is not there at all is no mistake by itself (it may come later) unless one of
//! nearly that name is. Knows no database: tables are handed in. Not covered: messages of topics; columns that only SQL of a
//! look-up names.

use std::collections::BTreeSet;

use crate::dcheck::engine::expr::{Demand, Want, Whose, nearest};
use crate::dcheck::engine::port::Tables;
use crate::dcheck::engine::window::Stream;

use super::ask::Ask;
use super::rule::Rule;
use super::{RuleError, RuleSet};

/// What the values of a column's type come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Number,
    Text,
    /// Prints as digits that are not what was meant: money must not go through it.
    Float,
    /// Documents, bytes, shapes.
    Opaque,
}

/// `kind` is the server's word, as `decimal of scale 2` or `bigint unsigned`.
fn sort(kind: &str) -> Sort {
    match kind.split(' ').next().unwrap_or_default() {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "year" => {
            Sort::Number
        }
        "float" | "double" => Sort::Float,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set"
        | "date" | "datetime" | "timestamp" | "time" | "uuid" | "inet4" | "inet6" => Sort::Text,
        _ => Sort::Opaque,
    }
}

fn fits(sort: Sort, want: Want) -> bool {
    match want {
        Want::Number => sort == Sort::Number,
        Want::Text | Want::Currency | Want::WholeMoney => sort == Sort::Text,
        Want::Money => matches!(sort, Sort::Number | Sort::Text),
        Want::Comparable => sort != Sort::Opaque && sort != Sort::Float,
    }
}

fn wanted(want: Want) -> &'static str {
    match want {
        Want::Number => "a number is wanted",
        Want::Text | Want::Currency | Want::WholeMoney => "a text is wanted",
        Want::Money => "an exact amount is wanted: DECIMAL, an integer, or a text of one",
        Want::Comparable => "what is compared must be exact: a number or a text",
    }
}

/// One expression of a rule, as it was read.
#[derive(Clone, Debug)]
pub struct Use {
    pub line: usize,
    /// It stands in `counterpart`, where `after` is the counterpart's.
    pub of_counterpart: bool,
    pub demands: Vec<Demand>,
}

impl RuleSet {
    /// Every rule that these tables contradict.
    pub fn misfits(&self, tables: &Tables) -> Vec<RuleError> {
        let mut found: Vec<RuleError> =
            self.rules.iter().flat_map(|rule| misfits(rule, tables)).collect();
        found.sort_by(|a, b| (&a.file, a.line, &a.message).cmp(&(&b.file, b.line, &b.message)));
        found.dedup();
        found
    }

    /// What these tables contradict in one rule.
    pub fn misfits_of(&self, rule: &Rule, tables: &Tables) -> Vec<String> {
        let mut found: Vec<String> =
            misfits(rule, tables).into_iter().map(|error| error.message).collect();
        found.sort();
        found.dedup();
        found
    }

    /// Rules that ask a target which is not among these; none where no target is known.
    pub fn unknown_targets(&self, targets: &BTreeSet<String>) -> Vec<String> {
        let unknown = |rule: &std::sync::Arc<Rule>| match &rule.lookup.as_ref()?.ask {
            Ask::Http { target, .. } if !targets.is_empty() && !targets.contains(target) => {
                let near = nearest(target, targets.iter().map(String::as_str));
                let (file, line) = (rule.place.0.display(), rule.place.1);
                let id = &rule.head.id;
                Some(format!(
                    "{file}:{line}: rule `{id}` asks target `{target}`, which no --target names{near}"
                ))
            }
            _ => None,
        };
        self.rules.iter().filter_map(unknown).collect()
    }

    /// Rules on tables that are not there: they judge nothing until those come.
    pub fn without_table(&self, tables: &Tables) -> Vec<String> {
        let missing = |rule: &&std::sync::Arc<Rule>| {
            rule.head.tables.iter().any(|table| !tables.contains_key(table))
        };
        self.rules.iter().filter(missing).map(|rule| rule.name.clone()).collect()
    }
}

fn misfits(rule: &Rule, tables: &Tables) -> Vec<RuleError> {
    let (file, id) = (&rule.place.0, &rule.head.id);
    let error = |line: usize, message: String| RuleError { file: file.clone(), line, message };
    let mut found = Vec::new();
    for table in rule.head.tables.iter().filter(|table| !tables.contains_key(*table)) {
        let near = nearest(table, tables.keys().map(String::as_str));
        if !near.is_empty() {
            let message = format!("rule `{id}` reads table `{table}`, which is not there{near}");
            found.push(error(rule.place.1, message));
        }
    }
    for (table, column) in &rule.columns {
        let Some(columns) = tables.get(table) else { continue };
        if !columns.contains_key(column) {
            let near = nearest(column, columns.keys().map(String::as_str));
            let message =
                format!("rule `{id}` names column `{table}.{column}`, which is not there{near}");
            found.push(error(rule.place.1, message));
        }
    }
    for used in &rule.uses {
        for demand in &used.demands {
            let why = unmet(rule, tables, used.of_counterpart, demand);
            found.extend(why.map(|why| error(used.line, format!("rule `{id}`: {why}"))));
        }
    }
    found
}

/// `table.column` and its type.
fn typed<'t>(
    rule: &Rule,
    tables: &'t Tables,
    of_counterpart: bool,
    (whose, column): (Whose, &str),
) -> Option<(String, &'t str)> {
    let is_other = of_counterpart != (whose == Whose::Other);
    let side = rule.sides.get(usize::from(is_other))?;
    let Stream::Table(table) = &side.stream else { return None };
    let kind = tables.get(table)?.get(column)?;
    Some((format!("{table}.{column}"), kind))
}

fn unmet(rule: &Rule, tables: &Tables, of_counterpart: bool, demand: &Demand) -> Option<String> {
    match demand {
        Demand::Of(whose, column, want) => {
            let (name, kind) = typed(rule, tables, of_counterpart, (*whose, column))?;
            let unfit = !fits(sort(kind), *want);
            unfit.then(|| format!("column `{name}` is {kind}: {}", wanted(*want)))
        }
        Demand::Alike(left, right) => {
            let (left, a) = typed(rule, tables, of_counterpart, (left.0, &left.1))?;
            let (right, b) = typed(rule, tables, of_counterpart, (right.0, &right.1))?;
            let exact = fits(sort(a), Want::Comparable) && fits(sort(b), Want::Comparable);
            (exact && sort(a) != sort(b))
                .then(|| format!("column `{left}` is {a} and `{right}` is {b}: they never compare"))
        }
    }
}

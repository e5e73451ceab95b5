//! Columns that rules name, held against the tables as they are: what DDL does to a rule is told, and the others go on.
//!
//! A column counts as it was when it was first seen; one that was never there is no change. Rules that are loaded again
//! accept the tables as they are.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::port::{Tables, Ward};
use super::{Engine, Output, RuleSet};

/// What rules name, and only that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// As they were first seen.
    first: Tables,
    /// As they are.
    now: Tables,
}

fn of<'t>(tables: &'t Tables, table: &str, column: &str) -> Option<&'t String> {
    tables.get(table)?.get(column)
}

impl Columns {
    fn learn(&mut self, tables: &Tables, rules: &RuleSet) {
        self.now = Tables::new();
        let named: BTreeSet<_> = rules.rules().iter().flat_map(|rule| &rule.columns).collect();
        for (table, column) in named {
            let Some(kind) = of(tables, table, column) else { continue };
            let put = |tables: &mut Tables| {
                let columns = tables.entry(table.clone()).or_default();
                columns.entry(column.clone()).or_insert_with(|| kind.clone());
            };
            put(&mut self.first);
            put(&mut self.now);
        }
    }

    /// What has become of a rule's columns.
    fn broken(&self, named: &BTreeSet<(String, String)>) -> Vec<String> {
        let change = |(table, column): &(String, String)| {
            let was = of(&self.first, table, column)?;
            match of(&self.now, table, column) {
                None => Some(format!("column `{table}.{column}` is gone, it was {was}")),
                Some(is) if is != was => {
                    Some(format!("column `{table}.{column}` is {is}, it was {was}"))
                }
                Some(_) => None,
            }
        };
        named.iter().filter_map(change).collect()
    }
}

impl Engine {
    pub(super) fn learn_tables(
        &mut self,
        tables: &Tables,
        ddl: Option<String>,
        outputs: &mut Vec<Output>,
    ) {
        let rules = std::sync::Arc::clone(&self.rules);
        self.columns.learn(tables, &rules);
        let by = ddl.map_or("while nobody read the log".to_owned(), |ddl| format!("by: {ddl}"));
        for rule in rules.rules() {
            let id = rule.head.id.clone();
            // One word for both versions of a rule: that one of them fits must not end what is told of the other.
            if *rules.short_name(rule) != id {
                continue;
            }
            let broken: BTreeSet<String> =
                rules.versions(&id).flat_map(|rule| self.columns.broken(&rule.columns)).collect();
            let broken: Vec<String> = broken.into_iter().collect();
            if broken.is_empty() {
                let all = rules.versions(&id);
                let misfits: Vec<String> =
                    all.flat_map(|rule| rules.misfits_of(rule, tables)).collect();
                if let Some(why) = self.unfit.get(&id).filter(|_| !misfits.is_empty()) {
                    let (why, case) = (format!("rule does not fit its tables: {why}"), why.clone());
                    self.watches.ails(Ward::Columns, id.clone(), self.now, why);
                    self.watches.call(Ward::Columns, &id, case);
                    continue;
                }
                self.unfit.remove(&id);
                self.recovered(Ward::Columns, &id, outputs);
                continue;
            }
            let why = format!("rule broken by DDL: {}; {by}", broken.join(", "));
            self.watches.ails(Ward::Columns, id.clone(), self.now, why);
            self.watches.call(Ward::Columns, &id, broken.join(", "));
        }
    }

    /// Told when the tables are seen, under the same words after each start, and ended when they fit. What DDL broke is told as that.
    pub(super) fn unfit(&mut self, rule: String, why: String) {
        self.unfit.insert(rule, why);
    }

    /// Rules that were held against the tables are written for them as they are. Where nobody could look at the tables, what was
    /// known of them stays.
    pub(super) fn accept_columns(&mut self, outputs: &mut Vec<Output>) {
        self.columns.first = self.columns.now.clone();
        self.unfit.clear();
        let rules = std::sync::Arc::clone(&self.rules);
        rules.rules().iter().for_each(|rule| self.recovered(Ward::Columns, &rule.head.id, outputs));
    }
}

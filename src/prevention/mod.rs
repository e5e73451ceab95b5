//! Pre-emptive avoidance: the six process checks of each loss point, as a list of what each would
//! execute.
//!
//! Owns the order of the processes and one sentence per check; the catalogue owns the checks' schema
//! and has cross-checked them (`lossdrill check`). Knows nothing of a run. Try it: `cargo test --lib
//! prevention`. Not covered: executing them. That comes later, and until then nothing here says that
//! a check holds.

use std::fmt;

use serde::Serialize;

use crate::catalog::{Catalog, Checks, LossPoint};

/// The six processes in which a loss can be avoided before it happens, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Process {
    /// Technical design.
    Design,
    /// Coding standard.
    Code,
    /// Business log.
    Log,
    /// Alerting.
    Alert,
    /// Schema of the books.
    Sql,
    /// Gray release.
    Deploy,
}

impl Process {
    pub const ALL: [Process; 6] = [
        Process::Design,
        Process::Code,
        Process::Log,
        Process::Alert,
        Process::Sql,
        Process::Deploy,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Process::Design => "design",
            Process::Code => "code",
            Process::Log => "log",
            Process::Alert => "alert",
            Process::Sql => "sql",
            Process::Deploy => "deploy",
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One check of one loss point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Guard {
    pub loss_point: String,
    pub process: Process,
    /// What it would execute, each part a sentence of its own.
    pub would: Vec<String>,
}

/// Every check of the catalogue, loss point by loss point, in the order of the processes.
pub fn guards(catalog: &Catalog) -> Vec<Guard> {
    catalog.loss_points.iter().flat_map(guards_of).collect()
}

fn guards_of(point: &LossPoint) -> impl Iterator<Item = Guard> + '_ {
    Process::ALL.into_iter().map(|process| Guard {
        loss_point: point.id.clone(),
        process,
        would: would(process, &point.id, &point.checks),
    })
}

fn would(process: Process, id: &str, checks: &Checks) -> Vec<String> {
    match process {
        Process::Design => {
            vec![format!("read {} and find that it names {id}", checks.design.doc)]
        }
        Process::Code => {
            let code = &checks.code;
            let forbid = code.forbid.iter().map(|pattern| ("no line", pattern));
            let require = code.require.iter().map(|pattern| ("a line", pattern));
            let each = |(what, pattern)| format!("find {what} like /{pattern}/ in {}", code.files);
            forbid.chain(require).map(each).collect()
        }
        Process::Log => {
            let fields = checks.log.fields.join(", ");
            vec![format!("see event {} with {fields} in the log of a scenario", checks.log.event)]
        }
        Process::Alert => {
            let (rule, route) = (&checks.alert.rule, &checks.alert.route);
            vec![format!("find rule {rule} loaded"), format!("get an answer from route {route}")]
        }
        Process::Sql => {
            let unique =
                checks.sql.unique.iter().map(|key| {
                    format!("find a unique key {}({})", key.table, key.columns.join(", "))
                });
            let exact =
                checks.sql.exact.iter().map(|column| {
                    format!("find {}.{} of an exact type", column.table, column.column)
                });
            unique.chain(exact).collect()
        }
        Process::Deploy => {
            let (gray, share) = (&checks.deploy.gray, checks.deploy.starts_at);
            vec![format!("find release plan {gray}, and that it starts at {share}")]
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn catalog() -> Catalog {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        Catalog::load(&root.join("scenarios"), &root.join("drills")).expect("no mistakes")
    }

    #[test]
    fn each_loss_point_is_guarded_in_all_six_processes() {
        let catalog = catalog();
        let guards = guards(&catalog);
        assert!(!catalog.loss_points.is_empty());
        assert_eq!(guards.len(), 6 * catalog.loss_points.len());
        for (six, point) in guards.chunks(6).zip(&catalog.loss_points) {
            let order: Vec<Process> = six.iter().map(|guard| guard.process).collect();
            assert_eq!(order, Process::ALL, "{}", point.id);
            for guard in six {
                assert_eq!(guard.loss_point, point.id);
                assert!(!guard.would.is_empty(), "{} {}", point.id, guard.process);
            }
        }
    }

    #[test]
    fn a_check_says_what_it_would_execute() {
        let all = guards(&catalog());
        let said = |process| {
            let found = all
                .iter()
                .find(|guard| guard.loss_point == "refund-paid-twice" && guard.process == process);
            found.expect("it is in the catalogue").would.clone()
        };
        for (process, expect) in [
            (
                Process::Design,
                &["read scenarios/design/refunds.md#at-most-once and find that it names \
                   refund-paid-twice"][..],
            ),
            (Process::Code, &["find no line like /f64|f32/ in src/shop/services/payouts*.rs"]),
            (
                Process::Log,
                &["see event refund_paid with order_id, refund_id, amount in the log of a \
                   scenario"],
            ),
            (
                Process::Alert,
                &["find rule refund-paid-twice loaded", "get an answer from route pager"],
            ),
            (
                Process::Sql,
                &[
                    "find a unique key refund_payout(payout_no)",
                    "find refund_payout.amount of an exact type",
                ],
            ),
            (Process::Deploy, &["find release plan refund-paid-twice, and that it starts at 10%"]),
        ] {
            assert_eq!(said(process), expect, "{process}");
        }
    }
}

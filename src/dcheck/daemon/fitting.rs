//! Rules held against the tables of the checked platform, when the daemon starts and when rules are loaded again.
//!
//! Owns the order: the files first, then the tables. A rule that the tables contradict refuses the whole set. A server that does not
//! answer refuses nothing: rules are loaded as the files say, and that is told; `rule-broken-by-ddl` watches on.

use std::sync::Arc;
use std::time::Duration;

use mysql_async::{Opts, OptsBuilder};

use super::options::RunOptions;
use super::start::Mistakes;
use crate::dcheck::console::{Files, Loaded};
use crate::dcheck::degradation;
use crate::dcheck::engine::RuleSet;
use crate::dcheck::engine::rules::Rule;
use crate::dcheck::plans::Known;
use crate::dcheck::sources::Tables;
use crate::dcheck::sources::binlog::tables_anew;

/// A server that takes longer to tell its columns is not waited for.
const ASK_LIMIT: Duration = Duration::from_secs(5);

/// Every rule that the tables contradict; else whether anybody could look at the tables.
async fn check(options: &RunOptions, schema: &str, rules: &RuleSet) -> Result<bool, Mistakes> {
    let Some(tables) = tables(options, schema).await? else { return Ok(false) };
    let misfits: Vec<String> = rules.misfits(&tables).iter().map(ToString::to_string).collect();
    if misfits.is_empty() { Ok(true) } else { Err(Mistakes(misfits)) }
}

/// At the start: the same, where nothing was judged before. Where something was (`goes_on`), a column that went meanwhile must not
/// keep all other rules from judging: what does not fit is given back, by rule id, and told as blindness.
pub async fn at_start(
    options: &RunOptions,
    schema: &str,
    rules: &RuleSet,
    goes_on: bool,
) -> Result<Vec<(String, String)>, Mistakes> {
    let Some(tables) = tables(options, schema).await? else { return Ok(Vec::new()) };
    let idle = rules.without_table(&tables);
    if !idle.is_empty() {
        let names = idle.join(", ");
        eprintln!(
            "dcheck: schema `{schema}` lacks tables of these rules, which judge nothing: {names}"
        );
    }
    let mut misfits: Vec<String> = rules.misfits(&tables).iter().map(ToString::to_string).collect();
    let services = super::services::load(&options.files, None).map_err(Mistakes)?;
    // Where something was judged before, it is told when the log is connected.
    misfits.extend(degradation::misfits(&services, &tables));
    if !goes_on && !misfits.is_empty() {
        return Err(Mistakes(misfits));
    }
    let of_rule = |rule: &Arc<Rule>| {
        let why = rules.misfits_of(rule, &tables).join("; ");
        (!why.is_empty()).then(|| (rule.head.id.clone(), why))
    };
    Ok(rules.rules().iter().filter_map(of_rule).collect())
}

/// None where the server does not answer.
async fn tables(options: &RunOptions, schema: &str) -> Result<Option<Tables>, Mistakes> {
    let opts = Opts::from_url(&options.cdc)?;
    let opts: Opts = OptsBuilder::from_opts(opts).prefer_socket(false).into();
    let why = match tokio::time::timeout(ASK_LIMIT, tables_anew(opts, schema)).await {
        Ok(Ok(tables)) => return Ok(Some(tables)),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", ASK_LIMIT.as_secs()),
    };
    eprintln!("dcheck: the rules' columns are not held against the tables: {why}");
    Ok(None)
}

/// Rules alone are replaced; the plans must still name rules that there are.
pub fn reload(options: &RunOptions, schema: &str) -> Box<dyn Fn() -> Loaded + Send + Sync> {
    let (options, schema) = (options.clone(), schema.to_owned());
    let known = Known { targets: options.target_names(), ..Known::default() };
    let tasks = tokio::runtime::Handle::current();
    Box::new(move || {
        let loaded = super::load(&options.files, &known).and_then(|(rules, _)| {
            let fitted = tasks.block_on(check(&options, &schema, &rules))?;
            Ok::<Files, Mistakes>(Files { rules, fitted })
        });
        loaded.map_err(|mistakes| mistakes.0)
    })
}

//! `dcheck rules`: what a person asks of the rules of a running reconciler, over its console.
//!
//! Owns the words of the command line and of the answer. A token is read from a file, so that no list of processes shows it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::start::Mistakes;
use crate::dcheck::engine::gate::Rollout;

/// A console that does not answer in this time is not there.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Looks for an order to be stored, and the pause between two.
const LOOKS: usize = 100;
const LOOK_PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, Debug, Args)]
pub struct RulesOptions {
    #[command(subcommand)]
    verb: Verb,
    /// Console of the reconciler.
    #[arg(long, global = true, value_name = "URL", default_value = "http://127.0.0.1:8090")]
    console: String,
    /// A file with the token alone, of a person of `--people`.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
enum Verb {
    /// Each version with its rollout, and what two versions differ in.
    List,
    /// The candidate (or RULE@VERSION) raises alerts on a share of its subjects, or on all; then the other version falls into shadow.
    Promote {
        rule: String,
        /// A share, like 10%, or full.
        #[arg(long, default_value = "full")]
        to: Rollout,
    },
    /// As it was before the last promotion.
    Rollback { rule: String },
}

/// The command, done: printed, or refused.
pub async fn run(options: RulesOptions) -> Result<(), Mistakes> {
    let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_LIMIT).build()?;
    let list = format!("{}/rules", options.console.trim_end_matches('/'));
    let (rule, path, body) = match &options.verb {
        Verb::List => {
            let rules: Vec<Value> =
                http.get(&list).send().await?.error_for_status()?.json().await?;
            rules.iter().for_each(|rule| println!("{}", line(rule)));
            return Ok(());
        }
        Verb::Promote { rule, to } => (rule, "promote", json!({"to": to})),
        Verb::Rollback { rule } => (rule, "rollback", Value::Null),
    };
    let token = token(options.token_file.as_ref())?;
    let mut post = http.post(format!("{list}/{rule}/{path}")).bearer_auth(token);
    if !body.is_null() {
        post = post.json(&body);
    }
    let answer = post.send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    if !status.is_success() {
        return Err(Mistakes(vec![format!("{path} {rule}: {status}: {text}")]));
    }
    let change: Value = serde_json::from_str(&text)?;
    for _ in 0..LOOKS {
        let rules: Vec<Value> = http.get(&list).send().await?.error_for_status()?.json().await?;
        if is_done(&rules, &change) {
            println!("{}: was {}, is {}", change["rule"], change["was"], change["is"]);
            return Ok(());
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    let why = "taken, and not stored yet: is the results database up? `dcheck rules list` shows it";
    Err(Mistakes(vec![format!("{path} {rule}: {why}")]))
}

fn token(file: Option<&PathBuf>) -> Result<String, Mistakes> {
    let wanted = "--token-file FILE is needed: the token of a person of the daemon's --people";
    let file = file.ok_or_else(|| Mistakes(vec![wanted.to_owned()]))?;
    let text = std::fs::read_to_string(file)
        .map_err(|error| Mistakes(vec![format!("cannot read {}: {error}", file.display())]))?;
    Ok(text.trim().to_owned())
}

/// True where the list shows what was ordered.
fn is_done(rules: &[Value], change: &Value) -> bool {
    let wanted = change["is"].as_object().into_iter().flatten();
    wanted.clone().count() > 0
        && wanted.into_iter().all(|(name, rollout)| {
            let is = |rule: &&Value| text(&rule["rule"]) + "@" + &text(&rule["version"]) == *name;
            rules.iter().find(is).is_some_and(|rule| rule["rollout"] == *rollout)
        })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// One version for people; its difference stands with the candidate.
fn line(rule: &Value) -> String {
    let (id, version) = (text(&rule["rule"]), text(&rule["version"]));
    let mut line = format!("{id}@{version} {}", text(&rule["rollout"]));
    if let Some(who) = rule["ordered_by"].as_str() {
        line.push_str(&format!(", by {who} (its file says {})", text(&rule["file_says"])));
    }
    let diff = &rule["diff"];
    if diff["candidate"] == format!("{id}@{version}") {
        let tally = |key: &str| -> String {
            let money = diff[key]["money"].as_object().into_iter().flatten();
            let sums: Vec<String> = money.map(|(_, sum)| shown(sum)).collect();
            match sums.is_empty() {
                true => diff[key]["count"].to_string(),
                false => format!("{} ({})", diff[key]["count"], sums.join(", ")),
            }
        };
        line.push_str(&format!(
            "; against {}: {} alike, only {} finds {}, only this {}, other amounts {} for {}, otherwise {}",
            text(&diff["elder"]),
            diff["same"],
            text(&diff["elder"]),
            tally("only_elder"),
            tally("only_candidate"),
            tally("amount_of_candidate"),
            tally("amount_of_elder"),
            diff["otherwise"]
        ));
    }
    line
}

fn shown(sum: &Value) -> String {
    serde_json::from_value::<crate::money::Money>(sum.clone())
        .map_or_else(|_| sum.to_string(), |money| money.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_is_shown_with_its_difference() {
        let tally = |count: u64, sum: &str| json!({"count": count, "money": {"CNY": sum}});
        let diff = json!({"elder": "a@1", "candidate": "a@2", "same": 7, "otherwise": 0,
            "only_elder": tally(0, "0.00 CNY"), "only_candidate": tally(2, "5.00 CNY"),
            "amount_of_elder": tally(1, "2.00 CNY"), "amount_of_candidate": tally(1, "7.00 CNY")});
        let rule = json!({"rule": "a", "version": "2", "rollout": "10%", "file_says": "shadow",
            "ordered_by": "anna", "diff": diff});
        assert_eq!(
            line(&rule),
            "a@2 10%, by anna (its file says shadow); against a@1: 7 alike, only a@1 finds 0 (0.00 CNY), \
             only this 2 (5.00 CNY), other amounts 1 (7.00 CNY) for 1 (2.00 CNY), otherwise 0"
        );
        let elder = json!({"rule": "a", "version": "1", "rollout": "full", "diff": rule["diff"]});
        assert_eq!(line(&elder), "a@1 full");
    }

    #[test]
    fn an_order_is_done_when_every_version_is_as_ordered() {
        let change = json!({"rule": "a", "is": {"a@1": "shadow", "a@2": "full"}});
        let list = |one: &str, two: &str| {
            let rule = |version: &str, rollout: &str| json!({"rule": "a", "version": version, "rollout": rollout});
            vec![rule("1", one), rule("2", two)]
        };
        for (one, two, done) in
            [("shadow", "full", true), ("full", "full", false), ("shadow", "10%", false)]
        {
            assert_eq!(is_done(&list(one, two), &change), done, "{one} {two}");
        }
        assert!(!is_done(&[], &change) && !is_done(&list("full", "full"), &json!({})));
    }
}

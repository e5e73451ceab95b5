//! `dcheck services`: how well services are, and what is done about those on which others depend, from a running reconciler.
//!
//! Owns the words of the answer.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::start::Mistakes;

/// A console that does not answer in this time is not there.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, Args)]
pub struct ServicesOptions {
    /// Console of the reconciler.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8090")]
    console: String,
}

pub async fn run(options: ServicesOptions) -> Result<(), Mistakes> {
    let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_LIMIT).build()?;
    let list = format!("{}/services", options.console.trim_end_matches('/'));
    let services: Vec<Value> = http.get(&list).send().await?.error_for_status()?.json().await?;
    services.iter().flat_map(lines).for_each(|line| println!("{line}"));
    Ok(())
}

/// A service, and below it on whom it depends.
fn lines(service: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let measured = &service["measured"];
    let mut line = text(&service["service"]);
    if measured.is_object() {
        line.push_str(&format!(" {}", text(&measured["state"])));
        if let Some(since) = measured["since"].as_str() {
            line.push_str(&format!(" since {since}"));
        }
        line.push_str(&format!(": {} calls, {} failed", measured["calls"], measured["errors"]));
        if let Some(ms) = measured["latency_ms"].as_u64() {
            line.push_str(&format!(", {} {ms} ms", text(&measured["latency_of"])));
        }
        line.push_str(&format!(" ({})", text(&measured["limits"])));
        for (key, what) in [("unreadable", "unreadable"), ("late", "late")] {
            if measured[key].as_u64().is_some_and(|count| count > 0) {
                line.push_str(&format!("; {} {what}", measured[key]));
            }
        }
    }
    let mut lines = vec![line];
    for one in service["dependencies"].as_array().into_iter().flatten() {
        let decision = one["decision"].as_str().unwrap_or("nothing");
        let mut line =
            format!("  on {} ({}): {decision}", text(&one["on"]), text(&one["strength"]));
        if let Some(since) = one["since"].as_str() {
            line.push_str(&format!(" since {since}"));
        }
        if let Some(plan) = one["plan"].as_str() {
            line.push_str(&format!(", by plan {plan}"));
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dcheck::degradation::{Measured, Told, ToldDependency};

    #[test]
    fn a_service_and_its_dependencies_for_people() {
        let measured = Measured {
            state: "ill",
            since: Some("T".into()),
            calls: 40,
            errors: 3,
            latency_of: "p99",
            latency_ms: Some(900),
            limits: "l".into(),
            unreadable: 2,
            ..Measured::default()
        };
        let points = Told { service: "points".into(), measured: Some(measured), ..Told::default() };
        let told = |told: &Told| lines(&serde_json::to_value(told).unwrap());
        assert_eq!(
            told(&points),
            ["points ill since T: 40 calls, 3 failed, p99 900 ms (l); 2 unreadable"]
        );
        let on = |on: &str| ToldDependency {
            on: on.into(),
            strength: "weak",
            ..ToldDependency::default()
        };
        let (decision, since, plan) =
            (Some("degrade"), Some("T".into()), Some("drop-points".into()));
        let dependencies =
            vec![ToldDependency { decision, since, plan, ..on("points") }, on("mail")];
        let checkout = Told { service: "checkout".into(), dependencies, ..Told::default() };
        assert_eq!(
            told(&checkout),
            [
                "checkout",
                "  on points (weak): degrade since T, by plan drop-points",
                "  on mail (weak): nothing"
            ]
        );
    }
}

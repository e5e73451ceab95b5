//! Rules over HTTP: `GET /rules`, and with a person's token `POST /rules/{rule}/promote` and `/rules/{rule}/rollback`.
//!
//! Owns the words of a request and of the list: each version with its rollout, its figures, and what it differs in from the other
//! version. An order is taken, not done, when it is answered (202): `GET /rules` shows it from when it is stored; `dcheck rules`
//! waits for that.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{Console, Order};
use super::people::person;
use super::rollouts::Wish;
use super::silences::{order, refused};
use super::view::View;
use crate::dcheck::engine::gate::Rollout;

type Shared = State<Arc<Console>>;

/// What a person asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    /// `10%` or `full`.
    #[serde(default = "full")]
    to: Rollout,
}

fn full() -> Rollout {
    Rollout::Full
}

pub async fn list(State(console): Shared) -> Response {
    Json(told(&console.view())).into_response()
}

pub async fn promote(
    State(console): Shared,
    Path(rule): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text: &[u8] = if body.is_empty() { b"{}" } else { &body };
    match serde_json::from_slice::<Request>(text) {
        Ok(Request { to }) => take(&console, &headers, Wish::Promote { rule, to }).await,
        Err(error) => refused(vec![error.to_string()]),
    }
}

pub async fn roll_back(
    State(console): Shared,
    Path(rule): Path<String>,
    headers: HeaderMap,
) -> Response {
    take(&console, &headers, Wish::RollBack { rule }).await
}

async fn take(console: &Console, headers: &HeaderMap, wish: Wish) -> Response {
    let who = match person(console, headers, "roll out rules") {
        Ok(who) => who,
        Err(refusal) => return *refusal,
    };
    let (rules, mut rollouts) = {
        let view = console.view();
        (Arc::clone(&view.rules), view.rollouts.clone())
    };
    match rollouts.take(&rules, &wish, &who, console.clock.now()) {
        Ok((_, change)) => {
            order(console, Order::RollOut { wish, who }).await;
            (StatusCode::ACCEPTED, Json(change)).into_response()
        }
        Err(why) => refused(vec![why]),
    }
}

/// The list, from the view.
fn told(view: &View) -> Vec<Value> {
    let one = |rule: &Arc<crate::dcheck::engine::rules::Rule>| {
        let head = &rule.head;
        let by = view.rollouts.by(&head.id);
        json!({
            "rule": head.id,
            "version": head.version,
            "severity": head.severity,
            "loss_point": head.loss_point,
            "rollout": view.rules.rollout(rule),
            "file_says": rule.rollout,
            "ordered_by": by.as_ref().map(|(who, _)| who),
            "ordered_at": by.as_ref().map(|(_, at)| at),
            "counts": view.counts.get(&rule.name),
            "lookups": view.lookups.get(&rule.name),
            "shedding": view.shed.get(&rule.name),
            "diff": view.diffs.get(&head.id),
        })
    };
    view.rules.rules().iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dcheck::engine::{Diff, rules::load};

    #[test]
    fn the_list_says_who_raises_and_what_differs() {
        let text = "- {id: a, version: 1, loss_point: l, severity: P1, rollout: full, strategy: self-watch, \
                    watches: rules, when_absent: finding}\n";
        let younger = text.replace("version: 1", "version: 2").replace("full", "shadow");
        let set = load(&[("r.yaml".into(), format!("{text}{younger}"))]).expect("rules");
        let mut view = View { rules: Arc::new(set), ..View::default() };
        let wish = Wish::Promote { rule: "a".into(), to: Rollout::Percent(10) };
        let at = crate::clock::CellTime(0);
        let (rules, _) = view.rollouts.take(&view.rules, &wish, "anna", at).expect("taken");
        view.rules = Arc::new(rules);
        view.diffs.insert("a".to_owned(), Diff { same: 3, ..Diff::default() });
        let list = told(&view);
        assert_eq!((&list[0]["rollout"], &list[1]["rollout"]), (&json!("full"), &json!("10%")));
        assert_eq!(
            (&list[1]["file_says"], &list[1]["ordered_by"]),
            (&json!("shadow"), &json!("anna"))
        );
        assert_eq!(list[0]["diff"]["same"], 3);
    }
}

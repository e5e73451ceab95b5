//! Plans over HTTP: `GET /plans[?state=…]`, `GET /plans/halted`, `POST /plans/dry-run`; with a person's token `POST
//! /plans/{run}/approve`, `/refuse`, `/revert`, `POST /plans/halt` and `/plans/resume`.
//!
//! Owns the words of a request and what may be asked of a run as it stands. Each word of a person has a reason. An
//! order is taken, not done, when it is answered (202): `GET /plans` tells what became of it. A kill switch alone works
//! at once, and is answered (200) when it is stored; 202 where the results database has not taken it by then. The dry
//! run asks for no token, because it changes nothing.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::oneshot;

use super::http::{Console, Order, Tasks, send};
use super::people::person;
use crate::dcheck::plans::spec::PlanSpec;
use crate::dcheck::plans::{
    ALL, Counting, Halt, Halts, Stage, Supposed, Word, may_go_back, rehearse, state_name,
};
use crate::wire::{PlanRun, PlanState};

type Shared = State<Arc<Console>>;

/// A reason is a sentence or two.
const WHY_CHARS: usize = 500;
/// A commit takes some ms; who throws a kill switch is told within a few breaths how it stands.
const STORED_LIMIT: Duration = Duration::from_secs(3);

/// What a person orders of plans.
#[derive(Debug)]
pub enum PlanOrder {
    Approve {
        run_id: String,
        word: Word,
    },
    Refuse {
        run_id: String,
        word: Word,
    },
    Revert {
        run_id: String,
        word: Word,
    },
    /// It works already; it is to be told, and stored: then `stored` hears of it.
    Halted {
        halt: Halt,
        stored: oneshot::Sender<()>,
    },
    Resumed {
        halt: Halt,
        word: Word,
        stored: oneshot::Sender<()>,
    },
}

/// What the console knows of plans.
pub struct Plans {
    pub specs: Vec<Arc<PlanSpec>>,
    pub halts: Arc<Halts>,
    /// What counts so far towards plans that wait for several findings.
    pub counts: Arc<Mutex<Counting>>,
    pub topic_prefix: String,
}

#[derive(Deserialize)]
pub struct Asked {
    /// As `GET /plans` names it, like `waiting-approval`.
    state: Option<String>,
}

pub async fn list(State(console): Shared, Query(asked): Query<Asked>) -> Response {
    let mut runs = console.tasks().map(|tasks| tasks.runs.list()).unwrap_or_default();
    if let Some(state) = asked.state {
        let known = STATES.map(state_name);
        if !known.contains(&state.as_str()) {
            return refused(&format!("no state `{state}`: {}", known.join(", ")));
        }
        runs.retain(|run| state_name(run.state) == state);
    }
    Json(runs).into_response()
}

const STATES: [PlanState; 6] = [
    PlanState::Armed,
    PlanState::WaitingApproval,
    PlanState::Running,
    PlanState::Effective,
    PlanState::Failed,
    PlanState::Reverted,
];

pub async fn halted(State(console): Shared) -> Response {
    Json(console.tasks().map(|tasks| tasks.plans.halts.list()).unwrap_or_default()).into_response()
}

/// 200 with one entry for each plan of the finding's rule.
pub async fn dry_run(State(console): Shared, body: Bytes) -> Response {
    let Some(tasks) = console.tasks() else { return starting() };
    let supposed: Supposed = match serde_json::from_slice(&body) {
        Ok(supposed) => supposed,
        Err(error) => return refused(&error.to_string()),
    };
    let Plans { specs, halts, counts, topic_prefix } = &tasks.plans;
    let stage = Stage { specs, runs: &tasks.runs.list(), halts, counts, topic_prefix };
    match rehearse(&stage, supposed, console.clock.now()) {
        Ok(rehearsals) => Json(rehearsals).into_response(),
        Err(why) => refused(&why),
    }
}

pub async fn approve(
    state: Shared,
    run_id: Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    of_run(state, run_id, headers, body, Verb::Approve).await
}

pub async fn refuse(
    state: Shared,
    run_id: Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    of_run(state, run_id, headers, body, Verb::Refuse).await
}

pub async fn revert(
    state: Shared,
    run_id: Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    of_run(state, run_id, headers, body, Verb::Revert).await
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Approve,
    Refuse,
    Revert,
}

async fn of_run(
    State(console): Shared,
    Path(run_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
    verb: Verb,
) -> Response {
    let (tasks, word) = match asked(&console, &headers, &body) {
        Ok((tasks, request, who)) => (tasks, Word { who, why: request.why }),
        Err(refusal) => return *refusal,
    };
    let Some(run) = tasks.runs.find(&run_id) else {
        let why = format!("no plan run `{run_id}`: GET /plans lists them");
        return (StatusCode::NOT_FOUND, why).into_response();
    };
    let spec = tasks.plans.specs.iter().find(|spec| spec.id == run.plan);
    if let Err(why) = may(verb, &run, spec.map(Arc::as_ref), tasks.plans.halts.on(&run.plan)) {
        return (StatusCode::CONFLICT, why).into_response();
    }
    let order = match verb {
        Verb::Approve => PlanOrder::Approve { run_id, word },
        Verb::Refuse => PlanOrder::Refuse { run_id, word },
        Verb::Revert => PlanOrder::Revert { run_id, word },
    };
    give(&console, order).await;
    StatusCode::ACCEPTED.into_response()
}

/// Whether it may be asked of the run as it stands.
fn may(
    verb: Verb,
    run: &PlanRun,
    spec: Option<&PlanSpec>,
    halt: Option<Halt>,
) -> Result<(), String> {
    let (id, state) = (&run.run_id, state_name(run.state));
    let Some(spec) = spec else {
        return Err(format!("plan `{}` of run `{id}` is gone: put its file back", run.plan));
    };
    match verb {
        // One that is armed has touched nothing: a refusal comes in time.
        Verb::Refuse if run.state == PlanState::Armed => Ok(()),
        Verb::Approve | Verb::Refuse if run.state != PlanState::WaitingApproval => {
            Err(format!("run `{id}` is {state}: it waits for nobody's approval"))
        }
        Verb::Approve => match halt {
            Some(halt) => Err(format!("{halt}; POST /plans/resume first")),
            None => Ok(()),
        },
        Verb::Refuse => Ok(()),
        Verb::Revert if may_go_back(run, spec) => Ok(()),
        Verb::Revert if run.state == PlanState::Failed && run.steps.is_empty() => {
            Err(format!("run `{id}` is {state}, and has touched nothing"))
        }
        Verb::Revert if !matches!(run.state, PlanState::Effective | PlanState::Failed) => {
            Err(match run.state {
                PlanState::WaitingApproval => format!("run `{id}` is {state}: refuse it"),
                _ => format!(
                    "run `{id}` is {state}: only what is effective, or failed half-way, is reverted"
                ),
            })
        }
        Verb::Revert if spec.revert.is_empty() => {
            Err(format!("plan `{}` has no `revert`: {}", spec.id, sop(spec)))
        }
        Verb::Revert => Ok(()),
    }
}

fn sop(spec: &PlanSpec) -> String {
    if spec.sop.is_empty() { "undo it by hand".to_owned() } else { format!("see {}", spec.sop) }
}

pub async fn halt(State(console): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let (tasks, request, who) = match asked(&console, &headers, &body) {
        Ok(asked) => asked,
        Err(refusal) => return *refusal,
    };
    let plan = match plan_of(tasks, request.plan) {
        Ok(plan) => plan,
        Err(why) => return refused(&why),
    };
    let halt = Halt { plan, who, why: request.why, since: console.clock.now() };
    if !tasks.plans.halts.throw(halt.clone()) {
        let why = "it is thrown already: GET /plans/halted tells by whom";
        return (StatusCode::CONFLICT, why).into_response();
    }
    let (stored, wait) = oneshot::channel();
    give(&console, PlanOrder::Halted { halt, stored }).await;
    told_once_stored(wait, "in force, not stored yet").await
}

pub async fn resume(State(console): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let (tasks, request, who) = match asked(&console, &headers, &body) {
        Ok(asked) => asked,
        Err(refusal) => return *refusal,
    };
    let plan = request.plan.unwrap_or_else(|| ALL.to_owned());
    let Some(halt) = tasks.plans.halts.lift(&plan) else {
        let why = format!("`{plan}` is not halted: GET /plans/halted lists what is");
        return (StatusCode::CONFLICT, why).into_response();
    };
    let (word, (stored, wait)) = (Word { who, why: request.why }, oneshot::channel());
    give(&console, PlanOrder::Resumed { halt, word, stored }).await;
    told_once_stored(wait, "lifted, not stored yet").await
}

/// None: all plans.
fn plan_of(tasks: &Tasks, plan: Option<String>) -> Result<String, String> {
    let Some(plan) = plan else { return Ok(ALL.to_owned()) };
    let mut known = tasks.plans.specs.iter().map(|spec| spec.id.as_str());
    match plan == ALL || known.any(|id| id == plan) {
        true => Ok(plan),
        false => {
            let known: Vec<&str> = tasks.plans.specs.iter().map(|spec| spec.id.as_str()).collect();
            Err(format!("no plan `{plan}`: {}", known.join(", ")))
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    why: String,
    /// Of a kill switch: one plan; without it all of them.
    #[serde(default)]
    plan: Option<String>,
}

fn asked<'c>(
    console: &'c Console,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(&'c Tasks, Request, String), Box<Response>> {
    let who = person(console, headers, "order anything of plans")?;
    let tasks = console.tasks().ok_or_else(|| Box::new(starting()))?;
    let request = read(body).map_err(|why| Box::new(refused(&why)))?;
    Ok((tasks, request, who))
}

fn read(body: &[u8]) -> Result<Request, String> {
    let request: Request = serde_json::from_slice(body)
        .map_err(|error| format!("{error}; write {{\"why\": \"what you saw\"}}"))?;
    match request.why.trim().chars().count() {
        0 => Err("`why` is empty: say what you saw".to_owned()),
        1..=WHY_CHARS => Ok(request),
        _ => Err(format!("`why` is longer than {WHY_CHARS} characters")),
    }
}

async fn give(console: &Console, order: PlanOrder) {
    console.inbound.fetch_add(1, Ordering::AcqRel);
    send(console, Order::Plan(order)).await;
}

/// 200 where it survives a crash from here on; else 202.
pub(super) async fn once_stored(stored: oneshot::Receiver<()>) -> StatusCode {
    match tokio::time::timeout(STORED_LIMIT, stored).await {
        Ok(Ok(())) => StatusCode::OK,
        _ => StatusCode::ACCEPTED,
    }
}

/// Where it is not stored yet, what is so far.
async fn told_once_stored(stored: oneshot::Receiver<()>, so_far: &'static str) -> Response {
    match once_stored(stored).await {
        StatusCode::OK => StatusCode::OK.into_response(),
        status => (status, so_far).into_response(),
    }
}

fn refused(why: &str) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"refused": [why]}))).into_response()
}

fn starting() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "starting: try again").into_response()
}

#[cfg(test)]
#[path = "plans_tests.rs"]
mod tests;

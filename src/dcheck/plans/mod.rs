//! Emergency plans: alert -> plan -> idempotent actions with proof of effect and revert.
//!
//! Owns the plan files (`spec`, `load`), the decision (`planner`, pure) and the execution
//! (`executor`, `run`,
//! `action`). Must not know sources or rules. Try it: `cargo test --lib dcheck::plans`.
//! Not covered: approval by several people, Kafka actions, a kill switch over all plans.

mod action;
mod counting;
mod executor;
mod halts;
mod load;
mod load_when;
mod planner;
mod run;
pub mod spec;

pub use action::Targets;
pub use executor::{Ended, Executor, Nudge, RunsState, Shared, plan_event};
pub use halts::{ALL, Halt, Halts};
pub use load::{Known, PlanMistakes, load_dir, load_texts};
pub use planner::{Decision, Finding, Planner, is_active};

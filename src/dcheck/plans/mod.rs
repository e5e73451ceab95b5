//! Emergency plans: alert -> plan -> idempotent actions with proof of effect and revert.
//!
//! Owns the plan files (`spec`, `load`), the decision (`planner`, pure) and the execution
//! (`executor`, `run`, `work`, `turns`, `action`), the kill switch (`halts`) and the dry run (`rehearsal`). Must not know
//! sources or rules.
//! Try it: `cargo test --lib dcheck::plans`.
//! Not covered: approval by several people.

mod action;
mod counting;
mod executor;
mod halts;
mod load;
mod load_when;
#[cfg(test)]
mod mock;
mod planner;
mod rehearsal;
mod run;
pub mod spec;
mod turns;
mod waits;
mod words;
mod work;

pub use action::Targets;
pub use counting::Counting;
pub use executor::{
    Ended, Executor, Nudge, RunsState, Shared, Word, may_go_back, plan_event, state_name,
};
pub use halts::{ALL, Halt, Halts};
pub use load::{Known, PlanMistakes, load_dir, load_texts};
pub use planner::{Decision, Finding, Planner, is_active};
pub use rehearsal::{Rehearsal, Stage, Supposed, rehearse};
pub use turns::Turns;

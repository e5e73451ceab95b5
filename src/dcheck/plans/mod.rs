//! Room `dcheck::plans`: alert -> plan -> idempotent actions with proof of effect and revert.

mod load;
mod reading;
pub mod spec;

pub use load::{Known, PlanMistakes, load_dir, load_texts};

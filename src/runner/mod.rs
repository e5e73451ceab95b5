//! Runs scenarios: the ten steps, the clock of each cell, the one judging loop.
//!
//! Owns *when*: rest, advance, order, limits. What a sentence means is in `steps`, what a fault does in `faults`,
//! what a pass is worth in `expect`. The cucumber crate lives here (`world`) and in `steps`, nowhere else.
//! Try it: `lossdrill run --loss-point bid-below-market`.

mod background;
mod bench;
mod clockwork;
mod conduct;
mod desk;
mod duty;
mod feed;
mod ground;
mod hearing;
mod judge;
mod more;
mod panics;
mod play;
mod proofs;
mod rest;
mod run;
mod unrest;
mod world;

pub use bench::{Bench, Demand, Ground};
pub use conduct::Trouble;
pub use ground::nemesis;
pub use hearing::{Hearing, HearingError};
pub use more::More;
pub use run::{Programs, RunError, RunOptions, RunResult, run, run_id, schema};

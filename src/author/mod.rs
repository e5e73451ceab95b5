//! Help for those who write scenarios: `check` tells all mistakes at once, `steps` shows the vocabulary.
//!
//! Owns the reports as data and their text, JSON and HTML forms; exit codes are those of the published contract. Needs
//! no server. Must not run a scenario. Try it: `lossdrill check`, `lossdrill steps refund`. Not covered: `new`, `fmt`,
//! `lint --fix`.

mod check;
mod listing;

pub use check::{CheckArgs, CheckReport, Checked, check};
pub use listing::{Listing, steps};

//! Help for those who write scenarios: `new` writes the first ones, `check` tells all mistakes at once, `lint` the style
//! as well, `fmt` gives one form, `steps` shows the vocabulary.
//!
//! Owns the reports as data and their text, JSON and HTML forms; exit codes are those of the published contract. Needs
//! no server. Must not run a scenario. Try it: `lossdrill check`, `lossdrill new refund-paid-twice`.

mod check;
mod fmt;
mod lint;
mod listing;
mod new;

pub use check::{CheckArgs, CheckReport, Checked, check};
pub use fmt::{Formatting, fmt, formatted};
pub use lint::{LintRule, Linting, RULES, lint};
pub use listing::{Listing, steps};
pub use new::{Draft, NewError, NewFrom};

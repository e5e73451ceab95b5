//! The console: what the reconciler says of itself over HTTP.
//!
//! Owns the routes (`http`, `silences`), the metrics text (`metrics`, `METRICS.md`), the view that the daemon keeps up to
//! date (`view`) and who may silence alerts (`people`). Must not know the engine's inside or the database. Not covered: a
//! page for people; authentication of anything but silences.

mod http;
pub mod metrics;
mod people;
mod silences;
mod view;

pub use http::{Console, Loaded, Order, Tasks, serve};
pub use people::People;
pub use view::{Figures, SourceView, View};

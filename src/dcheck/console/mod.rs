//! The console: what the reconciler says of itself over HTTP.
//!
//! Owns the routes (`http`, `silences`, `plans`), the metrics text (`metrics`, `METRICS.md`), the view that the daemon keeps
//! up to date (`view`) and who may silence alerts and order anything of plans (`people`). Must not know the engine's inside
//! or the database. Not covered: a page for people; authentication of anything but these two.

mod http;
pub mod metrics;
mod people;
mod plans;
mod silences;
mod view;

pub use http::{Console, Loaded, Order, Tasks, serve};
pub use people::People;
pub use plans::{PlanOrder, Plans};
pub use view::{Figures, SourceView, View};

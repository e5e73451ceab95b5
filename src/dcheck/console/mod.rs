//! The console: what the reconciler says of itself over HTTP.
//!
//! Owns the routes (`http`, `silences`, `plans`, `rules`, `services`), which rollouts people ordered (`rollouts`), the metrics text
//! (`metrics`, `METRICS.md`), the view that the daemon keeps up to date (`view`) and who may silence alerts, order anything of
//! plans and roll out rules (`people`). Must not know the engine's inside or the database. Not covered: a page for people;
//! authentication of anything but these three.

mod http;
pub mod metrics;
mod people;
mod plans;
mod rollouts;
mod rules;
mod services;
mod silences;
mod view;

pub use http::{Console, Files, Loaded, Order, Tasks, serve};
pub use people::People;
pub use plans::{PlanOrder, Plans};
pub use rollouts::{Rollouts, Wish};
pub use view::{Figures, LoadView, SourceView, View};

//! The console: what the reconciler says of itself over HTTP.
//!
//! Owns the routes (`http`), the metrics text (`metrics`) and the view that the daemon keeps up to
//! date (`view`). Must not know the engine's inside or the database. Not covered: a page for
//! people, authentication.

mod http;
mod metrics;
mod view;

pub use http::{Console, Loaded, Order, Tasks, serve};
pub use view::{Figures, SourceView, View};

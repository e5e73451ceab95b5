//! Lossdrill: fault drills for real-time reconciliation.
//!
//! One library, three programs. A layer imports only downward; rooms parted by `|` never import each other.
//! `tests/tidy.rs` holds this map:
//!
//! ```text
//! cli
//! report | drill | author
//! runner
//! steps
//! coverage | prevention
//! catalog
//! faults | platform | probe | expect | oracle
//! stage | forge
//! proxy
//! journal | config
//! wire | money | clock
//!
//! dcheck   (imports wire, money, clock and nothing else)
//! shop     (imports wire, money, clock and nothing else)
//! ```

pub mod clock;
pub mod money;
pub mod wire;

#[cfg(feature = "dcheck")]
pub mod dcheck;

#[cfg(feature = "shop")]
pub mod shop;

#[cfg(feature = "harness")]
pub mod author;
#[cfg(feature = "harness")]
pub mod catalog;
#[cfg(feature = "harness")]
pub mod cli;
#[cfg(feature = "harness")]
pub mod config;
#[cfg(feature = "harness")]
pub mod coverage;
#[cfg(feature = "harness")]
pub mod drill;
#[cfg(feature = "harness")]
pub mod expect;
#[cfg(feature = "harness")]
pub mod faults;
#[cfg(feature = "harness")]
pub mod forge;
#[cfg(feature = "harness")]
pub mod journal;
#[cfg(feature = "harness")]
pub mod oracle;
#[cfg(feature = "harness")]
pub mod platform;
#[cfg(feature = "harness")]
pub mod prevention;
#[cfg(feature = "harness")]
pub mod probe;
#[cfg(feature = "harness")]
pub mod proxy;
#[cfg(feature = "harness")]
pub mod report;
#[cfg(feature = "harness")]
pub mod runner;
#[cfg(feature = "harness")]
pub mod stage;
#[cfg(feature = "harness")]
pub mod steps;

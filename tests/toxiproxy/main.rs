//! `lossdrill proxy` as its clients meet it: over HTTP and through its ports. `LOSSDRILL_TOXIPROXY_CLI` or
//! `ci/setup --toxiproxy` gives the official CLI.
#![cfg(feature = "harness")]

mod api;
mod official;
mod ours;
mod program;
mod toxics;
mod wrongs;

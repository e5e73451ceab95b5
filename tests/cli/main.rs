//! The command line as QA, operators and pipelines meet it, through the real binary.
//!
//! `mistakes` and `looks` need no server. `endings`, `stage` and a part of `authoring` need what `ci/setup --local` prepares: without it each test
//! says that it is skipped; with `LOSSDRILL_NEED_SERVERS=1` (as `ci/test` sets) a skip is a failure.
#![cfg(feature = "harness")]

mod authoring;
mod endings;
mod looks;
mod mistakes;
mod project;
mod runs;
mod stage;

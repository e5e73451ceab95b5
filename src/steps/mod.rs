//! The step vocabulary, and feature files read into data.
//!
//! Owns the one table of sentences (English and Chinese side by side), the strict reading of `features/**/*.feature`
//! and all that can be known wrong about a scenario before anything runs. Must not know the runner, nor do what a
//! sentence says. Try it: `lossdrill check`, `cargo test --lib steps`.

mod params;
mod scenario;
mod sentence;
mod table;
mod vocabulary;

pub use crate::catalog::SubjectKind;
pub use crate::config::Tier;
pub use params::{BadValue, PARAMETER_TYPES, ParameterType, ValueError};
pub use scenario::{Language, Scenario, Step};
pub use sentence::{Bound, Kind, Sentence};
pub use table::{Row, VOCABULARY};
pub use vocabulary::{Match, Vocabulary, VocabularyError, vocabulary, wording};

//! The step vocabulary, and feature files read into data.
//!
//! Owns the one table of sentences (English and Chinese side by side), the strict reading of `features/**/*.feature`
//! and all that can be known wrong about a scenario before anything runs. Must not know the runner, nor do what a
//! sentence says. Try it: `lossdrill check`, `cargo test --lib steps`. Not covered: doc strings (no sentence takes
//! one), languages other than `en` and `zh-CN`.

mod bind;
mod compiled;
mod document;
mod keywords;
mod known;
mod lint;
mod lint_faults;
mod load;
mod names;
mod params;
mod plan_table;
mod proofs;
mod said;
mod scan;
mod scenario;
mod script;
mod selection;
mod sentence;
mod slips;
mod tag_expression;
mod tags;
mod translate;
mod tree;
mod twins;
mod vocabulary;

pub use crate::catalog::SubjectKind;
pub use crate::config::Tier;
pub use compiled::{Match, Vocabulary, VocabularyError, normalise, vocabulary, wording};
pub use document::{Document, Pickle, document};
pub use keywords::{Heading, StepWord, step_words, word_for};
pub use known::{CHANNELS, FaultCheck, Known, PATTERNS, SOURCES};
pub use load::{Loaded, feature_files, load_features, read_feature, read_features};
pub use names::Names;
pub use params::{BadValue, PARAMETER_TYPES, ParameterType, ValueError};
pub use proofs::{plan_scopes, proofs};
pub use said::{Said, Value};
pub use scan::{Line, LineKind, Scan, kind_of, scan};
pub use scenario::{Example, Language, Scenario, Step};
pub use script::{Move, Script, ScriptError};
pub use selection::{FeaturePlace, NothingSelected, Selection, of_drill, of_shard};
pub use sentence::{Bound, Kind, Sentence};
pub use tag_expression::{TagExpression, TagExpressionError};
pub use translate::translated;
pub use vocabulary::{Deeds, Meaning, Probe, ProbeActs, Row, VOCABULARY, probe, probes_made};

#[cfg(test)]
mod document_tests;
#[cfg(test)]
mod mistake_cases;
#[cfg(test)]
mod mistake_tests;
#[cfg(test)]
mod row_tests;

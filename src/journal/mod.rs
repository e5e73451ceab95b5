//! The append-only record of a run (`runs/<id>/journal.ndjson`), flushed per entry, and `History` to query it.
//!
//! The journal is the source of every verdict and report, so its vocabulary lives here: acts, postings, fault uses,
//! expectations, entries. Must never be written after a verdict without saying so, and knows nothing of who writes.
//! Try it: `cargo test --lib journal`.

mod act;
mod basis;
mod books;
mod business;
mod cast;
mod entry;
mod exit;
mod expectation;
mod history;
mod ledger;
mod posting;
pub mod story;
mod writer;

pub use act::{Act, Outcome, Role};
pub use basis::{Basis, Demands, PointFacts, Selected, Shard, ShardError, SourceText};
pub use books::{BadRow, Books, Flaw, Flight, Party, RowKind, curve_of, peak, value_at};
pub use business::{Business, Demand, Expected, OwnBook};
pub use cast::{Cast, Owner};
pub use entry::{Entry, Event, FaultUse, LossPointFacts, Phase, ScenarioFacts, ServiceFacts};
pub use exit::Exit;
pub use expectation::{Expectation, Verdict, Word};
pub use history::History;
pub use ledger::{Amount, LedgerLine};
pub use posting::{Book, Posting, PostingKind, Promise};
pub use writer::{Journal, JournalError, Scribe, read_journal, write_journal};

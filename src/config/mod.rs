//! What people write for the machine: `lossdrill.yaml`, and how any such file's mistakes are told.
//!
//! Owns the configuration (stage, system under test, platform, policy) with defaults that need no file, the units that
//! files share, and [`Mistake`]. Must be read once, at the start of a program. Try it: `cargo test --lib config`.

mod file;
mod mapping;
mod mistake;
mod settings;
mod system;
mod units;
mod width;
pub mod yaml;

pub use file::DEFAULT_FILE;
pub use mapping::{FieldError, JsonPath, Mapping, PathError, Template};
pub use mistake::{Mistake, Place, Severity, in_order, list, nearest, or_known};
pub use settings::{
    Call, Cells, Feed, FeedFormat, FeedFrom, Guard, Platform, PlatformKind, Policy, Provider,
    ServerSettings, Settings, StageSettings, SystemKind, SystemUnderTest, Tier,
};
pub use system::{ALERT_FIELDS, PLAN_FIELDS, WATERMARK_FIELDS};
pub use units::{Percent, Span, UnitError};
pub use width::{cut, padded, width, wrapped};

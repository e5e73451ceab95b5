//! Pure, seeded data: healthy traffic (`fake`) and malicious data (`proptest` strategies).
//!
//! The same seed gives the same acts byte for byte, on every machine, whatever ran before. Owns
//! what buyers, sellers and attackers do; must never do IO, read a clock, or know how an act is
//! applied and what a rule thinks of it.
//! Try it: `cargo test --lib forge`. Not covered: shrinking (a draw is data for one scenario, not a
//! search).

mod bids;
mod healthy;
mod patterns;
mod refunds;
mod seed;

pub use healthy::{HEALTHY_ACTS_MIN, healthy};
pub use patterns::{Context, Draw, ForgeError, PatternSpec, draw, pattern, patterns};
pub use seed::Seed;

/// The payment channels that the practice platform is joined to.
pub const CHANNELS: [&str; 3] = ["alipay", "wechat", "unionpay"];

/// What the practice platform sells.
pub const CATEGORIES: [&str; 4] = ["sneakers", "watches", "handbags", "figures"];

//! Gray release: which verdicts of a rule may raise alerts.
//!
//! Owns [`Rollout`]. A key is the subject's id; it always falls on the same side, by the first 32 bits of SHA-256 over rule id,
//! a zero byte and key: every process agrees, and a percentage only grows into what it had. Versions of a rule share
//! the sides. Knows no rule.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Rollout {
    /// The rule sees no event.
    Off,
    /// Verdicts are stored, nothing is raised.
    Shadow,
    /// Keys of this share raise alerts, the others are in shadow.
    Percent(u8),
    Full,
}

impl Rollout {
    /// 0..=100: of the keys, how many raise alerts.
    pub fn share(self) -> u8 {
        match self {
            Rollout::Off | Rollout::Shadow => 0,
            Rollout::Percent(share) => share,
            Rollout::Full => 100,
        }
    }

    /// True where the verdicts on `key` are only stored.
    pub fn is_shadow(self, rule: &str, key: &str) -> bool {
        match self {
            Rollout::Off | Rollout::Shadow => true,
            Rollout::Full => false,
            Rollout::Percent(share) => percentile(rule, key) >= share,
        }
    }
}

impl fmt::Display for Rollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rollout::Off => f.write_str("off"),
            Rollout::Shadow => f.write_str("shadow"),
            Rollout::Percent(share) => write!(f, "{share}%"),
            Rollout::Full => f.write_str("full"),
        }
    }
}

impl FromStr for Rollout {
    type Err = String;

    fn from_str(text: &str) -> Result<Rollout, String> {
        let share = text.strip_suffix('%').and_then(|share| share.parse::<u8>().ok());
        match (text, share) {
            ("off", _) => Ok(Rollout::Off),
            ("shadow", _) => Ok(Rollout::Shadow),
            ("full", _) => Ok(Rollout::Full),
            (_, Some(share @ 0..=100)) => Ok(Rollout::Percent(share)),
            _ => Err(format!("`rollout: {text}` is not known: write off, shadow, 10% or full")),
        }
    }
}

impl TryFrom<String> for Rollout {
    type Error = String;

    fn try_from(text: String) -> Result<Rollout, String> {
        text.parse()
    }
}

impl From<Rollout> for String {
    fn from(rollout: Rollout) -> String {
        rollout.to_string()
    }
}

/// 0..=99, by hash: the same for the same rule and key everywhere.
fn percentile(rule: &str, key: &str) -> u8 {
    let digest = Sha256::new().chain_update(rule).chain_update([0]).chain_update(key).finalize();
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    ((u64::from(number) * 100) >> 32) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_stable_and_only_grows() {
        let keys: Vec<String> = (0..1_000).map(|n| format!("O-{n}")).collect();
        let raised = |share: u8| -> Vec<&String> {
            let open = |key: &&String| !Rollout::Percent(share).is_shadow("r", key);
            keys.iter().filter(open).collect()
        };
        let (ten, twenty) = (raised(10), raised(20));
        assert!((50..150).contains(&ten.len()), "{}", ten.len());
        assert!(ten.iter().all(|key| twenty.contains(key)));
        assert!(raised(0).is_empty());
        assert_eq!(raised(100).len(), keys.len());
        assert!(Rollout::Shadow.is_shadow("r", "k") && !Rollout::Full.is_shadow("r", "k"));
    }

    #[test]
    fn sides_are_those_that_the_page_names() {
        // Worked out by hand from SHA-256: a change of these would move subjects of running rules to the other side.
        for (rule, key, side) in [("r", "k", 21), ("bid-below-market", "SKU-1", 21)] {
            assert_eq!(percentile(rule, key), side, "{rule} {key}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for text in ["off", "shadow", "0%", "10%", "100%", "full"] {
            assert_eq!(text.parse::<Rollout>().unwrap().to_string(), text);
        }
        for text in ["", "10", "101%", "-1%", "Full", "half"] {
            assert!(text.parse::<Rollout>().is_err(), "{text}");
        }
    }
}

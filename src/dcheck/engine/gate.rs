//! Gray release: which verdicts of a rule may raise alerts.
//!
//! Owns [`Rollout`]. A key always falls on the same side, so that a percentage can only grow. Knows
//! no rule. Not covered: a diff of two versions' verdicts (both are stored under their version;
//! comparing them is the console's).

use sha2::{Digest, Sha256};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// True where the verdicts on `key` are only stored.
    pub fn is_shadow(self, rule: &str, key: &str) -> bool {
        match self {
            Rollout::Off | Rollout::Shadow => true,
            Rollout::Full => false,
            Rollout::Percent(share) => percentile(rule, key) >= share,
        }
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
}

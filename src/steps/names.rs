//! The unique ids behind a scenario's names.
//!
//! `order "O-1"` of one scenario must never meet `order "O-1"` of another, nor of its own canary. Channels are
//! references of the platform and keep their names.

use std::collections::BTreeMap;

/// Names of one run through a scenario's sentences: the scenario itself, or its canary.
#[derive(Clone, Debug, Default)]
pub struct Names {
    suffix: String,
    ids: BTreeMap<String, String>,
}

impl Names {
    /// Every id gets `-suffix`.
    pub fn new(suffix: impl Into<String>) -> Names {
        Names { suffix: suffix.into(), ids: BTreeMap::new() }
    }

    /// The id behind `name`, and whether it was just made.
    pub fn id(&mut self, name: &str) -> (String, bool) {
        if let Some(id) = self.ids.get(name) {
            return (id.clone(), false);
        }
        let id = format!("{name}-{}", self.suffix);
        self.ids.insert(name.to_owned(), id.clone());
        (id, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_id_and_never_meets_another_run() {
        let (mut attack, mut canary) = (Names::new("k3"), Names::new("k3c"));
        assert_eq!(attack.id("O-1"), ("O-1-k3".to_owned(), true));
        assert_eq!(attack.id("O-1"), ("O-1-k3".to_owned(), false));
        assert_ne!(canary.id("O-1").0, attack.id("O-1").0);
    }
}

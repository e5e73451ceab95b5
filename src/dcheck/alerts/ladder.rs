//! The ladders of pauses between two attempts to tell one message, by name.
//!
//! Owns the figures. An attempt is repeated until somebody acknowledges it: the last pause is taken again and again.

/// How patient a delivery is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ladder {
    /// A receiver that restarts is met again within a second, a dead one is not hammered.
    #[default]
    Steady,
    /// The published 30/60/90 s: for a receiver that must not be asked often.
    Patient,
    /// For a receiver next door.
    Eager,
}

const STEADY_MS: [i64; 7] = [50, 100, 200, 400, 800, 2_000, 5_000];
const PATIENT_MS: [i64; 3] = [30_000, 60_000, 90_000];
const EAGER_MS: [i64; 3] = [20, 100, 500];

impl Ladder {
    pub const NAMES: [&str; 3] = ["steady", "patient", "eager"];

    pub fn from_name(name: &str) -> Option<Ladder> {
        let ladders = [Ladder::Steady, Ladder::Patient, Ladder::Eager];
        Ladder::NAMES.iter().position(|known| *known == name).map(|index| ladders[index])
    }

    /// The pause after failed attempt number `attempt`, from 0.
    pub fn pause_ms(self, attempt: usize) -> i64 {
        let steps: &[i64] = match self {
            Ladder::Steady => &STEADY_MS,
            Ladder::Patient => &PATIENT_MS,
            Ladder::Eager => &EAGER_MS,
        };
        steps[attempt.min(steps.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ladder_ends_in_its_last_pause() {
        for (name, first_ms, last_ms) in
            [("steady", 50, 5_000), ("patient", 30_000, 90_000), ("eager", 20, 500)]
        {
            let ladder = Ladder::from_name(name).expect(name);
            assert_eq!((ladder.pause_ms(0), ladder.pause_ms(1_000)), (first_ms, last_ms), "{name}");
        }
        assert_eq!(Ladder::from_name("hasty"), None);
    }
}

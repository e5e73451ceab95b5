//! Exit codes: what a pipeline reads before anything else.

use std::process::ExitCode;

/// The exit codes of `lossdrill`; where several apply, the worst wins (see [`Exit::worst`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    Proved = 0,
    /// A defence failed; a deaf reconciler is one.
    Failed = 1,
    Usage = 2,
    /// Inconclusive, a stage that cannot come up included.
    Inconclusive = 3,
    /// Nothing found or nothing selected.
    Nothing = 4,
    Policy = 5,
    /// Mistakes in features or catalogue.
    Authoring = 6,
    /// Aborted; all reverted.
    Aborted = 7,
    /// A revert could not be proved.
    Dirty = 8,
}

/// From the worst to the best.
const SEVERITY: [Exit; 9] = [
    Exit::Dirty,
    Exit::Usage,
    Exit::Authoring,
    Exit::Failed,
    Exit::Aborted,
    Exit::Inconclusive,
    Exit::Nothing,
    Exit::Policy,
    Exit::Proved,
];

impl Exit {
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The exit of a number, as journals keep it.
    pub fn of_code(code: u8) -> Option<Exit> {
        SEVERITY.into_iter().find(|exit| exit.code() == code)
    }

    /// The worst of `exits`; [`Exit::Proved`] of none.
    pub fn worst(exits: impl IntoIterator<Item = Exit>) -> Exit {
        let rank = |exit: &Exit| SEVERITY.iter().position(|other| other == exit);
        exits.into_iter().min_by_key(rank).unwrap_or(Exit::Proved)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_wins() {
        use Exit::*;
        for (exits, worst) in [
            (vec![], Proved),
            (vec![Proved, Policy], Policy),
            (vec![Inconclusive, Failed], Failed),
            (vec![Failed, Usage], Usage),
            (vec![Dirty, Usage], Dirty),
            (vec![Aborted, Inconclusive], Aborted),
            (vec![Authoring, Failed], Authoring),
            (vec![Nothing, Policy], Nothing),
        ] {
            assert_eq!(Exit::worst(exits), worst);
        }
    }
}

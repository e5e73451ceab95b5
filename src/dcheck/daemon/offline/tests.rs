//! The order of a sweep, as far as no server is needed.

use clap::Parser;

use super::*;
use crate::clock::parse_rfc3339;
use crate::dcheck::daemon::options::{Cli, Command};

#[tokio::test]
async fn the_day_is_over_by_the_clock_that_the_program_was_given() {
    let words = "dcheck reconcile --rules none --sql mysql://127.0.0.1:1/s --day 2026-01-05 \
                 --table t --no-alerts --drill-clock";
    for (now, part) in [
        ("2026-01-05T23:59:00Z", "a sweep is of a day that is over"),
        // The next mistake: it went on.
        ("2026-01-06T00:00:00Z", "none"),
    ] {
        let Command::Reconcile(options) =
            Cli::try_parse_from(words.split_whitespace()).unwrap().command
        else {
            panic!("not reconcile")
        };
        assert!(options.drill_clock);
        let clock = Clock::starting_at(parse_rfc3339(now).unwrap());
        let Err(Mistakes(told)) = run(*options, clock).await else { panic!("it ran") };
        assert!(
            told[0].contains(part) && told[0].contains("2026-01-0") != (part == "none"),
            "{told:?}"
        );
    }
}

#[test]
fn what_was_closed_and_not_told_is_told_before_it_is_swept_once_more() {
    for (stage, is_untold) in [(Stage::Reading, false), (Stage::Closed, true), (Stage::Told, false)]
    {
        let progress = Progress { stage, found: Some((7, 9)), ..Progress::default() };
        let found = untold(&serde_json::to_string(&progress).unwrap());
        let expect = is_untold.then_some(Some((7, 9)));
        assert_eq!(found.map(|progress| progress.found), expect, "{stage:?}");
    }
    assert!(untold("{}").is_none());
}

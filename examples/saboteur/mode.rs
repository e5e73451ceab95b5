//! The ways to betray, and two that only annoy.

use std::str::FromStr;

/// What is changed on the way; everything else passes untouched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    PassThrough,

    // The alerts.
    /// Alerts of one rule never arrive.
    Swallow(String),
    /// Alerts arrive more than a minute of cell time later, and say so.
    Late,
    /// As late, and their `startsAt` claims that they were in time.
    Backdated,
    WrongSubject,
    WrongAmount,
    WrongLossPoint,
    /// Every alert comes twice, the second time under another fingerprint.
    SecondFingerprint,
    /// An alert for what one rule judged matched, where the subject's id begins with `about`.
    CriesWolf {
        rule: String,
        about: String,
    },
    /// With the first true alert comes one of the same rule about an order of the healthy traffic.
    CriesAtStrangers,
    /// Alerts arrive as half a body each.
    Garbled,

    // What the reconciler says of itself.
    DeadFromTheStart,
    NeverReady,
    /// Change capture breaks off once and never comes back.
    DeafAfterAReconnect,
    /// Change capture is cut, and the watermark says that all was read and settled; no blind alert.
    DeafAndLying,
    WorksWithoutEnd,
    NoJudgements,
    /// An advance is acknowledged, and time goes on as it did.
    ClockIgnored,

    // The plans.
    /// Plan actions are answered, and proofs too, but nothing is done.
    PlanWithoutEffect,
    /// A stop plan stops everything.
    PlanOutOfScope,
    /// Plans are done, and nobody is told.
    PlanUnannounced,
    /// Plans are done and reported only when the time to respond is over.
    PlanLate,
    /// A stop is lifted behind everybody's back just before it is called effective.
    PlanUndoneAtOnce,
    /// A stop is lifted behind everybody's back when half of its time is over.
    PlanWearsOff,
    /// The end of a stop is acknowledged, and it stays.
    PlanNeverReverts,
    /// A plan runs on what was found good, before anything went wrong.
    PlanWithoutCause,
    /// With the first alert a plan runs on an order of the healthy traffic as well.
    PlanBesideThePoint,

    // A nuisance, and no betrayal.
    /// Each alert and each plan run is posted three times.
    Resends,
    /// Each alert and each plan run is posted a while later, in real time.
    SlowPosts,
}

impl FromStr for Mode {
    type Err = String;

    /// Reads `late`, `swallow:RULE`, `cries-wolf:RULE` or `cries-wolf:RULE@SUBJECT`.
    fn from_str(text: &str) -> Result<Mode, String> {
        let (name, rule) = text.split_once(':').unwrap_or((text, ""));
        Ok(match name {
            "pass-through" => Mode::PassThrough,
            "swallow" if !rule.is_empty() => Mode::Swallow(rule.to_owned()),
            "late" => Mode::Late,
            "backdated" => Mode::Backdated,
            "wrong-subject" => Mode::WrongSubject,
            "wrong-amount" => Mode::WrongAmount,
            "wrong-loss-point" => Mode::WrongLossPoint,
            "second-fingerprint" => Mode::SecondFingerprint,
            "cries-wolf" if !rule.is_empty() => {
                let (rule, about) = rule.split_once('@').unwrap_or((rule, ""));
                Mode::CriesWolf { rule: rule.to_owned(), about: about.to_owned() }
            }
            "cries-at-strangers" => Mode::CriesAtStrangers,
            "garbled" => Mode::Garbled,
            "dead-from-the-start" => Mode::DeadFromTheStart,
            "never-ready" => Mode::NeverReady,
            "deaf-after-a-reconnect" => Mode::DeafAfterAReconnect,
            "deaf-and-lying" => Mode::DeafAndLying,
            "works-without-end" => Mode::WorksWithoutEnd,
            "no-judgements" => Mode::NoJudgements,
            "clock-ignored" => Mode::ClockIgnored,
            "plan-without-effect" => Mode::PlanWithoutEffect,
            "plan-out-of-scope" => Mode::PlanOutOfScope,
            "plan-unannounced" => Mode::PlanUnannounced,
            "plan-late" => Mode::PlanLate,
            "plan-undone-at-once" => Mode::PlanUndoneAtOnce,
            "plan-wears-off" => Mode::PlanWearsOff,
            "plan-never-reverts" => Mode::PlanNeverReverts,
            "plan-without-cause" => Mode::PlanWithoutCause,
            "plan-beside-the-point" => Mode::PlanBesideThePoint,
            "resends" => Mode::Resends,
            "slow-posts" => Mode::SlowPosts,
            _ => return Err(format!("no mode `{text}`")),
        })
    }
}

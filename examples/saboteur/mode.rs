//! The ways to betray.

use std::str::FromStr;

/// What is changed on the way; everything else passes untouched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    PassThrough,
    /// Alerts of one rule never arrive.
    Swallow(String),
    /// Alerts arrive more than a minute of cell time later.
    Late,
    WrongSubject,
    WrongAmount,
    /// Every alert comes twice, the second time under another fingerprint.
    SecondFingerprint,
    /// An alert for what one rule judged matched, where the subject's id begins with `about`.
    CriesWolf {
        rule: String,
        about: String,
    },
    /// Change capture breaks off once and never comes back.
    DeafAfterAReconnect,
    /// Plan actions are answered, and proofs too, but nothing is done.
    PlanWithoutEffect,
    /// A stop plan stops everything.
    PlanOutOfScope,
    DeadFromTheStart,
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
            "wrong-subject" => Mode::WrongSubject,
            "wrong-amount" => Mode::WrongAmount,
            "second-fingerprint" => Mode::SecondFingerprint,
            "cries-wolf" if !rule.is_empty() => {
                let (rule, about) = rule.split_once('@').unwrap_or((rule, ""));
                Mode::CriesWolf { rule: rule.to_owned(), about: about.to_owned() }
            }
            "deaf-after-a-reconnect" => Mode::DeafAfterAReconnect,
            "plan-without-effect" => Mode::PlanWithoutEffect,
            "plan-out-of-scope" => Mode::PlanOutOfScope,
            "dead-from-the-start" => Mode::DeadFromTheStart,
            _ => return Err(format!("no mode `{text}`")),
        })
    }
}

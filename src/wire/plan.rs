//! Emergency-plan runs and single judgements.

use serde::{Deserialize, Serialize};

use super::Subject;

/// The effect that a plan declares, and by which it is proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The act it stops in its scope: `buy`, `refund`.
    Stops(String),
    /// Expected equals actual again.
    Repairs,
    /// A person has been told.
    Notifies,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanState {
    Armed,
    WaitingApproval,
    Running,
    Effective,
    Failed,
    Reverted,
}

/// Proof that one step of a plan was done once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReceipt {
    pub step: String,
    /// `http 200`, `1 row`: what the target answered.
    pub receipt: String,
    /// RFC 3339, cell time.
    pub at: String,
}

/// One run of an emergency plan; posted on every change of state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRun {
    pub plan: String,
    pub run_id: String,
    /// Fingerprint of the alert that triggered it.
    pub alert: String,
    pub rule: String,
    /// What it touched.
    pub scope: Vec<Subject>,
    pub effect: Effect,
    #[serde(default)]
    pub steps: Vec<StepReceipt>,
    pub state: PlanState,
    /// RFC 3339, cell time.
    pub started_at: String,
    pub updated_at: String,
    /// When it reverts by itself, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverts_at: Option<String>,
    /// For people: why it failed, why it was extended.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    Matched,
    Mismatched,
    Expired,
    Refused,
    Unknown,
}

impl Judgement {
    pub const ALL: [Judgement; 5] = [
        Judgement::Matched,
        Judgement::Mismatched,
        Judgement::Expired,
        Judgement::Refused,
        Judgement::Unknown,
    ];

    /// The word for it, in JSON too.
    pub fn name(self) -> &'static str {
        match self {
            Judgement::Matched => "matched",
            Judgement::Mismatched => "mismatched",
            Judgement::Expired => "expired",
            Judgement::Refused => "refused",
            Judgement::Unknown => "unknown",
        }
    }
}

/// One verdict of one rule on one subject (`GET judged?after=N`, in order of `seq`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    pub seq: u64,
    pub rule: String,
    pub version: String,
    pub subject: Subject,
    pub occurrence: String,
    pub judgement: Judgement,
    /// RFC 3339, cell time.
    pub at: String,
}

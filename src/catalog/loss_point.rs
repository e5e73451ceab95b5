//! A loss point as data: what is lost, how fast it must be seen, and what guards it.

use serde::Serialize;

use super::SubjectKind;
use crate::config::{Percent, Place, Span};
use crate::journal::LossPointFacts;
use crate::money::{Money, MoneyError};

/// The business domains; `scenarios/<domain>.yaml` is named after one.
pub const DOMAINS: [&str; 12] = [
    "bid",
    "order",
    "payment",
    "refund",
    "stock",
    "coupon",
    "settlement",
    "wallet",
    "points",
    "invoice",
    "logistics",
    WATCHER,
];

/// The domain whose loss is silence: the reconciler itself is the subject.
pub const WATCHER: &str = "watcher";

/// One entry of `scenarios/<domain>.yaml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LossPoint {
    pub id: String,
    pub title: String,
    pub domain: String,
    pub cause: Cause,
    pub loss: Loss,
    pub priority: Priority,
    /// Why the priority is not the one that the loss gives.
    pub priority_reason: Option<String>,
    pub subject: SubjectKind,
    pub deadlines: Deadlines,
    pub rules: Vec<String>,
    /// Other rules that are true of the same bad money, each with its reason.
    pub with: Vec<(String, String)>,
    /// The business's allowance until a posting counts as missing.
    pub grace: Span,
    pub plan: Option<String>,
    pub checks: Checks,
    pub reproduce: Vec<Reproduce>,
    #[serde(skip)]
    pub place: Place,
}

impl LossPoint {
    /// The reconciler itself is the subject, or how well a service is: no bad row is expected.
    pub fn is_watcher(&self) -> bool {
        self.domain == WATCHER || self.subject == SubjectKind::Dependency
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    DesignDefect,
    ServiceFailure,
    MiddlewareFailure,
    HumanError,
    MaliciousUser,
}

impl Cause {
    pub const ALL: [(&'static str, Cause); 5] = [
        ("design-defect", Cause::DesignDefect),
        ("service-failure", Cause::ServiceFailure),
        ("middleware-failure", Cause::MiddlewareFailure),
        ("human-error", Cause::HumanError),
        ("malicious-user", Cause::MaliciousUser),
    ];
}

/// The loss in theory: per event, times events, for as long as it may go on unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    pub per_event: Money,
    pub events_per_hour: u32,
    pub worst_duration: Span,
}

impl Loss {
    /// The product, in whole minor units, rounded up: a loss is never told smaller than it is.
    pub fn theoretical(&self) -> Result<Money, MoneyError> {
        const HOUR_MS: i128 = 3_600_000;
        let events_ms = i128::from(self.events_per_hour) * i128::from(self.worst_duration.as_ms());
        let minor = (i128::from(self.per_event.minor) * events_ms + HOUR_MS - 1) / HOUR_MS;
        i64::try_from(minor)
            .map(|minor| Money::new(minor, self.per_event.currency))
            .map_err(|_| MoneyError::Overflow(self.per_event.to_string()))
    }
}

/// How much a point matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    P0,
    P1,
    P2,
    P3,
    P4,
}

impl Priority {
    pub const ALL: [(&'static str, Priority); 5] = [
        ("p0", Priority::P0),
        ("p1", Priority::P1),
        ("p2", Priority::P2),
        ("p3", Priority::P3),
        ("p4", Priority::P4),
    ];

    /// From the theoretical loss in major units: an hour of a p0 pays for a person's year of watching it.
    pub fn of_loss(theoretical: Money) -> Priority {
        let major = theoretical.minor / 10_i64.pow(theoretical.currency.scale());
        match major {
            5_000.. => Priority::P0,
            1_000..5_000 => Priority::P1,
            100..1_000 => Priority::P2,
            1..100 => Priority::P3,
            _ => Priority::P4,
        }
    }

    pub fn name(self) -> &'static str {
        Priority::ALL[self as usize].0
    }
}

/// 1-5-10: detect in 1 minute, respond in 5, contain in 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Deadlines {
    pub detect: Span,
    pub respond: Span,
    pub contain: Span,
}

/// Pre-emptive avoidance: one executable guard in each of the six processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checks {
    pub design: DesignCheck,
    pub code: CodeCheck,
    pub log: LogCheck,
    pub alert: AlertCheck,
    pub sql: SqlCheck,
    pub deploy: DeployCheck,
}

/// Technical design: the section exists and names the point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DesignCheck {
    /// `scenarios/design/refunds.md#at-most-once`
    pub doc: String,
}

/// Coding standard: a pattern that files must or must not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CodeCheck {
    pub forbid: Option<String>,
    pub require: Option<String>,
    /// A glob.
    #[serde(rename = "in")]
    pub files: String,
}

/// Business log: the event with its fields, seen during a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogCheck {
    pub event: String,
    pub fields: Vec<String>,
}

/// Alerting: the rule is loaded, its channel acknowledges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlertCheck {
    pub rule: String,
    pub route: String,
}

/// The schema itself, read from the real database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SqlCheck {
    pub unique: Option<UniqueKey>,
    /// A column of an exact type.
    pub exact: Option<Column>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UniqueKey {
    pub table: String,
    pub columns: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    pub table: String,
    pub column: String,
}

/// Release: the rule's gray-release plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeployCheck {
    pub gray: String,
    pub starts_at: Percent,
}

/// How the loss is brought about on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reproduce {
    Fault(String),
    /// A pattern of the forge.
    Data(String),
}

impl LossPoint {
    /// What the judge needs; `effect` is that of the point's plan.
    pub fn facts(&self, effect: Option<crate::wire::Effect>) -> LossPointFacts {
        LossPointFacts {
            id: self.id.clone(),
            title: self.title.clone(),
            detect_ms: self.deadlines.detect.as_ms(),
            respond_ms: self.deadlines.respond.as_ms(),
            contain_ms: self.deadlines.contain.as_ms(),
            grace_ms: self.grace.as_ms(),
            rules: self.rules.clone(),
            with: self.with.iter().map(|(rule, _)| rule.clone()).collect(),
            plan: self.plan.clone(),
            effect,
            watcher: self.is_watcher(),
            per_event: self.loss.per_event,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_theoretical_loss_is_the_product_and_gives_the_priority() {
        for (per_event, events_per_hour, secs, expect, priority) in [
            (Money::cny(19_900), 40, 3600, Money::cny(796_000), Priority::P0),
            (Money::cny(19_900), 40, 600, Money::cny(132_667), Priority::P1),
            (Money::cny(1), 1, 1, Money::cny(1), Priority::P4),
            (Money::cny(0), 40, 3600, Money::cny(0), Priority::P4),
        ] {
            let loss = Loss { per_event, events_per_hour, worst_duration: Span::from_secs(secs) };
            let theoretical = loss.theoretical().unwrap();
            assert_eq!((theoretical, Priority::of_loss(theoretical)), (expect, priority));
        }
        let worst_duration = Span::from_secs(1_000_000);
        let loss = Loss { per_event: Money::cny(i64::MAX), events_per_hour: 40, worst_duration };
        assert!(loss.theoretical().is_err());
    }
}

//! The alert as Alertmanager's webhook version 4 tells it.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::clock::{CellTime, rfc3339};
use crate::dcheck::results::VerdictRow;
use crate::wire::{Alert, AlertState, Subject, Webhook, WebhookAlert};

/// Alertmanager's zero time: an alert that has not ended.
const NOT_ENDED: &str = "0001-01-01T00:00:00Z";
pub const FIRING: &str = "firing";
pub const RESOLVED: &str = "resolved";

/// The same for the same business fact, whatever the log position, the process or the time.
pub fn fingerprint(rule: &str, subject: &Subject, occurrence: &str) -> String {
    digest(&[rule, &subject.kind, &subject.id, occurrence])
}

/// 16 hexadecimal digits that stand for `parts`.
pub fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length first: ("ab", "c") and ("a", "bc") differ.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(&hash.finalize()[..8])
}

/// The alert of a verdict, as the console lists it.
pub fn wire_alert(verdict: &VerdictRow, starts_at: CellTime, state: AlertState) -> Alert {
    Alert {
        rule: verdict.rule.clone(),
        loss_point: verdict.loss_point.clone(),
        subject: verdict.subject.clone(),
        occurrence: verdict.occurrence.clone(),
        severity: verdict.severity.clone(),
        at_risk: verdict.at_risk,
        expected: verdict.expected.clone(),
        actual: verdict.actual.clone(),
        position: verdict.position.clone(),
        starts_at: rfc3339(starts_at.0),
        state,
        fingerprint: fingerprint(&verdict.rule, &verdict.subject, &verdict.occurrence),
    }
}

/// The alert as it stands in a webhook.
pub fn webhook_alert(alert: &Alert, ends_at: Option<CellTime>) -> WebhookAlert {
    let status = match alert.state {
        AlertState::Firing => FIRING,
        AlertState::Resolved => RESOLVED,
    };
    let labels: BTreeMap<String, String> = [
        ("alertname", &alert.rule),
        ("loss_point", &alert.loss_point),
        ("subject_kind", &alert.subject.kind),
        ("subject", &alert.subject.id),
        ("occurrence", &alert.occurrence),
        ("severity", &alert.severity),
    ]
    .map(|(name, value)| (name.to_owned(), value.clone()))
    .into();
    // Money and positions are annotations: as labels they would change the fingerprint.
    let at_risk = alert.at_risk.map(|money| format!("{} {}", money.plain_amount(), money.currency));
    let summary = summary(alert);
    let annotations: BTreeMap<String, String> = [
        ("at_risk", at_risk.unwrap_or_default()),
        ("expected", alert.expected.clone()),
        ("actual", alert.actual.clone()),
        ("position", alert.position.clone()),
        ("summary", summary),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    WebhookAlert {
        status: status.into(),
        labels,
        annotations,
        starts_at: alert.starts_at.clone(),
        ends_at: ends_at.map_or_else(|| NOT_ENDED.into(), |at| rfc3339(at.0)),
        generator_url: String::new(),
        fingerprint: alert.fingerprint.clone(),
    }
}

/// The other way: what channels with a form of their own tell.
pub fn from_webhook(alert: &WebhookAlert) -> Alert {
    let label = |name: &str| alert.labels.get(name).cloned().unwrap_or_default();
    let note = |name: &str| alert.annotations.get(name).cloned().unwrap_or_default();
    Alert {
        rule: label("alertname"),
        loss_point: label("loss_point"),
        subject: Subject::new(label("subject_kind"), label("subject")),
        occurrence: label("occurrence"),
        severity: label("severity"),
        at_risk: note("at_risk").parse().ok(),
        expected: note("expected"),
        actual: note("actual"),
        position: note("position"),
        starts_at: alert.starts_at.clone(),
        state: if alert.status == FIRING { AlertState::Firing } else { AlertState::Resolved },
        fingerprint: alert.fingerprint.clone(),
    }
}

/// The body to post for one alert by itself.
pub fn webhook_body(alert: &Alert, ends_at: Option<CellTime>) -> String {
    single(webhook_alert(alert, ends_at))
}

/// The same of an alert that is in the webhook's form already.
pub fn single(alert: WebhookAlert) -> String {
    let rule = alert.labels.get("alertname").cloned().unwrap_or_default();
    group_body([("alertname".to_owned(), rule)].into(), vec![alert])
}

/// The body to post for a group: `labels` are those that all its alerts share by the grouping.
pub fn group_body(labels: BTreeMap<String, String>, alerts: Vec<WebhookAlert>) -> String {
    let status = if alerts.iter().any(|alert| alert.status == FIRING) { FIRING } else { RESOLVED };
    let named: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    write(Webhook {
        version: "4".into(),
        group_key: format!("{{}}:{{{}}}", named.join(", ")),
        status: status.into(),
        receiver: "dcheck".into(),
        group_labels: labels,
        common_labels: common(alerts.iter().map(|alert| &alert.labels)),
        common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
        external_url: String::new(),
        truncated_alerts: 0,
        alerts,
    })
}

/// Nothing to tell: it asks a channel for a sign of life.
pub fn heartbeat() -> String {
    group_body([("alertname".to_owned(), "heartbeat".to_owned())].into(), Vec::new())
}

fn write(body: Webhook) -> String {
    serde_json::to_string(&body).expect("invariant: a webhook is plain data")
}

/// What all of them say alike.
fn common<'a>(
    mut maps: impl Iterator<Item = &'a BTreeMap<String, String>>,
) -> BTreeMap<String, String> {
    let mut shared = maps.next().cloned().unwrap_or_default();
    maps.for_each(|map| shared.retain(|name, value| map.get(name) == Some(value)));
    shared
}

fn summary(alert: &Alert) -> String {
    let risk = alert.at_risk.map(|money| format!(", {money} at risk")).unwrap_or_default();
    match alert.state {
        AlertState::Firing => format!(
            "{}: {} {}{risk}: expected {}, found {}",
            alert.rule, alert.subject, alert.occurrence, alert.expected, alert.actual
        ),
        AlertState::Resolved => format!("{}: {} is right again", alert.rule, alert.subject),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Money;
    use crate::wire::Judgement;

    fn verdict() -> VerdictRow {
        VerdictRow {
            seq: 1,
            rule: "refund-paid-twice".into(),
            version: "1".into(),
            loss_point: "refund-paid-twice".into(),
            subject: Subject::new("refund", "R-1"),
            occurrence: "T-2".into(),
            revision: String::new(),
            severity: "P0".into(),
            resolved: false,
            alerting: false,
            judgement: Judgement::Mismatched,
            expected: "1 payout".into(),
            actual: "2 payouts".into(),
            at_risk: Some(Money::cny(499_900)),
            position: "channel.flow/0:17".into(),
            at_ms: 1_767_578_400_123,
        }
    }

    #[test]
    fn fingerprints_tell_business_facts_apart_and_nothing_else() {
        let order = |id: &str| Subject::new("order", id);
        let base = fingerprint("r", &order("O-1"), "T-1");
        assert_eq!(base, fingerprint("r", &order("O-1"), "T-1"));
        assert_eq!(base.len(), 16);
        for other in [
            fingerprint("r2", &order("O-1"), "T-1"),
            fingerprint("r", &order("O-2"), "T-1"),
            fingerprint("r", &Subject::new("refund", "O-1"), "T-1"),
            fingerprint("r", &order("O-1"), "T-2"),
            fingerprint("r", &order("O-1T"), "-1"),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn the_body_is_alertmanagers_with_money_as_an_annotation() {
        let alert = wire_alert(&verdict(), CellTime(1_767_578_400_123), AlertState::Firing);
        let body: Webhook = serde_json::from_str(&webhook_body(&alert, None)).unwrap();
        let told = &body.alerts[0];
        assert_eq!((body.version.as_str(), told.status.as_str()), ("4", "firing"));
        let names: Vec<&str> = told.labels.keys().map(String::as_str).collect();
        let wanted =
            ["alertname", "loss_point", "occurrence", "severity", "subject", "subject_kind"];
        assert_eq!(names, wanted);
        assert_eq!(told.annotations["at_risk"], "4999.00 CNY");
        assert_eq!(told.starts_at, "2026-01-05T02:00:00.123Z");
        assert_eq!(told.ends_at, NOT_ENDED);
        assert_eq!(told.fingerprint, alert.fingerprint);
    }

    #[test]
    fn the_end_has_the_same_fingerprint_and_start() {
        let start = CellTime(1_767_578_400_123);
        let firing = wire_alert(&verdict(), start, AlertState::Firing);
        let resolved = wire_alert(&verdict(), start, AlertState::Resolved);
        let body: Webhook =
            serde_json::from_str(&webhook_body(&resolved, Some(start.plus_ms(1_000)))).unwrap();
        assert_eq!(body.status, "resolved");
        assert_eq!(body.alerts[0].starts_at, firing.starts_at);
        assert_eq!(body.alerts[0].fingerprint, firing.fingerprint);
        assert_eq!(body.alerts[0].ends_at, "2026-01-05T02:00:01.123Z");
    }
}

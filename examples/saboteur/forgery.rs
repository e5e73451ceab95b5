//! Alerts and plan runs that are not what the reconciler said.

use lossdrill::clock::{CellTime, rfc3339};
use lossdrill::wire::{
    Effect, Judged, Judgement, PlanRun, PlanState, Subject, Webhook, WebhookAlert,
};

pub fn wrong_subject(alert: &mut WebhookAlert) {
    alert.labels.entry("subject".to_owned()).or_default().push_str("-other");
    alert.fingerprint.push('s');
}

/// Where the alert names an amount at all.
pub fn wrong_amount(alert: &mut WebhookAlert) {
    if let Some(amount) = alert.annotations.get_mut("at_risk") {
        let other = if amount == "0.01 CNY" { "0.02 CNY" } else { "0.01 CNY" };
        other.clone_into(amount);
    }
}

pub fn wrong_loss_point(alert: &mut WebhookAlert) {
    alert.labels.entry("loss_point".to_owned()).or_default().push_str("-other");
}

pub fn second_fingerprint(alert: &WebhookAlert) -> WebhookAlert {
    let mut twin = alert.clone();
    twin.fingerprint.push('2');
    twin
}

/// An alert about something that its rule found good.
pub fn wolf(judged: &Judged) -> Webhook {
    cry(&judged.rule, &judged.rule, judged)
}

/// An alert like `alert`, about something that another rule found good.
pub fn at_stranger(alert: &WebhookAlert, stranger: &Judged) -> Webhook {
    let label = |name: &str| alert.labels.get(name).map(String::as_str).unwrap_or_default();
    cry(label("alertname"), label("loss_point"), stranger)
}

fn cry(rule: &str, loss_point: &str, about: &Judged) -> Webhook {
    let labels = [
        ("alertname", rule),
        ("loss_point", loss_point),
        ("subject_kind", about.subject.kind.as_str()),
        ("subject", about.subject.id.as_str()),
        ("occurrence", about.occurrence.as_str()),
        ("severity", "P1"),
    ];
    let alert = WebhookAlert {
        status: "firing".to_owned(),
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        annotations: Default::default(),
        starts_at: about.at.clone(),
        ends_at: String::new(),
        generator_url: String::new(),
        fingerprint: format!("wolf-{rule}-{}", about.seq),
    };
    Webhook {
        version: "4".to_owned(),
        group_key: "wolf".to_owned(),
        status: "firing".to_owned(),
        receiver: "lossdrill".to_owned(),
        group_labels: Default::default(),
        common_labels: Default::default(),
        common_annotations: Default::default(),
        external_url: String::new(),
        truncated_alerts: 0,
        alerts: vec![alert],
    }
}

/// A plan that nobody wrote, done to `scope`; `alert` is the fingerprint of what is said to have started it.
pub fn panic_button(scope: &Subject, alert: &str, now: CellTime) -> PlanRun {
    PlanRun {
        plan: "panic-button".to_owned(),
        run_id: format!("panic-{}", scope.id),
        alert: alert.to_owned(),
        rule: "panic".to_owned(),
        scope: vec![scope.clone()],
        effect: Effect::Notifies,
        steps: Vec::new(),
        state: PlanState::Effective,
        started_at: rfc3339(now.0),
        updated_at: rfc3339(now.0),
        reverts_at: None,
        note: String::new(),
    }
}

/// An order of the healthy traffic that its rule found good: ids of a scenario's own are written as in its feature.
pub fn is_stranger(judged: &Judged) -> bool {
    let healthy = judged.subject.kind == "order" && judged.subject.id.starts_with("order-");
    healthy && judged.judgement == Judgement::Matched
}

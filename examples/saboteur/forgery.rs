//! Alerts that are not what the reconciler said.

use lossdrill::wire::{Judged, Webhook, WebhookAlert};

pub fn wrong_subject(alert: &mut WebhookAlert) {
    alert.labels.entry("subject".to_owned()).or_default().push_str("-other");
    alert.fingerprint.push('s');
}

/// Where the alert names an amount at all.
pub fn wrong_amount(alert: &mut WebhookAlert) {
    if let Some(amount) = alert.annotations.get_mut("at_risk") {
        "0.01 CNY".clone_into(amount);
    }
}

pub fn second_fingerprint(alert: &WebhookAlert) -> WebhookAlert {
    let mut twin = alert.clone();
    twin.fingerprint.push('2');
    twin
}

/// An alert about something that its rule found good.
pub fn wolf(judged: &Judged) -> Webhook {
    let labels = [
        ("alertname", judged.rule.as_str()),
        ("loss_point", judged.rule.as_str()),
        ("subject_kind", judged.subject.kind.as_str()),
        ("subject", judged.subject.id.as_str()),
        ("occurrence", judged.occurrence.as_str()),
        ("severity", "P1"),
    ];
    let alert = WebhookAlert {
        status: "firing".to_owned(),
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        annotations: Default::default(),
        starts_at: judged.at.clone(),
        ends_at: String::new(),
        generator_url: String::new(),
        fingerprint: format!("wolf-{}-{}", judged.rule, judged.seq),
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

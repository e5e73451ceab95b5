//! What is told of a sweep's findings: once, at its end, by the same policy and channels as online.
//!
//! Owns the messages, made of the stored verdicts and stored with the word that they were made, and their delivery. What nobody
//! acknowledges stays in the outbox, where the next sweep, or the daemon at its next start, delivers it.
//! Not covered: the end of a silence; what it kept back is stored, and told by nobody.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::options::ReconcileOptions;
use crate::clock::{CellTime, Clock};
use crate::dcheck::alerts::{
    self, Alerting, Before, Channel as AlertChannel, ChannelSpec, Incoming, Notice, Policy, Router,
    Routes, Way, fingerprint, webhook_alert, wire_alert,
};
use crate::dcheck::daemon::channels::open_alerts;
use crate::dcheck::log;
use crate::dcheck::results::{Channel, Message, Store, VerdictRow};
use crate::wire::AlertState;

/// Until then every message of a sweep is to be acknowledged.
const DELIVERY_LIMIT: Duration = Duration::from_secs(60);
/// To a host that does not answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

pub fn alerting(options: &ReconcileOptions) -> Result<Alerting, Vec<String>> {
    let file: Option<&Path> = options.alerting.as_deref();
    let mut alerting = file.map_or(Ok(Alerting::default()), alerts::load_file)?;
    match (&options.alerts, &alerting.first) {
        (Some(_), Some(_)) => {
            return Err(vec!["--alerts and `first` of the alerting file: leave one out".into()]);
        }
        (Some(url), None) => alerting.first = Some(ChannelSpec::WebhookV4 { url: url.clone() }),
        (None, None) if !options.no_alerts => {
            let none = "alerts go nowhere: give --alerts URL, or `first` in the alerting file";
            return Err(vec![none.into()]);
        }
        _ => {}
    }
    Ok(alerting)
}

/// None where nobody is to be told.
pub fn routes(alerting: &Alerting) -> Result<Option<Arc<Routes>>, reqwest::Error> {
    let Some(first) = &alerting.first else { return Ok(None) };
    let http = reqwest::Client::builder().no_proxy().connect_timeout(CONNECT_LIMIT).build()?;
    let way = |spec: &ChannelSpec| Way::new(AlertChannel::new(spec.clone(), http.clone()), None);
    let second = alerting.second.as_ref().map(way);
    Ok(Some(Arc::new(Routes::new(way(first), second, alerting.ladder))))
}

/// The messages of a sweep's alerting verdicts, numbered behind `seq`. What stands among the `known` was told by whoever raised it,
/// maybe since the books were closed.
pub fn messages(
    policy: Policy,
    found: &[VerdictRow],
    known: &[VerdictRow],
    silences: Vec<(String, String)>,
    seq: u64,
    now: CellTime,
) -> Vec<Message> {
    let alert = |row: &VerdictRow, start, state| wire_alert(row, start, state);
    let stands: HashSet<String> = open_alerts(known).map(|(print, _)| print).collect();
    let is_known = |row: &VerdictRow| {
        !row.resolved && stands.contains(&fingerprint(&row.rule, &row.subject, &row.occurrence))
    };
    let open = open_alerts(known)
        .map(|(_, (start, row))| webhook_alert(&alert(row, start, AlertState::Firing), None));
    let before = Before { rows: silences, open: open.collect(), recent: Vec::new() };
    let storm_ms = policy.storm.map_or(0, |storm| storm.update_ms);
    let until = now.plus_ms(policy.grouping.wait_ms.max(policy.grouping.interval_ms).max(storm_ms));
    let (mut router, mistakes) = Router::restore(policy, before, now);
    mistakes.iter().for_each(|mistake| log::warn("alerts", mistake));
    let mut notices: Vec<Notice> = Vec::new();
    for row in found.iter().filter(|row| !is_known(row)) {
        let at = CellTime(row.at_ms);
        let state = if row.resolved { AlertState::Resolved } else { AlertState::Firing };
        let incoming = Incoming {
            alert: webhook_alert(&alert(row, at, state), row.resolved.then_some(at)),
            revision: row.revision.clone(),
            was_open: row.resolved,
            blind: false,
        };
        notices.extend(router.take(incoming, now));
    }
    notices.extend(router.due(until));
    let numbered = notices.into_iter().zip(seq + 1..);
    let message = |(Notice { order_key, dedupe, body }, seq)| {
        let (channel, created_ms) = (Channel::Alerts, now.0);
        Message { seq, channel, order_key, dedupe, body, created_ms }
    };
    numbered.map(message).collect()
}

/// Posts what sweeps have not delivered; how many messages nobody acknowledged.
pub async fn deliver(store: &mut Store, routes: &Routes, clock: &Clock) -> Result<usize, String> {
    let unsent = store.unsent_of_sweeps().await.map_err(|error| error.to_string())?;
    let until = Instant::now() + DELIVERY_LIMIT;
    let mut left = unsent.len();
    for message in unsent {
        let mut attempt = 0;
        while let Err(why) = routes.post(&message.body).await {
            let pause_ms = routes.ladder.pause_ms(attempt).max(0).unsigned_abs();
            attempt += 1;
            if Instant::now() + Duration::from_millis(pause_ms) >= until {
                log::warn("alerts", &why);
                return Ok(left);
            }
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
        let noted = store.acknowledge(&[message.seq], clock.now().0).await;
        noted.map_err(|error| error.to_string())?;
        left -= 1;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dcheck::alerts::Grouping;
    use crate::wire::{Judgement, Subject, Webhook};

    fn found(seq: u64, rule: &str) -> VerdictRow {
        VerdictRow {
            seq,
            rule: rule.to_owned(),
            version: "1".to_owned(),
            loss_point: "l".to_owned(),
            subject: Subject::new("order", format!("O-{seq}")),
            occurrence: format!("o-{seq}"),
            revision: String::new(),
            severity: "P1".to_owned(),
            resolved: false,
            alerting: true,
            judgement: Judgement::Mismatched,
            expected: "e".to_owned(),
            actual: "a".to_owned(),
            at_risk: None,
            position: "p".to_owned(),
            at_ms: 1_000,
        }
    }

    /// A group that tells its first alert at once tells the others an interval later, when a sweep is long over.
    #[test]
    fn every_finding_of_a_group_is_told() {
        let by = Some(vec!["alertname".to_owned()]);
        for (wait_ms, interval_ms) in [(0, 0), (0, 60_000), (10_000, 60_000), (10_000, 0)] {
            let grouping = Grouping { by: by.clone(), wait_ms, interval_ms, repeat_ms: None };
            let policy = Policy { grouping, ..Policy::default() };
            let rows = [found(1, "a"), found(2, "a"), found(3, "b"), found(4, "a")];
            let told = messages(policy, &rows, &[], Vec::new(), 9, CellTime(5_000));
            let bodies: String = told.iter().map(|message| message.body.as_str()).collect();
            for row in &rows {
                assert!(bodies.contains(&row.occurrence), "{wait_ms}, {interval_ms}: {bodies}");
            }
        }
    }

    #[test]
    fn what_ended_and_came_again_is_one_new_telling_and_what_stands_is_none() {
        let at = |seq, at_ms, resolved| VerdictRow {
            at_ms,
            resolved,
            revision: if resolved { String::new() } else { format!("~s{seq}") },
            subject: Subject::new("order", "O-1"),
            occurrence: "o-1".to_owned(),
            judgement: if resolved { Judgement::Matched } else { Judgement::Mismatched },
            ..found(seq, "a")
        };
        let (raised, ended) = (at(1, 1_000, false), at(2, 2_000, true));
        // What was known when it is told, what the sweep has found: how often it is told, and since when it fires.
        for (known, new, starts) in [
            (vec![], vec![at(9, 3_000, false)], vec!["1970-01-01T00:00:03.000Z"]),
            (
                vec![raised.clone(), ended.clone()],
                vec![at(9, 3_000, false)],
                vec!["1970-01-01T00:00:03.000Z"],
            ),
            // Told before the sweep, or by somebody else since its books were closed.
            (vec![raised.clone()], vec![], vec![]),
            (vec![raised.clone()], vec![at(9, 3_000, false)], vec![]),
            (vec![raised.clone(), ended, at(3, 4_000, false)], vec![at(9, 3_000, false)], vec![]),
        ] {
            for wait_ms in [0, 10_000] {
                let grouping = Grouping {
                    by: (wait_ms > 0).then(|| vec!["alertname".to_owned()]),
                    wait_ms,
                    interval_ms: 0,
                    repeat_ms: None,
                };
                let policy = Policy { grouping, ..Policy::default() };
                let told = messages(policy, &new, &known, Vec::new(), 20, CellTime(5_000));
                let firing = told.iter().flat_map(|message| {
                    let body: Webhook = serde_json::from_str(&message.body).unwrap();
                    body.alerts.into_iter().map(|alert| alert.starts_at)
                });
                assert_eq!(firing.collect::<Vec<_>>(), starts, "{known:?} {wait_ms}");
                // It is told once: the same message is stored once, and that of before is another one.
                let again = messages(Policy::default(), &new, &[], Vec::new(), 30, CellTime(9_000));
                let before =
                    messages(Policy::default(), &[raised.clone()], &[], Vec::new(), 0, CellTime(9));
                assert!(again.iter().all(|message| message.dedupe != before[0].dedupe));
            }
        }
    }
}

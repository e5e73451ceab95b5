//! Where alerts go, by command line and alerting file, and what was told before a start.
//!
//! Owns which of both says it: a channel is named in one of them. Without an alerting file all is as the command line says, and the
//! second channel is not asked for a sign of life.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::options::RunOptions;
use super::parts::{ALERT_CHANNEL, Parts, SECOND_ALERT_CHANNEL};
use super::start::Mistakes;
use crate::clock::CellTime;
use crate::dcheck::alerts::{
    Alerting, Before, Channel, ChannelSpec, Ladder, OnChannel, Policy, Router, Routes, Way,
    fingerprint, webhook_alert, wire_alert,
};
use crate::dcheck::engine::Ward;
use crate::dcheck::log;
use crate::dcheck::results::{Stored, VerdictRow};
use crate::wire::{AlertState, WebhookAlert};

pub struct Channels {
    first: ChannelSpec,
    second: Option<ChannelSpec>,
    /// A second that dies before it is needed is told as well.
    watches_second: bool,
}

impl Channels {
    pub fn of(options: &RunOptions, alerting: &Alerting) -> Result<Channels, Mistakes> {
        let mut mistakes = Vec::new();
        let mut pick =
            |key: &str, option: &str, url: &Option<String>, spec: &Option<ChannelSpec>| {
                if url.is_some() && spec.is_some() {
                    let both = format!("{option} and `{key}` of the alerting file: leave one out");
                    mistakes.push(both);
                }
                let of_url = url.clone().map(|url| ChannelSpec::WebhookV4 { url });
                spec.clone().or(of_url)
            };
        let first = pick("first", "--alerts", &options.alerts, &alerting.first);
        let second = pick("second", "--second-alerts", &options.second_alerts, &alerting.second);
        if first.is_none() {
            let none = "alerts go nowhere: give --alerts URL, or `first` in the alerting file";
            mistakes.push(none.to_owned());
        }
        let watches_second = options.files.alerting.is_some();
        match first.filter(|_| mistakes.is_empty()) {
            Some(first) => Ok(Channels { first, second, watches_second }),
            None => Err(Mistakes(mistakes)),
        }
    }

    pub fn routes(&self, http: &reqwest::Client, parts: &Parts, ladder: Ladder) -> Arc<Routes> {
        let tells = |id: &'static str| -> OnChannel {
            let parts = parts.clone();
            Arc::new(move |why: Option<&str>| parts.tell(Ward::AlertChannel, id, why))
        };
        let to = |spec: &ChannelSpec| Channel::new(spec.clone(), http.clone());
        let first = Way::new(to(&self.first), Some(tells(ALERT_CHANNEL)));
        let on_second = self.watches_second.then(|| tells(SECOND_ALERT_CHANNEL));
        let second = self.second.as_ref().map(|spec| Way::new(to(spec), on_second));
        Arc::new(Routes::new(first, second, ladder))
    }
}

/// The router as it was committed, and the alerts that somebody was told of and that still fire.
pub fn told_before(policy: Policy, stored: &Stored, now: CellTime) -> (Router, Vec<WebhookAlert>) {
    let open = open_alerts(&stored.verdicts)
        .map(|(_, (start, row))| webhook_alert(&wire_alert(row, start, AlertState::Firing), None));
    let open: Vec<WebhookAlert> = open.collect();
    let before = Before {
        rows: stored.alert_state.clone(),
        open: open.clone(),
        recent: new_alerts(&stored.verdicts),
    };
    let (router, mistakes) = Router::restore(policy, before, now);
    for mistake in mistakes {
        let told = "what it held is told by its next change alone";
        log::warn("alerts", &format!("{mistake}; {told}"));
    }
    let told = router.told(open);
    (router, told)
}

/// Rule and instant of each alert that was no news of one that fired already.
fn new_alerts(verdicts: &[VerdictRow]) -> Vec<(String, CellTime)> {
    let (mut firing, mut new) = (HashSet::new(), Vec::new());
    for row in verdicts.iter().filter(|row| row.alerting) {
        let print = fingerprint(&row.rule, &row.subject, &row.occurrence);
        if row.resolved {
            firing.remove(&print);
        } else if firing.insert(print) {
            new.push((row.rule.clone(), CellTime(row.at_ms)));
        }
    }
    new
}

/// Start and last row of each alert that was raised and has not ended, by fingerprint.
pub fn open_alerts(
    verdicts: &[VerdictRow],
) -> impl Iterator<Item = (String, (CellTime, &VerdictRow))> {
    let mut open = HashMap::new();
    for row in verdicts.iter().filter(|row| row.alerting) {
        let print = fingerprint(&row.rule, &row.subject, &row.occurrence);
        if row.resolved {
            open.remove(&print);
        } else {
            open.entry(print).or_insert((CellTime(row.at_ms), row)).1 = row;
        }
    }
    open.into_iter()
}

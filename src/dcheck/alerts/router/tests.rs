//! Scripts: what happens at which second, and what is told by it.

use std::collections::BTreeMap;

use super::*;
use crate::clock::rfc3339;
use crate::dcheck::alerts::policy::{Grouping, Inhibition, StormLimit};
use crate::dcheck::alerts::webhook::{fingerprint, webhook_alert};
use crate::money::Money;
use crate::wire::{Alert, AlertState, Subject, Webhook};

/// One thing that happens.
enum Do {
    /// Rule and subject.
    Fire(&'static str, &'static str),
    /// One of the watcher's own.
    FireBlind(&'static str, &'static str),
    Resolve(&'static str, &'static str),
    /// Matchers, for so many seconds.
    Silence(&'static [&'static str], i64),
    Unsilence,
    /// Nothing but time.
    Wait,
    /// kill -9 after the last commit, and a start.
    Restart,
}
use Do::*;

fn seconds(at: i64) -> CellTime {
    CellTime(at * 1_000)
}

struct Script {
    policy: Policy,
    router: Router,
    rows: BTreeMap<String, String>,
    open: BTreeMap<String, WebhookAlert>,
    recent: Vec<(String, CellTime)>,
    dedupes: BTreeSet<String>,
}

impl Script {
    fn new(policy: Policy) -> Script {
        Script {
            router: Router::new(policy.clone()),
            policy,
            rows: BTreeMap::new(),
            open: BTreeMap::new(),
            recent: Vec::new(),
            dedupes: BTreeSet::new(),
        }
    }

    /// What is told, as `+order O-1` (fires) and `-order O-1` (ended); messages by ` | `.
    fn step(&mut self, at: i64, what: &Do) -> String {
        let now = seconds(at);
        let notices = match what {
            Fire(rule, id) => self.alert(rule, id, AlertState::Firing, false, now),
            FireBlind(rule, id) => self.alert(rule, id, AlertState::Firing, true, now),
            Resolve(rule, id) => self.alert(rule, id, AlertState::Resolved, false, now),
            Silence(matchers, for_s) => {
                let matchers = matchers.iter().map(|text| text.parse().unwrap()).collect();
                let (owner, reason) = ("anna".to_owned(), "deploy".to_owned());
                let (starts, ends) = (now, now.plus_ms(for_s * 1_000));
                let id = "silence-1".to_owned();
                let silence = super::Silence { id, matchers, owner, reason, starts, ends };
                self.router.silence(silence).unwrap();
                self.router.due(now)
            }
            Unsilence => {
                assert!(self.router.unsilence("silence-1", now).is_some());
                self.router.due(now)
            }
            Wait => self.router.due(now),
            Restart => {
                let rows = self.rows.clone().into_iter().collect();
                let open = self.open.values().cloned().collect();
                let before = Before { rows, open, recent: self.recent.clone() };
                let (router, mistakes) = Router::restore(self.policy.clone(), before, now);
                assert_eq!(mistakes, Vec::<String>::new());
                self.router = router;
                self.router.due(now)
            }
        };
        for (row, body) in self.router.take_changes() {
            match body {
                Some(body) => self.rows.insert(row, body),
                None => self.rows.remove(&row),
            };
        }
        let told: Vec<String> = notices.iter().map(said).collect();
        for notice in notices {
            assert!(self.dedupes.insert(notice.dedupe.clone()), "{} is told twice", notice.dedupe);
        }
        told.join(" | ")
    }

    fn alert(
        &mut self,
        rule: &str,
        id: &str,
        state: AlertState,
        blind: bool,
        now: CellTime,
    ) -> Vec<Notice> {
        let subject = Subject::new("order", id);
        let print = fingerprint(rule, &subject, id);
        let was_open = self.open.contains_key(&print);
        let starts_at = match self.open.get(&print) {
            Some(open) => open.starts_at.clone(),
            None => rfc3339(now.0),
        };
        let severity = if id.starts_with("X") { "P1" } else { "P0" }.to_owned();
        let alert = Alert {
            rule: rule.to_owned(),
            loss_point: rule.to_owned(),
            subject,
            occurrence: id.to_owned(),
            severity,
            at_risk: Some(Money::cny(10_000)),
            expected: String::new(),
            actual: String::new(),
            position: String::new(),
            starts_at,
            state,
            fingerprint: print.clone(),
        };
        let ends_at = (state == AlertState::Resolved).then_some(now);
        let alert = webhook_alert(&alert, ends_at);
        match state {
            AlertState::Firing => {
                if !was_open {
                    self.recent.push((rule.to_owned(), now));
                }
                self.open.insert(print, alert.clone());
            }
            AlertState::Resolved => {
                self.open.remove(&print);
            }
        }
        let revision = now.0.to_string();
        self.router.take(Incoming { alert, revision, was_open, blind }, now)
    }
}

fn said(notice: &Notice) -> String {
    let body: Webhook = serde_json::from_str(&notice.body).unwrap();
    let alerts = body.alerts.iter().map(|alert| {
        let sign = if alert.status == FIRING { '+' } else { '-' };
        let count = alert.annotations.get("count").map(|n| format!(" x{n}")).unwrap_or_default();
        let money = alert.annotations.get("at_risk").filter(|_| !count.is_empty());
        let money = money.map(|money| format!(" {money}")).unwrap_or_default();
        format!("{sign}{} {}{count}{money}", alert.labels["alertname"], alert.labels["subject"])
    });
    alerts.collect::<Vec<_>>().join(", ")
}

/// Runs the script as it is, and once more with a kill after every step: what is told is the same.
fn check(name: &str, policy: &Policy, steps: &[(i64, Do, &str)]) {
    for kills in [false, true] {
        let mut script = Script::new(policy.clone());
        for (index, (at, what, told)) in steps.iter().enumerate() {
            let found = script.step(*at, what);
            assert_eq!(found, *told, "{name}, step {index} at {at} s, kills: {kills}");
            if kills {
                let again = script.step(*at, &Restart);
                assert_eq!(again, "", "{name}, step {index} at {at} s is told again after a kill");
            }
        }
    }
}

fn grouped(wait: i64, interval: i64, repeat: Option<i64>) -> Policy {
    Policy {
        grouping: Grouping {
            by: Some(vec!["alertname".to_owned()]),
            wait_ms: wait * 1_000,
            interval_ms: interval * 1_000,
            repeat_ms: repeat.map(|s| s * 1_000),
        },
        ..Policy::default()
    }
}

fn inhibiting(source: &str, target: &str, equal: &[&str]) -> Policy {
    let inhibition = Inhibition {
        source: vec![source.parse().unwrap()],
        target: vec![target.parse().unwrap()],
        equal: equal.iter().map(|name| (*name).to_owned()).collect(),
    };
    Policy { inhibitions: vec![inhibition], ..Policy::default() }
}

#[test]
fn by_default_each_alert_is_told_at_once_and_nothing_is_kept() {
    let steps = [
        (0, Fire("a", "1"), "+a 1"),
        (0, Fire("b", "1"), "+b 1"),
        (1, Fire("a", "1"), "+a 1"),
        (2, Resolve("a", "1"), "-a 1"),
        (3, Wait, ""),
    ];
    check("default", &Policy::default(), &steps);
    let mut script = Script::new(Policy::default());
    for (at, what, _) in &steps {
        script.step(*at, what);
    }
    assert!(script.rows.is_empty() && script.router.next_due().is_none());
}

#[test]
fn two_messages_of_one_instant_are_two() {
    check(
        "no wait, no interval",
        &grouped(0, 0, None),
        &[(0, Fire("a", "1"), "+a 1"), (0, Fire("a", "2"), "+a 1, +a 2")],
    );
}

#[test]
fn groups_wait_gather_and_repeat() {
    check(
        "wait, interval",
        &grouped(30, 300, None),
        &[
            (0, Fire("a", "1"), ""),
            (10, Fire("a", "2"), ""),
            (10, Fire("b", "1"), ""),
            (29, Wait, ""),
            (30, Wait, "+a 1, +a 2"),
            (40, Wait, "+b 1"),
            (50, Fire("a", "3"), ""),
            (329, Resolve("a", "1"), ""),
            (330, Wait, "-a 1, +a 2, +a 3"),
            (331, Resolve("a", "2"), ""),
            (332, Resolve("a", "3"), ""),
            (630, Wait, "-a 2, -a 3"),
            (9_999, Wait, ""),
            (10_000, Fire("a", "1"), ""),
            (10_030, Wait, "+a 1"),
        ],
    );
    check(
        "repeat",
        &grouped(0, 0, Some(600)),
        &[
            (0, Fire("a", "1"), "+a 1"),
            (100, Fire("a", "2"), "+a 1, +a 2"),
            (699, Wait, ""),
            (700, Wait, "+a 1, +a 2"),
            (1_300, Wait, "+a 1, +a 2"),
            (1_301, Resolve("a", "1"), "-a 1, +a 2"),
            (1_302, Resolve("a", "2"), "-a 2"),
            (9_999, Wait, ""),
        ],
    );
    check(
        "what began and ended unheard is told once",
        &grouped(30, 30, None),
        &[(0, Fire("a", "1"), ""), (1, Resolve("a", "1"), ""), (30, Wait, "-a 1"), (60, Wait, "")],
    );
    check(
        "the watcher's own wait for nobody",
        &grouped(30, 300, None),
        &[
            (0, Fire("a", "1"), ""),
            (1, FireBlind("a", "w"), "+a w"),
            (2, Resolve("a", "w"), ""),
            (30, Wait, "+a 1, -a w"),
        ],
    );
}

#[test]
fn a_silence_keeps_back_until_its_end_and_no_end_that_somebody_waits_for() {
    check(
        "until its end",
        &Policy::default(),
        &[
            (0, Silence(&["alertname=\"a\""], 60), ""),
            (1, Fire("a", "1"), ""),
            (2, Fire("b", "1"), "+b 1"),
            (3, Fire("a", "2"), ""),
            (4, Resolve("a", "2"), ""),
            (59, Wait, ""),
            (60, Wait, "+a 1"),
            (61, Resolve("a", "1"), "-a 1"),
        ],
    );
    check(
        "ended by hand",
        &Policy::default(),
        &[
            (0, Silence(&["subject=~\"1|2\""], 60), ""),
            (1, Fire("a", "1"), ""),
            (2, Unsilence, "+a 1"),
            (3, Fire("a", "2"), "+a 2"),
            (99, Wait, ""),
        ],
    );
    check(
        "told before",
        &Policy::default(),
        &[
            (0, Fire("a", "1"), "+a 1"),
            (1, Silence(&["alertname=\"a\""], 60), ""),
            (2, Fire("a", "1"), ""),
            (3, Resolve("a", "1"), "-a 1"),
            (60, Wait, ""),
        ],
    );
    check(
        "the watcher is silenced by its rule's name alone",
        &Policy::default(),
        &[
            (0, Silence(&["severity=\"P0\""], 60), ""),
            (1, Fire("a", "1"), ""),
            (2, FireBlind("a", "w"), "+a w"),
            (3, Unsilence, "+a 1"),
            (4, Silence(&["alertname=\"a\"", "severity=\"P0\""], 60), ""),
            (5, FireBlind("a", "v"), ""),
            (64, Wait, "+a v"),
        ],
    );
    check(
        "in a group",
        &grouped(30, 60, None),
        &[
            (0, Silence(&["subject=\"1\""], 100), ""),
            (1, Fire("a", "1"), ""),
            (2, Fire("a", "2"), ""),
            (31, Wait, "+a 2"),
            (99, Wait, ""),
            (100, Wait, "+a 1, +a 2"),
        ],
    );
}

#[test]
fn a_source_that_fires_keeps_its_targets_back() {
    let policy = inhibiting("alertname=\"down\"", "alertname=\"late\"", &["severity"]);
    check(
        "while it fires",
        &policy,
        &[
            (0, Fire("late", "0"), "+late 0"),
            (1, Fire("down", "d"), "+down d"),
            (2, Fire("late", "1"), ""),
            (3, Fire("late", "X1"), "+late X1"),
            (4, Resolve("late", "0"), "-late 0"),
            (5, Fire("late", "2"), ""),
            (6, Resolve("late", "2"), ""),
            (7, FireBlind("late", "w"), "+late w"),
            (8, Resolve("down", "d"), "+late 1 | -down d"),
            (9, Resolve("late", "1"), "-late 1"),
        ],
    );
    let both = inhibiting("severity=\"P0\"", "severity=\"P0\"", &[]);
    check(
        "not one another, where both are both",
        &both,
        &[(0, Fire("a", "1"), "+a 1"), (1, Fire("b", "1"), "+b 1")],
    );
}

#[test]
fn a_storm_is_one_alert_with_count_and_money() {
    let limit = StormLimit { more_than: 2, within_ms: 60_000, update_ms: 30_000 };
    let policy = Policy { storm: Some(limit), ..Policy::default() };
    check(
        "by itself",
        &policy,
        &[
            (0, Fire("a", "1"), "+a 1"),
            (1, Fire("a", "2"), "+a 2"),
            (2, Fire("b", "1"), "+b 1"),
            (3, Fire("a", "3"), "+a a x1 100.00 CNY"),
            (4, Fire("a", "4"), ""),
            (5, Resolve("a", "1"), "-a 1"),
            (6, Fire("a", "5"), ""),
            (33, Wait, "+a a x3 300.00 CNY"),
            (34, Resolve("a", "3"), ""),
            (63, Wait, "+a a x3 200.00 CNY"),
            (99, Fire("a", "6"), "+a 6"),
            (100, Resolve("a", "4"), "+a a x3 100.00 CNY"),
            (101, Resolve("a", "5"), ""),
            (130, Wait, "-a a x3"),
            (131, Resolve("a", "2"), "-a 2"),
        ],
    );
    check(
        "slower is no storm",
        &policy,
        &[
            (0, Fire("a", "1"), "+a 1"),
            (30, Fire("a", "2"), "+a 2"),
            (60, Fire("a", "3"), "+a 3"),
            (61, Fire("a", "3"), "+a 3"),
            (90, Fire("a", "4"), "+a 4"),
        ],
    );
    let waiting = Policy { storm: Some(limit), ..grouped(30, 30, None) };
    check(
        "what waits in its group is told by the storm",
        &waiting,
        &[
            (0, Fire("a", "1"), ""),
            (1, Fire("a", "2"), ""),
            (2, Fire("a", "3"), ""),
            (30, Wait, "+a a x3 300.00 CNY"),
        ],
    );
    check(
        "more may come when all of it has ended",
        &policy,
        &[
            (0, Fire("a", "1"), "+a 1"),
            (1, Fire("a", "2"), "+a 2"),
            (2, Fire("a", "3"), "+a a x1 100.00 CNY"),
            (3, Resolve("a", "3"), ""),
            (32, Wait, "+a a x1"),
            (92, Wait, "-a a x1"),
        ],
    );
}

#[test]
fn another_policy_after_a_start_tells_what_was_not_told() {
    let limit = StormLimit { more_than: 1, within_ms: 60_000, update_ms: 30_000 };
    let storm = Policy { storm: Some(limit), ..Policy::default() };
    for (name, before, fires, after, told) in [
        ("no groups", grouped(30, 30, None), 2, Policy::default(), "+a 1 | +a 2"),
        ("other groups", grouped(30, 30, None), 2, grouped(0, 0, None), ""),
        ("no storms", storm, 2, Policy::default(), "-a a x1 | +a 2"),
    ] {
        let mut script = Script::new(before);
        for (at, id) in ["1", "2"].into_iter().take(fires).enumerate() {
            script.step(at.try_into().unwrap(), &Fire("a", id));
        }
        script.policy = after;
        let mut found: Vec<String> =
            script.step(5, &Restart).split(" | ").map(str::to_owned).collect();
        found.sort_by_key(|text| text.replace('-', " "));
        assert_eq!(found.join(" | "), told, "{name}");
    }
    // An inhibition that is taken out: what it kept back is told.
    for (name, after) in [("none", Policy::default()), ("groups", grouped(0, 0, None))] {
        let mut script = Script::new(inhibiting("alertname=\"down\"", "alertname=\"late\"", &[]));
        script.step(0, &Fire("down", "d"));
        assert_eq!(script.step(1, &Fire("late", "1")), "");
        assert_eq!(script.step(2, &Restart), "", "the same policy keeps it back: {name}");
        script.policy = after;
        let (at_once, later) = (script.step(3, &Restart), script.step(4, &Wait));
        assert_eq!(at_once + &later, "+late 1", "{name}");
    }
    let mut script = Script::new(Policy::default());
    script.step(0, &Fire("down", "d"));
    script.policy = inhibiting("alertname=\"down\"", "alertname=\"late\"", &[]);
    script.step(1, &Restart);
    assert_eq!(script.step(2, &Fire("late", "1")), "", "a source of before counts");
}

#[test]
fn a_silence_with_a_mistake_is_refused_with_all_of_them() {
    let mut router = Router::new(Policy::default());
    let silence = |matchers: &[&str], owner: &str, reason: &str, ends: i64| super::Silence {
        id: "silence-1".to_owned(),
        matchers: matchers.iter().map(|text| text.parse().unwrap()).collect(),
        owner: owner.to_owned(),
        reason: reason.to_owned(),
        starts: seconds(10),
        ends: seconds(ends),
    };
    let mistakes = router.silence(silence(&["severity!=\"P4\""], "", " ", 10)).unwrap_err();
    assert_eq!(mistakes.len(), 4, "{mistakes:?}");
    let long = silence(&["severity=\"P4\""], "anna", "deploy", 10 + 31 * 86_400);
    assert_eq!(router.silence(long).unwrap_err().len(), 1);
    router.silence(silence(&["severity=\"P4\""], "anna", "deploy", 11)).unwrap();
    assert_eq!(router.next_due(), Some(seconds(11)));
    router.due(seconds(11));
    assert_eq!(router.take_ended().len(), 1);
    assert!(router.silences().next().is_none() && router.take_ended().is_empty());
}

#[test]
fn a_large_group_is_told_in_parts() {
    let mut script = Script::new(grouped(30, 30, None));
    let ids: Vec<String> = (0..=MESSAGE_ALERTS).map(|n| n.to_string()).collect();
    for id in ids {
        script.step(0, &Fire("a", Box::leak(id.into_boxed_str())));
    }
    let notices = script.router.due(seconds(30));
    let counts: Vec<usize> =
        notices.iter().map(|notice| said(notice).split(", ").count()).collect();
    assert_eq!(counts, [MESSAGE_ALERTS, 1]);
    assert_eq!(notices[0].order_key, notices[1].order_key);
}

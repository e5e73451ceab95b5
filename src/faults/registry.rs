//! The one table of faults. To add one: a row here, or in `defects` where the shop has it; behaviour in the file of
//! its layer.

use std::sync::LazyLock;

use super::limit::LIMITS;

use super::{
    Blast, FaultError, FaultSpec, Late, Layer, Need, broker, calls, change_log, data, defects,
    failover, kafka_specs, leader, liar, limit, link, mysql, offsets, process, replica, rules,
    server, storm,
};

/// Names shown for an id that does not exist.
const NEAREST: usize = 3;

pub(super) const DAY_MS: u64 = 24 * 60 * 60 * 1000;

pub(super) const BLIND: &[&str] = &["change-capture-stalled"];
/// Whom rules ask is away as well.
pub(super) const DATABASE_AWAY: &[&str] = &["change-capture-stalled", "lookup-down"];
const SILENT: &[&str] = &["reconciler-silent"];
pub(super) const TOPIC_SOURCES: &[&str] =
    &["orders.events/0", "refund.events/0", "channel.flow/0", "kafka"];

/// What is away with the broker.
pub(super) const NO_BROKER: &[&str] =
    &["shop", "channel", TOPIC_SOURCES[0], TOPIC_SOURCES[1], TOPIC_SOURCES[2], TOPIC_SOURCES[3]];

/// (name, what killing or pausing it withholds, what that may raise)
const PROCESSES: &[(&str, &[&str], &[&str])] = &[
    ("shop", &["shop"], &[]),
    ("channel", &["channel"], &[]),
    ("dcheck", &["dcheck"], SILENT),
    ("mysql", &["mysql", "binlog", "shop", "dcheck"], DATABASE_AWAY),
    ("kafka", NO_BROKER, &[]),
];

fn processes() -> Vec<FaultSpec> {
    let mut specs = Vec::new();
    for &(name, withholds, raises) in PROCESSES {
        for (what, doc) in [
            ("killed", "killed without warning; healing starts it again"),
            ("paused", "stopped in mid-work; healing lets it go on"),
            ("restarted", "killed without warning and started again at once"),
            ("paused-briefly", "stopped in mid-work for a moment, and let go on"),
            ("crash-looping", "killed again and again, soon after each start; healing ends that"),
        ]
        .into_iter()
        .chain(LIMITS)
        {
            let limits = LIMITS.iter().any(|(limit, _)| *limit == what);
            let away = matches!(what, "killed" | "paused" | "crash-looping" | "out-of-memory");
            specs.push(FaultSpec {
                id: format!("process.{name}.{what}"),
                doc: match limits {
                    true => format!("{name} {doc}"),
                    false => format!("{name} is {doc}"),
                },
                layer: Layer::Process,
                params: match limits {
                    true => limit::params(what),
                    false => process::params(what),
                },
                needs: if limits { Need::Limits(name) } else { Need::Process(name) },
                blast: Blast::Cell,
                withholds: if away { withholds.to_vec() } else { Vec::new() },
                raises: if away { raises.to_vec() } else { Vec::new() },
                waits_for_traffic: false,
                late: Late::default(),
            });
        }
    }
    specs
}

fn watcher() -> Vec<FaultSpec> {
    let spec = |id: &str, doc: &str, raises: &[&'static str]| FaultSpec {
        id: format!("watcher.{id}"),
        doc: doc.to_owned(),
        layer: Layer::Watcher,
        params: Vec::new(),
        needs: Need::Rules,
        blast: Blast::Cell,
        withholds: Vec::new(),
        raises: raises.to_vec(),
        waits_for_traffic: false,
        late: Late::default(),
    };
    let refused = ["rules-reload-refused"];
    vec![
        spec("rules.broken", "a rule file with mistakes is put in place and read", &refused),
        spec("rules.changed", "a rule file in good order is put in place and read", &[]),
        FaultSpec {
            params: rules::CANDIDATE.to_vec(),
            ..spec(
                "rules.candidate",
                "a stricter candidate of rule bid-below-market is released beside the version in force",
                &[],
            )
        },
        FaultSpec {
            params: rules::LIMITED.to_vec(),
            ..spec(
                "rules.limited",
                "a rule may take so many occurrences in a minute, and no more",
                &["rule-shedding"],
            )
        },
    ]
}

static FAULTS: LazyLock<Vec<FaultSpec>> = LazyLock::new(|| {
    let mut all: Vec<FaultSpec> = defects::all().collect();
    all.extend(link::specs());
    all.extend(mysql::specs());
    all.extend(kafka_specs::specs());
    all.extend(server::specs());
    all.extend(change_log::specs());
    all.push(replica::spec());
    all.push(failover::spec());
    all.extend(broker::specs());
    all.extend(offsets::specs());
    all.push(storm::spec());
    all.push(leader::spec());
    all.extend(processes());
    all.extend(calls::specs());
    all.extend(data::specs());
    all.extend(watcher());
    all.push(liar::spec());
    all
});

/// Every fault, in the order of the list: what `lossdrill faults list` shows (text from the fields,
/// JSON by serde).
pub fn all() -> &'static [FaultSpec] {
    &FAULTS
}

/// The fault of this id, or the nearest ids there are.
pub fn find(id: &str) -> Result<&'static FaultSpec, FaultError> {
    all().iter().find(|spec| spec.id == id).ok_or_else(|| {
        let mut by_distance: Vec<_> = all().iter().collect();
        by_distance
            .sort_by_cached_key(|spec| (strsim::damerau_levenshtein(&spec.id, id), &spec.id));
        let nearest = by_distance.iter().take(NEAREST).map(|spec| spec.id.clone()).collect();
        FaultError::Unknown { id: id.to_owned(), nearest }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_holds_together() {
        let ids: BTreeSet<_> = all().iter().map(|spec| &spec.id).collect();
        assert_eq!(ids.len(), all().len(), "ids are unique");
        for spec in all() {
            let parts: Vec<_> = spec.id.split('.').collect();
            assert_eq!(parts.len(), 3, "{}: layer.thing.what-happened", spec.id);
            let layer = serde_json::to_value(spec.layer).unwrap();
            assert_eq!(layer, parts[0], "{}", spec.id);
            let kebab = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(parts.iter().all(|part| part.chars().all(kebab)), "{}", spec.id);
            assert!(!spec.doc.is_empty());
            let defaults = spec.check_params(&Default::default()).unwrap();
            for param in &spec.params {
                let given = [(param.name.to_owned(), param.default_text())].into();
                assert_eq!(spec.check_params(&given).unwrap(), defaults, "{}", spec.id);
            }
        }
    }

    #[test]
    fn what_the_scenarios_rely_on() {
        // (id, withholds a source, raises, waits for traffic)
        for (id, withholds, raises, waits) in [
            ("app.payment-callback.dropped", None, None, true),
            ("app.payment-callback.delayed", None, None, true),
            ("app.refund-payout.not-idempotent", None, None, true),
            ("app.refund-guard.bypassed", None, None, true),
            ("app.price-guard.bypassed", None, None, true),
            ("link.binlog.stalled", Some("binlog"), Some("change-capture-stalled"), false),
            ("mysql.commit.ambiguous", None, None, true),
            ("kafka.record.doubled", None, None, true),
            ("kafka.answer.lost", None, None, true),
            ("link.shop-kafka.refused", Some("shop"), None, false),
            ("link.binlog.slow", None, None, false),
            ("link.channel-shop.reset", Some("channel"), None, false),
            ("link.alerts.reset", Some("alerts"), Some("alert-channel-dead"), false),
            ("link.plans.reset", Some("plans"), Some("plan-executor-dead"), false),
            ("process.dcheck.paused", Some("dcheck"), Some("reconciler-silent"), false),
            ("process.dcheck.paused-briefly", None, None, false),
            ("data.bill-amount.edited", None, None, false),
            ("watcher.rules.broken", None, Some("rules-reload-refused"), false),
            ("watcher.rules.changed", None, None, false),
            ("watcher.rules.candidate", None, None, false),
            ("watcher.rules.limited", None, Some("rule-shedding"), false),
            ("process.mysql.restarted", None, None, false),
        ] {
            let spec = find(id).unwrap();
            assert_eq!(spec.withholds.first().copied(), withholds, "{id}");
            assert_eq!(spec.raises.first().copied(), raises, "{id}");
            assert_eq!(spec.waits_for_traffic, waits, "{id}");
        }
    }

    #[test]
    fn a_delay_on_cell_time_withholds_what_it_delays() {
        let spec = find("link.binlog.slow").unwrap();
        for (delay, withholds, raises) in [
            ("300 ms", 0, &[][..]),
            ("1 s", 0, &[]),
            ("40 s", 2, &["change-capture-stalled", "reconciler-lagging"]),
        ] {
            let given = [("delay".to_owned(), delay.to_owned())].into();
            let checked = spec.check_params(&given).unwrap();
            let used = spec.used(given, &checked);
            assert_eq!(
                (used.withholds.len(), used.raises),
                (withholds, raises.iter().map(|r| (*r).to_owned()).collect())
            );
        }
    }

    #[test]
    fn a_misspelt_id_gets_its_nearest() {
        for (wrong, nearest) in [
            ("app.payment-calback.droped", "app.payment-callback.dropped"),
            ("link.binlog.stall", "link.binlog.stalled"),
            ("link.cdc.slow", "link.sql.slow"),
            ("process.shop.kiled", "process.shop.killed"),
        ] {
            let error = find(wrong).unwrap_err().to_string();
            assert!(error.contains(nearest), "{error}");
        }
    }
}

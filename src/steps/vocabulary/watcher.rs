//! The watcher itself: who watches it, and who answers it.

use super::{Row, says};
use crate::steps::{Kind, Sentence};

pub(super) static ROWS: &[Row] = &[
    Row {
        en: "a watchdog watches the reconciler",
        zh: "看门狗在盯着对账系统",
        doc: "A process of its own that alerts, by a channel of its own, when the reconciler is silent.",
        example_en: "a watchdog watches the reconciler",
        example_zh: "看门狗在盯着对账系统",
        ..says("watchdog-watches", Kind::Given, |_| Ok(Sentence::WatchdogWatches))
    },
    Row {
        en: "a person on duty approves the plans that ask",
        zh: "值班人员会批准请求确认的预案",
        doc: "Whoever is on duty says yes to each plan that waits for a person, as soon as it asks. Without this \
              sentence nobody answers.",
        example_en: "a person on duty approves the plans that ask",
        example_zh: "值班人员会批准请求确认的预案",
        ..says("approver-on-duty", Kind::Given, |_| Ok(Sentence::ApproverOnDuty))
    },
    Row {
        en: "the books of the day are swept",
        zh: "对当日账目做离线对账",
        doc: "The reconciler's own sweep over the tables, by the same rules, once everything before it has come to rest: \
              it tells what online has missed, and nothing twice.",
        example_en: "the books of the day are swept",
        example_zh: "对当日账目做离线对账",
        ..says("books-swept", Kind::When, |_| Ok(Sentence::BooksSwept))
    },
];

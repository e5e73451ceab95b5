//! The watcher itself: who watches it.

use super::{Row, says};
use crate::steps::{Kind, Sentence};

pub(super) static ROWS: &[Row] = &[Row {
    en: "a watchdog watches the reconciler",
    zh: "看门狗在盯着对账系统",
    doc: "A process of its own that alerts, by a channel of its own, when the reconciler is silent.",
    example_en: "a watchdog watches the reconciler",
    example_zh: "看门狗在盯着对账系统",
    ..says("watchdog-watches", Kind::Given, |_| Ok(Sentence::WatchdogWatches))
}];

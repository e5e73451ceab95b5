//! Faults by their id: armed, or striking at their place.

use super::{Row, says};
use crate::steps::{Kind, Sentence};

pub(super) static ROWS: &[Row] = &[
    Row {
        en: "fault {name} is active",
        zh: "故障{name}生效",
        doc: "Armed where it stands, injected after the steady state: no Given feels it. Its \
              parameters are a table under the step: `| delay | 20 s |`.",
        example_en: r#"fault "app.payment-callback.dropped" is active"#,
        example_zh: "故障“app.payment-callback.dropped”生效",
        takes_table: true,
        ..says("fault-active", Kind::Given, |c| Ok(Sentence::FaultActive { fault: c.name(0)? }))
    },
    Row {
        en: "fault {name} strikes",
        zh: "发生故障{name}",
        doc: "Injected at its place among the Whens, and proved to bite.",
        example_en: r#"fault "link.binlog.stalled" strikes"#,
        example_zh: "发生故障“link.binlog.stalled”",
        takes_table: true,
        ..says("fault-strikes", Kind::When, |c| Ok(Sentence::FaultStrikes { fault: c.name(0)? }))
    },
];

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
        en: "these faults come and go:",
        zh: "以下故障时有时无：",
        doc: "A plan that begins after the steady state and goes on while the Whens happen: each fault strikes, \
              heals and strikes again, at instants drawn from the run's seed and counted in acts, so that the \
              same seed gives the same schedule. Under it a table, `| fault | first after | lasts | pause | times |` \
              above rows like `| link.sql.slow | 0 to 2 acts | 3 to 5 acts | 2 acts | 2 |` (`故障 | 首次之前 | 持续 | \
              间隔 | 次数`, `0 到 2 笔`); any other column is a parameter of the faults.",
        example_en: "these faults come and go:",
        example_zh: "以下故障时有时无：",
        takes_plan: true,
        ..says("faults-come-and-go", Kind::Given, |_| Ok(Sentence::FaultsComeAndGo))
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

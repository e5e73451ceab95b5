//! Shipments: what waits at a warehouse, what is refunded before it leaves, what leaves all the same.

use serde_json::{Value, json};

use super::settle::{CHANNEL, paid};
use super::{Deeds, PROBE_AMOUNT, Probe, ProbeActs, Row, does};
use crate::journal::{Act, Business, Expected};
use crate::money::Money;
use crate::steps::Kind;
use crate::steps::script::{Script, ScriptError};
use crate::wire::Subject;

const SENT: &str = "shipment.sent";

pub(super) static ROWS: &[Row] = &[
    Row {
        en: "order {name} of {money} was paid and waits at warehouse {name}",
        zh: "订单{name}已支付{money}，在仓库{name}待发货",
        doc: "A paid order whose goods the warehouse is to send.",
        example_en: r#"order "O-1" of 199.00 CNY was paid and waits at warehouse "WH-1""#,
        example_zh: "订单“O-1”已支付 199.00 元，在仓库“WH-1”待发货",
        makes: &[("order", 0), ("warehouse", 2)],
        ..does("order-waits-at-warehouse", Kind::Given, |script, said| {
            let order = script.named("order", said.name(0));
            let warehouse = script.named("warehouse", said.name(2));
            Ok(Deeds::InOrder(waiting(script, &order, &warehouse, said.money(1))))
        })
    },
    Row {
        en: "{money} of order {name} is refunded",
        zh: "订单{name}退款{money}",
        zh_order: &[1, 0],
        doc: "Approved and paid out, and owed in full. An order of which nothing is left is not to be sent.",
        example_en: r#"199.00 CNY of order "O-1" is refunded"#,
        example_zh: "订单“O-1”退款 199.00 元",
        needs: &[("order", 1)],
        ..does("order-refunded", Kind::When, |script, said| {
            let shipment = Shipment::noted(script, said.name(1))?;
            let (amount, order) = (said.money(0), shipment.order.id.clone());
            let left = Money { minor: shipment.left.minor - amount.minor, ..shipment.left };
            Shipment { left, ..shipment }.note(script);
            let (refund, channel) = (script.fresh("refund"), CHANNEL.to_owned());
            Ok(Act::Refund { refund, order, channel, due: amount, amount, hold: false }.into())
        })
    },
    Row {
        en: "the warehouse sends order {name}",
        zh: "仓库发出订单{name}",
        doc: "The goods leave. Those of an order of which nothing is left are lost.",
        example_en: r#"the warehouse sends order "O-1""#,
        example_zh: "仓库发出订单“O-1”",
        needs: &[("order", 0)],
        ..does("order-sent", Kind::When, |script, said| {
            let Shipment { order, warehouse, worth, left } = Shipment::noted(script, said.name(0))?;
            let expected = match left.minor {
                ..=0 => Expected::never(SENT, &order),
                _ => Expected::once(SENT, &order, worth),
            };
            Ok(Act::Business(send(script, &order, &warehouse).expecting([expected])).into())
        })
    },
];

/// What a plan that holds a warehouse's shipments is proved by.
pub(super) static PROBES: &[Probe] = &[Probe {
    stops: "ship",
    made: Some("warehouse"),
    act: send_fresh,
    elsewhere: other_warehouse,
}];

/// What the sentences so far say of an order's shipment.
struct Shipment {
    order: Subject,
    warehouse: Subject,
    worth: Money,
    /// What was paid and not refunded.
    left: Money,
}

impl Shipment {
    fn noted(script: &mut Script, name: &str) -> Result<Shipment, ScriptError> {
        let order = script.named("order", name);
        let note = script.noted("shipment", name)?;
        let text = |field| note.get(field).and_then(Value::as_str);
        let money = |field| text(field).and_then(|text| text.parse().ok());
        let warehouse = text("warehouse").map(|id| Subject::new("warehouse", id));
        let unsaid = || ScriptError::Unsaid { kind: "order", name: name.to_owned() };
        let (warehouse, worth) = warehouse.zip(money("worth")).ok_or_else(unsaid)?;
        let left = money("left").ok_or_else(unsaid)?;
        Ok(Shipment { order, warehouse, worth, left })
    }

    fn note(&self, script: &mut Script) {
        let note = json!({"warehouse": self.warehouse.id, "worth": self.worth, "left": self.left});
        script.note("shipment", &self.order.id, note);
    }
}

/// The shipment is planned before the order is paid, as a shop does.
fn waiting(script: &mut Script, order: &Subject, warehouse: &Subject, worth: Money) -> Vec<Act> {
    let subjects = vec![order.clone(), warehouse.clone()];
    let body = json!({"order": order.id, "warehouse": warehouse.id});
    let plan = Business::new("plan-shipment", subjects, "/shipments", body);
    let mut acts = paid(script, order, worth);
    acts.insert(1, Act::Business(plan));
    let (order, warehouse) = (order.clone(), warehouse.clone());
    Shipment { order, warehouse, worth, left: worth }.note(script);
    acts
}

fn send(script: &mut Script, order: &Subject, warehouse: &Subject) -> Business {
    let path = format!("/shipments/{}/dispatch", order.id);
    let body = json!({"warehouse": warehouse.id, "request_no": script.fresh("dispatch")});
    Business::new("ship", vec![order.clone(), warehouse.clone()], path, body)
}

fn send_fresh(script: &mut Script, warehouse: &str, tag: &str) -> ProbeActs {
    let order = script.named("order", &format!("probe-order-{tag}"));
    let warehouse = Subject::new("warehouse", warehouse);
    let setup = waiting(script, &order, &warehouse, PROBE_AMOUNT);
    let sent = Expected::once(SENT, &order, PROBE_AMOUNT);
    let act = Act::Business(send(script, &order, &warehouse).expecting([sent]));
    ProbeActs { setup, act }
}

fn other_warehouse(script: &mut Script, _: &str) -> (Vec<Act>, String) {
    (Vec::new(), script.id("probe-warehouse"))
}

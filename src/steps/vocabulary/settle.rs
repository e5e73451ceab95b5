//! Settlement: what was paid for an order is shared out between its merchant, the platform and the promoter.

use serde_json::{Value, json};

use super::{Deeds, PROBE_AMOUNT, Probe, ProbeActs, Row, does};
use crate::journal::{Act, Business, Expected, Party};
use crate::money::Money;
use crate::steps::Kind;
use crate::steps::script::{Script, ScriptError};
use crate::wire::Subject;

const SHARES: &str = "settle.shares";
/// The channel of orders that are paid here.
pub(super) const CHANNEL: &str = "alipay";

pub(super) static ROWS: &[Row] = &[
    Row {
        en: "order {name} of merchant {name} was paid {money}",
        zh: "商家{name}的订单{name}已支付{money}",
        zh_order: &[1, 0, 2],
        doc: "A paid order, whose money the merchant is to have a part of.",
        example_en: r#"order "O-1" of merchant "M-1" was paid 199.00 CNY"#,
        example_zh: "商家“M-1”的订单“O-1”已支付 199.00 元",
        makes: &[("order", 0), ("merchant", 1)],
        ..does("merchant-order-paid", Kind::Given, |script, said| {
            let order = script.named("order", said.name(0));
            let merchant = script.named("merchant", said.name(1));
            let note = json!({"merchant": merchant.id, "paid": said.money(2)});
            script.note("order", &order.id, note);
            Ok(Deeds::InOrder(paid(script, &order, said.money(2))))
        })
    },
    Row {
        en: "order {name} is settled {count} time(s)",
        zh: "订单{name}结算{count}次",
        doc: "The settlement job takes the order that often, as after a rerun or a message that is read again.",
        example_en: r#"order "O-1" is settled 2 times"#,
        example_zh: "订单“O-1”结算 2 次",
        needs: &[("order", 0)],
        ..does("order-settled", Kind::When, |script, said| {
            let (order, merchant, paid) = noted(script, said.name(0))?;
            let mut acts = Vec::new();
            for time in 0..said.count(1) {
                let once = (time == 0).then(|| once(&order, paid));
                acts.push(Act::Business(settle(script, &order, &merchant).expecting(once)));
            }
            Ok(Deeds::InOrder(acts))
        })
    },
    Row {
        en: "order {name} is settled by {count} jobs at once",
        zh: "订单{name}被{count}个任务同时结算",
        doc: "All of them on their way before the first is answered.",
        example_en: r#"order "O-1" is settled by 2 jobs at once"#,
        example_zh: "订单“O-1”被 2 个任务同时结算",
        needs: &[("order", 0)],
        ..does("order-settled-at-once", Kind::When, |script, said| {
            let (order, merchant, paid) = noted(script, said.name(0))?;
            let most =
                || Expected::at_most(SHARES, &order, paid).between(Party::Seller, Party::Platform);
            let mut one = || Act::Business(settle(script, &order, &merchant).expecting([most()]));
            Ok(Deeds::AtOnce((0..said.count(1)).map(|_| one()).collect()))
        })
    },
];

/// What a plan that stops a merchant's settlement is proved by.
pub(super) static PROBES: &[Probe] = &[Probe {
    stops: "settle",
    made: Some("merchant"),
    act: settle_fresh,
    elsewhere: other_merchant,
}];

/// An order is made and paid.
pub(super) fn paid(script: &mut Script, order: &Subject, amount: Money) -> Vec<Act> {
    let (order, channel) = (order.id.clone(), CHANNEL.to_owned());
    let buyer = script.fresh("buyer");
    vec![
        Act::PlaceOrder { order: order.clone(), buyer, channel: channel.clone(), payable: amount },
        Act::PayOrder { order, channel, amount },
    ]
}

/// An order with its merchant and what was paid for it.
fn noted(script: &mut Script, name: &str) -> Result<(Subject, Subject, Money), ScriptError> {
    let order = script.named("order", name);
    let note = script.noted("order", name)?;
    let text = |field| note.get(field).and_then(Value::as_str);
    let paid = text("paid").and_then(|paid| paid.parse().ok());
    let merchant = text("merchant").map(|id| Subject::new("merchant", id));
    let unsaid = || ScriptError::Unsaid { kind: "order", name: name.to_owned() };
    let (merchant, paid) = merchant.zip(paid).ok_or_else(unsaid)?;
    Ok((order, merchant, paid))
}

fn settle(script: &mut Script, order: &Subject, merchant: &Subject) -> Business {
    let run = script.fresh("run");
    let path = format!("/orders/{}/settlement", order.id);
    let body = json!({"run": run, "merchant": merchant.id});
    Business::new("settle", vec![order.clone(), merchant.clone()], path, body)
}

/// Whatever is shared out beyond what was paid, the platform adds.
fn once(order: &Subject, paid: Money) -> Expected {
    Expected::once(SHARES, order, paid).between(Party::Seller, Party::Platform)
}

fn settle_fresh(script: &mut Script, merchant: &str, tag: &str) -> ProbeActs {
    let order = script.named("order", &format!("probe-order-{tag}"));
    let setup = paid(script, &order, PROBE_AMOUNT);
    let act = settle(script, &order, &Subject::new("merchant", merchant));
    ProbeActs { setup, act: Act::Business(act.expecting([once(&order, PROBE_AMOUNT)])) }
}

fn other_merchant(script: &mut Script, _: &str) -> (Vec<Act>, String) {
    (Vec::new(), script.id("probe-merchant"))
}

//! Refunds: approved, delivered, paid out.

use super::{PROBE_AMOUNT, Probe, ProbeActs, Row, says};
use crate::forge;
use crate::journal::Act;
use crate::steps::script::Script;
use crate::steps::{Kind, Sentence};

pub(super) static ROWS: &[Row] = &[
    Row {
        en: "refund {name} of {money} on order {name} is approved",
        zh: "订单{name}的退款{name}已批准，金额{money}",
        zh_order: &[1, 2, 0],
        doc: "The approval is booked and its message held back: a When delivers it.",
        example_en: r#"refund "R-1" of 199.00 CNY on order "O-1" is approved"#,
        example_zh: "订单“O-1”的退款“R-1”已批准，金额 199.00 元",
        ..says("refund-approved", Kind::Given, |c| {
            Ok(Sentence::RefundApproved {
                refund: c.name(0)?,
                amount: c.money(1)?,
                order: c.name(2)?,
            })
        })
    },
    Row {
        en: "refund {name} of {money} on order {name} was paid out",
        zh: "订单{name}的退款{name}此前已打款{money}",
        zh_order: &[1, 2, 0],
        doc: "An earlier refund, approved and paid out by the channel as it should be.",
        example_en: r#"refund "R-1" of 100.00 CNY on order "O-1" was paid out"#,
        example_zh: "订单“O-1”的退款“R-1”此前已打款 100.00 元",
        ..says("refund-was-paid-out", Kind::Given, |c| {
            Ok(Sentence::RefundWasPaidOut {
                refund: c.name(0)?,
                amount: c.money(1)?,
                order: c.name(2)?,
            })
        })
    },
    Row {
        en: "the refund-approved message of refund {name} is delivered {count} time(s)",
        zh: "退款{name}的批准消息投递了{count}次",
        doc: "The held message reaches the payout consumer that often.",
        example_en: r#"the refund-approved message of refund "R-1" is delivered 2 times"#,
        example_zh: "退款“R-1”的批准消息投递了 2 次",
        ..says("approval-delivered", Kind::When, |c| {
            Ok(Sentence::ApprovalDelivered { refund: c.name(0)?, times: c.count(1)? })
        })
    },
    Row {
        en: "refund {name} of {money} on order {name} is paid out",
        zh: "订单{name}的退款{name}打款{money}",
        zh_order: &[1, 2, 0],
        doc: "Approved and paid out in one go, and owed in full.",
        example_en: r#"refund "R-2" of 100.00 CNY on order "O-1" is paid out"#,
        example_zh: "订单“O-1”的退款“R-2”打款 100.00 元",
        ..says("refund-paid-out", Kind::When, |c| {
            let amount = c.money(1)?;
            let (refund, order) = (c.name(0)?, c.name(2)?);
            Ok(Sentence::RefundPaidOut { refund, amount, order, due: amount })
        })
    },
    Row {
        en: "refund {name} of {money} on order {name} is paid out where {money} is due",
        zh: "订单{name}应退{money}，退款{name}实际打款{money}",
        zh_order: &[2, 3, 0, 1],
        doc: "What is owed, and what is paid out instead.",
        example_en: r#"refund "R-2" of 150.00 CNY on order "O-1" is paid out where 99.00 CNY is due"#,
        example_zh: "订单“O-1”应退 99.00 元，退款“R-2”实际打款 150.00 元",
        ..says("refund-paid-out-where-due", Kind::When, |c| {
            Ok(Sentence::RefundPaidOut {
                refund: c.name(0)?,
                amount: c.money(1)?,
                order: c.name(2)?,
                due: c.money(3)?,
            })
        })
    },
];

pub(super) static PROBES: &[Probe] =
    &[Probe { stops: "refund", made: None, act: refund, elsewhere: other_channel }];

fn refund(script: &mut Script, channel: &str, tag: &str) -> ProbeActs {
    let order = script.id(&format!("probe-order-{tag}"));
    let buyer = script.id(&format!("probe-buyer-{tag}"));
    let refund = script.id(&format!("probe-refund-{tag}"));
    let (channel, amount) = (channel.to_owned(), PROBE_AMOUNT);
    let place =
        Act::PlaceOrder { order: order.clone(), buyer, channel: channel.clone(), payable: amount };
    let pay = Act::PayOrder { order: order.clone(), channel: channel.clone(), amount };
    let act = Act::Refund { refund, order, channel, due: amount, amount, hold: false };
    ProbeActs { setup: vec![place, pay], act }
}

pub(super) fn other_channel(_: &mut Script, channel: &str) -> (Vec<Act>, String) {
    let other = forge::CHANNELS.iter().find(|other| **other != channel);
    (Vec::new(), (*other.unwrap_or(&forge::CHANNELS[0])).to_owned())
}

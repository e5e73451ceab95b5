//! Charges: who says that an order was paid, and how a stop of a channel is proved.

use serde_json::json;

use super::refund::other_channel;
use super::{PROBE_AMOUNT, Probe, ProbeActs, Row, does};
use crate::forge;
use crate::journal::{Act, Business};
use crate::steps::Kind;
use crate::steps::script::Script;

pub(super) static ROWS: &[Row] = &[Row {
    en: "a callback signed by {name} reports order {name} as paid {money}",
    zh: "由{name}签名的回调称订单{name}已支付{money}",
    doc: "Signed by a channel: the buyer pays through it, and its callback says so. By anyone else: a forgery, and \
          nobody was charged.",
    example_en: r#"a callback signed by "alipay" reports order "O-1" as paid 199.00 CNY"#,
    example_zh: "由“alipay”签名的回调称订单“O-1”已支付 199.00 元",
    needs: &[("order", 1)],
    ..does("callback-signed-by", Kind::When, |script, said| {
        let order = script.named("order", said.name(1));
        let (signer, amount) = (said.name(0).to_owned(), said.money(2));
        if forge::CHANNELS.contains(&signer.as_str()) {
            return Ok(Act::PayOrder { order: order.id, channel: signer, amount }.into());
        }
        let txn = script.fresh("forged-txn");
        let body = json!({
            "order": order.id, "channel": forge::CHANNELS[0], "amount": amount, "txn": txn, "at_ms": 0
        });
        Ok(Act::Business(Business::new("forge", vec![order], "/callbacks/payment", body)).into())
    })
}];

pub(super) static PROBES: &[Probe] =
    &[Probe { stops: "pay", made: None, act: pay, elsewhere: other_channel }];

fn pay(script: &mut Script, channel: &str, tag: &str) -> ProbeActs {
    let order = script.id(&format!("probe-order-{tag}"));
    let buyer = script.id(&format!("probe-buyer-{tag}"));
    let (channel, amount) = (channel.to_owned(), PROBE_AMOUNT);
    let place =
        Act::PlaceOrder { order: order.clone(), buyer, channel: channel.clone(), payable: amount };
    ProbeActs { setup: vec![place], act: Act::PayOrder { order, channel, amount } }
}

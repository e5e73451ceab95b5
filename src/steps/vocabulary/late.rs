//! Orders that are closed while their payment is on its way.

use serde_json::json;

use super::{Deeds, Row, does};
use crate::journal::{Act, Business, Expected};
use crate::steps::Kind;
use crate::wire::Subject;

pub(super) static ROWS: &[Row] = &[Row {
    en: "a buyer pays {money} for order {name} through channel {name} just before its timer closes it",
    zh: "用户刚通过渠道{name}为订单{name}支付{money}，订单就超时关闭",
    zh_order: &[2, 1, 0],
    doc: "The channel takes the money. Where the shop hears of it only after the closing, it goes back.",
    example_en: r#"a buyer pays 199.00 CNY for order "O-1" through channel "alipay" just before its timer closes it"#,
    example_zh: "用户刚通过渠道“alipay”为订单“O-1”支付 199.00 元，订单就超时关闭",
    needs: &[("order", 1), ("channel", 2)],
    ..does("order-times-out", Kind::When, |script, said| {
        let order = script.named("order", said.name(1));
        let (amount, channel) = (said.money(0), said.name(2).to_owned());
        let pay = Act::PayOrder { order: order.id.clone(), channel: channel.clone(), amount };
        // The shop calls the refund of an order's late payment so.
        let refund = Subject::new("refund", format!("late-{}", order.id));
        let owed = [Expected::paid_out(&refund, amount), Expected::never_paid(&order)];
        let path = format!("/orders/{}/closures", order.id);
        let subjects = vec![refund, order, Subject::new("channel", channel)];
        let close = Business::new("close", subjects, path, json!({"reason": "timeout"}));
        Ok(Deeds::InOrder(vec![pay, Act::Business(close.expecting(owed))]))
    })
}];

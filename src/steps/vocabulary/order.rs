//! Orders and their payment.

use super::{Row, says};
use crate::steps::{Kind, Sentence};

pub(super) static ROWS: &[Row] = &[
    Row {
        en: "order {name} was paid {money} through channel {name}",
        zh: "订单{name}已通过渠道{name}支付{money}",
        zh_order: &[0, 2, 1],
        doc: "A paid order: the channel has collected, the shop knows it.",
        example_en: r#"order "O-1" was paid 199.00 CNY through channel "alipay""#,
        example_zh: "订单“O-1”已通过渠道“alipay”支付 199.00 元",
        ..says("order-paid", Kind::Given, |c| {
            Ok(Sentence::OrderPaid { order: c.name(0)?, amount: c.money(1)?, channel: c.name(2)? })
        })
    },
    Row {
        en: "order {name} awaits payment of {money}",
        zh: "订单{name}待支付{money}",
        doc: "An order that nobody has paid yet.",
        example_en: r#"order "O-2" awaits payment of 199.00 CNY"#,
        example_zh: "订单“O-2”待支付 199.00 元",
        ..says("order-awaits-payment", Kind::Given, |c| {
            Ok(Sentence::OrderAwaitsPayment { order: c.name(0)?, amount: c.money(1)? })
        })
    },
    Row {
        en: "a buyer pays {money} for order {name} through channel {name} and is charged",
        zh: "用户通过渠道{name}为订单{name}支付{money}且扣款成功",
        zh_order: &[2, 1, 0],
        doc: "The channel takes the money; its signed callback tells the shop.",
        example_en: r#"a buyer pays 199.00 CNY for order "O-2" through channel "alipay" and is charged"#,
        example_zh: "用户通过渠道“alipay”为订单“O-2”支付 199.00 元且扣款成功",
        ..says("buyer-pays", Kind::When, |c| {
            Ok(Sentence::BuyerPays { amount: c.money(0)?, order: c.name(1)?, channel: c.name(2)? })
        })
    },
];

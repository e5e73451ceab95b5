//! What a defender did, always bounded.

use super::{Row, says};
use crate::steps::{Bound, Kind, Sentence};

pub(super) static ROWS: &[Row] = &[
    Row {
        en: "alert {name} is raised in time for {subject} {name}",
        zh: "及时产生告警{name}，对象为{subject}{name}",
        doc: "Within the loss point's own detect deadline, once, and about that subject.",
        example_en: r#"alert "bid-below-market" is raised in time for item "SKU-1""#,
        example_zh: "及时产生告警“bid-below-market”，对象为商品“SKU-1”",
        ..says("alert-raised-in-time", Kind::Then, |c| {
            let (alert, subject) = (c.name(0)?, c.subject(1)?);
            Ok(Sentence::AlertRaised { alert, subject, bound: Bound::InTime })
        })
    },
    Row {
        en: "alert {name} is raised within {duration} for {subject} {name}",
        zh: "{duration}内产生告警{name}，对象为{subject}{name}",
        zh_order: &[1, 0, 2, 3],
        doc: "The same with a bound of its own, never longer than the catalogue's.",
        example_en: r#"alert "paid-order-unpaid" is raised within 60 s for order "O-2""#,
        example_zh: "60 秒内产生告警“paid-order-unpaid”，对象为订单“O-2”",
        ..says("alert-raised-within", Kind::Then, |c| {
            let (alert, bound, subject) = (c.name(0)?, c.within(1)?, c.subject(2)?);
            Ok(Sentence::AlertRaised { alert, subject, bound })
        })
    },
    Row {
        en: "the alert puts {money} at risk",
        zh: "该告警的风险金额为{money}",
        doc: "The amount that the alert named before gives as money at risk, to the fen.",
        example_en: "the alert puts 1,799.10 CNY at risk",
        example_zh: "该告警的风险金额为 1,799.10 元",
        ..says("alert-at-risk", Kind::Then, |c| Ok(Sentence::AlertAtRisk { amount: c.money(0)? }))
    },
    Row {
        en: "plan {name} is effective in time for {subject} {name}",
        zh: "预案{name}及时生效，对象为{subject}{name}",
        doc: "Within the respond deadline, in that scope only, and proved by its declared effect.",
        example_en: r#"plan "take-off-sale" is effective in time for item "SKU-1""#,
        example_zh: "预案“take-off-sale”及时生效，对象为商品“SKU-1”",
        ..says("plan-effective-in-time", Kind::Then, |c| {
            let (plan, scope) = (c.name(0)?, c.subject(1)?);
            Ok(Sentence::PlanEffective { plan, scope, bound: Bound::InTime })
        })
    },
    Row {
        en: "plan {name} is effective within {duration} for {subject} {name}",
        zh: "{duration}内预案{name}生效，对象为{subject}{name}",
        zh_order: &[1, 0, 2, 3],
        doc: "The same with a bound of its own.",
        example_en: r#"plan "backfill-payment" is effective within 5 min for order "O-2""#,
        example_zh: "5 分钟内预案“backfill-payment”生效，对象为订单“O-2”",
        ..says("plan-effective-within", Kind::Then, |c| {
            let (plan, bound, scope) = (c.name(0)?, c.within(1)?, c.subject(2)?);
            Ok(Sentence::PlanEffective { plan, scope, bound })
        })
    },
    Row {
        en: "plan {name} only asks in time for {subject} {name}",
        zh: "预案{name}及时请求确认而未执行，对象为{subject}{name}",
        doc: "It asks a person within the respond deadline, and does nothing as long as nobody has answered.",
        example_en: r#"plan "stop-channel" only asks in time for channel "alipay""#,
        example_zh: "预案“stop-channel”及时请求确认而未执行，对象为渠道“alipay”",
        ..says("plan-waits-in-time", Kind::Then, |c| {
            let (plan, scope) = (c.name(0)?, c.subject(1)?);
            Ok(Sentence::PlanWaits { plan, scope, bound: Bound::InTime })
        })
    },
    Row {
        en: "order {name} is paid in time",
        zh: "订单{name}及时变为已支付",
        doc: "The shop counts the order as paid, within the contain deadline.",
        example_en: r#"order "O-2" is paid in time"#,
        example_zh: "订单“O-2”及时变为已支付",
        ..says("order-is-paid-in-time", Kind::Then, |c| {
            Ok(Sentence::OrderIsPaid { order: c.name(0)?, bound: Bound::InTime })
        })
    },
    Row {
        en: "order {name} is paid within {duration}",
        zh: "{duration}内订单{name}变为已支付",
        zh_order: &[1, 0],
        doc: "The same with a bound of its own.",
        example_en: r#"order "O-2" is paid within 10 min"#,
        example_zh: "10 分钟内订单“O-2”变为已支付",
        ..says("order-is-paid-within", Kind::Then, |c| {
            Ok(Sentence::OrderIsPaid { order: c.name(0)?, bound: c.within(1)? })
        })
    },
    Row {
        en: "the loss is contained in time",
        zh: "损失及时得到控制",
        doc: "From the contain deadline on, the loss grows no more.",
        example_en: "the loss is contained in time",
        example_zh: "损失及时得到控制",
        ..says("loss-contained-in-time", Kind::Then, |_| {
            Ok(Sentence::LossContained { bound: Bound::InTime })
        })
    },
    Row {
        en: "the loss is contained within {duration}",
        zh: "{duration}内损失得到控制",
        doc: "The same with a bound of its own.",
        example_en: "the loss is contained within 10 min",
        example_zh: "10 分钟内损失得到控制",
        ..says("loss-contained-within", Kind::Then, |c| {
            Ok(Sentence::LossContained { bound: c.within(0)? })
        })
    },
    Row {
        en: "the loss is at most {money}",
        zh: "损失不超过{money}",
        doc: "By the oracle's books, of all parties together; 0.00 is a defence that won.",
        example_en: "the loss is at most 0.00 CNY",
        example_zh: "损失不超过 0.00 元",
        ..says("loss-at-most", Kind::Then, |c| Ok(Sentence::LossAtMost { amount: c.money(0)? }))
    },
    Row {
        en: "no other alert is raised",
        zh: "没有其他告警",
        doc: "None but the loss point's own rules and those that its entry allows.",
        example_en: "no other alert is raised",
        example_zh: "没有其他告警",
        ..says("no-other-alert", Kind::Then, |_| Ok(Sentence::NoOtherAlert))
    },
    Row {
        en: "no alert is raised",
        zh: "没有任何告警",
        doc: "Silence, proved: the rule judged the subject, and the attack still raises its alert.",
        example_en: "no alert is raised",
        example_zh: "没有任何告警",
        ..says("no-alert", Kind::Then, |_| Ok(Sentence::NoAlert))
    },
];

//! The one table of sentences: wording in both languages, doc, examples, and what each says.
//!
//! To add a sentence: a row here, a variant of [`Sentence`], and the compiler lists who must act on it.

use super::params::{BadValue, Captured};
use super::{Bound, Kind, Sentence};

/// One sentence of the vocabulary.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub id: &'static str,
    pub kind: Kind,
    /// Cucumber expressions.
    pub en: &'static str,
    pub zh: &'static str,
    /// For each parameter of `en`, its position in `zh`; empty where the order is the same.
    pub zh_order: &'static [usize],
    pub doc: &'static str,
    pub example_en: &'static str,
    pub example_zh: &'static str,
    /// A table of parameters may stand under it.
    pub takes_table: bool,
    /// Indices are those of `en`.
    pub say: fn(&Captured<'_>) -> Result<Sentence, BadValue>,
}

const fn row(id: &'static str, kind: Kind, say: Say) -> Row {
    Row {
        id,
        kind,
        en: "",
        zh: "",
        zh_order: &[],
        doc: "",
        example_en: "",
        example_zh: "",
        takes_table: false,
        say,
    }
}

type Say = fn(&Captured<'_>) -> Result<Sentence, BadValue>;

/// Every sentence there is, in the order of a scenario.
pub static VOCABULARY: &[Row] = &[
    // ---- Given: the state. -------------------------------------------------------------------
    Row {
        en: "item {name} has a 7-day median of {money}",
        zh: "商品{name}的 7 日成交中位价为{money}",
        doc: "An item on sale with stock and a week of deals around that price.",
        example_en: r#"item "SKU-1" has a 7-day median of 1,999.00 CNY"#,
        example_zh: "商品“SKU-1”的 7 日成交中位价为 1,999.00 元",
        ..row("item-median", Kind::Given, |c| {
            Ok(Sentence::ItemMedian { item: c.name(0)?, median: c.money(1)? })
        })
    },
    Row {
        en: "clearance {name} of item {name} is approved",
        zh: "商品{name}的清仓单{name}已获批",
        zh_order: &[1, 0],
        doc: "The operator has approved that this item may be sold far below its median.",
        example_en: r#"clearance "CL-1" of item "SKU-1" is approved"#,
        example_zh: "商品“SKU-1”的清仓单“CL-1”已获批",
        ..row("clearance-approved", Kind::Given, |c| {
            Ok(Sentence::ClearanceApproved { clearance: c.name(0)?, item: c.name(1)? })
        })
    },
    Row {
        en: "order {name} was paid {money} through channel {name}",
        zh: "订单{name}已通过渠道{name}支付{money}",
        zh_order: &[0, 2, 1],
        doc: "A paid order: the channel has collected, the shop knows it.",
        example_en: r#"order "O-1" was paid 199.00 CNY through channel "alipay""#,
        example_zh: "订单“O-1”已通过渠道“alipay”支付 199.00 元",
        ..row("order-paid", Kind::Given, |c| {
            Ok(Sentence::OrderPaid { order: c.name(0)?, amount: c.money(1)?, channel: c.name(2)? })
        })
    },
    Row {
        en: "order {name} awaits payment of {money}",
        zh: "订单{name}待支付{money}",
        doc: "An order that nobody has paid yet.",
        example_en: r#"order "O-2" awaits payment of 199.00 CNY"#,
        example_zh: "订单“O-2”待支付 199.00 元",
        ..row("order-awaits-payment", Kind::Given, |c| {
            Ok(Sentence::OrderAwaitsPayment { order: c.name(0)?, amount: c.money(1)? })
        })
    },
    Row {
        en: "refund {name} of {money} on order {name} is approved",
        zh: "订单{name}的退款{name}已批准，金额{money}",
        zh_order: &[1, 2, 0],
        doc: "The approval is booked and its message held back: a When delivers it.",
        example_en: r#"refund "R-1" of 199.00 CNY on order "O-1" is approved"#,
        example_zh: "订单“O-1”的退款“R-1”已批准，金额 199.00 元",
        ..row("refund-approved", Kind::Given, |c| {
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
        ..row("refund-was-paid-out", Kind::Given, |c| {
            Ok(Sentence::RefundWasPaidOut {
                refund: c.name(0)?,
                amount: c.money(1)?,
                order: c.name(2)?,
            })
        })
    },
    Row {
        en: "fault {name} is active",
        zh: "故障{name}生效",
        doc: "Armed where it stands, injected after the steady state: no Given feels it. Its \
              parameters are a table under the step: `| delay | 20 s |`.",
        example_en: r#"fault "app.payment-callback.dropped" is active"#,
        example_zh: "故障“app.payment-callback.dropped”生效",
        takes_table: true,
        ..row("fault-active", Kind::Given, |c| Ok(Sentence::FaultActive { fault: c.name(0)? }))
    },
    // ---- When: one business or hostile event. ------------------------------------------------
    Row {
        en: "a seller who means {money} bids {money} for item {name}",
        zh: "卖家本想为商品{name}出价{money}，实际出价{money}",
        zh_order: &[1, 2, 0],
        doc: "What was meant, and what was done. The oracle expects what was meant.",
        example_en: r#"a seller who means 1,999.00 CNY bids 199.90 CNY for item "SKU-1""#,
        example_zh: "卖家本想为商品“SKU-1”出价 1,999.00 元，实际出价 199.90 元",
        ..row("seller-bids", Kind::When, |c| {
            Ok(Sentence::SellerBids {
                meant: c.money(0)?,
                price: c.money(1)?,
                item: c.name(2)?,
                clearance: None,
            })
        })
    },
    Row {
        en: "a seller who means {money} bids {money} for item {name} under clearance {name}",
        zh: "卖家本想凭清仓单{name}为商品{name}出价{money}，实际出价{money}",
        zh_order: &[2, 3, 1, 0],
        doc: "The same, with an approved clearance: far below the median, and meant so.",
        example_en: r#"a seller who means 599.00 CNY bids 599.00 CNY for item "SKU-1" under clearance "CL-1""#,
        example_zh: "卖家本想凭清仓单“CL-1”为商品“SKU-1”出价 599.00 元，实际出价 599.00 元",
        ..row("seller-bids-under-clearance", Kind::When, |c| {
            Ok(Sentence::SellerBids {
                meant: c.money(0)?,
                price: c.money(1)?,
                item: c.name(2)?,
                clearance: Some(c.name(3)?),
            })
        })
    },
    Row {
        en: "a seller's bid for item {name} follows the pattern {name}",
        zh: "卖家按模式{name}为商品{name}出价",
        zh_order: &[1, 0],
        doc: "The forge draws what is meant and what is bid, from the scenario's seed. Patterns: \
              `lost-digit`, `honest-price`.",
        example_en: r#"a seller's bid for item "SKU-1" follows the pattern "lost-digit""#,
        example_zh: "卖家按模式“lost-digit”为商品“SKU-1”出价",
        ..row("bid-follows-pattern", Kind::When, |c| {
            Ok(Sentence::BidFollowsPattern { item: c.name(0)?, pattern: c.name(1)? })
        })
    },
    Row {
        en: "a buyer buys item {name} through channel {name}",
        zh: "用户通过渠道{name}购买商品{name}",
        zh_order: &[1, 0],
        doc: "One piece of the cheapest open bid, paid at once.",
        example_en: r#"a buyer buys item "SKU-1" through channel "alipay""#,
        example_zh: "用户通过渠道“alipay”购买商品“SKU-1”",
        ..row("buyer-buys", Kind::When, |c| {
            Ok(Sentence::BuyerBuys { item: c.name(0)?, channel: c.name(1)? })
        })
    },
    Row {
        en: "a buyer pays {money} for order {name} through channel {name} and is charged",
        zh: "用户通过渠道{name}为订单{name}支付{money}且扣款成功",
        zh_order: &[2, 1, 0],
        doc: "The channel takes the money; its signed callback tells the shop.",
        example_en: r#"a buyer pays 199.00 CNY for order "O-2" through channel "alipay" and is charged"#,
        example_zh: "用户通过渠道“alipay”为订单“O-2”支付 199.00 元且扣款成功",
        ..row("buyer-pays", Kind::When, |c| {
            Ok(Sentence::BuyerPays { amount: c.money(0)?, order: c.name(1)?, channel: c.name(2)? })
        })
    },
    Row {
        en: "the refund-approved message of refund {name} is delivered {count} time(s)",
        zh: "退款{name}的批准消息投递了{count}次",
        doc: "The held message reaches the payout consumer that often.",
        example_en: r#"the refund-approved message of refund "R-1" is delivered 2 times"#,
        example_zh: "退款“R-1”的批准消息投递了 2 次",
        ..row("approval-delivered", Kind::When, |c| {
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
        ..row("refund-paid-out", Kind::When, |c| {
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
        ..row("refund-paid-out-where-due", Kind::When, |c| {
            Ok(Sentence::RefundPaidOut {
                refund: c.name(0)?,
                amount: c.money(1)?,
                order: c.name(2)?,
                due: c.money(3)?,
            })
        })
    },
    Row {
        en: "fault {name} strikes",
        zh: "发生故障{name}",
        doc: "Injected at its place among the Whens, and proved to bite.",
        example_en: r#"fault "link.binlog.stalled" strikes"#,
        example_zh: "发生故障“link.binlog.stalled”",
        takes_table: true,
        ..row("fault-strikes", Kind::When, |c| Ok(Sentence::FaultStrikes { fault: c.name(0)? }))
    },
    // ---- Then: what a defender did, always bounded. ------------------------------------------
    Row {
        en: "alert {name} is raised in time for {subject} {name}",
        zh: "及时产生告警{name}，对象为{subject}{name}",
        doc: "Within the loss point's own detect deadline, once, and about that subject.",
        example_en: r#"alert "bid-below-market" is raised in time for item "SKU-1""#,
        example_zh: "及时产生告警“bid-below-market”，对象为商品“SKU-1”",
        ..row("alert-raised-in-time", Kind::Then, |c| {
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
        ..row("alert-raised-within", Kind::Then, |c| {
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
        ..row("alert-at-risk", Kind::Then, |c| Ok(Sentence::AlertAtRisk { amount: c.money(0)? }))
    },
    Row {
        en: "plan {name} is effective in time for {subject} {name}",
        zh: "预案{name}及时生效，对象为{subject}{name}",
        doc: "Within the respond deadline, in that scope only, and proved by its declared effect.",
        example_en: r#"plan "take-off-sale" is effective in time for item "SKU-1""#,
        example_zh: "预案“take-off-sale”及时生效，对象为商品“SKU-1”",
        ..row("plan-effective-in-time", Kind::Then, |c| {
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
        ..row("plan-effective-within", Kind::Then, |c| {
            let (plan, bound, scope) = (c.name(0)?, c.within(1)?, c.subject(2)?);
            Ok(Sentence::PlanEffective { plan, scope, bound })
        })
    },
    Row {
        en: "order {name} is paid in time",
        zh: "订单{name}及时变为已支付",
        doc: "The shop counts the order as paid, within the contain deadline.",
        example_en: r#"order "O-2" is paid in time"#,
        example_zh: "订单“O-2”及时变为已支付",
        ..row("order-is-paid-in-time", Kind::Then, |c| {
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
        ..row("order-is-paid-within", Kind::Then, |c| {
            Ok(Sentence::OrderIsPaid { order: c.name(0)?, bound: c.within(1)? })
        })
    },
    Row {
        en: "the loss is contained in time",
        zh: "损失及时得到控制",
        doc: "From the contain deadline on, the loss grows no more.",
        example_en: "the loss is contained in time",
        example_zh: "损失及时得到控制",
        ..row("loss-contained-in-time", Kind::Then, |_| {
            Ok(Sentence::LossContained { bound: Bound::InTime })
        })
    },
    Row {
        en: "the loss is contained within {duration}",
        zh: "{duration}内损失得到控制",
        doc: "The same with a bound of its own.",
        example_en: "the loss is contained within 10 min",
        example_zh: "10 分钟内损失得到控制",
        ..row("loss-contained-within", Kind::Then, |c| {
            Ok(Sentence::LossContained { bound: c.within(0)? })
        })
    },
    Row {
        en: "the loss is at most {money}",
        zh: "损失不超过{money}",
        doc: "By the oracle's books, of all parties together; 0.00 is a defence that won.",
        example_en: "the loss is at most 0.00 CNY",
        example_zh: "损失不超过 0.00 元",
        ..row("loss-at-most", Kind::Then, |c| Ok(Sentence::LossAtMost { amount: c.money(0)? }))
    },
    Row {
        en: "no other alert is raised",
        zh: "没有其他告警",
        doc: "None but the loss point's own rules and those that its entry allows.",
        example_en: "no other alert is raised",
        example_zh: "没有其他告警",
        ..row("no-other-alert", Kind::Then, |_| Ok(Sentence::NoOtherAlert))
    },
    Row {
        en: "no alert is raised",
        zh: "没有任何告警",
        doc: "Silence, proved: the rule judged the subject, and the attack still raises its alert.",
        example_en: "no alert is raised",
        example_zh: "没有任何告警",
        ..row("no-alert", Kind::Then, |_| Ok(Sentence::NoAlert))
    },
    // ---- The watcher. -----------------------------------------------------------------------
    Row {
        en: "a watchdog watches the reconciler",
        zh: "看门狗在盯着对账系统",
        doc: "A process of its own that alerts, by a channel of its own, when the reconciler is silent.",
        example_en: "a watchdog watches the reconciler",
        example_zh: "看门狗在盯着对账系统",
        ..row("watchdog-watches", Kind::Given, |_| Ok(Sentence::WatchdogWatches))
    },
];

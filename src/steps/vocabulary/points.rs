//! Points: what a paid order grants its buyer.

use serde_json::{Value, json};

use super::settle::paid;
use super::{Deeds, PROBE_AMOUNT, Probe, ProbeActs, Row, does};
use crate::journal::{Act, Business, Expected};
use crate::money::Money;
use crate::steps::Kind;
use crate::steps::script::{Script, ScriptError};
use crate::wire::Subject;

const GRANTED: &str = "points.granted";
/// A service that asks for an order's points by hand, where the checkout does so by itself.
const MEMBER_DESK: &str = "member-desk";
/// An order grants a point for each whole yuan, and a point buys a fen's worth.
const PRICE_OF_A_POINT: i64 = 100;
const WORTH_OF_A_POINT: Money = Money::cny(1);

pub(super) static ROWS: &[Row] = &[
    Row {
        en: "order {name} was paid {money} and earns points",
        zh: "订单{name}已支付{money}，可得积分",
        doc: "A paid order: a point for each whole yuan; a hundred points buy goods for one.",
        example_en: r#"order "O-1" was paid 199.00 CNY and earns points"#,
        example_zh: "订单“O-1”已支付 199.00 元，可得积分",
        makes: &[("order", 0)],
        ..does("order-earns-points", Kind::Given, |script, said| {
            let (order, amount) = (script.named("order", said.name(0)), said.money(1));
            script.note("points", &order.id, Value::from(amount.minor / PRICE_OF_A_POINT));
            Ok(Deeds::InOrder(paid(script, &order, amount)))
        })
    },
    Row {
        en: "the payment message of order {name} reaches the points service {count} time(s)",
        zh: "订单{name}的支付消息到达积分服务{count}次",
        doc: "One delivery after the other, as after a restart or a rebalance. The first one grants.",
        example_en: r#"the payment message of order "O-1" reaches the points service 2 times"#,
        example_zh: "订单“O-1”的支付消息到达积分服务 2 次",
        needs: &[("order", 0)],
        ..does("points-delivered", Kind::When, |script, said| {
            let (order, points) = noted(script, said.name(0))?;
            let once = Expected::once(GRANTED, &order, points).worth(WORTH_OF_A_POINT);
            let mut acts = vec![deliver(script, &order).expecting([once])];
            acts.extend((1..said.count(1)).map(|_| deliver(script, &order)));
            Ok(Deeds::InOrder(acts.into_iter().map(Act::Business).collect()))
        })
    },
    Row {
        en: "the payment message of order {name} reaches {count} points services at once",
        zh: "订单{name}的支付消息同时到达{count}个积分服务",
        doc: "All deliveries on their way before the first is answered.",
        example_en: r#"the payment message of order "O-1" reaches 2 points services at once"#,
        example_zh: "订单“O-1”的支付消息同时到达 2 个积分服务",
        needs: &[("order", 0)],
        ..does("points-delivered-at-once", Kind::When, |script, said| {
            let (order, points) = noted(script, said.name(0))?;
            let most = || Expected::at_most(GRANTED, &order, points).worth(WORTH_OF_A_POINT);
            let mut one = || Act::Business(deliver(script, &order).expecting([most()]));
            Ok(Deeds::AtOnce((0..said.count(1)).map(|_| one()).collect()))
        })
    },
];

/// What a plan that takes orders without points is proved by: a paid order asks for them. Another service that calls the
/// points service still gets them.
pub(super) static PROBES: &[Probe] =
    &[Probe { stops: "points", made: None, act: ask, elsewhere: other_service }];

fn ask(script: &mut Script, service: &str, tag: &str) -> ProbeActs {
    let order = script.named("order", &format!("probe-order-{tag}"));
    let setup = paid(script, &order, PROBE_AMOUNT);
    ProbeActs { setup, act: Act::Business(grant(script, &order, service, PROBE_AMOUNT)) }
}

fn other_service(_: &mut Script, _: &str) -> (Vec<Act>, String) {
    (Vec::new(), MEMBER_DESK.to_owned())
}

/// `service` asks for what an order that was paid `amount` earns.
fn grant(script: &mut Script, order: &Subject, service: &str, amount: Money) -> Business {
    let points = amount.minor / PRICE_OF_A_POINT;
    let path = format!("/orders/{}/points", order.id);
    let body = json!({"delivery": script.fresh("delivery"), "caller": service});
    let once = Expected::once(GRANTED, order, points).worth(WORTH_OF_A_POINT);
    Business::new("grant", vec![order.clone()], path, body).expecting([once])
}

/// An order and the points that it grants.
fn noted(script: &mut Script, name: &str) -> Result<(Subject, i64), ScriptError> {
    let points = script.noted("points", name)?.as_i64().unwrap_or_default();
    Ok((script.named("order", name), points))
}

fn deliver(script: &mut Script, order: &Subject) -> Business {
    let path = format!("/orders/{}/points", order.id);
    let body = json!({"delivery": script.fresh("delivery")});
    Business::new("grant", vec![order.clone()], path, body)
}

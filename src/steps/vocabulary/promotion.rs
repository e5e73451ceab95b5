//! Coupons, promotions that exclude one another, and the budgets of activities.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Deeds, PROBE_AMOUNT, Probe, ProbeActs, Row, does};
use crate::forge;
use crate::journal::{Act, Business, Expected};
use crate::money::Money;
use crate::steps::Kind;
use crate::steps::script::{Script, ScriptError};
use crate::wire::Subject;

const COUPON_USE: &str = "coupon.use";
const PROMOTION_USE: &str = "promotion.use";
const SPENT: &str = "activity.spent";

/// The budget of an activity whose budget is not the matter.
const AMPLE: Money = Money::cny(100_000_000);
/// What an order costs beside what it takes off.
const REST: Money = Money::cny(10_000);

pub(super) static ROWS: &[Row] = &[
    Row {
        en: "activity {name} has a budget of {money}",
        zh: "活动{name}的预算为{money}",
        doc: "An activity that gives out coupons; what orders take of it never adds up to more than that.",
        example_en: r#"activity "A-1" has a budget of 100.00 CNY"#,
        example_zh: "活动“A-1”的预算为 100.00 元",
        makes: &[("activity", 0)],
        ..does("activity-budget", Kind::Given, |script, said| {
            let activity = script.named("activity", said.name(0));
            Ok(Act::Business(open(&activity, said.money(1))).into())
        })
    },
    Row {
        en: "coupon {name} of {money} belongs to activity {name}",
        zh: "活动{name}发放优惠券{name}，面值{money}",
        zh_order: &[1, 2, 0],
        doc: "A coupon that is good for one order, in an activity whose budget is ample.",
        example_en: r#"coupon "C-1" of 50.00 CNY belongs to activity "A-1""#,
        example_zh: "活动“A-1”发放优惠券“C-1”，面值 50.00 元",
        makes: &[("coupon", 0), ("activity", 2)],
        ..does("coupon-issued", Kind::Given, |script, said| {
            let coupon = script.named("coupon", said.name(0));
            let activity = script.named("activity", said.name(2));
            let face = said.money(1);
            script.note("coupon", &coupon.id, json!({"activity": activity.id, "face": face}));
            let acts = [open(&activity, AMPLE), issue(&coupon, &activity, face)];
            Ok(Deeds::InOrder(acts.map(Act::Business).into()))
        })
    },
    Row {
        en: "promotion {name} of {money} in exclusion group {name} belongs to activity {name}",
        zh: "活动{name}的互斥组{name}中有促销{name}，优惠{money}",
        zh_order: &[2, 3, 1, 0],
        doc: "Of the promotions of one exclusion group an order takes only the best. The activity's budget is ample.",
        example_en: r#"promotion "P-1" of 30.00 CNY in exclusion group "G-1" belongs to activity "A-1""#,
        example_zh: "活动“A-1”的互斥组“G-1”中有促销“P-1”，优惠 30.00 元",
        makes: &[("promotion", 0), ("activity", 3)],
        ..does("promotion-offered", Kind::Given, |script, said| {
            let (promotion, group) = (script.id(said.name(0)), script.id(said.name(2)));
            let activity = script.named("activity", said.name(3));
            let face = said.money(1);
            let body = json!({
                "promotion": promotion, "activity": activity.id, "group": group, "face": face
            });
            script.note("promotion", &promotion, body.clone());
            let subjects = vec![activity.clone()];
            let offer = Business::new("offer-promotion", subjects, "/promotions", body);
            Ok(Deeds::InOrder([open(&activity, AMPLE), offer].map(Act::Business).into()))
        })
    },
    Row {
        en: "coupon {name} is redeemed by {count} order(s) at once",
        zh: "优惠券{name}同时被{count}笔订单核销",
        doc: "All of them on their way before the first is answered; a coupon is good for one.",
        example_en: r#"coupon "C-1" is redeemed by 2 orders at once"#,
        example_zh: "优惠券“C-1”同时被 2 笔订单核销",
        needs: &[("coupon", 0)],
        ..does("coupon-redeemed", Kind::When, |script, said| {
            let note = script.noted("coupon", said.name(0))?.clone();
            let coupon = script.named("coupon", said.name(0));
            let activity = Subject::new("activity", text(&note["activity"]));
            let face = amount(&note["face"]);
            let mut one = || Act::Business(redeem(script, &coupon, &activity, face));
            Ok(Deeds::AtOnce((0..said.count(1)).map(|_| one()).collect()))
        })
    },
    Row {
        en: "{count} coupon(s) of {money} of activity {name} are redeemed",
        zh: "活动{name}有{count}张{money}优惠券被核销",
        zh_order: &[1, 2, 0],
        doc: "Each coupon is given out and redeemed by an order of its own, one after the other.",
        example_en: r#"2 coupons of 60.00 CNY of activity "A-1" are redeemed"#,
        example_zh: "活动“A-1”有 2 张 60.00 元优惠券被核销",
        needs: &[("activity", 2)],
        ..does("coupons-redeemed", Kind::When, |script, said| {
            let activity = script.named("activity", said.name(2));
            let (face, mut acts) = (said.money(1), Vec::new());
            for _ in 0..said.count(0) {
                let coupon = Subject::new("coupon", script.fresh("coupon"));
                acts.push(Act::Business(issue(&coupon, &activity, face)));
                acts.push(Act::Business(redeem(script, &coupon, &activity, face)));
            }
            Ok(Deeds::InOrder(acts))
        })
    },
    Row {
        en: "order {name} is placed with promotions {name} and {name}",
        zh: "订单{name}下单时选用促销{name}和{name}",
        doc: "Where both are of one exclusion group the order takes the better one only, else both.",
        example_en: r#"order "O-1" is placed with promotions "P-1" and "P-2""#,
        example_zh: "订单“O-1”下单时选用促销“P-1”和“P-2”",
        makes: &[("order", 0)],
        needs: &[("promotion", 1), ("promotion", 2)],
        ..does("order-with-promotions", Kind::When, |script, said| {
            let order = script.named("order", said.name(0));
            place(script, &order, [said.name(1), said.name(2)]).map(|act| Act::Business(act).into())
        })
    },
];

/// What a plan that stops an activity is proved by.
pub(super) static PROBES: &[Probe] = &[Probe {
    stops: "redeem",
    made: Some("activity"),
    act: fresh_coupon,
    elsewhere: other_activity,
}];

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn amount(value: &serde_json::Value) -> Money {
    text(value).parse().expect("invariant: a note of this file")
}

fn open(activity: &Subject, budget: Money) -> Business {
    let body = json!({"activity": activity.id, "budget": budget});
    Business::new("open-activity", vec![activity.clone()], "/activities", body)
        .expecting([Expected::at_most(SPENT, activity, budget)])
}

fn issue(coupon: &Subject, activity: &Subject, face: Money) -> Business {
    let body = json!({"coupon": coupon.id, "activity": activity.id, "face": face});
    let subjects = vec![coupon.clone(), activity.clone()];
    Business::new("issue-coupon", subjects, "/coupons", body)
        .expecting([Expected::at_most(COUPON_USE, coupon, 1).worth(face)])
}

fn redeem(script: &mut Script, coupon: &Subject, activity: &Subject, face: Money) -> Business {
    let order = Subject::new("order", script.fresh("order"));
    let mut body = checkout(script, &order, face);
    body["coupons"] = json!([coupon.id]);
    let subjects = vec![coupon.clone(), activity.clone(), order];
    Business::new("redeem", subjects, "/checkouts", body)
}

/// The body of a checkout that takes `off` off and leaves something to pay.
fn checkout(script: &mut Script, order: &Subject, off: Money) -> serde_json::Value {
    let (buyer, channel) = (script.fresh("buyer"), forge::CHANNELS[0]);
    let price = Money { minor: off.minor.saturating_add(REST.minor), ..off };
    json!({"order": order.id, "buyer": buyer, "channel": channel, "price": price})
}

/// Expects the best promotion of each group, and no other.
fn place(script: &mut Script, order: &Subject, names: [&str; 2]) -> Result<Business, ScriptError> {
    let mut best: BTreeMap<String, Money> = BTreeMap::new();
    let (mut ids, mut activities, mut off) = (Vec::new(), Vec::new(), 0_i64);
    for name in names {
        let note = script.noted("promotion", name)?.clone();
        let face = amount(&note["face"]);
        let kept = best.entry(text(&note["group"])).or_insert(face);
        *kept = if face.minor > kept.minor { face } else { *kept };
        off = off.saturating_add(face.minor);
        ids.push(text(&note["promotion"]));
        activities.push(Subject::new("activity", text(&note["activity"])));
    }
    let mut body = checkout(script, order, Money::cny(off));
    body["promotions"] = json!(ids);
    let mut subjects = vec![order.clone()];
    subjects.extend(activities);
    let taken = best.into_values().map(|face| Expected::once(PROMOTION_USE, order, face));
    Ok(Business::new("redeem", subjects, "/checkouts", body).expecting(taken))
}

/// A fresh coupon of the activity, whose budget is made ample for it.
fn fresh_coupon(script: &mut Script, activity: &str, tag: &str) -> ProbeActs {
    let activity = Subject::new("activity", activity);
    let coupon = script.named("coupon", &format!("probe-coupon-{tag}"));
    let path = format!("/activities/{}/budget", activity.id);
    let raise =
        Business::new("raise-budget", vec![activity.clone()], path, json!({"budget": AMPLE}))
            .expecting([Expected::at_most(SPENT, &activity, AMPLE)]);
    let setup = [raise, issue(&coupon, &activity, PROBE_AMOUNT)];
    let act = redeem(script, &coupon, &activity, PROBE_AMOUNT);
    ProbeActs { setup: setup.map(Act::Business).into(), act: Act::Business(act) }
}

fn other_activity(script: &mut Script, _: &str) -> (Vec<Act>, String) {
    let activity = script.named("activity", "probe-activity");
    (vec![Act::Business(open(&activity, AMPLE))], activity.id)
}

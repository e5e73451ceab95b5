//! Goods: how many there are, what they may cost at the least, who takes them and who gives them back.

use serde_json::json;

use super::{Deeds, Row, does};
use crate::journal::{Act, Business, Expected, Party};
use crate::money::Money;
use crate::steps::Kind;
use crate::steps::script::Script;
use crate::wire::Subject;

/// Pieces of an item without deals.
const NEW_STOCK: u32 = 50;
/// Pieces that come in before a purchase that must be accepted.
const MORE_STOCK: u32 = 10;
/// The channel of an order that waits for its payment.
const CHANNEL: &str = "alipay";
/// Who closes an order, one after the other.
const REASONS: [&str; 2] = ["cancelled", "timeout"];

pub(super) static ROWS: &[Row] = &[
    Row {
        en: "item {name} with a 7-day median of {money} has {count} piece(s) left",
        zh: "成交中位价为{money}的商品{name}库存还剩{count}件",
        zh_order: &[1, 0, 2],
        doc: "An item on sale with that stock and a week of deals around that price.",
        example_en: r#"item "SKU-1" with a 7-day median of 1,999.00 CNY has 1 piece left"#,
        example_zh: "成交中位价为 1,999.00 元的商品“SKU-1”库存还剩 1 件",
        makes: &[("item", 0)],
        ..does("item-pieces-left", Kind::Given, |script, said| {
            let (median, pieces) = (said.money(1), said.count(2));
            let act = script.list_item(said.name(0), median, pieces);
            let sku = script.id(said.name(0));
            script.note("stock", &sku, json!({"pieces": pieces, "worth": median}));
            Ok(act.into())
        })
    },
    Row {
        en: "item {name} is new and has no deals yet",
        zh: "商品{name}是新品，还没有成交",
        doc: "An item on sale with stock and no history: no market price to compare with.",
        example_en: r#"item "SKU-1" is new and has no deals yet"#,
        example_zh: "商品“SKU-1”是新品，还没有成交",
        makes: &[("item", 0)],
        ..does("item-new", Kind::Given, |script, said| {
            Ok(new_item(&script.named("item", said.name(0))).into())
        })
    },
    Row {
        en: "a seller offers new item {name} with a floor price of {money} at {money}",
        zh: "卖家以{money}挂出新品{name}，底价为{money}",
        zh_order: &[1, 2, 0],
        doc: "An item without history, what it may cost at the least, and one open bid for it, as its seller means it.",
        example_en: r#"a seller offers new item "SKU-1" with a floor price of 1,000.00 CNY at 2,000.00 CNY"#,
        example_zh: "卖家以 2,000.00 元挂出新品“SKU-1”，底价为 1,000.00 元",
        makes: &[("item", 0)],
        ..does("seller-offers-new-item", Kind::Given, |script, said| {
            let (item, price) = (script.named("item", said.name(0)), said.money(2));
            let bid = script.bid(said.name(0), 1, price, price, None);
            Ok(Deeds::InOrder(vec![new_item(&item), set_floor(&item, said.money(1)), bid]))
        })
    },
    Row {
        en: "item {name} has a floor price of {money}",
        zh: "商品{name}的底价为{money}",
        doc: "Below that the item is never to be sold, unless a clearance is approved.",
        example_en: r#"item "SKU-1" has a floor price of 1,500.00 CNY"#,
        example_zh: "商品“SKU-1”的底价为 1,500.00 元",
        needs: &[("item", 0)],
        ..does("item-floor", Kind::Given, |script, said| {
            Ok(set_floor(&script.named("item", said.name(0)), said.money(1)).into())
        })
    },
    Row {
        en: "a seller offers {count} piece(s) of item {name} at {money} each",
        zh: "卖家以每件{money}的价格挂出商品{name}共{count}件",
        zh_order: &[2, 1, 0],
        doc: "An open bid for that many pieces, as its seller means it.",
        example_en: r#"a seller offers 2 pieces of item "SKU-1" at 1,999.00 CNY each"#,
        example_zh: "卖家以每件 1,999.00 元的价格挂出商品“SKU-1”共 2 件",
        needs: &[("item", 1)],
        ..does("seller-offers", Kind::Given, |script, said| {
            let price = said.money(2);
            Ok(script.bid(said.name(1), said.count(0), price, price, None).into())
        })
    },
    Row {
        en: "a seller who means {count} piece(s) at {money} each imports {count} piece(s) at {money} each for item {name}",
        zh: "卖家本想为商品{name}导入{count}件、每件{money}，实际导入{count}件、每件{money}",
        zh_order: &[1, 2, 3, 4, 0],
        doc: "One line of a bulk import: what the columns mean, and what was read from them.",
        example_en: r#"a seller who means 5 pieces at 1,999.00 CNY each imports 1999 pieces at 5.00 CNY each for item "SKU-1""#,
        example_zh: "卖家本想为商品“SKU-1”导入 5 件、每件 1,999.00 元，实际导入 1999 件、每件 5.00 元",
        needs: &[("item", 4)],
        ..does("seller-imports", Kind::When, |script, said| {
            Ok(script.bid(said.name(4), said.count(2), said.money(1), said.money(3), None).into())
        })
    },
    Row {
        en: "a repricer that may go down to {money} cuts the bid for item {name} to {money} in {count} step(s)",
        zh: "调价程序获准最低调到{money}，却把商品{name}的出价分{count}步降到{money}",
        zh_order: &[0, 1, 3, 2],
        doc: "Equal cuts of the bid that was placed last. What is below the price that it may go down to is not meant.",
        example_en: r#"a repricer that may go down to 1,500.00 CNY cuts the bid for item "SKU-1" to 1,000.00 CNY in 5 steps"#,
        example_zh: "调价程序获准最低调到 1,500.00 元，却把商品“SKU-1”的出价分 5 步降到 1,000.00 元",
        needs: &[("item", 1)],
        ..does("repricer-cuts", Kind::When, |script, said| {
            let (meant, last) = (said.money(0), said.money(2));
            let (bid, from) = script.last_bid(said.name(1))?;
            let steps = i64::from(said.count(3));
            let cut = |step: i64| {
                let fallen = (from.minor - last.minor) * step / steps;
                let price = Money { minor: from.minor - fallen, ..from };
                reprice(&bid, price, meant)
            };
            let acts = (1..=steps).map(cut).collect();
            let meant = if last.minor < meant.minor { meant } else { last };
            script.reprice(said.name(1), meant, last);
            Ok(Deeds::InOrder(acts))
        })
    },
    Row {
        en: "{count} buyer(s) buy item {name} through channel {name} at once",
        zh: "{count}名用户同时通过渠道{name}购买商品{name}",
        zh_order: &[0, 2, 1],
        doc: "One piece each, all on their way before the first is answered.",
        example_en: r#"2 buyers buy item "SKU-1" through channel "alipay" at once"#,
        example_zh: "2 名用户同时通过渠道“alipay”购买商品“SKU-1”",
        needs: &[("item", 1), ("channel", 2)],
        ..does("buyers-at-once", Kind::When, |script, said| {
            let sku = script.id(said.name(1));
            let due = script.due_of(&sku).unwrap_or(Money::cny(0));
            let mut one = || {
                let (order, buyer) = (script.fresh("purchase"), script.fresh("buyer"));
                Act::Buy { order, buyer, sku: sku.clone(), channel: said.name(2).to_owned(), due }
            };
            Ok(Deeds::AtOnce((0..said.count(0)).map(|_| one()).collect()))
        })
    },
    Row {
        en: "order {name} for item {name} waits for its payment",
        zh: "订单{name}已占用商品{name}一件，尚未支付",
        doc: "One piece of the cheapest open bid is held for the order until it is paid or closed.",
        example_en: r#"order "O-1" for item "SKU-1" waits for its payment"#,
        example_zh: "订单“O-1”已占用商品“SKU-1”一件，尚未支付",
        needs: &[("item", 1)],
        makes: &[("order", 0)],
        ..does("order-reserves", Kind::Given, |script, said| {
            let order = script.named("order", said.name(0));
            let item = script.named("item", said.name(1));
            let worth = script.due_of(&item.id).unwrap_or(Money::cny(0));
            let (buyer, request_no) = (script.fresh("buyer"), format!("reserve-{}", order.id));
            let body = json!({
                "order": order.id, "buyer": buyer, "sku": item.id, "channel": CHANNEL,
                "request_no": request_no,
            });
            let once = Expected::at_most("stock.released", &order, 1).worth(worth);
            let act = Business::new("reserve", vec![order, item], "/reservations", body);
            Ok(Act::Business(act.expecting([once])).into())
        })
    },
    Row {
        en: "order {name} is closed by {count} at once",
        zh: "订单{name}同时被{count}方关闭",
        doc: "By its buyer who cancels, by the timer, and so on: each would give its goods back.",
        example_en: r#"order "O-1" is closed by 2 at once"#,
        example_zh: "订单“O-1”同时被 2 方关闭",
        needs: &[("order", 0)],
        ..does("order-closed", Kind::When, |script, said| {
            let order = script.named("order", said.name(0));
            let path = format!("/orders/{}/closures", order.id);
            let close = |nth: u32| {
                let reason = REASONS[nth as usize % REASONS.len()];
                let body = json!({"reason": reason});
                Act::Business(Business::new("close", vec![order.clone()], path.as_str(), body))
            };
            Ok(Deeds::AtOnce((0..said.count(1)).map(close).collect()))
        })
    },
    Row {
        en: "order {name} is billed {money} for goods less {money} discount plus {money} freight and {money} tax",
        zh: "订单{name}的账单为商品{money}、优惠{money}、运费{money}、税费{money}",
        doc: "An order of these parts, to be paid later. It asks for goods less discount, plus freight and tax.",
        example_en: r#"order "O-1" is billed 199.00 CNY for goods less 20.00 CNY discount plus 12.00 CNY freight and 3.00 CNY tax"#,
        example_zh: "订单“O-1”的账单为商品 199.00 元、优惠 20.00 元、运费 12.00 元、税费 3.00 元",
        makes: &[("order", 0)],
        ..does("order-billed", Kind::When, |script, said| {
            let order = script.named("order", said.name(0));
            let [goods, discount, freight, tax] = [1, 2, 3, 4].map(|index| said.money(index));
            let minor = goods.minor - discount.minor + freight.minor + tax.minor;
            let (buyer, request_no) = (script.fresh("buyer"), format!("bill-{}", order.id));
            let body = json!({
                "order": order.id, "buyer": buyer, "channel": CHANNEL, "request_no": request_no,
                "items": goods, "discount": discount, "freight": freight, "tax": tax,
            });
            let total = Money { minor, ..goods };
            let asked = Expected::stands("order.payable", &order, total)
                .between(Party::Platform, Party::Buyer);
            let act = Business::new("bill", vec![order], "/bills", body);
            Ok(Act::Business(act.expecting([asked])).into())
        })
    },
];

/// An item on sale that nothing is known of.
fn new_item(item: &Subject) -> Act {
    let body = json!({"sku": item.id, "category": "shoes", "stock": NEW_STOCK});
    Act::Business(Business::new("list-item", vec![item.clone()], "/items", body))
}

fn set_floor(item: &Subject, floor: Money) -> Act {
    let (path, body) = (format!("/items/{}/floor", item.id), json!({"floor": floor}));
    Act::Business(Business::new("set-floor", vec![item.clone()], path, body))
}

/// One cut: meant as far as `least`, and not meant below it.
fn reprice(bid: &str, price: Money, least: Money) -> Act {
    let meant = (price.minor < least.minor).then_some(least);
    Act::CorrectBid { bid: bid.to_owned(), price, meant }
}

/// More pieces of an item whose stock a sentence has counted, so that the next purchase finds one.
pub(super) fn more_stock(script: &mut Script, sku: &str, tag: &str) -> Option<Act> {
    let counted = script.noted_id("stock", sku)?.clone();
    let pieces = counted["pieces"].as_i64()? + i64::from(MORE_STOCK);
    let worth: Money = serde_json::from_value(counted["worth"].clone()).ok()?;
    script.note("stock", sku, json!({"pieces": pieces, "worth": worth}));
    let request_no = script.id(&format!("probe-restock-{tag}"));
    let item = Subject::new("item", sku);
    let (path, body) =
        (format!("/items/{sku}/restock"), json!({"request_no": request_no, "pieces": MORE_STOCK}));
    let bound = Expected::at_most("stock.sold", &item, pieces).worth(worth);
    Some(Act::Business(Business::new("restock", vec![item], path, body).expecting([bound])))
}

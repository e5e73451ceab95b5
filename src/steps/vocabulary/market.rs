//! Items, bids and purchases.

use super::{PROBE_AMOUNT, Probe, ProbeActs, Row, goods, says};
use crate::forge;
use crate::journal::Act;
use crate::money::Money;
use crate::steps::script::Script;
use crate::steps::{Kind, Sentence};

pub(super) static ROWS: &[Row] = &[
    Row {
        en: "item {name} has a 7-day median of {money}",
        zh: "商品{name}的 7 日成交中位价为{money}",
        doc: "An item on sale with stock and a week of deals around that price.",
        example_en: r#"item "SKU-1" has a 7-day median of 1,999.00 CNY"#,
        example_zh: "商品“SKU-1”的 7 日成交中位价为 1,999.00 元",
        ..says("item-median", Kind::Given, |c| {
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
        ..says("clearance-approved", Kind::Given, |c| {
            Ok(Sentence::ClearanceApproved { clearance: c.name(0)?, item: c.name(1)? })
        })
    },
    Row {
        en: "a seller who means {money} bids {money} for item {name}",
        zh: "卖家本想为商品{name}出价{money}，实际出价{money}",
        zh_order: &[1, 2, 0],
        doc: "What was meant, and what was done. The oracle expects what was meant.",
        example_en: r#"a seller who means 1,999.00 CNY bids 199.90 CNY for item "SKU-1""#,
        example_zh: "卖家本想为商品“SKU-1”出价 1,999.00 元，实际出价 199.90 元",
        ..says("seller-bids", Kind::When, |c| {
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
        ..says("seller-bids-under-clearance", Kind::When, |c| {
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
        ..says("bid-follows-pattern", Kind::When, |c| {
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
        ..says("buyer-buys", Kind::When, |c| {
            Ok(Sentence::BuyerBuys { item: c.name(0)?, channel: c.name(1)? })
        })
    },
];

pub(super) static PROBES: &[Probe] =
    &[Probe { stops: "buy", made: None, act: buy, elsewhere: other_item }];

fn buy(script: &mut Script, sku: &str, tag: &str) -> ProbeActs {
    let order = script.id(&format!("probe-order-{tag}"));
    let buyer = script.id(&format!("probe-buyer-{tag}"));
    let due = script.due_of(sku).unwrap_or(PROBE_AMOUNT);
    let channel = forge::CHANNELS[0].to_owned();
    let act = Act::Buy { order, buyer, sku: sku.to_owned(), channel, due };
    let mut setup: Vec<Act> = goods::more_stock(script, sku, tag).into_iter().collect();
    // While the item is off sale an offer would be no open promise; elsewhere there is one.
    if tag == "after" {
        setup.push(offer(script, sku, due, tag));
    }
    ProbeActs { setup, act }
}

/// An item with an honest bid: one of the healthy traffic's where there is one, since a plan that is too wide can only
/// reach what was there before it.
fn other_item(script: &mut Script, _: &str) -> (Vec<Act>, String) {
    if let Some((sku, median)) = script.healthy_item.clone() {
        return (vec![offer(script, &sku, median, "out")], sku);
    }
    let sku = script.id("probe-item");
    let (category, median, stock) = ("shoes".to_owned(), PROBE_AMOUNT, 1);
    let list = Act::ListItem { sku: sku.clone(), category, median, stock };
    (vec![list, offer(script, &sku, median, "out")], sku)
}

fn offer(script: &mut Script, sku: &str, price: Money, tag: &str) -> Act {
    let bid = script.id(&format!("probe-bid-{tag}"));
    let seller = script.id(&format!("probe-seller-{tag}"));
    let (sku, meant) = (sku.to_owned(), price);
    Act::PlaceBid { bid, seller, sku, qty: 1, meant, price, clearance: None }
}

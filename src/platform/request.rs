//! Acts as requests of the shop's HTTP interface: pure, no socket.

use serde_json::{Value, json};

use crate::clock::CellTime;
use crate::journal::Act;
use crate::money::Money;

/// One `POST` to the shop.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    pub path: String,
    pub body: Value,
}

/// The request behind `act`; none for an approval's delivery, which goes over Kafka.
pub(super) fn of(act: &Act, now: CellTime) -> Option<Request> {
    let (path, body) = match act {
        Act::ListItem { sku, category, median, stock } => {
            let history: Vec<Value> = price_history(*median, now)
                .map(|(price, at)| json!({"price": price, "at_ms": at.0}))
                .collect();
            let item =
                json!({"sku": sku, "category": category, "stock": stock, "history": history});
            ("/items".to_owned(), item)
        }
        Act::ApproveClearance { ticket, sku } => {
            ("/clearances".to_owned(), json!({"ticket": ticket, "sku": sku}))
        }
        // What the seller meant is known to the oracle only.
        Act::PlaceBid { bid, seller, sku, qty, price, clearance, meant: _ } => {
            let mut offer =
                json!({"bid": bid, "seller": seller, "sku": sku, "qty": qty, "price": price});
            if let Some(ticket) = clearance {
                offer["clearance"] = json!(ticket);
            }
            ("/bids".to_owned(), offer)
        }
        Act::CorrectBid { bid, price, meant: _ } => {
            (format!("/bids/{bid}/price"), json!({"price": price}))
        }
        Act::Buy { order, buyer, sku, channel, due: _ } => {
            let request_no = format!("buy-{order}");
            let purchase = json!({
                "order": order, "buyer": buyer, "sku": sku, "channel": channel,
                "request_no": request_no,
            });
            ("/purchases".to_owned(), purchase)
        }
        Act::PlaceOrder { order, buyer, channel, payable } => {
            let request_no = format!("order-{order}");
            let placed = json!({
                "order": order, "buyer": buyer, "channel": channel, "payable": payable,
                "request_no": request_no,
            });
            ("/orders".to_owned(), placed)
        }
        Act::PayOrder { order, channel, amount } => {
            let request_no = format!("pay-{order}");
            let payment = json!({"channel": channel, "amount": amount, "request_no": request_no});
            (format!("/orders/{order}/payments"), payment)
        }
        Act::Refund { refund, order, channel, amount, hold, due: _ } => {
            let request_no = format!("refund-{refund}");
            let asked = json!({
                "refund": refund, "order": order, "channel": channel, "amount": amount,
                "request_no": request_no, "hold": hold,
            });
            ("/refunds".to_owned(), asked)
        }
        Act::Business(business) => (business.path.clone(), business.body.clone()),
        Act::DeliverApproval { .. } => return None,
    };
    Some(Request { path, body })
}

/// Deviations of past deals from the median, in permille, oldest first. Three deals stand at the
/// median itself, so that it stays exact when a deal joins or leaves the window on either side.
const HISTORY_PERMILLE: [i64; 7] = [-60, 30, 0, 0, 0, -30, 60];
/// All deals fit into four days: an advance of a day or two moves none of them out of the seven-day
/// window.
const HISTORY_STEP_MS: i64 = 12 * 60 * 60 * 1000;

/// A price history of the last days whose median is exactly `median`.
fn price_history(median: Money, now: CellTime) -> impl Iterator<Item = (Money, CellTime)> {
    let deals = HISTORY_PERMILLE.len() as i64;
    HISTORY_PERMILLE.into_iter().zip(0..).map(move |(permille, nth)| {
        // In 128 bits, because nothing bounds a median; the result is within 6 % of it.
        let change = i128::from(median.minor) * i128::from(permille) / 1_000;
        let change = i64::try_from(change).unwrap_or(0);
        let price = Money::new(median.minor.saturating_add(change), median.currency);
        (price, now.plus_ms((nth - deals) * HISTORY_STEP_MS))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 24 * 60 * 60 * 1000;

    fn median(mut prices: Vec<i64>) -> i64 {
        prices.sort_unstable();
        let middle = prices.len() / 2;
        if prices.len() % 2 == 1 {
            prices[middle]
        } else {
            (prices[middle - 1] + prices[middle]) / 2
        }
    }

    #[test]
    fn the_history_has_the_median_that_was_asked_for() {
        for minor in [1, 2, 7, 199, 199_900, 123_457, i64::MAX / 2] {
            let now = CellTime(100 * DAY_MS);
            let deals: Vec<_> = price_history(Money::cny(minor), now).collect();
            let prices = |from: usize| deals[from..].iter().map(|deal| deal.0.minor).collect();
            assert_eq!(median(prices(0)), minor);
            assert_eq!(median(prices(1)), minor, "the oldest left the window");
            let mut joined: Vec<i64> = prices(0);
            joined.push(1);
            assert_eq!(median(joined), minor, "a cheap deal joined");
            let ages = deals.iter().map(|deal| now.since_ms(deal.1));
            assert!(ages.into_iter().all(|age| age > 0 && age < 4 * DAY_MS));
            assert!(deals.iter().all(|deal| deal.0.minor > 0));
        }
    }

    #[test]
    fn an_act_becomes_the_same_request_each_time() {
        let pay = Act::PayOrder {
            order: "O-1-x".into(),
            channel: "alipay".into(),
            amount: Money::cny(19_900),
        };
        let request = of(&pay, CellTime(5)).unwrap();
        assert_eq!(request.path, "/orders/O-1-x/payments");
        let expect = r#"{"channel":"alipay","amount":"199.00 CNY","request_no":"pay-O-1-x"}"#;
        assert_eq!(request.body.to_string(), expect);
        assert_eq!(of(&pay, CellTime(9)), Some(request));
    }

    #[test]
    fn what_was_meant_is_not_told_to_the_shop() {
        let bid = |meant| Act::PlaceBid {
            bid: "B".into(),
            seller: "王伟".into(),
            sku: "S".into(),
            qty: 1,
            meant: Money::cny(meant),
            price: Money::cny(19_990),
            clearance: None,
        };
        assert_eq!(of(&bid(199_900), CellTime(0)), of(&bid(19_990), CellTime(0)));
        let delivery = Act::DeliverApproval { refund: "R".into(), times: 2 };
        assert_eq!(of(&delivery, CellTime(0)), None);
    }
}

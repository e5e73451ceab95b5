//! Books as tables: changed rows in, one line per event out.

use super::super::rows::Field;
use super::*;

fn row(table: &str, fields: &str) -> Row {
    let fields = fields.split(' ').map(|field| {
        let (name, value) = field.split_once('=').unwrap();
        let value = match value {
            "NULL" => Field::Null,
            text => text.parse().map_or_else(|_| Field::Text(text.into()), Field::Int),
        };
        (name.to_owned(), value)
    });
    Row { table: table.into(), fields: fields.collect() }
}

fn put(table: &str, fields: &str) -> Change {
    Change { table: table.into(), before: None, after: Some(row(table, fields)) }
}

fn delete(table: &str, fields: &str) -> Change {
    Change { table: table.into(), before: Some(row(table, fields)), after: None }
}

fn line(event: &Event) -> String {
    match event {
        Event::Promised { promise } => {
            let state = if promise.open { "open" } else { "closed" };
            format!("{} {}x {} {state}", promise.subject.id, promise.qty, promise.price)
        }
        Event::Posted { posting } => {
            let gone = if posting.gone { " gone" } else { "" };
            format!("{:?} {}{gone}", posting.kind, posting.amount)
        }
        other => format!("{other:?}"),
    }
}

fn lines(events: Vec<Event>) -> Vec<String> {
    events.iter().map(line).collect()
}

const BID: &str = "bid_id=B sku=S price=199.90 currency=CNY qty=2 status=ACTIVE";
const OTHER: &str = "bid_id=C sku=T price=5.00 currency=CNY qty=1 status=ACTIVE";

/// After the two bids above, `changes` at time 100 say `expect`.
fn check(changes: &[Change], expect: &[&str]) {
    let mut books = Books::default();
    for bid in [BID, OTHER] {
        books.apply(&put("bid", bid), CellTime(100)).unwrap();
    }
    let mut said = Vec::new();
    for change in changes {
        said.extend(lines(books.apply(change, CellTime(100)).unwrap()));
        let again = lines(books.apply(change, CellTime(100)).unwrap());
        assert_eq!(again, [""; 0], "{change:?} again says nothing");
    }
    assert_eq!(said, expect, "{changes:?}");
}

#[test]
fn bids_are_promises_while_they_can_be_taken() {
    let bid = |qty: u32, status: &str| {
        put("bid", &format!("bid_id=B sku=S price=199.90 currency=CNY qty={qty} status={status}"))
    };
    check(&[bid(1, "ACTIVE")], &["B 1x 199.90 CNY open"]);
    check(&[bid(0, "ACTIVE")], &["B 0x 199.90 CNY closed"]);
    check(&[bid(2, "CANCELLED")], &["B 2x 199.90 CNY closed"]);
    check(&[delete("bid", BID)], &["B 2x 199.90 CNY closed"]);
    let mended = put("bid", "bid_id=B sku=S price=1999.00 currency=CNY qty=2 status=ACTIVE");
    check(&[mended], &["B 2x 1,999.00 CNY open"]);
    check(&[put("bid", "bid_id=D sku=S price=1.00 currency=CNY qty=1 status=SOLD")], &[]);
}

#[test]
fn what_is_off_sale_is_promised_to_nobody() {
    let closed = "B 2x 199.90 CNY closed";
    let open = "B 2x 199.90 CNY open";
    let off = put("stock", "sku=S on_sale=0");
    check(std::slice::from_ref(&off), &[closed]);
    check(&[off.clone(), put("stock", "sku=S on_sale=1")], &[closed, open]);
    let breaker = put("breaker", "kind=sale scope=S until_ms=NULL active=1");
    check(std::slice::from_ref(&breaker), &[closed]);
    check(&[off, breaker.clone(), put("stock", "sku=S on_sale=1")], &[closed]);
    let ended = put("breaker", "kind=sale scope=S until_ms=NULL active=0");
    check(&[breaker.clone(), ended], &[closed, open]);
    let gone = delete("breaker", "kind=sale scope=S until_ms=NULL active=1");
    check(&[breaker, gone], &[closed, open]);
    check(&[put("breaker", "kind=refund scope=S until_ms=NULL active=1")], &[]);
    check(&[put("breaker", "kind=sale scope=S until_ms=100 active=1")], &[]);
}

#[test]
fn a_breaker_ends_by_itself() {
    let mut books = Books::default();
    books.apply(&put("bid", BID), CellTime(0)).unwrap();
    let breaker =
        |until: i64| put("breaker", &format!("kind=sale scope=S until_ms={until} active=1"));
    books.apply(&breaker(50), CellTime(10)).unwrap();
    assert_eq!(books.next_due(), Some(CellTime(50)));
    assert_eq!(lines(books.apply(&breaker(90), CellTime(40)).unwrap()), [""; 0], "extended");
    assert_eq!(lines(books.tick(CellTime(50))), [""; 0]);
    assert_eq!(books.next_due(), Some(CellTime(90)));
    books.apply(&put("stock", "sku=T on_sale=1"), CellTime(95)).unwrap();
    assert_eq!(books.next_due(), Some(CellTime(90)), "still due after a row that came first");
    assert_eq!(lines(books.tick(CellTime(95))), ["B 2x 199.90 CNY open"]);
    assert_eq!((lines(books.tick(CellTime(96))), books.next_due()), (vec![], None), "once");
    assert_eq!(lines(books.apply(&breaker(90), CellTime(97)).unwrap()), [""; 0], "read again");
    assert_eq!((lines(books.tick(CellTime(97))), books.next_due()), (vec![], None));
}

#[test]
fn an_order_is_paid_once() {
    let order = |status: &str| {
        put("orders", &format!("order_id=O payable=199.00 currency=CNY status={status}"))
    };
    check(&[order("PENDING"), order("PAID"), order("CLOSED")], &["OrderPaid 199.00 CNY"]);
    check(&[order("PENDING"), order("CLOSED")], &[]);
    check(
        &[order("PAID"), order("PENDING"), order("PAID")],
        &["OrderPaid 199.00 CNY", "OrderPaid 199.00 CNY gone", "OrderPaid 199.00 CNY"],
    );
}

#[test]
fn rows_that_mean_nothing_are_errors() {
    for (change, expect) in [
        (put("bid", "@0=B @1=S"), "table bid has no column `bid_id`"),
        (put("stock", "sku=S on_sale=yes"), "stock.on_sale is"),
        (put("orders", "order_id=O payable=1.005 currency=CNY status=PAID"), "orders.payable is"),
        (put("orders", "order_id=O payable=1.00 currency=BTC status=PAID"), "orders.payable is"),
    ] {
        let error = Books::default().apply(&change, CellTime(0)).unwrap_err().to_string();
        assert!(error.starts_with(expect), "{error}");
    }
    let other = put("sku", "sku=S");
    assert_eq!(Books::default().apply(&other, CellTime(0)), Ok(Vec::new()), "not of interest");
}

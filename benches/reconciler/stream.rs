//! What is judged: payments of merchants, as events and as SQL, and five rules for each merchant.
//!
//! Everything is made by number, so that each round and each contender has the same.

use std::path::PathBuf;
use std::sync::Arc;

use lossdrill::clock::CellTime;
use lossdrill::dcheck::engine::{RuleSet, rules};
use lossdrill::dcheck::event::{Event, Op, Row, Value};
use rust_decimal::Decimal;

/// Rules that match an event.
pub const RULES_OF_ONE: usize = 5;
/// One payment of so many is booked with more than was to be paid.
pub const BAD_ONE_IN: usize = 100;
/// Commits of the first event; any instant does.
const EPOCH_MS: i64 = 1_767_578_400_000;

/// The five clauses, as a rule writes them.
pub const CLAUSES: &str = "after.status == \"PAID\" and after.currency == \"CNY\" and after.amount > 0 \
     and after.amount <= after.payable and after.channel in [\"alipay\", \"wechat\"]";

pub const TABLE: &str = "CREATE TABLE pay_order (pay_id VARCHAR(32) PRIMARY KEY, order_id VARCHAR(32), \
     merchant VARCHAR(16), channel VARCHAR(16), status VARCHAR(16), amount DECIMAL(18,2), \
     payable DECIMAL(18,2), currency CHAR(3), updated_at_ms BIGINT)";

/// The five clauses by hand: None where something is null or absent.
pub fn native(row: &Row) -> Option<bool> {
    let text = |name: &str| match row.get(name)? {
        Value::Text(text) => Some(text.as_str()),
        _ => None,
    };
    let amount = |name: &str| match row.get(name)? {
        Value::Dec(amount) => Some(*amount),
        _ => None,
    };
    let paid = amount("amount")?;
    Some(
        text("status")? == "PAID"
            && text("currency")? == "CNY"
            && paid > Decimal::ZERO
            && paid <= amount("payable")?
            && matches!(text("channel")?, "alipay" | "wechat"),
    )
}

/// Number `nth` of a stream over so many payments and merchants: the update that books it.
pub fn event(nth: usize, payments: usize, merchants: usize) -> Event {
    let payment = nth % payments;
    let cents = 10_000 + (nth % 5_000) as i64;
    let paid = if nth.is_multiple_of(BAD_ONE_IN) { cents + 1 } else { cents };
    let at = EPOCH_MS + nth as i64;
    let row = |status: &str, amount: i64, at: i64| -> Row {
        [
            ("pay_id", Value::Text(format!("P-{payment}"))),
            ("order_id", Value::Text(format!("O-{payment}"))),
            ("merchant", Value::Text(format!("M-{}", payment % merchants))),
            ("channel", "alipay".into()),
            ("status", status.into()),
            ("amount", Value::Dec(Decimal::new(amount, 2))),
            ("payable", Value::Dec(Decimal::new(cents, 2))),
            ("currency", "CNY".into()),
            ("updated_at_ms", at.into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    };
    let (before, after) = (row("PENDING", 0, at - 1), row("PAID", paid, at));
    Event {
        source: "binlog".to_owned(),
        stream: "pay_order".to_owned(),
        op: Op::Update,
        changed: Event::changed_columns(&before, &after),
        before: Some(before),
        after: Some(after),
        txn: Some(format!("3e11fa47-71ca-11e1-9e33-c80aa9429562:{nth}")),
        position: format!("binlog.000003:{}", 4 + nth * 310),
        at: CellTime(at),
    }
}

pub fn events(count: usize, payments: usize, merchants: usize) -> Vec<Event> {
    (0..count).map(|nth| event(nth, payments, merchants)).collect()
}

/// A rule on table `table`, for the rows that `filter` lets pass.
pub fn rule(id: &str, table: &str, changed: &str, filter: &str) -> String {
    format!(
        "- id: {id}\n  version: 1\n  loss_point: bench\n  severity: P1\n  rollout: full\n  \
         strategy: threshold\n  subject: {{kind: payment, id: after.pay_id}}\n  \
         occurrence: after.pay_id\n  revision: \"{{after.updated_at_ms}}\"\n  \
         on: {{table: {table}, ops: [insert, update], changed: [{changed}]{filter}}}\n  \
         check: {CLAUSES}\n  when_absent: finding\n  remember: 1 d\n  \
         at_risk: money(after.amount - after.payable, after.currency)\n  \
         expected: \"{{after.payable}} of payment {{after.pay_id}}\"\n  \
         actual: \"{{after.amount}}, {{after.status}}\"\n  fields: {{order: after.order_id}}\n",
    )
}

/// Five rules for each of `merchants`.
pub fn of_merchants(merchants: usize) -> String {
    let of_one = |merchant: usize| {
        let filter = format!(", where: 'after.merchant == \"M-{merchant}\"'");
        (0..RULES_OF_ONE).map(move |nth| {
            rule(&format!("booked-{merchant}-{nth}"), "pay_order", "amount", &filter)
        })
    };
    (0..merchants).flat_map(of_one).collect()
}

/// `count` rules that listen to none of merchant `M-0`'s updates of an amount: a third to other merchants, a third to other columns,
/// a third to other tables.
pub fn strangers(count: usize) -> String {
    let stranger = |nth: usize| {
        let id = format!("stranger-{nth}");
        match nth % 3 {
            0 => rule(
                &id,
                "pay_order",
                "amount",
                &format!(", where: 'after.merchant == \"N-{nth}\"'"),
            ),
            1 => rule(&id, "pay_order", &format!("note_{nth}"), ""),
            _ => rule(&id, &format!("pay_order_{nth}"), "amount", ""),
        }
    };
    (0..count).map(stranger).collect()
}

pub fn loaded(text: &str) -> Arc<RuleSet> {
    let loaded = rules::load(&[(PathBuf::from("bench.yaml"), text.to_owned())]);
    Arc::new(loaded.unwrap_or_else(|errors| panic!("the bench's own rules: {errors:?}")))
}

//! Ledgers as tables: changed rows in, lines out.

use super::super::rows::Field;
use super::*;

const PAID: &[Ledger] = &[Ledger {
    ledger: "payout",
    table: "payout",
    subject: ("merchant", "merchant"),
    amount: Size::MoneyOut("amount"),
    reference: &["bill", "nth"],
    detail: Some("bank"),
    only: &[("status", &["DONE", "SENT"])],
    ..Ledger::PLAIN
}];

fn row(fields: &str) -> Row {
    let fields = fields.split(' ').map(|field| {
        let (name, value) = field.split_once('=').unwrap();
        let value = value.parse().map_or_else(|_| Field::Text(value.into()), Field::Int);
        (name.to_owned(), value)
    });
    Row { table: "payout".into(), fields: fields.collect() }
}

/// `before` to `after`; an empty text is no row.
fn change(before: &str, after: &str) -> Change {
    let image = |text: &str| (!text.is_empty()).then(|| row(text));
    Change { table: "payout".into(), before: image(before), after: image(after) }
}

fn check(changes: &[Change], expect: &[&str]) {
    let mut ledgers = Ledgers::default();
    let mut told = Vec::new();
    for change in changes {
        for event in ledgers.apply_to(&PAID[0], change).unwrap() {
            let Event::Booked { line } = event else { panic!("{event:?}") };
            let sign = if line.gone { "-" } else { "+" };
            let detail = line.detail.unwrap_or_default();
            let subject = line.subject.id;
            told.push(format!("{sign}{} {subject} {} {detail}", line.reference, line.amount));
        }
        assert_eq!(ledgers.apply_to(&PAID[0], change).unwrap(), [], "again says nothing");
    }
    assert_eq!(told, expect);
}

const NEW: &str = "bill=B nth=1 merchant=M amount=5.00 currency=CNY bank=X status=NEW";
const DONE: &str = "bill=B nth=1 merchant=M amount=5.00 currency=CNY bank=X status=DONE";
const SENT: &str = "bill=B nth=1 merchant=M amount=5.00 currency=CNY bank=X status=SENT";
const MENDED: &str = "bill=B nth=1 merchant=M amount=6.00 currency=CNY bank=Y status=DONE";
const OTHERS: &str = "bill=B nth=1 merchant=N amount=5.00 currency=CNY bank=X status=DONE";

#[test]
fn a_row_is_a_line_while_its_condition_holds() {
    check(&[change("", NEW)], &[]);
    check(&[change("", DONE)], &["+B/1 M -5.00 CNY X"]);
    check(&[change("", NEW), change(NEW, DONE)], &["+B/1 M -5.00 CNY X"]);
    check(&[change("", DONE), change(DONE, SENT)], &["+B/1 M -5.00 CNY X"]);
    check(&[change("", DONE), change(DONE, NEW)], &["+B/1 M -5.00 CNY X", "-B/1 M -5.00 CNY X"]);
    check(&[change("", DONE), change(DONE, "")], &["+B/1 M -5.00 CNY X", "-B/1 M -5.00 CNY X"]);
}

#[test]
fn a_changed_row_is_told_again() {
    check(&[change("", DONE), change(DONE, MENDED)], &["+B/1 M -5.00 CNY X", "+B/1 M -6.00 CNY Y"]);
    check(
        &[change("", DONE), change(DONE, OTHERS)],
        &["+B/1 M -5.00 CNY X", "-B/1 M -5.00 CNY X", "+B/1 N -5.00 CNY X"],
    );
}

#[test]
fn a_row_without_a_column_of_the_ledger_is_an_error() {
    let error =
        Ledgers::default().apply_to(&PAID[0], &change("", "bill=B nth=1 currency=CNY status=DONE"));
    assert!(error.unwrap_err().to_string().contains("no column `amount`"));
}

#[test]
fn no_two_ledgers_have_one_name() {
    let mut names: Vec<&str> = DOMAINS.iter().copied().flatten().map(|l| l.ledger).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

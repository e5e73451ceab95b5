//! The language as tables: expression in, value, gap or error out.

use super::*;
use crate::clock::CellTime;
use crate::dcheck::event::{Event, Op, Row, Value};

const ALL: Allowed<'static> = Allowed {
    roots: &["before", "after", "other", "ref", "found", "event"],
    found: &["total", "above"],
};

fn row(fields: &[(&str, Value)]) -> Row {
    fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn event() -> Event {
    Event {
        source: "binlog".to_owned(),
        stream: "bid".to_owned(),
        op: Op::Update,
        before: Some(row(&[("status", "ACTIVE".into())])),
        after: Some(row(&[
            ("price", Value::decimal("199.90").unwrap()),
            ("currency", "CNY".into()),
            ("amount", "199.00 CNY".into()),
            ("dollars", "1.00 USD".into()),
            ("qty", Value::Int(3)),
            ("huge", Value::Int(u64::MAX.into())),
            ("wide", Value::decimal(&"9".repeat(40)).unwrap()),
            ("wide_too", Value::decimal(&format!("0{}.0", "9".repeat(40))).unwrap()),
            ("widest", Value::decimal(&format!("{}.{}", "9".repeat(35), "9".repeat(30))).unwrap()),
            ("beyond", Value::decimal(&"9".repeat(131)).unwrap()),
            ("text", "12.50".into()),
            ("gone", Value::Null),
            ("flag", Value::Bool(true)),
        ])),
        changed: Vec::new(),
        txn: None,
        position: "binlog.000001:4".to_owned(),
        at: CellTime(1_000),
    }
}

fn value(text: &str) -> String {
    let event = event();
    let (other, reference) =
        (row(&[("amount", "199.00 CNY".into())]), row(&[("n", Value::Int(0))]));
    let found = [("total", Datum::Num(7.into()))];
    let scope = Scope {
        event: Some(&event),
        other: Some(&other),
        reference: Some(&reference),
        found: &found,
    };
    match Expr::compile(text, Kind::Any, ALL) {
        Err(error) => format!("parse: {error}"),
        Ok(expr) => match expr.eval(&scope) {
            Ok(datum) => datum.to_string(),
            Err(error) => format!("error: {error}"),
        },
    }
}

#[test]
fn values() {
    for (text, expect) in [
        ("0.1 + 0.2 == 0.3", "true"),
        ("0.1 + 0.2 > 0.3", "false"),
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("-2 * -3 - 1", "5"),
        ("after.price * after.qty", "599.7"),
        ("after.price < 200 and after.qty == 3", "true"),
        ("not after.price < 200 or after.flag", "true"),
        ("before.status == \"ACTIVE\"", "true"),
        ("after.qty in [1, 2, 3]", "true"),
        ("after.currency not in [\"USD\", \"EUR\"]", "true"),
        ("after.huge == 18446744073709551615", "true"),
        ("7 d", "604800000"),
        ("event.at - 1 s", "0"),
        ("event.stream", "bid"),
        ("money(after.amount) == money(other.amount)", "true"),
        ("money(after.price, after.currency) * after.qty", "599.70 CNY"),
        ("money(after.price, after.currency) * 0.5", "99.95 CNY"),
        ("money(after.price, after.currency) * 0.05", "9.995 CNY"),
        ("amount(money(after.amount)) + decimal(after.text)", "211.5"),
        ("currency(money(after.dollars))", "USD"),
        ("max(1, 2) + min(3, 4) + abs(-5)", "10"),
        ("found.total + ref.n", "7"),
        ("after.wide == after.wide_too", "true"),
        ("after.wide == 1", "false"),
        ("after.wide + 1", "10000000000000000000000000000000000000000"),
        ("after.wide > after.widest and after.widest > 1", "true"),
        ("after.widest - after.widest + after.widest == after.widest", "true"),
        ("after.widest * after.widest > after.widest", "true"),
        ("money(after.widest, \"CNY\") < money(after.wide, \"CNY\")", "true"),
        ("after.beyond == after.beyond", "true"),
        ("7922816251426433759354395033.5 + 0.00000001", "7922816251426433759354395033.50000001"),
        ("0.00000000000001 * 0.000000000000001", "0.00000000000000000000000000001"),
    ] {
        assert_eq!(value(text), expect, "{text}");
    }
}

#[test]
fn null_and_absent_are_missing_and_three_valued() {
    for (text, expect) in [
        ("after.gone", "null"),
        ("after.nowhere", "absent"),
        ("found.above", "absent"),
        ("after.gone == after.nowhere", "null"),
        ("after.nowhere == other.amount", "null"),
        ("after.gone != 1", "null"),
        ("after.gone + 1", "null"),
        ("not after.gone", "null"),
        ("after.gone in [1]", "null"),
        ("after.gone == 1 or after.qty == 3", "true"),
        ("after.gone == 1 and after.qty == 4", "false"),
        ("after.gone == 1 and after.qty == 3", "null"),
        ("after.gone == 1 or after.qty == 4", "null"),
        ("is_null(after.gone) and not absent(after.gone)", "true"),
        ("absent(after.nowhere) and not present(after.nowhere)", "true"),
        ("present(after.price)", "true"),
        ("money(after.gone, after.currency)", "null"),
    ] {
        assert_eq!(value(text), expect, "{text}");
    }
}

#[test]
fn what_has_no_exact_value_is_an_error() {
    for (text, expect) in [
        ("after.widest * after.widest * after.widest".to_owned(), "does not fit an exact decimal"),
        ("after.beyond + 1".to_owned(), "does not fit an exact decimal"),
        ("after.beyond < 1".to_owned(), "does not fit an exact decimal"),
        ("after.beyond and true".to_owned(), "`and` cannot take a number of more than 130 digits"),
        ("money(after.amount) + money(after.dollars)".to_owned(), "the currencies differ"),
        ("money(after.amount) == money(after.dollars)".to_owned(), "the currencies differ"),
        ("after.text == 12.5".to_owned(), "cannot take a text and a number"),
        ("after.price and true".to_owned(), "`and` cannot take a number"),
        ("decimal(after.currency)".to_owned(), "`CNY` is not an exact number"),
        ("money(after.currency)".to_owned(), "not an exact amount"),
    ] {
        let got = value(&text);
        assert!(got.starts_with("error: ") && got.contains(expect), "{text}: {got}");
    }
}

#[test]
fn mistakes_are_shown_with_a_caret() {
    for (text, column, expect) in [
        ("after.price >> 3", 13, "expected a value, found `>`"),
        ("after.price = 3", 12, "write `==`"),
        ("after.price / 2", 12, "no division"),
        ("after.a && after.b", 8, "write `and`"),
        ("afer.price", 0, "did you mean `after`"),
        ("after", 0, "names no field"),
        ("after.a.b", 0, "names no field"),
        ("event.time", 0, "there is no `event.time`"),
        ("found.abov", 0, "did you mean `above`"),
        ("mony(1)", 0, "did you mean `money`"),
        ("money()", 0, "takes 1–2 argument(s), not 0"),
        ("present(1)", 8, "asks about a field"),
        ("1 < 2 < 3", 6, "do not chain"),
        ("\"a\" + 1", 4, "cannot take a text and a number"),
        ("true < false", 5, "no meaning for truths"),
        ("money(1, \"CNY\") * money(1, \"CNY\")", 16, "money times money"),
        ("after.a in [after.b]", 12, "constants only"),
        ("(1 + 2", 6, "expected `)`, found the end"),
        ("\"open", 0, "never closed"),
        ("5 weeks", 2, "no unit of time"),
        ("1.2.3", 0, "not an exact number"),
        ("1 2", 2, "expected an operator or the end"),
        ("", 0, "expected a value, found the end"),
        ("not 3", 4, "`not` cannot take a number"),
    ] {
        let error = Expr::compile(text, Kind::Any, ALL).expect_err(text).to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert!(lines[0].contains(expect), "{text}: {error}");
        assert_eq!(lines.last().unwrap().find('^'), Some(column + 4), "{text}: {error}");
    }
}

#[test]
fn what_is_wanted_and_what_is_allowed_is_held() {
    let narrow = Allowed { roots: &["after"], found: &[] };
    assert!(Expr::compile("after.x == 1", Kind::Bool, narrow).is_ok());
    let error = Expr::compile("1 + 1", Kind::Bool, narrow).unwrap_err().to_string();
    assert!(error.contains("comes to a number, wanted is a truth"), "{error}");
    let error = Expr::compile("ref.median > 1", Kind::Bool, narrow).unwrap_err().to_string();
    assert!(error.contains("`ref` is not known here"), "{error}");
    let wide = vec!["after.x == 1"; 60].join(" and ");
    assert!(Expr::compile(&wide, Kind::Bool, narrow).unwrap_err().to_string().contains("costs"));
    let deep = format!("{}1{}", "(".repeat(40), ")".repeat(40));
    assert!(Expr::compile(&deep, Kind::Any, narrow).unwrap_err().to_string().contains("deeper"));
    assert_eq!(Expr::compile("after.x == 1", Kind::Bool, narrow).unwrap().cost(), 3);
}

#[test]
fn an_explanation_shows_each_part_with_its_value() {
    let event = event();
    let expr = Expr::compile("after.price * 2 < 300 and after.gone == 1", Kind::Bool, ALL).unwrap();
    let (result, steps) = expr.explain(&Scope::of(&event));
    assert_eq!(result, Ok(Datum::Bool(false)));
    let shown: Vec<String> = steps.iter().map(|s| format!("{} = {}", s.part, s.value)).collect();
    assert_eq!(
        shown,
        [
            "after.price = 199.9",
            "after.price * 2 = 399.8",
            "after.price * 2 < 300 = false",
            "after.price * 2 < 300 and after.gone == 1 = false",
        ]
    );
}

#[test]
fn templates_render_values_and_gaps() {
    let event = event();
    let text = "{money(after.price, after.currency)} for {after.nowhere}, {after.text + 1}.";
    let template = Template::compile(text, ALL).unwrap();
    assert_eq!(
        template.render(&Scope::of(&event)),
        "199.90 CNY for absent, (`+` cannot take a text and a number)."
    );
    assert!(Template::compile("a {after.x", ALL).unwrap_err().to_string().contains("never closed"));
}

#[test]
fn constants_of_a_filter() {
    let constants = |text| Expr::compile(text, Kind::Bool, ALL).unwrap().constants();
    let found = constants("after.kind == \"x\" and 3 == after.n and after.q in [1, 2]");
    assert_eq!(found.len(), 3);
    assert_eq!(found[2].1.len(), 2);
    assert!(constants("after.kind == \"x\" or after.n == 3").is_empty());
    assert!(constants("not after.kind == \"x\"").is_empty());
    assert!(constants("before.kind == \"x\"").is_empty());
}

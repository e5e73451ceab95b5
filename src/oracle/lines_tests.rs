//! Ledgers as tables: what acts expect, the lines that stand, and what is found.

use super::*;
use crate::clock::CellTime;
use crate::wire::Subject;

const FIRST: Instant = Instant { at: CellTime(0), seq: 0 };

fn account() -> Subject {
    Subject::new("account", "A")
}

fn yuan(major: i64) -> Money {
    Money::cny(major * 100)
}

fn line(reference: &str, amount: impl Into<Amount>, detail: &str) -> LedgerLine {
    LedgerLine {
        ledger: "l".into(),
        subject: account(),
        amount: amount.into(),
        detail: (!detail.is_empty()).then(|| detail.to_owned()),
        reference: reference.into(),
        gone: false,
        strict: false,
    }
}

fn gone(reference: &str) -> LedgerLine {
    LedgerLine { gone: true, ..line(reference, yuan(0), "") }
}

fn strict(reference: &str, amount: Money) -> LedgerLine {
    LedgerLine { strict: true, ..line(reference, amount, "") }
}

fn once(amount: Money) -> Expected {
    Expected::once("l", &account(), amount).between(Party::Seller, Party::Platform)
}

/// Flaw, who loses, how much in yuan.
fn check(name: &str, expects: &[Expected], lines: &[LedgerLine], found: &[(Flaw, Party, i64)]) {
    let mut state = Lines::default();
    for expected in expects {
        state.expect(expected.clone(), FIRST);
    }
    for line in lines {
        state.book(line.clone());
    }
    let gaps = state.gaps();
    let told: Vec<_> =
        gaps.iter().map(|gap| (gap.flaw, gap.party, gap.amount.minor / 100)).collect();
    assert_eq!(told, found, "{name}");
    let keys: std::collections::BTreeSet<_> = gaps.iter().map(|gap| &gap.key).collect();
    assert_eq!(keys.len(), gaps.len(), "{name}: keys are unique");
}

use Party::{Buyer, Platform, Seller};

#[test]
fn once_is_once_and_of_that_amount() {
    let want = [once(yuan(30))];
    check("there", &want, &[line("1", yuan(30), "")], &[]);
    check("not there", &want, &[], &[(Flaw::Missing, Seller, 30)]);
    let twice = [line("1", yuan(30), ""), line("2", yuan(30), "")];
    check("twice", &want, &twice, &[(Flaw::Duplicate, Platform, 30)]);
    let there = line("1", yuan(30), "");
    check("and put back", &want, &[there.clone(), gone("1"), there], &[]);
    check("too little", &want, &[line("1", yuan(20), "")], &[(Flaw::WrongAmount, Seller, 10)]);
    check("too much", &want, &[line("1", yuan(50), "")], &[(Flaw::WrongAmount, Platform, 20)]);
    check(
        "the other way",
        &want,
        &[line("1", yuan(-30), "")],
        &[(Flaw::WrongAmount, Platform, 30)],
    );
    let dollars = [line("1", Money::new(3000, Currency::Usd), "")];
    check("dollars", &want, &dollars, &[(Flaw::WrongAmount, Platform, 30)]);
    check(
        "taken back",
        &want,
        &[line("1", yuan(30), ""), gone("1")],
        &[(Flaw::TakenAway, Seller, 30)],
    );
    let mended = [line("1", yuan(3), ""), line("1", yuan(30), "")];
    check("the same line again, mended", &want, &mended, &[]);
    let out = [once(yuan(-30))];
    check("less leaves", &out, &[line("1", yuan(-20), "")], &[(Flaw::WrongAmount, Seller, 10)]);
    check("more leaves", &out, &[line("1", yuan(-40), "")], &[(Flaw::WrongAmount, Platform, 10)]);
    let two = [once(yuan(30)), once(yuan(40))];
    let other_order = [line("1", yuan(40), ""), line("2", yuan(30), "")];
    check("in any order", &two, &other_order, &[]);
}

#[test]
fn what_came_before_it_was_wanted_is_no_answer() {
    let mut state = Lines::default();
    let told = |state: &Lines| {
        let gaps = state.gaps();
        gaps.iter().map(|gap| (gap.key.clone(), gap.flaw)).collect::<Vec<_>>()
    };
    state.expect(once(yuan(30)), FIRST);
    state.book(line("1", yuan(30), ""));
    state.book(line("2", yuan(30), ""));
    let twice = [("line 2".to_owned(), Flaw::Duplicate)];
    assert_eq!(told(&state), twice);
    for amount in [30, 50] {
        let mut state = state.clone();
        state.expect(once(yuan(amount)), FIRST);
        let missing = ("missing #1".to_owned(), Flaw::Missing);
        assert_eq!(told(&state), [missing, twice[0].clone()], "the loss is not put back");
        state.book(line("3", yuan(amount), ""));
        assert_eq!(told(&state), twice);
    }
    // A line that is written over is a new one.
    state.expect(once(yuan(40)), FIRST);
    state.book(line("2", yuan(40), ""));
    assert_eq!(told(&state), []);
}

#[test]
fn the_right_amount_to_somebody_else_is_wholly_lost() {
    let want = [once(yuan(30)).detail("bank-1")];
    check("to the right one", &want, &[line("1", yuan(30), "bank-1")], &[]);
    check(
        "to another",
        &want,
        &[line("1", yuan(30), "bank-2")],
        &[(Flaw::WrongParty, Platform, 30)],
    );
    check(
        "more to another",
        &want,
        &[line("1", yuan(40), "bank-2")],
        &[(Flaw::WrongParty, Platform, 40)],
    );
    let both = [line("1", yuan(30), "bank-2"), line("2", yuan(30), "bank-1")];
    check("to both", &want, &both, &[(Flaw::Duplicate, Platform, 30)]);
}

#[test]
fn what_nobody_expects_is_a_loss_only_where_somebody_said_so() {
    let stray = [line("1", yuan(30), "")];
    check("nobody said anything", &[], &stray, &[]);
    let never = [Expected::never("l", &account())];
    check("never", &never, &stray, &[(Flaw::Unexpected, Platform, 30)]);
    check("never, and taken back", &never, &[stray[0].clone(), gone("1")], &[]);
    check("a strict ledger", &[], &[strict("1", yuan(30))], &[(Flaw::Unexpected, Platform, 30)]);
}

#[test]
fn a_cap_is_told_at_the_lines_that_go_above() {
    let cap = [Expected::at_most("l", &account(), yuan(100))];
    let lines = [line("1", yuan(60), ""), line("2", yuan(40), "")];
    check("reached", &cap, &lines, &[]);
    let over = [lines[0].clone(), line("2", yuan(50), ""), line("3", yuan(5), "")];
    check("passed", &cap, &over, &[(Flaw::AboveCap, Platform, 5), (Flaw::AboveCap, Platform, 10)]);
    let back = [over[0].clone(), over[1].clone(), line("3", yuan(-10), "")];
    check("and given back", &cap, &back, &[]);
    let raised = [cap[0].clone(), Expected::at_most("l", &account(), yuan(110))];
    check("and raised", &raised, &over[..2], &[]);
    let named = [Expected::at_most("l", &account(), yuan(100)).detail("M-1")];
    check("to whom it is owed", &named, &[line("1", yuan(60), "M-1")], &[]);
    let astray = [line("1", yuan(100), "M-1"), line("2", yuan(60), "M-2")];
    check("to somebody else", &named, &astray, &[(Flaw::WrongParty, Platform, 60)]);
    let pieces = [Expected::at_most("l", &account(), 1).worth(yuan(50))];
    let sold = [line("1", 1, ""), line("2", 1, "")];
    check("pieces", &pieces, &sold, &[(Flaw::AboveCap, Platform, 50)]);
}

#[test]
fn a_floor_is_told_while_the_sum_is_below() {
    let floor = [Expected::at_least("l", &account(), yuan(0)).between(Platform, Platform)];
    check("nothing seen", &floor, &[], &[]);
    check("on it", &floor, &[line("b", yuan(0), "")], &[]);
    check("below", &floor, &[line("b", yuan(-60), "")], &[(Flaw::BelowFloor, Platform, 60)]);
    let filled = [line("b", yuan(-60), ""), line("b", yuan(39), "")];
    check("filled up", &floor, &filled, &[]);
}

#[test]
fn a_promise_stands_at_what_was_meant() {
    let stands = |minor| Expected::stands("l", &account(), yuan(minor)).between(Seller, Buyer);
    let meant = [stands(100)];
    check("never seen", &meant, &[], &[(Flaw::Missing, Seller, 0)].map(|(f, _, n)| (f, Buyer, n)));
    check("as meant", &meant, &[line("o", yuan(100), "")], &[]);
    check("below", &meant, &[line("o", yuan(10), "")], &[(Flaw::WrongAmount, Seller, 90)]);
    check("above", &meant, &[line("o", yuan(130), "")], &[(Flaw::WrongAmount, Buyer, 30)]);
    check("withdrawn", &meant, &[line("o", yuan(10), ""), gone("o")], &[]);
    let changed = [stands(100), stands(90)];
    check("on its way", &changed, &[line("o", yuan(100), "")], &[(Flaw::Missing, Buyer, 10)]);
    let mut state = Lines::default();
    state.expect(meant[0].clone(), FIRST);
    state.book(line("o", yuan(10), ""));
    assert_eq!(state.gaps()[0].kind, RowKind::Promise);
}

#[test]
fn pieces_without_a_worth_are_told_all_the_same() {
    let want = [Expected::once("l", &account(), 1)];
    check("one", &want, &[line("1", 1, "")], &[]);
    check("two", &want, &[line("1", 2, "")], &[(Flaw::WrongAmount, Platform, 0)]);
}

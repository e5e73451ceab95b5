//! Histories and the books they must come to.

use super::*;
use crate::journal::story::{START, Story, loss_point};
use crate::journal::{Act, Business, Expected, Outcome, PostingKind};
use crate::money::Money;
use crate::wire::Subject;
use PostingKind::{Collected, OrderPaid, PaidOut};

fn yuan(major: i64) -> Money {
    Money::cny(major * 100)
}

fn story() -> Story {
    Story::new("s", false, loss_point("refund-paid-twice", None)).at(1_000)
}

fn buy(order: &str, due: Money) -> Act {
    let (order, sku) = (order.to_owned(), "SKU-1".to_owned());
    Act::Buy { order, buyer: "b".into(), sku, channel: "alipay".into(), due }
}

fn pay(order: &str, amount: Money) -> Act {
    Act::PayOrder { order: order.to_owned(), channel: "alipay".into(), amount }
}

fn refund(id: &str, due: Money, amount: Money, hold: bool) -> Act {
    let (refund, order) = (id.to_owned(), "O-1".to_owned());
    Act::Refund { refund, order, channel: "alipay".into(), due, amount, hold }
}

fn deliver(id: &str, times: u32) -> Act {
    Act::DeliverApproval { refund: id.to_owned(), times }
}

fn bid(id: &str, meant: Money, price: Money, qty: u32) -> Act {
    let (bid, seller, sku) = (id.to_owned(), "s".to_owned(), "SKU-1".to_owned());
    Act::PlaceBid { bid, seller, sku, qty, meant, price, clearance: None }
}

fn reprice(price: Money, meant: Option<Money>) -> Act {
    Act::CorrectBid { bid: "B-1".into(), price, meant }
}

fn unknown() -> Outcome {
    Outcome::Unknown { reason: "no answer".into() }
}

/// Flaw, who loses, how much in fen, seen at ms from the start, set right at.
type Row = (Flaw, Party, i64, i64, Option<i64>);

fn check(name: &str, story: Story, expect: &[Row]) {
    let books = Oracle::of(&story.at(200_000).tick().history());
    let since = |at: CellTime| at.since_ms(START);
    let rows: Vec<Row> = books
        .bad_rows()
        .map(|row| (row.flaw, row.party, row.amount.minor, since(row.seen), row.until.map(since)))
        .collect();
    assert_eq!(rows, expect, "{name}");
}

#[test]
fn each_act_expects_what_was_meant_once() {
    use Role::{Background, Canary, ProbeInside, Scripted, Setup};
    for role in [Setup, Scripted, Background, Canary, ProbeInside] {
        let paid = |story: Story| {
            story.posted(Collected, "O-1", yuan(199), "t1").posted(
                OrderPaid,
                "O-1",
                yuan(199),
                "p1",
            )
        };
        check("paid", paid(story().ok(role, pay("O-1", yuan(199)))), &[]);
        check("bought", paid(story().ok(role, buy("O-1", yuan(199)))), &[]);
        check("unknown, done", paid(story().act(role, pay("O-1", yuan(199)), unknown())), &[]);
        check("refused, not done", story().refused(role, pay("O-1", yuan(199))), &[]);
        let refused = paid(story().refused(role, pay("O-1", yuan(199))));
        let charged = (Flaw::Unexpected, Party::Buyer, 19_900, 1_000, None);
        check("refused, and charged all the same", refused, &[charged]);
    }
}

#[test]
fn a_missing_row_counts_from_the_row_that_made_it_due() {
    let collected = || {
        story().ok(Role::Scripted, pay("O-1", yuan(199))).at(2_000).posted(
            Collected,
            "O-1",
            yuan(199),
            "t1",
        )
    };
    let missing = |until| (Flaw::Missing, Party::Buyer, 19_900, 2_000, until);
    check("never", collected(), &[missing(None)]);
    let paid = |at| collected().at(at).posted(OrderPaid, "O-1", yuan(199), "p1");
    check("within grace", paid(31_900), &[]);
    check("after grace", paid(40_000), &[missing(Some(40_000))]);
    let nothing = story().act(Role::Scripted, pay("O-1", yuan(199)), unknown());
    check("nothing came", nothing, &[(Flaw::Missing, Party::Seller, 19_900, 1_000, None)]);
}

#[test]
fn a_wrong_or_second_amount_counts_at_once() {
    let low = story()
        .ok(Role::Scripted, buy("O-1", yuan(1_999)))
        .at(1_500)
        .posted(Collected, "O-1", Money::cny(19_990), "t1")
        .posted(OrderPaid, "O-1", Money::cny(19_990), "p1");
    check("a digit short", low, &[(Flaw::WrongAmount, Party::Seller, 179_910, 1_500, None)]);
    let held = || {
        story()
            .ok(Role::Setup, refund("R-1", yuan(199), yuan(199), true))
            .ok(Role::Scripted, deliver("R-1", 2))
            .at(1_200)
            .posted(PaidOut, "R-1", yuan(199), "x1")
    };
    let twice = (Flaw::Duplicate, Party::Platform, 19_900, 1_300, None);
    check("once", held(), &[]);
    check("twice", held().at(1_300).posted(PaidOut, "R-1", yuan(199), "x2"), &[twice]);
    check("the same reference", held().at(1_300).posted(PaidOut, "R-1", yuan(199), "x1"), &[]);
    let above = story().ok(Role::Scripted, refund("R-3", yuan(99), yuan(150), false)).posted(
        PaidOut,
        "R-3",
        yuan(150),
        "x3",
    );
    check("above", above, &[(Flaw::WrongAmount, Party::Platform, 5_100, 1_000, None)]);
    let charged_twice = story()
        .ok(Role::Scripted, pay("O-1", yuan(199)))
        .posted(Collected, "O-1", yuan(199), "t1")
        .posted(OrderPaid, "O-1", yuan(199), "p1")
        .posted(Collected, "O-1", yuan(199), "t2");
    check("charged twice", charged_twice, &[(Flaw::Duplicate, Party::Buyer, 19_900, 1_000, None)]);
    let forged = story()
        .ok(Role::Setup, pay("O-1", yuan(199)))
        .posted(Collected, "O-1", yuan(199), "t1")
        .posted(OrderPaid, "O-1", yuan(300), "p1")
        .posted(OrderPaid, "O-9", yuan(50), "p9");
    let rows = [
        (Flaw::WrongAmount, Party::Platform, 10_100, 1_000, None),
        (Flaw::Unexpected, Party::Platform, 5_000, 1_000, None),
    ];
    check("forged", forged, &rows);
    let dollars = story().ok(Role::Scripted, refund("R-1", yuan(199), yuan(199), false)).posted(
        PaidOut,
        "R-1",
        Money::new(19_900, Currency::Usd),
        "x1",
    );
    check("dollars", dollars, &[(Flaw::WrongAmount, Party::Buyer, 19_900, 1_000, None)]);
}

#[test]
fn a_held_refund_is_owed_once_it_is_delivered() {
    let hold = || story().ok(Role::Setup, refund("R-1", yuan(199), yuan(199), true));
    check("held, nothing yet", hold(), &[]);
    let early = hold().posted(PaidOut, "R-1", yuan(199), "x1");
    check("paid undelivered", early, &[(Flaw::Unexpected, Party::Platform, 19_900, 1_000, None)]);
    let delivered = hold().at(5_000).ok(Role::Scripted, deliver("R-1", 1));
    check("delivered, not paid", delivered, &[(Flaw::Missing, Party::Buyer, 19_900, 5_000, None)]);
    let refused = story()
        .refused(Role::Setup, refund("R-1", yuan(199), yuan(199), true))
        .ok(Role::Scripted, deliver("R-1", 1));
    check("refused before", refused, &[]);
}

#[test]
fn an_open_bid_is_a_promise() {
    let low = || {
        story()
            .ok(Role::Scripted, bid("B-1", yuan(1_999), Money::cny(19_990), 2))
            .at(1_100)
            .promised("B-1", "SKU-1", Money::cny(19_990), 2, true)
    };
    let exposed = |until| (Flaw::WrongAmount, Party::Seller, 359_820, 1_100, until);
    check("open", low(), &[exposed(None)]);
    let off = low().at(9_000).promised("B-1", "SKU-1", Money::cny(19_990), 2, false);
    check("off sale", off, &[exposed(Some(9_000))]);
    let mended = low()
        .at(9_000)
        .ok(Role::Correction, reprice(yuan(1_999), None))
        .at(9_050)
        .promised("B-1", "SKU-1", yuan(1_999), 2, true);
    check("mended", mended, &[exposed(Some(9_050))]);
    let honest = story()
        .ok(Role::Scripted, bid("B-1", yuan(100), yuan(100), 1))
        .promised("B-1", "SKU-1", yuan(100), 1, true)
        .at(5_000)
        .ok(Role::Scripted, reprice(yuan(90), None));
    let cut = honest.clone().at(5_100).promised("B-1", "SKU-1", yuan(90), 1, true);
    check("an honest cut", cut, &[]);
    let cuts = [90, 80, 70].map(|major| reprice(yuan(major), None));
    let steps = story().ok(Role::Setup, bid("B-1", yuan(100), yuan(100), 1)).promised(
        "B-1",
        "SKU-1",
        yuan(100),
        1,
        true,
    );
    let steps = cuts.into_iter().fold(steps.at(5_000), |story, cut| story.ok(Role::Scripted, cut));
    let read = |story: Story, major| story.promised("B-1", "SKU-1", yuan(major), 1, true);
    let whole = [90, 80, 70].into_iter().fold(steps.clone().at(5_100), read);
    check("cuts that are read after the last of them", whole.clone(), &[]);
    let stuck = (Flaw::Missing, Party::Buyer, 2_000, 5_000, None);
    check("a cut of several that never lands", read(steps.at(5_100), 90), &[stuck]);
    let back = (Flaw::WrongAmount, Party::Buyer, 2_000, 6_000, None);
    check("a price of before that comes back", read(whole.at(6_000), 90), &[back]);
    let astray = story()
        .ok(Role::Setup, bid("B-1", yuan(100), yuan(100), 1))
        .promised("B-1", "SKU-1", yuan(100), 1, true)
        .at(5_000)
        .ok(Role::Scripted, reprice(yuan(60), Some(yuan(90))))
        .promised("B-1", "SKU-1", yuan(60), 1, true);
    let below = [(Flaw::WrongAmount, Party::Seller, 3_000, 5_000, None)];
    check("cut further than is meant", astray, &below);
    check("a cut that never lands", honest, &[(Flaw::Missing, Party::Buyer, 1_000, 5_000, None)]);
    let unseen = story().ok(Role::Scripted, bid("B-1", yuan(100), yuan(100), 1));
    check("never on offer", unseen, &[(Flaw::Missing, Party::Seller, 0, 1_000, None)]);
}

#[test]
fn what_is_charged_for_a_closed_order_is_owed_back() {
    let closed = || {
        let (late, order) = (Subject::new("refund", "late-O-1"), Subject::new("order", "O-1"));
        let subjects = vec![late.clone(), order.clone()];
        let act = Business::new("close", subjects, "/closures", serde_json::json!({}));
        let owed = [Expected::paid_out(&late, yuan(199)), Expected::never_paid(&order)];
        let charged = story().ok(Role::Scripted, pay("O-1", yuan(199)));
        let closed = charged.at(2_000).ok(Role::Scripted, Act::Business(act.expecting(owed)));
        closed.posted(Collected, "O-1", yuan(199), "t1")
    };
    check("kept", closed(), &[(Flaw::Missing, Party::Buyer, 19_900, 2_000, None)]);
    let returned = closed().at(9_000).posted(PaidOut, "late-O-1", yuan(199), "x1");
    check("returned", returned.clone(), &[]);
    let both = returned.posted(OrderPaid, "O-1", yuan(199), "p1");
    check("paid too", both, &[(Flaw::Unexpected, Party::Platform, 19_900, 9_000, None)]);
}

fn account(id: &str) -> Subject {
    Subject::new("account", id)
}

/// 30 yuan from A to B.
fn transfer() -> Act {
    let (payer, payee) = (account("A"), account("B"));
    let subjects = vec![payer.clone(), payee.clone()];
    let act = Business::new("transfer", subjects, "/transfers", serde_json::json!({}));
    Act::Business(act.expecting([
        Expected::once("flow", &payer, yuan(-30)).between(Party::Platform, Party::Buyer),
        Expected::once("flow", &payee, yuan(30)).between(Party::Buyer, Party::Platform),
    ]))
}

#[test]
fn a_business_act_expects_its_lines_once() {
    let leg = |story: Story, id: &str, amount| story.booked("flow", &account(id), amount, id);
    let both = |story: Story| leg(leg(story, "B", yuan(30)), "A", yuan(-30));
    check("both legs", both(story().ok(Role::Scripted, transfer())), &[]);
    check("unknown, done", both(story().act(Role::Scripted, transfer(), unknown())), &[]);
    check("refused, not done", story().refused(Role::Scripted, transfer()), &[]);
    let lost = leg(story().ok(Role::Scripted, transfer()), "B", yuan(30));
    let missing = |until| (Flaw::Missing, Party::Platform, 3_000, 1_000, until);
    check("the payer's leg is lost", lost.clone(), &[missing(None)]);
    check("late, within grace", leg(lost.clone().at(30_000), "A", yuan(-30)), &[]);
    check("late", leg(lost.at(40_000), "A", yuan(-30)), &[missing(Some(40_000))]);
    let again = both(story().ok(Role::Scripted, transfer()));
    let again = again.at(2_000).booked("flow", &account("A"), yuan(-30), "A2");
    check("charged twice", again, &[(Flaw::Duplicate, Party::Buyer, 3_000, 2_000, None)]);
    let stray = story().booked("flow", &account("C"), yuan(5), "c");
    check("about somebody whom no act named", stray, &[]);
}

#[test]
fn a_bound_holds_from_its_act_on_and_a_refused_act_sets_none() {
    let open = || {
        let never_below = Expected::at_least("balance", &account("A"), yuan(0));
        let act = Business::new("open", vec![account("A")], "/accounts", serde_json::json!({}));
        Act::Business(act.expecting([never_below.between(Party::Platform, Party::Platform)]))
    };
    let fallen = |story: Story| {
        let balance =
            |story: Story, yuans| story.booked("balance", &account("A"), yuan(yuans), "A");
        balance(balance(balance(story, 100).at(2_000), -60).at(5_000), 39)
    };
    let below = (Flaw::BelowFloor, Party::Platform, 6_000, 2_000, Some(5_000));
    check("fallen", fallen(story().ok(Role::Setup, open())), &[below]);
    check("never opened", fallen(story().refused(Role::Setup, open())), &[]);
}

#[test]
fn the_meter_tells_loss_from_exposure_and_flight_from_balance() {
    let story = story()
        .ok(Role::Scripted, bid("B-1", yuan(1_999), Money::cny(19_990), 1))
        .at(1_100)
        .promised("B-1", "SKU-1", Money::cny(19_990), 1, true)
        .at(2_000)
        .ok(Role::Scripted, buy("O-1", yuan(1_999)));
    let flying = Oracle::of(&story.clone().at(2_500).tick().history());
    let now = START.plus_ms(2_500);
    assert_eq!((flying.in_flight(now), flying.balanced(now)), (1, false));
    assert_eq!(flying.next_missing(now), Some(START.plus_ms(32_000)));
    let story = story
        .at(3_000)
        .promised("B-1", "SKU-1", Money::cny(19_990), 0, false)
        .posted(Collected, "O-1", Money::cny(19_990), "t")
        .posted(OrderPaid, "O-1", Money::cny(19_990), "p");
    let books = Oracle::of(&story.history());
    let at = |ms| {
        let t = START.plus_ms(ms);
        (books.loss_at(t).minor, books.exposure_at(t).minor)
    };
    assert_eq!([at(1_000), at(1_500), at(3_000)], [(0, 0), (0, 179_910), (179_910, 0)]);
    assert_eq!(books.curve(), [(START.plus_ms(3_000), Money::cny(179_910))]);
    let [seller, _] = books.curves_of_party(Party::Seller);
    assert_eq!(seller.len(), 1);
    assert!(books.curves_of_party(Party::Buyer)[0].is_empty());
}

#[test]
fn canary_and_proof_are_beside_the_loss() {
    let books = |role| {
        let story = story()
            .ok(Role::Scripted, refund("R-1", yuan(1), yuan(1), false))
            .posted(PaidOut, "R-1", yuan(1), "x1")
            .ok(role, refund("R-2", yuan(1), yuan(5), false))
            .posted(PaidOut, "R-2", yuan(5), "x2");
        Oracle::of(&story.history())
    };
    for (role, loss) in
        [(Role::Scripted, 400), (Role::Background, 400), (Role::Canary, 0), (Role::ProbeInside, 0)]
    {
        let books = books(role);
        assert_eq!(books.loss_at(books.last).minor, loss, "{role:?}");
        assert_eq!(books.bad_rows().count(), 1, "{role:?}: it is a bad row all the same");
    }
    let before = story()
        .ok(Role::Setup, refund("R-1", yuan(1), yuan(5), false))
        .posted(PaidOut, "R-1", yuan(5), "x1")
        .ok(Role::Scripted, pay("O-1", yuan(1)));
    let books = Oracle::of(&before.history());
    assert_eq!(books.attack_rows(books.last).count(), 0, "before the first scripted intent");
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    /// Deeds on three refunds, each paid out so many times with such amounts.
    fn deeds() -> impl Strategy<Value = Vec<(u8, i64, Vec<i64>)>> {
        let amounts = prop::collection::vec(1..500_i64, 0..4);
        prop::collection::vec((0..3_u8, 1..500_i64, amounts), 0..8)
    }

    fn told(deeds: &[(u8, i64, Vec<i64>)], repeat: usize) -> Story {
        let mut story = story();
        for (index, (_, due, paid)) in deeds.iter().enumerate() {
            let id = format!("R-{index}");
            story =
                story.ok(Role::Scripted, refund(&id, Money::cny(*due), Money::cny(*due), false));
            for (nth, amount) in paid.iter().enumerate() {
                for _ in 0..repeat {
                    let reference = format!("{id}/{nth}");
                    story = story.posted(PaidOut, &id, Money::cny(*amount), &reference);
                }
            }
        }
        story.at(100_000).tick()
    }

    proptest! {
        #[test]
        fn the_same_reference_again_changes_nothing(deeds in deeds()) {
            let once = Oracle::of(&told(&deeds, 1).history());
            let thrice = Oracle::of(&told(&deeds, 3).history());
            prop_assert_eq!(once.curve(), thrice.curve());
        }

        #[test]
        fn exact_books_are_balanced_and_others_are_not(deeds in deeds()) {
            let books = Oracle::of(&told(&deeds, 1).history());
            let exact = deeds.iter().all(|(_, due, paid)| paid == &[*due]);
            prop_assert_eq!(books.balanced(books.last), exact);
            let rows = books.bad_rows().all(|row| row.amount.minor > 0);
            prop_assert!(rows, "a bad posting always costs somebody");
        }

        #[test]
        fn the_loss_is_what_is_apart(deeds in deeds()) {
            let books = Oracle::of(&told(&deeds, 1).history());
            let net: i64 = deeds.iter().map(|(_, due, paid)| paid.iter().sum::<i64>() - due).sum();
            let of = |party| books.curves_of_party(party)[0].last().map_or(0, |(_, m)| m.minor);
            prop_assert_eq!(of(Party::Platform) - of(Party::Buyer), net);
        }
    }
}

#[test]
fn an_edit_by_hand_is_the_attack_and_a_defect_alone_is_none() {
    let bill = Subject::new("bill", "B");
    let open =
        Business::new("open-bill", vec![bill.clone()], "/merchant-bills", Default::default());
    let open = open.expecting([Expected::at_most("settle.bill", &bill, yuan(500))]);
    for (fault, attacks) in [("data.bill-amount.edited", 1), ("app.settlement.rounded-each", 0)] {
        let opened = story().ok(Role::Setup, Act::Business(open.clone()));
        let struck = opened
            .booked("settle.bill", &bill, yuan(500), "B")
            .bites(fault)
            .at(2_000)
            .booked("settle.bill", &bill, yuan(5_000), "B");
        let books = Oracle::of(&struck.at(200_000).tick().history());
        let amounts: Vec<Money> = books.bad_rows().map(|row| row.amount).collect();
        assert_eq!(amounts, [yuan(4_500)], "{fault}: wrong in either case");
        assert_eq!(books.attack_rows(books.last).count(), attacks, "{fault}");
    }
}

#[test]
fn what_was_struck_out_is_set_right_and_may_come_again() {
    let forged = || story().at(2_000).posted(OrderPaid, "O-1", yuan(199), "p1");
    let extra = |until| (Flaw::Unexpected, Party::Platform, 19_900, 2_000, until);
    check("forged", forged(), &[extra(None)]);
    let struck = || forged().at(5_000).struck_out(OrderPaid, "O-1", yuan(199), "p1");
    check("struck out", struck(), &[extra(Some(5_000))]);
    let again = struck().at(7_000).posted(OrderPaid, "O-1", yuan(199), "p1");
    let later = (Flaw::Unexpected, Party::Platform, 19_900, 7_000, None);
    check("forged again", again, &[extra(Some(5_000)), later]);
    let paid = struck().at(7_000).ok(Role::Scripted, pay("O-1", yuan(199)));
    let paid = paid.posted(Collected, "O-1", yuan(199), "t1");
    let paid = paid.posted(OrderPaid, "O-1", yuan(199), "p1");
    check("paid in earnest", paid, &[extra(Some(5_000))]);
}

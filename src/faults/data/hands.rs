//! What hands do to single rows: which row, which of its columns, what is typed there.

use super::super::{Param, Params, Scale};

const TEXT: &str = "text";
/// A condition that is always true, and a statement behind it, for whoever puts a name into a query.
const INJECTION: &str = "M-1' OR '1'='1'; DROP TABLE settle_bill; -- ";

/// One way to harm the newest row of a table.
pub(super) struct Hand {
    /// The last two parts of the fault's id.
    pub name: &'static str,
    pub doc: &'static str,
    pub table: &'static str,
    /// The key is the first; of a row that is removed or doubled they are all.
    pub columns: &'static [&'static str],
    /// Which row, of those there are.
    pub which: &'static str,
    pub deed: Deed,
}

pub(super) enum Deed {
    /// The values after it, of those before it and the text that was given; none where nothing wrong can be made of them.
    Change(fn(&[String], &str) -> Option<Vec<String>>),
    /// The column at this place gets what the query finds for its value.
    Swap(usize, &'static str),
    Double,
    Remove,
}

const LEG: &[&str] =
    &["flow_id", "txn", "account_id", "payer", "payee", "amount", "currency", "at_ms"];
const NEWEST_LEG: &str = "ORDER BY at_ms DESC, flow_id LIMIT 1";
const NEWEST_BILL: &str = "WHERE status = 'OPEN' ORDER BY updated_at_ms DESC, bill_id LIMIT 1";

pub(super) const HANDS: &[Hand] = &[
    Hand {
        name: "bill-currency.changed",
        doc: "the newest open bill keeps its amount, in another currency",
        table: "settle_bill",
        columns: &["bill_id", "currency"],
        which: NEWEST_BILL,
        deed: Deed::Change(|old, _| with(old, 1, if old[1] == "CNY" { "USD" } else { "CNY" })),
    },
    Hand {
        name: "bill-merchant.look-alike",
        doc: "the merchant of the newest open bill is written with a letter of another script that looks the same",
        table: "settle_bill",
        columns: &["bill_id", "merchant"],
        which: NEWEST_BILL,
        deed: Deed::Change(|old, _| with(old, 1, &look_alike(&old[1]))),
    },
    Hand {
        name: "bill-merchant.injected",
        doc: "the merchant of the newest open bill is a text that breaks out of a query",
        table: "settle_bill",
        columns: &["bill_id", "merchant"],
        which: NEWEST_BILL,
        deed: Deed::Change(|old, text| with(old, 1, text)),
    },
    Hand {
        name: "wallet-leg.doubled",
        doc: "the newest leg of a transfer is in the books twice",
        table: "account_flow",
        columns: LEG,
        which: NEWEST_LEG,
        deed: Deed::Double,
    },
    Hand {
        name: "wallet-leg.removed",
        doc: "the newest leg of a transfer is gone",
        table: "account_flow",
        columns: LEG,
        which: NEWEST_LEG,
        deed: Deed::Remove,
    },
    Hand {
        name: "wallet-leg.misdirected",
        doc: "the newest leg of a transfer stands under another account",
        table: "account_flow",
        columns: &["flow_id", "account_id"],
        which: NEWEST_LEG,
        deed: Deed::Swap(
            1,
            "SELECT account_id FROM account WHERE account_id <> ? ORDER BY account_id LIMIT 1",
        ),
    },
    Hand {
        name: "wallet-leg.redated",
        doc: "the newest leg of a transfer gets another time, and is worth what it was",
        table: "account_flow",
        columns: &["flow_id", "at_ms"],
        which: NEWEST_LEG,
        deed: Deed::Change(|old, _| with(old, 1, &later(&old[1])?)),
    },
    Hand {
        name: "promotion-face.tenfold",
        doc: "somebody fills in a promotion's template wrongly: its face value has a digit too many",
        table: "promotion",
        columns: &["promotion_id", "face"],
        which: "ORDER BY promotion_id DESC LIMIT 1",
        deed: Deed::Change(|old, _| with(old, 1, &tenfold(&old[1])?)),
    },
    Hand {
        name: "settle-share.wrong-rate",
        doc: "the newest settled order is shared out by a wrong rate: the platform's part is tenfold, at the merchant's cost",
        table: "settle_detail",
        columns: &["detail_id", "merchant_part", "platform_part"],
        which: "ORDER BY at_ms DESC, detail_id LIMIT 1",
        deed: Deed::Change(|old, _| wrong_rate(old)),
    },
];

impl Hand {
    fn takes_text(&self) -> bool {
        self.name == "bill-merchant.injected"
    }

    pub fn params(&self) -> Vec<Param> {
        let scale = Scale::Text { default: INJECTION.trim_ascii() };
        let text =
            Param { name: TEXT, doc: "typed instead of the name, 80 characters at most", scale };
        if self.takes_text() { vec![text] } else { Vec::new() }
    }

    pub fn text(&self, params: &Params) -> String {
        if self.takes_text() { params.word(TEXT).to_owned() } else { String::new() }
    }
}

/// The same values but for one; none where it is that one already.
fn with(old: &[String], place: usize, value: &str) -> Option<Vec<String>> {
    let mut new = old.to_vec();
    value.clone_into(&mut new[place]);
    (new != old).then_some(new)
}

/// The first letter that has a double in Cyrillic, else a space of no width at the end.
fn look_alike(name: &str) -> String {
    const DOUBLES: [(char, char); 11] = [
        ('A', 'А'),
        ('B', 'В'),
        ('C', 'С'),
        ('E', 'Е'),
        ('H', 'Н'),
        ('K', 'К'),
        ('M', 'М'),
        ('a', 'а'),
        ('e', 'е'),
        ('o', 'о'),
        ('p', 'р'),
    ];
    let double = |letter: char| DOUBLES.iter().find(|(latin, _)| *latin == letter);
    match name.char_indices().find_map(|(at, letter)| Some((at, double(letter)?))) {
        Some((at, (latin, cyrillic))) => {
            format!("{}{cyrillic}{}", &name[..at], &name[at + latin.len_utf8()..])
        }
        None => format!("{name}\u{200b}"),
    }
}

/// A minute later, Unix ms.
fn later(at_ms: &str) -> Option<String> {
    let at_ms: i64 = at_ms.parse().ok()?;
    Some(at_ms.checked_add(60_000)?.to_string())
}

fn tenfold(amount: &str) -> Option<String> {
    let amount: rust_decimal::Decimal = amount.parse().ok()?;
    Some(amount.checked_mul(10.into())?.to_string())
}

/// The parts still add up.
fn wrong_rate(old: &[String]) -> Option<Vec<String>> {
    let merchant: rust_decimal::Decimal = old[1].parse().ok()?;
    let platform: rust_decimal::Decimal = old[2].parse().ok()?;
    let more = platform.checked_mul(9.into()).filter(|more| !more.is_zero())?;
    let new = vec![old[0].clone(), (merchant - more).to_string(), (platform + more).to_string()];
    Some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn each_hand_makes_something_else_of_a_row() {
        for (name, old, new) in [
            ("bill-currency.changed", &["B-1", "CNY"][..], &["B-1", "USD"][..]),
            ("bill-currency.changed", &["B-1", "EUR"], &["B-1", "CNY"]),
            ("bill-merchant.look-alike", &["B-1", "M-1"], &["B-1", "М-1"]),
            ("bill-merchant.look-alike", &["B-1", "shop"], &["B-1", "shоp"]),
            ("bill-merchant.look-alike", &["B-1", "7"], &["B-1", "7\u{200b}"]),
            ("bill-merchant.injected", &["B-1", "M-1"], &["B-1", "x' --"]),
            ("wallet-leg.redated", &["F-1", "1000"], &["F-1", "61000"]),
            ("promotion-face.tenfold", &["P-1", "30.00"], &["P-1", "300.00"]),
            ("settle-share.wrong-rate", &["D", "90.00", "7.00"], &["D", "27.00", "70.00"]),
        ] {
            let hand = HANDS.iter().find(|hand| hand.name == name).unwrap();
            let Deed::Change(change) = &hand.deed else { panic!("{name} changes") };
            assert_eq!(change(&row(old), "x' --"), Some(row(new)), "{name}");
        }
        assert_eq!(wrong_rate(&row(&["D", "90.00", "0.00"])), None, "nothing to be tenfold");
    }

    #[test]
    fn what_is_typed_for_a_name_fits_its_column() {
        assert!(INJECTION.chars().count() <= 80 && INJECTION.contains('\''));
    }
}

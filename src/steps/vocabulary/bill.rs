//! Bills of merchants: what settlement owes them, what is added to it, and leave to mend it by hand.

use serde_json::{Value, json};

use super::{Row, does};
use crate::journal::{Act, Business, Expected, Party};
use crate::money::Money;
use crate::steps::Kind;
use crate::steps::script::{Script, ScriptError};
use crate::wire::Subject;

const BILL: &str = "settle.bill";

pub(super) static ROWS: &[Row] = &[
    Row {
        en: "bill {name} of {money} is open for merchant {name}",
        zh: "商家{name}的账单{name}待付{money}",
        zh_order: &[1, 2, 0],
        doc: "What settlement owes the merchant, and has not paid yet.",
        example_en: r#"bill "B-1" of 500.00 CNY is open for merchant "M-1""#,
        example_zh: "商家“M-1”的账单“B-1”待付 500.00 元",
        makes: &[("bill", 0), ("merchant", 2)],
        ..does("bill-open", Kind::Given, |script, said| {
            let bill = script.named("bill", said.name(0));
            let merchant = script.named("merchant", said.name(2));
            let amount = said.money(1);
            Owed { merchant: said.name(2).to_owned(), amount, most: amount }.note(script, &bill);
            Ok(Act::Business(open(&bill, &merchant, amount)).into())
        })
    },
    Row {
        en: "ticket {name} to add {money} to bill {name} is approved",
        zh: "为账单{name}增加{money}的改账工单{name}已获批",
        zh_order: &[2, 1, 0],
        doc: "Somebody may add that much to the bill by hand; a second person has agreed.",
        example_en: r#"ticket "T-1" to add 450.00 CNY to bill "B-1" is approved"#,
        example_zh: "为账单“B-1”增加 450.00 元的改账工单“T-1”已获批",
        needs: &[("bill", 2)],
        ..does("fix-ticket-approved", Kind::Given, |script, said| {
            let bill = script.named("bill", said.name(2));
            let owed = Owed::of(script, said.name(2))?;
            let (ticket, added) = (script.id(said.name(0)), said.money(1));
            let owed = Owed { most: plus(owed.most, added), ..owed };
            owed.note(script, &bill);
            let body = json!({"ticket": ticket, "bill": bill.id, "amount": added});
            let act = Business::new("approve-fix", vec![bill.clone()], "/fix-tickets", body);
            Ok(Act::Business(act.expecting([owed.bound(script, &bill)])).into())
        })
    },
    Row {
        en: "{money} of new sales is added to bill {name}",
        zh: "账单{name}因新订单增加{money}",
        zh_order: &[1, 0],
        doc: "Honest business: the bill grows, and its books say by what.",
        example_en: r#"90.00 CNY of new sales is added to bill "B-1""#,
        example_zh: "账单“B-1”因新订单增加 90.00 元",
        needs: &[("bill", 1)],
        ..does("bill-added-to", Kind::When, |script, said| {
            let bill = script.named("bill", said.name(1));
            let (owed, added) = (Owed::of(script, said.name(1))?, said.money(0));
            let amount = plus(owed.amount, added);
            let owed = Owed { amount, most: plus(owed.most, added), ..owed };
            owed.note(script, &bill);
            let path = format!("/merchant-bills/{}/additions", bill.id);
            let body = json!({"cause": script.fresh("sales"), "amount": added});
            let act = Business::new("add-to-bill", vec![bill.clone()], path, body);
            Ok(Act::Business(act.expecting([owed.bound(script, &bill)])).into())
        })
    },
];

/// What is known of a bill by the sentences so far.
pub(super) struct Owed {
    /// As the scenario calls it.
    pub merchant: String,
    /// What its sales come to.
    pub amount: Money,
    /// What it may come to with its tickets.
    most: Money,
}

impl Owed {
    /// What is owed by the bill that the scenario calls `name`.
    pub fn of(script: &mut Script, name: &str) -> Result<Owed, ScriptError> {
        let note = script.noted("bill", name)?;
        let text = |field| note.get(field).and_then(Value::as_str);
        let money = |field| text(field).and_then(|amount| amount.parse().ok());
        let owed = || {
            let merchant = text("merchant")?.to_owned();
            Some(Owed { merchant, amount: money("amount")?, most: money("most")? })
        };
        owed().ok_or_else(|| ScriptError::Unsaid { kind: "bill", name: name.to_owned() })
    }

    /// What a bill comes to above that, or owes to somebody else, the platform will pay for nothing.
    fn bound(&self, script: &mut Script, bill: &Subject) -> Expected {
        at_most(bill, &script.named("merchant", &self.merchant), self.most)
    }

    fn note(&self, script: &mut Script, bill: &Subject) {
        let Owed { merchant, amount, most } = self;
        let note = json!({"merchant": merchant, "amount": amount, "most": most});
        script.note("bill", &bill.id, note);
    }
}

fn plus(amount: Money, added: Money) -> Money {
    Money { minor: amount.minor.saturating_add(added.minor), ..amount }
}

fn at_most(bill: &Subject, merchant: &Subject, amount: Money) -> Expected {
    let most = Expected::at_most(BILL, bill, amount).detail(&merchant.id);
    most.between(Party::Seller, Party::Platform)
}

pub(super) fn open(bill: &Subject, merchant: &Subject, amount: Money) -> Business {
    let body = json!({"bill": bill.id, "merchant": merchant.id, "amount": amount});
    let subjects = vec![bill.clone(), merchant.clone()];
    // What its sales came to at first is never too much for the merchant.
    let least = Expected::at_least(BILL, bill, amount).between(Party::Seller, Party::Platform);
    let expects = [at_most(bill, merchant, amount), least];
    Business::new("open-bill", subjects, "/merchant-bills", body).expecting(expects)
}

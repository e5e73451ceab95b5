//! The wallet: accounts and transfers between them.

use serde_json::json;

use super::{Deeds, PROBE_AMOUNT, Probe, ProbeActs, Row, does};
use crate::journal::{Act, Business, Expected, Party};
use crate::money::Money;
use crate::steps::Kind;
use crate::steps::script::Script;
use crate::wire::Subject;

const FLOW: &str = "wallet.flow";
const BALANCE: &str = "wallet.balance";

pub(super) static ROWS: &[Row] = &[
    Row {
        en: "account {name} holds {money}",
        zh: "账户{name}有余额{money}",
        doc: "A wallet account, opened with that much from outside; its balance may never be below zero.",
        example_en: r#"account "W-1" holds 100.00 CNY"#,
        example_zh: "账户“W-1”有余额 100.00 元",
        makes: &[("account", 0)],
        ..does("account-holds", Kind::Given, |script, said| {
            let account = script.named("account", said.name(0));
            Ok(Act::Business(open(&account, said.money(1))).into())
        })
    },
    Row {
        en: "{money} is transferred from account {name} to account {name}",
        zh: "账户{name}向账户{name}转账{money}",
        zh_order: &[2, 0, 1],
        doc: "One transfer, in double entry: what leaves the one arrives at the other.",
        example_en: r#"30.00 CNY is transferred from account "W-1" to account "W-2""#,
        example_zh: "账户“W-1”向账户“W-2”转账 30.00 元",
        needs: &[("account", 1), ("account", 2)],
        ..does("transfer", Kind::When, |script, said| {
            let payer = script.named("account", said.name(1));
            let payee = script.named("account", said.name(2));
            Ok(Act::Business(transfer(script, &payer, &payee, said.money(0))).into())
        })
    },
    Row {
        en: "{count} transfers of {money} from account {name} to account {name} are made at once",
        zh: "账户{name}同时向账户{name}转账{count}笔，每笔{money}",
        zh_order: &[2, 3, 0, 1],
        doc: "All of them on their way before the first is answered: each sees the balance before the others.",
        example_en: r#"2 transfers of 80.00 CNY from account "W-1" to account "W-2" are made at once"#,
        example_zh: "账户“W-1”同时向账户“W-2”转账 2 笔，每笔 80.00 元",
        needs: &[("account", 2), ("account", 3)],
        ..does("transfers-at-once", Kind::When, |script, said| {
            let payer = script.named("account", said.name(2));
            let payee = script.named("account", said.name(3));
            let mut one = || Act::Business(transfer(script, &payer, &payee, said.money(1)));
            Ok(Deeds::AtOnce((0..said.count(0)).map(|_| one()).collect()))
        })
    },
];

/// What a plan that freezes an account is proved by.
pub(super) static PROBES: &[Probe] =
    &[Probe { stops: "transfer", made: Some("account"), act: spend, elsewhere: other_account }];

fn open(account: &Subject, holds: Money) -> Business {
    let body = json!({"account": account.id, "holds": holds});
    let opened = Business::new("open-account", vec![account.clone()], "/accounts", body);
    let never_below = Expected::at_least(BALANCE, account, Money::zero(holds.currency));
    let filled = (holds.minor > 0).then(|| Expected::once(FLOW, account, holds));
    opened.expecting(filled).expecting([never_below])
}

/// The payer loses nothing by a leg that is missing: what leaves too little is the platform's loss.
fn transfer(script: &mut Script, payer: &Subject, payee: &Subject, amount: Money) -> Business {
    let txn = script.fresh("transfer");
    let subjects = vec![payer.clone(), payee.clone()];
    let body = json!({"txn": txn, "payer": payer.id, "payee": payee.id, "amount": amount});
    let leaves = Money { minor: -amount.minor, ..amount };
    Business::new("transfer", subjects, "/transfers", body).expecting([
        Expected::once(FLOW, payer, leaves).between(Party::Platform, Party::Buyer),
        Expected::once(FLOW, payee, amount).between(Party::Buyer, Party::Platform),
    ])
}

fn top_up(script: &mut Script, account: &Subject, amount: Money) -> Business {
    let txn = script.fresh("top-up");
    let path = format!("/accounts/{}/top-ups", account.id);
    let body = json!({"txn": txn, "amount": amount});
    Business::new("top-up", vec![account.clone()], path, body)
        .expecting([Expected::once(FLOW, account, amount)])
}

/// A fresh party is paid from the account, which is filled up for it first.
fn spend(script: &mut Script, account: &str, tag: &str) -> ProbeActs {
    let payer = Subject::new("account", account);
    let payee = script.named("account", &format!("probe-payee-{tag}"));
    let opened = open(&payee, Money::zero(PROBE_AMOUNT.currency));
    // Not the amount of the later try: the same twice in a row would look like a mistake.
    let minor = if tag == "before" { PROBE_AMOUNT.minor / 2 } else { PROBE_AMOUNT.minor };
    let amount = Money { minor, ..PROBE_AMOUNT };
    let setup = vec![Act::Business(opened), Act::Business(top_up(script, &payer, amount))];
    let act = Act::Business(transfer(script, &payer, &payee, amount));
    ProbeActs { setup, act }
}

fn other_account(script: &mut Script, _: &str) -> (Vec<Act>, String) {
    let account = script.named("account", "probe-payer");
    let opened = open(&account, Money::zero(PROBE_AMOUNT.currency));
    (vec![Act::Business(opened)], account.id)
}

//! Payouts of merchants: the account that a merchant is paid into, and what the channel pays.

use serde_json::{Value, json};

use super::bill::{Owed, open};
use super::{Deeds, PROBE_AMOUNT, Probe, ProbeActs, Row, does};
use crate::journal::{Act, Business, Expected, Party};
use crate::money::Money;
use crate::steps::script::{Script, ScriptError};
use crate::steps::{Kind, Said};
use crate::wire::Subject;

const CHANNEL: &str = "channel.transfer";

const HOUR_MS: i64 = 3_600_000;
/// An account that nobody confirmed counts after this long.
const OBJECTION_MS: i64 = 24 * HOUR_MS;
/// An account that has been there for a while.
const LONG_AGO_MS: i64 = 30 * OBJECTION_MS;

pub(super) static ROWS: &[Row] = &[
    Row {
        en: "merchant {name} is paid into account {name}",
        zh: "商家{name}的收款账户为{name}",
        doc: "The merchant's account for payouts, confirmed long ago.",
        example_en: r#"merchant "M-1" is paid into account "A-1""#,
        example_zh: "商家“M-1”的收款账户为“A-1”",
        makes: &[("merchant", 0)],
        ..does("merchant-paid-into", Kind::Given, |script, said| {
            let merchant = script.named("merchant", said.name(0));
            Ok(Act::Business(given(script, &merchant, said.name(1), true, LONG_AGO_MS)).into())
        })
    },
    Row {
        en: "account {name} was given for merchant {name} {duration} ago and confirmed",
        zh: "商家{name}的收款账户在{duration}前改为{name}，已经商家确认",
        zh_order: &[2, 0, 1],
        doc: "The merchant moves to another account, and says so itself at the contact that was known before.",
        example_en: r#"account "A-2" was given for merchant "M-1" 48 h ago and confirmed"#,
        example_zh: "商家“M-1”的收款账户在 48 小时前改为“A-2”，已经商家确认",
        needs: &[("merchant", 1)],
        ..does("account-given-confirmed", Kind::Given, |script, said| {
            Ok(given_ago(script, said, true))
        })
    },
    Row {
        en: "account {name} was given for merchant {name} {duration} ago and not confirmed",
        zh: "商家{name}的收款账户在{duration}前改为{name}，未经商家确认",
        zh_order: &[2, 0, 1],
        doc: "Somebody gives another account; the merchant has 24 hours to object, until then the old one counts.",
        example_en: r#"account "A-2" was given for merchant "M-1" 2 h ago and not confirmed"#,
        example_zh: "商家“M-1”的收款账户在 2 小时前改为“A-2”，未经商家确认",
        needs: &[("merchant", 1)],
        ..does("account-given-unconfirmed", Kind::Given, |script, said| {
            Ok(given_ago(script, said, false))
        })
    },
    Row {
        en: "bill {name} is paid out",
        zh: "账单{name}打款",
        doc: "The payout is ordered once; the channel pays it into the merchant's account.",
        example_en: r#"bill "B-1" is paid out"#,
        example_zh: "账单“B-1”打款",
        needs: &[("bill", 0)],
        ..does("bill-paid-out", Kind::When, |script, said| {
            Ok(Act::Business(pay_noted(script, said.name(0))?).into())
        })
    },
];

/// What a plan that stops a merchant's payouts is proved by.
pub(super) static PROBES: &[Probe] =
    &[Probe { stops: "payout", made: Some("merchant"), act: pay_fresh, elsewhere: other_merchant }];

/// Another account for the merchant, some time ago.
fn given_ago(script: &mut Script, said: &Said, confirmed: bool) -> Deeds {
    let merchant = script.named("merchant", said.name(1));
    let ago_ms = said.duration_ms(2);
    Act::Business(given(script, &merchant, said.name(0), confirmed, ago_ms)).into()
}

/// Another account for the merchant. Noted is the one that counts, and the one that was given last.
fn given(
    script: &mut Script,
    merchant: &Subject,
    account: &str,
    confirmed: bool,
    ago_ms: i64,
) -> Business {
    let account = script.id(account);
    let earlier = script.noted_id("merchant", &merchant.id);
    let earlier = earlier.and_then(|note| note.get("counts")).and_then(Value::as_str);
    let counts = match confirmed || ago_ms >= OBJECTION_MS {
        true => account.clone(),
        false => earlier.unwrap_or(&account).to_owned(),
    };
    script.note("merchant", &merchant.id, json!({"counts": counts, "last": account}));
    give(script, merchant, &account, confirmed, ago_ms)
}

fn give(
    script: &mut Script,
    merchant: &Subject,
    account: &str,
    confirmed: bool,
    ago_ms: i64,
) -> Business {
    let change = script.fresh("change");
    let path = format!("/merchants/{}/payees", merchant.id);
    let body = json!({
        "change": change, "account": account, "confirmed": confirmed, "given_ago_ms": ago_ms
    });
    Business::new("change-payee", vec![merchant.clone()], path, body)
}

fn pay(bill: &Subject, merchant: &Subject) -> Business {
    let path = format!("/merchant-bills/{}/payout", bill.id);
    let body = json!({"merchant": merchant.id});
    Business::new("payout", vec![bill.clone(), merchant.clone()], path, body)
}

/// One payout, held back by a plan that stops them.
fn once(bill: &Subject, amount: Money) -> Expected {
    Expected::once(CHANNEL, bill, amount).between(Party::Seller, Party::Platform).held_by("payout")
}

/// Where an account waits that does not count, the merchant says which one it is: that ends the attack.
fn pay_noted(script: &mut Script, name: &str) -> Result<Business, ScriptError> {
    let bill = script.named("bill", name);
    let Owed { merchant: owner, amount, .. } = Owed::of(script, name)?;
    let merchant = script.named("merchant", &owner);
    let accounts = script.noted("merchant", &owner)?.clone();
    let account = |field| accounts.get(field).and_then(Value::as_str);
    let unsaid = || ScriptError::Unsaid { kind: "merchant", name: owner.clone() };
    let counts = account("counts").ok_or_else(unsaid)?;
    let act = pay(&bill, &merchant).expecting([once(&bill, amount).detail(counts)]);
    if account("last") == Some(counts) {
        return Ok(act);
    }
    Ok(act.corrected_by(give(script, &merchant, counts, true, 0)))
}

/// A fresh bill of a merchant, who gets an account first where it has none.
fn pay_fresh(script: &mut Script, merchant: &str, tag: &str) -> ProbeActs {
    let merchant = Subject::new("merchant", merchant);
    let bill = script.named("bill", &format!("probe-bill-{tag}"));
    let mut setup = vec![Act::Business(open(&bill, &merchant, PROBE_AMOUNT))];
    if script.noted_id("merchant", &merchant.id).is_none() {
        let account = format!("probe-account-{tag}");
        setup.push(Act::Business(given(script, &merchant, &account, true, LONG_AGO_MS)));
    }
    let act = pay(&bill, &merchant).expecting([once(&bill, PROBE_AMOUNT)]);
    ProbeActs { setup, act: Act::Business(act) }
}

/// Its account is given with its first bill.
fn other_merchant(script: &mut Script, _: &str) -> (Vec<Act>, String) {
    (Vec::new(), script.id("probe-merchant"))
}

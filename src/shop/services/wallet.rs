//! The wallet: accounts, and transfers in double entry.
//!
//! Both accounts are locked in the order of their ids before the payer's balance is checked, so that of two transfers
//! at once the second sees what the first left. The two legs of a transfer add up to zero and are written in one
//! transaction. Knows no order. Try it: `tests/shop.rs`. Not covered: overdrafts, exchange.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::mysql::MySqlConnection;

use super::breakers::{self, Kind};
use super::due::{self, Work};
use super::switches::{self, Switch};
use super::{Booking, Refusal, Shop, above_zero, non_empty};
use crate::money::Money;
use crate::shop::refusal::is_duplicate;
use crate::shop::schema::money;

/// Stops what leaves one account.
pub const TRANSFER: Kind = Kind::new("transfer");

/// The next transfer (or the next `times`) is booked for its payee only.
const LEG_LOST: Switch = Switch::next("wallet.leg-lost");
/// The next transfer (or the next `times`) is booked for its payer in a transaction of its own, right after.
const LEG_SPLIT: Switch = Switch::next("wallet.leg-split");
/// Transfers are not held against what the payer has.
const BALANCE_UNCHECKED: Switch = Switch::new("wallet.balance-unchecked");

pub(super) const SWITCHES: &[Switch] = &[LEG_LOST, LEG_SPLIT, BALANCE_UNCHECKED];

/// The counter-account of what comes from outside, one for each currency.
const CASH: &str = "cash";

/// `POST /accounts`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    pub account: String,
    /// What it holds from the start.
    pub holds: Money,
}

/// `POST /accounts/{account}/top-ups`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TopUp {
    pub txn: String,
    pub amount: Money,
}

/// `POST /transfers`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    pub txn: String,
    pub payer: String,
    pub payee: String,
    pub amount: Money,
}

/// Opens an account; what it holds comes from outside.
pub async fn open(shop: &Shop, account: &NewAccount) -> Result<NewAccount, Refusal> {
    non_empty(&[("account", &account.account)])?;
    if account.holds.minor < 0 {
        return Err(Refusal::Invalid(format!("an account cannot hold {}", account.holds)));
    }
    let booking = Open { account, now_ms: shop.now_ms() };
    let opened = shop.book_once("account", &account.account, account, booking).await?;
    if opened.is_fresh {
        shop.log("account_opened", &json!({"account": account.account, "holds": account.holds}));
    }
    Ok(opened.answer)
}

struct Open<'a> {
    account: &'a NewAccount,
    now_ms: i64,
}

impl Booking for Open<'_> {
    type Out = NewAccount;

    async fn book(&self, books: &mut MySqlConnection) -> Result<NewAccount, Refusal> {
        let NewAccount { account, holds } = self.account;
        let nothing = Money::zero(holds.currency);
        if !insert(books, account, "USER", nothing, self.now_ms).await? {
            return Err(Refusal::Conflict(format!("account `{account}` is open already")));
        }
        if holds.minor > 0 {
            let txn = format!("open-{account}");
            from_outside(books, &txn, account, *holds, self.now_ms).await?;
        }
        Ok(self.account.clone())
    }
}

/// Adds money from outside.
pub async fn top_up(shop: &Shop, account: &str, top_up: &TopUp) -> Result<TopUp, Refusal> {
    non_empty(&[("account", account), ("txn", &top_up.txn)])?;
    above_zero("amount", top_up.amount)?;
    let booking = Fill { account, top_up, now_ms: shop.now_ms() };
    let booked = shop.book_once("top-up", &top_up.txn, &(account, top_up), booking).await?;
    if booked.is_fresh {
        let fields = json!({"txn": top_up.txn, "account": account, "amount": top_up.amount});
        shop.log("account_topped_up", &fields);
    }
    Ok(booked.answer)
}

struct Fill<'a> {
    account: &'a str,
    top_up: &'a TopUp,
    now_ms: i64,
}

impl Booking for Fill<'_> {
    type Out = TopUp;

    async fn book(&self, books: &mut MySqlConnection) -> Result<TopUp, Refusal> {
        let TopUp { txn, amount } = self.top_up;
        lock(books, self.account, amount).await?;
        from_outside(books, txn, self.account, *amount, self.now_ms).await?;
        Ok(self.top_up.clone())
    }
}

/// Moves money from one account to another.
pub async fn transfer(shop: &Shop, transfer: &Transfer) -> Result<Transfer, Refusal> {
    let Transfer { txn, payer, payee, amount } = transfer;
    non_empty(&[("txn", txn), ("payer", payer), ("payee", payee)])?;
    above_zero("amount", *amount)?;
    if payer == payee {
        return Err(Refusal::Invalid(format!("account `{payer}` cannot pay itself")));
    }
    let _passing = shop.gates.pass(TRANSFER, payer).await;
    let booking = Move { transfer, now_ms: shop.now_ms() };
    let booked = shop.book_once("transfer", txn, transfer, booking).await;
    let mut fields = json!({"txn": txn, "payer": payer, "payee": payee, "amount": amount});
    match booked {
        Ok(booked) => {
            if booked.is_fresh {
                shop.log("transfer_booked", &fields);
            }
            Ok(booked.answer)
        }
        Err(refusal) => {
            fields["reason"] = Value::from(refusal.to_string());
            shop.log("transfer_refused", &fields);
            Err(refusal)
        }
    }
}

struct Move<'a> {
    transfer: &'a Transfer,
    now_ms: i64,
}

impl Booking for Move<'_> {
    type Out = Transfer;

    async fn book(&self, books: &mut MySqlConnection) -> Result<Transfer, Refusal> {
        let Transfer { txn, payer, payee, amount } = self.transfer;
        let (first, second) = if payer < payee { (payer, payee) } else { (payee, payer) };
        let balances = [lock(books, first, amount).await?, lock(books, second, amount).await?];
        let balance = if first == payer { balances[0] } else { balances[1] };
        breakers::must_be_closed(books, TRANSFER, payer, self.now_ms).await?;
        if balance.minor < amount.minor {
            if !switches::is_on(books, BALANCE_UNCHECKED).await? {
                return Err(Refusal::Conflict(format!(
                    "account `{payer}` holds {balance}, not {amount}"
                )));
            }
            switches::hit(books, BALANCE_UNCHECKED).await?;
        }
        let leg = |account: &str, amount: Money| Leg {
            txn: txn.clone(),
            account: account.to_owned(),
            payer: payer.clone(),
            payee: payee.clone(),
            amount,
        };
        leg(payee, *amount).book(books, self.now_ms).await?;
        let debit = leg(payer, Money { minor: -amount.minor, ..*amount });
        if switches::takes_next(books, LEG_LOST).await? {
            switches::hit(books, LEG_LOST).await?;
        } else if switches::takes_next(books, LEG_SPLIT).await? {
            switches::hit(books, LEG_SPLIT).await?;
            due::add(books, &format!("leg:{txn}"), &Work::Leg(debit), self.now_ms).await?;
        } else {
            debit.book(books, self.now_ms).await?;
        }
        Ok(self.transfer.clone())
    }
}

/// One side of a transaction.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Leg {
    txn: String,
    pub account: String,
    payer: String,
    payee: String,
    /// Signed: what leaves the account is below zero.
    amount: Money,
}

impl Leg {
    async fn book(&self, books: &mut MySqlConnection, now_ms: i64) -> Result<(), Refusal> {
        sqlx::query(
            "INSERT INTO account_flow (flow_id, txn, account_id, payer, payee, amount, currency,
               at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(format!("{}/{}", self.txn, self.account))
        .bind(&self.txn)
        .bind(&self.account)
        .bind(&self.payer)
        .bind(&self.payee)
        .bind(self.amount.to_decimal())
        .bind(self.amount.currency.code())
        .bind(now_ms)
        .execute(&mut *books)
        .await?;
        sqlx::query(
            "UPDATE account SET balance = balance + ?, updated_at_ms = ? WHERE account_id = ?",
        )
        .bind(self.amount.to_decimal())
        .bind(now_ms)
        .bind(&self.account)
        .execute(books)
        .await?;
        Ok(())
    }
}

/// Books a leg that was split off.
pub async fn book_leg(shop: &Shop, work_id: &str, leg: &Leg) -> Result<(), Refusal> {
    shop.book(&LateLeg { leg, work_id, now_ms: shop.now_ms() }).await
}

struct LateLeg<'a> {
    leg: &'a Leg,
    work_id: &'a str,
    now_ms: i64,
}

impl Booking for LateLeg<'_> {
    type Out = ();

    async fn book(&self, books: &mut MySqlConnection) -> Result<(), Refusal> {
        self.leg.book(books, self.now_ms).await?;
        due::done(books, self.work_id, self.now_ms).await
    }
}

/// Both legs of money that comes from outside.
async fn from_outside(
    books: &mut MySqlConnection,
    txn: &str,
    account: &str,
    amount: Money,
    now_ms: i64,
) -> Result<(), Refusal> {
    let cash = format!("{CASH}-{}", amount.currency);
    insert(books, &cash, "CASH", Money::zero(amount.currency), now_ms).await?;
    let leg = |of: &str, amount| Leg {
        txn: txn.to_owned(),
        account: of.to_owned(),
        payer: cash.clone(),
        payee: account.to_owned(),
        amount,
    };
    leg(account, amount).book(books, now_ms).await?;
    leg(&cash, Money { minor: -amount.minor, ..amount }).book(books, now_ms).await
}

/// Adds an account; false where there is one.
async fn insert(
    books: &mut MySqlConnection,
    account: &str,
    kind: &str,
    balance: Money,
    now_ms: i64,
) -> Result<bool, Refusal> {
    let inserted = sqlx::query(
        "INSERT INTO account (account_id, kind, balance, currency, updated_at_ms)
         VALUES (?, ?, ?, ?, ?)",
    )
    .bind(account)
    .bind(kind)
    .bind(balance.to_decimal())
    .bind(balance.currency.code())
    .bind(now_ms)
    .execute(books)
    .await;
    match inserted {
        Ok(_) => Ok(true),
        Err(error) if is_duplicate(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The balance of an account that may move `amount`, with its row locked.
async fn lock(
    books: &mut MySqlConnection,
    account: &str,
    amount: &Money,
) -> Result<Money, Refusal> {
    let row: Option<(Decimal, String)> =
        sqlx::query_as("SELECT balance, currency FROM account WHERE account_id = ? FOR UPDATE")
            .bind(account)
            .fetch_optional(books)
            .await?;
    let unknown = || Refusal::Unknown(format!("no account `{account}`"));
    let (balance, currency) = row.ok_or_else(unknown)?;
    let balance = money(balance, &currency)?;
    if balance.currency != amount.currency {
        return Err(Refusal::Conflict(format!(
            "account `{account}` is in {currency}, the amount is {amount}"
        )));
    }
    Ok(balance)
}

/// An account as it stands.
pub async fn view(shop: &Shop, account: &str) -> Result<Value, Refusal> {
    let row: Option<(Decimal, String)> =
        sqlx::query_as("SELECT balance, currency FROM account WHERE account_id = ?")
            .bind(account)
            .fetch_optional(shop.books.pool())
            .await?;
    let unknown = || Refusal::Unknown(format!("no account `{account}`"));
    let (balance, currency) = row.ok_or_else(unknown)?;
    Ok(json!({"account": account, "balance": money(balance, &currency)?}))
}

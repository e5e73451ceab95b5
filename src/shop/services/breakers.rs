//! Breakers: what an emergency plan stops, for one scope and for a while.
//!
//! A breaker whose `until_ms` passed is over. Setting one waits, for a short while, until acts that
//! had passed it before are done, so that "set" means "nothing gets through any more". Knows no
//! plan: a run id is only a name. Try it: `cargo test --lib shop::services::breakers`.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use sqlx::mysql::MySqlConnection;
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use super::{
    Booking, Refusal, Shop, checkouts, disburse, due, non_empty, payments, points, settle,
    shipments, wallet,
};

/// How long setting a breaker waits for acts under way: they are bounded by the channel's limit,
/// and a plan must be quick.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);

/// What a breaker stops. Each domain declares its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Kind(&'static str);

/// Purchases of one item.
pub const SALE: Kind = Kind::new("sale");
/// Refund approvals and payouts of one channel.
pub const REFUND: Kind = Kind::new("refund");

const KINDS: &[Kind] = &[
    SALE,
    REFUND,
    wallet::TRANSFER,
    settle::SETTLE,
    disburse::PAYOUT,
    payments::PAY,
    checkouts::REDEEM,
    shipments::SHIP,
    points::POINTS,
];

impl Kind {
    pub const fn new(name: &'static str) -> Kind {
        Kind(name)
    }

    pub fn name(self) -> &'static str {
        self.0
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Kind, D::Error> {
        String::deserialize(from)?.parse().map_err(Error::custom)
    }
}

impl FromStr for Kind {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Kind, Refusal> {
        KINDS.iter().find(|kind| kind.0 == text).copied().ok_or_else(|| {
            let known: Vec<&str> = KINDS.iter().map(|kind| kind.0).collect();
            Refusal::Unknown(format!("no breaker kind `{text}`: there are {}", known.join(", ")))
        })
    }
}

/// Held for reading by each act that passes.
type Gate = Arc<RwLock<()>>;

/// The acts that are passing a breaker's place right now.
#[derive(Debug, Default)]
pub struct Gates(Mutex<HashMap<(Kind, String), Gate>>);

impl Gates {
    /// Enters before the breaker is read; the act has passed when the guard is dropped.
    pub async fn pass(&self, kind: Kind, scope: &str) -> OwnedRwLockReadGuard<()> {
        self.gate(kind, scope).read_owned().await
    }

    /// Waits until all who entered before are through; false where that takes too long.
    async fn drain(&self, kind: Kind, scope: &str) -> bool {
        let gate = self.gate(kind, scope);
        tokio::time::timeout(DRAIN_LIMIT, gate.write()).await.is_ok()
    }

    fn gate(&self, kind: Kind, scope: &str) -> Gate {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry((kind, scope.to_owned())).or_default())
    }
}

/// `PUT /breakers/{kind}/{scope}`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub run_id: String,
    /// Cell time, Unix ms; without it until it is released.
    #[serde(default)]
    pub until_ms: Option<i64>,
}

/// A breaker as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Breaker {
    pub kind: Kind,
    pub scope: String,
    pub run_id: String,
    pub until_ms: Option<i64>,
    pub active: bool,
}

type Row = (String, Option<i64>, bool);

impl Breaker {
    fn of(kind: Kind, scope: &str, (run_id, until_ms, active): Row, now_ms: i64) -> Breaker {
        let active = active && until_ms.is_none_or(|until_ms| until_ms > now_ms);
        Breaker { kind, scope: scope.to_owned(), run_id, until_ms, active }
    }
}

/// The breaker of `scope`, where it is active now.
pub async fn active(
    books: &mut MySqlConnection,
    kind: Kind,
    scope: &str,
    now_ms: i64,
) -> Result<Option<Breaker>, Refusal> {
    let row: Option<Row> =
        sqlx::query_as("SELECT run_id, until_ms, active FROM breaker WHERE kind = ? AND scope = ?")
            .bind(kind.name())
            .bind(scope)
            .fetch_optional(books)
            .await?;
    let breaker = row.map(|row| Breaker::of(kind, scope, row, now_ms));
    Ok(breaker.filter(|breaker| breaker.active))
}

/// Refuses an act that an active breaker stops.
pub async fn must_be_closed(
    books: &mut MySqlConnection,
    kind: Kind,
    scope: &str,
    now_ms: i64,
) -> Result<(), Refusal> {
    match active(books, kind, scope, now_ms).await? {
        None => Ok(()),
        Some(breaker) => Err(Refusal::Conflict(format!(
            "{} is stopped for `{scope}` by run `{}`",
            kind.name(),
            breaker.run_id
        ))),
    }
}

/// As [`active`], with the row locked, so that a release cannot happen between reading and acting
/// on it.
async fn active_locked(
    books: &mut MySqlConnection,
    kind: Kind,
    scope: &str,
    now_ms: i64,
) -> Result<Option<Breaker>, Refusal> {
    Ok(locked(books, kind, scope)
        .await?
        .map(|row| Breaker::of(kind, scope, row, now_ms))
        .filter(|breaker| breaker.active))
}

/// The way of a piece of work past a breaker. One that is active parks it behind itself in the same transaction, so that
/// a release cannot fall between.
pub struct Passage<'a> {
    pub kind: Kind,
    pub scope: &'a str,
    pub work_id: &'a str,
    pub now_ms: i64,
}

impl Booking for Passage<'_> {
    /// Whether the work may go on.
    type Out = bool;

    async fn book(&self, books: &mut MySqlConnection) -> Result<bool, Refusal> {
        let active = active_locked(books, self.kind, self.scope, self.now_ms).await?;
        let Some(breaker) = active else { return Ok(true) };
        let due_ms = breaker.until_ms.unwrap_or(due::WHEN_TOLD_MS);
        due::put_off(books, self.work_id, due_ms).await?;
        Ok(false)
    }
}

async fn locked(
    books: &mut MySqlConnection,
    kind: Kind,
    scope: &str,
) -> Result<Option<Row>, Refusal> {
    Ok(sqlx::query_as(
        "SELECT run_id, until_ms, active FROM breaker WHERE kind = ? AND scope = ? FOR UPDATE",
    )
    .bind(kind.name())
    .bind(scope)
    .fetch_optional(books)
    .await?)
}

/// Sets a breaker. With an idempotency key, the same order again changes nothing, even after a
/// release.
pub async fn set(
    shop: &Shop,
    kind: Kind,
    scope: &str,
    order: &Order,
    key: Option<&str>,
) -> Result<Breaker, Refusal> {
    non_empty(&[("scope", scope)])?;
    let booking = SetBreaker { kind, scope, order, now_ms: shop.now_ms() };
    let breaker = match key {
        Some(key) => {
            let id = format!("{}/{scope}/{key}", kind.name());
            shop.books.book(&super::Once::new("breaker", &id, order, booking)?).await?.answer
        }
        None => shop.books.book(&booking).await?,
    };
    let is_drained = shop.gates.drain(kind, scope).await;
    shop.due_bell.notify_one();
    shop.log(
        "breaker_set",
        &json!({"kind": kind, "scope": scope, "run_id": order.run_id, "drained": is_drained}),
    );
    Ok(breaker)
}

struct SetBreaker<'a> {
    kind: Kind,
    scope: &'a str,
    order: &'a Order,
    now_ms: i64,
}

impl Booking for SetBreaker<'_> {
    type Out = Breaker;

    async fn book(&self, books: &mut MySqlConnection) -> Result<Breaker, Refusal> {
        let row = locked(books, self.kind, self.scope).await?;
        let held = row.map(|row| Breaker::of(self.kind, self.scope, row, self.now_ms));
        let until_ms = until_ms(held.as_ref(), self.order);
        sqlx::query(
            "INSERT INTO breaker (kind, scope, run_id, until_ms, active) VALUES (?, ?, ?, ?, 1)
             ON DUPLICATE KEY UPDATE run_id = VALUES(run_id), until_ms = VALUES(until_ms),
               active = 1",
        )
        .bind(self.kind.name())
        .bind(self.scope)
        .bind(&self.order.run_id)
        .bind(until_ms)
        .execute(&mut *books)
        .await?;
        due::unpark(books, self.kind, self.scope, self.now_ms).await?;
        let row = (self.order.run_id.clone(), until_ms, true);
        Ok(Breaker::of(self.kind, self.scope, row, self.now_ms))
    }
}

/// A run may change its own end at will; a run that takes over another's breaker never shortens it.
fn until_ms(held: Option<&Breaker>, order: &Order) -> Option<i64> {
    match held.filter(|held| held.active && held.run_id != order.run_id) {
        None => order.until_ms,
        Some(held) => held.until_ms.zip(order.until_ms).map(|(held, ours)| held.max(ours)),
    }
}

/// Releases the breaker that `run_id` set. One that another run has taken over stays, and the
/// answer says so.
pub async fn release(
    shop: &Shop,
    kind: Kind,
    scope: &str,
    run_id: &str,
) -> Result<Breaker, Refusal> {
    let booking = ReleaseBreaker { kind, scope, run_id, now_ms: shop.now_ms() };
    let breaker = shop.book(&booking).await?;
    shop.log(
        "breaker_released",
        &json!({"kind": kind, "scope": scope, "run_id": run_id, "active": breaker.active}),
    );
    Ok(breaker)
}

struct ReleaseBreaker<'a> {
    kind: Kind,
    scope: &'a str,
    run_id: &'a str,
    now_ms: i64,
}

impl Booking for ReleaseBreaker<'_> {
    type Out = Breaker;

    async fn book(&self, books: &mut MySqlConnection) -> Result<Breaker, Refusal> {
        let Some(row) = locked(books, self.kind, self.scope).await? else {
            return Err(Refusal::Unknown(format!(
                "no breaker {}/{} was ever set",
                self.kind.name(),
                self.scope
            )));
        };
        let mut breaker = Breaker::of(self.kind, self.scope, row, self.now_ms);
        if breaker.run_id != self.run_id {
            return Ok(breaker);
        }
        sqlx::query("UPDATE breaker SET active = 0 WHERE kind = ? AND scope = ?")
            .bind(self.kind.name())
            .bind(self.scope)
            .execute(&mut *books)
            .await?;
        due::unpark(books, self.kind, self.scope, self.now_ms).await?;
        breaker.active = false;
        Ok(breaker)
    }
}

/// All breakers ever set, with their state now.
pub async fn list(shop: &Shop) -> Result<Vec<Breaker>, Refusal> {
    let rows: Vec<(String, String, String, Option<i64>, bool)> = sqlx::query_as(
        "SELECT kind, scope, run_id, until_ms, active FROM breaker ORDER BY kind, scope",
    )
    .fetch_all(shop.books.pool())
    .await?;
    let now_ms = shop.now_ms();
    rows.into_iter()
        .map(|(kind, scope, run_id, until_ms, active)| {
            Ok(Breaker::of(kind.parse()?, &scope, (run_id, until_ms, active), now_ms))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_is_over_at_its_end() {
        let check = |until_ms, active, now_ms, expect| {
            let breaker = Breaker::of(SALE, "SKU-1", ("run".into(), until_ms, active), now_ms);
            assert_eq!(breaker.active, expect, "{until_ms:?} {now_ms}");
        };
        check(Some(1000), true, 999, true);
        check(Some(1000), true, 1000, false);
        check(None, true, i64::MAX, true);
        check(None, false, 0, false);
    }

    #[test]
    fn a_run_that_takes_over_never_shortens() {
        let check = |held: Option<(&str, Option<i64>)>, ours, expect| {
            let held =
                held.map(|(run, until)| Breaker::of(SALE, "SKU-1", (run.into(), until, true), 0));
            let order = Order { run_id: "ours".into(), until_ms: ours };
            assert_eq!(until_ms(held.as_ref(), &order), expect);
        };
        check(None, Some(5), Some(5));
        check(Some(("ours", Some(9))), Some(5), Some(5));
        check(Some(("theirs", Some(9))), Some(5), Some(9));
        check(Some(("theirs", Some(9))), Some(12), Some(12));
        check(Some(("theirs", None)), Some(12), None);
    }

    #[tokio::test]
    async fn draining_waits_for_those_inside_and_for_no_other_scope() {
        let gates = Arc::new(Gates::default());
        let inside = gates.pass(SALE, "SKU-1").await;
        let _elsewhere = gates.pass(SALE, "SKU-2").await;
        let draining = {
            let gates = Arc::clone(&gates);
            tokio::spawn(async move { gates.drain(SALE, "SKU-1").await })
        };
        tokio::task::yield_now().await;
        drop(inside);
        assert!(draining.await.unwrap());
        let _stuck = gates.pass(SALE, "SKU-1").await;
        assert!(!gates.drain(SALE, "SKU-1").await);
    }
}

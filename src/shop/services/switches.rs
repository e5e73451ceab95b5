//! The defects that this shop can be given: one switch each, off by default, kept in the books so
//! that a restart keeps them.
//!
//! A service asks for its switch inside its own transaction, and counts a hit there only when the
//! defect really acted. Must not know why a drill wants a defect. Try it: `cargo test --lib
//! shop::services::switches`. Not covered: a defect for some subjects only.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sqlx::mysql::MySqlConnection;

use super::{
    Refusal, Shop, bids, bills, checkouts, closing, disburse, floors, goods, late, payees,
    payments, payouts, points, refunds, retries, settle, shipments, signatures, wallet,
};

/// A defect. Each service declares its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    pub name: &'static str,
    /// It acts on the next `times` (default: one) of its kind only.
    next_only: bool,
    /// A parameter that it cannot do without, in milliseconds.
    needs_ms: Option<&'static str>,
}

/// Every defect, by the service that has it.
const SERVICES: &[&[Switch]] = &[
    payments::SWITCHES,
    payouts::SWITCHES,
    refunds::SWITCHES,
    bids::SWITCHES,
    wallet::SWITCHES,
    settle::SWITCHES,
    disburse::SWITCHES,
    payees::SWITCHES,
    retries::SWITCHES,
    signatures::SWITCHES,
    checkouts::SWITCHES,
    bills::SWITCHES,
    closing::SWITCHES,
    late::SWITCHES,
    shipments::SWITCHES,
    points::SWITCHES,
    floors::SWITCHES,
    goods::SWITCHES,
];

fn all() -> impl Iterator<Item = Switch> {
    SERVICES.iter().copied().flatten().copied()
}

impl Switch {
    /// It acts whenever it is on.
    pub const fn new(name: &'static str) -> Switch {
        Switch { name, next_only: false, needs_ms: None }
    }

    /// It acts on the next one, or the next `times`.
    pub const fn next(name: &'static str) -> Switch {
        Switch { next_only: true, ..Switch::new(name) }
    }

    /// With a parameter in milliseconds, above zero.
    pub const fn needing(self, param: &'static str) -> Switch {
        Switch { needs_ms: Some(param), ..self }
    }

    fn named(name: &str) -> Result<Switch, Refusal> {
        all().find(|switch| switch.name == name).ok_or_else(|| {
            let known: Vec<&str> = all().map(|switch| switch.name).collect();
            Refusal::Unknown(format!("no switch `{name}`: there are {}", known.join(", ")))
        })
    }

    fn check(self, params: &Map<String, Value>) -> Result<(), Refusal> {
        let name = self.name;
        let known = |key: &String| {
            self.needs_ms == Some(key.as_str()) || (self.next_only && key == "times")
        };
        if let Some(other) = params.keys().find(|key| !known(key)) {
            return Err(Refusal::Invalid(format!("switch `{name}` has no parameter `{other}`")));
        }
        if let Some(param) = self.needs_ms.filter(|param| above_zero(params, param).is_none()) {
            return Err(Refusal::Invalid(format!(
                "switch `{name}` needs params {{\"{param}\": milliseconds}}, above zero"
            )));
        }
        if params.contains_key("times") && above_zero(params, "times").is_none() {
            return Err(Refusal::Invalid(format!("switch `{name}`: times must be 1 or more")));
        }
        Ok(())
    }
}

fn above_zero(params: &Map<String, Value>, name: &str) -> Option<i64> {
    params.get(name).and_then(Value::as_i64).filter(|number| *number > 0)
}

/// `PUT /switches/{name}`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    pub on: bool,
    #[serde(default)]
    pub params: Map<String, Value>,
}

/// Turns a defect on or off; the hits stay.
pub async fn set(shop: &Shop, name: &str, setting: &Setting) -> Result<Value, Refusal> {
    let switch = Switch::named(name)?;
    if setting.on {
        switch.check(&setting.params)?;
    }
    sqlx::query(
        "INSERT INTO app_switch (name, is_on, params) VALUES (?, ?, ?)
         ON DUPLICATE KEY UPDATE is_on = VALUES(is_on), params = VALUES(params), spent = 0",
    )
    .bind(switch.name)
    .bind(setting.on)
    .bind(Value::Object(setting.params.clone()))
    .execute(shop.books.pool())
    .await?;
    view(shop, switch).await
}

/// All switches, in a fixed order.
pub async fn list(shop: &Shop) -> Result<Vec<Value>, Refusal> {
    let rows: Vec<(String, bool, Value, i64)> =
        sqlx::query_as("SELECT name, is_on, params, hits FROM app_switch")
            .fetch_all(shop.books.pool())
            .await?;
    let mut kept: HashMap<String, Row> =
        rows.into_iter().map(|(name, on, params, hits)| (name, (on, params, hits))).collect();
    Ok(all().map(|switch| shown(switch, kept.remove(switch.name))).collect())
}

/// On or off, its parameters, how often it acted.
type Row = (bool, Value, i64);

async fn view(shop: &Shop, switch: Switch) -> Result<Value, Refusal> {
    let row: Option<Row> =
        sqlx::query_as("SELECT is_on, params, hits FROM app_switch WHERE name = ?")
            .bind(switch.name)
            .fetch_optional(shop.books.pool())
            .await?;
    Ok(shown(switch, row))
}

fn shown(switch: Switch, row: Option<Row>) -> Value {
    let (on, params, hits) = row.unwrap_or((false, json!({}), 0));
    json!({"name": switch.name, "on": on, "params": params, "hits": hits})
}

/// Whether a switch is on.
pub async fn is_on(books: &mut MySqlConnection, switch: Switch) -> Result<bool, Refusal> {
    let on: Option<String> =
        sqlx::query_scalar("SELECT name FROM app_switch WHERE name = ? AND is_on = 1")
            .bind(switch.name)
            .fetch_optional(books)
            .await?;
    Ok(on.is_some())
}

/// What the parameter says of a switch that is on and acts whenever it is.
pub async fn by_ms(books: &mut MySqlConnection, switch: Switch) -> Result<Option<i64>, Refusal> {
    let params: Option<Value> =
        sqlx::query_scalar("SELECT params FROM app_switch WHERE name = ? AND is_on = 1")
            .bind(switch.name)
            .fetch_optional(books)
            .await?;
    let params = params.and_then(|params| params.as_object().cloned());
    Ok(params.zip(switch.needs_ms).and_then(|(params, name)| above_zero(&params, name)))
}

/// The parameters of a switch that takes the next `times` (default: one) of its kind and has not yet.
async fn unspent(
    books: &mut MySqlConnection,
    switch: Switch,
) -> Result<Option<Map<String, Value>>, Refusal> {
    let row: Option<(Value, i64)> = sqlx::query_as(
        "SELECT params, spent FROM app_switch WHERE name = ? AND is_on = 1 FOR UPDATE",
    )
    .bind(switch.name)
    .fetch_optional(books)
    .await?;
    let params =
        row.map(|(params, spent)| (params.as_object().cloned().unwrap_or_default(), spent));
    Ok(params
        .filter(|(params, spent)| *spent < above_zero(params, "times").unwrap_or(1))
        .map(|(params, _)| params))
}

/// Whether a switch takes this one of its kind.
pub async fn takes_next(books: &mut MySqlConnection, switch: Switch) -> Result<bool, Refusal> {
    Ok(unspent(books, switch).await?.is_some())
}

/// What the parameter says of a switch that takes this one of its kind.
pub async fn takes_next_by_ms(
    books: &mut MySqlConnection,
    switch: Switch,
) -> Result<Option<i64>, Refusal> {
    let params = unspent(books, switch).await?;
    Ok(params.zip(switch.needs_ms).and_then(|(params, name)| above_zero(&params, name)))
}

/// Counts that the defect really acted.
pub async fn hit(books: &mut MySqlConnection, switch: Switch) -> Result<(), Refusal> {
    sqlx::query("UPDATE app_switch SET hits = hits + 1, spent = spent + 1 WHERE name = ?")
        .bind(switch.name)
        .execute(books)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_checked_by_switch() {
        let check = |name: &str, params: Value, fits: bool| {
            let params = params.as_object().cloned().unwrap_or_default();
            let checked = Switch::named(name).unwrap().check(&params);
            assert_eq!(checked.is_ok(), fits, "{name} {params:?}");
        };
        check("payment-callback.dropped", json!({}), true);
        check("payment-callback.dropped", json!({"delay_ms": 5}), false);
        check("payment-callback.dropped", json!({"times": 3}), true);
        check("payment-callback.dropped", json!({"times": 0}), false);
        check("payment-callback.delayed", json!({"delay_ms": 25_000}), true);
        check("payment-callback.delayed", json!({}), false);
        check("payment-callback.delayed", json!({"delay_ms": 0}), false);
        check("payment-callback.delayed", json!({"delay": 5}), false);
        check("price-guard.bypassed", json!({}), true);
        check("price-guard.bypassed", json!({"times": 1}), false);
    }

    #[test]
    fn every_switch_is_found_by_its_name_and_no_other() {
        for switch in all() {
            assert_eq!(Switch::named(switch.name).unwrap(), switch);
        }
        let refusal = Switch::named("payment-callback.droped").unwrap_err().to_string();
        assert!(refusal.contains("payment-callback.dropped"), "{refusal}");
    }
}

//! The defects that this shop can be given: one switch each, off by default, kept in the books so
//! that a restart keeps them.
//!
//! A service asks for its switch inside its own transaction, and counts a hit there only when the
//! defect really acted. Must not know why a drill wants a defect. Try it: `cargo test --lib
//! shop::services::switches`. Not covered: a defect for some subjects only.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sqlx::mysql::MySqlConnection;

use super::{Refusal, Shop};

/// A defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// The next payment callback (or the next `times`) is answered 200 and thrown away.
    CallbackDropped,
    /// The next payment callback (or the next `times`) is answered 200 and booked `delay_ms` later,
    /// on cell time.
    CallbackDelayed,
    /// Each delivery of an approval pays out.
    PayoutNotIdempotent,
    /// Refunds are approved above what was paid.
    RefundGuardBypassed,
    /// Bids are taken at any price.
    PriceGuardBypassed,
}

const ALL: [Switch; 5] = [
    Switch::CallbackDropped,
    Switch::CallbackDelayed,
    Switch::PayoutNotIdempotent,
    Switch::RefundGuardBypassed,
    Switch::PriceGuardBypassed,
];

impl Switch {
    pub fn name(self) -> &'static str {
        match self {
            Switch::CallbackDropped => "payment-callback.dropped",
            Switch::CallbackDelayed => "payment-callback.delayed",
            Switch::PayoutNotIdempotent => "refund-payout.not-idempotent",
            Switch::RefundGuardBypassed => "refund-guard.bypassed",
            Switch::PriceGuardBypassed => "price-guard.bypassed",
        }
    }

    fn named(name: &str) -> Result<Switch, Refusal> {
        ALL.into_iter().find(|switch| switch.name() == name).ok_or_else(|| {
            let known: Vec<&str> = ALL.into_iter().map(Switch::name).collect();
            Refusal::Unknown(format!("no switch `{name}`: there are {}", known.join(", ")))
        })
    }

    fn check(self, params: &Map<String, Value>) -> Result<(), Refusal> {
        let known: &[&str] = match self {
            Switch::CallbackDelayed => &["delay_ms", "times"],
            Switch::CallbackDropped => &["times"],
            _ => &[],
        };
        if let Some(other) = params.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(Refusal::Invalid(format!(
                "switch `{}` has no parameter `{other}`",
                self.name()
            )));
        }
        if self == Switch::CallbackDelayed && delay_ms(params).is_none() {
            return Err(Refusal::Invalid(format!(
                "switch `{}` needs params {{\"delay_ms\": milliseconds}}, above zero",
                self.name()
            )));
        }
        if params.contains_key("times") && times(params).is_none() {
            let name = self.name();
            return Err(Refusal::Invalid(format!("switch `{name}`: times must be 1 or more")));
        }
        Ok(())
    }
}

fn times(params: &Map<String, Value>) -> Option<i64> {
    params.get("times").and_then(Value::as_i64).filter(|times| *times > 0)
}

fn delay_ms(params: &Map<String, Value>) -> Option<i64> {
    params.get("delay_ms").and_then(Value::as_i64).filter(|ms| *ms > 0)
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
    .bind(switch.name())
    .bind(setting.on)
    .bind(Value::Object(setting.params.clone()))
    .execute(shop.books.pool())
    .await?;
    view(shop, switch).await
}

/// All switches, in a fixed order.
pub async fn list(shop: &Shop) -> Result<Vec<Value>, Refusal> {
    let mut views = Vec::new();
    for switch in ALL {
        views.push(view(shop, switch).await?);
    }
    Ok(views)
}

async fn view(shop: &Shop, switch: Switch) -> Result<Value, Refusal> {
    let row: Option<(bool, Value, i64)> =
        sqlx::query_as("SELECT is_on, params, hits FROM app_switch WHERE name = ?")
            .bind(switch.name())
            .fetch_optional(shop.books.pool())
            .await?;
    let (on, params, hits) = row.unwrap_or((false, json!({}), 0));
    Ok(json!({"name": switch.name(), "on": on, "params": params, "hits": hits}))
}

/// The parameters of a switch that is on.
async fn params(
    books: &mut MySqlConnection,
    switch: Switch,
) -> Result<Option<Map<String, Value>>, Refusal> {
    let params: Option<Value> =
        sqlx::query_scalar("SELECT params FROM app_switch WHERE name = ? AND is_on = 1")
            .bind(switch.name())
            .fetch_optional(books)
            .await?;
    Ok(params.map(|value| value.as_object().cloned().unwrap_or_default()))
}

/// Whether a switch is on.
pub async fn is_on(books: &mut MySqlConnection, switch: Switch) -> Result<bool, Refusal> {
    Ok(params(books, switch).await?.is_some())
}

/// The parameters of a switch that takes the next `times` (default: one) of its kind and has not yet.
async fn unspent(
    books: &mut MySqlConnection,
    switch: Switch,
) -> Result<Option<Map<String, Value>>, Refusal> {
    let row: Option<(Value, i64)> = sqlx::query_as(
        "SELECT params, spent FROM app_switch WHERE name = ? AND is_on = 1 FOR UPDATE",
    )
    .bind(switch.name())
    .fetch_optional(books)
    .await?;
    let params =
        row.map(|(params, spent)| (params.as_object().cloned().unwrap_or_default(), spent));
    Ok(params
        .filter(|(params, spent)| *spent < times(params).unwrap_or(1))
        .map(|(params, _)| params))
}

/// Whether this callback is to be thrown away.
pub async fn drops_callback(books: &mut MySqlConnection) -> Result<bool, Refusal> {
    Ok(unspent(books, Switch::CallbackDropped).await?.is_some())
}

/// How long this callback is to be held back, if it is.
pub async fn callback_delay_ms(books: &mut MySqlConnection) -> Result<Option<i64>, Refusal> {
    Ok(unspent(books, Switch::CallbackDelayed).await?.as_ref().and_then(delay_ms))
}

/// Counts that the defect really acted.
pub async fn hit(books: &mut MySqlConnection, switch: Switch) -> Result<(), Refusal> {
    sqlx::query("UPDATE app_switch SET hits = hits + 1, spent = spent + 1 WHERE name = ?")
        .bind(switch.name())
        .execute(books)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_checked_by_switch() {
        let check = |switch: Switch, params: Value, fits: bool| {
            let params = params.as_object().cloned().unwrap_or_default();
            assert_eq!(switch.check(&params).is_ok(), fits, "{} {params:?}", switch.name());
        };
        check(Switch::CallbackDropped, json!({}), true);
        check(Switch::CallbackDropped, json!({"delay_ms": 5}), false);
        check(Switch::CallbackDropped, json!({"times": 3}), true);
        check(Switch::CallbackDropped, json!({"times": 0}), false);
        check(Switch::CallbackDelayed, json!({"delay_ms": 25_000}), true);
        check(Switch::CallbackDelayed, json!({}), false);
        check(Switch::CallbackDelayed, json!({"delay_ms": 0}), false);
        check(Switch::CallbackDelayed, json!({"delay": 5}), false);
    }

    #[test]
    fn every_switch_is_found_by_its_name_and_no_other() {
        for switch in ALL {
            assert_eq!(Switch::named(switch.name()).unwrap(), switch);
        }
        let refusal = Switch::named("payment-callback.droped").unwrap_err().to_string();
        assert!(refusal.contains("payment-callback.dropped"), "{refusal}");
    }
}

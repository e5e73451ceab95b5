//! Leases: an owner says again and again that it lives; when it stops, its toxics go.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::fields::Fields;
use super::proxies::Proxies;
use super::refusal::{Refusal, Title, mistake};
use super::state::{Lease, Proxy, State};

const TTL_DEFAULT_MS: u64 = 10_000;
/// A lease is to end soon after its owner, not a day later.
const TTL_MAX_MS: u64 = 60 * 60 * 1000;

/// Takes the lease that `value` names, or renews it.
pub(super) async fn take(proxies: &Proxies, value: &Value) -> Result<Value, Refusal> {
    let mut fields = Fields::of(value, "", &["name", "ttl_ms"])?;
    let name = fields.text("name").unwrap_or_default().to_owned();
    if name.is_empty() {
        fields.mistakes.push(mistake(Title::Missing, "name"));
    }
    let ttl_ms = fields.whole("ttl_ms").unwrap_or(TTL_DEFAULT_MS);
    if ttl_ms == 0 || ttl_ms > TTL_MAX_MS {
        fields.wrong(format!("`ttl_ms` {ttl_ms} is not in 1..={TTL_MAX_MS}"));
    }
    fields.done(())?;
    let ttl = Duration::from_millis(ttl_ms);
    let lease = Lease { ttl, ends: Instant::now() + ttl };
    let taken = proxies.change(|state| {
        state.leases.insert(name.clone(), lease);
        Ok(lease.json(&name))
    });
    let taken = taken.await?;
    proxies.leased.notify_one();
    Ok(taken)
}

/// Ends a lease now, and with it its toxics.
pub(super) async fn end(proxies: &Proxies, name: &str) -> Result<(), Refusal> {
    let ended = proxies.change(|state| {
        if state.leases.remove(name).is_none() {
            return Err(mistake(Title::LeaseNotFound, "").into());
        }
        drop_orphans(state);
        Ok(())
    });
    ended.await
}

/// Takes off every toxic whose lease is gone.
fn drop_orphans(state: &mut State) {
    let State { proxies, leases } = state;
    for place in proxies.values_mut() {
        let gone = |lease: &Option<String>| {
            lease.as_ref().is_some_and(|lease| !leases.contains_key(lease))
        };
        if !place.toxics.iter().any(|placed| gone(&placed.named.lease)) {
            continue;
        }
        let mut proxy = Proxy::clone(place);
        let off: Vec<_> = (proxy.toxics.iter())
            .filter(|placed| gone(&placed.named.lease))
            .filter_map(|placed| placed.id)
            .collect();
        if let Some(link) = &proxy.link {
            // Taking off is never refused.
            let _ = link.swap(&off, &[]);
        }
        proxy.toxics.retain(|placed| !gone(&placed.named.lease));
        *place = Arc::new(proxy);
    }
}

/// Ends each lease when its time is over; never returns.
pub(super) async fn reap(proxies: &Proxies) {
    loop {
        let next = proxies.state().leases.values().map(|lease| lease.ends).min();
        let over = async {
            match next {
                Some(ends) => tokio::time::sleep_until(ends).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = proxies.leased.notified() => continue,
            () = over => {}
        }
        let reaped = proxies.change(|state| {
            let now = Instant::now();
            state.leases.retain(|_, lease| lease.ends > now);
            drop_orphans(state);
            Ok(())
        });
        // Nothing in it is refused.
        let _ = reaped.await;
    }
}

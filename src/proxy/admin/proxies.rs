//! What changes the proxies. One change at a time; each is prepared whole, then published, so that
//! a refused one has changed nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Notify, watch};

use super::fields::Fields;
use super::refusal::{Mistake, Refusal, Title, mistake};
use super::state::{Placed, Proxy, State};
use super::toxics::NamedToxic;
use super::wanted::{KNOWN, Wanted, resolve};
use crate::clock::Clock;
use crate::proxy::ProxyError;
use crate::proxy::link::{Kind, Link, LinkSpec};
use crate::proxy::toxic::{Toxic, ToxicId, mix};

/// Proxies at once: each is a listener, and a populate is prepared whole in memory.
const PROXIES_MAX: usize = 1000;

/// As Toxiproxy says it, where a client compares: `listen tcp 127.0.0.1:80: bind: …`.
fn not_opened(error: ProxyError) -> Mistake {
    let ProxyError::Listen { listen, source, .. } = error else {
        return mistake(Title::Failed, error.to_string());
    };
    let reason = match source.kind() {
        std::io::ErrorKind::AddrInUse => "address already in use".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => source.to_string(),
    };
    mistake(Title::Failed, format!("listen tcp {listen}: bind: {reason}"))
}

fn armable<'a>(toxics: impl Iterator<Item = &'a NamedToxic>) -> Vec<Toxic> {
    toxics.filter_map(|named| named.toxic).collect()
}

/// `toxics` with the ids of those that were armed, in their order.
fn placed(toxics: Vec<NamedToxic>, ids: Vec<ToxicId>) -> Vec<Placed> {
    let mut ids = ids.into_iter();
    let place = |named: NamedToxic| {
        let id = named.toxic.and_then(|_| ids.next());
        Placed { named, id }
    };
    toxics.into_iter().map(place).collect()
}

/// Puts `toxics` in the place of those of `proxy`, as one change.
fn replace(proxy: &mut Proxy, toxics: Vec<NamedToxic>) -> Result<(), Mistake> {
    let off: Vec<_> = proxy.toxics.iter().filter_map(|placed| placed.id).collect();
    let ids = match &proxy.link {
        Some(link) => link.swap(&off, &armable(toxics.iter())).map_err(not_armed)?,
        None => Vec::new(),
    };
    proxy.toxics = placed(toxics, ids);
    Ok(())
}

fn not_armed(error: ProxyError) -> Mistake {
    mistake(Title::BadBody, error.to_string())
}

pub(super) struct Proxies {
    seed: u64,
    clock: Clock,
    /// Where the links live: not where changes are asked for.
    runtime: Handle,
    writing: Mutex<()>,
    state: watch::Sender<Arc<State>>,
    /// A lease was taken, renewed or ended.
    pub leased: Notify,
}

impl Proxies {
    /// Links live on the runtime of the caller.
    pub fn new(seed: u64, clock: Clock) -> Proxies {
        let state = watch::Sender::new(Arc::new(State::default()));
        let runtime = Handle::current();
        Proxies { seed, clock, runtime, writing: Mutex::new(()), state, leased: Notify::new() }
    }

    pub fn state(&self) -> Arc<State> {
        self.state.borrow().clone()
    }

    /// One change of the state; `change` does not wait, and publishes nothing where it fails.
    pub async fn change<T>(
        &self,
        change: impl FnOnce(&mut State) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let _one = self.writing.lock().await;
        let mut next = State::clone(&self.state.borrow());
        let done = change(&mut next)?;
        self.state.send_replace(Arc::new(next));
        Ok(done)
    }

    /// One change of one proxy.
    async fn change_proxy<T>(
        &self,
        name: &str,
        change: impl FnOnce(&mut Proxy, &State) -> Result<T, Refusal>,
    ) -> Result<(Arc<Proxy>, T), Refusal> {
        self.change(|state| {
            let mut proxy = Proxy::clone(state.proxy(name)?);
            let done = change(&mut proxy, state)?;
            let proxy = Arc::new(proxy);
            state.proxies.insert(name.to_owned(), proxy.clone());
            Ok((proxy, done))
        })
        .await
    }

    /// Listens for `proxy`, its toxics armed before the first client comes by.
    fn open(&self, proxy: &mut Proxy) -> Result<(), Mistake> {
        let Proxy { name, upstream, .. } = &*proxy;
        let seed = name.bytes().fold(self.seed, |seed, byte| mix(seed ^ u64::from(byte)));
        let listen = proxy.listen;
        let spec = LinkSpec {
            listen,
            seed,
            ..LinkSpec::new(name, upstream, Kind::Tcp, self.clock.clone())
        };
        let _there = self.runtime.enter();
        let link = Link::open_now(spec).map_err(not_opened)?;
        let toxics: Vec<_> = proxy.toxics.drain(..).map(|placed| placed.named).collect();
        let ids = link.swap(&[], &armable(toxics.iter())).map_err(not_armed)?;
        proxy.toxics = placed(toxics, ids);
        proxy.listen = link.addr();
        proxy.link = Some(link);
        Ok(())
    }

    /// Brings `proxy` to what is wanted; gives back the link that it no longer needs.
    fn bring(&self, proxy: &mut Proxy, wanted: &Wanted) -> Result<Option<Link>, Mistake> {
        let stays = wanted.stays_at(proxy.listen);
        let moved = proxy.upstream != wanted.upstream;
        proxy.upstream.clone_from(&wanted.upstream);
        if let Some(listen) = wanted.listen.filter(|_| !stays) {
            proxy.listen = listen;
        }
        if wanted.enabled
            && stays
            && let Some(link) = &proxy.link
        {
            if moved {
                link.redirect(&wanted.upstream);
            }
            return Ok(None);
        }
        let old = proxy.link.take();
        if wanted.enabled {
            self.open(proxy)?;
        }
        Ok(old)
    }

    fn fresh(&self, wanted: &Wanted) -> Proxy {
        Proxy {
            name: wanted.name.clone(),
            listen: wanted.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0))),
            upstream: wanted.upstream.clone(),
            link: None,
            toxics: Vec::new(),
        }
    }

    pub async fn create(&self, wanted: Wanted) -> Result<Arc<Proxy>, Refusal> {
        let made = self.change(|state| {
            if state.proxies.contains_key(&wanted.name) {
                return Err(mistake(Title::ProxyExists, "").into());
            }
            if state.proxies.len() == PROXIES_MAX {
                let text = format!("there are {PROXIES_MAX} proxies already");
                return Err(mistake(Title::BadBody, text).into());
            }
            let mut proxy = self.fresh(&wanted);
            let toxics = wanted.toxics.clone().unwrap_or_default();
            state.check_leases(toxics.iter())?;
            proxy.toxics = placed(toxics, Vec::new());
            if wanted.enabled {
                self.open(&mut proxy)?;
            }
            let proxy = Arc::new(proxy);
            state.proxies.insert(wanted.name.clone(), proxy.clone());
            Ok(proxy)
        });
        made.await
    }

    /// `toxics` of the body are left alone, as Toxiproxy does: clients send back what they once read.
    pub async fn update(&self, name: &str, value: &Value) -> Result<Arc<Proxy>, Refusal> {
        let mut fields = Fields::of(value, "", KNOWN)?;
        self.state().proxy(name)?;
        if let Some(other) = fields.text("name").filter(|other| !["", name].contains(other)) {
            fields.wrong(format!("`name` `{other}`: a proxy keeps its name"));
        }
        let listen = resolve(&mut fields).await;
        let upstream = fields.text("upstream").filter(|text| !text.is_empty()).map(str::to_owned);
        let enabled = fields.flag("enabled");
        fields.done(())?;
        let changed = self.change_proxy(name, |proxy, _| {
            let wanted = Wanted {
                name: name.to_owned(),
                listen,
                upstream: upstream.unwrap_or_else(|| proxy.upstream.clone()),
                enabled: enabled.unwrap_or(proxy.link.is_some()),
                toxics: None,
            };
            Ok(self.bring(proxy, &wanted)?)
        });
        let (proxy, old) = changed.await?;
        retire(old).await;
        Ok(proxy)
    }

    /// Makes or changes all of `wanted`, or none: every port is opened before anything is taken away.
    pub async fn populate(&self, wanted: Vec<Wanted>) -> Result<Vec<Arc<Proxy>>, Refusal> {
        let done = self.change(|state| {
            let mut next = BTreeMap::new();
            for (number, wanted) in (1..).zip(&wanted) {
                let known = state.proxies.get(&wanted.name);
                let mut proxy =
                    known.map_or_else(|| self.fresh(wanted), |known| Proxy::clone(known));
                if let Some(toxics) = &wanted.toxics {
                    state.check_leases(toxics.iter())?;
                }
                if next.contains_key(&wanted.name) {
                    let text = format!("`{}` at proxy {number}", wanted.name);
                    return Err(mistake(Title::ProxyExists, text).into());
                }
                // A link that stays is not touched before all others are open.
                let stays = wanted.stays_at(proxy.listen);
                let mut old = None;
                if !(wanted.enabled && stays && proxy.link.is_some()) {
                    old = self.bring(&mut proxy, wanted)?;
                }
                next.insert(wanted.name.clone(), (proxy, old));
            }
            if state.proxies.keys().chain(next.keys()).count() > PROXIES_MAX {
                let text = format!("more than {PROXIES_MAX} proxies");
                return Err(mistake(Title::BadBody, text).into());
            }
            let (mut made, mut old) = (Vec::new(), Vec::new());
            for wanted in &wanted {
                let Some((mut proxy, link)) = next.remove(&wanted.name) else { continue };
                old.extend(link.or(self.bring(&mut proxy, wanted)?));
                if let Some(toxics) = &wanted.toxics {
                    replace(&mut proxy, toxics.clone())?;
                }
                let proxy = Arc::new(proxy);
                state.proxies.insert(wanted.name.clone(), proxy.clone());
                made.push(proxy);
            }
            Ok((made, old))
        });
        let (made, old) = done.await?;
        for link in old {
            retire(Some(link)).await;
        }
        Ok(made)
    }

    pub async fn delete(&self, name: &str) -> Result<(), Refusal> {
        let removed = self.change(|state| {
            state.proxy(name)?;
            Ok(state.proxies.remove(name))
        });
        retire(removed.await?.and_then(|proxy| proxy.link.clone())).await;
        Ok(())
    }

    /// Every toxic goes, every proxy is enabled; one that cannot be keeps none of the others from it.
    pub async fn reset(&self) -> Result<(), Refusal> {
        let failed = self.change(|state| {
            let mut failed = Vec::new();
            for place in state.proxies.values_mut() {
                let mut proxy = Proxy::clone(place);
                replace(&mut proxy, Vec::new())?;
                if proxy.link.is_none() {
                    failed.extend(self.open(&mut proxy).err());
                }
                *place = Arc::new(proxy);
            }
            Ok(failed)
        });
        let failed = failed.await?;
        if failed.is_empty() { Ok(()) } else { Err(Refusal(failed)) }
    }

    pub async fn add_toxic(&self, proxy: &str, toxic: NamedToxic) -> Result<NamedToxic, Refusal> {
        let added = self.change_proxy(proxy, |proxy, state| {
            if proxy.toxic(&toxic.name).is_ok() {
                return Err(mistake(Title::ToxicExists, "").into());
            }
            state.check_leases(std::iter::once(&toxic))?;
            let ids = match &proxy.link {
                Some(link) => {
                    link.swap(&[], &armable(std::iter::once(&toxic))).map_err(not_armed)?
                }
                None => Vec::new(),
            };
            proxy.toxics.extend(placed(vec![toxic.clone()], ids));
            Ok(toxic)
        });
        Ok(added.await?.1)
    }

    pub async fn change_toxic(
        &self,
        proxy: &str,
        name: &str,
        value: &Value,
    ) -> Result<NamedToxic, Refusal> {
        let changed = self.change_proxy(proxy, |proxy, state| {
            let before = proxy.toxic(name)?.clone();
            let named = before.named.changed(value)?;
            state.check_leases(std::iter::once(&named))?;
            let id = match (&proxy.link, before.id, named.toxic) {
                (Some(link), Some(id), Some(toxic)) => {
                    link.change(id, toxic).map_err(not_armed)?;
                    Some(id)
                }
                (Some(link), off, on) => {
                    let off: Vec<_> = off.into_iter().collect();
                    let on: Vec<_> = on.into_iter().collect();
                    link.swap(&off, &on).map_err(not_armed)?.first().copied()
                }
                (None, ..) => None,
            };
            for placed in proxy.toxics.iter_mut().filter(|placed| placed.named.name == name) {
                *placed = Placed { named: named.clone(), id };
            }
            Ok(named)
        });
        Ok(changed.await?.1)
    }

    pub async fn remove_toxic(&self, proxy: &str, name: &str) -> Result<(), Refusal> {
        let removed = self.change_proxy(proxy, |proxy, _| {
            let placed = proxy.toxic(name)?;
            if let (Some(link), Some(id)) = (&proxy.link, placed.id) {
                link.disarm(id);
            }
            proxy.toxics.retain(|placed| placed.named.name != name);
            Ok(())
        });
        removed.await.map(drop)
    }

    /// The whole set at once: no connection sees a part of it.
    pub async fn replace_toxics(
        &self,
        proxy: &str,
        toxics: Vec<NamedToxic>,
    ) -> Result<Arc<Proxy>, Refusal> {
        let replaced = self.change_proxy(proxy, |proxy, state| {
            state.check_leases(toxics.iter())?;
            Ok(replace(proxy, toxics)?)
        });
        Ok(replaced.await?.0)
    }

    /// Closes every proxy in good order.
    pub async fn close(&self) {
        let links = self.change(|state| {
            let proxies = std::mem::take(&mut state.proxies);
            Ok(proxies.into_values().filter_map(|proxy| proxy.link.clone()).collect::<Vec<_>>())
        });
        for link in links.await.unwrap_or_default() {
            retire(Some(link)).await;
        }
    }
}

async fn retire(link: Option<Link>) {
    if let Some(link) = link {
        // One that does not end in time ends with its last connection.
        let _ = link.retire().await;
    }
}

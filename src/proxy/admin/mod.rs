//! The admin API: Toxiproxy's REST interface over links, and what ours adds to it.
//!
//! Paths, JSON, status codes and error titles are those of Toxiproxy 2.12, so that its clients work
//! unchanged. Added: `PUT …/toxics` (a whole set as one change), `/leases` (toxics that die with
//! their owner), `/metrics`, the toxics `partition`, `connect_refused` and `connect_delay`, the
//! attribute `distribution` of `latency`. Stricter: what does not read is refused with all its
//! mistakes, and a refused request changes nothing.
//!
//! What is there is one published snapshot: a list waits for no change, and no change waits for a
//! connection. Try it: `lossdrill proxy`, `cargo test --test toxiproxy`. Not covered: TLS on the API,
//! Unix sockets.

mod config;
mod fields;
mod http;
mod kinds;
mod leases;
mod metrics;
mod proxies;
mod refusal;
mod state;
mod toxics;
mod wanted;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::ProxyError;
use crate::clock::Clock;
use proxies::Proxies;

/// Toxiproxy's own port, where its clients look.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:8474";

/// A listening admin API.
pub struct Admin {
    listener: TcpListener,
    addr: SocketAddr,
    proxies: Arc<Proxies>,
}

impl Admin {
    /// Listens on `listen`, `host:port`; nothing is answered before [`Admin::serve`].
    pub async fn bind(listen: &str, seed: u64) -> Result<Admin, ProxyError> {
        let refused = |source| ProxyError::Admin { listen: listen.to_owned(), source };
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let addr = listener.local_addr().map_err(refused)?;
        Ok(Admin { listener, addr, proxies: Arc::new(Proxies::new(seed, Clock::system())) })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Makes the proxies of a configuration file with their toxics, all or none; how many.
    pub async fn load(&self, text: &str) -> Result<usize, Vec<String>> {
        config::load(&self.proxies, text).await
    }

    /// Answers until `end` comes; then closes every proxy in good order. On a thread of its own: bytes that pass,
    /// however many, delay no change.
    pub async fn serve(
        self,
        end: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ProxyError> {
        let listen = self.addr.to_string();
        let proxies = self.proxies.clone();
        let apart = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(self.answer(end))
        });
        let served = apart.await.expect("the API does not panic");
        proxies.close().await;
        served.map_err(|source| ProxyError::Admin { listen, source })
    }

    async fn answer(self, end: impl Future<Output = ()>) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listener.into_std()?)?;
        let router = http::router(self.proxies.clone());
        tokio::select! {
            served = async { axum::serve(listener, router).await } => served,
            () = leases::reap(&self.proxies) => Ok(()),
            () = end => Ok(()),
        }
    }
}

//! What the faults of a scenario may touch: its cell's links, switches, processes, MySQL and topics.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::faults::{Broker, Ground, Nemesis, Pair, Process, Rules, Speech};
use crate::stage::cell::{Cell, RECONCILERS};
use crate::stage::{Kind, Login, Member, Service};

/// The nemesis of one scenario, with everything of its cell in reach.
///
/// A given MySQL is nobody's to kill, and a reconciler that runs elsewhere is behind no link. `beside` are its own brokers
/// and its replica. What faults draw, they draw from `seed`.
pub fn nemesis(cell: &Cell, mysql: &Service, beside: &[Service], seed: u64) -> Nemesis {
    let at = cell.mysql();
    let met_as =
        |login: &Login| login.sqlx(&at.ip().to_string(), at.port()).database(&cell.spec.schema);
    let books = met_as(&cell.spec.login);
    let mut ground = Ground {
        seed,
        shop_url: Some(cell.shop.base_url()),
        books: Some(books),
        ..Ground::default()
    };
    let foreign = cell.reconciler.is_none();
    for (name, link) in &cell.links {
        if !(foreign && RECONCILERS.contains(name)) {
            ground.links.insert((*name).to_owned(), link.clone());
        }
    }
    let mut ours = BTreeSet::new();
    for (name, member) in cell.members() {
        // Faults call the system under test by its default's name.
        let name = if name == "reconciler" { "dcheck" } else { name };
        if member.is_on_this_machine() {
            ours.insert(name.to_owned());
        }
        ground.processes.insert(name.to_owned(), Arc::new(CellProcess(member.clone())));
    }
    if !mysql.is_given() {
        let own_broker = beside.iter().find(|server| server.kind == Kind::Kafka);
        for (name, service) in [("mysql", Some(mysql)), ("kafka", own_broker)] {
            let Some(service) = service else { continue };
            let server = CellServer { service: service.clone(), life: AtomicU64::new(1) };
            ground.processes.insert(name.to_owned(), Arc::new(server));
            if service.is_on_this_machine() {
                ours.insert(name.to_owned());
            }
        }
        ground.server = Some(met_as(&mysql.login));
        let replica = beside.iter().find(|server| server.kind == Kind::MySql);
        ground.pair =
            replica.map(|replica| Pair { primary: mysql.clone(), replica: replica.clone() });
        let topic_prefix = cell.spec.topic_prefix.clone();
        let group = cell.fill("${group}");
        ground.broker =
            Some(Broker { at: cell.spec.kafka, brokers: cell.spec.brokers, topic_prefix, group });
    }
    ground.limits = Some((cell.guardian().clone(), ours));
    if cell.spec.reconciler.rules.is_some() {
        ground.rules = Some(Rules {
            dir: cell.spec.rules_dir(),
            console: cell.reconciler_url(),
            token: cell.spec.people_token(),
        });
    }
    Nemesis::new(ground)
}

struct CellProcess(Arc<Member>);

fn said<E: std::fmt::Display>(error: E) -> String {
    error.to_string()
}

impl Process for CellProcess {
    fn kill(&self) -> BoxFuture<'_, Result<(), String>> {
        async { self.0.kill().await.map_err(said) }.boxed()
    }

    fn pause(&self) -> BoxFuture<'_, Result<(), String>> {
        async { self.0.pause().await.map_err(said) }.boxed()
    }

    fn resume(&self) -> BoxFuture<'_, Result<(), String>> {
        async { self.0.resume().await.map_err(said) }.boxed()
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), String>> {
        async {
            self.0.kill().await.map_err(said)?;
            self.0.restart().await.map_err(said)
        }
        .boxed()
    }

    fn is_running(&self) -> BoxFuture<'_, bool> {
        self.0.is_running().boxed()
    }

    fn address(&self) -> SocketAddr {
        self.0.address
    }

    fn speech(&self) -> Speech {
        Speech::Http
    }

    fn life(&self) -> u64 {
        self.0.life()
    }

    fn pid(&self) -> BoxFuture<'_, Result<u32, String>> {
        async { self.0.pid().await.ok_or_else(elsewhere) }.boxed()
    }
}

fn elsewhere() -> String {
    "it is no process of ours on this machine".to_owned()
}

struct CellServer {
    service: Service,
    life: AtomicU64,
}

impl Process for CellServer {
    fn kill(&self) -> BoxFuture<'_, Result<(), String>> {
        async { self.service.kill().await.map_err(said) }.boxed()
    }

    fn pause(&self) -> BoxFuture<'_, Result<(), String>> {
        async { self.service.pause().await.map_err(said) }.boxed()
    }

    fn resume(&self) -> BoxFuture<'_, Result<(), String>> {
        async { self.service.resume().await.map_err(said) }.boxed()
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), String>> {
        async {
            self.service.restart().await.map_err(said)?;
            self.life.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
        .boxed()
    }

    fn is_running(&self) -> BoxFuture<'_, bool> {
        self.service.is_running().boxed()
    }

    fn address(&self) -> SocketAddr {
        self.service.endpoint
    }

    fn speech(&self) -> Speech {
        match self.service.kind {
            Kind::MySql => Speech::Mysql,
            Kind::Kafka => Speech::Kafka,
        }
    }

    fn life(&self) -> u64 {
        self.life.load(Ordering::Relaxed)
    }

    fn pid(&self) -> BoxFuture<'_, Result<u32, String>> {
        async { self.service.pid().await.ok_or_else(elsewhere) }.boxed()
    }
}

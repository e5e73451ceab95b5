//! The cell: everything that one scenario may break, and nothing that another one uses.
//!
//! Owns the wiring of a cell: its MySQL, its topics' prefix, its links, and the processes of shop, payment channel and
//! reconciler, each behind the links. Must not know faults, steps or what the processes do. Probes and the
//! inbox are above: their addresses come in with [`CellSpec`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::StageError;
use super::guardian::{Guardian, GuardianError, ProcSpec};
use super::member::Member;
use super::ports::free_port;
use crate::clock::Clock;
use crate::proxy::{Kind, Link, LinkSpec, Nodes, ProxyError};

/// The logical topics of a cell, one partition each.
pub const TOPICS: [&str; 3] = ["orders.events", "refund.events", "channel.flow"];
/// What shop and payment channel sign callbacks with; each cell has its own.
const SECRET_ENV: &str = "LOSSDRILL_CHANNEL_SECRET";

/// What a cell is made of.
#[derive(Clone, Debug)]
pub struct CellSpec {
    /// `c3-7`: the third cell's seventh use; also the prefix of its topics.
    pub name: String,
    pub dir: PathBuf,
    pub mysql: SocketAddr,
    pub kafka: SocketAddr,
    /// Where alerts and plan runs are posted.
    pub inbox: SocketAddr,
    pub shop_program: PathBuf,
    pub reconciler: ReconcilerSpec,
}

/// The system under test as a command; `${…}` in its words is replaced, see [`placeholders`].
#[derive(Clone, Debug)]
pub struct ReconcilerSpec {
    pub program: PathBuf,
    pub args: Vec<String>,
    /// It obeys `POST /clock/advance`; else everything in the cell lives in real time.
    pub advances: bool,
    /// Its rule files: each cell gets a copy of its own, `${rules}`, that a fault may spoil.
    pub rules: Option<PathBuf>,
    /// The process that watches it, where there is one: program and words.
    pub watchdog: Option<(PathBuf, Vec<String>)>,
}

/// Why a cell cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    #[error("open link {name} of cell {cell}: {source}")]
    Link { cell: String, name: &'static str, source: ProxyError },
    #[error("start {name}: {source}")]
    Start { name: String, source: GuardianError },
    #[error("make the directory {path}: {source}")]
    Dir { path: PathBuf, source: std::io::Error },
    #[error("copy the rules {from} into the cell: {source}")]
    Rules { from: PathBuf, source: std::io::Error },
    #[error("the system under test has no watchdog: only the built-in one has, `dcheck watchdog`")]
    NoWatchdog,
    #[error("{name} ended ({exit}); the end of its log:\n{tail}")]
    Died { name: String, exit: String, tail: String },
    #[error(transparent)]
    Stage(#[from] StageError),
}

/// A running cell. Dropping it leaves its processes to the guardian; call [`Cell::stop`].
pub struct Cell {
    pub spec: CellSpec,
    pub clock: Clock,
    pub links: BTreeMap<&'static str, Link>,
    pub shop: Arc<Member>,
    pub channel: Arc<Member>,
    pub reconciler: Arc<Member>,
    /// Started by the first scenario's step that wants it.
    watchdog: Mutex<Option<Arc<Member>>>,
    guardian: Guardian,
    /// The payment channel's own ledger.
    pub ledger: PathBuf,
}

/// Names of the links of a cell and what lies behind each.
pub const LINKS: [(&str, &str); 10] = [
    ("cdc", "reconciler -> MySQL, change capture"),
    ("sql", "reconciler -> MySQL, lookups and results"),
    ("kafka", "reconciler -> Kafka"),
    ("alerts", "reconciler -> inbox"),
    ("pager", "reconciler and watchdog -> inbox, the second channel"),
    ("plans", "reconciler -> shop"),
    ("shop-sql", "shop -> MySQL"),
    ("shop-kafka", "shop and channel -> Kafka"),
    ("shop-channel", "shop -> channel"),
    ("channel-shop", "channel -> shop"),
];

impl Cell {
    /// Opens the links and starts the three processes side by side; does not wait until they are ready.
    pub async fn start(
        guardian: &Guardian,
        spec: CellSpec,
        clock: Clock,
    ) -> Result<Cell, CellError> {
        let _making = guardian.making().await.map_err(StageError::from)?;
        let made = std::fs::create_dir_all(&spec.dir);
        made.map_err(|source| CellError::Dir { path: spec.dir.clone(), source })?;
        if let Some(from) = &spec.reconciler.rules {
            let copied = copy_rules(from, &spec.rules_dir());
            copied.map_err(|source| CellError::Rules { from: from.clone(), source })?;
        }
        let [shop, channel, reconciler] = free_ports()?;
        let links = open_links(&spec, &clock, shop, channel).await?;
        let ledger = spec.dir.join("ledger.ndjson");
        let wiring =
            Wiring { spec: &spec, links: &links, shop, channel, reconciler, ledger: &ledger };
        let start = |proc: ProcSpec, address| Member::start(guardian, &clock, proc, address);
        let (shop, channel, reconciler) = tokio::try_join!(
            start(wiring.shop(), shop),
            start(wiring.channel(), channel),
            start(wiring.reconciler(), reconciler),
        )?;
        let [shop, channel, reconciler] = [shop, channel, reconciler].map(Arc::new);
        let (watchdog, guardian) = (Mutex::default(), guardian.clone());
        Ok(Cell { spec, clock, links, shop, channel, reconciler, watchdog, guardian, ledger })
    }

    pub fn watchdog_log(&self) -> PathBuf {
        self.spec.dir.join("watchdog.log")
    }

    /// The process that watches the reconciler, started at the first call; does not wait until it is ready.
    pub async fn watchdog(&self) -> Result<Arc<Member>, CellError> {
        let mut watchdog = self.watchdog.lock().await;
        if let Some(running) = &*watchdog {
            return Ok(running.clone());
        }
        let (program, words) =
            self.spec.reconciler.watchdog.clone().ok_or(CellError::NoWatchdog)?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let values = BTreeMap::from([
            ("rules", self.spec.rules_dir().display().to_string()),
            ("reconciler.url", self.reconciler.base_url()),
            ("mysql.direct", format!("mysql://root@{}/shop", self.spec.mysql)),
            ("pager.url", format!("http://{}/alerts", self.links["pager"].addr())),
            ("listen", address.to_string()),
        ]);
        let args = words.iter().map(|word| fill(word, &values)).collect();
        let proc = ProcSpec {
            name: format!("watchdog-{}", self.spec.name),
            program,
            args,
            log: self.watchdog_log(),
            ..ProcSpec::default()
        };
        let member = Arc::new(Member::start(&self.guardian, &self.clock, proc, address).await?);
        *watchdog = Some(member.clone());
        Ok(member)
    }

    /// Ends the processes and closes the links.
    pub async fn stop(self) {
        let watchdog = self.watchdog.lock().await.take();
        if let Some(watchdog) = watchdog {
            watchdog.stop().await;
        }
        tokio::join!(self.reconciler.stop(), self.shop.stop(), self.channel.stop());
        for link in self.links.into_values() {
            // A link that will not close ends with its last handle.
            let _ = link.close().await;
        }
    }

    /// The first of the cell's processes that has ended by itself: (its name, why).
    pub async fn casualty(&self) -> Option<(&'static str, CellError)> {
        for (name, member) in
            [("shop", &self.shop), ("channel", &self.channel), ("reconciler", &self.reconciler)]
        {
            if let Some(obituary) = member.obituary().await {
                return Some((name, obituary));
            }
        }
        None
    }
}

impl CellSpec {
    /// The cell's own copy of the rule files.
    pub fn rules_dir(&self) -> PathBuf {
        self.dir.join("rules")
    }
}

fn copy_rules(from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "yaml") {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Out of reach of the links' and clients' own ports, which a process that starts slowly would lose its port to.
fn free_ports() -> Result<[SocketAddr; 3], CellError> {
    let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    Ok([address(free_port()?), address(free_port()?), address(free_port()?)])
}

async fn open_links(
    spec: &CellSpec,
    clock: &Clock,
    shop: SocketAddr,
    channel: SocketAddr,
) -> Result<BTreeMap<&'static str, Link>, CellError> {
    let mut links = BTreeMap::new();
    for (name, _) in LINKS {
        let (upstream, kind) = match name {
            "cdc" | "sql" | "shop-sql" => (spec.mysql, Kind::Tcp),
            "kafka" | "shop-kafka" => (spec.kafka, Kind::Kafka(Nodes::One)),
            "alerts" | "pager" => (spec.inbox, Kind::Tcp),
            "plans" | "channel-shop" => (shop, Kind::Tcp),
            _ => (channel, Kind::Tcp),
        };
        let link_spec = LinkSpec::new(name, upstream.to_string(), kind, clock.clone());
        let opened = Link::open(link_spec).await;
        let failed = |source| CellError::Link { cell: spec.name.clone(), name, source };
        links.insert(name, opened.map_err(failed)?);
    }
    Ok(links)
}

/// Who listens where, while the commands are written.
struct Wiring<'a> {
    spec: &'a CellSpec,
    links: &'a BTreeMap<&'static str, Link>,
    shop: SocketAddr,
    channel: SocketAddr,
    reconciler: SocketAddr,
    ledger: &'a std::path::Path,
}

impl Wiring<'_> {
    fn link(&self, name: &str) -> SocketAddr {
        self.links[name].addr()
    }

    fn proc(&self, name: &str, program: PathBuf, args: Vec<String>) -> ProcSpec {
        ProcSpec {
            name: format!("{name}-{}", self.spec.name),
            program,
            args,
            env: BTreeMap::from([(SECRET_ENV.to_owned(), format!("secret-of-{}", self.spec.name))]),
            log: self.spec.dir.join(format!("{name}.log")),
            ..ProcSpec::default()
        }
    }

    fn shop(&self) -> ProcSpec {
        let args = [
            "serve".to_owned(),
            format!("--listen={}", self.shop),
            format!("--mysql=mysql://root@{}/shop", self.link("shop-sql")),
            format!("--kafka={}", self.link("shop-kafka")),
            format!("--topic-prefix={}.", self.spec.name),
            format!("--channel=http://{}", self.link("shop-channel")),
            "--drill-clock".to_owned(),
        ];
        self.proc("shop", self.spec.shop_program.clone(), args.to_vec())
    }

    fn channel(&self) -> ProcSpec {
        let args = [
            "channel".to_owned(),
            format!("--listen={}", self.channel),
            format!("--ledger={}", self.ledger.display()),
            format!("--kafka={}", self.link("shop-kafka")),
            format!("--topic-prefix={}.", self.spec.name),
            format!("--shop=http://{}", self.link("channel-shop")),
            "--drill-clock".to_owned(),
        ];
        self.proc("channel", self.spec.shop_program.clone(), args.to_vec())
    }

    fn reconciler(&self) -> ProcSpec {
        let values = self.placeholders();
        let args = self.spec.reconciler.args.iter().map(|word| fill(word, &values)).collect();
        self.proc("reconciler", self.spec.reconciler.program.clone(), args)
    }

    /// What `${…}` in a reconciler's command may name.
    fn placeholders(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("mysql.cdc", format!("mysql://root@{}/shop", self.link("cdc"))),
            ("mysql.url", format!("mysql://root@{}/shop", self.link("sql"))),
            ("kafka.bootstrap", self.link("kafka").to_string()),
            ("topic.prefix", format!("{}.", self.spec.name)),
            ("topics", TOPICS.join(",")),
            ("group", format!("{}.reconciler", self.spec.name)),
            ("alerts.url", format!("http://{}/alerts", self.link("alerts"))),
            ("pager.url", format!("http://{}/alerts", self.link("pager"))),
            ("rules", self.spec.rules_dir().display().to_string()),
            ("plans.url", format!("http://{}/plans", self.link("alerts"))),
            ("shop.url", format!("http://{}", self.link("plans"))),
            ("listen", self.reconciler.to_string()),
            ("port", self.reconciler.port().to_string()),
        ])
    }
}

/// Replaces `${name}`; unknown names stay, so that the reconciler's own error shows them.
fn fill(word: &str, values: &BTreeMap<&'static str, String>) -> String {
    values
        .iter()
        .fold(word.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_unknown_ones_stay() {
        let values = BTreeMap::from([("port", "4711".to_owned())]);
        assert_eq!(
            fill("http://127.0.0.1:${port}/healthz", &values),
            "http://127.0.0.1:4711/healthz"
        );
        assert_eq!(fill("${mysql.password}", &values), "${mysql.password}");
    }
}

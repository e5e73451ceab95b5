//! The cell: everything that one scenario may break, and nothing that another one uses.
//!
//! Owns the wiring of a cell: its MySQL, its topics' prefix, its links, and the processes of shop, payment channel and
//! reconciler, each behind the links. Must not know faults, steps or what the processes do. Probes and the
//! inbox are above: their addresses come in with [`CellSpec`]; what `${…}` may name is in `wiring`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::container::{self, ContainerSpec};
use super::guardian::{Exit, Guardian, GuardianError, ProcSpec};
use super::member::Member;
use super::ports::free_port;
use super::wiring::{Placeholders, Wiring, fill};
use super::{Login, StageError};
use crate::clock::{CellTime, Clock, parse_rfc3339};
use crate::proxy::{Kind, Link, LinkSpec, Nodes, ProxyError};

/// The logical topics of a cell, one partition each.
pub const TOPICS: [&str; 3] = ["orders.events", "refund.events", "channel.flow"];

/// What a cell is made of.
#[derive(Clone, Debug)]
pub struct CellSpec {
    /// `c3-7`: the third cell's seventh use.
    pub name: String,
    /// Before the logical names of its topics.
    pub topic_prefix: String,
    pub dir: PathBuf,
    pub mysql: SocketAddr,
    /// A replica of it, where a scenario needs one: look-ups go there.
    pub replica: Option<SocketAddr>,
    /// Who its programs are there.
    pub login: Login,
    /// The shop's schema.
    pub schema: String,
    pub kafka: SocketAddr,
    /// How many there are of it: a cluster where more than one.
    pub brokers: usize,
    /// Where alerts and plan runs are posted.
    pub inbox: SocketAddr,
    pub shop_program: PathBuf,
    pub reconciler: ReconcilerSpec,
}

/// The system under test: who starts it, and whether it can be advanced.
#[derive(Clone, Debug)]
pub struct ReconcilerSpec {
    pub start: Start,
    /// It obeys `POST /clock/advance`; else everything in the cell lives in real time.
    pub advances: bool,
    /// Its rule files: each cell gets a copy of its own, `${rules}`, that a fault may spoil.
    pub rules: Option<PathBuf>,
    /// The process that watches it, where there is one: program and words.
    pub watchdog: Option<(PathBuf, Vec<String>)>,
    /// What sweeps the books of a day that is over, where there is such a thing: program and words.
    pub sweep: Option<(PathBuf, Vec<String>)>,
}

/// Who starts the reconciler; `${…}` in the words of a command is replaced, see [`Cell::fill`].
#[derive(Clone, Debug)]
pub enum Start {
    Process {
        program: PathBuf,
        args: Vec<String>,
    },
    /// In a container of its own, with the engine's client in the foreground.
    Container(ContainerSpec),
    /// It runs already, and its owner keeps it.
    Nobody,
}

/// Why a cell cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    #[error("open link {name} of cell {cell}: {source}")]
    Link { cell: String, name: &'static str, source: ProxyError },
    #[error("start {name}: {source}")]
    Start { name: String, source: GuardianError },
    #[error("no docker engine answers, and the system under test is a container: start one")]
    NoEngine,
    #[error("make the directory {path}: {source}")]
    Dir { path: PathBuf, source: std::io::Error },
    #[error("copy the rules {from} into the cell: {source}")]
    Rules { from: PathBuf, source: std::io::Error },
    #[error("the system under test has no watchdog: only the built-in one has, `dcheck watchdog`")]
    NoWatchdog,
    #[error(
        "the system under test sweeps no books: only the built-in one does, `dcheck reconcile`"
    )]
    NoSweep,
    #[error("the sweep of the books did not end within {0:?}")]
    SlowSweep(Duration),
    #[error("{name} ended ({exit}); the end of its log:\n{tail}")]
    Died { name: String, exit: String, tail: String },
    #[error(transparent)]
    Stage(#[from] StageError),
}

/// A running cell. Dropping it leaves its processes to the guardian; call [`Cell::stop`].
pub struct Cell {
    pub spec: CellSpec,
    pub clock: Clock,
    /// The same, as the reconciler was told: what its links hold until later would else be read by one that does not know
    /// yet how late it is.
    pub told: Clock,
    pub links: BTreeMap<&'static str, Link>,
    pub shop: Arc<Member>,
    pub channel: Arc<Member>,
    /// None where it runs already, somewhere else.
    pub reconciler: Option<Arc<Member>>,
    /// Started by the first scenario's step that wants it.
    watchdog: Mutex<Option<Arc<Member>>>,
    guardian: Guardian,
    values: Placeholders,
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

/// The link to the replica: reconciler -> its look-ups. Only in a cell that has one.
pub(super) const LOOKUPS: &str = "lookups";

/// The link by which the harness itself meets the databases, only in a cell that has a replica: either may lead. No fault
/// harms it.
pub const OURS: &str = "ours";

const DAY_MS: i64 = 86_400_000;
/// The books of a cell are some dozen rows.
const SWEEP_LIMIT: Duration = Duration::from_secs(60);

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The links that the reconciler uses.
pub const RECONCILERS: [&str; 5] = ["cdc", "sql", "kafka", "alerts", "plans"];

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
        let reach = container::reach(&spec.reconciler.start).await?;
        if let Some(from) = &spec.reconciler.rules {
            let copied = copy_rules(from, &spec.rules_dir());
            copied.map_err(|source| CellError::Rules { from: from.clone(), source })?;
        }
        let wrote = write_people(&spec);
        wrote.map_err(|source| CellError::Dir { path: spec.people(), source })?;
        let [shop, channel, reconciler] = free_ports()?;
        let told = Clock::from_origin(clock.origin());
        let links = open_links(&spec, [&clock, &told], reach, shop, channel).await?;
        let ledger = spec.dir.join("ledger.ndjson");
        let wiring =
            Wiring { spec: &spec, links: &links, shop, channel, reconciler, ledger: &ledger };
        let values = wiring.placeholders();
        let start = |proc: ProcSpec, address| Member::start(guardian, &clock, proc, address);
        let (shop, channel, reconciler) = tokio::try_join!(
            start(wiring.shop(), shop),
            start(wiring.channel(), channel),
            wiring.start_reconciler(guardian, &clock, &values),
        )?;
        let [shop, channel] = [shop, channel].map(Arc::new);
        let reconciler = reconciler.map(Arc::new);
        let (watchdog, guardian) = (Mutex::default(), guardian.clone());
        Ok(Cell {
            spec,
            clock,
            told,
            links,
            shop,
            channel,
            reconciler,
            watchdog,
            guardian,
            values,
            ledger,
        })
    }

    /// Replaces `${name}`; unknown names stay, so that whoever reads the text shows them.
    pub fn fill(&self, text: &str) -> String {
        fill(text, &self.values)
    }

    /// The address of the reconciler's own HTTP, where we started it.
    pub fn reconciler_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.values["port"])
    }

    /// Where the harness meets the database that the cell's programs write to, past whatever a fault may harm.
    pub fn mysql(&self) -> SocketAddr {
        self.links.get(OURS).map_or(self.spec.mysql, Link::addr)
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
        let mut values = self.values.clone();
        values.insert("reconciler.url", self.reconciler_url());
        values.insert("mysql.direct", self.spec.login.url(self.mysql(), &self.spec.schema));
        values.insert("listen", address.to_string());
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

    /// Sweeps the books of `day` (`2026-01-05`) once, to the end: how it ended, and what it printed last. To it the day is over; the
    /// cell goes on with its day.
    pub async fn sweep(&self, day: &str) -> Result<(Exit, String), CellError> {
        let (program, words) = self.spec.reconciler.sweep.clone().ok_or(CellError::NoSweep)?;
        let mut values = self.values.clone();
        values.insert("day", day.to_owned());
        let proc = ProcSpec {
            name: format!("sweep-{}", self.spec.name),
            program,
            args: words.iter().map(|word| fill(word, &values)).collect(),
            log: self.spec.dir.join("sweep.log"),
            ..ProcSpec::default()
        };
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let midnight = parse_rfc3339(&format!("{day}T00:00:00Z")).unwrap_or_default();
        let clock = self.clock.past(CellTime(midnight).plus_ms(DAY_MS));
        let member = Member::start(&self.guardian, &clock, proc, nowhere).await?;
        let ended = tokio::time::timeout(SWEEP_LIMIT, member.ended()).await;
        member.stop().await;
        ended.map_err(|_| CellError::SlowSweep(SWEEP_LIMIT))
    }

    /// Ends the processes and closes the links.
    pub async fn stop(self) {
        let reconciler = async {
            if let Some(member) = &self.reconciler {
                member.stop().await;
            }
        };
        let watchdog = self.watchdog.lock().await.take();
        if let Some(watchdog) = watchdog {
            watchdog.stop().await;
        }
        tokio::join!(reconciler, self.shop.stop(), self.channel.stop());
        for link in self.links.into_values() {
            // A link that will not close ends with its last handle.
            let _ = link.close().await;
        }
    }

    /// Told of whatever is changed on this machine before it is changed.
    pub fn guardian(&self) -> &Guardian {
        &self.guardian
    }

    /// Its processes by name.
    pub fn members(&self) -> impl Iterator<Item = (&'static str, &Arc<Member>)> {
        let ours = [("shop", &self.shop), ("channel", &self.channel)];
        ours.into_iter().chain(self.reconciler.iter().map(|member| ("reconciler", member)))
    }

    /// The first of the cell's processes that has ended by itself: (its name, why).
    pub async fn casualty(&self) -> Option<(&'static str, CellError)> {
        for (name, member) in self.members() {
            if let Some(obituary) = member.obituary().await {
                return Some((name, obituary));
            }
        }
        None
    }
}

impl CellSpec {
    /// Who may order anything of the reconciler in this cell: lines `NAME TOKEN`.
    pub fn people(&self) -> PathBuf {
        self.dir.join("people")
    }

    /// The token of the person on duty: good for this cell alone.
    pub fn people_token(&self) -> String {
        format!("on-duty-in-cell-{}", self.name)
    }

    /// The cell's own copy of the rule files.
    pub fn rules_dir(&self) -> PathBuf {
        self.dir.join("rules")
    }
}

fn write_people(spec: &CellSpec) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let mut file =
        options.write(true).create(true).truncate(true).mode(0o600).open(spec.people())?;
    writeln!(file, "on-duty {}", spec.people_token())
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
    [clock, told]: [&Clock; 2],
    reach: IpAddr,
    shop: SocketAddr,
    channel: SocketAddr,
) -> Result<BTreeMap<&'static str, Link>, CellError> {
    let mut links = BTreeMap::new();
    for (name, _) in LINKS {
        let (upstream, kind) = match name {
            "cdc" => (spec.mysql, Kind::Tcp),
            "sql" | "shop-sql" => (spec.mysql, Kind::Mysql),
            "kafka" | "shop-kafka" if spec.brokers > 1 => {
                // Each node is dialled where it says it is.
                (spec.kafka, Kind::Kafka(Nodes::PerNode(BTreeMap::new())))
            }
            "kafka" | "shop-kafka" => (spec.kafka, Kind::Kafka(Nodes::One)),
            "alerts" | "pager" => (spec.inbox, Kind::Tcp),
            "plans" | "channel-shop" => (shop, Kind::Tcp),
            _ => (channel, Kind::Tcp),
        };
        let mut link_spec = LinkSpec::new(name, upstream.to_string(), kind, clock.clone());
        if RECONCILERS.contains(&name) {
            link_spec.release = told.clone();
            link_spec.listen = SocketAddr::new(reach, 0);
        }
        let opened = Link::open(link_spec).await;
        let failed = |source| CellError::Link { cell: spec.name.clone(), name, source };
        links.insert(name, opened.map_err(failed)?);
    }
    let Some(replica) = spec.replica else { return Ok(links) };
    let beside = [(LOOKUPS, replica, Kind::Mysql, reach), (OURS, spec.mysql, Kind::Tcp, LOCAL)];
    for (name, to, kind, at) in beside {
        let mut link_spec = LinkSpec::new(name, to.to_string(), kind, clock.clone());
        link_spec.listen = SocketAddr::new(at, 0);
        let failed = |source| CellError::Link { cell: spec.name.clone(), name, source };
        links.insert(name, Link::open(link_spec).await.map_err(failed)?);
    }
    Ok(links)
}

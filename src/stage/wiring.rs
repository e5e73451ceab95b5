//! The commands of a cell's processes: who listens where, and what `${…}` may name.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::cell::{CellError, CellSpec, LOOKUPS, Start, TOPICS};
use super::container::Container;
use super::guardian::{Guardian, ProcSpec};
use super::member::Member;
use crate::clock::Clock;
use crate::proxy::Link;

/// What shop and payment channel sign callbacks with; each cell has its own.
const SECRET_ENV: &str = "LOSSDRILL_CHANNEL_SECRET";

/// Name -> what stands there in this cell.
pub(super) type Placeholders = BTreeMap<&'static str, String>;

/// Who listens where, while the commands are written.
pub(super) struct Wiring<'a> {
    pub spec: &'a CellSpec,
    pub links: &'a BTreeMap<&'static str, Link>,
    pub shop: SocketAddr,
    pub channel: SocketAddr,
    pub reconciler: SocketAddr,
    pub ledger: &'a std::path::Path,
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

    pub fn shop(&self) -> ProcSpec {
        let args = [
            "serve".to_owned(),
            format!("--listen={}", self.shop),
            format!("--mysql={}", self.mysql("shop-sql")),
            format!("--kafka={}", self.link("shop-kafka")),
            format!("--topic-prefix={}", self.spec.topic_prefix),
            format!("--channel=http://{}", self.link("shop-channel")),
            "--drill-clock".to_owned(),
        ];
        self.proc("shop", self.spec.shop_program.clone(), args.to_vec())
    }

    pub fn channel(&self) -> ProcSpec {
        let args = [
            "channel".to_owned(),
            format!("--listen={}", self.channel),
            format!("--ledger={}", self.ledger.display()),
            format!("--kafka={}", self.link("shop-kafka")),
            format!("--topic-prefix={}", self.spec.topic_prefix),
            format!("--shop=http://{}", self.link("channel-shop")),
            "--drill-clock".to_owned(),
        ];
        self.proc("channel", self.spec.shop_program.clone(), args.to_vec())
    }

    /// None where somebody else has started it.
    pub async fn start_reconciler(
        &self,
        guardian: &Guardian,
        clock: &Clock,
        values: &Placeholders,
    ) -> Result<Option<Member>, CellError> {
        let filled = |words: &[String]| words.iter().map(|word| fill(word, values)).collect();
        match &self.spec.reconciler.start {
            Start::Nobody => Ok(None),
            Start::Process { program, args } => {
                let proc = self.proc("reconciler", program.clone(), filled(args));
                Member::start(guardian, clock, proc, self.reconciler).await.map(Some)
            }
            Start::Container(container) => {
                let name = format!("lossdrill-{}-reconciler", self.spec.name);
                let started = Container::prepare(guardian, &name).await?;
                let run = container.run_args(&name, guardian.run_id(), self.reconciler);
                let args = [run, filled(&container.args)].concat();
                let proc = self.proc("reconciler", "docker".into(), args);
                let member = Member::start(guardian, clock, proc, self.reconciler).await?;
                Ok(Some(member.in_container(started)))
            }
        }
    }

    fn mysql(&self, link: &str) -> String {
        self.spec.login.url(self.link(link), &self.spec.schema)
    }

    /// What `${…}` in a reconciler's command, and in the addresses that it is asked at, may name.
    pub fn placeholders(&self) -> Placeholders {
        // Who runs already is beyond the links: it was told of the servers by its owner.
        let alerts = match self.spec.reconciler.start {
            Start::Nobody => self.spec.inbox,
            _ => self.link("alerts"),
        };
        // A container's loopback is its own; the engine publishes its port on this machine's.
        let listen = match self.spec.reconciler.start {
            Start::Container(_) => (Ipv4Addr::UNSPECIFIED, self.reconciler.port()).into(),
            _ => self.reconciler,
        };
        BTreeMap::from([
            ("mysql.cdc", self.mysql("cdc")),
            ("mysql.url", self.mysql("sql")),
            (
                "mysql.lookups",
                self.mysql(if self.spec.replica.is_some() { LOOKUPS } else { "sql" }),
            ),
            ("kafka.bootstrap", self.link("kafka").to_string()),
            ("topic.prefix", self.spec.topic_prefix.clone()),
            ("topics", TOPICS.join(",")),
            ("group", format!("{}.reconciler", self.spec.name)),
            ("alerts.url", format!("http://{alerts}/alerts")),
            ("pager.url", format!("http://{}/alerts", self.link("pager"))),
            ("people", self.spec.people().display().to_string()),
            ("rules", self.spec.rules_dir().display().to_string()),
            ("plans.url", format!("http://{alerts}/plans")),
            ("shop.url", format!("http://{}", self.link("plans"))),
            ("listen", listen.to_string()),
            ("port", self.reconciler.port().to_string()),
        ])
    }
}

/// Replaces `${name}`; unknown names stay, so that the reconciler's own error shows them.
pub(super) fn fill(word: &str, values: &Placeholders) -> String {
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

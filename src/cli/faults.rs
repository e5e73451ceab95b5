//! `faults list | heal --all`: what is known of each fault, and where it is possible on this machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::args::{FaultsArgs, FaultsCommand, Format};
use super::stage::{failed, told};
use crate::expect::span_text;
use crate::faults::{Blast, FaultSpec, Need, Param, Scale, registry};
use crate::journal::Exit;
use crate::stage::{Provider, sweep, undo};

const PROVIDERS: [(&str, Provider); 3] =
    [("local", Provider::Local), ("docker", Provider::Docker), ("external", Provider::External)];

pub async fn faults(args: FaultsArgs) -> Exit {
    match args.command {
        FaultsCommand::List { format } => {
            let views = views().await;
            match format {
                Format::Text => views.iter().for_each(|view| print!("{}", view.text())),
                Format::Json => match serde_json::to_string_pretty(&views) {
                    Ok(text) => return told(&text),
                    Err(error) => return failed(&error),
                },
            }
            Exit::Proved
        }
        FaultsCommand::Heal { .. } => {
            let swept = sweep::sweep().await;
            println!("{swept}");
            if swept.is_clean() { Exit::Proved } else { Exit::Dirty }
        }
    }
}

/// What a dead run has recorded; told line by line.
pub async fn undo(state_dir: &Path) -> Exit {
    match undo::carry_out(state_dir).await {
        Ok(undone) => {
            undone.iter().for_each(|line| println!("{line}"));
            Exit::Proved
        }
        Err(why) => {
            eprintln!("error: {why}");
            Exit::Dirty
        }
    }
}

/// A fault as it is told.
#[derive(Serialize)]
struct View {
    #[serde(flatten)]
    spec: &'static FaultSpec,
    proved_by: &'static str,
    healed_by: &'static str,
    providers: BTreeMap<&'static str, Standing>,
}

/// Whether a provider can do it here.
#[derive(Serialize)]
struct Standing {
    works: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

async fn views() -> Vec<View> {
    let mut able = Vec::new();
    for (name, provider) in PROVIDERS {
        able.push((name, provider, provider.able().await.map_err(|error| error.to_string())));
    }
    let standing = |spec: &FaultSpec, provider, able: &Result<(), String>| {
        let why = able.clone().and_then(|()| spec.able(provider)).err();
        Standing { works: why.is_none(), why }
    };
    let view = |spec: &'static FaultSpec| View {
        spec,
        proved_by: spec.proved_by(),
        healed_by: spec.healed_by(),
        providers: able.iter().map(|(name, at, able)| (*name, standing(spec, *at, able))).collect(),
    };
    registry::all().iter().map(view).collect()
}

impl View {
    /// Its id and doc; below them the rows that may stand under its step, with their defaults, and all else.
    fn text(&self) -> String {
        let spec = self.spec;
        let mut text = format!("{}\n    {}\n", spec.id, spec.doc);
        for param in &spec.params {
            let (name, default, doc) = (param.name, default(param), param.doc);
            let _ = writeln!(text, "    | {name} | {default} |  {doc}; {}", bounds(param));
        }
        let _ = writeln!(text, "    reaches {}; needs {}", reach(spec.blast), need(&spec.needs));
        let _ = writeln!(text, "    proved: {}; healed: {}", self.proved_by, self.healed_by);
        let told = self.providers.iter().map(|(name, standing)| match &standing.why {
            None => format!("{name} works"),
            Some(why) => format!("{name} cannot here: {why}"),
        });
        let _ = writeln!(text, "    {}\n", told.collect::<Vec<_>>().join("; "));
        text
    }
}

fn default(param: &Param) -> String {
    match param.scale {
        Scale::Span { default_ms, .. } => span_text(default_ms as i64),
        _ => param.default_text(),
    }
}

fn bounds(param: &Param) -> String {
    match &param.scale {
        Scale::Span { min_ms, max_ms, .. } => {
            format!("{} to {}", span_text(*min_ms as i64), span_text(*max_ms as i64))
        }
        Scale::Count { max, .. } => format!("1 to {max}"),
        Scale::Word { among, .. } => format!("one of {}", among.join(", ")),
        Scale::Name { .. } => "a bare name".to_owned(),
        Scale::Text { .. } => "any text".to_owned(),
    }
}

fn reach(blast: Blast) -> &'static str {
    match blast {
        Blast::Link => "its link",
        Blast::Cell => "its cell",
        Blast::Broker => "all cells of its broker",
    }
}

fn need(need: &Need) -> String {
    match need {
        Need::Switches => "the shop's switches".to_owned(),
        Need::Link(name) | Need::Orders(name) => format!("link `{name}`"),
        Need::Statements(name) => format!("link `{name}`, which reads MySQL's packets"),
        Need::Records(name) => format!("link `{name}`, which reads Kafka's frames"),
        Need::Process(name) => format!("process `{name}`"),
        Need::Rules => "rule files of the reconciler's own".to_owned(),
        Need::Books => "the shop's schema".to_owned(),
        Need::Server => "a MySQL server of its own".to_owned(),
        Need::ChangeLog(name) => format!("a MySQL server of its own, and link `{name}`"),
        Need::Broker => "topics of its own on a broker of ours".to_owned(),
        Need::Replica => "a replica of its MySQL server".to_owned(),
        Need::Cluster => "more than one broker of its own".to_owned(),
        Need::Group => "a consumer group of its own at a broker of ours".to_owned(),
        Need::Offsets(name) => format!("process `{name}`, and the position that it keeps"),
        Need::Limits(name) => format!("`{name}` as a process of this machine"),
        Need::Calls(name) => {
            format!("`{name}` as a process of this machine that the stage started")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(id: &str, providers: &[(&'static str, Option<&str>)]) -> View {
        let spec = registry::find(id).unwrap();
        let standing =
            |why: &Option<&str>| Standing { works: why.is_none(), why: why.map(str::to_owned) };
        let providers = providers.iter().map(|(name, why)| (*name, standing(why))).collect();
        View { spec, proved_by: spec.proved_by(), healed_by: spec.healed_by(), providers }
    }

    /// The rows are to be copied below a step; who reads it on a terminal sees a fault as one block.
    #[test]
    fn a_fault_is_a_block_of_its_own() {
        let providers = [("local", None), ("external", Some("a given server is its owner's"))];
        assert_eq!(
            view("process.mysql.crash-looping", &providers).text(),
            "process.mysql.crash-looping\n    \
             mysql is killed again and again, soon after each start; healing ends that\n    \
             | uptime | 200 ms |  it lives so long after each start; 10 ms to 60 s\n    \
             reaches its cell; needs process `mysql`\n    \
             proved: the process is asked for a sign of life; healed: the process is started again\n    \
             external cannot here: a given server is its owner's; local works\n\n"
        );
        let text = view("kafka.topic.deleted", &[("local", None)]).text();
        let rows: Vec<&str> = text.lines().filter(|line| line.contains('|')).collect();
        let row = "    | topic | orders.events |  by its logical name; \
                   one of orders.events, refund.events, channel.flow";
        assert_eq!(rows, [row]);
        assert!(!view("link.binlog.stalled", &[("local", None)]).text().contains('|'));
    }

    #[test]
    fn json_tells_why_only_where_it_does_not_work() {
        let view = view("link.binlog.stalled", &[("docker", Some("no engine")), ("local", None)]);
        let told = serde_json::to_value(&view).unwrap();
        assert_eq!(told["id"], "link.binlog.stalled");
        let docker = serde_json::json!({"works": false, "why": "no engine"});
        let providers = serde_json::json!({"docker": docker, "local": {"works": true}});
        assert_eq!(told["providers"], providers);
    }
}

//! `faults list | heal --all`: what is known of each fault, and where it is possible on this machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::args::{FaultsArgs, FaultsCommand, Format};
use super::stage::{failed, told};
use crate::expect::span_text;
use crate::faults::{Blast, FaultSpec, Need, Param, Scale, registry};
use crate::journal::Exit;
use crate::stage::{Provider, sweep};

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
        Need::Link(name) => format!("link `{name}`"),
        Need::Statements(name) => format!("link `{name}`, which reads MySQL's packets"),
        Need::Records(name) => format!("link `{name}`, which reads Kafka's frames"),
        Need::Process(name) => format!("process `{name}`"),
        Need::Rules => "rule files of the reconciler's own".to_owned(),
        Need::Books => "the shop's schema".to_owned(),
        Need::Server => "a MySQL server of its own".to_owned(),
        Need::ChangeLog(name) => format!("a MySQL server of its own, and link `{name}`"),
        Need::Broker => "topics of its own on a broker of ours".to_owned(),
        Need::Limits(name) => format!("`{name}` as a process of this machine"),
    }
}

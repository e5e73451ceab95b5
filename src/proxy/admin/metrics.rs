//! `/metrics`: Toxiproxy's two counters under their names, and what ours counts besides.

use std::fmt::Write;

use super::state::{Proxy, State};
use super::toxics::stream_name;

fn escape(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

/// One metric: its help, its type, and the samples that every proxy adds.
type Metric = (&'static str, &'static str, &'static str, fn(&Proxy) -> Vec<(String, u64)>);

fn by_direction(proxy: &Proxy, up: u64, down: u64) -> Vec<(String, u64)> {
    let Proxy { name, listen, upstream, .. } = proxy;
    let (name, upstream) = (escape(name), escape(upstream));
    let labels = |direction| {
        format!(
            r#"direction="{direction}",proxy="{name}",listener="{listen}",upstream="{upstream}""#
        )
    };
    vec![(labels("upstream"), up), (labels("downstream"), down)]
}

fn of_proxy(proxy: &Proxy, value: u64) -> Vec<(String, u64)> {
    vec![(format!(r#"proxy="{}""#, escape(&proxy.name)), value)]
}

const METRICS: &[Metric] = &[
    (
        "toxiproxy_proxy_received_bytes_total",
        "counter",
        "Bytes read from the client (upstream) and from the upstream (downstream).",
        |proxy| {
            let stats = proxy.link.as_ref().map(|link| link.stats());
            stats.map_or(Vec::new(), |stats| {
                by_direction(proxy, stats.bytes_from_client, stats.bytes_from_upstream)
            })
        },
    ),
    (
        "toxiproxy_proxy_sent_bytes_total",
        "counter",
        "Bytes written to the upstream (upstream) and to the client (downstream).",
        |proxy| {
            let stats = proxy.link.as_ref().map(|link| link.stats());
            stats.map_or(Vec::new(), |stats| {
                by_direction(proxy, stats.bytes_to_upstream, stats.bytes_to_client)
            })
        },
    ),
    ("lossdrill_proxy_enabled", "gauge", "1 while the proxy listens.", |proxy| {
        of_proxy(proxy, u64::from(proxy.link.is_some()))
    }),
    ("lossdrill_proxy_connections_open", "gauge", "Connections open now.", |proxy| {
        of_proxy(proxy, proxy.link.as_ref().map_or(0, |link| link.stats().connections_open))
    }),
    ("lossdrill_proxy_connections_total", "counter", "Connections since enabled.", |proxy| {
        of_proxy(proxy, proxy.link.as_ref().map_or(0, |link| link.stats().connections_total))
    }),
    ("lossdrill_proxy_held_bytes", "gauge", "Bytes read and not yet written.", |proxy| {
        of_proxy(proxy, proxy.link.as_ref().map_or(0, |link| link.held_bytes()))
    }),
    (
        "lossdrill_proxy_toxic_hits_total",
        "counter",
        "Chunks that a toxic acted on, connections that it cut.",
        |proxy| {
            let armed = proxy.link.as_ref().map_or(Vec::new(), |link| link.toxics());
            let hits = |id| armed.iter().find(|armed| Some(armed.id) == id).map_or(0, |a| a.hits);
            let sample = |placed: &super::state::Placed| {
                let (named, proxy) = (&placed.named, escape(&proxy.name));
                let (toxic, kind, stream) =
                    (escape(&named.name), named.kind.name, stream_name(named.stream));
                let labels =
                    format!(r#"proxy="{proxy}",toxic="{toxic}",type="{kind}",stream="{stream}""#);
                (labels, hits(placed.id))
            };
            proxy.toxics.iter().map(sample).collect()
        },
    ),
];

/// All metrics, as Prometheus reads them.
pub(super) fn page(state: &State) -> String {
    let mut text = String::new();
    for (name, kind, help, samples) in METRICS {
        // Writing to a String does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for proxy in state.proxies.values() {
            for (labels, value) in samples(proxy) {
                let _ = writeln!(text, "{name}{{{labels}}} {value}");
            }
        }
    }
    text
}

//! `lossdrill proxy`: the fault proxy as a program of its own, until SIGTERM or SIGINT.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::args::Format;
use crate::journal::Exit;
use crate::proxy::admin::{Admin, LISTEN_DEFAULT};

#[derive(Args, Debug)]
pub struct ProxyArgs {
    /// Where the API listens; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = LISTEN_DEFAULT)]
    pub listen: String,
    /// JSON list of proxies, with their toxics, to begin with
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Seed of all randomness; default: a new one, printed
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

pub async fn proxy(args: ProxyArgs) -> Exit {
    match run(args).await {
        Ok(()) => Exit::Proved,
        Err(mistakes) => {
            mistakes.iter().for_each(|mistake| eprintln!("error: {mistake}"));
            Exit::Usage
        }
    }
}

async fn run(args: ProxyArgs) -> Result<(), Vec<String>> {
    let whole = |error: &dyn std::fmt::Display| vec![error.to_string()];
    // Before the API can be seen: who waits for it may end us at once.
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut term), Ok(mut int)) = signals else {
        return Err(vec!["cannot wait for SIGTERM and SIGINT".to_owned()]);
    };
    // 32 bits: any JSON reader keeps them exact.
    let seed = args.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let admin = Admin::bind(&args.listen, seed)
        .await
        .map_err(|error| vec![format!("{error}, with --listen")])?;
    let mut proxies = 0;
    if let Some(file) = &args.config {
        let place = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = std::fs::read_to_string(file).map_err(|error| vec![place(&error)])?;
        let loaded = admin.load(&text).await;
        proxies = loaded.map_err(|mistakes| {
            mistakes.iter().map(|mistake| place(mistake)).collect::<Vec<_>>()
        })?;
    }
    let addr = admin.addr();
    match args.format {
        Format::Text => println!("listening on {addr}, seed {seed}, proxies {proxies}"),
        Format::Json => {
            println!(
                "{}",
                json!({"listening": addr.to_string(), "seed": seed, "proxies": proxies})
            );
        }
    }
    let ended = async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    };
    admin.serve(ended).await.map_err(|error| whole(&error))
}

//! The command line of `shop`: `serve`, `channel`, `schema`.
//!
//! Exit codes: 0 ended by a signal, 1 the listener failed, 2 usage, configuration or a missing
//! schema. Try it: `shop --help`. Not covered: configuration files (the harness names everything).

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde_json::json;

use super::broker::{BackOff, Broker};
use super::business_log;
use super::channel::Channel;
use super::http;
use super::schema::{Books, ddl};
use super::services::Shop;
use super::signature::{SECRET_ENV, Secret};
use super::socket;
use crate::clock::Clock;

const USAGE: u8 = 2;
/// Threads of one process: a machine carries many cells.
const THREADS: usize = 2;

/// The practice storefront and its payment channel: a target range for fault drills.
#[derive(Parser)]
#[command(
    name = "shop",
    version,
    after_help = "Example:
  shop schema | mysql -uroot shop
  export LOSSDRILL_CHANNEL_SECRET=practice
  shop channel --listen 127.0.0.1:8091 --ledger /tmp/ledger.ndjson \
    --kafka 127.0.0.1:9092 --shop http://127.0.0.1:8090 &
  shop serve --listen 127.0.0.1:8090 --mysql mysql://root@127.0.0.1:3306/shop \
    --kafka 127.0.0.1:9092 --channel http://127.0.0.1:8091"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the storefront.
    Serve(Serve),
    /// Serve the payment channel, which keeps its own ledger.
    Channel(Counter),
    /// Print the DDL of the schema; it may be loaded again and again.
    Schema,
}

#[derive(Args)]
struct Common {
    /// Address to listen on; port 0 takes a free one, and stdout says which.
    #[arg(long)]
    listen: SocketAddr,
    /// Kafka bootstrap servers.
    #[arg(long)]
    kafka: String,
    /// Put before the name of each topic.
    #[arg(long, default_value = "")]
    topic_prefix: String,
    /// Take the clock from LOSSDRILL_CLOCK and accept POST /clock/advance.
    #[arg(long)]
    drill_clock: bool,
    /// Secret that signs payment callbacks.
    #[arg(long, env = SECRET_ENV, hide_env_values = true)]
    secret: String,
}

#[derive(Args)]
struct Serve {
    #[command(flatten)]
    common: Common,
    /// The shop's schema: mysql://root@127.0.0.1:3306/shop
    #[arg(long)]
    mysql: String,
    /// Base URL of the payment channel.
    #[arg(long)]
    channel: String,
}

#[derive(Args)]
struct Counter {
    #[command(flatten)]
    common: Common,
    /// The ledger, a file of one JSON line for each movement of money.
    #[arg(long)]
    ledger: PathBuf,
    /// Base URL of the shop that is called back.
    #[arg(long)]
    shop: String,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Schema = cli.command {
        print!("{}", ddl());
        return ExitCode::SUCCESS;
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, error),
    };
    let code = runtime.block_on(async {
        match cli.command {
            Command::Serve(serve) => serve.run().await,
            Command::Channel(counter) => counter.run().await,
            Command::Schema => ExitCode::SUCCESS,
        }
    });
    // What is in progress survives a crash, so it need not be waited for.
    runtime.shutdown_background();
    code
}

fn fail(code: u8, error: impl Display) -> ExitCode {
    eprintln!("shop: {error}");
    ExitCode::from(code)
}

impl Common {
    fn clock(&self) -> Result<Clock, String> {
        if self.drill_clock { Clock::from_env() } else { Ok(Clock::system()) }
    }

    fn broker(&self) -> Broker {
        Broker { bootstrap: self.kafka.clone(), topic_prefix: self.topic_prefix.clone() }
    }
}

async fn listen(common: &Common, router: axum::Router) -> ExitCode {
    match socket::serve(common.listen, router).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, format!("cannot serve on {}: {error}", common.listen)),
    }
}

impl Serve {
    async fn run(&self) -> ExitCode {
        let common = &self.common;
        let clock = match common.clock() {
            Ok(clock) => clock,
            Err(error) => return fail(USAGE, error),
        };
        let books = match Books::open(&self.mysql) {
            Ok(books) => books,
            Err(error) => return fail(USAGE, error),
        };
        let opened = Shop::open(
            books.clone(),
            clock.clone(),
            Secret::new(&common.secret),
            common.broker(),
            &self.channel,
        );
        let shop = match opened {
            Ok(shop) => shop,
            Err(error) => return fail(USAGE, error),
        };
        shop.start();
        tokio::select! {
            code = listen(common, http::router(shop, common.drill_clock)) => code,
            missing = lacking(&books, &clock) => fail(USAGE, format!(
                "the schema of {} lacks {}: load the output of `shop schema` into it",
                self.mysql,
                missing.join(", ")
            )),
        }
    }
}

/// Ends when the schema is seen to lack tables; never, when it has them all. Waits for a server
/// that is away.
async fn lacking(books: &Books, clock: &Clock) -> Vec<&'static str> {
    let mut back_off = BackOff::default();
    loop {
        match books.missing_tables().await {
            Ok(missing) if missing.is_empty() => std::future::pending::<()>().await,
            Ok(missing) => return missing,
            Err(refusal) => {
                if back_off.is_fresh() {
                    let fields = json!({"reason": refusal.to_string()});
                    business_log::log("schema_unchecked", clock.now(), &fields);
                }
                tokio::time::sleep(back_off.next_pause()).await;
            }
        }
    }
}

impl Counter {
    async fn run(&self) -> ExitCode {
        let common = &self.common;
        let clock = match common.clock() {
            Ok(clock) => clock,
            Err(error) => return fail(USAGE, error),
        };
        let secret = Secret::new(&common.secret);
        match Channel::start(&self.ledger, clock, secret, &common.broker(), &self.shop) {
            Ok(channel) => listen(common, channel.router(common.drill_clock)).await,
            Err(error) => fail(USAGE, error),
        }
    }
}

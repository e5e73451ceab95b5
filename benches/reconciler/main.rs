//! The reconciler beside what it cannot be faster than: its rules beside native code, its reading of a log beside the bare one,
//! its alerts beside a bare reader and a bare POST.
//!
//! `cargo bench --bench reconciler` measures (a release build, some minutes; `-- --help`), `benches/README.md` says what each
//! row means and keeps the last figures. `cargo test --bench reconciler` runs a slice of every row and looks at no time: each contender
//! has found what it must find. Rows with servers need `ci/setup --local`.

#[allow(dead_code)] // it is the tests' own
#[path = "../../tests/dcheck/cell.rs"]
mod cell;
mod engine;
mod figures;
mod inbox;
mod latency;
mod limits;
mod log;
mod scene;
#[path = "../../tests/servers/mod.rs"]
mod servers;
mod stream;

use std::process::ExitCode;

use figures::Report;

const HELP: &str = "\
Measures dcheck: rules, reading, and how late it tells.

Usage: cargo bench --bench reconciler -- [ROW]... [--rounds N] [--events N] [--rate N] [--json]

  ROW         rows to measure, by the beginning of their names; default: all
  --rounds N  rounds of every row, the contenders in turn in each, after one that warms up; default 7
  --events N  events of a round: of `log` all, of the others a fifth; default 100,000
  --rate N    honest updates a second while latencies are measured; default 500
  --json      a line of JSON for every row

Example: cargo bench --bench reconciler -- clause index --rounds 11
";

/// How much of a row is done.
#[derive(Clone, Copy)]
pub struct Size {
    pub rounds: usize,
    pub events: usize,
    /// Of the log.
    pub logged: usize,
    pub passes: usize,
    /// Mismatches whose way is timed.
    pub alerts: usize,
    /// Honest updates a second.
    pub rate: u32,
}

const WHOLE: Size =
    Size { rounds: 7, events: 20_000, logged: 100_000, passes: 10, alerts: 200, rate: 500 };
const SLICE: Size = Size { rounds: 1, events: 400, logged: 400, passes: 1, alerts: 3, rate: 50 };

#[derive(Clone, Copy)]
enum Work {
    Alone(fn(Size) -> Report),
    /// The whole way from the log to the verdict.
    Log,
    Alert,
    Missing,
}

struct Row {
    id: &'static str,
    title: &'static str,
    work: Work,
}

const ROWS: &[Row] = &[
    Row {
        id: "clause",
        title: "one rule of five clauses beside native code",
        work: Work::Alone(engine::clause),
    },
    Row {
        id: "index",
        title: "1,000 rules of which 5 match beside 5",
        work: Work::Alone(engine::index),
    },
    Row {
        id: "states",
        title: "keys that are changed all day beside keys that are changed once",
        work: Work::Alone(engine::states),
    },
    Row {
        id: "log",
        title: "binlog to verdict with 50 rules beside the bare read of the same log",
        work: Work::Log,
    },
    Row {
        id: "alert",
        title: "mismatch committed to webhook and to the plan's first action, under load",
        work: Work::Alert,
    },
    Row {
        id: "missing",
        title: "missing counterpart told after its deadline, under load",
        work: Work::Missing,
    },
];

struct Args {
    rows: Vec<String>,
    size: Size,
    json: bool,
}

fn args(given: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut args = Args { rows: Vec::new(), size: WHOLE, json: false };
    let mut given = given.filter(|arg| arg != "--bench");
    while let Some(arg) = given.next() {
        let mut number = || {
            let text = given.next().ok_or(format!("`{arg}` wants a value"))?;
            match text.replace([',', '_'], "").parse::<u32>() {
                Ok(number) if number > 0 => Ok(number),
                _ => Err(format!("`{arg}` `{text}` is no whole number above 0")),
            }
        };
        match arg.as_str() {
            "--rounds" => args.size.rounds = number()? as usize,
            "--events" => {
                args.size.logged = number()? as usize;
                args.size.events = args.size.logged.div_ceil(5).max(10);
            }
            "--rate" => args.size.rate = number()?,
            "--json" => args.json = true,
            "--help" | "-h" => return Err(HELP.to_owned()),
            _ if arg.starts_with('-') => return Err(format!("unknown flag `{arg}`\n\n{HELP}")),
            _ if !ROWS.iter().any(|row| row.id.starts_with(&arg)) => {
                let rows: Vec<_> = ROWS.iter().map(|row| row.id).collect();
                return Err(format!("no row `{arg}`: {}", rows.join(", ")));
            }
            _ => args.rows.push(arg),
        }
    }
    Ok(args)
}

/// None where the servers that it needs are not prepared, which was said.
async fn measured(row: &Row, size: Size) -> Option<Report> {
    if let Work::Alone(work) = row.work {
        return Some(work(size));
    }
    let servers = tokio::task::block_in_place(servers::up)?;
    Some(match row.work {
        Work::Log => log::measure(servers, size).await,
        Work::Alert => latency::alert(servers, size).await,
        _ => latency::missing(servers, size).await,
    })
}

fn main() -> ExitCode {
    let given = || std::env::args().skip(1);
    // As many threads as the daemon has.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let is_bench = given().any(|arg| arg == "--bench");
    let read = match is_bench {
        true => args(given()),
        false => args(given().filter(|arg| !arg.starts_with('-')))
            .map(|args| Args { size: SLICE, ..args }),
    };
    let args = match read {
        Ok(args) => args,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    let done = runtime.block_on(all(&args, is_bench));
    runtime.shutdown_background();
    done
}

async fn all(args: &Args, is_bench: bool) -> ExitCode {
    let asked =
        |row: &&Row| args.rows.is_empty() || args.rows.iter().any(|name| row.id.starts_with(name));
    let (mut passed, mut failures) = (0, Vec::new());
    for row in ROWS.iter().filter(asked) {
        let Some(report) = measured(row, args.size).await else { continue };
        let mistakes = report.mistakes();
        passed += usize::from(mistakes.is_empty());
        if is_bench && args.json {
            println!("{}", report.json(row.id));
        } else if is_bench {
            println!("{}: {}", row.id, row.title);
            report.lines().iter().for_each(|line| println!("{line}"));
        }
        failures.extend(mistakes.into_iter().map(|wrong| format!("{}: {wrong}", row.id)));
    }
    failures.iter().for_each(|failure| println!("{failure}"));
    let failed = failures.len();
    if !is_bench {
        let word = if failed == 0 { "ok" } else { "FAILED" };
        println!("test result: {word}. {passed} passed; {failed} failed; 0 ignored");
    }
    ExitCode::from(u8::from(failed > 0))
}

//! `lossdrill proxy` beside HAProxy in TCP mode and Toxiproxy, one table, rounds interleaved.
//!
//! `cargo bench --bench proxy` measures (a release build, some minutes; `-- --help`), `benches/README.md` keeps the last
//! figures. `cargo test --bench proxy` runs a slice of every row and looks at no time but that of arming, which has a
//! limit far above what it takes. `ci/setup --bench` installs the others; a missing one is left out, and said so.

mod contender;
mod load;
mod row;
mod table;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use contender::Contender;
use row::{ROWS, Row, Size};
use table::Series;

const HELP: &str = "\
Measures `lossdrill proxy` beside HAProxy and Toxiproxy.

Usage: cargo bench --bench proxy -- [ROW]... [--rounds N] [--ms N] [--beside PROGRAM] [--json]

  ROW               rows to measure, by the beginning of their names; default: all
  --rounds N        rounds of every row, the contenders in turn in each; default 7
  --ms N            how long each is measured in a round; default 400
  --beside PROGRAM  another build of lossdrill, in a column of its own
  --json            a line of JSON for every row instead of the table

Example: cargo bench --bench proxy -- small paced --beside /tmp/lossdrill-before
";

/// Arming is to take hold while a request of a client is under way; a slow machine has this long.
const ARM_LIMIT_MS: f64 = 1000.0;

struct Args {
    rows: Vec<String>,
    rounds: usize,
    size: Size,
    beside: Option<PathBuf>,
    json: bool,
}

const WHOLE: Size = Size {
    lasts: Duration::from_millis(400),
    bulk_bytes: 2 << 30,
    connections_max: 1000,
    cycles: 10_000,
};
const SLICE: Size = Size {
    lasts: Duration::from_millis(100),
    bulk_bytes: 32 << 20,
    connections_max: 100,
    cycles: 100,
};

fn args(given: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut args = Args { rows: Vec::new(), rounds: 7, size: WHOLE, beside: None, json: false };
    let mut given = given.filter(|arg| arg != "--bench");
    while let Some(arg) = given.next() {
        let mut value = || given.next().ok_or(format!("`{arg}` wants a value"));
        let number = |text: String| match text.parse::<u32>() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(format!("`{arg}` `{text}` is no whole number above 0")),
        };
        match arg.as_str() {
            "--rounds" => args.rounds = number(value()?)? as usize,
            "--ms" => args.size.lasts = Duration::from_millis(number(value()?)?.into()),
            "--beside" => args.beside = Some(value()?.into()),
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

fn main() -> ExitCode {
    let given = || std::env::args().skip(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    if !given().any(|arg| arg == "--bench") {
        return runtime.block_on(slice(given().filter(|arg| !arg.starts_with('-')).collect()));
    }
    match args(given()) {
        Ok(args) => runtime.block_on(whole(args)),
        Err(text) => {
            eprintln!("{text}");
            ExitCode::from(2)
        }
    }
}

fn wanted<'a>(rows: &'a [String]) -> impl Iterator<Item = &'static Row> + 'a {
    let asked =
        move |row: &&Row| rows.is_empty() || rows.iter().any(|name| row.id.starts_with(name));
    ROWS.iter().filter(asked)
}

fn contenders(beside: Option<PathBuf>) -> (Vec<Contender>, Vec<&'static str>) {
    let (all, missing) = Contender::all(beside);
    for name in &missing {
        eprintln!("NOT MEASURED, {name} is missing: ci/setup --bench");
    }
    (all, missing)
}

/// One round of `row`: every contender once, before `upstream`.
async fn round(
    row: &Row,
    all: &[Contender],
    upstream: SocketAddr,
    size: Size,
    series: &mut Vec<Series>,
) {
    for contender in all.iter().filter(|contender| row.fits(contender)) {
        let running = contender.start(upstream).await;
        let measured = row.measure(&running, size).await;
        let name = contender.name();
        let figures = measured.unwrap_or_else(|error| {
            eprintln!("{}, {name}: {error}", row.id);
            vec![f64::INFINITY; row.columns.len()]
        });
        match series.iter_mut().find(|series| series.contender == name) {
            Some(series) => series.rounds.push(figures),
            None => series.push(Series { contender: name, rounds: vec![figures] }),
        }
    }
}

async fn whole(args: Args) -> ExitCode {
    let (all, _) = contenders(args.beside);
    let upstream = load::upstream();
    let names: Vec<_> = all.iter().map(Contender::name).collect();
    if !args.json {
        println!("{}", table::head(&names));
    }
    for row in wanted(&args.rows) {
        let mut series = Vec::new();
        for _ in 0..row.rounds(args.rounds) {
            round(row, &all, upstream, args.size, &mut series).await;
        }
        if table::is_wide(row, &series) {
            for _ in 0..row.rounds(args.rounds) {
                round(row, &all, upstream, args.size, &mut series).await;
            }
        }
        if args.json {
            println!("{}", table::json(row, &series));
        } else {
            table::lines(row, &names, &series).iter().for_each(|line| println!("{line}"));
        }
    }
    ExitCode::SUCCESS
}

/// Every row once and short: each has its figures, and ours arms in time.
async fn slice(rows: Vec<String>) -> ExitCode {
    let (all, missing) = contenders(None);
    let upstream = load::upstream();
    let mut failures = Vec::new();
    if std::env::var_os("LOSSDRILL_NEED_SERVERS").is_some() {
        failures.extend(missing.iter().map(|name| format!("{name} is missing: ci/setup --bench")));
    }
    let (mut passed, mut failed) = (0, failures.len());
    for row in wanted(&rows) {
        let mut series = Vec::new();
        round(row, &all, upstream, SLICE, &mut series).await;
        let wrong: Vec<_> = series.iter().filter_map(|series| mistake(row, series)).collect();
        if wrong.is_empty() {
            passed += 1
        } else {
            failed += 1
        }
        failures.extend(wrong);
    }
    failures.iter().for_each(|failure| println!("{failure}"));
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!("test result: {word}. {passed} passed; {failed} failed; 0 ignored");
    ExitCode::from(u8::from(failed > 0))
}

/// What is wrong with the figures of one round. What others miss is theirs.
fn mistake(row: &Row, series: &Series) -> Option<String> {
    let name = series.contender;
    let figures = &series.rounds[0];
    let late = row.is_change() && figures.iter().any(|figure| *figure > ARM_LIMIT_MS);
    let none = figures.iter().any(|figure| !figure.is_finite());
    let ours = matches!(name, "ours" | "direct");
    (ours && (late || none) || none && !row.is_change())
        .then(|| format!("{}, {name}: {figures:?}", row.id))
}

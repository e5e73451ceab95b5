//! A dcheck of its own with the bench's rules and plans, on real servers, and the table that it watches.

use std::path::Path;
use std::time::{Duration, Instant};

use lossdrill::dcheck::engine::rules;
use mysql_async::prelude::Queryable;
use mysql_async::{BinlogStream, BinlogStreamRequest, Conn, Opts, OptsBuilder};

use super::cell::Cell;
use super::servers::Servers;
use super::stream::TABLE;

/// Where a log is, to be read from there.
pub type Place = (String, u64);

/// A private MySQL and Kafka, dcheck stopped, `shop.pay_order` empty.
pub async fn stopped(servers: &Servers, name: &str) -> Cell {
    let mut cell = Cell::new(servers, name, None).await;
    cell.kill();
    cell.sql.query_drop("USE shop").await.expect("the cell made it");
    cell.sql.query_drop(TABLE).await.expect("a new table");
    cell
}

/// Gives dcheck other files, and takes it off the drill's clock: marks would date what is read.
pub fn equip(cell: &mut Cell, dir: &Path, rules_yaml: &str, plan_yaml: Option<&str>) {
    let (rules_dir, plans_dir) = (dir.join("rules"), dir.join("plans"));
    for dir in [&rules_dir, &plans_dir] {
        std::fs::create_dir_all(dir).expect("a directory of the bench");
    }
    std::fs::write(rules_dir.join("bench.yaml"), rules_yaml).expect("rules");
    let plan = plan_yaml.unwrap_or_default();
    if !plan.is_empty() {
        std::fs::write(plans_dir.join("bench.yaml"), plan).expect("a plan");
    }
    rules::load_dir(&rules_dir).expect("the bench's own rules");
    let dirs = [("--rules", rules_dir), ("--plans", plans_dir)];
    for (flag, dir) in dirs {
        set(cell, flag, &dir.display().to_string());
    }
    cell.args.retain(|arg| arg != "--drill-clock");
    set(cell, "--results", "sample");
}

/// Another value for an option that is given, or a new option.
pub fn set(cell: &mut Cell, flag: &str, value: &str) {
    match cell.args.iter().position(|arg| arg == flag) {
        Some(at) => value.clone_into(&mut cell.args[at + 1]),
        None => cell.args.extend([flag.to_owned(), value.to_owned()]),
    }
}

fn opts(servers: &Servers) -> Opts {
    let opts = Opts::from_url(&servers.mysql().mysql_url("shop")).expect("the stage's own URL");
    OptsBuilder::from_opts(opts).prefer_socket(false).tcp_nodelay(true).into()
}

pub async fn connected(servers: &Servers) -> Conn {
    Conn::new(opts(servers)).await.expect("MySQL answers")
}

/// The log's end now.
pub async fn log_end(conn: &mut Conn) -> Place {
    let row: Option<mysql_async::Row> =
        conn.query_first("SHOW BINARY LOG STATUS").await.expect("MySQL has a log");
    let mut row = row.expect("MySQL has a log");
    (row.take(0).expect("a file"), row.take(1).expect("a place"))
}

/// mysql_async's own stream, from `place` on.
pub async fn bare_stream(servers: &Servers, place: &Place, replica: u32) -> BinlogStream {
    let request = BinlogStreamRequest::new(replica).with_filename(place.0.as_bytes());
    let request = request.with_pos(place.1);
    connected(servers).await.get_binlog_stream(request).await.expect("MySQL streams its log")
}

/// `count` payments that are not booked yet; `P-0` is the first.
pub async fn payments(conn: &mut Conn, count: usize, merchants: usize) {
    let numbers: Vec<usize> = (0..count).collect();
    for part in numbers.chunks(500) {
        let values = part.iter().map(|nth| {
            let merchant = nth % merchants;
            format!("('P-{nth}','O-{nth}','M-{merchant}','alipay','PAID',0,100,'CNY',0)")
        });
        let values = values.collect::<Vec<_>>().join(",");
        conn.query_drop(format!("INSERT INTO pay_order VALUES {values}")).await.expect("payments");
    }
}

/// A figure of `/metrics`, summed over its labels that contain `with`.
pub async fn metric(cell: &Cell, name: &str, with: &str) -> f64 {
    let text = cell.text("metrics").await;
    let of = text.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            && line.contains(with)
    });
    of.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// Honest updates, `rate` a second, until dropped. The payments must be there.
pub struct Load(tokio::task::JoinHandle<()>);

impl Load {
    pub async fn start(servers: &Servers, rate: u32, payments: usize) -> Load {
        let mut conn = connected(servers).await;
        Load(tokio::spawn(async move {
            let mut every = tokio::time::interval(Duration::from_secs(1) / rate);
            every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
            for nth in 0_usize.. {
                every.tick().await;
                let (amount, payment) = (1 + nth / payments % 99, nth % payments);
                let sql = format!(
                    "UPDATE pay_order SET amount = {amount}, updated_at_ms = updated_at_ms + 1 \
                     WHERE pay_id = 'P-{payment}'"
                );
                if conn.query_drop(sql).await.is_err() {
                    return;
                }
            }
        }))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Milliseconds from one instant to another; negative where it was before.
pub fn millis(from: Instant, to: Instant) -> f64 {
    match to.checked_duration_since(from) {
        Some(later) => later.as_secs_f64() * 1e3,
        None => -(from - to).as_secs_f64() * 1e3,
    }
}

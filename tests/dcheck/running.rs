//! The first start beside a platform that runs already: nobody is called for the half of a pair that came before it.

use lossdrill::wire::{Judged, Judgement};
use mysql_async::prelude::Queryable;

use crate::cases::{ALL, flow, paid};
use crate::cell::Cell;
use crate::servers::Servers;

const RULE: &str = "paid-order-unpaid";
/// Behind the rule's window.
const WINDOW_MS: i64 = 60_000;

async fn collected(cell: &Cell, order: &str) {
    let at = cell.clock.now().0;
    let message = flow("collected", order, "", "100.00", &format!("{order}-in"), at);
    cell.send("channel.flow", &message).await;
}

async fn judged(cell: &Cell) -> Vec<(String, Judgement)> {
    let judged: Vec<Judged> = cell.get("judged?after=0").await;
    let own = judged.into_iter().filter(|judged| judged.rule == RULE);
    own.map(|judged| (judged.subject.id, judged.judgement)).collect()
}

async fn over(cell: &mut Cell) {
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    cell.advance(WINDOW_MS).await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
}

/// A cell without a checkpoint that begins there.
async fn first_start(servers: &Servers, start: &str) -> Cell {
    let mut cell = Cell::new(servers, &format!("running-{start}"), None).await;
    cell.kill();
    cell.sql.query_drop("DROP DATABASE dcheck").await.unwrap();
    let group = cell.args.iter().position(|arg| arg == "--group").unwrap() + 1;
    cell.args[group].push_str("-again");
    let place = cell.args.iter().position(|arg| arg == "--start").unwrap() + 1;
    start.clone_into(&mut cell.args[place]);
    cell
}

pub async fn a_first_start_calls_nobody_for_what_came_before_it(servers: &Servers) {
    let mut cell = first_start(servers, "latest").await;
    // Both halves before, and the booked half of another one.
    paid(&mut cell, "O-1", "100.00").await;
    let row = "INSERT INTO shop.orders VALUES ('O-2', 'b', 100, 'CNY', 'PAID', 'alipay')";
    cell.sql.query_drop(row).await.unwrap();
    cell.start().await;
    collected(&cell, "O-2").await;
    over(&mut cell).await;
    let unknown = ("O-2".to_owned(), Judgement::Unknown);
    assert_eq!(judged(&cell).await, [unknown], "topics and log begin alike");
    assert!(cell.heard.alerts.lock().unwrap().is_empty(), "no alert of its own, and no other");
    // What came later is found, also after a restart.
    cell.kill();
    cell.start().await;
    collected(&cell, "O-3").await;
    over(&mut cell).await;
    assert_eq!(cell.alerts(RULE).len(), 1);
    cell.kill();
    // The oldest that this server still has: all that it was used for before.
    first_start(servers, "earliest").await.start().await;
}

//! Records that are gone before they were read, and topics that are not what they were.

use lossdrill::wire::{Judged, Judgement};

use crate::cases::{ALL, flow, paid, paid_out};
use crate::cell::Cell;
use crate::servers::Servers;

const FLOW: &str = "channel.flow";

/// What the blind alerts say, in order.
fn blind(cell: &Cell) -> Vec<String> {
    let alerts = cell.heard.alerts.lock().unwrap();
    let told = alerts
        .iter()
        .filter(|alert| alert.labels["alertname"] == "records-unread" && alert.status == "firing");
    told.map(|alert| {
        assert_eq!(alert.labels["subject"], "channel.flow/0");
        alert.annotations["actual"].clone()
    })
    .collect()
}

async fn judgements(cell: &Cell, rule: &str) -> Vec<Judgement> {
    let judged: Vec<Judged> = cell.get("judged?after=0").await;
    judged.iter().filter(|j| j.rule == rule).map(|j| j.judgement).collect()
}

pub async fn records_cut_before_they_were_read_are_told_and_make_no_finding(servers: &Servers) {
    let mut cell = Cell::new(servers, "cut", None).await;
    paid(&mut cell, "O-1", "100.00").await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    cell.kill();
    // Two marks and a payment were read: what the next order paid stands at offset 3, and is thrown away.
    paid(&mut cell, "O-2", "100.00").await;
    cell.cut(FLOW, 4).await;
    paid_out(&cell, "O-2", "R-2", "100.00", "P-2").await;
    cell.start().await;
    cell.until("the blind alert", |heard| !heard.alerts.lock().unwrap().is_empty()).await;
    let told = blind(&cell);
    assert!(told[0].contains("1 records, offsets 3 to 3, were thrown away"), "{told:?}");
    assert!(told[0].contains("refund-exceeds-payment"), "which rules: {told:?}");
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    assert_eq!(judgements(&cell, "refund-exceeds-payment").await, [Judgement::Unknown]);
    assert!(cell.heard.plans.lock().unwrap().is_empty(), "no plan acts on what was not seen");
    // Told once, and not again after a restart; what is seen whole is judged.
    cell.kill();
    cell.start().await;
    paid(&mut cell, "O-3", "10.00").await;
    paid_out(&cell, "O-3", "R-3", "19.00", "P-3").await;
    cell.until("the finding", |heard| heard.alerts.lock().unwrap().len() > 1).await;
    assert_eq!(cell.alerts("refund-exceeds-payment").len(), 1);
    assert_eq!(blind(&cell).len(), 1);
}

pub async fn a_topic_made_anew_is_told_and_read_from_its_beginning(servers: &Servers) {
    let mut cell = Cell::new(servers, "anew", None).await;
    paid(&mut cell, "O-1", "100.00").await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    // While nobody reads, and with more records than before: no offset tells that it is another topic.
    cell.kill();
    cell.make_anew(FLOW).await;
    for number in 0..6 {
        let (order, at) = (format!("A-{number}"), cell.clock.now().0);
        cell.send(FLOW, &flow("paid-out", "O-1", "R-1", "1.00", &order, at)).await;
    }
    cell.start().await;
    cell.until("the findings", |heard| heard.alerts.lock().unwrap().len() >= 6).await;
    assert_eq!(cell.alerts("refund-paid-twice").len(), 5, "of six payouts, from the first on");
    let told = blind(&cell);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("made anew; it was read up to offset 3"), "{told:?}");
    // While it is read.
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    cell.make_anew(FLOW).await;
    cell.until("the second alert", |heard| {
        let alerts = heard.alerts.lock().unwrap();
        let told = |alert: &&lossdrill::wire::WebhookAlert| {
            alert.labels["alertname"] == "records-unread" && alert.status == "firing"
        };
        alerts.iter().filter(told).count() == 2
    })
    .await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    assert_eq!(blind(&cell).len(), 2, "each is told once");
}

//! The shop and its channel as processes, on a real MySQL and a real Kafka.
//!
//! `servers/mod.rs` says where the servers come from. All cases share the two, each has its own
//! schema, topics and processes. `LOSSDRILL_CASE` picks cases by a part of their name. The outage
//! cases come last, because they kill the servers.

#![cfg(all(feature = "harness", feature = "shop"))]

mod fulfilment;
mod market;
mod outage;
mod payouts;
mod refunds;
mod rig;
#[path = "../servers/mod.rs"]
mod servers;
mod wallet;

use std::time::Instant;

use rig::Cell;
use tokio::task::{LocalSet, spawn_local};

type Case = (&'static str, fn(Cell) -> futures::future::LocalBoxFuture<'static, Cell>);

/// A case from an async function that takes the cell by reference.
macro_rules! case {
    ($path:path) => {
        (stringify!($path), |mut cell| {
            Box::pin(async move {
                $path(&mut cell).await;
                cell
            })
        })
    };
}

const CASES: &[Case] = &[
    case!(market::an_honest_purchase_is_paid_and_told),
    case!(market::the_last_piece_is_sold_once),
    case!(market::the_same_request_has_the_same_answer),
    case!(market::the_price_guard_refuses_a_lost_digit),
    case!(market::a_bare_order_is_charged_once),
    case!(market::a_dropped_callback_is_backfilled),
    case!(market::a_forged_payment_is_struck_out_and_a_real_one_stays),
    case!(market::a_delayed_callback_comes_by_an_advance),
    case!(market::a_sale_breaker_stops_its_item_and_ends),
    case!(market::what_is_wrong_is_refused_with_a_reason),
    case!(refunds::partial_refunds_at_once_stay_within_the_payment),
    case!(refunds::a_second_delivery_pays_only_by_the_defect),
    case!(refunds::rest_is_never_claimed_over_an_acked_record),
    case!(refunds::a_refund_breaker_stops_payouts_until_its_end),
    case!(refunds::a_released_breaker_lets_parked_payouts_go),
    case!(wallet::two_transfers_at_once_leave_nobody_below_zero),
    case!(wallet::a_transfer_has_two_legs_that_add_up_to_zero),
    case!(wallet::a_frozen_account_pays_nobody_and_is_paid),
    case!(wallet::each_defect_is_a_fault_and_each_fault_a_defect),
    case!(fulfilment::a_late_payment_of_a_closed_order_goes_back_once),
    case!(fulfilment::a_late_payment_is_kept_only_by_a_defect),
    case!(fulfilment::a_late_payment_that_is_put_off_goes_back_in_the_end),
    case!(fulfilment::what_is_refunded_in_full_is_not_sent),
    case!(fulfilment::an_order_grants_its_points_once),
    case!(payouts::a_bill_is_paid_once_however_often_it_is_asked_for),
    case!(payouts::a_new_account_counts_once_it_is_confirmed_or_a_day_old),
    case!(payouts::a_payout_breaker_holds_what_is_ordered_until_its_end),
    case!(payouts::the_changes_of_a_bill_add_up_to_it),
    case!(payouts::an_edit_by_hand_is_seen_and_taken_back),
    case!(outage::a_restart_in_mid_way_keeps_everything),
    case!(outage::a_channel_away_delays_and_loses_nothing),
    case!(outage::a_shop_away_is_called_back_later),
    case!(outage::mysql_away_answers_503_and_goes_on),
    case!(outage::kafka_away_holds_events_and_goes_on),
];

#[tokio::test]
async fn the_shop_on_real_servers() {
    LocalSet::new().run_until(all_cases()).await;
}

async fn all_cases() {
    let Some(servers) = servers::up() else { return };
    let wanted = std::env::var("LOSSDRILL_CASE").unwrap_or_default();
    let mut failed = Vec::new();
    for (number, (name, case)) in CASES.iter().enumerate() {
        if !name.contains(&wanted) {
            continue;
        }
        let started = Instant::now();
        let cell = Cell::lease(servers, number).await;
        let leased = started.elapsed();
        let outcome = spawn_local(case(cell)).await;
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!(
            "{word:6} {name} ({} ms, cell {} ms)",
            started.elapsed().as_millis(),
            leased.as_millis()
        );
        if outcome.is_err() {
            failed.push(*name);
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
}

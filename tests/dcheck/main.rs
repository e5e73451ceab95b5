//! The reconciler against a real MySQL and a real Kafka: rows in, alerts and plans out.
//!
//! `servers/mod.rs` says where the servers come from. One test: each case makes the tables of its
//! one MySQL server anew.

#![cfg(all(feature = "harness", feature = "shop", feature = "dcheck"))]

mod cases;
mod cell;
mod killed;
mod link;
mod log;
mod missed;
mod offline;
mod plans;
mod poison;
mod readings;
mod replay;
mod rollout;
mod running;
#[path = "../servers/mod.rs"]
mod servers;
mod services;
mod visible;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dcheck_on_real_servers() {
    let Some(servers) = servers::up() else { return };
    cases::marks_move_the_watermark_of_idle_sources(servers).await;
    cases::rows_in_alert_and_plan_out(servers).await;
    cases::a_bid_below_the_market_is_off_sale_until_it_is_mended(servers).await;
    cases::a_bid_below_its_floor_stays_off_sale_until_it_is_mended(servers).await;
    visible::a_lookup_sees_what_the_log_has_told(servers).await;
    cases::a_kill_alerts_nothing_twice_and_loses_nothing(servers).await;
    cases::a_stalled_log_is_a_blind_alert(servers).await;
    running::a_first_start_calls_nobody_for_what_came_before_it(servers).await;
    missed::records_cut_before_they_were_read_are_told_and_make_no_finding(servers).await;
    missed::a_topic_made_anew_is_told_and_read_from_its_beginning(servers).await;
    poison::undecodable_messages_are_kept_counted_and_told(servers).await;
    plans::a_plan_waits_for_a_person_and_is_reverted_by_one(servers).await;
    plans::a_plan_that_is_refused_or_forgotten_touches_nothing(servers).await;
    plans::a_kill_switch_is_told_and_survives(servers).await;
    log::a_rule_broken_by_ddl_is_told_and_the_others_go_on(servers).await;
    log::a_server_without_full_rows_is_refused_with_all_that_is_wrong(servers).await;
    replay::a_recording_is_judged_again_byte_for_byte(servers).await;
    offline::what_online_found_is_known_and_what_it_missed_is_told_once(servers).await;
    offline::a_sweep_that_is_killed_goes_on_and_tells_each_finding_once(servers).await;
    offline::a_bad_line_makes_no_finding_of_what_is_missing(servers).await;
    offline::a_rule_on_trial_is_swept_and_told_when_it_is_in_force(servers).await;
    readings::our_reading_and_mysqlbinlogs_agree(servers).await;
    killed::kills_change_no_finding(servers).await;
    rollout::a_candidate_is_compared_promoted_and_rolled_back(servers).await;
    services::a_slow_service_is_done_without_until_it_is_quick_again(servers).await;
    cases::a_stop_is_clean_and_quick(servers).await;
    log::a_purged_log_is_told_by_its_transactions_and_never_skipped(servers).await;
}

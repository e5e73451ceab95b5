//! The reconciler against a real MySQL and a real Kafka: rows in, alerts and plans out.
//!
//! Needs servers: `LOSSDRILL_TEST_MYSQL` and `LOSSDRILL_TEST_KAFKA` (`HOST:PORT`; user root without
//! password), or
//! `LOSSDRILL_RECIPES`, a directory with `mysql-local.sh` and `kafka-local.sh` that start them.
//! Skipped, and said so, without. One test, so that the cases share the servers and the servers are
//! stopped at the end.

mod cases;
mod cell;
mod link;
mod servers;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dcheck_on_real_servers() {
    let Some(servers) = servers::Servers::find() else {
        eprintln!(
            "SKIPPED tests/dcheck: needs MySQL and Kafka; set LOSSDRILL_RECIPES or LOSSDRILL_TEST_*"
        );
        return;
    };
    cases::marks_move_the_watermark_of_idle_sources(&servers).await;
    cases::rows_in_alert_and_plan_out(&servers).await;
    cases::a_bid_below_the_market_is_off_sale_until_it_is_mended(&servers).await;
    cases::a_kill_alerts_nothing_twice_and_loses_nothing(&servers).await;
    cases::a_stalled_log_is_a_blind_alert(&servers).await;
    cases::a_stop_is_clean_and_quick(&servers).await;
}

//! Records that are gone before they were read: what they may have held makes no finding.

use super::*;

const FLOW: &str = "channel.flow/0";

fn lose(engine: &mut Engine, source: &str, at: i64) -> Vec<String> {
    let (source, id) = (source.to_owned(), format!("17-{at}"));
    let what = "12 records were thrown away".to_owned();
    lines(&engine.step(Input::Missed { source, id, what }, CellTime(at)))
}

/// The lines of one rule after all that `events` give, with every source read to its end long after.
fn told(engine: &mut Engine, events: Vec<Event>, rule: &str) -> Vec<String> {
    let mut outputs: Vec<Output> = Vec::new();
    let mut last = 0;
    for event in events {
        last = event.at.0;
        outputs.extend(engine.step(Input::Event(event), CellTime(last)));
    }
    outputs.extend(mark_all(engine, 9, last + 3_600_000));
    outputs.extend(engine.step(Input::Tick, CellTime(last + 3_600_001)));
    let mut shown = lines(&outputs);
    shown.retain(|line| line.starts_with(rule));
    shown
}

#[test]
fn what_was_not_read_makes_no_finding_and_no_silence() {
    let refund = || paid_out(9_000, "O-1", "R-1", "P-1", "199.00 CNY");
    let mut whole = engine();
    mark_all(&mut whole, 1, 1_000);
    let exceeds = "refund-exceeds-payment mismatched order O-1 / P-1 199.00 CNY";
    assert_eq!(told(&mut whole, vec![refund()], "refund-exceeds"), [exceeds]);

    let mut blind = engine();
    mark_all(&mut blind, 1, 1_000);
    let alert = lose(&mut blind, FLOW, 5_000);
    assert_eq!(
        alert,
        ["blind records-unread mismatched source channel.flow/0 / channel.flow/0@17-5000"]
    );
    let held = "refund-exceeds-payment unknown order O-1 / P-1";
    assert_eq!(told(&mut blind, vec![refund()], "refund-exceeds"), [held]);
    assert_balanced(&blind);
}

#[test]
fn what_was_seen_stays_a_finding() {
    let mut engine = engine();
    mark_all(&mut engine, 1, 1_000);
    lose(&mut engine, FLOW, 5_000);
    let twice = ["P-1", "P-2"].map(|txn| paid_out(9_000, "O-1", "R-1", txn, "10.00 CNY"));
    let found = told(&mut engine, twice.to_vec(), "refund-paid-twice mism");
    assert_eq!(found, ["refund-paid-twice mismatched refund R-1 / P-2 10.00 CNY"]);
}

#[test]
fn an_order_that_began_after_the_gap_is_judged() {
    let mut engine = engine();
    mark_all(&mut engine, 1, 1_000);
    lose(&mut engine, FLOW, 5_000);
    let events = vec![
        collected(8_000, "O-2", "T-2", "100.00 CNY"),
        paid_out(9_000, "O-2", "R-2", "P-2", "199.00 CNY"),
    ];
    let above = "refund-exceeds-payment mismatched order O-2 / P-2 99.00 CNY";
    assert_eq!(told(&mut engine, events, "refund-exceeds"), [above]);
}

#[test]
fn a_window_is_held_back_only_where_the_gap_reaches_into_it() {
    // Lost from the change log: whether the order was booked as paid.
    for (paid_at, gap_at, word) in [
        (2_000, 10_000, "unknown order O-1 / T-1"),
        (60_000, 10_000, "mismatched order O-1 / T-1 199.00 CNY"),
    ] {
        let mut engine = engine();
        mark_all(&mut engine, 1, 1_000);
        if paid_at < gap_at {
            let early = collected(paid_at, "O-1", "T-1", "199.00 CNY");
            engine.step(Input::Event(early), CellTime(paid_at));
        }
        lose(&mut engine, "binlog", gap_at);
        let event = collected(paid_at.max(gap_at), "O-1", "T-1", "199.00 CNY");
        let found = told(&mut engine, vec![event], "paid-order-unpaid");
        assert_eq!(found, [format!("paid-order-unpaid {word}")], "{paid_at} {gap_at}");
    }
}

#[test]
fn a_gap_outlives_a_restart_and_its_alert_ends() {
    let mut engine = engine();
    mark_all(&mut engine, 1, 1_000);
    lose(&mut engine, FLOW, 5_000);
    let again = lose(&mut engine, FLOW, 6_000);
    assert_eq!(again.len(), 2, "the first ends, the second is told by itself: {again:?}");
    let far = 5_000 + 30 * 24 * 3_600_000;
    let ended = lines(&engine.step(Input::Tick, CellTime(far)));
    let end =
        "unblind records-unread matched source channel.flow/0 / channel.flow/0@17-6000 resolved";
    assert!(ended.iter().any(|line| line == end), "{ended:?}");

    let snapshot = engine.snapshot();
    let mut back =
        Engine::restore(project_rules(), &sources(), HashSet::new(), &snapshot).expect("restored");
    let refund = paid_out(far + 1, "O-1", "R-1", "P-1", "199.00 CNY");
    let held = "refund-exceeds-payment unknown order O-1 / P-1";
    assert_eq!(told(&mut back, vec![refund], "refund-exceeds"), [held]);
}

/// What is told of rules after the tables were seen, by the columns of `orders`.
fn see(engine: &mut Engine, columns: &[(&str, &str)], ddl: Option<&str>) -> Vec<String> {
    let columns = columns.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned()));
    let tables = [("orders".to_owned(), columns.collect())].into();
    let outputs =
        engine.step(Input::Tables { tables, ddl: ddl.map(str::to_owned) }, CellTime(9_000));
    let told = |output: &Output| match output {
        Output::Blind(verdict) => format!("{}: {}", verdict.subject.id, verdict.actual),
        other => line(other),
    };
    outputs.iter().map(told).collect()
}

#[test]
fn a_rule_broken_by_ddl_is_told_and_the_others_go_on() {
    let whole = [("order_id", "varchar"), ("status", "varchar"), ("note", "text")];
    let mut engine = engine();
    assert!(see(&mut engine, &whole, None).is_empty(), "what was never there is no change");
    let ddl = Some("ALTER TABLE orders MODIFY status INT");
    let changed = [("order_id", "varchar"), ("status", "int")];
    let told = see(&mut engine, &changed, ddl);
    let unpaid = "paid-order-unpaid: rule broken by DDL: column `orders.status` is int, it was varchar; \
                  by: ALTER TABLE orders MODIFY status INT";
    assert!(told.iter().any(|line| line == unpaid), "{told:?}");
    assert!(!told.iter().any(|line| line.starts_with("bid-below-market")), "{told:?}");
    assert!(see(&mut engine, &changed, None).is_empty(), "told once");
    // A restart knows what it was; the column as it was ends it.
    let snapshot = engine.snapshot();
    let mut back =
        Engine::restore(project_rules(), &sources(), HashSet::new(), &snapshot).expect("restored");
    assert!(see(&mut back, &changed, None).is_empty(), "a restart does not tell it twice");
    let ended = see(&mut back, &whole, None);
    assert!(ended.iter().all(|line| line.starts_with("unblind rule-broken-by-ddl")), "{ended:?}");
    assert_eq!(ended.len(), told.len(), "and ends it");
    let gone = see(&mut back, &[("order_id", "varchar")], None);
    let word =
        "paid-order-unpaid: rule broken by DDL: column `orders.status` is gone, it was varchar";
    assert!(gone.iter().any(|line| line.starts_with(word)), "{gone:?}");
    // Rules loaded while nobody can look at the tables: what is known of them stays.
    see(&mut back, &changed, ddl);
    assert!(back.step(Input::Replace(project_rules()), CellTime(10_000)).is_empty());
    assert!(see(&mut back, &changed, None).is_empty(), "told once");
    // Rules that were held against them are written for the tables as they are.
    let ended = lines(&back.step(Input::Fitted, CellTime(10_001)));
    assert!(ended.iter().any(|line| line.starts_with("unblind rule-broken-by-ddl")), "{ended:?}");
    assert!(see(&mut back, &changed, None).is_empty());
}

#[test]
fn a_rule_that_never_fitted_is_told_until_it_does() {
    let mut engine = engine();
    let unfit =
        Input::Unfit { rule: "paid-order-unpaid".to_owned(), why: "no `orders.status`".to_owned() };
    assert!(engine.step(unfit, CellTime(1_000)).is_empty(), "nobody has seen the tables yet");
    let told = "paid-order-unpaid: rule does not fit its tables: no `orders.status`";
    assert_eq!(see(&mut engine, &[("order_id", "varchar")], None), [told]);
    assert!(see(&mut engine, &[("order_id", "varchar")], None).is_empty(), "once");
    let whole = [("order_id", "varchar"), ("status", "varchar"), ("channel", "varchar")];
    let ended = see(&mut engine, &whole, None);
    assert!(ended.iter().any(|line| line.starts_with("unblind rule-broken-by-ddl")), "{ended:?}");
}

#[test]
fn that_one_version_fits_does_not_end_what_is_told_of_the_other() {
    let rule = |version: u32, column: &str, rollout: &str| {
        format!(
            "- {{id: r, version: {version}, loss_point: l, severity: P1, rollout: {rollout}, strategy: threshold, \
             subject: {{kind: order, id: after.order_id}}, occurrence: after.order_id, \
             on: {{table: orders, ops: insert}}, check: after.{column} > 1, when_absent: ok, expected: e, actual: a}}\n"
        )
    };
    let watch = "- {id: w, version: 1, loss_point: l, severity: P0, rollout: full, strategy: self-watch, \
                 watches: columns, when_absent: finding}\n";
    let text = rule(1, "payed", "full") + &rule(2, "paid", "shadow") + watch;
    let set = rules::load(&[(PathBuf::from("r.yaml"), text)]).expect("sound");
    let mut engine = Engine::new(Arc::new(set), &sources(), HashSet::new());
    let unfit = Input::Unfit { rule: "r".to_owned(), why: "no `payed`".to_owned() };
    engine.step(unfit, CellTime(1_000));
    let columns = [("order_id", "varchar"), ("paid", "int")];
    assert_eq!(see(&mut engine, &columns, None), ["r: rule does not fit its tables: no `payed`"]);
    let ddl = Some("ALTER TABLE orders DROP paid");
    assert!(see(&mut engine, &columns[..1], ddl).is_empty(), "told already");
    let ended = see(&mut engine, &[columns[0], columns[1], ("payed", "int")], None);
    assert!(ended.iter().any(|line| line.starts_with("unblind w")), "{ended:?}");
}

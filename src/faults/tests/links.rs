//! Faults of links: each on a link of each kind, and what their parameters change.

use super::*;

#[tokio::test]
async fn every_link_fault_strikes_is_seen_and_heals_twice() {
    let run = Run::new();
    for spec in registry::all().iter().filter(|spec| spec.layer == Layer::Link) {
        let mut nemesis = Nemesis::new(links().await);
        let struck = nemesis.strike(&spec.id, none(), &run.scribe, Phase::Inject).await;
        assert!(matches!(struck, Ok(Struck::Bites(_))), "{}: {struck:?}", spec.id);
        let withheld: Vec<_> = nemesis.withheld().into_iter().collect();
        let mut declared: Vec<_> = spec.withholds.iter().map(|name| (*name).to_owned()).collect();
        declared.sort();
        assert_eq!(withheld, declared);
        for _ in 0..2 {
            let healed = nemesis.heal_all(&run.scribe, Phase::Heal, LIMIT).await;
            assert!(healed.len() == 1 && all_healed(&healed), "{healed:?}");
        }
        assert!(nemesis.withheld().is_empty() && nemesis.live().is_empty());
        assert!(nemesis.held_links().is_empty());
    }
    let told = run.told();
    assert_eq!(
        told[..5],
        [
            "armed:link.binlog.stalled",
            "intent:link.binlog.stalled",
            "in-place:link.binlog.stalled",
            "bites:link.binlog.stalled",
            "healed:link.binlog.stalled",
        ]
    );
    assert_eq!(told.iter().filter(|line| line.starts_with("healed:")).count(), 9 * 12, "once each");
}

#[tokio::test]
async fn a_delay_on_cell_time_is_proved_by_its_due_time() {
    let run = Run::new();
    let mut nemesis = Nemesis::new(links().await);
    let struck =
        nemesis.strike("link.binlog.slow", params("delay", "40 s"), &run.scribe, Phase::When);
    let Struck::Bites(evidence) = struck.await.unwrap() else { panic!("it bites") };
    assert!(evidence.contains("due at cell time 4"), "{evidence}");
    assert!(all_healed(&nemesis.heal_all(&run.scribe, Phase::Heal, LIMIT).await));
}

#[tokio::test]
async fn a_fault_that_does_not_bite_is_said_to() {
    let run = Run::new();
    let ground = links().await;
    // Somebody else's reset stands before the stall: the stall itself is never felt.
    ground.links["cdc"].arm(Toxic::reset(0)).unwrap();
    let mut nemesis = Nemesis::new(ground.clone());
    let struck = nemesis.strike("link.binlog.stalled", none(), &run.scribe, Phase::Inject).await;
    let error = struck.unwrap_err().to_string();
    assert!(error.starts_with("`link.binlog.stalled` was not seen to bite: "), "{error}");
    assert_eq!(nemesis.live().len(), 1, "and it is to be healed");
    // The link answers nobody, but its upstream does: that heal cannot be proved.
    let healed = nemesis.heal_all(&run.scribe, Phase::Heal, LIMIT).await;
    let error = healed[0].result.clone().unwrap_err();
    assert!(error.contains("but its upstream answers"), "{error}");
    // Without the obstacle the same heal is proved, later.
    let obstacle = ground.links["cdc"].toxics()[0].id;
    ground.links["cdc"].disarm(obstacle);
    assert!(all_healed(&nemesis.heal_all(&run.scribe, Phase::Heal, LIMIT).await));
    assert_eq!(run.told().last().unwrap(), "healed:link.binlog.stalled");
}

/// A fault with parameters is told to bite by `evidence`.
async fn bites(id: &str, given: &[(&str, &str)], evidence: &str) {
    let (run, seed) = (Run::new(), 7);
    let mut nemesis = Nemesis::new(Ground { seed, ..links().await });
    let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    match nemesis.strike(id, given.collect(), &run.scribe, Phase::When).await {
        Ok(Struck::Bites(told)) => assert!(told.contains(evidence), "{id}: {told}"),
        other => panic!("{id}: {other:?}"),
    }
    let healed = nemesis.heal_all(&run.scribe, Phase::Heal, LIMIT).await;
    assert!(all_healed(&healed), "{id}: {healed:?}");
}

#[tokio::test]
async fn parameters_are_seen_in_what_is_measured() {
    for (id, given, evidence) in [
        ("link.alerts.slow", &[("delay", "40 ms"), ("jitter", "40 ms")][..], ", then "),
        (
            "link.kafka.slow",
            &[("delay", "30 ms"), ("jitter", "20 ms"), ("spread", "normal")],
            ", then ",
        ),
        (
            "link.sql.slow",
            &[("delay", "10 ms"), ("jitter", "10 ms"), ("spread", "pareto")],
            ", then ",
        ),
        ("link.alerts.slow", &[("delay", "40 s"), ("jitter", "10 s")], "due at cell time"),
        ("link.kafka.throttled", &[("rate", "1")], "at 1 KB/s at least 1"),
        ("link.alerts.throttled", &[("rate", "1000")], "at 1000 KB/s at least 1"),
        ("link.alerts.sliced", &[("size", "100"), ("pause", "2 ms")], ": 2"),
        ("link.alerts.limited", &[("bytes", "1")], ": 1 bytes in 1 reads"),
        ("link.kafka.limited", &[("bytes", "70000")], ": 70000 bytes in "),
        ("link.alerts.swallowed", &[("after", "20 ms")], ": 0 bytes in 0 reads"),
    ] {
        bites(id, given, evidence).await;
    }
}

#[tokio::test]
async fn a_share_of_the_connections_suffers_and_the_others_do_not() {
    for id in ["slow", "throttled", "sliced", "limited", "swallowed", "reset"] {
        let share = [("share", "40")];
        bites(&format!("link.alerts.{id}"), &share, "those that the seed draws").await;
    }
    bites("link.alerts.reset", &[("share", "3")], "1 of ").await;
}

#[tokio::test]
async fn a_harm_that_reaches_the_spared_is_found_out() {
    let (run, ground) = (Run::new(), links().await);
    let mut nemesis = Nemesis::new(ground.clone());
    // Somebody else's delay, of everybody.
    ground.links["alerts"].arm(Toxic::latency(50, 0, Direction::Both)).unwrap();
    let given =
        [("delay", "20 ms"), ("share", "1")].map(|(name, v)| (name.to_owned(), v.to_owned()));
    let struck = nemesis.strike("link.alerts.slow", given.into(), &run.scribe, Phase::When).await;
    let error = struck.unwrap_err().to_string();
    assert!(error.contains(" is to be spared: an answer after "), "{error}");
}

#[tokio::test]
async fn another_seed_draws_other_connections() {
    let drawn = |seed| async move {
        let (run, ground) = (Run::new(), Ground { seed, ..links().await });
        let link = ground.links["alerts"].clone();
        let mut nemesis = Nemesis::new(ground);
        let share = params("share", "50");
        nemesis.strike("link.alerts.slow", share, &run.scribe, Phase::When).await.unwrap();
        let id = link.toxics()[0].id;
        (0..200).map(|number| link.touches(id, number).unwrap()).collect::<Vec<_>>()
    };
    let (one, again, other) = (drawn(1).await, drawn(1).await, drawn(2).await);
    assert_eq!(one, again);
    assert_ne!(one, other);
    let suffer = one.iter().filter(|suffers| **suffers).count();
    assert!((70..130).contains(&suffer), "{suffer} of 200");
}

/// Each on a link that does something else: the proof does not take the one for the other.
#[tokio::test]
async fn a_harm_that_is_not_there_is_not_seen() {
    let run = Run::new();
    for (id, given) in [
        ("link.alerts.throttled", ("rate", "10")),
        ("link.alerts.limited", ("bytes", "100")),
        ("link.alerts.sliced", ("size", "16")),
        ("link.alerts.slow-to-close", ("delay", "100 ms")),
        ("link.alerts.slow-to-connect", ("delay", "100 ms")),
        ("link.alerts.unheard", ("", "")),
    ] {
        let ground = links().await;
        // Nobody's connection lives long enough to be harmed otherwise.
        ground.links["alerts"].arm(Toxic::reset(0)).unwrap();
        let mut nemesis = Nemesis::new(ground);
        let given = if given.0.is_empty() { none() } else { params(given.0, given.1) };
        let struck = nemesis.strike(id, given, &run.scribe, Phase::When).await;
        let error = struck.unwrap_err();
        assert!(matches!(error, FaultError::NoBite { .. }), "{id}: {error}");
    }
}

#[test]
fn what_could_not_be_seen_is_refused_before_anything_is_touched() {
    let spec = registry::find("link.sql.slow").unwrap();
    let check = |given: &[(&str, &str)]| {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        spec.check_params(&given.collect()).map(drop).map_err(|error| error.to_string())
    };
    for (given, ends) in [
        (&[("jitter", "200 ms")][..], "jitter 200 ms is above the delay of 100 ms"),
        (&[("jitter", "50 ms"), ("share", "40")], "cannot both be seen: leave one out"),
    ] {
        let error = check(given).unwrap_err();
        assert!(error.ends_with(ends), "{error}");
    }
    assert_eq!(check(&[("jitter", "50 ms")]), Ok(()));
    assert_eq!(check(&[("share", "40")]), Ok(()));
}

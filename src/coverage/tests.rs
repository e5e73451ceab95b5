//! Tables of evidence and policies.

use rust_decimal::Decimal;

use super::*;
use crate::journal::{Basis, Demands};

fn point(id: &str, priority: &str, loss: i64) -> PointFacts {
    PointFacts {
        id: id.into(),
        title: id.into(),
        priority: priority.into(),
        loss: Money::cny(loss),
        plan: id != "b",
    }
}

/// `a1`: an attack on `a` with its plan; `a2`: its twin; `b1`: an attack on `b`.
fn proofs() -> Vec<Proof> {
    let proof = |scenario: &str, control| Proof {
        scenario: scenario.into(),
        loss_point: scenario[..1].into(),
        control,
        twin: control,
        plan: !control && scenario.starts_with('a'),
    };
    vec![proof("a1", false), proof("a2", true), proof("b1", false)]
}

fn points() -> [PointFacts; 3] {
    [point("a", "p0", 100_00), point("b", "p0", 300_00), point("c", "p1", 200_00)]
}

#[test]
fn a_point_is_proved_where_an_attack_ran_and_nothing_of_it_is_red() {
    use Verdict::{Fail, Inconclusive, Pass};
    for (verdicts, a, b) in [
        (vec![], Standing::NotRun, Standing::NotRun),
        (vec![("a1", Pass), ("a2", Pass), ("b1", Pass)], Standing::Proved, Standing::Proved),
        (vec![("a1", Pass), ("a2", Fail)], Standing::Failed, Standing::NotRun),
        (vec![("a1", Inconclusive), ("b1", Fail)], Standing::Inconclusive, Standing::Failed),
        (vec![("a2", Pass)], Standing::NotAttacked, Standing::NotRun),
    ] {
        let verdicts: Verdicts<'_> = verdicts.into_iter().collect();
        let table = Table::of(&points(), &proofs(), Some(&verdicts), false);
        let last: Vec<Standing> = table.rows.iter().filter_map(|row| row.last).collect();
        assert_eq!(last, [a, b, Standing::NotRun], "{verdicts:?}");
    }
}

#[test]
fn points_are_ordered_by_loss_or_id_and_summed_in_money() {
    let ids = |by_loss| {
        let table = Table::of(&points(), &proofs(), None, by_loss);
        table.rows.iter().map(|row| row.loss_point.clone()).collect::<Vec<_>>().concat()
    };
    assert_eq!((ids(true).as_str(), ids(false).as_str()), ("bca", "abc"));
    let text = Table::of(&points(), &proofs(), None, true).render_text();
    assert!(
        text.contains("all  2 of 3 loss points drilled by an attack, 400.00 CNY of 600.00 CNY"),
        "{text}"
    );
    let one: Verdicts<'_> = [("a1", Verdict::Pass)].into();
    let text = Table::of(&points(), &proofs(), Some(&one), true).render_text();
    assert!(text.contains("p0   1 of 2 loss points proved, 100.00 CNY of 400.00 CNY"), "{text}");
    assert!(text.contains("1/1    0/1       0/1    1/1  proved"), "{text}");
}

#[test]
fn a_policy_names_what_it_misses() {
    let demanding = |percent: u32, shard: Option<&str>| Basis {
        points: points().into(),
        shard: shard.map(|text| text.parse().unwrap()),
        demands: Some(Demands {
            coverage: [("p0".to_owned(), Decimal::from(percent))].into(),
            budget_ms: 60_000,
        }),
        ..Basis::default()
    };
    let half: Verdicts<'_> = [("a1", Verdict::Pass), ("b1", Verdict::Fail)].into();
    for (basis, took_ms, parts) in [
        (demanding(50, None), 60_000, &[][..]),
        (demanding(51, None), 1, &["1 of 2 p0 loss points are proved, and 51% must be", "`b`"][..]),
        (demanding(0, None), 61_000, &["took 61 s", "budget is 60 s"]),
        (demanding(100, Some("1/2")), 61_000, &[]),
        (Basis { demands: None, ..demanding(100, None) }, 61_000, &[]),
    ] {
        let told = unmet(&basis, &proofs(), &half, took_ms);
        assert_eq!(told.is_empty(), parts.is_empty(), "{told:?}");
        assert!(parts.iter().all(|part| told[0].contains(part)), "{told:?}");
    }
}

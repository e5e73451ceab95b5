//! Columns of `measured` that go, or change.

use super::*;

/// Column -> type, of table `service_call`.
fn tables(columns: &[(&str, &str)]) -> crate::dcheck::engine::port::Tables {
    let columns = columns.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned()));
    [("service_call".to_owned(), columns.collect())].into()
}

#[test]
fn a_column_of_where_that_is_renamed_is_told_and_is_no_health() {
    let whole = [("callee", "varchar"), ("latency_ms", "int"), ("outcome", "varchar")];
    let renamed = [("callees", "varchar"), whole[1], whole[2]];
    let told = misfits(&services(FILE), &tables(&renamed));
    let lacks = "service `points` names column `service_call.callee`, which is not there: did you mean `callees`?";
    assert_eq!(told, [lacks]);
    assert!(misfits(&services(FILE), &tables(&whole)).is_empty());
    assert!(misfits(&services(FILE), &Default::default()).is_empty(), "the table may come");
    for (change, word) in [
        (None, None),
        (Some(renamed), Some("column `service_call.callee` is gone, it was varchar")),
        (
            Some([("callee", "int"), whole[1], whole[2]]),
            Some("column `service_call.callee` is int, it was varchar"),
        ),
    ] {
        let mut degradation = new(FILE);
        let seen = degradation.hold_against(&tables(&whole), None, CellTime(0));
        assert_eq!(seen, [("points".to_owned(), None)].into());
        for nth in 0..20 {
            degradation.hear(&call(1_000 + nth * 100, Some(5_000), true), CellTime(9_000));
        }
        let ill = read_to(&mut degradation, 9_000);
        assert_eq!(ill.len(), 2, "{ill:?}");
        if let Some(change) = change {
            let ddl = Some("ALTER TABLE service_call CHANGE …");
            let seen = degradation.hold_against(&tables(&change), ddl, CellTime(9_500));
            let why = seen["points"].clone().expect("it is broken");
            assert!(why.contains(word.unwrap()) && why.ends_with(ddl.unwrap()), "{why}");
        }
        // No call is read: silence recovers what is whole, and says nothing of what is broken, over a restart too.
        let (_, state) = stored(&mut degradation, &mut BTreeMap::new());
        let (mut degradation, _) = restore(services(FILE), state);
        let ended = read_to(&mut degradation, 60_000).len();
        assert_eq!(ended == 0, change.is_some(), "{word:?}");
        // Mended: what is read from then on counts.
        let seen = degradation.hold_against(&tables(&whole), None, CellTime(60_000));
        assert_eq!(seen["points"], None);
        let ended = ended + read_to(&mut degradation, 120_000).len();
        assert_eq!(ended, 2, "{word:?}");
    }
}

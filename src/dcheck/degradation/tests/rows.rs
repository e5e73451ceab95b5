//! What a commit writes of calls that wait for their source.

use super::*;
use crate::dcheck::degradation::calls::BUCKETS_KEPT;

#[test]
fn a_log_far_behind_is_judged_without_its_end_and_memory_stays_bounded() {
    let mut degradation = new(FILE);
    calls(&mut degradation, 0..5_000, 5, 900, true);
    let changes = degradation.decide(|_| None);
    assert_eq!(words(&changes), ["checkout/points degrade at 1", "refunds/points limit at 1"]);
    let mut rows = BTreeMap::new();
    let (_, state) = stored(&mut degradation, &mut rows);
    // What each commit wrote when all of them stood in the checkpoint.
    let whole: usize = rows.values().map(String::len).sum();
    assert_eq!((&state, rows.len()), (degradation.state(), BUCKETS_KEPT));
    assert!((60_000..200_000).contains(&whole), "{whole}");
    // What a commit writes of a partition that has no end: the bucket that changed, and those that went.
    let mut most = 0;
    for second in 5_000..5_010 {
        calls(&mut degradation, second..second + 1, 5, 900, true);
        degradation.decide(|_| None);
        let (bytes, state) = stored(&mut degradation, &mut rows);
        assert_eq!((&state, rows.len()), (degradation.state(), BUCKETS_KEPT));
        most = most.max(bytes);
    }
    assert!(most < 2_000 && whole > 50 * most, "{whole} before, {most} after");
    // A restart knows none of the rows to be stored, and stores them once; what is not measured any more goes.
    let (_, state) = stored(&mut degradation, &mut rows);
    let (mut restored, _) = restore(services(FILE), state);
    assert_eq!(restored.take_changes().len(), BUCKETS_KEPT);
    assert_eq!(restored.take_changes().len(), 0);
    let state = restored.state().clone();
    let (mut without, _) = restore(services(&FILE.replace("points", "bonus")), state);
    let gone = without.take_changes();
    assert_eq!(gone.len(), BUCKETS_KEPT);
    let is_stored = |(id, body): &(String, Option<String>)| body.is_none() && rows.contains_key(id);
    assert_eq!(gone.iter().filter(|row| is_stored(row)).count(), BUCKETS_KEPT);
}

//! What is settled while windows of services are open.

use super::*;

/// What these calls are worth is not known before.
#[test]
fn nothing_is_settled_while_calls_may_find_something() {
    for (each, latency, may) in [(20, 900, true), (20, 100, false), (1, 900, false)] {
        let mut degradation = new(FILE);
        calls(&mut degradation, 0..1, each, latency, true);
        due(&mut degradation);
        for settled in [7, 9] {
            degradation.open(settled);
            assert_eq!(degradation.open_since(), may.then_some(7), "{each} of {latency}");
        }
        read_to(&mut degradation, 60_000);
        degradation.open(9);
        assert_eq!(degradation.open_since(), None, "{each} of {latency}");
    }
}

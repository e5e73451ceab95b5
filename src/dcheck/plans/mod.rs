//! Room `dcheck::plans`: alert -> plan -> idempotent actions with proof of effect and revert.

//! Room `dcheck::results`: verdicts, outbox, plan runs and checkpoint in one transaction.

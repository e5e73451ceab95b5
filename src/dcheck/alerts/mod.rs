//! Room `dcheck::alerts`: Alertmanager webhooks, delivered until acknowledged.

//! Room `dcheck::sources`: binlog and Kafka in, events out.

//! Room `dcheck::console`: the HTTP face of the daemon.

//! Room `dcheck::daemon`: the loop that feeds the engine.

//! What a MySQL client and server may send through a link, in any order and cut anywhere.
#![no_main]

#[path = "../play.rs"]
mod play;

use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    RUNTIME.block_on(play::play(play::Wire::Mysql, input));
});

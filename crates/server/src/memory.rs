//! The allocator: jemalloc, set up to give memory back soon.
//!
//! An idle server should be small: few arenas, and a background thread that returns what has not
//! been used for a second.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SETTINGS: &[u8] = b"background_thread:true,narenas:4,dirty_decay_ms:1000,muzzy_decay_ms:0,tcache_max:4096\0";

/// jemalloc reads its settings through this symbol before `main` begins.
// Safety: the symbol is a thin pointer to bytes that end with a zero and live for ever, which is
// what jemalloc expects of its `malloc_conf` (with the prefix that the crate builds it with).
#[expect(unsafe_code, reason = "exporting a symbol by name is the only way to configure jemalloc at start")]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static MALLOC_CONF: &u8 = &SETTINGS[0];

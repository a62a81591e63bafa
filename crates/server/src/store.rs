//! Opens the storage of a server in its data directory.

use crate::launch::Launch;
use crate::options::Options;
use roles::local::LocalOptions;
use roles::local::expiry::ExpiryOptions;
use roles::query::QueryOptions;
use roles::transactions::StreamLimits;
use std::sync::Arc;
use std::time::Duration;
use storage::{Engine, Storage, StorageOptions};

/// Opens the storage; one line for the user if that fails.
pub async fn open(launch: &Launch) -> Result<Arc<Storage>, String> {
    let options = Arc::clone(&launch.options);
    let path = launch.directory.path().join("engine-rocksdb");
    let open = move || -> Result<Arc<Storage>, String> {
        let engine: Arc<dyn Engine> = match options.text("server.storage-engine") {
            // For tests: nothing outlives the process.
            "memory" => Arc::new(storage::MemoryEngine::default()),
            "auto" | "rocksdb" => open_rocksdb(&path, &options)?,
            other => return Err(format!("'{other}' is no value for '--server.storage-engine': auto or rocksdb expected")),
        };
        let storage_options = StorageOptions::new(rt::clock::now_ms, random);
        Storage::open(engine, storage_options).map_err(|error| format!("cannot open the database: {}", error.message()))
    };
    tokio::task::spawn_blocking(open).await.map_err(|_| "cannot open the database".to_owned())?
}

/// Makes everything durable before the process ends.
pub async fn close(storage: Arc<Storage>) {
    let flushed = tokio::task::spawn_blocking(move || storage.flush()).await;
    if let Ok(Err(fault)) = flushed {
        tracing::error!(target: "engines", "cannot flush at the end: {}", fault.message());
    }
}

fn open_rocksdb(path: &std::path::Path, options: &Options) -> Result<Arc<dyn Engine>, String> {
    let cache_bytes = match options.number("rocksdb.block-cache-size") {
        // A quarter of the memory is plenty for a cache and leaves room for everything else.
        0 => crate::options::value::memory_bytes().map_or(256 << 20, |bytes| bytes / 4),
        given => given,
    };
    let rocks_options =
        rocks::RocksOptions { block_cache_bytes: usize::try_from(cache_bytes).unwrap_or(usize::MAX), ..rocks::RocksOptions::default() };
    let engine = rocks::RocksEngine::open(path, &rocks_options);
    engine.map(|engine| Arc::new(engine) as Arc<dyn Engine>).map_err(|error| format!("cannot open the database: {}", error.message()))
}

fn random() -> u64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    high ^ low
}

/// Limits of operations and stream transactions.
pub fn local_options(options: &Options) -> LocalOptions {
    LocalOptions {
        stream: StreamLimits {
            idle_timeout: options.seconds("transaction.streaming-idle-timeout"),
            lock_timeout: options.seconds("transaction.streaming-lock-timeout"),
            size_bytes_max: options.number("transaction.streaming-max-transaction-size"),
        },
        ..LocalOptions::default()
    }
}

/// Limits of queries.
pub fn query_options(options: &Options) -> QueryOptions {
    let memory = crate::options::value::memory_bytes().unwrap_or(4 << 30);
    let limit = |name: &str, percent: u64| if options.is_given(name) { options.number(name) } else { memory / 100 * percent };
    QueryOptions {
        memory_limit: limit("query.memory-limit", 60),
        memory_limit_override: options.flag("query.memory-limit-override"),
        results_bytes_max: limit("query.global-memory-limit", 80),
        runtime_max: options.seconds("query.max-runtime"),
        fail_on_warning: options.flag("query.fail-on-warning"),
    }
}

/// Removal of expired documents.
pub fn expiry_options(options: &Options) -> ExpiryOptions {
    let number = |name: &str| usize::try_from(options.number(name)).unwrap_or(usize::MAX);
    ExpiryOptions {
        pause: Duration::from_millis(options.number("ttl.frequency")),
        removes_max: number("ttl.max-total-removes"),
        collection_removes_max: number("ttl.max-collection-removes"),
    }
}

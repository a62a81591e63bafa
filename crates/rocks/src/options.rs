//! Settings of RocksDB. Memory is taken when it is needed, so that an idle server stays small.

use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, Options};
use storage::Family;

/// What a server may choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RocksOptions {
    /// Cache of uncompressed blocks.
    pub block_cache_bytes: usize,
    /// All write buffers together.
    pub write_buffer_bytes: usize,
    /// Open files.
    pub open_files_max: i32,
    /// Threads for flushes and compactions.
    pub background_jobs: i32,
    /// How long log files are kept for secondaries.
    pub log_keep_s: u64,
    /// How much of the log is kept for secondaries.
    pub log_keep_mb: u64,
}

impl Default for RocksOptions {
    fn default() -> Self {
        Self {
            block_cache_bytes: 64 << 20,
            write_buffer_bytes: 64 << 20,
            open_files_max: 512,
            background_jobs: 2,
            log_keep_s: 3600,
            log_keep_mb: 1024,
        }
    }
}

impl RocksOptions {
    pub(crate) fn database(&self) -> Options {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_max_open_files(self.open_files_max);
        options.set_max_background_jobs(self.background_jobs);
        options.set_db_write_buffer_size(self.write_buffer_bytes);
        options.set_max_total_wal_size(4 * self.write_buffer_bytes as u64);
        options.set_wal_ttl_seconds(self.log_keep_s);
        options.set_wal_size_limit_mb(self.log_keep_mb);
        options.set_keep_log_file_num(2);
        options.set_max_log_file_size(1 << 20);
        options.set_stats_dump_period_sec(0);
        options.set_stats_persist_period_sec(0);
        options.set_skip_stats_update_on_db_open(true);
        options
    }

    pub(crate) fn family(&self, family: Family, cache: &Cache) -> Options {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(cache);
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        table.set_format_version(5);
        if family == Family::Documents {
            // Documents are mostly read by key; a filter saves the look into files without it.
            table.set_bloom_filter(10.0, false);
        }
        let mut options = Options::default();
        options.set_block_based_table_factory(&table);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_write_buffer_size(self.write_buffer_bytes / 2);
        options.set_max_write_buffer_number(3);
        options
    }
}

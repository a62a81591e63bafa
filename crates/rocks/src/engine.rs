//! The engine: opening, writing, the log.

use crate::fault::{translate, translate_open};
use crate::log::{self, FamilyNumbers};
use crate::options::RocksOptions;
use crate::view::{RocksSnapshot, column_family};
use base::{Error, Result, code};
use rocksdb::{Cache, ColumnFamilyDescriptor, DB, FlushOptions, Range, WriteBatch, WriteOptions, properties};
use std::path::Path;
use std::sync::Arc;
use storage::{Batch, Engine, Family, KeyRange, Snapshot, Tail, Write};

/// RocksDB in one directory.
pub struct RocksEngine {
    database: Arc<DB>,
    families: FamilyNumbers,
    cache: Cache,
}

impl RocksEngine {
    /// Opens or creates the database in a directory. Errors: 1107 if another process has it open,
    /// 1224 if the directory is not writable.
    pub fn open(path: &Path, options: &RocksOptions) -> Result<Self> {
        let shown = path.display().to_string();
        let cannot_create = |fault| Error::new(code::ARANGO_DATADIR_NOT_WRITABLE, format!("database directory '{shown}': {fault}"));
        std::fs::create_dir_all(path).map_err(cannot_create)?;
        let cache = Cache::new_lru_cache(options.block_cache_bytes);
        let descriptor = |family: Family| ColumnFamilyDescriptor::new(family.name(), options.family(family, &cache));
        let descriptors = Family::ALL.into_iter().map(descriptor);
        let database = DB::open_cf_descriptors(&options.database(), path, descriptors).map_err(|fault| translate_open(fault, &shown))?;
        let families = family_numbers(&database)?;
        Ok(Self { database: Arc::new(database), families, cache })
    }
}

/// RocksDB numbers column families itself; a batch that is never written shows how.
fn family_numbers(database: &DB) -> Result<FamilyNumbers> {
    let mut numbers = FamilyNumbers::new();
    for family in Family::ALL {
        let mut probe = WriteBatch::default();
        probe.put_cf(column_family(database, family)?, b"", b"");
        let number = log::first_family(probe.data()).ok_or_else(|| Error::internal("column families have no numbers"))?;
        numbers.insert(number, family);
    }
    Ok(numbers)
}

impl Engine for RocksEngine {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.database.get_cf(column_family(&self.database, family)?, key).map_err(translate)
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(RocksSnapshot::new(&self.database))
    }

    fn write(&self, batch: &Batch, sync: bool) -> Result<u64> {
        if batch.is_empty() {
            if sync {
                self.database.flush_wal(true).map_err(translate)?;
            }
            return Ok(self.latest_tick());
        }
        let mut writes = WriteBatch::with_capacity_bytes(batch.as_bytes().len() + 64);
        for write in batch {
            let handle = column_family(&self.database, write.family())?;
            match write {
                Write::Put { key, value, .. } => writes.put_cf(handle, key, value),
                Write::Delete { key, .. } => writes.delete_cf(handle, key),
                Write::DeleteRange { from, to, .. } if from < to => writes.delete_range_cf(handle, from, to),
                Write::DeleteRange { .. } => {}
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        self.database.write_opt(writes, &options).map_err(translate)?;
        Ok(self.latest_tick())
    }

    fn latest_tick(&self) -> u64 {
        self.database.latest_sequence_number()
    }

    fn tail(&self, from_tick: u64, bytes_max: usize) -> Result<Tail> {
        let latest = self.latest_tick();
        let mut tail = Tail { present: from_tick <= latest, batches: Vec::new(), last_tick: latest };
        if from_tick >= latest {
            return Ok(tail);
        }
        let mut end = from_tick;
        let mut bytes = 0;
        for written in self.database.get_updates_since(from_tick).map_err(translate)? {
            let (start, batch) = written.map_err(translate)?;
            if start != end + 1 {
                // The log was cut off before this batch.
                tail.present &= !tail.batches.is_empty();
                return Ok(tail);
            }
            let (batch, count) = log::read_batch(batch.data(), &self.families)?;
            if count == 0 {
                continue;
            }
            end = start + count - 1;
            bytes += batch.as_bytes().len();
            tail.batches.push((end, batch));
            if bytes > bytes_max || end >= latest {
                break;
            }
        }
        tail.present = !tail.batches.is_empty();
        tail.last_tick = latest.max(end);
        Ok(tail)
    }

    fn release_log(&self, _tick: u64) {
        // RocksDB removes log files by age and size (see RocksOptions), not by tick.
    }

    fn flush(&self) -> Result<()> {
        let handles = Family::ALL.into_iter().map(|family| column_family(&self.database, family)).collect::<Result<Vec<_>>>()?;
        let mut options = FlushOptions::default();
        options.set_wait(true);
        self.database.flush_cfs_opt(&handles.iter().collect::<Vec<_>>(), &options).map_err(translate)
    }

    fn size_bytes(&self, family: Family, range: &KeyRange) -> u64 {
        let Ok(handle) = column_family(&self.database, family) else { return 0 };
        let end: &[u8] = if range.to.is_empty() { &[u8::MAX; 16] } else { &range.to };
        self.database.get_approximate_sizes_cf(handle, &[Range::new(&range.from, end)]).iter().sum()
    }

    fn figures(&self) -> Vec<(String, u64)> {
        let mut figures = vec![
            ("rocksdb_block_cache_usage".to_owned(), self.cache.get_usage() as u64),
            ("rocksdb_block_cache_pinned_usage".to_owned(), self.cache.get_pinned_usage() as u64),
            ("rocksdb_latest_sequence_number".to_owned(), self.latest_tick()),
        ];
        let summed = [
            ("rocksdb_cur_size_all_mem_tables", properties::CUR_SIZE_ALL_MEM_TABLES),
            ("rocksdb_estimate_num_keys", properties::ESTIMATE_NUM_KEYS),
            ("rocksdb_estimate_live_data_size", properties::ESTIMATE_LIVE_DATA_SIZE),
            ("rocksdb_live_sst_files_size", properties::LIVE_SST_FILES_SIZE),
            ("rocksdb_estimate_table_readers_mem", properties::ESTIMATE_TABLE_READERS_MEM),
        ];
        for (name, property) in summed {
            let value = |family| {
                let handle = column_family(&self.database, family).ok()?;
                self.database.property_int_value_cf(handle, property).ok()?
            };
            figures.push((name.to_owned(), Family::ALL.into_iter().filter_map(value).sum()));
        }
        for (name, property) in [
            ("rocksdb_background_errors", properties::BACKGROUND_ERRORS),
            ("rocksdb_num_snapshots", properties::NUM_SNAPSHOTS),
            ("rocksdb_num_running_compactions", properties::NUM_RUNNING_COMPACTIONS),
            ("rocksdb_num_running_flushes", properties::NUM_RUNNING_FLUSHES),
            ("rocksdb_is_write_stopped", properties::IS_WRITE_STOPPED),
        ] {
            let value = self.database.property_int_value(property).ok().flatten();
            figures.push((name.to_owned(), value.unwrap_or(0)));
        }
        figures
    }
}

impl Drop for RocksEngine {
    fn drop(&mut self) {
        self.database.cancel_all_background_work(true);
    }
}

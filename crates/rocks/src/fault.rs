//! RocksDB's errors as ours. RocksDB tells what happened only by text, so text is read here and
//! nowhere else.

use base::{Error, code};

/// The error of an operation.
pub(crate) fn translate(fault: rocksdb::Error) -> Error {
    let text = fault.to_string();
    let code = if text.contains("No space left on device") || text.contains("Disk quota exceeded") {
        code::ARANGO_FILESYSTEM_FULL
    } else if fault.kind() == rocksdb::ErrorKind::Corruption {
        code::ARANGO_CORRUPTED_DATAFILE
    } else {
        code::SYS_ERROR
    };
    Error::with_detail(code, text)
}

/// The error of opening.
pub(crate) fn translate_open(fault: rocksdb::Error, path: &str) -> Error {
    let text = fault.to_string();
    if text.contains("/LOCK") && (text.contains("lock hold by current process") || text.contains("Resource temporarily unavailable")) {
        return Error::new(code::ARANGO_DATADIR_LOCKED, format!("database directory '{path}' is locked by another process"));
    }
    if text.contains("Permission denied") || text.contains("Read-only file system") {
        return Error::new(code::ARANGO_DATADIR_NOT_WRITABLE, format!("database directory '{path}' is not writable: {text}"));
    }
    translate(fault).context(format!("database directory '{path}' cannot be opened"))
}

//! The primary's side of asynchronous replication: its key space as of one moment, and its log
//! (`/_internal/wal/…`). Answers are bytes in storage's own form.

use base::{Error, Result, code};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use storage::{Dump, DumpPosition, Storage};
use velocypack::{Slice, Value};

/// Snapshots that nobody has read from for this long are let go.
const IDLE_MAX: Duration = Duration::from_secs(120);
/// Limit: snapshots kept for secondaries.
const DUMPS_MAX: usize = 8;
/// Bytes of one answer.
const CHUNK_BYTES: usize = 4 << 20;

struct OpenDump {
    dump: Arc<Dump>,
    used: Duration,
}

/// What secondaries ask of this server.
pub struct LogRoutes {
    storage: Arc<Storage>,
    next: AtomicU64,
    dumps: Mutex<HashMap<u64, OpenDump>>,
}

impl LogRoutes {
    /// The routes over a storage.
    #[must_use]
    pub fn new(storage: Arc<Storage>) -> Self {
        Self { storage, next: AtomicU64::new(0), dumps: Mutex::default() }
    }

    /// Answers `/_internal/wal/<what>`.
    pub async fn serve(&self, what: &str, body: &[u8]) -> Result<Vec<u8>> {
        let message = Value::from_bytes(body).map_err(|_| Error::bad_parameter("no VelocyPack"))?;
        let number = |name: &str| message.as_slice().get(name).and_then(Slice::as_u64).ok_or_else(|| crate::wire::malformed(name));
        match what {
            "open" => self.open(),
            "dump" => {
                let position = message.as_slice().get("at").and_then(Slice::as_str).map(position_of_text).transpose()?;
                self.chunk(number("dump")?, position).await
            }
            "tail" => {
                let (storage, from) = (Arc::clone(&self.storage), number("from")?);
                blocking(move || Ok(storage.tail(from, CHUNK_BYTES)?.to_bytes())).await
            }
            _ => Err(code::HTTP_NOT_FOUND.into()),
        }
    }

    /// Takes a snapshot; answers with its number and its tick.
    fn open(&self) -> Result<Vec<u8>> {
        let now = rt::clock::monotonic();
        let mut dumps = self.dumps.lock();
        dumps.retain(|_, open| now.saturating_sub(open.used) < IDLE_MAX);
        if dumps.len() >= DUMPS_MAX {
            return Err(Error::with_detail(code::RESOURCE_LIMIT, "too many copies under way"));
        }
        let dump = Arc::new(self.storage.dump());
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let answer = Value::object([("dump", Value::uint(id)), ("tick", Value::uint(dump.tick()))]);
        dumps.insert(id, OpenDump { dump, used: now });
        Ok(answer.as_bytes().to_vec())
    }

    async fn chunk(&self, id: u64, position: Option<DumpPosition>) -> Result<Vec<u8>> {
        let dump = {
            let mut dumps = self.dumps.lock();
            let open = dumps.get_mut(&id).ok_or_else(|| Error::with_detail(code::HTTP_NOT_FOUND, "the copy was given up"))?;
            open.used = rt::clock::monotonic();
            Arc::clone(&open.dump)
        };
        let chunk = blocking(move || dump.chunk(position.as_ref(), CHUNK_BYTES)).await?;
        if chunk.next.is_none() {
            self.dumps.lock().remove(&id);
        }
        Ok(chunk.to_bytes())
    }
}

/// A position as text, for messages: hexadecimal.
#[must_use]
pub fn position_text(position: &DumpPosition) -> String {
    position.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn position_of_text(text: &str) -> Result<DumpPosition> {
    let malformed = || crate::wire::malformed("position");
    let digits = text.as_bytes();
    let bytes: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect();
    DumpPosition::from_bytes(&bytes.ok_or_else(malformed)?)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::internal("storage work was ended"))?
}

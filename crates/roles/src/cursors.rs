//! Open cursors of one server: results that clients fetch batch by batch.
//!
//! A cursor belongs to a database and a user, serves one request at a time (1601) and is forgotten
//! when nobody has asked for it during its time to live. It does not know how rows are made: that is
//! `query`'s business, through [`Rows`].

use base::{Error, Result, code};
use database::query::CursorBatch;
use parking_lot::Mutex;
use serde_json::Value as Json;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use velocypack::Value;

/// Limit: open cursors of one server.
const CURSORS_MAX: usize = 65_536;

/// Where a cursor's rows come from.
pub enum Rows {
    /// The whole result.
    Ready(VecDeque<Value>),
    /// A query that is still running; rows fetched ahead are in front.
    Streaming {
        /// Rows fetched already.
        ahead: VecDeque<Value>,
        /// The rest.
        source: Box<dyn Stream>,
    },
}

/// A running query as a cursor sees it. Calls may block.
pub trait Stream: Send {
    /// Up to `max` more rows; fewer mean that these are the last ones.
    fn next(&mut self, max: usize) -> Result<Vec<Value>>;
    /// Ends the query after its last row: commits, and answers with `extra`.
    fn finish(self: Box<Self>) -> Result<Json>;
}

/// What a cursor is made of.
pub struct Cursor {
    /// Rows to come.
    pub rows: Rows,
    /// Rows per batch.
    pub batch_size: usize,
    /// Number of all rows, if asked for.
    pub count: Option<u64>,
    /// `extra` of every batch (of a streaming cursor: of the last one).
    pub extra: Option<Json>,
    /// Time to live between requests.
    pub ttl: Duration,
    /// Batches can be fetched again.
    pub allow_retry: bool,
    /// Number of the batch delivered last; 0 before the first.
    delivered: u64,
    /// That batch, if it can be fetched again.
    last: Option<CursorBatch>,
    /// Let go with the cursor.
    held: Option<Box<dyn Send>>,
}

impl Cursor {
    /// A cursor before its first batch.
    #[must_use]
    pub fn new(rows: Rows, batch_size: usize, count: Option<u64>, extra: Option<Json>, ttl: Duration, allow_retry: bool) -> Self {
        Self { rows, batch_size: batch_size.max(1), count, extra, ttl, allow_retry, delivered: 0, last: None, held: None }
    }

    /// Ties something to the life of the cursor, such as a share of a memory budget.
    pub fn hold(&mut self, what: Box<dyn Send>) {
        self.held = Some(what);
    }

    /// Does the next batch cost more than copying rows?
    #[must_use]
    pub fn may_block(&self) -> bool {
        matches!(self.rows, Rows::Streaming { .. })
    }

    /// Is the result delivered to the end?
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        match &self.rows {
            Rows::Ready(rows) => rows.is_empty(),
            Rows::Streaming { .. } => false,
        }
    }

    /// The batch that was asked for: the next one, or the last one again. 1600 for any other.
    pub fn advance(&mut self, id: &str, wanted: Option<&str>) -> Result<CursorBatch> {
        if let Some(wanted) = wanted {
            let wanted: u64 = wanted.parse().map_err(|_| Error::from(code::CURSOR_NOT_FOUND))?;
            if let Some(last) = self.last.as_ref().filter(|_| wanted == self.delivered) {
                return Ok(last.clone());
            }
            if wanted != self.delivered + 1 {
                return Err(code::CURSOR_NOT_FOUND.into());
            }
        }
        if self.delivered > 0 && self.is_exhausted() {
            return Err(code::CURSOR_NOT_FOUND.into());
        }
        let rows = self.take_rows()?;
        self.delivered += 1;
        let has_more = !self.is_exhausted();
        let batch = CursorBatch {
            id: (has_more || self.allow_retry).then(|| id.to_owned()),
            rows,
            has_more,
            count: self.count,
            extra: self.extra.clone(),
            next_batch_id: has_more.then(|| (self.delivered + 1).to_string()),
        };
        self.last = self.allow_retry.then(|| batch.clone());
        Ok(batch)
    }

    /// Takes one batch off; a stream that ends with it is finished.
    fn take_rows(&mut self) -> Result<Vec<Value>> {
        let size = self.batch_size;
        match &mut self.rows {
            Rows::Ready(rows) => Ok(take(rows, size)),
            Rows::Streaming { ahead, source } => {
                // One row more than the batch tells whether another batch follows.
                let wanted = (size + 1).saturating_sub(ahead.len());
                if wanted > 0 {
                    ahead.extend(source.next(wanted)?);
                }
                let batch = take(ahead, size);
                if ahead.is_empty()
                    && let Rows::Streaming { source, .. } = std::mem::replace(&mut self.rows, Rows::Ready(VecDeque::new()))
                {
                    self.extra = Some(source.finish()?);
                }
                Ok(batch)
            }
        }
    }
}

fn take(rows: &mut VecDeque<Value>, size: usize) -> Vec<Value> {
    rows.drain(..size.min(rows.len())).collect()
}

struct Entry {
    database: String,
    user: String,
    /// Monotonic time after which the cursor is forgotten.
    expires: Duration,
    /// `None` while a request works with it.
    cursor: Option<Box<Cursor>>,
}

/// All cursors of a server.
#[derive(Default)]
pub struct Cursors {
    entries: Mutex<HashMap<u64, Entry>>,
}

/// A cursor in use by one request. Dropping it forgets the cursor; [`Lease::keep`] puts it back.
pub struct Lease {
    cursors: Arc<Cursors>,
    id: u64,
    cursor: Option<Box<Cursor>>,
}

impl Cursors {
    /// Keeps a cursor under `id`; 32 if there are too many.
    pub fn insert(&self, id: u64, database: &str, user: &str, cursor: Box<Cursor>, now: Duration) -> Result<()> {
        let mut entries = self.entries.lock();
        if entries.len() >= CURSORS_MAX {
            return Err(Error::new(code::RESOURCE_LIMIT, "too many open cursors"));
        }
        let expires = now.saturating_add(cursor.ttl);
        entries.insert(id, Entry { database: database.to_owned(), user: user.to_owned(), expires, cursor: Some(cursor) });
        Ok(())
    }

    /// Takes a cursor for one request; 1600 if unknown, 1601 while another request has it.
    pub fn lease(self: &Arc<Self>, database: &str, user: Option<&str>, id: &str) -> Result<Lease> {
        let number: u64 = id.parse().map_err(|_| Error::from(code::CURSOR_NOT_FOUND))?;
        let mut entries = self.entries.lock();
        let entry = entries.get_mut(&number).filter(|entry| belongs(entry, database, user));
        let entry = entry.ok_or_else(|| Error::from(code::CURSOR_NOT_FOUND))?;
        let cursor = entry.cursor.take().ok_or_else(|| Error::from(code::CURSOR_BUSY))?;
        Ok(Lease { cursors: Arc::clone(self), id: number, cursor: Some(cursor) })
    }

    /// Forgets a cursor; 1600 if unknown, 1601 while a request has it.
    pub fn remove(&self, database: &str, user: Option<&str>, id: &str) -> Result<()> {
        let number: u64 = id.parse().map_err(|_| Error::from(code::CURSOR_NOT_FOUND))?;
        let mut entries = self.entries.lock();
        match entries.get(&number) {
            Some(entry) if belongs(entry, database, user) => {
                if entry.cursor.is_none() {
                    return Err(code::CURSOR_BUSY.into());
                }
                let removed = entries.remove(&number);
                // What a cursor holds may take time to let go.
                drop(entries);
                drop(removed);
                Ok(())
            }
            _ => Err(code::CURSOR_NOT_FOUND.into()),
        }
    }

    /// Forgets cursors whose time is over, and all of a database that has gone.
    pub fn sweep(&self, now: Duration) {
        let mut expired = Vec::new();
        let mut entries = self.entries.lock();
        entries.retain(|_, entry| {
            let keep = entry.cursor.is_none() || entry.expires > now;
            if !keep {
                expired.extend(entry.cursor.take());
            }
            keep
        });
        drop(entries);
        drop(expired);
    }

    /// Forgets the cursors of a database.
    pub fn drop_database(&self, database: &str) {
        let mut gone = Vec::new();
        let mut entries = self.entries.lock();
        entries.retain(|_, entry| {
            let keep = entry.database != database;
            if !keep {
                gone.extend(entry.cursor.take());
            }
            keep
        });
        drop(entries);
        drop(gone);
    }

    /// Open cursors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.lock().len()
    }

    /// Is no cursor open?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn belongs(entry: &Entry, database: &str, user: Option<&str>) -> bool {
    entry.database == database && user.is_none_or(|user| user == entry.user)
}

impl Lease {
    /// The cursor; present until the lease ends.
    pub fn cursor(&mut self) -> Option<&mut Cursor> {
        self.cursor.as_deref_mut()
    }

    /// Puts the cursor back for the next request.
    pub fn keep(mut self, now: Duration) {
        let Some(cursor) = self.cursor.take() else { return };
        if let Some(entry) = self.cursors.entries.lock().get_mut(&self.id) {
            entry.expires = now.saturating_add(cursor.ttl);
            entry.cursor = Some(cursor);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut entries = self.cursors.entries.lock();
        if entries.get(&self.id).is_some_and(|entry| entry.cursor.is_none()) {
            entries.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(rows: i64, batch_size: usize, allow_retry: bool) -> Box<Cursor> {
        let rows = (0..rows).map(Value::int).collect();
        Box::new(Cursor::new(Rows::Ready(rows), batch_size, Some(5), None, Duration::from_secs(30), allow_retry))
    }

    #[test]
    fn batches_are_numbered_and_the_last_one_has_no_successor() {
        let mut cursor = ready(5, 2, false);
        let first = cursor.advance("7", None).unwrap();
        assert_eq!((first.rows.len(), first.has_more, first.next_batch_id.as_deref()), (2, true, Some("2")));
        assert_eq!(first.id.as_deref(), Some("7"));
        assert_eq!(cursor.advance("7", Some("2")).unwrap().rows, [Value::int(2), Value::int(3)]);
        assert_eq!(cursor.advance("7", Some("2")).unwrap_err().code(), code::CURSOR_NOT_FOUND);
        let last = cursor.advance("7", None).unwrap();
        assert_eq!((last.rows.len(), last.has_more, last.next_batch_id, last.id), (1, false, None, None));
        assert_eq!(cursor.advance("7", None).unwrap_err().code(), code::CURSOR_NOT_FOUND);
    }

    #[test]
    fn a_batch_can_be_fetched_again_if_allowed() {
        let mut cursor = ready(3, 2, true);
        let first = cursor.advance("7", None).unwrap();
        assert_eq!(cursor.advance("7", Some("1")).unwrap().rows, first.rows);
        let last = cursor.advance("7", Some("2")).unwrap();
        assert_eq!((last.has_more, last.id.as_deref()), (false, Some("7")));
        assert_eq!(cursor.advance("7", Some("2")).unwrap().rows, last.rows);
        assert_eq!(cursor.advance("7", Some("1")).unwrap_err().code(), code::CURSOR_NOT_FOUND);
        assert_eq!(cursor.advance("7", Some("x")).unwrap_err().code(), code::CURSOR_NOT_FOUND);
    }

    #[test]
    fn one_request_at_a_time_and_only_the_owner() {
        let cursors = Arc::new(Cursors::default());
        let now = Duration::ZERO;
        cursors.insert(7, "d", "ann", ready(5, 2, false), now).unwrap();
        let missing = |result: Result<Lease>| result.err().map(|fault| fault.code());
        assert_eq!(missing(cursors.lease("d", Some("bob"), "7")), Some(code::CURSOR_NOT_FOUND));
        assert_eq!(missing(cursors.lease("other", None, "7")), Some(code::CURSOR_NOT_FOUND));
        assert_eq!(missing(cursors.lease("d", None, "seven")), Some(code::CURSOR_NOT_FOUND));
        let lease = cursors.lease("d", Some("ann"), "7").unwrap();
        assert_eq!(missing(cursors.lease("d", Some("ann"), "7")), Some(code::CURSOR_BUSY));
        assert_eq!(cursors.remove("d", None, "7").unwrap_err().code(), code::CURSOR_BUSY);
        lease.keep(now);
        drop(cursors.lease("d", None, "7").unwrap());
        assert!(cursors.is_empty());
    }

    #[test]
    fn cursors_that_nobody_fetches_expire() {
        let cursors = Arc::new(Cursors::default());
        cursors.insert(7, "d", "", ready(5, 2, false), Duration::ZERO).unwrap();
        cursors.sweep(Duration::from_secs(29));
        assert_eq!(cursors.len(), 1);
        cursors.lease("d", None, "7").unwrap().keep(Duration::from_secs(29));
        cursors.sweep(Duration::from_secs(58));
        assert_eq!(cursors.len(), 1);
        cursors.sweep(Duration::from_secs(59));
        assert!(cursors.is_empty());
    }

    struct Counting {
        left: i64,
    }

    impl Stream for Counting {
        fn next(&mut self, max: usize) -> Result<Vec<Value>> {
            let count = self.left.min(i64::try_from(max).unwrap());
            self.left -= count;
            Ok((0..count).map(Value::int).collect())
        }
        fn finish(self: Box<Self>) -> Result<Json> {
            Ok(Json::from("done"))
        }
    }

    #[test]
    fn a_stream_looks_one_row_ahead() {
        let rows = Rows::Streaming { ahead: VecDeque::new(), source: Box::new(Counting { left: 4 }) };
        let mut cursor = Cursor::new(rows, 2, None, None, Duration::from_secs(1), false);
        let first = cursor.advance("1", None).unwrap();
        assert_eq!((first.rows.len(), first.has_more, first.extra), (2, true, None));
        let last = cursor.advance("1", None).unwrap();
        assert_eq!((last.rows.len(), last.has_more, last.extra), (2, false, Some(Json::from("done"))));
    }
}

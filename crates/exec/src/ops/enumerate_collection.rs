//! `EnumerateCollectionNode`: a row for each document of a collection.

use super::documents::DocumentFilter;
use super::inbox::{Inbox, Outbox};
use crate::block::{BLOCK_ROWS_MAX, Block, Live};
use crate::pipeline::{Operator, Pull};
use crate::run::Run;
use crate::source::{Documents, ScanSpec};
use aql::plan::Scan;
use base::Result;
use velocypack::Value;

pub(crate) struct EnumerateCollection {
    inbox: Inbox,
    outbox: Outbox,
    collection: String,
    spec: ScanSpec,
    random: bool,
    filter: DocumentFilter,
    cursor: Option<Box<dyn Documents>>,
    fetched: Vec<Value>,
    live: Live,
}

impl EnumerateCollection {
    pub(crate) fn new(scan: &Scan, live: Live) -> Result<Self> {
        // A condition reads the whole document, the projection comes after it.
        let projections = if scan.filter.is_some() { Vec::new() } else { scan.projections.clone() };
        Ok(Self {
            inbox: Inbox::default(),
            outbox: Outbox::new(vec![scan.out]),
            collection: scan.collection.clone(),
            spec: ScanSpec { reverse: false, projections, count_only: scan.count_only && scan.filter.is_none() },
            random: scan.random,
            filter: DocumentFilter::new(scan)?,
            cursor: None,
            fetched: Vec::new(),
            live,
        })
    }

    /// Fetches documents of the current row into `fetched`; `false` once its scan has ended.
    fn fetch(&mut self, max: usize, run: &mut Run) -> Result<bool> {
        let mut cursor = match self.cursor.take() {
            Some(cursor) => cursor,
            None => run.source().scan(&self.collection, &self.spec)?,
        };
        if self.random {
            self.fetched.extend(one_of(&mut *cursor, run)?);
            return Ok(false);
        }
        let more = cursor.next(max, &mut self.fetched)?;
        run.stats.scanned_full += self.fetched.len() as u64;
        if more {
            self.cursor = Some(cursor);
        }
        Ok(more)
    }
}

/// One document, each with the same chance, without keeping more than one.
fn one_of(cursor: &mut dyn Documents, run: &mut Run) -> Result<Option<Value>> {
    let mut chosen = None;
    let mut seen = 0_u64;
    let mut batch = Vec::new();
    loop {
        let more = cursor.next(BLOCK_ROWS_MAX, &mut batch)?;
        run.check()?;
        for document in batch.drain(..) {
            seen += 1;
            if run.functions.random_u64().is_multiple_of(seen) {
                chosen = Some(document);
            }
        }
        if !more {
            run.stats.scanned_full += seen;
            return Ok(chosen);
        }
    }
}

impl Operator for EnumerateCollection {
    fn pull(&mut self, max: usize, run: &mut Run) -> Result<Pull> {
        let Some(block) = self.inbox.block.take() else { return Ok(self.inbox.need(max)) };
        while self.outbox.len() < max && self.inbox.row < block.rows() {
            let more = self.fetch(max - self.outbox.len(), run)?;
            for document in std::mem::take(&mut self.fetched) {
                if let Some(value) = self.filter.apply(document, &block, self.inbox.row, run)? {
                    self.outbox.push(self.inbox.row, [value]);
                }
            }
            if !more {
                self.inbox.row += 1;
            }
            run.check()?;
        }
        if self.outbox.is_empty() {
            return Ok(self.inbox.need(max));
        }
        let out = self.outbox.take(&block, &self.live);
        if self.inbox.row < block.rows() {
            self.inbox.block = Some(block);
        }
        Ok(Pull::Block(out))
    }

    fn push(&mut self, input: Option<Block>, _run: &mut Run) -> Result<()> {
        self.inbox.push(input);
        Ok(())
    }

    fn reset(&mut self, _outer: &Block, _run: &mut Run) {
        self.inbox.clear();
        self.outbox.clear();
        self.cursor = None;
        self.fetched.clear();
    }
}

//! What full scans and index scans have in common: the condition checked on each document before
//! it becomes a row, and projections.

use crate::block::Block;
use crate::eval::{Evaluator, Frame};
use crate::run::Run;
use aql::expr::VarId;
use aql::plan::Scan;
use base::{Error, Result};
use velocypack::{Builder, Slice, Value};

/// Condition and shape of the documents of a scan.
pub(crate) struct DocumentFilter {
    out: VarId,
    filter: Option<Evaluator>,
    projection: Option<Projection>,
}

impl DocumentFilter {
    pub(crate) fn new(scan: &Scan) -> Result<Self> {
        let projection = (!scan.projections.is_empty()).then(|| Projection::new(&scan.projections));
        Ok(Self { out: scan.out, filter: scan.filter.as_ref().map(Evaluator::new).transpose()?, projection })
    }

    /// The value for the row, or `None` if the condition rejects the document.
    pub(crate) fn apply(&self, document: Value, block: &Block, row: usize, run: &mut Run) -> Result<Option<Value>> {
        if let Some(filter) = &self.filter {
            let frame = Frame::new(block, row);
            let local = frame.local(self.out, document.as_slice());
            if !filter.is_true(&frame.with(&local), &mut run.functions)? {
                run.stats.filtered += 1;
                return Ok(None);
            }
        }
        match &self.projection {
            Some(projection) => projection.apply(document.as_slice()).map(Some),
            None => Ok(Some(document)),
        }
    }
}

/// The wanted attribute paths as a tree.
struct Projection {
    branches: Vec<Branch>,
}

struct Branch {
    name: String,
    /// Empty: the whole attribute.
    below: Vec<Branch>,
}

impl Projection {
    fn new(paths: &[Vec<String>]) -> Self {
        let mut branches = Vec::new();
        for path in paths {
            insert(&mut branches, path);
        }
        Self { branches }
    }

    fn apply(&self, document: Slice<'_>) -> Result<Value> {
        let mut builder = Builder::new();
        write(&self.branches, document, &mut builder);
        builder.finish().map_err(|error| Error::internal(error.to_string()))
    }
}

fn insert(branches: &mut Vec<Branch>, path: &[String]) {
    let Some((name, rest)) = path.split_first() else { return };
    if let Some(branch) = branches.iter_mut().find(|branch| branch.name == *name) {
        if rest.is_empty() {
            branch.below.clear();
        } else if !branch.below.is_empty() {
            insert(&mut branch.below, rest);
        }
        return;
    }
    let mut below = Vec::new();
    insert(&mut below, rest);
    branches.push(Branch { name: name.clone(), below });
}

fn write(branches: &[Branch], source: Slice<'_>, builder: &mut Builder) {
    builder.open_object();
    for branch in branches {
        let Some(value) = source.get(&branch.name) else { continue };
        builder.key(&branch.name);
        if branch.below.is_empty() || !value.is_object() {
            builder.add(value);
        } else {
            write(&branch.below, value, builder);
        }
    }
    builder.close();
}

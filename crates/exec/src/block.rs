//! Blocks of rows: what operators pass to one another. Column-wise, one column per variable of the
//! query, so that adding a variable costs nothing for the others.
//!
//! Invariant: every `Values` column of a block has exactly `rows` values. A variable that no later
//! node reads has no column.

use aql::expr::VarId;
use std::sync::Arc;
use velocypack::{Slice, Value};

/// Most rows of a block.
pub const BLOCK_ROWS_MAX: usize = 1000;

/// Values of one variable.
#[derive(Clone, Debug, Default)]
pub enum Column {
    /// Not set: reads as `null`.
    #[default]
    Unset,
    /// The same for every row.
    Same(Value),
    /// One per row.
    Values(Vec<Value>),
}

/// Variables that are read after some node.
pub type Live = Arc<[VarId]>;

/// Rows.
#[derive(Clone, Debug, Default)]
pub struct Block {
    rows: usize,
    columns: Vec<Column>,
}

impl Block {
    /// `rows` rows without any value; variables are numbered below `variables`.
    #[must_use]
    pub fn new(rows: usize, variables: usize) -> Self {
        Self { rows, columns: vec![Column::Unset; variables] }
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of variables the block has room for.
    #[must_use]
    pub fn variables(&self) -> usize {
        self.columns.len()
    }

    /// Value of a variable; `None` where it is not set.
    #[must_use]
    pub fn get(&self, var: VarId, row: usize) -> Option<&Value> {
        match self.columns.get(var.0 as usize)? {
            Column::Unset => None,
            Column::Same(value) => Some(value),
            Column::Values(values) => values.get(row),
        }
    }

    /// Value of a variable in place.
    #[must_use]
    pub fn slice(&self, var: VarId, row: usize) -> Option<Slice<'_>> {
        self.get(var, row).map(Value::as_slice)
    }

    /// Value of a variable, `null` where it is not set.
    #[must_use]
    pub fn value(&self, var: VarId, row: usize) -> Value {
        self.get(var, row).cloned().unwrap_or_else(Value::null)
    }

    /// Sets a column. A variable out of range is ignored, as nobody could read it.
    pub fn set(&mut self, var: VarId, column: Column) {
        debug_assert!(!matches!(&column, Column::Values(values) if values.len() != self.rows), "column length");
        if let Some(place) = self.columns.get_mut(var.0 as usize) {
            *place = column;
        }
    }

    /// Takes a column's values out, one per row.
    pub fn take(&mut self, var: VarId) -> Vec<Value> {
        match self.columns.get_mut(var.0 as usize).map(std::mem::take) {
            None | Some(Column::Unset) => vec![Value::null(); self.rows],
            Some(Column::Same(value)) => vec![value; self.rows],
            Some(Column::Values(values)) => values,
        }
    }

    /// Drops all columns but the named ones.
    pub fn keep(&mut self, live: &[VarId]) {
        for (number, column) in self.columns.iter_mut().enumerate() {
            if !matches!(column, Column::Unset) && !live.iter().any(|var| var.0 as usize == number) {
                *column = Column::Unset;
            }
        }
    }

    /// The rows whose numbers are in `chosen`, in that order, perhaps repeatedly; only the columns
    /// in `live`.
    #[must_use]
    pub fn select(&self, chosen: &[u32], live: &[VarId]) -> Block {
        let mut out = Block::new(chosen.len(), self.columns.len());
        let single = chosen.first().filter(|first| chosen.last() == Some(first) && chosen.iter().all(|row| row == *first));
        for var in live {
            let place = var.0 as usize;
            let column = match self.columns.get(place) {
                None | Some(Column::Unset) => continue,
                Some(Column::Same(value)) => Column::Same(value.clone()),
                Some(Column::Values(values)) => match single {
                    Some(&row) => values.get(row as usize).cloned().map_or(Column::Unset, Column::Same),
                    None => {
                        Column::Values(chosen.iter().map(|&row| values.get(row as usize).cloned().unwrap_or_else(Value::null)).collect())
                    }
                },
            };
            out.columns[place] = column;
        }
        out
    }

    /// The rows `from..to` (clamped).
    #[must_use]
    pub fn slice_rows(&self, from: usize, to: usize) -> Block {
        let to = to.min(self.rows);
        let from = from.min(to);
        let columns = self
            .columns
            .iter()
            .map(|column| match column {
                Column::Unset => Column::Unset,
                Column::Same(value) => Column::Same(value.clone()),
                Column::Values(values) => Column::Values(values.get(from..to).unwrap_or_default().to_vec()),
            })
            .collect();
        Block { rows: to - from, columns }
    }

    /// Values of some variables of a row.
    #[must_use]
    pub fn row(&self, row: usize, vars: &[VarId]) -> Vec<Value> {
        vars.iter().map(|&var| self.value(var, row)).collect()
    }

    /// A block of rows that hold the values of `vars`. Short rows are filled with `null`.
    #[must_use]
    pub fn from_rows(rows: Vec<Vec<Value>>, vars: &[VarId], variables: usize) -> Block {
        let count = rows.len();
        let mut columns: Vec<Vec<Value>> = vars.iter().map(|_| Vec::with_capacity(count)).collect();
        for row in rows {
            let mut values = row.into_iter();
            for column in &mut columns {
                column.push(values.next().unwrap_or_else(Value::null));
            }
        }
        let mut block = Block::new(count, variables);
        for (&var, column) in vars.iter().zip(columns) {
            block.set(var, Column::Values(column));
        }
        block
    }

    /// Those of `vars` that are the same in all rows, and those that are not. Unset ones are in
    /// neither.
    #[must_use]
    pub fn split_columns(&self, vars: &[VarId]) -> (Vec<VarId>, Vec<VarId>) {
        let column = |var: &VarId| self.columns.get(var.0 as usize);
        let same = vars.iter().copied().filter(|var| matches!(column(var), Some(Column::Same(_)))).collect();
        let varying = vars.iter().copied().filter(|var| matches!(column(var), Some(Column::Values(_)))).collect();
        (same, varying)
    }

    /// The rows of several blocks in one.
    #[must_use]
    pub fn concat(blocks: Vec<Block>) -> Block {
        let variables = blocks.first().map_or(0, Block::variables);
        let rows = blocks.iter().map(Block::rows).sum();
        let mut all = Block::new(rows, variables);
        for var in (0_u32..).map(VarId).take(variables) {
            if blocks.iter().any(|block| block.get(var, 0).is_some()) {
                let values = blocks.iter().flat_map(|block| (0..block.rows()).map(move |row| block.value(var, row)));
                all.set(var, Column::Values(values.collect()));
            }
        }
        all
    }

    /// Rough size in memory of some columns of a row.
    #[must_use]
    pub fn row_bytes(&self, row: usize, vars: &[VarId]) -> u64 {
        vars.iter().filter_map(|&var| self.get(var, row)).map(value_bytes).sum()
    }
}

/// Rough size in memory of a value.
#[must_use]
pub fn value_bytes(value: &Value) -> u64 {
    value.as_bytes().len() as u64 + 32
}

//! Sort keys as bytes: computed once per row, compared without looking at values again.

use crate::block::Block;
use aql::plan::SortElement;
use velocypack::{Value, order};

/// Appends the key of a row: the bytes of two rows compare like the rows in the order of the
/// elements.
pub(crate) fn write(elements: &[SortElement], block: &Block, row: usize, key: &mut Vec<u8>) {
    for element in elements {
        let start = key.len();
        let value = block.slice(element.input, row);
        match value.and_then(|value| if element.path.is_empty() { Some(value) } else { value.path(&element.path) }) {
            Some(value) => order::write_sort_key(value, key),
            None => order::write_sort_key(Value::null().as_slice(), key),
        }
        if !element.ascending {
            // Keys delimit themselves, so that inverted bytes sort the other way round.
            key.iter_mut().skip(start).for_each(|byte| *byte = !*byte);
        }
    }
}

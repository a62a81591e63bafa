//! The effect of an UPDATE on a document.

use crate::builder::Builder;
use crate::slice::Slice;
use crate::value::Value;

/// `base` with the attributes of `patch` put over it.
///
/// With `merge_objects`, an object over an object is merged in turn; without, it replaces. Without
/// `keep_null`, attributes that `patch` sets to null are removed, also inside its objects but not inside
/// its arrays. A `patch` that is no object, or a `base` that is none, is not merged: the result
/// is `patch`.
#[must_use]
pub fn merge(base: Slice<'_>, patch: Slice<'_>, merge_objects: bool, keep_null: bool) -> Value {
    if !base.is_object() || !patch.is_object() {
        return patch.to_value();
    }
    let mut builder = Builder::with_capacity(base.byte_len() + patch.byte_len() + 16);
    let options = Options { merge_objects, keep_null };
    options.write_merged(base, patch, &mut builder, 0);
    builder.finish().unwrap_or_else(|_| patch.to_value())
}

#[derive(Clone, Copy)]
struct Options {
    merge_objects: bool,
    keep_null: bool,
}

impl Options {
    fn write_merged(self, base: Slice<'_>, patch: Slice<'_>, builder: &mut Builder, depth: usize) {
        builder.open_object();
        for (name, old) in base.entries() {
            match patch.get(name) {
                None => {
                    builder.key(name).add(old);
                }
                Some(new) => self.write_attribute(name, Some(old), new, builder, depth),
            }
        }
        for (name, new) in patch.entries() {
            if base.get(name).is_none() {
                self.write_attribute(name, None, new, builder, depth);
            }
        }
        builder.close();
    }

    fn write_attribute(self, name: &str, old: Option<Slice<'_>>, new: Slice<'_>, builder: &mut Builder, depth: usize) {
        if new.is_null() && !self.keep_null {
            return;
        }
        builder.key(name);
        if !new.is_object() || depth >= crate::NESTING_MAX {
            builder.add(new);
            return;
        }
        match old.filter(|old| self.merge_objects && old.is_object()) {
            Some(old) => self.write_merged(old, new, builder, depth + 1),
            None if self.keep_null => {
                builder.add(new);
            }
            None => self.write_merged(Slice::new(&[0x0a]), new, builder, depth + 1),
        }
    }
}

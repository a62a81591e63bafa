//! Document operations with their options (`/_api/document`), independent of who carries them out.

use base::{Error, Revision};
use velocypack::Value;

/// What to do when an inserted key exists already (`overwriteMode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverwriteMode {
    /// Error 1210.
    #[default]
    Conflict,
    /// Keep the stored document.
    Ignore,
    /// Replace it.
    Replace,
    /// Update it.
    Update,
}

/// The kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Read documents.
    Read,
    /// Insert documents.
    Insert,
    /// Merge attributes into stored documents.
    Update,
    /// Replace stored documents.
    Replace,
    /// Remove documents.
    Remove,
}

/// Options of document operations; the defaults are ArangoDB's.
#[expect(clippy::struct_excessive_bools, reason = "they are the API's independent switches")]
#[derive(Clone, Debug)]
pub struct DocumentOptions {
    /// Sync to disk first; `None` leaves it to the collection.
    pub wait_for_sync: Option<bool>,
    /// Answer with the new document.
    pub return_new: bool,
    /// Answer with the old document.
    pub return_old: bool,
    /// Answer with nothing but errors.
    pub silent: bool,
    /// For inserts.
    pub overwrite_mode: OverwriteMode,
    /// `null` in an update is stored instead of removing the attribute.
    pub keep_null: bool,
    /// Updates merge nested objects instead of replacing them.
    pub merge_objects: bool,
    /// `_rev` in a body is not a precondition.
    pub ignore_revs: bool,
    /// Take `_key` and `_rev` from the body as they are.
    pub is_restore: bool,
    /// Attribute whose greater value wins over a smaller one.
    pub version_attribute: Option<String>,
    /// Precondition: the stored revision (single documents).
    pub if_match: Option<Revision>,
    /// Reads: 304 if the stored revision is this one.
    pub if_none_match: Option<Revision>,
}

impl Default for DocumentOptions {
    fn default() -> Self {
        Self {
            wait_for_sync: None,
            return_new: false,
            return_old: false,
            silent: false,
            overwrite_mode: OverwriteMode::Conflict,
            keep_null: true,
            merge_objects: true,
            ignore_revs: true,
            is_restore: false,
            version_attribute: None,
            if_match: None,
            if_none_match: None,
        }
    }
}

/// Documents to work on.
///
/// Each value is an object for inserts, updates and replacements (carrying `_key` where it is
/// needed); for reads and removals it is an object with `_key` (perhaps `_rev`) or a string that
/// holds a key or an id.
#[derive(Clone, Debug)]
pub struct DocumentRequest {
    /// What to do.
    pub operation: Operation,
    /// The documents or selectors, in the order of the request.
    pub documents: Vec<Value>,
    /// How to do it.
    pub options: DocumentOptions,
}

/// What became of one document.
#[derive(Clone, Debug)]
pub struct DocumentOutcome {
    /// `_key`.
    pub key: String,
    /// `_id`.
    pub id: String,
    /// Revision now stored (of a removal: the removed one).
    pub rev: Revision,
    /// Revision before, where there was one.
    pub old_rev: Option<Revision>,
    /// The document read, or the new one if asked for.
    pub new: Option<Value>,
    /// The old document if asked for.
    pub old: Option<Value>,
}

/// Result per document, in the order of the request.
#[derive(Clone, Debug)]
pub struct DocumentResults {
    /// One entry per requested document.
    pub items: Vec<Result<DocumentOutcome, Error>>,
    /// The writes are on disk (201 instead of 202).
    pub synced: bool,
}

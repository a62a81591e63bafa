//! ArangoDB's error numbers. The constants are generated from `data/errors.tsv`; names are
//! ArangoDB's without the prefix `ERROR_`.

use std::fmt;

/// An error number as it appears in `errorNum`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub u32);

/// One line of the table of errors.
#[derive(Debug)]
pub struct Row {
    /// `errorNum`.
    pub number: u32,
    /// Name without the prefix `ERROR_`.
    pub name: &'static str,
    /// HTTP status of an answer that reports the error by its number only.
    pub status: u16,
    /// Default `errorMessage`.
    pub text: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/codes.rs"));

impl Code {
    fn row(self) -> Option<&'static Row> {
        TABLE.binary_search_by_key(&self.0, |row| row.number).ok().map(|at| &TABLE[at])
    }

    /// HTTP status of this error; 500 where the table has none.
    #[must_use]
    pub fn http_status(self) -> u16 {
        self.row().map_or(500, |row| row.status)
    }

    /// Default text of this error.
    #[must_use]
    pub fn text(self) -> &'static str {
        self.row().map_or("unknown error", |row| row.text)
    }

    /// Name without the prefix `ERROR_`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().map_or("UNKNOWN", |row| row.name)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

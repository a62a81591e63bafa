//! The one error type. It travels unchanged from where a fault is understood to the client, also
//! across servers; the HTTP status is derived once, at the edge.

use crate::code::{self, Code};
use std::borrow::Cow;
use std::fmt;

/// Result with the one error type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A fault with ArangoDB's number.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    code: Code,
    message: Cow<'static, str>,
    status: Option<u16>,
    /// The stored document's identity, which answers to failed preconditions carry
    /// (`_id`, `_key`, `_rev`).
    pub stored: Option<Box<StoredIdentity>>,
}

/// Identity of the document that made a precondition fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredIdentity {
    /// `collection/key`.
    pub id: String,
    /// `_key`.
    pub key: String,
    /// `_rev` as text.
    pub rev: String,
}

impl Error {
    /// An error with its own message.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), status: None, stored: None }
    }

    /// An error whose message is the default text followed by `: detail`.
    pub fn with_detail(code: Code, detail: impl fmt::Display) -> Self {
        Self::new(code, format!("{}: {detail}", code.text()))
    }

    /// Overrides the HTTP status (for example 412 instead of 409 for a conflict that a
    /// precondition caused).
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Adds the identity of the stored document.
    #[must_use]
    pub fn stored(mut self, identity: StoredIdentity) -> Self {
        self.stored = Some(Box::new(identity));
        self
    }

    /// Puts `prefix` before the message, keeping the number.
    #[must_use]
    pub fn context(mut self, prefix: impl fmt::Display) -> Self {
        self.message = format!("{prefix}: {}", self.message).into();
        self
    }

    /// The number.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The message for the client.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// HTTP status for the client.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        self.status.unwrap_or_else(|| self.code.http_status())
    }

    /// 400 with errorNum 10 (`BAD_PARAMETER`).
    pub fn bad_parameter(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::BAD_PARAMETER, message)
    }

    /// 500 with errorNum 4: an assumption that did not hold inside one request.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::INTERNAL, message)
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(code, code.text())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} {}] {}", self.code, self.code.name(), self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_text_come_from_the_table() {
        let error = Error::from(code::ARANGO_DOCUMENT_NOT_FOUND);
        assert_eq!((error.code().0, error.http_status()), (1202, 404));
        assert_eq!(error.message(), "document not found");
        let conflict = Error::from(code::ARANGO_CONFLICT).status(412);
        assert_eq!((conflict.code().0, conflict.http_status()), (1200, 412));
    }

    #[test]
    fn detail_follows_the_default_text() {
        let error = Error::with_detail(code::ARANGO_DATA_SOURCE_NOT_FOUND, "x");
        assert_eq!(error.message(), "collection or view not found: x");
    }
}

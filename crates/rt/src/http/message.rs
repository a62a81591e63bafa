//! Requests and responses with whole bodies, and the trait of what answers them.

use super::{Bytes, HeaderMap, HeaderName, HeaderValue, Method, header};
use async_trait::async_trait;
use percent_encoding::percent_decode_str;
use std::net::SocketAddr;

/// A request whose body has arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Path as sent, percent-encoded, without the query.
    pub path: String,
    /// Query parameters, decoded, in order.
    pub query: Vec<(String, String)>,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// Who sent it; `None` over a unix socket.
    pub peer: Option<SocketAddr>,
}

impl Request {
    /// A request without headers, for calls inside the process and tests.
    #[must_use]
    pub fn new(method: Method, path_and_query: &str, body: impl Into<Bytes>) -> Self {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let (path, query) = (path.to_owned(), parse_query(query));
        Self { method, path, query, headers: HeaderMap::new(), body: body.into(), peer: None }
    }

    /// Value of a query parameter; the last one counts if it is there several times.
    #[must_use]
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Value of a header, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The decoded parts of the path, without empty ones at the start and end.
    #[must_use]
    pub fn segments(&self) -> Vec<String> {
        let path = self.path.trim_matches('/');
        if path.is_empty() {
            return Vec::new();
        }
        path.split('/').filter(|part| !part.is_empty()).map(decode).collect()
    }
}

/// Percent-decodes; bytes that are no UTF-8 become replacement characters.
fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The parameters of a query string, decoded.
pub(crate) fn parse_query(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode_parameter(key), decode_parameter(value))
    });
    pairs.collect()
}

fn decode_parameter(text: &str) -> String {
    if text.contains('+') { decode(&text.replace('+', " ")) } else { decode(text) }
}

/// An answer with its whole body.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Headers; the length is added on the way out.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Response {
    /// An answer without headers and body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// The same as [`Response::new`], for answers that are meant to be empty.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self::new(status)
    }

    /// A JSON answer.
    #[must_use]
    pub fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::new(status).with_body("application/json; charset=utf-8", value.to_string())
    }

    /// The error answer in ArangoDB's form.
    #[must_use]
    pub fn error(error: &base::Error) -> Self {
        let status = error.http_status();
        Self::json(status, &serde_json::json!({"code": status, "error": true, "errorMessage": error.message(), "errorNum": error.code().0}))
    }

    /// Sets a header; a value that is not legal is left out.
    #[must_use]
    pub fn with_header(mut self, name: impl TryInto<HeaderName>, value: impl TryInto<HeaderValue>) -> Self {
        if let (Ok(name), Ok(value)) = (name.try_into(), value.try_into()) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Sets the body and its type.
    #[must_use]
    pub fn with_body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.body = body.into();
        self
    }

    /// Value of a header, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// What answers requests.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    ///
    /// Cancel safety: the future of a `GET`, `HEAD` or `OPTIONS` request is dropped if the client
    /// goes away; those of other methods run to their end.
    async fn handle(&self, request: Request) -> Response;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_query_are_decoded() {
        let request = Request::new(Method::GET, "/_db/a%20b/_api//x%2Fy/?q=a+b%2B&flag&q=2&=", "");
        assert_eq!(request.segments(), ["_db", "a b", "_api", "x/y"]);
        assert_eq!(request.query_value("q"), Some("2"));
        assert_eq!(request.query.first(), Some(&("q".to_owned(), "a b+".to_owned())));
        assert_eq!(request.query_value("flag"), Some(""));
        assert_eq!(request.query_value("none"), None);
        assert!(Request::new(Method::GET, "/", "").segments().is_empty());
    }

    #[test]
    fn errors_have_arangodbs_form() {
        let answer = Response::error(&base::Error::from(base::code::ARANGO_DOCUMENT_NOT_FOUND));
        assert_eq!(answer.status, 404);
        assert_eq!(answer.body, r#"{"code":404,"error":true,"errorMessage":"document not found","errorNum":1202}"#);
    }
}
